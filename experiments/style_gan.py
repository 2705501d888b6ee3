"""Train a small style-based GAN of digits on three seeds; measure what its styles move, and look for digits in it.

python -m experiments.style_gan             trains what is missing, then measures all and writes the result
python -m experiments.style_gan --train     trains what is missing only
python -m experiments.style_gan --validate  trains another seed and measures it on the validation digits

The game, its settings, the batches and the discriminator are those of the improved recipe in `experiments.gan_recipes`,
whose generators, which have no mapping network, are measured beside. `experiments.style_settings` tried other rates
and widths afterwards, with seeds of its own. Before, two passes of a
pyramid of dense layers with a style each were tried with the validation seed: with the last layer's style exchanged
45% of the digits kept their class. Three passes of the networks below gave 48%, 82% and 55% on the three seeds.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np

from experiments import autoencoder_codes, gan_recipes
from experiments.dcgan import Keep
from experiments.harness import record, training
from helpers import datasets, gans, layers, metrics, storage
from helpers.gans import style

NAME = "style_gan"
SEEDS = (0, 1, 2)  # fixed before the runs
STORED_SEEDS = SEEDS[:1]  # whose generators are kept; those of all seeds are measured as they are stored
VALIDATION_SEED = 100  # settings are compared with this one
SAMPLES, SAMPLE_SEED = 10_000, 12345
NETWORKS = {"latent_dim": 30, "style_dim": 30, "mapping_units": [128, 128], "units": [256, 256], "channels": [4, 4]}
RECIPE = {"rate": 2e-3, "gamma": 0.3, "batch_size": 64, "penalty_batch": 8, "ema": 0.999, "share": 0.5, "epochs": 16}
BETAS = {"beta_1": 0.0, "beta_2": 0.99}  # of both Adams
LATENT_DIM = NETWORKS["latent_dim"]
FITTED, PAIRS, PATHS, EPSILON = 2_000, 500, 500, 1e-3  # digits of a fit, mixed digits, paths and their step
PSIS, TRUNCATED = (0.25, 0.5, 0.75, 1.0), 1_000
DIGITS, DIGITS_SEED = 40, 7  # test digits that are looked for
SEARCH = {"starts": 4, "steps": 200, "rate": 0.1}
ENCODER = {"units": [512, 256], "pairs": 8_000, "epochs": 5, "batch_size": 128, "rate": 1e-3}


# --- Training --------------------------------------------------------------------------------------------------------


def build(seed, **networks):
    """Return the compiled, untrained GAN; sizes that differ from the stored runs' are named."""
    keras.utils.set_random_seed(seed)
    gan = gans.GAN(*style.style_networks(**{**NETWORKS, **networks}, share=RECIPE["share"]), seed=seed)
    return compiled(gan, *(keras.optimizers.Adam(RECIPE["rate"], **BETAS) for _ in range(2)))


def compiled(gan, *adams, ema=RECIPE["ema"]):
    """Return the GAN, compiled with these two optimizers and the recipe's game."""
    penalties = dict(r1=RECIPE["gamma"], r2=RECIPE["gamma"], penalty_batch=RECIPE["penalty_batch"])
    gan.compile(*adams, loss="non_saturating", ema=ema, **penalties)
    return gan


def train(seed, mnist, run):
    """Train on the 50,000 training digits, unless that has been done; return the averaged weights and the run's log."""
    epochs, keep, settings = RECIPE["epochs"], Keep(training.RUNS / run), {**RECIPE, **NETWORKS, "seed": seed}
    log, _ = training.callbacks_of(run, epochs, settings)
    if len(log.rows) < epochs:
        done = training.fit_gan(run, build(seed), mnist.train_images, RECIPE["batch_size"], epochs, settings, [keep])
    else:
        done = {"seconds": log.seconds(), "history": log.history(epochs)}
    return [storage.load_weights(keep.file(passes)) for passes in range(1, epochs + 1)], done


def curve(weights, validation):
    """Return the distance of 10,000 digits from the validation digits after each pass."""
    return [metrics.frechet_distance(Digits(each).seen(), validation) for each in weights]


