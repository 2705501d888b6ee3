"""Train convolutional and dense GANs of digits, each at its own best setting, and measure them at equal digits seen.

python -m experiments.dcgan --train           makes what is missing: minutes on a GPU, hours on two cores
python -m experiments.dcgan --train --only convolutional --seeds 0 1 2 --epochs 8     a part of it
python -m experiments.dcgan --cost            times a step of every pair, on an otherwise idle CPU
python -m experiments.dcgan                   measures what was trained on the test digits and writes the result
python -m experiments.dcgan --rehearse        everything in small; no result is written

The first seed of a pair tries a setting, a learning rate and a slope of D's leaky ReLU, and then the neighbours of the
best, until the best has none left; the other seeds follow at it. "Best" is the smallest distance of the averaged
generator from the *validation* digits after 8 passes. The rates are constant, as in the recipe of the dense pair, so a
run of 16 passes goes on where that of 8 ended. The dense pair's rate is the one that `experiments.gan_ablation` chose.

Copies of a convolution side by side are slow on a GPU: the convolutional runs come one after the other, through one
compiled program, in which rate and slope are numbers and no constants.
"""

import argparse
import dataclasses
import functools
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np

from experiments import record
from experiments.gan_ablation import SAMPLE_SEED, SAMPLES
from experiments.stacked import Stack
from experiments.training import RUNS
from helpers import claims, datasets, gans, metrics, storage

NAME = "dcgan"
FOLDER = RUNS / NAME
SEEDS = (0, 1, 2, 3, 4)  # fixed before the runs; the first also tries the settings
STORED = SEEDS[:3]  # of the convolutional pair
LATENT_DIM, WIDTH = 16, 16
BLOCK = 1_000  # digits drawn and looked at in one go


# --- What is compared ------------------------------------------------------------------------------------------------


def networks(slope, normalise=False, deviation=None):
    """Return the chapter's generator and discriminator for digits, of Keras's own layers.

    Parameters
    ----------
    slope : float
        Of D's leaky ReLU, below 0.
    normalise : bool, default=False
        Batch normalisation in D too, in every layer but the first.
    deviation : float, optional
        Of the normal numbers that kernels start from; by default Keras's own start.
    """
    k, start = keras.layers, "glorot_uniform" if deviation is None else keras.initializers.RandomNormal(0, deviation)
    same = dict(strides=2, padding="same", kernel_initializer=start)
    generator = [
        keras.Input((LATENT_DIM,)),
        k.Dense(7 * 7 * 2 * WIDTH, use_bias=False, kernel_initializer=start),
        *(k.BatchNormalization(), k.Activation("relu"), k.Reshape((7, 7, 2 * WIDTH))),
        k.Conv2DTranspose(WIDTH, 4, use_bias=False, **same),  # -> (n, 14, 14, 16)
        *(k.BatchNormalization(), k.Activation("relu")),
        k.Conv2DTranspose(1, 4, activation="sigmoid", **same),  # -> (n, 28, 28, 1)
    ]
    judge = [keras.Input((28, 28, 1)), k.Conv2D(WIDTH, 4, **same), leaky(slope), k.Conv2D(2 * WIDTH, 4, **same)]
    judge += [k.BatchNormalization(epsilon=1e-5)] if normalise else []
    judge += [leaky(slope), k.Flatten(), k.Dense(1, kernel_initializer=start)]
    return keras.Sequential(generator, name="generator"), keras.Sequential(judge, name="discriminator")


def leaky(slope):
    """Return a leaky ReLU whose slope is an untrained weight, so that one program serves several slopes."""
    alpha = keras.initializers.Constant(slope)
    return keras.layers.PReLU(alpha_initializer=alpha, shared_axes=[1, 2, 3], trainable=False)


def dense(_):
    """Return the pair of the improved recipe, which has ReLU in both networks."""
    return gans.improved_networks()


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two networks, their game, and the settings among which the first seed chooses."""

    networks: Callable  # slope -> generator, discriminator
    start: tuple  # rate and slope that are tried first
    rates: tuple
    slopes: tuple
    game: dict
    betas: tuple
    batch_size: int
    beside: int = 1  # how many seeds train side by side

    def build(self, rate, slope, seed):
        """Return the compiled, untrained GAN."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*self.networks(slope), seed=seed)
        beta_1, beta_2 = self.betas
        gan.compile(*[keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2) for _ in range(2)], **self.game)
        return gan

    def settings(self):
        """Return all this as JSON can hold it."""
        return json.loads(json.dumps({**vars(self), "networks": None}))


