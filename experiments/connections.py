"""Train an autoencoder, a variational and an adversarial one, a VAE-GAN and a GAN on one budget, and measure all alike.

taskset -c 0 python -m experiments.connections             trains what is missing, measures and writes the result
taskset -c 0 python -m experiments.connections --cost      measures the seconds of an epoch, on a quiet core
taskset -c 0 python -m experiments.connections --validate  trains on another seed, for a few epochs with --epochs, and
                                                           measures on the validation digits
A model's epochs are the budget over its seconds an epoch, fixed before the runs.
"""

import argparse
import json
import shutil

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments import record, training
from helpers import autoencoders, datasets, gans, hybrids, metrics, storage

NAME = "connections"
SEEDS = (0, 1, 2)  # fixed before the runs
VALIDATION_SEED = 100  # settings are compared with this one, on the validation digits
BUDGET = 100  # seconds of one core a run
SAMPLES, SAMPLE_SEED, NEIGHBOURS = 10_000, 12345, 5
PROBED = 10_000  # training digits whose codes the linear classifier sees
LIKELIHOOD = {"images": 1_000, "samples": 500}
CODE_DIM, ENCODER_UNITS = 16, (512, 256)
IMAGE, PIXELS, BATCH_SIZE = (28, 28, 1), 784, 64
GAME = {"loss": "relativistic", "penalty_batch": 8}
RECIPES = {
    "autoencoder": {"epochs": 18, "adam": {"rate": 1e-3}},
    "variational": {"epochs": 18, "adam": {"rate": 1e-3}},
    "adversarial": {
        "epochs": 13,
        "adam": {"rate": 1e-3, "beta_1": 0.5, "beta_2": 0.99},
        "settings": {**GAME, "r1": 0.1, "r2": 0.1, "adversarial_weight": 10.0},
    },
    "vae_gan": {
        "epochs": 5,
        "adam": {"rate": 2e-3, "beta_1": 0.0, "beta_2": 0.99},
        # Of four pairs of weights by the FDD of the samples after two epochs: 0.3 and 0.05 (78), 0.1 and 0.1 (75),
        # 0.1 and 0.3 (77), 0.1 and 1 (84).
        "settings": {**GAME, "r1": 0.3, "r2": 0.3, "reconstruction_weight": 0.1, "kl_weight": 0.1},
    },
    "gan": {
        "epochs": 10,
        "adam": {"rate": 2e-3, "beta_1": 0.0, "beta_2": 0.99},
        "settings": {**GAME, "r1": 0.3, "r2": 0.3, "ema": 0.999},
    },
}


class Kind:
    """How one kind of model is built, trained, and asked for images and codes; these are the adversarial ones' ways."""

    def __init__(self, name):
        self.name, self.recipe = name, RECIPES[name]

    def optimizers(self, steps, count):
        """Return optimizers whose rate falls along a cosine to 0 in this many steps."""
        settings = dict(self.recipe["adam"])
        rate = settings.pop("rate")
        schedules = [keras.optimizers.schedules.CosineDecay(rate, steps) for _ in range(count)]
        return [keras.optimizers.Adam(schedule, **settings) for schedule in schedules]

    def fit(self, run, model, images, epochs, settings):
        """Train on images (n, 28, 28, 1); return seconds and history."""
        return training.fit_gan(run, model, images, BATCH_SIZE, epochs, settings)

    def decoder(self, model):
        """Return the network that makes images (n, 28, 28, 1) of latents (n, 16)."""
        return model.decoder

    def encode(self, model, images):
        """Return codes (n, 16) of images (n, 28, 28, 1), or None where nothing encodes."""
        return model.encode(images)

    def origins(self, codes):
        """Return, for each way to draw latents, mean (16,) and matrix (16, 16): a latent is mean + matrix · normal."""
        return {"samples": (np.zeros(CODE_DIM), np.eye(CODE_DIM))}

    def likelihood(self, model, images):
        """Return the mean log-likelihood of images in nats, or None where the model defines none."""
        return None


class PlainAutoencoder(Kind):
    """It has no prior: latents are drawn as the training digits' codes are spread, at best."""

    def build(self, seed, steps):
        """Return the compiled model."""
        networks = encoder(CODE_DIM), gans.improved_networks()[0]
        model = keras.Sequential([keras.Input(IMAGE), *networks])
        model.compile(*self.optimizers(steps, 1), hybrids.squared_error)
        return model

    def fit(self, run, model, images, epochs, settings):
        """Train it to give back its inputs."""
        batches = datasets.ShuffledBatches(images, BATCH_SIZE, settings["seed"], labels=images)
        return training.fit(run, model, batches, epochs, settings)

    def decoder(self, model):
        """Return the second half."""
        return model.layers[1]

    def encode(self, model, images):
        """Return what the first half makes of images."""
        return model.layers[0].predict(images, batch_size=1000, verbose=0)

    def origins(self, codes):
        """Return the codes' mean with their deviations alone, and with their whole covariance."""
        mean, covariance = codes.mean(axis=0), np.cov(codes, rowvar=False)
        return {"samples": (mean, np.diag(codes.std(axis=0))), "fitted": (mean, np.linalg.cholesky(covariance))}


