"""Train tied and untied autoencoders until they have converged, and try an L1 penalty for longer than a page may take.

python -m experiments.variants              every group that is missing, then the result: minutes on a GPU, else hours
python -m experiments.variants tied l1      these groups only; several such processes may run side by side
python -m experiments.variants write        the result, from what the groups have logged
python -m experiments.variants --rehearse   a few steps of everything on few digits; no result is written

On 50,000 digits, seed 100 tries five learning rates; the one with the smallest objective on validation digits is kept.
Seeds 0 to 4 then train at that rate for two lengths, the second twice the first, and the length with the smaller
objective on validation digits is measured, once, on the test digits. The L1 penalty has trials only.
"""

import argparse
import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import joblib
import keras
import numpy as np
from keras import ops
from sklearn.linear_model import LogisticRegression

from experiments import record
from experiments.stacked import Stack
from helpers import claims, datasets, layers, metrics, storage

NAME = "variants"
RUNS = record.RESULTS.parent / "runs"
WIDTH, BATCH = 800, 100
SEEDS, TUNING_SEED = range(5), 100
NOISE = 0.5  # standard deviation of the noise that the denoiser meets in the chapter
LABELS = (100, 1_000)
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # C of the linear probes
TUNING_DRAWS = (100, 101)


# --- Networks --------------------------------------------------------------------------------------------------------
# A setting that differs between copies of one program is an untrained weight of a layer, so that it can be stacked.


class Networks(NamedTuple):
    """Encoder and decoder, and the model x → x̂ that is trained."""

    encoder: keras.Model
    decoder: keras.Model
    model: keras.Model


class Penalty(keras.layers.Layer):
    """Hands its inputs on and adds ``weight · measure(inputs)`` to the loss."""

    def __init__(self, measure, weight):
        super().__init__()
        self.measure = measure
        self.weight = self.add_weight(shape=(), initializer=keras.initializers.Constant(weight), trainable=False)
        self.built = True

    def call(self, inputs):
        """Return the inputs."""
        self.add_loss(self.weight * self.measure(inputs))
        return inputs


class Mask(keras.layers.Layer):
    """Sets all but the first numbers of a code to 0; how many stay is a weight."""

    def __init__(self, size):
        super().__init__()
        self.size = self.add_weight(shape=(), initializer=keras.initializers.Constant(size), trainable=False)
        self.built = True

    def call(self, codes):
        """Return (n, units)."""
        return codes * ops.cast(ops.arange(codes.shape[-1], dtype="float32") < self.size, "float32")


def l1(codes):
    """Return the sum of absolute values, averaged over the digits."""
    return ops.mean(ops.sum(ops.abs(codes), axis=-1))


def join(encoder, decoder):
    """Return the networks with the model that joins them."""
    inputs = keras.Input((784,))
    return Networks(encoder, decoder, keras.Model(inputs, decoder(encoder(inputs))))


def narrow(size=None, tied=False):
    """Return one dense layer on each side of a linear code of 32, or of fewer that are not masked."""
    inputs, codes = keras.Input((784,)), keras.Input((32,))
    to_code = keras.layers.Dense(32)
    encoder = keras.Model(inputs, Mask(size or 32)(to_code(inputs)))
    to_pixels = layers.TiedDense(to_code, "sigmoid") if tied else keras.layers.Dense(784, "sigmoid")
    return join(encoder, keras.Model(codes, to_pixels(codes)))


def tied(_=None):
    """Return the same with one matrix."""
    return narrow(tied=True)


def sparse(weight):
    """Return 800 ReLU units after layer normalisation, with an L1 penalty; decoder rows are held at length 1."""
    inputs, codes = keras.Input((784,)), keras.Input((WIDTH,))
    units = keras.layers.ReLU()(keras.layers.LayerNormalization()(keras.layers.Dense(WIDTH)(inputs)))
    to_pixels = keras.layers.Dense(784, "sigmoid", kernel_constraint=keras.constraints.UnitNorm(axis=1))
    return join(keras.Model(inputs, Penalty(l1, weight)(units)), keras.Model(codes, to_pixels(codes)))


def squared_error(images, reconstructions):
    """Return the squared error of each image."""
    return ops.sum(ops.square(images - reconstructions), axis=-1)


