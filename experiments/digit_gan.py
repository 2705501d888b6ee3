"""Train this book's best GAN of digits, a conditional one, on each of three seeds, and measure it.

python -m experiments.digit_gan                  trains what is missing, then measures and writes the result
python -m experiments.digit_gan wide base        trains these candidates only; minutes each on a GPU
python -m experiments.digit_gan write            only measures and writes the result, of the candidates that are there
python -m experiments.digit_gan --rehearse       a few steps of every candidate; nothing is written

Every candidate trains three seeds at each of three learning rates side by side. The candidate, its rate and the scale
of the latents have the smallest mean distance from the validation digits; the test digits are read once, at the end.
Epochs are as many as two cores do in half an hour.
"""

import argparse
import dataclasses
import itertools
import time

import keras
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from experiments import record, training
from experiments.stacked import Stack
from helpers import claims, conditional, datasets, gans, metrics, storage

NAME = "digit_gan"
SEEDS = (0, 1, 2)  # fixed before the runs
SAMPLES, SAMPLE_SEED = 10_000, 12345
NEIGHBOURS = 5
SIGMAS = tuple(np.logspace(-1, 0, 10).round(4).tolist())  # the protocol of Goodfellow et al. (2014)
LOOK_EVERY = 10  # epochs
SCALES = (1.0, 0.97, 0.95, 0.92, 0.9)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Networks, settings and length."""

    style_dim: int = 16
    generator_units: tuple = (256, 512)
    discriminator_units: tuple = (512, 256)
    activation: str = "relu"
    loss: str = "non_saturating"
    rates: tuple = (1e-3, 2e-3, 4e-3)
    last: float = 0.05  # the rate at the end, over that at the start
    gamma: float = 0.3
    batch_size: int = 64
    penalty_batch: int = 8
    ema: float = 0.999
    epochs: int = 80

    def networks(self):
        """Return the untrained generator and discriminator of pairs."""
        sizes = (self.style_dim, self.generator_units, self.discriminator_units)
        return conditional.conditional_networks(*sizes, activation=self.activation)

    def build(self, rate, seed):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*self.networks(), seed=seed)
        adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        penalties = dict(r1=self.gamma, r2=self.gamma, penalty_batch=self.penalty_batch)
        gan.compile(*adams, loss=self.loss, ema=self.ema, **penalties)
        return gan


CANDIDATES = {
    "base": Recipe(),
    "wide": Recipe(generator_units=(512, 1024), epochs=60),
    "both": Recipe(generator_units=(384, 768), discriminator_units=(768, 384), epochs=60),
}


def log_of(name):
    """Return the log of one candidate; it is not committed."""
    return record.Log(training.RUNS / NAME / f"{name}.jsonl", dataclasses.asdict(CANDIDATES[name]))


def weights_of(name, rate, seed):
    """Return where the trained generator of a run is kept until one is chosen."""
    return training.RUNS / NAME / f"{name}_{rate:g}_{seed}.npz"


def train(name, mnist, count=None, epochs=None):
    """Train all seeds and rates of a candidate side by side on the training digits with their labels; write them down.

    The copies are one program; `count` and `epochs` make it a rehearsal, of which nothing is written.
    """
    recipe, log = CANDIDATES[name], None if count else log_of(name)
    if log and log.runs:
        return
    keys = list(itertools.product(recipe.rates, SEEDS))
    pairs = conditional.pair(mnist.train_images[:count], mnist.train_labels[:count])
    stack = Stack([recipe.build(rate, seed) for rate, seed in keys])
    validation, curves, start = metrics.features(mnist.validation_images), [], time.perf_counter()

    def watch(epoch):
        """Look at the averaged generators now and then."""
        if epoch % LOOK_EVERY == 0:
            curves.append(distances(stack, 1.0, validation))

    unfinished = None if count else f"{NAME}_{name}"
    options = dict(watch=watch, title=name, name=unfinished)
    stack.fit(pairs, recipe.batch_size, epochs or recipe.epochs, recipe.last, **options)
    by_scale = {str(scale): distances(stack, scale, validation) for scale in SCALES}
    # (scales, rates · seeds) -> (rates,), at the scale that is best for each
    means = np.reshape(list(by_scale.values()), (len(SCALES), len(recipe.rates), -1)).mean(axis=2).min(axis=0)
    for index, (rate, seed) in enumerate(keys if log else []):
        if rate == recipe.rates[means.argmin()]:  # the others will not be asked for
            weights = stack.copy_weights(stack.model.ema_generator, index)
            storage.save_weights(weights_of(name, rate, seed), weights)
        log.add(
            {
                "validation_fdd_by_scale": {scale: found[index] for scale, found in by_scale.items()},
                "curve": [found[index] for found in curves],
                "seconds_of_all": time.perf_counter() - start,
                "conditions": claims.run_record(),
            },
            rate=rate,
            seed=seed,
        )


def distances(stack, scale, real_features):
    """Return the distance of every copy's digits from real ones; infinity where a copy became NaN."""
    network = stack.model.ema_generator
    latents = scale * np.asarray(keras.random.normal((SAMPLES, network.input_shape[-1]), seed=SAMPLE_SEED))
    return [distance(rows[:, : conditional.PIXELS], real_features) for rows in stack.apply(network, latents)]


