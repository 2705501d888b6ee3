"""Train the chapter's convolutional GAN at a learning rate that falls, over several passes, and measure it.

python -m experiments.dcgan          trains what is missing and writes the result: about 20 minutes of a core
python -m experiments.dcgan --cost   only times training steps of it and of the dense pair, into dcgan_cost.json

The runs use the book's convolutions as matrix products, which compute what Keras's layers do and cost a core half as
much; the stored weights are loaded into Keras's layers. The dense pair of the same game is in `gan_recipes`.
"""

import argparse
import functools
import time

import keras
import numpy as np
from tqdm import tqdm

from experiments import convolution_speed, gan_recipes, record
from experiments.stacked import Stack
from experiments.training import RUNS
from helpers import datasets, gans, metrics, storage

NAME = "dcgan"
WIDTH, BATCH = 16, 64
RATES, ACTIVATIONS = (1e-3, 2e-3, 4e-3), ("leaky_relu", "relu")  # the activation is the discriminator's
TUNING = {"seed": 100, "epochs": 2}
SEEDS, EPOCHS = (0, 1, 2), 4
LONG = {"seed": 0, "epochs": 8}  # its generator is stored
LOOKS = (2, 4, 8)
RECIPE = {"loss": "relativistic", "r1": 0.3, "r2": 0.3, "penalty_batch": 8, "ema": 0.999}


def build(activation, rate, seed, form="matmul"):
    """Return the compiled, untrained GAN."""
    keras.utils.set_random_seed(seed)
    networks = convolution_speed.networks(*convolution_speed.FORMS[form], WIDTH, activation)
    gan = gans.GAN(*networks, seed=seed)
    gan.compile(*[keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)], **RECIPE)
    return gan


class Experiment:
    """The digits, and the log of what was trained."""

    def __init__(self):
        mnist = datasets.load_mnist()
        self.images = mnist.train_images
        self.validation, self.test = map(metrics.features, (mnist.validation_images, mnist.test_images))
        settings = dict(recipe=RECIPE, width=WIDTH, batch=BATCH, rates=RATES, tuning=TUNING, looks=LOOKS)
        self.log = record.Log(RUNS / f"{NAME}.jsonl", settings)

    def run(self, **run):
        """Return a run, trained and written down if it is not there: activation, rate, seed, epochs."""
        return self.log.find(**run) or self.train(**run)

    def train(self, activation, rate, seed, epochs):
        """Train at a rate that falls to 0 along a cosine; look on the way and, in all but tuning runs, at the test."""
        start, curve = time.perf_counter(), []
        gan = build(activation, rate, seed)
        stack = Stack([gan])

        def watch(epoch):
            """Measure the averaged generator."""
            if epoch in LOOKS:
                gan.ema_generator.set_weights(stack.copy_weights(gan.ema_generator, 0))
                self.drawn = metrics.features(gan_recipes.sample(gan.ema_generator))
                curve.append([epoch, metrics.frechet_distance(self.drawn, self.validation)])

        stack.fit(self.images, BATCH, epochs, watch=watch, title=f"{activation} {rate} {seed}")
        test = None if seed == TUNING["seed"] else metrics.frechet_distance(self.drawn, self.test)
        if (seed, epochs) == (LONG["seed"], LONG["epochs"]):
            storage.save_weights(record.weights_path(NAME, seed), gan.ema_generator.get_weights())
        measured = dict(curve=curve, test=test, seconds=time.perf_counter() - start)
        key = dict(activation=activation, rate=rate, seed=seed, epochs=epochs)
        self.log.add(measured, **key)
        return {**key, **measured}

    def tune(self):
        """Return the trials: all rates with the first activation, then the best of them with the other."""
        trials = [self.run(activation=ACTIVATIONS[0], rate=rate, **TUNING) for rate in RATES]
        rate = best(trials)["rate"]
        return [*trials, self.run(activation=ACTIVATIONS[1], rate=rate, **TUNING)]


def best(trials):
    """Return the trial with the smallest distance from the validation digits."""
    return min(trials, key=lambda run: run["curve"][-1][1])


def load():
    """Return the stored generator, in Keras's own layers; its weights are float16."""
    generator, _ = convolution_speed.networks(*convolution_speed.FORMS["keras"], WIDTH)
    generator.set_weights(storage.load_weights(record.weights_path(NAME, LONG["seed"])))
    return generator


def measure(real_features):
    """Return the distance of the stored generator's digits from real ones."""
    return metrics.frechet_distance(metrics.features(gan_recipes.sample(load())), real_features)


def cost(images, steps=10, rounds=9):
    """Return the median seconds of a training step of each pair; they take turns."""
    pairs = {form: build(ACTIVATIONS[0], RATES[0], 0, form) for form in convolution_speed.FORMS}
    pairs["dense"] = gan_recipes.RECIPES["improved"].build(0)
    calls = {name: functools.partial(gan.fit, images[: steps * BATCH], BATCH, verbose=0) for name, gan in pairs.items()}
    for call in calls.values():
        call()  # compiles
    seconds = {name: [] for name in calls}
    for _ in tqdm(range(rounds), desc="cost"):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - start) / steps)
    over_dense = {name: float(np.median(np.divide(values, seconds["dense"]))) for name, values in seconds.items()}
    return dict(
        seconds_a_step={name: float(np.median(values)) for name, values in seconds.items()},
        over_dense=over_dense,
        steps=steps,
        rounds=rounds,
    )


def main():
    """Train what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="store_true", help="only time training steps")
    if parser.parse_args().cost:
        record.write(f"{NAME}_cost", **cost(datasets.load_mnist().train_images))
        return
    experiment = Experiment()
    trials = experiment.tune()
    chosen = {key: best(trials)[key] for key in ("activation", "rate")}
    settings = dict(chosen=chosen, tuning=trials, recipe=RECIPE, width=WIDTH, batch=BATCH)
    runs = []
    for seed, epochs in [*((seed, EPOCHS) for seed in SEEDS), (LONG["seed"], LONG["epochs"])]:
        runs.append(experiment.run(seed=seed, epochs=epochs, **chosen))
        record.write(NAME, runs=runs, **settings)


if __name__ == "__main__":
    main()