BOOK = dict(
    game=dict(loss="non_saturating", r1=0.3, r2=0.3, penalty_batch=8, ema=0.999), betas=(0.0, 0.99), batch_size=64
)
# The paper's game, optimiser, batch and start; the size, the normal latents and the average are those of the book.
PAPER = dict(game=dict(loss="non_saturating", ema=0.999), betas=(0.5, 0.999), batch_size=128)
PAIRS = {
    "convolutional": Pair(networks, (2e-3, 0.2), (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3), (0.2, 0.0), **BOOK),
    "paper": Pair(
        functools.partial(networks, normalise=True, deviation=0.02),
        start=(2e-4, 0.2),
        rates=(5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 4e-3),
        slopes=(0.2,),
        **PAPER,
    ),
    "dense": Pair(dense, (2e-3, 0.0), (2e-3,), (0.0,), **BOOK, beside=len(SEEDS)),
}


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    images: int = 50_000
    samples: int = SAMPLES
    lengths: tuple = (8, 16, 24, 32)  # passes over the images; the settings are tried for the first
    goal: int = 16  # how far `--train` goes unless it is told otherwise
    looks: tuple = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32)


SMALL = Scale(images=256, samples=200, lengths=(1, 2), goal=2, looks=(1, 2))


# --- Training and looking --------------------------------------------------------------------------------------------


class Bench(Stack):
    """A stack whose compiled epoch serves other copies too: their rates, and how these fall, are its arguments."""

    def __init__(self, models, batch_size, last=1.0):
        super().__init__(models)
        self.batch_size, self.program = batch_size, jax.jit(functools.partial(self._run, last))

    def restart(self, models):
        """Take other copies, built like the first ones."""
        fresh = Stack(models)
        self.models, self.states, self.rates, self.history = models, fresh.states, fresh.rates, []
        return self

    def _run(self, last, rates, states, data, keys, start, steps):
        """Run an epoch of all copies; a pure function, to be compiled."""
        held, self.rates = self.rates, rates
        try:
            sizes = len(data) // self.batch_size, self.batch_size
            return self._epoch(sizes, steps, last, None, True, states, data, keys, start)
        finally:
            self.rates = held

    def go_on(self, data, stop, watch, horizon=None):
        """Train to epoch `stop` from where the copies are; the rates reach their end at epoch `horizon`.

        The order of the data depends on a copy's seed and on the epoch alone, not on who trains beside it.
        """
        length = len(data) // self.batch_size
        for epoch in range(len(self.history), stop):
            keys = jnp.stack([jax.random.fold_in(jax.random.key(model.seed), epoch) for model in self.models])
            numbers = np.int32(epoch * length), np.int32((horizon or stop) * length)
            self.states, logs = self.program(self.rates, self.states, data, keys, *numbers)
            self.history.append({name: np.asarray(values) for name, values in logs.items()})
            watch(epoch + 1)
        return self


class Eye:
    """Draws with a generator and looks at what it drew with the book's classifier, in one program.

    Parameters
    ----------
    network : keras.Model
        The generator; `look` is given the weights.
    latents : array of shape (n, latent_dim)
        What is drawn from; n is a multiple of 1,000, or below it.
    images : callable, optional
        ``images(outputs) -> (n, 28, 28, 1)``, for networks that return more than images.
    """

    def __init__(self, network, latents, images=lambda outputs: outputs):
        self.network, self.images, self.classifier = network, images, metrics.load_classifier()
        self.blocks = jnp.asarray(latents).reshape(-1, min(BLOCK, len(latents)), latents.shape[-1])
        self.program = jax.jit(self._look, static_argnames="training")

    def _look(self, weights, own, blocks, training):
        """Return features and labels of all blocks, one after the other."""

        def block(latents):
            """Draw a block and look at it."""
            outputs = self.network.stateless_call(*weights, latents, training=training)[0]
            features, logits = self.classifier.stateless_call(*own, self.images(outputs), training=False)[0]
            return features, logits.argmax(axis=1)

        return jax.lax.map(block, blocks)

    def look(self, weights, training=False):
        """Return features (n, 128) and the digits seen (n,), for weights in the order of ``network.weights``."""
        arrays = dict(zip(map(id, self.network.weights), weights, strict=True))
        sorted_weights = [[arrays[id(variable)] for variable in group] for group in groups(self.network)]
        # Read anew each time: Keras's predict gives the arrays that it was handed away.
        own = [[variable.value for variable in group] for group in groups(self.classifier)]
        features, labels = map(np.asarray, self.program(sorted_weights, own, self.blocks, training=training))
        return features.reshape(-1, features.shape[-1]), labels.ravel()


