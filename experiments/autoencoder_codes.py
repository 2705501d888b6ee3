"""Train autoencoders with 30 codes for a small squared error, and measure them on the test digits as they are stored.

python -m experiments.autoencoder_codes                  trains what is missing, then measures all and writes the result
python -m experiments.autoencoder_codes deep             trains one of them only
python -m experiments.autoencoder_codes deep --validate  trains it on 50,000 digits and prints the error on the others
"""

import argparse
import dataclasses
import functools
from collections.abc import Callable

import keras
from keras import ops

from experiments.harness import record, rounding, training
from helpers import autoencoders, datasets, metrics, storage

NAME = "autoencoder_codes"
STORED_AS, ROUNDED_ON = "int6", 20_000  # training digits on which the rounding costs little


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Network, settings and length of one way to train an autoencoder."""

    network: Callable
    sizes: dict
    learning_rate: float
    batch_size: int
    epochs: int

    def build(self, seed=0):
        """Return the untrained autoencoder."""
        keras.utils.set_random_seed(seed)
        return self.network(**self.sizes)

    def optimizer(self, steps_an_epoch):
        """Return Adam with one epoch of warm-up and a cosine down to 0."""
        decay = steps_an_epoch * (self.epochs - 1)
        schedule = functools.partial(keras.optimizers.schedules.CosineDecay, warmup_steps=steps_an_epoch)
        return keras.optimizers.Adam(schedule(0.01 * self.learning_rate, decay, warmup_target=self.learning_rate))

    def settings(self):
        """Return the recipe as JSON can hold it."""
        return {**vars(self), "network": self.network.__name__}


RECIPES = {
    "deep": Recipe(autoencoders.deep_autoencoder, dict(widths=[1000, 500, 250]), 3e-3, 100, 40),
    "best": Recipe(autoencoders.residual_autoencoder, dict(width=384, blocks=4), 5e-3, 100, 150),
}


def squared_error_loss(images, reconstructions):
    """Return the squared error of each image, summed over its pixels: (n,)."""
    return ops.sum(ops.square(images - reconstructions), axis=-1)


class ShiftedPairs(datasets.ShuffledBatches):
    """Batches of digits shifted by up to a pixel, as rows of 784 numbers, each its own target."""

    def __init__(self, images, batch_size, seed=0):
        super().__init__(images, batch_size, seed, transform=datasets.shift_images)

    def __getitem__(self, index):
        """Return batch `index`: (batch_size, 784), twice."""
        rows = super().__getitem__(index)[0].reshape(self.batch_size, -1)
        return rows, rows


def train(name, images, run):
    """Train one recipe on images (n, 28, 28, 1); return its model, seconds and history."""
    recipe = RECIPES[name]
    model = recipe.build().autoencoder
    batches = ShiftedPairs(images, recipe.batch_size)
    model.compile(recipe.optimizer(len(batches)), squared_error_loss)
    return model, training.fit(run, model, batches, recipe.epochs, {**recipe.settings(), "images": len(images)})


def error(model, images):
    """Return the squared error per image (n, 28, 28, 1), summed over pixels."""
    rows = images.reshape(len(images), -1)  # (n, 28, 28, 1) -> (n, 784)
    return float(metrics.squared_error(rows, model.predict(rows, batch_size=1000, verbose=0)).mean())


def store(name, model, images):
    """Round the weights to 6 bits, in place, and store them."""
    rounding.round_network(model, images[:ROUNDED_ON].reshape(-1, 784), STORED_AS)
    storage.save_weights(record.weights_path(NAME, name), model.get_weights(), STORED_AS)


def load(name):
    """Return the trained autoencoder, its weights as they are stored: 6-bit integers.

    Parameters
    ----------
    name : str
        "deep" or "best".

    Returns
    -------
    helpers.autoencoders.Autoencoder
    """
    networks = RECIPES[name].build()
    networks.autoencoder.set_weights(storage.load_weights(record.weights_path(NAME, name)))
    return networks


def validate(name):
    """Train on the first 50,000 training digits and print the error on the other 10,000."""
    mnist = datasets.load_mnist()
    model, run = train(name, mnist.train_images, f"{NAME}_{name}_validate")
    print(name, RECIPES[name].settings(), error(model, mnist.validation_images), run["seconds"], "s")


def measure(name, test_images, run):
    """Return what is known of one stored model: its errors before and after storing, its size, its run."""
    networks = load(name)
    return {
        "name": name,
        "test_sse": error(networks.autoencoder, test_images),
        "weights": networks.autoencoder.count_params(),
        **run,
    }


def main():
    """Train what is missing, measure everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RECIPES), help="which recipes; all by default")
    parser.add_argument("--validate", action="store_true", help="train on 50,000 digits, print the validation error")
    arguments = parser.parse_args()
    if arguments.validate:
        for name in arguments.names:
            validate(name)
        return
    runs = recorded()
    mnist = datasets.load_mnist(validation_size=0)
    for name in arguments.names:
        if name not in runs:
            model, run = train(name, mnist.train_images, f"{NAME}_{name}")
            full = error(model, mnist.test_images)
            store(name, model, mnist.train_images)
            runs[name] = measure(name, mnist.test_images, {"test_sse_float32": full, **run})
            write(runs)
        print(name, runs[name]["test_sse"])


def write(runs):
    """Write the result of the runs so far."""
    recipes = {name: RECIPES[name].settings() for name in runs}
    record.write(NAME, runs=runs, recipes=recipes, training_images=datasets.TRAINING_SIZE)


def recorded():
    """Return the recorded runs; one of a recipe that was edited since is an error."""
    try:
        old = record.read(NAME)
    except FileNotFoundError:
        return {}
    for name, settings in old["recipes"].items():
        if name not in RECIPES or RECIPES[name].settings() != settings:
            raise RuntimeError(f"recipe {name!r} has changed since it was trained: take it out of {NAME}.json first.")
    return old["runs"]


if __name__ == "__main__":
    main()