class Digits:
    """A generator with given weights, taken apart: z → w → images."""

    def __init__(self, weights, **networks):
        self.generator, _ = style.style_networks(**{**NETWORKS, **networks})
        self.generator.set_weights(weights)
        self.mapping, self.synthesis = (self.generator.get_layer(name) for name in ("mapping", "synthesis"))

    def styles(self, count=SAMPLES, seed=SAMPLE_SEED):
        """Return w (count, k) of normal latents."""
        return self.mapping.predict(normal((count, LATENT_DIM), seed), batch_size=1000, verbose=0)

    def draw(self, styles, noise=None):
        """Return images for one w each (n, k), or one for each layer (n, 4, k); with noise of this seed, or without."""
        styles = style.mix(styles, styles, 0) if styles.ndim == 2 else styles
        shape = (len(styles), style.NOISE)
        maps = np.zeros(shape, "float32") if noise is None else normal(shape, noise)
        return self.synthesis.predict([styles, maps], batch_size=1000, verbose=0)

    def seen(self, count=SAMPLES):
        """Return the features of so many digits, with noise and without mixing, for Fréchet distances."""
        return metrics.features(self.draw(self.styles(count), noise=1))


def normal(shape, seed):
    """Return standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def weights_path(seed):
    """Return where the weights of one run are stored."""
    return training.weights_path(NAME, seed, kept=seed in STORED_SEEDS)


def load(seed):
    """Return the stored generator of one seed, taken apart; its weights are 8-bit integers."""
    return Digits(storage.load_weights(weights_path(seed)))


# --- What the styles move --------------------------------------------------------------------------------------------


def traits(images):
    """Return slant and thickness of each digit, (n, 28, 28, 1) -> two (n,), as the chapter defines them."""
    ink = images.reshape(-1, 28, 28).astype("float64")
    total, at = ink.sum(axis=(1, 2)), np.arange(28)
    weight = ink / total[:, None, None]
    rows, columns = weight.sum(axis=2), weight.sum(axis=1)
    both = np.einsum("nij,i,j->n", weight, at, at) - (rows @ at) * (columns @ at)
    slant = -both / (rows @ at**2 - (rows @ at) ** 2)
    down, across = np.diff(ink, axis=1)[:, :, :-1], np.diff(ink, axis=2)[:, :-1]
    return slant, 2 * total / np.hypot(down, across).sum(axis=(1, 2))


def mixing(digits):
    """Return for each crossing the share of digits that keep the first's class, and how far each trait goes."""
    first, second = digits.styles(PAIRS, seed=21), digits.styles(PAIRS, seed=22)
    before, other = (digits.draw(styles) for styles in (first, second))
    seen, table = metrics.predict_labels(before), []
    for crossing in range(1, style.LAYERS):
        images = digits.draw(style.mix(first, second, crossing))
        moved = [way(*each) for each in zip(traits(before), traits(images), traits(other), strict=True)]
        kept = float((metrics.predict_labels(images) == seen).mean())
        table.append({"crossing": crossing, "kept": kept, "slant": moved[0], "thickness": moved[1]})
    return table


def way(start, reached, end):
    """Return the part of the way from the first digit's trait to the second's that the mixed digit goes, on average."""
    return float(((reached - start) * (end - start)).sum() / ((end - start) ** 2).sum())


def path_length(draw, points, seed=31):
    """Return the mean squared change of the classifier's features a step, over the step squared, on random paths.

    ``points(t)`` returns for t (n, 1) the points of the paths there, ``draw`` their images.
    """
    t = np.random.default_rng(seed).uniform(size=(PATHS, 1)).astype("float32")
    here, there = (metrics.features(draw(points(at))) for at in (t, t + np.float32(EPSILON)))
    return float((np.square(there - here).sum(axis=1) / EPSILON**2).mean())