def groups(network):
    """Return a network's trainable and other variables."""
    return network.trainable_variables, network.non_trainable_variables


def distance(features, real):
    """Return the Fréchet distance of two sets of features; None where the generator became NaN."""
    return metrics.frechet_distance(features, real) if np.isfinite(features).all() else None


class Experiment:
    """One pair, the log of its runs, and the digits."""

    def __init__(self, name, mnist, scale=None, folder=FOLDER):
        self.name, self.pair, self.folder = name, PAIRS[name], folder
        self.scale, self.mnist, self.bench = scale or Scale(), mnist, None
        self.images = jnp.asarray(mnist.train_images[: self.scale.images])
        settings = {**self.pair.settings(), "images": self.scale.images, "samples": self.scale.samples}
        self.log = record.Log(folder / f"{name}.jsonl", settings)

    @functools.cached_property
    def real(self):
        """The features of the validation digits."""
        return metrics.features(self.mnist.validation_images[: self.scale.samples])

    def file(self, rate, slope, seed, epochs, kind="weights"):
        """Return where a run's averaged generator, or its whole state, lies after so many epochs."""
        return self.folder / f"{self.name}_{rate:g}_{slope:g}_{seed}_{epochs}_{kind}.npz"

    def train(self, keys, epochs):
        """Bring these runs to a length, unless they have been there; write each down as soon as it is."""
        missing = [key for key in keys if self.log.find(**key, epochs=epochs) is None]
        for first in range(0, len(missing), self.pair.beside):
            self.unit(missing[first : first + self.pair.beside], epochs)

    def unit(self, keys, epochs):
        """Train some runs side by side and write them down."""
        start, models = time.perf_counter(), [self.pair.build(**key) for key in keys]
        before = self.resume(keys, models, epochs)
        curves = [list(run["curve"]) if run else [] for run in before]
        self.bench.go_on(self.images, epochs, functools.partial(self.watch, keys, curves))
        conditions = {name: claims.run_record()[name] for name in ("device", "versions")}
        seconds = time.perf_counter() - start + max(run["seconds"] if run else 0 for run in before)
        if len(keys) == 1:  # the state of the dense pairs side by side would be 90 MB
            self.bench._save(self.file(**keys[0], epochs=epochs, kind="state"))
        for key, curve in zip(keys, curves, strict=True):
            self.log.add({"curve": curve, "seconds": seconds, **conditions}, **key, epochs=epochs)

    def resume(self, keys, models, epochs):
        """Set the bench to where these runs are; return what was written down of each by then, or None."""
        if self.bench is None or len(self.bench.models) != len(models):
            self.bench = Bench(models, self.pair.batch_size)
            self.eye = Eye(self.bench.model.generator, self.latents())
        self.bench.restart(models)
        shorter = [length for length in self.scale.lengths if length < epochs and len(keys) == 1]
        for length in reversed(shorter):
            state, run = self.file(**keys[0], epochs=length, kind="state"), self.log.find(**keys[0], epochs=length)
            if run and state.exists():
                self.bench._load(state)
                return [run]
        return [None] * len(keys)

    def latents(self):
        """Return the latents that every measurement uses."""
        return keras.random.normal((self.scale.samples, LATENT_DIM), seed=SAMPLE_SEED)

    def watch(self, keys, curves, epoch):
        """Hold the copies to the validation digits, and keep the averaged generators at the lengths."""
        if epoch not in self.scale.looks:
            return
        for index, (key, curve) in enumerate(zip(keys, curves, strict=True)):
            model = self.bench.model
            averaged, last = (self.bench.copy_weights(each, index) for each in (model.ema_generator, model.generator))
            # The averaged weights, the last ones, and the averaged ones with the statistics of their own batches.
            looks = (averaged, False), (last, False), (averaged, True)
            curve.append([epoch, *(distance(self.eye.look(*look)[0], self.real) for look in looks)])
            print(self.name, *key.values(), f"epoch {epoch}:", *curve[-1][1:], flush=True)
            if epoch in self.scale.lengths and None not in curve[-1]:
                storage.save_weights(self.file(**key, epochs=epoch), averaged)

    def tries(self):
        """Return the first seed's runs that tried the settings, by (rate, slope)."""
        tried = [run for run in self.log.runs if (run["seed"], run["epochs"]) == (SEEDS[0], self.scale.lengths[0])]
        return {(run["rate"], run["slope"]): run for run in tried}

    def best(self):
        """Return rate and slope of the smallest distance from the validation digits; NaN loses."""
        tries = self.tries()
        return min(tries, key=lambda setting: np.inf if (d := tries[setting]["curve"][-1][1]) is None else d)

    def search(self):
        """Try settings with the first seed until the best has no neighbour left; return it."""
        waiting = [self.pair.start]
        while waiting:
            key = dict(zip(("rate", "slope", "seed"), (*waiting[0], SEEDS[0]), strict=True))
            self.train([key], self.scale.lengths[0])
            waiting = [setting for setting in self.neighbours(*self.best()) if setting not in self.tries()]
        return self.best()

    def neighbours(self, rate, slope):
        """Return the settings next to one: the rates beside it, and the other slope."""
        place = self.pair.rates.index(rate)
        rates = self.pair.rates[max(place - 1, 0) : place + 2]
        return [(other, slope) for other in rates if other != rate] + [
            (rate, other) for other in self.pair.slopes if other != slope
        ]

    def run(self, seeds, epochs=None):
        """Find the best setting, then bring the seeds to the lengths up to `epochs`, the shortest first."""
        only = len(self.pair.rates) * len(self.pair.slopes) == 1
        rate, slope = self.pair.start if only else self.search()
        keys = [dict(rate=rate, slope=slope, seed=seed) for seed in seeds]
        goal = epochs or self.scale.goal
        for length in self.scale.lengths if self.pair.beside == 1 else (goal,):
            if length <= goal:
                self.train(keys, length)


