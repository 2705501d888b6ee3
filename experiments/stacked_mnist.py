"""Train a GAN on stacks of three digits, one a colour channel, and count how many of the 1,000 numbers it draws.

python -m experiments.stacked_mnist             trains what is missing, then measures and writes the result
python -m experiments.stacked_mnist --validate  trains on another seed and prints its counts

Two epochs, and not the fifty of the published protocol: with the seed for comparisons they gave all 1,000 numbers, and
the time is better spent on further seeds.
"""

import argparse

import keras
import numpy as np
from scipy.special import softmax

from experiments.harness import record, rounding, training
from helpers import datasets, gans, metrics, storage

NAME = "stacked_mnist"
SEEDS = (0, 1, 2)  # fixed before the runs
VALIDATION_SEED = 100  # settings are compared with this one
STACKS, SAMPLES, SAMPLE_SEED = 128_000, 26_000, 12345  # the numbers of the published protocol
STORED_AS, ROUNDED_ON = "int4", 20_000  # latents on which the rounding costs little
CONFIDENT = 0.9  # probability from which on a channel counts as legible
SHAPE = (28, 28, 3)
NETWORKS = {"latent_dim": 64, "generator_units": [512, 1024], "discriminator_units": [1024, 512]}
RECIPE = {"rate": 1e-3, "gamma": 0.3, "batch_size": 64, "penalty_batch": 16, "ema": 0.999, "epochs": 2}


def stacks(images, seed):
    """Return 128,000 stacks (n, 28, 28, 3) of digits drawn at random from images (m, 28, 28, 1)."""
    rows = np.random.default_rng(seed).integers(len(images), size=(STACKS, 3))
    return np.concatenate([images[rows[:, channel]] for channel in range(3)], axis=-1)


def read(images):
    """Return the digit that the classifier reads in each channel and its probability, both (3, n)."""
    logits = [
        metrics.load_classifier().predict(images[..., [channel]], batch_size=500, verbose=0)[1] for channel in range(3)
    ]
    probabilities = softmax(np.stack(logits).astype("float64"), axis=-1)
    return probabilities.argmax(axis=-1), probabilities.max(axis=-1)


def shares_of(digits):
    """Return the shares of the 1,000 numbers among stacks of digits (3, n)."""
    return np.bincount(digits[0] * 100 + digits[1] * 10 + digits[2], minlength=1000) / digits.shape[1]


def count(images):
    """Return how many of the 1,000 numbers the classifier reads, and the reverse KL divergence from equal shares."""
    shares = shares_of(read(images)[0])
    present = shares[shares > 0]
    return {"modes": len(present), "reverse_kl": float((present * np.log(1000 * present)).sum())}


def legible(images):
    """Return the share of stacks whose three digits are all read with confidence, and how many numbers those show."""
    digits, probabilities = read(images)
    clear = (probabilities > CONFIDENT).all(axis=0)
    return {"share": float(clear.mean()), "modes": int((shares_of(digits[:, clear]) > 0).sum())}


def overlaid(images, seed):
    """Return stacks in each channel of which two random digits lie over each other."""
    return np.maximum(stacks(images, seed)[:SAMPLES], stacks(images, seed + 1)[:SAMPLES])


def measure_legibility():
    """Return the legibility of stacks of the stored generator, of test digits, and of test digits laid over others."""
    test = datasets.load_mnist().test_images
    found = {"generated": sample(load()), "real": stacks(test, 0)[:SAMPLES], "overlaid": overlaid(test, 1)}
    return {name: legible(images) for name, images in found.items()}


def build(seed):
    """Return the compiled, untrained GAN."""
    keras.utils.set_random_seed(seed)
    networks = gans.dense_networks(**NETWORKS, activation="leaky_relu", normalise=True, image_shape=SHAPE)
    gan = gans.GAN(*networks, seed=seed)
    adams = [keras.optimizers.Adam(RECIPE["rate"], beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=RECIPE["gamma"], r2=RECIPE["gamma"], penalty_batch=RECIPE["penalty_batch"])
    gan.compile(*adams, loss="relativistic", ema=RECIPE["ema"], **penalties)
    return gan


def train(seed, run):
    """Train on stacks of training digits; return the GAN, seconds and history."""
    images = stacks(datasets.load_mnist().train_images, seed)
    settings = {**RECIPE, **NETWORKS, "seed": seed}
    gan = build(seed)
    return gan, training.fit_gan(run, gan, images, RECIPE["batch_size"], RECIPE["epochs"], settings)


def store(generator, seed):
    """Round the weights to 4 bits, in place, and store them."""
    latents = np.asarray(keras.random.normal((ROUNDED_ON, generator.input_shape[-1]), seed=1))
    rounding.round_network(generator, latents, STORED_AS)
    storage.save_weights(record.weights_path(NAME, seed), generator.get_weights(), STORED_AS)


def load(seed=SEEDS[0]):
    """Return the trained generator of the first seed, its weights as they are stored: 4-bit integers."""
    generator, _ = gans.dense_networks(**NETWORKS, activation="leaky_relu", normalise=True, image_shape=SHAPE)
    generator.set_weights(storage.load_weights(record.weights_path(NAME, seed)))
    return generator


def sample(generator):
    """Return 26,000 generated stacks."""
    latents = keras.random.normal((SAMPLES, generator.input_shape[-1]), seed=SAMPLE_SEED)
    return generator.predict(latents, batch_size=1000, verbose=0)


def measure(generator):
    """Return the counts over 26,000 generated stacks."""
    return count(sample(generator))


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="train another seed and print its counts")
    if parser.parse_args().validate:
        gan, log = train(VALIDATION_SEED, f"{NAME}_validate")
        print(RECIPE, measure(gan.ema_generator), log["seconds"], "s")
        return
    runs = record.runs(NAME, [], recipe=RECIPE, networks=NETWORKS)
    for seed in SEEDS[len(runs) :]:
        gan, log = train(seed, f"{NAME}_{seed}")
        measured = measure(gan.ema_generator)
        if seed == SEEDS[0]:  # one is enough to look at, and large
            store(gan.ema_generator, seed)
            measured["as_stored"] = measure(load())
        real = count(stacks(datasets.load_mnist().test_images, seed)[:SAMPLES])
        runs.append({"seed": seed, **measured, "real": real, **log})
        record.write(NAME, runs=runs, recipe=RECIPE, networks=NETWORKS, stacks=STACKS, samples=SAMPLES)
        print(seed, runs[-1]["modes"], runs[-1]["reverse_kl"])
    record.rewrite(NAME, {**record.read(NAME), "legible": {"confident": CONFIDENT, **measure_legibility()}})


if __name__ == "__main__":
    main()
