"""Train this book's best GAN of digits on each of three seeds, and measure it.

python -m experiments.digit_gan                  trains what is missing, then measures and writes the result
python -m experiments.digit_gan --seed 1         trains one seed only
python -m experiments.digit_gan --validate WIDE  trains a candidate on 50,000 digits, and measures it every few epochs
"""

import argparse
import dataclasses

import keras
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from experiments import record, training
from helpers import datasets, gans, metrics, storage

NAME = "digit_gan"
SEEDS = (0, 1, 2)  # fixed before the runs
VALIDATION_SEED = 100  # settings are compared with this seed, on validation images
SAMPLES, SAMPLE_SEED = 10_000, 12345
NEIGHBOURS = 5
SIGMAS = tuple(np.geomspace(0.1, 0.4, 9).round(4).tolist())


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Networks, settings and length."""

    latent_dim: int = 32
    generator_units: tuple = (256, 512)
    discriminator_units: tuple = (512, 512)
    rate: float = 1e-3
    gamma: float = 0.3
    batch_size: int = 64
    penalty_batch: int = 16
    ema: float = 0.9995
    epochs: int = 120

    def build(self, seed, images):
        """Return the compiled, untrained GAN for `seed` and these training images."""
        keras.utils.set_random_seed(seed)
        networks = gans.dense_networks(
            self.latent_dim, self.generator_units, self.discriminator_units, "leaky_relu", normalise=True
        )
        gan = gans.GAN(*networks, seed=seed)
        steps = self.epochs * (len(images) // self.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(self.rate, steps, alpha=0.05)
        adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        penalties = dict(r1=self.gamma, r2=self.gamma, penalty_batch=self.penalty_batch)
        gan.compile(*adams, loss="relativistic", ema=self.ema, **penalties)
        return gan


BEST = Recipe()
CANDIDATES = {
    "BASE": BEST,
    "SHORT": dataclasses.replace(BEST, epochs=40),
    "WIDE": dataclasses.replace(BEST, epochs=40, discriminator_units=(1024, 512)),
    "LOWGAMMA": dataclasses.replace(BEST, epochs=40, gamma=0.1),
    "FAST": dataclasses.replace(BEST, epochs=40, rate=2e-3),
}


def train(recipe, seed, images, run):
    """Train on images (n, 28, 28, 1); return the GAN, seconds and history."""
    gan = recipe.build(seed, images)
    settings = {**dataclasses.asdict(recipe), "seed": seed, "images": len(images)}
    log = training.fit_gan(run, gan, images, recipe.batch_size, recipe.epochs, settings)
    return gan, log


def load(seed):
    """Return the trained generator, its weights as they are stored: float16."""
    generator, _ = gans.dense_networks(BEST.latent_dim, BEST.generator_units, (1,), "leaky_relu", normalise=True)
    generator.set_weights(storage.load_weights(record.weights_path(NAME, seed)))
    return generator


def sample(generator, count=SAMPLES):
    """Return `count` digits (count, 28, 28, 1) for the latents that every measurement uses."""
    latents = keras.random.normal((count, generator.input_shape[-1]), seed=SAMPLE_SEED)
    return generator.predict(latents, batch_size=1000, verbose=0)


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
    return {"nats": float(values.mean()), "error": float(values.std() / len(values) ** 0.5), "sigma": best}


def parzen_rows(mnist):
    """Return the Parzen score of all seeds, of 10,000 real training digits and of as many k-means centres."""
    train, validation, test = (
        images.reshape(-1, 784) for images in (mnist.train_images, mnist.validation_images[:1000], mnist.test_images)
    )
    means = MiniBatchKMeans(SAMPLES, batch_size=20_000, n_init=1, max_iter=5, random_state=0).fit(train)
    sets = {f"gan {seed}": sample(load(seed)).reshape(-1, 784) for seed in SEEDS}
    sets |= {
        "real": train[np.random.default_rng(0).permutation(len(train))[:SAMPLES]],
        "k-means": means.cluster_centers_,
    }
    return {name: parzen(samples, validation, test) for name, samples in sets.items()}


def validate(name):
    """Train a candidate on 50,000 digits; print the distance from 10,000 others, and the seconds."""
    mnist = datasets.load_mnist()
    gan, log = train(CANDIDATES[name], VALIDATION_SEED, mnist.train_images, f"{NAME}_validate_{name}")
    real = metrics.features(mnist.validation_images)
    floor = metrics.frechet_distance(metrics.features(mnist.train_images[:SAMPLES]), real)
    found = compare(sample(gan.ema_generator), real)
    print(name, found, "over real", found["fdd"] / floor, log["seconds"], "s")


def recorded():
    """Return the recorded runs."""
    return record.runs(NAME, {}, recipe=dataclasses.asdict(BEST))


def write(runs, **rows):
    """Write the result."""
    settings = dict(recipe=dataclasses.asdict(BEST), samples=SAMPLES, neighbours=NEIGHBOURS)
    record.write(NAME, runs=dict(sorted(runs.items())), **settings, **rows)


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="train this seed only")
    parser.add_argument("--validate", choices=CANDIDATES, help="train a candidate on 50,000 digits")
    arguments = parser.parse_args()
    if arguments.validate:
        validate(arguments.validate)
        return
    mnist = datasets.load_mnist()
    real = metrics.features(mnist.test_images)
    for seed in SEEDS if arguments.seed is None else [arguments.seed]:
        if str(seed) not in recorded():
            gan, log = train(BEST, seed, mnist.train_images, f"{NAME}_{seed}")
            storage.save_weights(record.weights_path(NAME, seed), gan.ema_generator.get_weights())
            measured = {str(seed): {**compare(sample(load(seed)), real), **log}}
            write({**recorded(), **measured})  # read again: another seed may have been recorded meanwhile
    if len(recorded()) == len(SEEDS):
        write(recorded(), real=compare(mnist.train_images[:SAMPLES], real), parzen=parzen_rows(mnist))


if __name__ == "__main__":
    main()