# --- Kinds and groups ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of autoencoder: how it is built, its main setting's values, and what is trained beside the error."""

    build: Callable
    settings: tuple = (None,)
    penalty: Callable | None = None  # (codes, setting, encoder's kernel) → number
    all_settings: bool = False  # whether every setting is trained on all final seeds, and not the best alone


@dataclasses.dataclass(frozen=True)
class Group:
    """Kinds that are one program: the same layers, other numbers in them."""

    kinds: dict
    rates: tuple
    lengths: tuple  # epochs of the trials and of a first final run, then of a second; one number: trials only


GROUPS = {
    "untied": Group(
        {"one layer": Kind(narrow), "one layer, few": Kind(narrow, (2, 8), all_settings=True)},
        (0.001, 0.003, 0.006, 0.01, 0.03),
        (40, 80),
    ),
    "tied": Group({"tied": Kind(tied)}, (0.001, 0.003, 0.006, 0.01, 0.03), (40, 80)),
    "l1": Group(
        {"sparse, L1": Kind(sparse, (0.1, 0.3, 1.0), lambda codes, weight, _: weight * l1(codes))},
        (0.0003, 0.001, 0.002, 0.005, 0.01),
        (20,),
    ),
}


# --- Training --------------------------------------------------------------------------------------------------------


class Bench(Stack):
    """A stack whose compiled epoch serves other copies and other lengths, so that one program trains a whole group."""

    def __init__(self, models):
        super().__init__(models)
        self.programs = {}

    def restart(self, models):
        """Take other copies, built like the first ones."""
        fresh = Stack(models)
        self.models, self.states, self.rates, self.history = models, fresh.states, fresh.rates, []
        return self

    def fit(self, rows, epochs, watch, seed=0, title=""):
        """Train all copies to give back `rows`, at rates that fall along half a cosine; `watch` after each epoch."""
        length, rows = len(rows) // BATCH, jax.numpy.asarray(rows)
        if length not in self.programs:

            def program(rates, states, rows, keys, start, steps):
                """Run an epoch; the rates and the number of steps are arguments, not constants."""
                held, self.rates = self.rates, rates
                try:
                    return self._epoch((length, BATCH), steps, 0.0, None, True, states, (rows, rows), keys, start)
                finally:
                    self.rates = held

            self.programs[length] = jax.jit(program)
        keys = jax.random.split(jax.random.key(seed), epochs)
        for epoch in range(epochs):
            each = jax.random.split(keys[epoch], len(self.models))
            start, steps = np.int32(epoch * length), np.int32(epochs * length)
            self.states, _ = self.programs[length](self.rates, self.states, rows, each, start, steps)
            watch(epoch + 1)
            print(f"{title}: epoch {epoch + 1} of {epochs}", end="\r" if epoch + 1 < epochs else "\n", flush=True)
        return self


class Digits(NamedTuple):
    """Digits as rows of 784; noisy ones beside those that are tested on."""

    train: np.ndarray
    train_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def load(cls, count=None):
        """Return all digits, or `count` of each part for a rehearsal."""
        mnist = datasets.load_mnist()
        parts = []
        for part in ("train", "validation", "test"):
            images, labels = getattr(mnist, f"{part}_images"), getattr(mnist, f"{part}_labels")
            parts += [images[:count].reshape(-1, 784), labels[:count]]
        return cls(*parts)


def spoil(images, seed=0):
    """Return images (n, 784) with noise, not clipped."""
    return images + np.float32(NOISE) * np.random.default_rng(seed).standard_normal(images.shape, dtype="float32")


@dataclasses.dataclass(frozen=True)
class Copy:
    """One copy of a stack."""

    kind: str
    setting: float | None
    rate: float
    seed: int


def compiled(build, copy):
    """Return the networks of one copy, ready to be stacked."""
    keras.utils.set_random_seed(copy.seed)
    networks = build(copy.setting)
    networks.model.compile(keras.optimizers.Adam(copy.rate), squared_error)
    networks.model.optimizer.build(networks.model.trainable_variables)
    return networks


def scorer(networks):
    """Return the model (given, clean), (n, 1568), → squared errors of what is drawn from the given: (n,)."""
    both = keras.Input((1568,))
    drawn = networks.decoder(networks.encoder(both[:, :784]))
    return keras.Model(both, squared_error(both[:, 784:], drawn))