# --- The result ------------------------------------------------------------------------------------------------------


def sample(generator, latents):
    """Return the digits (n, 28, 28, 1) of a generator."""
    return generator.predict(latents, batch_size=BLOCK, verbose=0)


def load(seed=STORED[0]):
    """Return the stored convolutional generator of a seed; its weights are float16."""
    return _filled("convolutional", record.weights_path(NAME, seed))


def _filled(name, path):
    """Return a pair's generator with the weights of a file."""
    generator, _ = PAIRS[name].networks(0.0)
    generator.set_weights(storage.load_weights(path))
    return generator


def measure(generator, real_features, latents=None):
    """Return the distance from real digits and the share of the rarest class, of 10,000 digits."""
    latents = keras.random.normal((SAMPLES, LATENT_DIM), seed=SAMPLE_SEED) if latents is None else latents
    digits = sample(generator, latents)
    share = float(metrics.class_shares(digits).min())
    return {"fdd": metrics.frechet_distance(metrics.features(digits), real_features), "smallest_class_share": share}


def summary(experiment, real_features):
    """Return for one pair its tries, and its runs at the best setting with what the test digits say of each length."""
    rate, slope = experiment.best() if experiment.tries() else experiment.pair.start
    runs = []
    for seed in SEEDS:
        logged = [run for run in experiment.log.runs if (run["rate"], run["slope"], run["seed"]) == (rate, slope, seed)]
        if not logged:
            continue
        longest = max(logged, key=lambda run: run["epochs"])
        files = {n: experiment.file(rate, slope, seed, n) for n in experiment.scale.lengths if n <= longest["epochs"]}
        test = {
            str(n): measure(_filled(experiment.name, file), real_features, experiment.latents())
            for n, file in files.items()
            if file.exists()
        }
        runs.append({**longest, "test": test})
    return dict(rate=rate, slope=slope, runs=runs, tries=list(experiment.tries().values()), **about(experiment))