def on_arc(start, end):
    """Return t -> points between normal latents on an arc, as long vectors as they are: slerp."""
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (start, end)]
    angle = np.arccos((start * end).sum(axis=1, keepdims=True) / (lengths[0] * lengths[1]))
    return lambda t: (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def path_lengths(digits):
    """Return the path length in z, through the mapping network, and in w, behind it."""
    start, end = (normal((PATHS, LATENT_DIM), seed) for seed in (32, 33))
    first, last = (digits.mapping.predict(z, batch_size=1000, verbose=0) for z in (start, end))
    arc = on_arc(start, end)
    return {
        "z": path_length(lambda z: digits.draw(digits.mapping.predict(z, batch_size=1000, verbose=0)), arc),
        "w": path_length(digits.draw, lambda t: first + t * (last - first)),
    }


def dense_path_length(generator):
    """Return the path length of a generator without a mapping network, in its z."""
    arc = on_arc(*(normal((PATHS, generator.input_shape[-1]), one) for one in (32, 33)))
    return path_length(lambda z: generator.predict(z, batch_size=1000, verbose=0), arc)


def truncation(digits, real_features):
    """Return precision, recall, coverage and Fréchet distance for each psi; 1,000 generated digits and as many real."""
    styles, real = digits.styles(TRUNCATED, seed=41), real_features[:TRUNCATED]
    middle, table = digits.styles().mean(axis=0), []
    for psi in PSIS:
        found = metrics.features(digits.draw(middle + np.float32(psi) * (styles - middle), noise=42))
        table.append({"psi": psi, **metrics.neighbour_metrics(real, found)})
        table[-1]["fdd"] = metrics.frechet_distance(found, real)
    return table


def edits(digits, towards=None):
    """Return what a step along the direction of each trait does: to the trait, and to the class."""
    styles, other = digits.styles(FITTED, seed=51), digits.styles(PAIRS, seed=52)
    before, found = digits.draw(other), {}
    seen, values = metrics.predict_labels(before), traits(digits.draw(styles))
    for index, (name, value) in enumerate(zip(("slant", "thickness"), values, strict=True)):
        images = digits.draw(other + (towards or direction)(styles, value))
        moved = (traits(images)[index] - traits(before)[index]).mean() / value.std()
        found[name] = {"moved": float(moved), "kept": float((metrics.predict_labels(images) == seen).mean())}
    return found


def direction(styles, values):
    """Return by how much w differs, on average, where a trait is larger by one deviation: the regression of w on it."""
    centred = styles - styles.mean(axis=0)
    return (centred.T @ (values - values.mean()) / len(values) / values.std()).astype("float32")


def gradient(styles, values):
    """Return the step in w for which a linear fit of the trait promises one deviation, along the fit's gradient."""
    slope = np.linalg.lstsq(styles - styles.mean(axis=0), values - values.mean(), rcond=None)[0]
    return (slope * values.std() / (slope @ slope)).astype("float32")


# --- Digits that are looked for --------------------------------------------------------------------------------------


def targets(mnist):
    """Return the test digits that are looked for, as rows (n, 784)."""
    chosen = np.random.default_rng(DIGITS_SEED).permutation(len(mnist.test_images))[:DIGITS]
    return mnist.test_images[chosen].reshape(DIGITS, -1)


@jax.jit
def search(weights, rows, styles):
    """Return styles (n, 1 or 4, k) that Adam finds for rows (n, 784), at a rate that falls to zero along a cosine."""
    slope = jax.grad(lambda styles: errors(weights, rows, styles).sum())

    def step(state, number):
        """Make one step."""
        at, mean, square = state
        g = slope(at)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g**2
        rate = SEARCH["rate"] * 0.5 * (1 + jnp.cos(jnp.pi * number / SEARCH["steps"]))
        size = jnp.sqrt(square / (1 - 0.99 ** (number + 1))) + 1e-8
        return (at - rate * mean / (1 - 0.9 ** (number + 1)) / size, mean, square), None

    zeros = jnp.zeros_like(styles)
    return jax.lax.scan(step, (styles, zeros, zeros), jnp.arange(SEARCH["steps"]))[0][0]


def errors(weights, rows, styles):
    """Return the squared error of each row (n, 784) for styles (n, 1 or 4, k), drawn without noise."""
    every = jnp.broadcast_to(styles, (len(rows), style.LAYERS, styles.shape[-1]))
    noise = jnp.zeros((len(rows), style.NOISE))
    images, _ = _template().stateless_call(weights, [], [every, noise])
    return jnp.square(images.reshape(-1, 784) - rows).sum(axis=1)


@functools.cache
def _template():
    """Return a synthesis network, for calls with weights of others."""
    return style.style_networks(**NETWORKS)[0].get_layer("synthesis")


def inversions(digits, rows):
    """Return the mean squared error of digits found in several ways; see the chapter."""
    weights, count = [jnp.array(variable.value) for variable in digits.synthesis.variables], len(rows)
    starts = digits.styles(SEARCH["starts"] * count, seed=61).reshape(SEARCH["starts"], count, 1, -1)
    starts[0] = digits.styles().mean(axis=0)
    guess = train_encoder(digits).predict(rows, verbose=0)[None, :, None]
    copies = np.tile(rows, (SEARCH["starts"] + 1, 1))
    found = search(weights, copies, np.concatenate([starts, guess]).reshape(len(copies), 1, -1))
    missed = np.asarray(errors(weights, copies, found)).reshape(-1, count)  # (starts + 1, n)
    best = np.asarray(found).reshape(-1, *starts.shape[1:])[missed[:-1].argmin(axis=0), np.arange(count)]
    every = search(weights, rows, np.repeat(best, style.LAYERS, axis=1))
    return {
        "one start": float(missed[0].mean()),
        "best of the starts": float(missed[:-1].min(axis=0).mean()),
        "encoded": float(errors(weights, rows, guess[0]).mean()),
        "encoded, refined": float(missed[-1].mean()),
        "a style for each layer": float(errors(weights, rows, every).mean()),
    }


def train_encoder(digits):
    """Return a network that reads w off an image, trained on generated pairs alone."""
    keras.utils.set_random_seed(0)
    styles = digits.styles(ENCODER["pairs"], seed=71)
    images = digits.draw(styles).reshape(len(styles), -1)
    encoder = layers.dense_network((784,), ENCODER["units"], styles.shape[1], "relu")
    steps = ENCODER["epochs"] * (len(styles) // ENCODER["batch_size"])
    encoder.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(ENCODER["rate"], steps)), "mse")
    encoder.fit(images, styles, batch_size=ENCODER["batch_size"], epochs=ENCODER["epochs"], verbose=0)
    return encoder