class Trainer:
    """Trains the copies of a group and remembers the validation error of each after every epoch."""

    def __init__(self, group, digits):
        self.group, self.digits, self.bench = group, digits, None
        self.pairs = np.hstack([digits.validation[:5_000]] * 2)

    def run(self, copies, epochs, title):
        """Train the copies; return their curves and objectives."""
        built = [compiled(self.group.kinds[copy.kind].build, copy) for copy in copies]
        models = [networks.model for networks in built]
        if self.bench is None:
            self.networks, self.bench = built[0], Bench(models)
            self.score = scorer(self.networks)
        else:
            self.bench.restart(models)
        curve = []
        watch = lambda epoch: curve.append(self.bench.apply(self.score, self.pairs).mean(axis=1))  # noqa: E731
        self.bench.fit(self.digits.train, epochs, watch, title=title)
        curves = np.array(curve).T  # (copies, epochs)
        codes = self.bench.apply(self.networks.encoder, self.digits.validation[:2_000])
        objectives = [self.objective(copy, index, curves, codes[index]) for index, copy in enumerate(copies)]
        return curves, objectives

    def objective(self, copy, index, curves, codes):
        """Return what the copy was trained for, on validation digits."""
        kind = self.group.kinds[copy.kind]
        error = float(curves[index, -1])
        if kind.penalty is None:
            return error
        kernel = self.bench.copy_weights(self.networks.encoder, index)[0]
        return error + float(kind.penalty(codes, copy.setting, kernel))

    def weights(self, index):
        """Return the weights of encoder and decoder of one copy."""
        return [self.bench.copy_weights(network, index) for network in self.networks[:2]]

    def networks_with(self, weights):
        """Return the networks with these weights."""
        for network, values in zip(self.networks[:2], weights, strict=True):
            network.set_weights(values)
        return self.networks


# --- Measuring -------------------------------------------------------------------------------------------------------


def run(network, inputs):
    """Return a network's outputs as an array."""
    return network.predict(inputs, batch_size=1_000, verbose=0)


def probe_accuracy(codes, answers, others, other_answers, strength):
    """Return the accuracy of logistic regression on the codes for other codes."""
    classifier = LogisticRegression(C=strength, tol=1e-3, max_iter=2_000).fit(codes, answers)
    return float(classifier.score(others, other_answers))


def probe_jobs(encode, digits, part, draws, strengths):
    """Return the arguments of `probe_accuracy` for labels × draws × strengths, in this order.

    Codes are shifted to mean 0 and scaled to a mean squared length of 100, both measured on 10,000 training digits.
    """
    sample = encode(digits.train[:10_000])
    centre = sample.mean(axis=0)
    scale = 10 / np.sqrt(((sample - centre) ** 2).sum(axis=1).mean())
    others = scale * (encode(getattr(digits, part)) - centre)
    answers, jobs = getattr(digits, f"{part}_labels"), []
    for labelled, draw in itertools.product(strengths, draws):
        rows = datasets.balanced_subset(digits.train_labels, labelled, np.random.default_rng(draw))
        codes = scale * (encode(digits.train[rows]) - centre)
        jobs += [(codes, digits.train_labels[rows], others, answers, strength) for strength in strengths[labelled]]
    return jobs


def accuracies(jobs):
    """Return the accuracy of each job; they run side by side."""
    with tempfile.TemporaryDirectory() as folder:  # the large arrays reach the workers through files
        return joblib.Parallel(n_jobs=-1, temp_folder=folder)(joblib.delayed(probe_accuracy)(*job) for job in jobs)


def tune_probe(encode, digits):
    """Return labels → best C and its accuracy on validation digits."""
    jobs = probe_jobs(encode, digits, "validation", TUNING_DRAWS, dict.fromkeys(LABELS, STRENGTHS))
    found = np.reshape(accuracies(jobs), (len(LABELS), len(TUNING_DRAWS), len(STRENGTHS))).mean(axis=1)
    return {
        str(labelled): {"C": STRENGTHS[row.argmax()], "accuracy": float(row.max())}
        for labelled, row in zip(LABELS, found, strict=True)
    }


