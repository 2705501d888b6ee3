"""Train three small decoders with two latents, of an autoencoder, a VAE and a GAN, and keep codes to show with them.

python -m experiments.explorer             trains what is missing, then measures and writes the result
python -m experiments.explorer --validate  trains all on 50,000 digits for 2 epochs, measures them on the others

The codes of the autoencoder and the VAE are those of the first 500 test digits. A GAN has no encoder: its codes are
latents drawn at random, and their labels are what the book's classifier reads in the digits made of them.
"""

import argparse

import keras
import numpy as np

from experiments.autoencoder_codes import ShiftedPairs, squared_error_loss
from experiments.harness import record, training
from helpers import autoencoders, datasets, gans, metrics, storage
from helpers.widgets import stored

NAME, SEED, SHOWN = "explorer", 0, 500
VALIDATION_EPOCHS = 2
ENCODER_UNITS = (256, 128)
RECIPES = {
    "autoencoder": {"learning_rate": 3e-3, "batch_size": 250, "epochs": 40},
    "vae": {"learning_rate": 2e-3, "batch_size": 250, "epochs": 40},
    "gan": {"rate": 2e-3, "last_rate": 1e-4, "gamma": 0.3, "batch_size": 64, "penalty_batch": 8, "ema": 0.999}
    | {"epochs": 15},
}


class BinaryDigits(datasets.ShuffledBatches):
    """Batches of binary digits, drawn anew from the grey levels in every epoch, as rows of 784 numbers."""

    def __init__(self, images, batch_size, seed=0):
        super().__init__(flat(images), batch_size, seed, transform=datasets.binarise)


def flat(images):
    """(n, 28, 28, 1) -> (n, 784)."""
    return images.reshape(len(images), -1)


def encoder(outputs):
    """Return an untrained encoder of rows (n, 784)."""
    return gans.dense_network((stored.PIXELS,), ENCODER_UNITS, outputs, normalise=True)


def falling(recipe, steps):
    """Return Adam with a rate that falls to 0 over these steps."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(recipe["learning_rate"], steps))


def train_autoencoder(recipe, images, run):
    """Train the autoencoder; return its decoder's weights, its encoder and the seconds."""
    encode, decode = encoder(stored.LATENTS), stored.decoder()
    model = keras.Sequential([keras.Input((stored.PIXELS,)), encode, decode])
    batches = ShiftedPairs(images, recipe["batch_size"], SEED)
    model.compile(falling(recipe, len(batches) * recipe["epochs"]), squared_error_loss)
    log = training.fit(run, model, batches, recipe["epochs"], settings(recipe, images))
    return decode.get_weights(), encode, log["seconds"]


def train_vae(recipe, images, run):
    """Train the VAE; return its decoder's weights, an encoder to the mean and the seconds."""
    encode, decode = encoder(2 * stored.LATENTS), stored.decoder(activation=None)
    model = autoencoders.VariationalAutoencoder(encode, decode, seed=SEED)
    batches = BinaryDigits(images, recipe["batch_size"], SEED)
    model.compile(falling(recipe, len(batches) * recipe["epochs"]))
    log = training.fit(run, model, batches, recipe["epochs"], settings(recipe, images))
    mean = keras.Model(encode.inputs, encode.outputs[0][:, : stored.LATENTS])
    return decode.get_weights(), mean, log["seconds"]


def train_gan(recipe, images, run):
    """Train the GAN; return its generator's weights, None for an encoder and the seconds."""
    gan = gans.GAN(stored.decoder(), gans.dense_network((stored.PIXELS,), ENCODER_UNITS, 1), seed=SEED)
    steps = recipe["epochs"] * (len(images) // recipe["batch_size"])
    last = recipe["last_rate"] / recipe["rate"]
    rate = keras.optimizers.schedules.CosineDecay(recipe["rate"], steps, alpha=last)
    adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=recipe["gamma"], r2=recipe["gamma"], penalty_batch=recipe["penalty_batch"])
    gan.compile(*adams, loss="relativistic", ema=recipe["ema"], **penalties)
    shown = settings(recipe, images)
    log = training.fit_gan(run, gan, flat(images), recipe["batch_size"], recipe["epochs"], shown)
    return gan.ema_generator.get_weights(), None, log["seconds"]


TRAIN = {"autoencoder": train_autoencoder, "vae": train_vae, "gan": train_gan}


def settings(recipe, images):
    """Return what an unfinished run must have been made with; the epochs are noted by `training`."""
    rest = {key: value for key, value in recipe.items() if key != "epochs"}
    return {**rest, "seed": SEED, "images": len(images), "units": [*stored.UNITS, *ENCODER_UNITS]}


def measure(network, encode, images, labels):
    """Return the codes to show with a decoder, their labels, and how well it draws."""
    if encode is None:
        codes = np.random.default_rng(SEED).standard_normal((SHOWN, stored.LATENTS)).round(3)
        drawn = network.predict(codes, verbose=0).reshape(-1, 28, 28, 1)
        latents = np.random.default_rng(SEED + 1).standard_normal((len(images), stored.LATENTS))
        samples = network.predict(latents, batch_size=1000, verbose=0).reshape(-1, 28, 28, 1)
        quality = {"fdd": metrics.frechet_digit_distance(samples, images)}
        labels = metrics.predict_labels(drawn)
    else:
        codes = encode.predict(flat(images[:SHOWN]), verbose=0).round(3)
        labels = labels[:SHOWN]
        quality = {"sse": squared_error(network, codes, images[:SHOWN])}
    return {**quality, "codes": np.float64(codes).round(3).tolist(), "labels": labels.tolist()}


def squared_error(network, codes, images):
    """Return the mean over digits of the squared error of what is decoded from their codes, summed over pixels."""
    return float(metrics.squared_error(flat(images), network.predict(codes, verbose=0)).mean())


def make(name, images, run, **changes):
    """Train one; return its decoder with the weights as they would be read back, its encoder and the seconds."""
    keras.utils.set_random_seed(SEED)
    return TRAIN[name]({**RECIPES[name], **changes}, images, run)


def validate(mnist):
    """Train all for two epochs and print what they do on the validation digits."""
    for name in stored.DECODERS:
        weights, encode, seconds = make(name, mnist.train_images, f"{NAME}_{name}_validate", epochs=VALIDATION_EPOCHS)
        network = stored.decoder()
        network.set_weights(weights)
        found = measure(network, encode, mnist.validation_images, mnist.validation_labels)
        print(name, seconds, "s", {key: value for key, value in found.items() if key in ("sse", "fdd")})


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="train on 50,000 digits for 2 epochs, print errors")
    if parser.parse_args().validate:
        validate(datasets.load_mnist())
        return
    runs = record.runs(NAME, {}, recipes=RECIPES)
    mnist = datasets.load_mnist(validation_size=0)
    for name in stored.DECODERS:
        if name in runs:
            continue
        weights, encode, seconds = make(name, mnist.train_images, f"{NAME}_{name}")
        storage.save_weights(record.weights_path(NAME, name), weights, "int8")
        found = measure(stored.load_decoder(name), encode, mnist.test_images, mnist.test_labels)
        runs[name] = {"seconds": seconds, **found}
        record.write(NAME, runs=runs, recipes=RECIPES)


if __name__ == "__main__":
    main()