class Variational(Kind):
    """It sees digits binarised anew each epoch, so that its likelihood is one of black and white pixels."""

    def build(self, seed, steps):
        """Return the compiled model."""
        decoder = gans.dense_network((CODE_DIM,), ENCODER_UNITS[::-1], PIXELS, normalise=True)
        model = autoencoders.VariationalAutoencoder(encoder(2 * CODE_DIM, (PIXELS,)), decoder, seed=seed)
        model.compile(*self.optimizers(steps, 1))
        return model

    def fit(self, run, model, images, epochs, settings):
        """Train it on the bound."""
        rows = images.reshape(-1, PIXELS)
        batches = datasets.ShuffledBatches(rows, BATCH_SIZE, settings["seed"], transform=datasets.binarise)
        return training.fit(run, model, batches, epochs, settings)

    def decoder(self, model):
        """Return the decoder with the sigmoid at its end: it gives the pixels' probabilities."""
        decoder, _ = gans.improved_networks()
        decoder.set_weights(model.decoder.get_weights())
        return decoder

    def encode(self, model, images):
        """Return the means of q(z|x), for grey images."""
        return model.encoder.predict(images.reshape(-1, PIXELS), batch_size=1000, verbose=0)[:, :CODE_DIM]

    def likelihood(self, model, images):
        """Return the importance-sampled likelihood of the first images, binarised."""
        binary = datasets.binarise(images[: LIKELIHOOD["images"]].reshape(-1, PIXELS), np.random.default_rng(0))
        return float(metrics.importance_log_likelihood(model, binary, LIKELIHOOD["samples"]).mean())


class Adversarial(Kind):
    """The adversarial autoencoder."""

    def build(self, seed, steps):
        """Return the compiled model."""
        judge = gans.dense_network((CODE_DIM,), ENCODER_UNITS, 1)
        model = hybrids.AdversarialAutoencoder(encoder(CODE_DIM), gans.improved_networks()[0], judge, seed=seed)
        model.compile(*self.optimizers(steps, 2), **self.recipe["settings"])
        return model


class VaeGan(Kind):
    """The VAE-GAN."""

    def build(self, seed, steps):
        """Return the compiled model."""
        model = hybrids.VAEGAN(encoder(2 * CODE_DIM), *gans.improved_networks(), seed=seed)
        model.compile(*self.optimizers(steps, 3), **self.recipe["settings"])
        return model


class Gan(Kind):
    """The GAN, whose averaged generator is measured."""

    def build(self, seed, steps):
        """Return the compiled model."""
        model = gans.GAN(*gans.improved_networks(), seed=seed)
        model.compile(*self.optimizers(steps, 2), **self.recipe["settings"])
        return model

    def decoder(self, model):
        """Return the averaged generator."""
        return model.ema_generator

    def encode(self, model, images):
        """Return None: nothing encodes."""


CLASSES = {
    "autoencoder": PlainAutoencoder,
    "variational": Variational,
    "adversarial": Adversarial,
    "vae_gan": VaeGan,
    "gan": Gan,
}
KINDS = {name: kind(name) for name, kind in CLASSES.items()}


def encoder(outputs, shape=IMAGE):
    """Return an untrained encoder 784-512-256-outputs."""
    return gans.dense_network(shape, ENCODER_UNITS, outputs, name="encoder")


