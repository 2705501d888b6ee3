"""Train convolutional and dense GANs of digits equally long, each at its own best setting, until they stop improving.

python -m experiments.dcgan                  trains what is missing, writes the result; minutes on a GPU, hours on a CPU
python -m experiments.dcgan narrow wide      these pairs only; other processes may train the others meanwhile
python -m experiments.dcgan --cost           only times training steps, on a CPU, into dcgan_cost.json
python -m experiments.dcgan --rehearse       everything in small; writes nothing

The copies of a pair differ in seed, learning rate and length and train side by side (`stacked`). A GPU has no fast form
of many different convolutions at once, so those copies use the book's convolutions as matrix products; the pairs in
Keras's own layers train one copy after the other.
"""

import argparse
import copy
import dataclasses
import functools
import json
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from tqdm import tqdm

from experiments import convolution_speed, record
from experiments.judge import Judge, distances, variables
from experiments.stacked import Stack
from experiments.training import RUNS
from helpers import datasets, gans, metrics, storage

NAME = "dcgan"
TUNING_SEED = 100
CONSTANT = {"rate": 5e-3, "activation": "leaky_relu"}  # best after 500 steps
ACTIVATIONS = ("leaky_relu", "relu")  # of the dense pair; of the convolutional pair's discriminator
RECIPE = {"loss": "relativistic", "r1": 0.3, "r2": 0.3, "penalty_batch": 8, "ema": 0.999}
ADAM = {"beta_1": 0.0, "beta_2": 0.99}
BATCH, LATENT_DIM, SAMPLE_SEED = 64, 16, 12345


@dataclasses.dataclass(frozen=True)
class Pair:
    """A generator and a discriminator, and which runs they get."""

    width: int = 0  # filters; 0 is the dense pair
    form: str = "matmul"
    tuned_as: str = ""  # the pair whose choice of rate and activation is taken over
    lengths: tuple = (4, 8, 16, 32, 64)  # epochs of 781 steps, the rate falling to 0 over each
    seeds: tuple = (0, 1, 2, 3, 4)
    stored: bool = False

    def networks(self, activation):
        """Return untrained networks."""
        if not self.width:
            return gans.dense_networks(LATENT_DIM, (256, 512), (512, 256), activation, normalise=True)
        return convolution_speed.networks(*convolution_speed.FORMS[self.form], self.width, activation)


PAIRS = {
    "dense": Pair(),
    "narrow": Pair(width=16),
    "narrow_keras": Pair(width=16, form="keras", tuned_as="narrow", lengths=(8,)),
    "wide": Pair(width=32, lengths=(8, 16, 32), seeds=(0, 1, 2)),
    "wide_keras": Pair(width=32, form="keras", tuned_as="wide", lengths=(32,), seeds=(0,), stored=True),
}


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    images: int = 50_000
    samples: int = 10_000
    rates: tuple = (5e-4, 1e-3, 2e-3, 4e-3)
    tuning: int = 8  # epochs
    looks: tuple = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)


SMALL = Scale(images=256, samples=200, rates=(1e-3, 2e-3), tuning=2)


class FallingGAN(gans.GAN):
    """A GAN whose learning rates fall along a cosine to 0 within `horizon` steps, and stay there.

    The horizon is a variable, so that runs of several lengths can share one program.
    """

    def __init__(self, *networks, horizon, **kwargs):
        super().__init__(*networks, **kwargs)
        self.horizon = self.add_weight(shape=(), initializer="zeros", trainable=False, name="horizon")
        self.horizon.assign(horizon)

    def train_step(self, state, data):
        """Make a step at the learning rate of this step."""
        rates = [variable for variable in self.optimizer.variables if variable.name == "learning_rate"]
        values = gans.Values(self, state)
        first = values.get(rates)
        share = jnp.minimum(values[self.discriminator_optimizer.iterations] / values[self.horizon], 1.0)
        values.put(rates, [rate * 0.5 * (1 + jnp.cos(jnp.pi * share)) for rate in first])
        logs, state = super().train_step(values.state(), data)
        values = gans.Values(self, state)
        values.put(rates, first)
        return logs, values.state()


