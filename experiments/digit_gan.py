"""Train this book's best GAN of digits, a conditional one, on each of three seeds, and measure it.

python -m experiments.digit_gan                  trains what is missing, then measures and writes the result
python -m experiments.digit_gan --seed 1         trains one seed only, as for one process per core

The scale of the latents is chosen on the validation digits, from the trained generators; the test digits are read once,
at the end. The generators were trained before `gan_recipes` had ReLU, which does better there; ReLU is not tried here.
"""

import argparse
import dataclasses
import json

import keras
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from experiments.harness import record, training
from helpers import datasets, metrics, storage
from helpers.gans import conditional

NAME = "digit_gan"
SEEDS = (0, 1, 2)  # fixed before the runs
STORED_SEEDS = SEEDS[:1]  # whose generators are kept; those of all seeds are measured as they are stored
SAMPLES, SAMPLE_SEED = 10_000, 12345
NEIGHBOURS = 5
SIGMAS = tuple(np.logspace(-1, 0, 10).round(4).tolist())  # the protocol of Goodfellow et al. (2014)
SCALES = (1.0, 0.97, 0.95, 0.92, 0.9)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Networks, settings and length."""

    style_dim: int = 16
    generator_units: tuple = (256, 512)
    discriminator_units: tuple = (512, 256)
    activation: str = "leaky_relu"
    rate: float = 2e-3
    last_rate: float = 1e-4
    gamma: float = 0.3
    batch_size: int = 64
    penalty_batch: int = 8
    ema: float = 0.999
    epochs: int = 80

    def networks(self):
        """Return the untrained generator and discriminator of pairs."""
        sizes = (self.style_dim, self.generator_units, self.discriminator_units)
        return conditional.conditional_networks(*sizes, activation=self.activation)

    def build(self, seed, steps):
        """Return the compiled, untrained GAN for a training of this many steps."""
        keras.utils.set_random_seed(seed)
        gan = conditional.ConditionalGAN(*self.networks(), seed=seed)
        rate = keras.optimizers.schedules.CosineDecay(self.rate, steps, alpha=self.last_rate / self.rate)
        adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        penalties = dict(r1=self.gamma, r2=self.gamma, penalty_batch=self.penalty_batch)
        gan.compile(*adams, loss="relativistic", ema=self.ema, **penalties)
        return gan


BEST = Recipe()


def train(recipe, seed, mnist, run):
    """Train on the 50,000 training digits with their labels; return the GAN, seconds and history."""
    gan = recipe.build(seed, recipe.epochs * (len(mnist.train_images) // recipe.batch_size))
    settings = {**dataclasses.asdict(recipe), "seed": seed}
    data = mnist.train_images, mnist.train_labels
    return gan, training.fit_gan(run, gan, data, recipe.batch_size, recipe.epochs, settings)


def weights_path(seed):
    """Return where the weights of one run are stored."""
    return training.weights_path(NAME, seed, kept=seed in STORED_SEEDS)


def load(seed):
    """Return the trained generator, its weights as they are stored: 8-bit integers."""
    generator, _ = BEST.networks()
    generator.set_weights(storage.load_weights(weights_path(seed)))
    return generator


def sample(generator, count=SAMPLES, scale=None):
    """Return `count` digits (count, 28, 28, 1), their classes drawn evenly, from the latents of every measurement.

    The latents are normal numbers times the scale, by default the recorded one. The class, the largest of the first
    ten, is the same at any scale.
    """
    scale = record.read(NAME)["style_scale"] if scale is None else scale
    latents = scale * np.asarray(keras.random.normal((count, generator.input_shape[-1]), seed=SAMPLE_SEED))
    return conditional.split(generator.predict(latents, batch_size=1000, verbose=0))[0]


def try_scales(real_features):
    """Return scale → distance of each seed's digits from validation digits."""
    generators = [load(seed) for seed in SEEDS]
    return {
        str(scale): [
            metrics.frechet_distance(metrics.features(sample(generator, scale=scale)), real_features)
            for generator in generators
        ]
        for scale in SCALES
    }


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


def parzen_rows(mnist, scale):
    """Return the Parzen score of all seeds, of 10,000 real training digits and of as many k-means centres."""
    train, validation, test = (
        images.reshape(-1, 784) for images in (mnist.train_images, mnist.validation_images[:1000], mnist.test_images)
    )
    # From random digits: the usual start, k-means++, takes longer with 10,000 centres than all the rest here.
    once = dict(init="random", n_init=1, max_iter=5, batch_size=20_000, random_state=0)
    means = MiniBatchKMeans(SAMPLES, **once).fit(train)
    sets = {f"gan {seed}": sample(load(seed), scale=scale).reshape(-1, 784) for seed in SEEDS}
    sets |= {
        "real": train[np.random.default_rng(0).permutation(len(train))[:SAMPLES]],
        "k-means": means.cluster_centers_,
    }
    return {name: parzen(samples, validation, test) for name, samples in sets.items()}


def log_path(seed):
    """Return where the seconds and losses of a finished run are kept until all seeds are there."""
    return training.RUNS / f"{NAME}_{seed}" / "finished.json"


def train_missing(seeds, mnist):
    """Train those seeds of which there is no finished run; store their generators."""
    for seed in seeds:
        if not log_path(seed).exists():
            gan, log = train(BEST, seed, mnist, log_path(seed).parent.name)
            weights = log_path(seed).with_name("generator.npz")
            storage.save_weights(weights, gan.ema_generator.get_weights())
            log_path(seed).write_text(json.dumps(log), encoding="utf-8")


def write(mnist):
    """Take over the weights, choose the scale on validation digits, measure on test digits and write the result."""
    for seed in SEEDS:
        stored = log_path(seed).with_name("generator.npz")
        storage.save_weights(weights_path(seed), storage.load_weights(stored), "int8")
    tried = try_scales(metrics.features(mnist.validation_images))
    scale = float(min(tried, key=lambda name: np.mean(tried[name])))
    real = metrics.features(mnist.test_images)
    runs = {
        str(seed): {**compare(sample(load(seed), scale=scale), real), **record.read_json(log_path(seed))}
        for seed in SEEDS
    }
    settings = dict(recipe=dataclasses.asdict(BEST), samples=SAMPLES, neighbours=NEIGHBOURS, sigmas=SIGMAS)
    scales = dict(style_scale=scale, validation_fdd_by_scale=tried)
    record.write(NAME, runs=runs, **settings, **scales, parzen=parzen_rows(mnist, scale))


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="train this seed only")
    arguments = parser.parse_args()
    mnist = datasets.load_mnist()
    train_missing(SEEDS if arguments.seed is None else [arguments.seed], mnist)
    if arguments.seed is None:
        write(mnist)


if __name__ == "__main__":
    main()