def train(name, seed, images, run, epochs):
    """Train one model; return it, seconds and history."""
    keras.utils.set_random_seed(seed)
    kind = KINDS[name]
    model = kind.build(seed, epochs * (len(images) // BATCH_SIZE))
    settings = {"model": name, **kind.recipe, "seed": seed}
    return model, kind.fit(run, model, images, epochs, settings)


def paint(decoder, latents):
    """Return images (n, 28, 28, 1) of latents (n, 16), with 0 < pixel < 1."""
    return decoder.predict(latents, batch_size=1000, verbose=0)


def samples(decoder, mean, matrix):
    """Return 10,000 images of latents mean + matrix · normal, from the normal numbers of every measurement."""
    normal = np.asarray(keras.random.normal((SAMPLES, CODE_DIM), seed=SAMPLE_SEED))
    return paint(decoder, (np.asarray(mean) + normal @ np.asarray(matrix).T).astype("float32"))


def compare(digits, real, real_features):
    """Return distance, overlap and sharpness of digits beside real ones."""
    features = metrics.features(digits)
    return {
        "fdd": metrics.frechet_distance(features, real_features),
        **metrics.neighbour_metrics(real_features, features, NEIGHBOURS),
        "sharpness_over_real": metrics.sharpness(digits) / metrics.sharpness(real),
    }


def probe(train_codes, train_labels, codes, labels):
    """Return the accuracy of a linear classifier of codes, trained on others."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(classifier.fit(train_codes, train_labels).score(codes, labels))


def measure_encoder(kind, model, decoder, mnist, real, labels, real_features):
    """Return what codes and reconstructions of real digits are worth."""
    codes = kind.encode(model, real)
    redrawn = paint(decoder, codes)
    train_codes = kind.encode(model, mnist.train_images[:PROBED])
    return {
        "squared_error": float(metrics.squared_error(real, redrawn).mean()),
        "reconstruction_fdd": metrics.frechet_distance(metrics.features(redrawn), real_features),
        "probe_accuracy": probe(train_codes, mnist.train_labels[:PROBED], codes, labels),
    }


def measure(name, model, path, mnist, real, labels):
    """Store the decoder in 8 bits, put the stored one back, and return all measurements against real digits."""
    kind, real_features = KINDS[name], metrics.features(real)
    decoder = kind.decoder(model)
    nats = kind.likelihood(model, real)
    storage.save_weights(path, decoder.get_weights(), "int8")
    decoder.set_weights(storage.load_weights(path))
    codes = kind.encode(model, mnist.train_images)
    origins = kind.origins(codes)
    rows = {origin: compare(samples(decoder, *how), real, real_features) for origin, how in origins.items()}
    encoded = {} if codes is None else measure_encoder(kind, model, decoder, mnist, real, labels, real_features)
    return {
        **rows,
        **encoded,
        "log_likelihood": nats,
        "origins": {origin: [array.tolist() for array in how] for origin, how in origins.items()},
        "weights": int(sum(np.prod(variable.shape) for variable in model.trainable_variables)),
    }


def stored(name, seed):
    """Return where a decoder is stored: the first seed's with the results, the others with the runs' own files."""
    if seed == SEEDS[0]:
        return record.weights_path(NAME, name, seed)
    return training.RUNS / f"{NAME}_{name}_{seed}" / "decoder.npz"


def load(name):
    """Return the stored decoder of a model's first seed."""
    decoder, _ = gans.improved_networks()
    decoder.set_weights(storage.load_weights(stored(name, SEEDS[0])))
    return decoder


def cost(name, images, steps=100):
    """Return the seconds of an epoch of these images, from the shortest of three short ones after one that compiles."""
    folder = training.RUNS / f"{NAME}_cost"
    shutil.rmtree(folder, ignore_errors=True)
    train(name, 0, images[: steps * BATCH_SIZE], folder.name, epochs=4)
    epochs = json.loads((folder / "log.json").read_text())
    return min(epoch["seconds"] for epoch in epochs[1:]) * (len(images) // BATCH_SIZE) / steps


def recorded():
    """Return the recorded runs."""
    return record.runs(NAME, [], recipes=RECIPES)


def real_row(mnist):
    """Return how 10,000 real training digits compare with the test digits: what a perfect model would reach."""
    return compare(mnist.train_images[:SAMPLES], mnist.test_images, metrics.features(mnist.test_images))


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(KINDS), help=", ".join(KINDS))
    parser.add_argument("--cost", action="store_true", help="only measure the seconds of an epoch")
    parser.add_argument("--validate", action="store_true", help="train another seed, measure on validation digits")
    parser.add_argument("--epochs", type=int, help="of --validate; the recipe's by default")
    arguments = parser.parse_args()
    mnist = datasets.load_mnist()
    if arguments.cost or arguments.validate:
        for name in arguments.names:
            print(name, cost(name, mnist.train_images) if arguments.cost else validate(name, mnist, arguments.epochs))
        return
    row = real_row(mnist)
    for seed in SEEDS:
        for name in arguments.names:
            if not any((run["model"], run["seed"]) == (name, seed) for run in recorded()):
                add(name, seed, mnist, row)


def validate(name, mnist, epochs=None):
    """Return the measurements of a run on another seed, on validation digits."""
    epochs = epochs or RECIPES[name]["epochs"]
    run = f"{NAME}_validate_{name}_{epochs}"
    model, log = train(name, VALIDATION_SEED, mnist.train_images, run, epochs)
    path = training.RUNS / run / "decoder.npz"
    measured = measure(name, model, path, mnist, mnist.validation_images, mnist.validation_labels)
    del measured["origins"]
    return {**measured, **log}


def add(name, seed, mnist, row):
    """Train and measure one model and write it down."""
    model, log = train(name, seed, mnist.train_images, f"{NAME}_{name}_{seed}", RECIPES[name]["epochs"])
    measured = measure(name, model, stored(name, seed), mnist, mnist.test_images, mnist.test_labels)
    runs = [*recorded(), {"model": name, "seed": seed, **measured, **log}]
    sizes = dict(budget=BUDGET, samples=SAMPLES, sample_seed=SAMPLE_SEED, neighbours=NEIGHBOURS, likelihood=LIKELIHOOD)
    record.write(NAME, runs=runs, recipes=RECIPES, real=row, **sizes)
    print(name, seed, measured["samples"], log["seconds"], "s")


if __name__ == "__main__":
    main()