def distance(rows, real_features):
    """Return the distance of digits (n, 784) from real ones."""
    if not np.isfinite(rows).all():
        return float("inf")
    return metrics.frechet_distance(metrics.features(rows.reshape(-1, 28, 28, 1)), real_features)


def load(seed):
    """Return the trained generator, its weights as they are stored: float16."""
    return load_from(record.read(NAME)["candidate"], seed)


def load_from(name, seed):
    """Return the generator of a candidate with the stored weights of a seed."""
    generator, _ = CANDIDATES[name].networks()
    generator.set_weights(storage.load_weights(record.weights_path(NAME, seed)))
    return generator


def sample(generator, count=SAMPLES, scale=None):
    """Return `count` digits (count, 28, 28, 1), their classes drawn evenly, from the latents of every measurement.

    The latents are normal numbers times the scale, by default the recorded one. The class, the largest of the first
    ten, is the same at any scale.
    """
    scale = record.read(NAME)["style_scale"] if scale is None else scale
    latents = scale * np.asarray(keras.random.normal((count, generator.input_shape[-1]), seed=SAMPLE_SEED))
    return conditional.split(generator.predict(latents, batch_size=1000, verbose=0))[0]


def compare(digits, real_features):
    """Return the distance of digits from real ones, how the two overlap, and the share of the rarest class."""
    features = metrics.features(digits)
    return {
        "fdd": metrics.frechet_distance(features, real_features),
        "kid": metrics.kernel_distance(features, real_features),
        **metrics.neighbour_metrics(real_features, features, NEIGHBOURS),
        "smallest_class_share": float(metrics.class_shares(digits).min()),
    }


def parzen(samples, validation, test):
    """Return the mean Parzen log-likelihood of test images (n, 784) and its error; σ is chosen on validation images."""
    scores = [metrics.parzen_log_likelihood(samples, validation, sigma).mean() for sigma in SIGMAS]
    best = SIGMAS[int(np.argmax(scores))]
    values = metrics.parzen_log_likelihood(samples, test, best)
    return {"nats": float(values.mean()), "error": float(values.std(ddof=1) / len(values) ** 0.5), "sigma": best}


def parzen_rows(mnist, generators, scale):
    """Return the Parzen score of all seeds, of 10,000 real training digits and of as many k-means centres."""
    train, validation, test = (
        images.reshape(-1, 784) for images in (mnist.train_images, mnist.validation_images[:1000], mnist.test_images)
    )
    # From random digits: the usual start, k-means++, takes longer with 10,000 centres than all the rest here.
    once = dict(init="random", n_init=1, max_iter=5, batch_size=20_000, random_state=0)
    means = MiniBatchKMeans(SAMPLES, **once).fit(train)
    sets = {f"gan {seed}": sample(generators[seed], scale=scale).reshape(-1, 784) for seed in SEEDS}
    sets |= {
        "real": train[np.random.default_rng(0).permutation(len(train))[:SAMPLES]],
        "k-means": means.cluster_centers_,
    }
    return {name: parzen(samples, validation, test) for name, samples in sets.items()}


def mean_distances():
    """Return (candidate, rate, scale) → mean distance from validation digits over the seeds."""
    found = {}
    for name in CANDIDATES:
        for rate, scale in itertools.product(CANDIDATES[name].rates, SCALES):
            runs = [run for run in log_of(name).runs if run["rate"] == rate]
            values = [run["validation_fdd_by_scale"][str(scale)] for run in runs]
            if len(values) == len(SEEDS):
                found[name, rate, scale] = float(np.mean(values))
    return found


def write(mnist):
    """Choose candidate, rate and scale on validation digits, measure on test digits and write the result."""
    means = mean_distances()
    name, rate, scale = min(means, key=means.get)
    for seed in SEEDS:
        record.weights_path(NAME, seed).write_bytes(weights_of(name, rate, seed).read_bytes())
    tried = [
        {"candidate": key[0], "rate": key[1], "scale": key[2], "validation_fdd": value} for key, value in means.items()
    ]
    chosen = {str(run["seed"]): run for run in log_of(name).runs if run["rate"] == rate}
    settings = dict(candidate=name, recipe={**dataclasses.asdict(CANDIDATES[name]), "rate": rate}, style_scale=scale)
    settings |= dict(samples=SAMPLES, neighbours=NEIGHBOURS, sigmas=SIGMAS, tried=tried, trained=chosen)
    generators = {seed: load_from(name, seed) for seed in SEEDS}
    real = metrics.features(mnist.test_images)
    runs = {str(seed): compare(sample(generators[seed], scale=scale), real) for seed in SEEDS}
    record.write(NAME, runs=runs, **settings, parzen=parzen_rows(mnist, generators, scale))


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*CANDIDATES, "write", []], help="all by default")
    parser.add_argument("--rehearse", action="store_true", help="a few steps only, and no result")
    arguments = parser.parse_args()
    mnist = datasets.load_mnist()
    for name in arguments.names or [*CANDIDATES, "write"]:
        if name != "write":
            train(name, mnist, *((640, 2) if arguments.rehearse else ()))
        elif not arguments.rehearse:
            write(mnist)


if __name__ == "__main__":
    main()