class Turns(Stack):
    """Copies that train one after the other, in one program."""

    def _epoch(self, sizes, steps, last, prepare, shared, states, data, keys, start):
        """Run an epoch of each copy, as a stack of one."""

        def one(copied):
            """Run the epoch of one copy."""
            alone = copy.copy(self)
            states, alone.rates, keys = jax.tree.map(lambda array: array[None], copied)
            result = super(Turns, alone)._epoch(sizes, steps, last, prepare, shared, states, data, keys, start)
            return jax.tree.map(lambda array: array[0], result)

        return jax.lax.map(one, (states, self.rates, keys))


def build(pair, run, steps):
    """Return the compiled, untrained GAN of a run; one without `epochs` keeps its rate."""
    keras.utils.set_random_seed(run["seed"])
    horizon = run["epochs"] * steps if run["falls"] else np.inf
    gan = FallingGAN(*pair.networks(run["activation"]), horizon=horizon, seed=run["seed"])
    gan.compile(*[keras.optimizers.Adam(run["rate"], **ADAM) for _ in range(2)], **RECIPE)
    return gan


class Experiment:
    """The digits, and the logs of what was trained."""

    def __init__(self, scale, folder):
        self.scale, self.folder = scale, folder
        mnist = datasets.load_mnist()
        self.images = mnist.train_images[: scale.images]
        splits = {"validation": mnist.validation_images, "test": mnist.test_images}
        self.real = {name: metrics.features(images[: scale.samples]) for name, images in splits.items()}
        self.latents = keras.random.normal((scale.samples, LATENT_DIM), seed=SAMPLE_SEED)

    def log(self, name):
        """Return the log of a pair, read anew: another process may have added to it."""
        settings = dict(pair=dataclasses.asdict(PAIRS[name]), recipe=RECIPE, adam=ADAM, batch=BATCH)
        return record.Log(self.folder / f"{NAME}_{name}.jsonl", {**settings, **dataclasses.asdict(self.scale)})

    def train(self, name, runs, final):
        """Train the runs of a pair, which share an activation, and write them down with their distances."""
        pair, start = PAIRS[name], time.perf_counter()
        steps = len(self.images) // BATCH
        stack = (Turns if pair.form == "keras" else Stack)([build(pair, run, steps) for run in runs])
        averaged = stack.model.ema_generator
        judge, curves, tests = Judge(averaged, self.latents), [[] for _ in runs], [None] * len(runs)

        def watch(epoch):
            """Measure the runs that are not over, by their averaged and by their last weights."""
            ends = {run["epochs"] for run in runs}
            if epoch not in self.scale.looks and epoch not in ends:
                return
            going = [index for index, run in enumerate(runs) if run["epochs"] >= epoch]
            both = (averaged, stack.model.generator)
            seen = [judge.look(variables(stack, network, index))[0] for index in going for network in both]
            found = distances(seen, self.real["validation"])
            for place, index in enumerate(going):
                curves[index].append([epoch, *found[2 * place : 2 * place + 2]])
                if final and runs[index]["epochs"] == epoch:
                    tests[index] = distances(seen[2 * place : 2 * place + 2], self.real["test"])
                    self.store(name, runs[index], stack, index)

        # The rates fall within the step.
        stack.fit(self.images, BATCH, max(run["epochs"] for run in runs), last=1.0, watch=watch, title=name)
        conditions = dict(device=jax.devices()[0].device_kind, stack=len(runs), seconds=time.perf_counter() - start)
        for run, curve, test in zip(runs, curves, tests, strict=True):
            entry = {"curve": curve, "test": test, **conditions}
            self.log(name).add(entry, final=final, **run)

    def store(self, name, run, stack, index):
        """Keep the averaged generator of the pair's first seed, at its greatest length."""
        pair = PAIRS[name]
        if pair.stored and (run["seed"], run["epochs"]) == (pair.seeds[0], max(pair.lengths)):
            weights = stack.copy_weights(stack.model.ema_generator, index)
            storage.save_weights(self.folder / f"{NAME}_{name}.npz", weights)

    def choice(self, name):
        """Return the rate and the activation with the smallest distance from the validation digits, for one seed."""
        name = PAIRS[name].tuned_as or name
        for activation in ACTIVATIONS:
            if not self.log(name).find(final=False, activation=activation):
                same = dict(activation=activation, epochs=self.scale.tuning)
                runs = [dict(seed=TUNING_SEED, rate=rate, falls=True, **same) for rate in self.scale.rates]
                if name == "narrow" and activation == CONSTANT["activation"]:
                    runs += [dict(seed=seed, rate=CONSTANT["rate"], falls=False, **same) for seed in (0, 1, 2)]
                self.train(name, runs, final=False)
        tuned = [run for run in self.log(name).runs if not run["final"] and run["falls"]]
        best = min(tuned, key=lambda run: run["curve"][-1][1] or np.inf)
        return {key: best[key] for key in ("rate", "activation")}

    def run(self, name):
        """Tune a pair and train its seeds and lengths."""
        best, pair = self.choice(name), PAIRS[name]
        if not self.log(name).find(final=True):
            lengths = [length for length in pair.lengths if self.scale != SMALL or length <= 8]
            lengths = lengths or pair.lengths[:1]
            runs = [dict(seed=seed, epochs=epochs, falls=True, **best) for epochs in lengths for seed in pair.seeds]
            self.train(name, runs, final=True)

    def results(self):
        """Return everything for the record."""
        done = {name: self.log(name).runs for name in PAIRS}
        finished = [name for name, runs in done.items() if any(run["final"] for run in runs)]
        chosen = {name: self.choice(name) for name in finished}
        return dict(runs=done, chosen=chosen, pairs={name: dataclasses.asdict(pair) for name, pair in PAIRS.items()})