def test_jobs(encode, digits, seed, tuned):
    """Return the probes of one network on test digits: one draw of labelled digits, numbered like the seed."""
    return probe_jobs(encode, digits, "test", [seed], {labelled: (tuned[str(labelled)]["C"],) for labelled in LABELS})


def by_labels(found):
    """Return labels → accuracies, one a network, from those of the `test_jobs` of all networks."""
    return {str(labelled): found[number :: len(LABELS)] for number, labelled in enumerate(LABELS)}


def measure(encode, decode, digits):
    """Return the errors on all parts, what noise does to drawing and code, and how many units speak."""
    errors, codes = {}, {}
    for part in ("train", "validation", "test"):
        images = getattr(digits, part)[:10_000]
        codes[part] = encode(images)
        errors[f"{part}_sse"] = float(metrics.squared_error(images, decode(codes[part])).mean())
    noisy = encode(spoil(digits.test))
    moved = metrics.squared_error(codes["test"], noisy).mean() / codes["test"].var(axis=0).sum()
    return {
        **errors,
        "psnr": metrics.psnr(digits.test, decode(noisy)),
        "moved": float(moved),
        "active": float((codes["validation"] > 0).sum(axis=1).mean()),
        "dead": int((codes["validation"].max(axis=0) <= 0).sum()),
        "activity": float(codes["validation"].mean()),
    }


def coder(network):
    """Return a network as a function of arrays."""
    return lambda inputs: run(network, inputs)


def rounded(values):
    """Return an array as nested lists of four significant digits."""
    return np.vectorize(lambda value: float(f"{value:.4g}"))(values).tolist()


# --- The groups ------------------------------------------------------------------------------------------------------


def tune(trainer, name, lengths):
    """Try every rate and setting on the tuning seed; return the trials, and for each setting the best rate and C."""
    kinds, rates = trainer.group.kinds, trainer.group.rates
    copies = [
        Copy(kind, setting, rate, TUNING_SEED)
        for kind in kinds
        for setting, rate in itertools.product(kinds[kind].settings, rates)
    ]
    curves, objectives = trainer.run(copies, lengths[0], f"{name}, trials")
    trials = [
        {**dataclasses.asdict(copy), "objective": objectives[i], "curve": rounded(curves[i])}
        for i, copy in enumerate(copies)
    ]
    chosen = []
    for kind, setting in dict.fromkeys((copy.kind, copy.setting) for copy in copies):
        rows = [i for i, copy in enumerate(copies) if (copy.kind, copy.setting) == (kind, setting)]
        best = min(rows, key=lambda i: np.nan_to_num(objectives[i], nan=np.inf))
        probe = tune_probe(coder(trainer.networks_with(trainer.weights(best)).encoder), trainer.digits)
        chosen.append({"kind": kind, "setting": setting, "rate": copies[best].rate, "probe": probe})
    for kind in kinds:  # the setting with the best probe represents its kind
        mine = [choice for choice in chosen if choice["kind"] == kind]
        best = max(mine, key=lambda choice: choice["probe"]["1000"]["accuracy"])
        for choice in mine:
            choice["best"] = choice is best
    return {"trials": trials, "chosen": chosen}


def finish(trainer, name, lengths, chosen):
    """Train the final seeds for each length; measure, for each setting, the length that validation prefers."""
    kinds = trainer.group.kinds
    chosen = [choice for choice in chosen if choice["best"] or kinds[choice["kind"]].all_settings]
    copies = [Copy(choice["kind"], choice["setting"], choice["rate"], seed) for choice in chosen for seed in SEEDS]
    found = []
    for length in lengths:
        curves, objectives = trainer.run(copies, length, f"{name}, {length} epochs")
        found.append((curves, objectives, [trainer.weights(i) for i in range(len(copies))]))
    results = []
    for number, choice in enumerate(chosen):
        rows = range(number * len(SEEDS), (number + 1) * len(SEEDS))
        means = [float(np.mean([objectives[i] for i in rows])) for _, objectives, _ in found]
        preferred = int(np.argmin(means))
        curves, _, weights = found[preferred]
        seeds, jobs = [], []
        for i in rows:
            networks = trainer.networks_with(weights[i])
            encode, decode = map(coder, networks[:2])
            seeds.append(measure(encode, decode, trainer.digits))
            jobs += test_jobs(encode, trainer.digits, copies[i].seed, choice["probe"])
            if copies[i].seed == 0:
                keep(choice, networks)
        results.append(
            {
                **choice,
                "epochs": lengths[preferred],
                "objectives": dict(zip(map(str, lengths), means, strict=True)),
                "seeds": seeds,
                "accuracies": by_labels(accuracies(jobs)),
                "curves": {
                    str(length): {"clean": rounded(curves[list(rows)])}
                    for length, (curves, _, _) in zip(lengths, found, strict=True)
                },
                "weights": sum(int(np.prod(variable.shape)) for variable in networks.model.trainable_variables),
            }
        )
    return results


