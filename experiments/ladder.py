"""Train a ladder network on 100 labels and 60,000 images without labels, for several draws of the labels.

python -m experiments.ladder             trains what is missing, then measures all and writes the result
python -m experiments.ladder --validate  trains on 50,000 digits (a draw of its own) and prints the error on the others
"""

import argparse

import keras
import numpy as np

from experiments import ladder_network
from experiments.harness import record, rounding, training
from helpers import datasets, layers, storage

NAME = "ladder"
DRAWS = (0, 1, 2)  # seeds of the labels, of the first weights, of the noise and of the order; fixed before the runs
LABELS = 100
STORED_AS, ROUNDED_ON = "int5", 20_000  # training digits on which the rounding costs little
RECIPE = {
    "widths": [784, 1000, 500, 250, 250, 250, 10],
    "denoising_weights": [1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1],
    "noise": 0.3,
    "learning_rate": 2e-3,
    "labelled": 100,  # in a batch
    "unlabelled": 100,
    "epochs": 50,
    "constant_epochs": 33,  # then the rate falls to 0 in equal steps
}


def rate(step, steps_an_epoch):
    """Return the learning rate at a step: constant, then falling linearly to 0."""
    left = (RECIPE["epochs"] * steps_an_epoch - step) / (
        (RECIPE["epochs"] - RECIPE["constant_epochs"]) * steps_an_epoch
    )
    return RECIPE["learning_rate"] * keras.ops.clip(left, 0, 1)


@keras.saving.register_keras_serializable("experiments")
class ConstantThenLinear(keras.optimizers.schedules.LearningRateSchedule):
    """The schedule of `rate`."""

    def __init__(self, steps_an_epoch):
        self.steps_an_epoch = steps_an_epoch

    def __call__(self, step):
        """Return the learning rate at a step."""
        return rate(keras.ops.cast(step, "float32"), self.steps_an_epoch)

    def get_config(self):
        """Return the constructor's arguments."""
        return {"steps_an_epoch": self.steps_an_epoch}


def train(images, labels, draw, run):
    """Train on all images (n, 784), of which 100 keep their labels; return the classifier, seconds and history."""
    rows = datasets.balanced_subset(labels, LABELS, np.random.default_rng(draw))
    keras.utils.set_random_seed(draw)
    network = ladder_network.LadderNetwork(
        RECIPE["widths"], RECIPE["denoising_weights"], RECIPE["labelled"], RECIPE["noise"], seed=draw
    )
    batches = datasets.SemiSupervisedBatches(
        images[rows], labels[rows], images, RECIPE["labelled"], RECIPE["unlabelled"], seed=draw
    )
    network.compile(keras.optimizers.Adam(ConstantThenLinear(len(batches))))
    log = training.fit(run, network, batches, RECIPE["epochs"], {**RECIPE, "images": len(images), "draw": draw})
    return network.classifier(images), log


def error(classifier, images, labels):
    """Return the percentage of images (n, 784) that are misclassified."""
    predicted = classifier.predict(images, batch_size=1000, verbose=0).argmax(axis=-1)
    return 100 * float((predicted != labels).mean())


def load(draw):
    """Return the trained classifier of one draw, its weights as they are stored: 5-bit integers."""
    pixels, *units, classes = RECIPE["widths"]
    classifier = layers.dense_network((pixels,), units, classes, activation="relu")
    classifier.set_weights(storage.load_weights(record.weights_path(NAME, draw)))
    return classifier


def validate():
    """Train on 50,000 digits with a draw that the result does not use, and print the error on the other 10,000."""
    mnist = datasets.load_mnist()
    images = mnist.train_images.reshape(-1, 784)
    classifier, log = train(images, mnist.train_labels, 100, f"{NAME}_validate")
    held_out = mnist.validation_images.reshape(-1, 784)
    print(RECIPE, error(classifier, held_out, mnist.validation_labels), "%", log["seconds"], "s")


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="train on 50,000 digits, print the validation error")
    if parser.parse_args().validate:
        validate()
        return
    mnist = datasets.load_mnist(validation_size=0)
    images, test = (part.reshape(-1, 784) for part in (mnist.train_images, mnist.test_images))
    runs = record.runs(NAME, [], recipe=RECIPE)
    for draw in DRAWS[len(runs) :]:
        classifier, log = train(images, mnist.train_labels, draw, f"{NAME}_{draw}")
        rounding.round_network(classifier, images[:ROUNDED_ON], STORED_AS)
        storage.save_weights(record.weights_path(NAME, draw), classifier.get_weights(), STORED_AS)
        runs.append({"draw": draw, "test_error": error(load(draw), test, mnist.test_labels), **log})
        record.write(NAME, runs=runs, recipe=RECIPE, labels=LABELS)
        if draw != DRAWS[0]:  # measured as stored; of the others the numbers stay, for the weights are large
            record.weights_path(NAME, draw).unlink()
        print(draw, runs[-1]["test_error"], "%")


if __name__ == "__main__":
    main()
