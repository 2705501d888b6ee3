"""Train the small networks of two interactive figures: a sketched digit redrawn and named, and codes cut short.

python -m experiments.sketch             trains what is missing, measures all on the test digits and writes the result
python -m experiments.sketch --validate  trains all on 50,000 digits for 2 epochs and prints what the others give

"ordered" is one autoencoder for all code sizes from 1 to 64. In training, each digit's code is cut after its first k
numbers, and the rest set to 0; k is drawn anew each time, from 1 to 64, all equally likely. So the first numbers must
say what matters most (Rippel et al. 2014, "Learning Ordered Representations with Nested Dropout").
"""

import argparse
import functools

import keras
import numpy as np
from keras import ops

from experiments.autoencoder_codes import ShiftedPairs, squared_error_loss
from experiments.harness import record, training
from helpers import datasets, metrics, storage
from helpers.widgets import stored

NAME = "sketch"
SEED, BATCH_SIZE = 0, 250
SIZES = range(1, stored.CODE + 1)
RECIPES = {
    "codes": dict(epochs=8, learning_rate=5e-3),
    "classes": dict(epochs=6, learning_rate=3e-3),
    "ordered": dict(epochs=8, learning_rate=5e-3),
}


class CutPairs(ShiftedPairs):
    """Batches ((digits, masks), digits): a mask (batch_size, 64) keeps the first numbers of each code."""

    def __getitem__(self, index):
        """Return batch `index`; how many numbers are kept depends on seed, epoch and index alone."""
        rows, _ = super().__getitem__(index)
        rng = np.random.default_rng([self.seed, self.epoch, index, stored.CODE])
        kept = rng.integers(1, stored.CODE + 1, size=(self.batch_size, 1))
        return (rows, first_of_code(kept)), rows


def first_of_code(kept):
    """Return masks (n, 64) with ones for the first numbers of a code, kept (n, 1) of them."""
    return (np.arange(stored.CODE) < kept).astype("float32")


def cut_model(networks):
    """Return the model (digits, masks) → reconstructions from codes times masks."""
    digits, masks = keras.Input((784,)), keras.Input((stored.CODE,))
    return keras.Model([digits, masks], networks.decoder(ops.multiply(networks.encoder(digits), masks)))


def setup(name, mnist, networks):
    """Return model, batches and loss of a recipe."""
    if name == "classes":
        shift = functools.partial(datasets.shift_images, reach=2)
        rows = functools.partial(flat_batch, shift=shift)
        batches = datasets.ShuffledBatches(mnist.train_images, BATCH_SIZE, SEED, mnist.train_labels, rows)
        return networks, batches, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if name == "codes":
        return networks.autoencoder, ShiftedPairs(mnist.train_images, BATCH_SIZE, SEED), squared_error_loss
    return cut_model(networks), CutPairs(mnist.train_images, BATCH_SIZE, SEED), squared_error_loss


def flat_batch(images, rng, shift):
    """Return shifted images as rows (n, 784)."""
    return flat(shift(images, rng))


def flat(images):
    """(n, 28, 28, 1) -> (n, 784)."""
    return images.reshape(len(images), -1)


def train(name, mnist, run, epochs):
    """Train one recipe; return its networks and seconds."""
    keras.utils.set_random_seed(SEED)
    networks = stored.NETWORKS[name]()
    model, batches, loss = setup(name, mnist, networks)
    steps, rate = len(batches), RECIPES[name]["learning_rate"]
    schedule = keras.optimizers.schedules.CosineDecay(
        0.01 * rate, steps * (epochs - 1), warmup_target=rate, warmup_steps=steps
    )
    model.compile(keras.optimizers.Adam(schedule), loss)
    recipe = {"learning_rate": rate, "batch_size": BATCH_SIZE, "seed": SEED, "images": len(mnist.train_images)}
    return networks, training.fit(run, model, batches, epochs, recipe)["seconds"]


# --- What is measured ---


def measure(name, networks, images, labels, sizes=SIZES):
    """Return what a network does on digits: an error, or one for each size of the code."""
    rows = flat(images)
    if name == "classes":
        return {"error_percent": float(100 * (predict(networks, rows).argmax(axis=1) != labels).mean())}
    if name == "codes":
        return {"sse": squared_error(rows, predict(networks.autoencoder, rows))}
    if name == "ordered":
        return {"sse": errors_of_cut_codes(rows, predict(networks.encoder, rows), networks.decoder, sizes)}
    components, mean = networks.get_weights()
    return {"sse": errors_of_cut_codes(rows, (rows - mean) @ components.T, networks, sizes)}


def errors_of_cut_codes(rows, codes, decoder, sizes):
    """Return, for each size, the squared error per digit when so many first numbers of its code are used."""
    cut = (codes * first_of_code(size) for size in sizes)
    return [round(squared_error(rows, predict(decoder, code)), 4) for code in cut]


def predict(model, rows):
    """Return the outputs."""
    return model.predict(rows, batch_size=2000, verbose=0)


def squared_error(rows, reconstructions):
    """Return the mean over digits of the squared error, summed over pixels."""
    return float(metrics.squared_error(rows, reconstructions).mean())


# --- The runs ---


def validate(mnist):
    """Train all for a few epochs and print what they do on the validation digits."""
    for name in RECIPES:
        networks, seconds = train(name, mnist, f"{NAME}_{name}_validate", epochs=2)
        print(name, seconds, measure(name, networks, mnist.validation_images, mnist.validation_labels))


def make(name, mnist):
    """Make one network, store it, and return what it does as it is stored."""
    path, took = record.weights_path(NAME, name), {}
    if name == "components":
        weights = stored.principal_components(flat(mnist.train_images), stored.CODE)
    else:
        networks, seconds = train(name, mnist, f"{NAME}_{name}", RECIPES[name]["epochs"])
        weights, took = getattr(networks, "autoencoder", networks).get_weights(), {"seconds": seconds}
    storage.save_weights(path, weights, "int8")
    return {**took, **measure(name, stored.load_network(name), mnist.test_images, mnist.test_labels)}


def main():
    """Make the networks that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="train on 50,000 digits for 2 epochs, print the errors")
    if parser.parse_args().validate:
        validate(datasets.load_mnist())
        return
    settings = dict(recipes=RECIPES, batch_size=BATCH_SIZE, seed=SEED)
    runs = record.runs(NAME, {}, **settings)
    mnist = datasets.load_mnist(validation_size=0)
    for name in stored.NETWORKS:
        if name not in runs:
            runs[name] = make(name, mnist)
            record.write(NAME, runs=runs, **settings)
        print(name, runs[name])


if __name__ == "__main__":
    main()