STORED = ("one layer", "tied")  # kinds whose weights are kept


def keep(choice, networks):
    """Write the weights of the first seed of a kind in `STORED`."""
    if choice["kind"] in STORED:
        weights = networks.encoder.get_weights() + networks.decoder.get_weights()
        RUNS.mkdir(exist_ok=True)
        storage.save_weights(RUNS / f"{NAME}_weights_{choice['kind'].replace(' ', '-')}.npz", weights, "float16")


def run_group(name, digits, log, lengths):
    """Run what is missing of a group."""
    trainer = Trainer(GROUPS[name], digits)
    tuned = log.find(unit="tune")
    if tuned is None:
        log.add(tune(trainer, name, lengths), unit="tune")
        tuned = log.find(unit="tune")
    if len(lengths) > 1 and log.find(unit="final") is None:
        results = finish(trainer, name, lengths, tuned["chosen"])
        log.add({"results": results, "conditions": claims.run_record()}, unit="final")


# --- The result ------------------------------------------------------------------------------------------------------


def log_of(name, lengths):
    """Return the log of a group."""
    group = GROUPS[name]
    kinds = {kind: group.kinds[kind].settings for kind in group.kinds}
    return record.Log(RUNS / f"{NAME}_{name}.jsonl", {"lengths": lengths, "rates": group.rates, "kinds": kinds})


def write():
    """Write the result from the logs, and the weights beside it."""
    kinds, trials, conditions = {}, {}, {}
    for name, group in GROUPS.items():
        log = log_of(name, group.lengths)
        trials[name] = log.find(unit="tune")["trials"]
        if len(group.lengths) > 1:
            final = log.find(unit="final")
            conditions[name] = final["conditions"]
            for result in final["results"]:
                kinds.setdefault(result["kind"], []).append(result)
    for kind in STORED:
        which = kind.replace(" ", "-")
        record.weights_path(NAME, which).write_bytes((RUNS / f"{NAME}_weights_{which}.npz").read_bytes())
    record.write(NAME, kinds=kinds, trials=trials, groups=conditions, batch_size=BATCH, training_digits=50_000)


def load(kind):
    """Return the stored networks of a kind in `STORED`, of seed 0."""
    networks = {"one layer": narrow, "tied": tied}[kind]()
    weights = storage.load_weights(record.weights_path(NAME, kind.replace(" ", "-")))
    first = len(networks.encoder.get_weights())
    networks.encoder.set_weights(weights[:first])
    networks.decoder.set_weights(weights[first:])
    return networks


def rehearse(names):
    """Run for an epoch or two on few digits, in a folder that is thrown away."""
    global RUNS  # so that nothing of a rehearsal is found later
    digits, kept = Digits.load(2_000), RUNS
    with tempfile.TemporaryDirectory() as folder:
        RUNS = Path(folder)
        try:
            for name in names:
                lengths = (1, 2)[: len(GROUPS[name].lengths)]
                run_group(name, digits, log_of(name, lengths), lengths)
        finally:
            RUNS = kept


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*GROUPS, "write", []], help="groups, or write; all by default")
    parser.add_argument("--rehearse", action="store_true", help="a few steps only, and no result")
    arguments = parser.parse_args()
    names = [name for name in arguments.names or GROUPS if name != "write"]
    if arguments.rehearse:
        rehearse(names)
        return
    if names:
        digits = Digits.load()
        for name in names:
            run_group(name, digits, log_of(name, GROUPS[name].lengths), GROUPS[name].lengths)
    if "write" in arguments.names or not arguments.names:
        write()


if __name__ == "__main__":
    main()