def about(experiment):
    """Return a pair's settings and the size of its networks."""
    settings = experiment.pair.settings()
    sizes = [network.count_params() for network in experiment.pair.networks(0.0)]
    return {"settings": settings, "weights": dict(zip(("generator", "discriminator"), sizes, strict=True))}


def results(experiments, mnist):
    """Return the result of all pairs that have runs; the test digits are used here and nowhere else."""
    some = next(iter(experiments.values()))
    real_features = metrics.features(mnist.test_images[: some.scale.samples])
    done = {name: each for name, each in experiments.items() if each.log.runs}
    pairs = {name: summary(each, real_features) for name, each in done.items()}
    return dict(pairs=pairs, samples=some.scale.samples, sample_seed=SAMPLE_SEED)


def cost(images, steps=20, rounds=9):
    """Return the median seconds of a training step of each pair on a CPU; the pairs take turns."""
    calls = {}
    for name, pair in PAIRS.items():
        gan = pair.build(*pair.start, seed=0)
        calls[name] = functools.partial(
            gan.fit, images[: steps * pair.batch_size], batch_size=pair.batch_size, verbose=0
        )
        calls[name]()  # compiles
    seconds = {name: [] for name in PAIRS}
    for _, (name, call) in itertools.product(range(rounds), calls.items()):
        start = time.perf_counter()
        call()
        seconds[name].append((time.perf_counter() - start) / steps)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    ratio = float(np.median(np.divide(seconds["convolutional"], seconds["dense"])))
    cpus = len(os.sched_getaffinity(0))
    return dict(seconds_a_step=medians, convolutional_over_dense=ratio, rounds=rounds, steps=steps, cpus=cpus)


def write(mnist):
    """Write the result from the logs, and store the convolutional generators at the greatest common length."""
    experiments = {name: Experiment(name, mnist) for name in PAIRS}
    result = results(experiments, mnist)
    own = result["pairs"]["convolutional"]
    stored = min(run["epochs"] for run in own["runs"] if run["seed"] in STORED)
    for seed in STORED:
        path = experiments["convolutional"].file(own["rate"], own["slope"], seed, stored)
        shutil.copy(path, record.weights_path(NAME, seed))
    path = FOLDER / "cost.json"
    record.write(NAME, **result, stored_epochs=stored, cost=record.read_json(path) if path.exists() else None)
    for name, pair in result["pairs"].items():
        for run in pair["runs"]:
            print(name, pair["rate"], pair["slope"], run["seed"], {n: one["fdd"] for n, one in run["test"].items()})


def rehearse(names, mnist):
    """Run everything in small, in a folder that is then removed; a second time nothing is left to do."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            experiments = {name: Experiment(name, mnist, SMALL, Path(folder)) for name in names}
            for experiment in experiments.values():
                experiment.run(SEEDS[:2])
        text = json.dumps(results(experiments, mnist))
        print(len(text), "bytes", sorted(path.name for path in Path(folder).iterdir()))


def main():
    """Train, time or write, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train what is missing; writes no result")
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS), metavar="PAIR", help="these pairs")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="at the best setting")
    parser.add_argument("--epochs", type=int, choices=Scale().lengths, help="how far")
    parser.add_argument("--cost", action="store_true", help="only time training steps")
    parser.add_argument("--rehearse", action="store_true", help="do it in small and write nothing")
    arguments, mnist = parser.parse_args(), datasets.load_mnist()
    if arguments.rehearse:
        rehearse(arguments.only, mnist)
    elif arguments.cost:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "cost.json").write_text(json.dumps(cost(mnist.train_images)))
    elif arguments.train:
        for name in arguments.only:
            Experiment(name, mnist).run(arguments.seeds, arguments.epochs)
    else:
        write(mnist)


if __name__ == "__main__":
    main()