def load(name="wide_keras"):
    """Return the stored generator, in Keras's own layers; its weights are float16."""
    generator, _ = PAIRS[name].networks(ACTIVATIONS[0])
    generator.set_weights(storage.load_weights(record.weights_path(NAME, name)))
    return generator


def measure(generator, real_features, samples=10_000):
    """Return the Fréchet distance of its digits from real ones."""
    latents = keras.random.normal((samples, LATENT_DIM), seed=SAMPLE_SEED)
    drawn = generator.predict(latents, batch_size=1_000, verbose=0)
    return metrics.frechet_distance(metrics.features(drawn), real_features)


def cost(images, steps=10, rounds=9):
    """Return for each pair the median seconds of a training step; the pairs take turns."""
    calls = {}
    for name, pair in PAIRS.items():
        gan = build(pair, dict(seed=0, rate=1e-3, activation="leaky_relu", epochs=1, falls=True), 781)
        calls[name] = functools.partial(gan.fit, images[: steps * BATCH], batch_size=BATCH, verbose=0)
        calls[name]()  # compiles
    seconds = {name: [] for name in PAIRS}
    for _ in tqdm(range(rounds), desc="cost"):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - start) / steps)
    over_dense = {name: float(np.median(np.divide(values, seconds["dense"]))) for name, values in seconds.items()}
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return dict(seconds_a_step=medians, over_dense=over_dense, rounds=rounds, steps=steps)


def rehearse(names):
    """Run everything in small, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(SMALL, Path(folder))
        for name in names:
            experiment.run(name)
        results = experiment.results()
        print(len(json.dumps(results)), "bytes", sorted(path.name for path in Path(folder).iterdir()))
        return results


def main():
    """Train what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", help=f"which to train, of {', '.join(PAIRS)}; all by default")
    parser.add_argument("--cost", action="store_true", help="only time training steps")
    parser.add_argument("--rehearse", action="store_true", help="everything in small, nothing is written")
    arguments = parser.parse_args()
    names = arguments.pairs or list(PAIRS)
    if arguments.rehearse:
        rehearse(names)
        return
    if arguments.cost:
        record.write(f"{NAME}_cost", **cost(datasets.load_mnist().train_images))
        return
    experiment = Experiment(Scale(), RUNS)
    for name in names:
        experiment.run(name)
    write(experiment)


def write(experiment):
    """Write what is there; the stored generator is measured as it is stored."""
    for path in RUNS.glob(f"{NAME}_*.npz"):
        path.rename(record.weights_path(path.stem))
    stored = [name for name, pair in PAIRS.items() if pair.stored and record.weights_path(NAME, name).exists()]
    fdd = {name: measure(load(name), experiment.real["test"]) for name in stored}
    record.write(NAME, **experiment.results(), stored_fdd=fdd, **dataclasses.asdict(experiment.scale))
    for name, runs in experiment.results()["runs"].items():
        for run in runs:
            print(name, run["rate"], run["activation"], run["seed"], run["epochs"], run["curve"][-1], run["test"])


if __name__ == "__main__":
    main()
