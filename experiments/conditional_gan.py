"""Train class-conditional GANs of digits and count how often they draw the digit that they are asked for.

python -m experiments.conditional_gan --train      trains what is missing: minutes on a GPU, hours on two cores
python -m experiments.conditional_gan              measures what was trained, on the test digits, and writes the result
python -m experiments.conditional_gan --rehearse   everything in small; no result is written

One seed tries both pairings of the loss at five learning rates, for half the length; the setting with the smallest
distance from the *validation* digits is kept. At it five seeds train on the digits with their labels, and five with
shuffled labels, as a control. What the copies differ in, loss and labels too, are numbers in one compiled program, in
which ten of them train side by side.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import jax.numpy as jnp
import keras
import numpy as np

from experiments import record
from experiments.dcgan import Bench, Eye, distance
from experiments.training import RUNS
from helpers import claims, conditional, datasets, gans, metrics, storage

NAME = "conditional_gan"
FOLDER = RUNS / NAME
SEEDS = (0, 1, 2)  # whose generators are stored; fixed before the runs
FURTHER = (3, 4)  # trained and measured too
VALIDATION_SEED = 100  # settings are compared with this one
SAMPLES, SAMPLE_SEED = 10_000, 12345
NETWORKS = {"style_dim": 16, "generator_units": [256, 512], "discriminator_units": [512, 256], "activation": "relu"}
RECIPE = {"last_over_first_rate": 0.05, "gamma": 0.3, "batch_size": 64, "penalty_batch": 8, "ema": 0.999, "epochs": 30}
LOSSES = ("non_saturating", "relativistic")
RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
TUNING_EPOCHS = 15
LOOKS = (1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24, 27, 30)
CONTENT = conditional.PIXELS + conditional.CLASSES


class EitherGAN(gans.GAN):
    """A GAN of pairs whose loss and whose labels are untrained weights, so that one program serves all settings.

    It is trained on rows (n, 804): an image, its own label, and the label of a digit drawn at random.
    """

    def __init__(self, *networks, relativistic, shuffled, **kwargs):
        super().__init__(*networks, **kwargs)
        for name, value in (("relativistic", relativistic), ("shuffled", shuffled)):
            start = keras.initializers.Constant(float(value))
            setattr(self, name, self.add_weight(shape=(), initializer=start, trainable=False, name=name))

    def train_step(self, state, rows):
        """Make a step with the loss and with the labels that these weights choose."""
        values, held = gans.Values(self, state), self.game
        label = jnp.where(values[self.shuffled] > 0, rows[:, CONTENT:], rows[:, conditional.PIXELS : CONTENT])
        self.game = either(values[self.relativistic])
        try:
            return super().train_step(state, jnp.concatenate([rows[:, : conditional.PIXELS], label], axis=1))
        finally:
            self.game = held


def either(relativistic):
    """Return the game whose losses are those of the one pairing or of the other."""

    def choose(first, second):
        """Return one loss of the two."""
        return lambda real, fake: jnp.where(relativistic > 0, second(real, fake), first(real, fake))

    return gans.AdversarialLoss(*map(choose, *(gans.LOSSES[name] for name in LOSSES)))


def build(loss, rate, labels, seed):
    """Return the compiled, untrained GAN."""
    keras.utils.set_random_seed(seed)
    chosen = dict(relativistic=loss == "relativistic", shuffled=labels == "shuffled")
    gan = EitherGAN(*conditional.conditional_networks(**NETWORKS), **chosen, seed=seed)
    adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=RECIPE["gamma"], r2=RECIPE["gamma"], penalty_batch=RECIPE["penalty_batch"])
    gan.compile(*adams, loss=loss, ema=RECIPE["ema"], **penalties)
    return gan


def rows_of(images, labels):
    """Return images, own and shuffled labels side by side, (n, 804)."""
    shuffled = np.random.default_rng(0).permutation(labels)
    return np.concatenate([conditional.pair(images, labels), conditional.one_hot(shuffled)], axis=1)


# --- Training --------------------------------------------------------------------------------------------------------


class Experiment:
    """The digits, and the log of what was trained; all sizes are smaller in a rehearsal."""

    def __init__(self, mnist, folder=FOLDER, images=50_000, samples=SAMPLES, epochs=(TUNING_EPOCHS, RECIPE["epochs"])):
        self.mnist, self.folder, self.samples, self.epochs = mnist, folder, samples, epochs
        self.rows = rows_of(mnist.train_images[:images], mnist.train_labels[:images])
        self.bench = None
        settings = dict(recipe=RECIPE, networks=NETWORKS, images=images, epochs=epochs)
        self.log = record.Log(folder / "runs.jsonl", settings)

    def run(self):
        """Try the settings, then train the seeds and the control."""
        tries = [dict(loss=loss, rate=rate, labels="own", seed=VALIDATION_SEED) for loss in LOSSES for rate in RATES]
        self.train(tries, self.epochs[0])
        seeds = [dict(labels=labels, seed=seed) for labels in ("own", "shuffled") for seed in SEEDS + FURTHER]
        self.train([{**self.best(), **key} for key in seeds], self.epochs[1])

    def train(self, keys, epochs):
        """Train copies side by side and write them down, unless it has been done."""
        if all(self.log.find(**key, epochs=epochs) for key in keys):
            return
        start, curves = time.perf_counter(), [[] for _ in keys]
        self.set_up([build(**key) for key in keys])
        self.bench.go_on(self.data, epochs, lambda epoch: self.watch(keys, curves, epoch, epochs))
        conditions = {name: claims.run_record()[name] for name in ("device", "versions")}
        conditions["seconds"] = time.perf_counter() - start  # of all copies together
        for index, (key, curve) in enumerate(zip(keys, curves, strict=True)):
            history = {name: [float(logs[name][index]) for logs in self.bench.history] for name in gans.GAN.log_names}
            if key["seed"] != VALIDATION_SEED and curve[-1][1] is not None:  # NaN has no file
                weights = self.bench.copy_weights(self.bench.model.ema_generator, index)
                storage.save_weights(self.file(key["labels"], key["seed"]), weights)
            self.log.add({"curve": curve, "history": history, **conditions}, **key, epochs=epochs)

    def set_up(self, models):
        """Hand the copies to the bench, and make what looks at them."""
        if self.bench is None:
            self.bench = Bench(models, RECIPE["batch_size"], last=RECIPE["last_over_first_rate"])
            latents, self.asked = asked(self.samples)
            self.eye = Eye(self.bench.model.generator, latents, images_of)
            self.real = metrics.features(self.mnist.validation_images[: self.samples])
            self.data = jnp.asarray(self.rows)
        self.bench.restart(models)

    def watch(self, keys, curves, epoch, last):
        """Hold the averaged generators to the validation digits, and to what they were asked for."""
        if epoch not in LOOKS and epoch != last:
            return
        for index, (key, curve) in enumerate(zip(keys, curves, strict=True)):
            features, seen = self.eye.look(self.bench.copy_weights(self.bench.model.ema_generator, index))
            curve.append([epoch, distance(features, self.real), float((seen == self.asked).mean())])
            print(*key.values(), f"epoch {epoch}:", *curve[-1][1:], flush=True)

    def file(self, labels, seed):
        """Return where a trained generator lies."""
        return self.folder / f"{labels}_{seed}.npz"

    def tries(self):
        """Return the runs that tried the settings."""
        return [run for run in self.log.runs if run["seed"] == VALIDATION_SEED]

    def best(self):
        """Return loss and rate of the smallest distance from the validation digits; NaN loses."""
        best = min(self.tries(), key=lambda run: np.inf if (d := run["curve"][-1][1]) is None else d)
        return {name: best[name] for name in ("loss", "rate")}


# --- The result ------------------------------------------------------------------------------------------------------


def asked(samples=SAMPLES):
    """Return latents that ask for as many digits of each class, and the classes asked for."""
    labels = np.arange(samples) % conditional.CLASSES
    return conditional.ask(labels, conditional.CLASSES + NETWORKS["style_dim"], SAMPLE_SEED), labels


def images_of(rows):
    """Return the images of rows (n, 794)."""
    return rows[:, : conditional.PIXELS].reshape(-1, 28, 28, 1)


def measure(generator, real_images):
    """Return the share of digits that the classifier reads as what was asked for, and the distance from real ones."""
    latents, labels = asked()
    images = images_of(generator.predict(latents, batch_size=1000, verbose=0))
    seen = metrics.predict_labels(images)
    return {
        "accuracy": float((seen == labels).mean()),
        "by_class": [float((seen[labels == digit] == digit).mean()) for digit in range(conditional.CLASSES)],
        "fdd": metrics.frechet_digit_distance(images, real_images),
    }


def load(seed):
    """Return the trained generator, its weights as they are stored: float16."""
    return _filled(record.weights_path(NAME, seed), record.read(NAME)["networks"])


def _filled(path, networks=NETWORKS):
    """Return a generator with the weights of a file."""
    generator, _ = conditional.conditional_networks(**networks)
    generator.set_weights(storage.load_weights(path))
    return generator


def results(experiment):
    """Return the result; the test digits are used here and nowhere else."""
    final = {(run["labels"], run["seed"]): run for run in experiment.log.runs if run["seed"] != VALIDATION_SEED}
    measured = {
        key: {**run, **measure(_filled(experiment.file(*key)), experiment.mnist.test_images)}
        for key, run in final.items()
        if experiment.file(*key).exists()
    }
    return dict(
        runs=[measured["own", seed] for seed in SEEDS],
        further=[measured["own", seed] for seed in FURTHER if ("own", seed) in measured],
        shuffled=[measured["shuffled", seed] for seed in SEEDS + FURTHER if ("shuffled", seed) in measured],
        tries=experiment.tries(),
        chosen=experiment.best(),
        recipe=RECIPE,
        networks=NETWORKS,
        samples=SAMPLES,
    )


def write(mnist):
    """Write the result from the log, and store the generators."""
    experiment = Experiment(mnist)
    result = results(experiment)
    for seed in SEEDS:
        shutil.copy(experiment.file("own", seed), record.weights_path(NAME, seed))
    record.write(NAME, **result)
    for run in (*result["runs"], *result["further"], *result["shuffled"]):
        print(*result["chosen"].values(), run["labels"], run["seed"], run["accuracy"], run["fdd"])


def rehearse(mnist):
    """Run everything in small, in a folder that is then removed; a second time nothing is left to do."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            experiment = Experiment(mnist, Path(folder), images=256, samples=200, epochs=(1, 2))
            experiment.run()
        print(len(json.dumps(results(experiment))), "bytes", sorted(path.name for path in Path(folder).iterdir()))


def main():
    """Train or write, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train what is missing; writes no result")
    parser.add_argument("--rehearse", action="store_true", help="everything in small, nothing is written")
    arguments, mnist = parser.parse_args(), datasets.load_mnist()
    if arguments.rehearse:
        rehearse(mnist)
    elif arguments.train:
        Experiment(mnist).run()
    else:
        write(mnist)


if __name__ == "__main__":
    main()