def by_autoencoders(rows):
    """Return the mean squared error of the same digits in the book's autoencoders with 30 numbers in the code."""
    errors = {}
    for name in autoencoder_codes.RECIPES:
        redrawn = autoencoder_codes.load(name).autoencoder.predict(rows, batch_size=1000, verbose=0)
        errors[name] = float(metrics.squared_error(rows, redrawn).mean())
    return errors


# --- The result ------------------------------------------------------------------------------------------------------


def measure(digits, mnist, real, validation):
    """Return everything that is measured of one stored generator, with the features of test and validation digits."""
    seen = digits.seen()
    return {
        "fdd": metrics.frechet_distance(seen, real),
        "validation_fdd": metrics.frechet_distance(seen, validation),
        "mixing": mixing(digits),
        "path_length": path_lengths(digits),
        "truncation": truncation(digits, real),
        "edits": edits(digits),
        "edits_by_gradient": edits(digits, gradient),
        "inversion": inversions(digits, targets(mnist)),
    }


def main():
    """Train what is missing; measure it and write the result unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train what is missing; write no result")
    parser.add_argument("--validate", action="store_true", help="train another seed, measure on validation digits")
    arguments, mnist = parser.parse_args(), datasets.load_mnist()
    if arguments.validate:
        weights, log = train(VALIDATION_SEED, mnist, f"{NAME}_validate")
        print(RECIPE, NETWORKS, curve(weights, metrics.features(mnist.validation_images)), log["seconds"], "s")
        return
    trained = [train(seed, mnist, f"{NAME}_{seed}") for seed in SEEDS]
    if arguments.train:
        return
    real, validation = metrics.features(mnist.test_images), metrics.features(mnist.validation_images)
    runs = []
    for seed, (weights, log) in zip(SEEDS, trained, strict=True):
        storage.save_weights(weights_path(seed), weights[-1], "int8")
        measured = measure(load(seed), mnist, real, validation)
        runs.append({"seed": seed, **log, "validation_curve": curve(weights, validation), **measured})
        print(runs[-1], flush=True)
    others = {
        "autoencoders": by_autoencoders(targets(mnist)),
        "without_mapping": [dense_path_length(gan_recipes.load("improved", seed)) for seed in SEEDS],
    }
    record.write(NAME, runs=runs, **others, recipe=RECIPE, networks=NETWORKS, search=SEARCH, encoder=ENCODER)


if __name__ == "__main__":
    main()
