"""Train class-conditional GANs of digits and count how often they draw the digit that they are asked for.

python -m experiments.conditional_gan              trains what is missing, then measures and writes the result
python -m experiments.conditional_gan --rehearse   everything in small; writes nothing

Two activations and three learning rates are trained on six seeds, side by side, on pairs of a digit and its label, and
again, with the better activation, on pairs with shuffled labels. One seed chooses, by the validation digits; the others
are measured at that setting, once, on the test digits. Two minutes of a GPU, hours of a CPU.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import keras
import numpy as np

from experiments import record
from experiments.judge import Judge, distance, distances, variables
from experiments.stacked import Stack
from experiments.training import RUNS
from helpers import conditional, datasets, gans, metrics, storage

NAME = "conditional_gan"
SEEDS = (0, 1, 2, 3, 4)  # fixed before the runs
STORED = SEEDS[:3]
TUNING_SEED = 100  # chooses rate and activation
SAMPLES, SAMPLE_SEED = 10_000, 12345
SIZES = {"style_dim": 16, "generator_units": [256, 512], "discriminator_units": [512, 256]}
ACTIVATIONS = ("leaky_relu", "relu")
RATES = (1e-3, 2e-3, 4e-3)
LAST = 0.05  # the rate at the end over that at the start
RECIPE = {"gamma": 0.3, "batch_size": 64, "penalty_batch": 8, "ema": 0.999, "epochs": 30}
LOOKS = (1, 2, 3, 5, 8, 12, 16, 20, 24, 27, 30)  # epochs


def build(activation, rate, seed):
    """Return the compiled, untrained GAN."""
    keras.utils.set_random_seed(seed)
    gan = gans.GAN(*conditional.conditional_networks(**SIZES, activation=activation), seed=seed)
    adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=RECIPE["gamma"], r2=RECIPE["gamma"], penalty_batch=RECIPE["penalty_batch"])
    gan.compile(*adams, loss="relativistic", ema=RECIPE["ema"], **penalties)
    return gan


def asked(samples=SAMPLES):
    """Return latents that ask for as many digits of each class, and the classes asked for."""
    labels = np.arange(samples) % conditional.CLASSES
    return conditional.ask(labels, conditional.CLASSES + SIZES["style_dim"], SAMPLE_SEED), labels


def images_of(rows):
    """Return the images of rows (n, 794)."""
    return rows[:, : conditional.PIXELS].reshape(-1, 28, 28, 1)


def measure(generator, real_images):
    """Return the share of digits that the classifier reads as what was asked for, and the distance from real ones."""
    latents, labels = asked()
    images = conditional.split(generator.predict(latents, batch_size=1000, verbose=0))[0]
    seen = metrics.predict_labels(images)
    return {**shares(seen, labels), "fdd": metrics.frechet_digit_distance(images, real_images)}


def shares(seen, labels):
    """Return how often the digit seen is the one asked for, over all and in each class."""
    by_class = [float((seen[labels == digit] == digit).mean()) for digit in range(conditional.CLASSES)]
    return {"accuracy": float((seen == labels).mean()), "by_class": by_class}


def load(seed):
    """Return the trained generator, its weights as they are stored: float16."""
    generator, _ = conditional.conditional_networks(**record.read(NAME)["networks"])
    generator.set_weights(storage.load_weights(record.weights_path(NAME, seed)))
    return generator


class Experiment:
    """The digits, and the log of what was trained; `images`, `samples` and `epochs` are smaller in a rehearsal."""

    def __init__(self, folder, images=50_000, samples=SAMPLES, epochs=RECIPE["epochs"]):
        self.folder, self.samples, self.epochs = folder, samples, epochs
        mnist = datasets.load_mnist()
        shuffled = np.random.default_rng(0).permutation(mnist.train_labels)
        labels = {"own": mnist.train_labels, "shuffled": shuffled}
        few = mnist.train_images[:images]
        self.pairs = {name: conditional.pair(few, values[:images]) for name, values in labels.items()}
        splits = {"validation": mnist.validation_images, "test": mnist.test_images}
        self.real = {name: metrics.features(images[:samples]) for name, images in splits.items()}
        settings = dict(recipe=RECIPE, sizes=SIZES, last=LAST, images=images, epochs=epochs)
        self.log = record.Log(folder / f"{NAME}.jsonl", settings)

    def train(self, labels, activation):
        """Train all rates and seeds on these labels with an activation, unless it has been done."""
        if self.log.find(labels=labels, activation=activation):
            return
        runs = [dict(rate=rate, seed=seed) for rate in RATES for seed in (TUNING_SEED, *SEEDS)]
        stack, start = Stack([build(activation, **run) for run in runs]), time.perf_counter()
        network = stack.model.ema_generator
        latents, classes = asked(self.samples)
        judge, curves, tests = Judge(network, latents, images_of), [[] for _ in runs], [None] * len(runs)

        def watch(epoch):
            """Measure all copies."""
            if epoch not in LOOKS and epoch != self.epochs:
                return
            looks = [judge.look(variables(stack, network, index)) for index in range(len(runs))]
            found = distances([features for features, _ in looks], self.real["validation"])
            for index, (features, seen) in enumerate(looks):
                curves[index].append([epoch, found[index], float((seen == classes).mean())])
                if epoch == self.epochs and runs[index]["seed"] != TUNING_SEED:
                    tests[index] = {**shares(seen, classes), "fdd": distance(features, self.real["test"])}

        stack.fit(self.pairs[labels], RECIPE["batch_size"], self.epochs, last=LAST, watch=watch, title=labels)
        for index, run in enumerate(runs):
            if labels == "own" and run["seed"] in STORED:
                weights = stack.copy_weights(network, index)
                storage.save_weights(self.weights_path(activation, **run), weights)
        conditions = dict(device=jax.devices()[0].device_kind, seconds=time.perf_counter() - start)
        entries = [dict(run, curve=curve, test=test) for run, curve, test in zip(runs, curves, tests, strict=True)]
        self.log.add({"runs": entries, **conditions}, labels=labels, activation=activation)

    def weights_path(self, activation, rate, seed):
        """Return where the weights of a run lie until the choice is made."""
        return self.folder / f"{NAME}_{activation}_{rate}_{seed}.npz"

    def choice(self, labels):
        """Return activation and rate with the smallest distance from the validation digits, for the tuning seed."""
        entries = [entry for entry in self.log.runs if entry["labels"] == labels]
        tuned = [(run, entry) for entry in entries for run in entry["runs"] if run["seed"] == TUNING_SEED]
        run, entry = min(tuned, key=lambda pair: pair[0]["curve"][-1][1] or np.inf)
        return {"activation": entry["activation"], "rate": run["rate"]}

    def run(self):
        """Train everything and return the result."""
        for activation in ACTIVATIONS:
            self.train("own", activation)
        best = self.choice("own")
        self.train("shuffled", best["activation"])
        chosen = {labels: self.choice(labels) for labels in self.pairs}
        return dict(
            runs=self.of_seeds("own", **chosen["own"]),
            shuffled=self.of_seeds("shuffled", **chosen["shuffled"]),
            recipe={**RECIPE, "rate": best["rate"], "last_rate": best["rate"] * LAST},
            networks={**SIZES, "activation": best["activation"]},
            chosen=chosen,
            all=self.log.runs,
        )

    def of_seeds(self, labels, activation, rate):
        """Return the seeds' runs at a setting, with what was measured on the test digits."""
        entry = self.log.find(labels=labels, activation=activation)
        found = [run for run in entry["runs"] if (run["rate"], run["seed"] != TUNING_SEED) == (rate, True)]
        return [{"seed": run["seed"], **run["test"], "curve": run["curve"]} for run in found]


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rehearse", action="store_true", help="everything in small, nothing is written")
    if parser.parse_args().rehearse:
        rehearse()
        return
    experiment = Experiment(RUNS)
    result = experiment.run()
    for seed in STORED:
        weights = storage.load_weights(experiment.weights_path(seed=seed, **result["chosen"]["own"]))
        storage.save_weights(record.weights_path(NAME, seed), weights)
    record.write(NAME, **result, samples=SAMPLES)
    for labels, runs in (("own", result["runs"]), ("shuffled", result["shuffled"])):
        for run in runs:
            print(labels, result["chosen"][labels], run["seed"], run["accuracy"], run["fdd"])


def rehearse():
    """Run everything in small, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        return Experiment(Path(folder), images=256, samples=200, epochs=2).run()


if __name__ == "__main__":
    main()
