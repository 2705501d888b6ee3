"""Train the kinds of autoencoders of the chapter on variants for long, and measure them on test digits.

python -m experiments.variants              every group that is missing, then the result: minutes on a GPU, else hours
python -m experiments.variants wide l1      these groups only; several such processes may run side by side
python -m experiments.variants write        the result, from what the groups have logged
python -m experiments.variants --rehearse   a few steps of everything on few digits; no result is written

Every kind gets the same treatment. Seed 100 tries five learning rates at each value of the kind's main setting; the
best rate has the smallest objective (that which is trained) on validation digits, the best setting the most accurate
linear probe on them. Seeds 0 to 4 then train at that choice for two lengths, the second twice the first, and the
length with the smaller objective on validation digits is measured, once, on the test digits. The convolutional kind
has an experiment of its own, `convolutional_variant`.
"""

import argparse
import dataclasses
import itertools
import json
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

from experiments import autoencoder_codes
from experiments.harness import record
from experiments.harness.stacked import Stack
from helpers import autoencoders, claims, datasets, layers, metrics, storage

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


def add_setting(layer, value):
    """Return a number that a layer holds as an untrained weight, so that stacked copies may differ in it."""
    initializer = keras.initializers.Constant(value)
    setting = layer.add_weight(shape=(), initializer=initializer, trainable=False)
    layer.built = True
    return setting


class Noise(keras.layers.Layer):
    """Normal noise in training, of a standard deviation that is a weight."""

    def __init__(self, deviation):
        super().__init__()
        self.deviation = add_setting(self, deviation)
        self.generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        """Return the inputs, spoiled in training."""
        if not training:
            return inputs
        return inputs + self.deviation * keras.random.normal(ops.shape(inputs), seed=self.generator)


class Penalty(keras.layers.Layer):
    """Hands its inputs on and adds ``weight · measure(inputs)`` to the loss."""

    def __init__(self, measure, weight):
        super().__init__()
        self.measure = measure
        self.weight = add_setting(self, weight)

    def call(self, inputs):
        """Return the inputs."""
        self.add_loss(self.weight * self.measure(inputs))
        return inputs


class TopK(keras.layers.Layer):
    """Keeps the k largest values of each row and sets the others to 0; k is a weight."""

    def __init__(self, k):
        super().__init__()
        self.k = add_setting(self, k)

    def call(self, inputs):
        """Return (n, units), all but k of each row 0."""
        place = ops.cast(inputs.shape[-1] - self.k, "int32")
        threshold = ops.take(ops.sort(inputs, axis=-1), place, axis=-1)  # (n, units) -> (n,)
        return ops.where(inputs >= threshold[:, None], inputs, 0.0)


class Mask(keras.layers.Layer):
    """Sets all but the first numbers of a code to 0; how many stay is a weight."""

    def __init__(self, size):
        super().__init__()
        self.size = add_setting(self, size)

    def call(self, codes):
        """Return (n, units)."""
        return codes * ops.cast(ops.arange(codes.shape[-1], dtype="float32") < self.size, "float32")


def l1(codes):
    """Return the sum of absolute values, averaged over the digits."""
    return ops.mean(ops.sum(ops.abs(codes), axis=-1))


def coin_divergence(codes, target=0.1):
    """Return the sum over units of KL(target ‖ mean activity), for codes (n, units) in [0, 1]."""
    mean = ops.clip(ops.mean(codes, axis=0), 1e-6, 1 - 1e-6)
    return ops.sum(target * ops.log(target / mean) + (1 - target) * ops.log((1 - target) / (1 - mean)))


def jacobian_size(codes, kernel):
    """Return ‖J‖² of a sigmoid layer with kernel (784, units), averaged over the digits."""
    slopes = ops.square(codes * (1 - codes))
    return ops.mean(ops.matmul(slopes, ops.sum(ops.square(kernel), axis=0)))


def join(encoder, decoder, noise=None):
    """Return the networks with the model that joins them, noise before the encoder."""
    inputs = keras.Input((784,))
    return Networks(encoder, decoder, keras.Model(inputs, decoder(encoder(noise(inputs) if noise else inputs))))


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


def two_layers(_=None):
    """Return two layers on each side of a linear code of 8."""
    return join(*autoencoders.deep_autoencoder([256], 8)[:2])


def wide(noise=0.0, after=None, constraint=None):
    """Return 800 ReLU units after layer normalisation; `after` comes behind the ReLU."""
    inputs, codes = keras.Input((784,)), keras.Input((WIDTH,))
    units = keras.layers.ReLU()(keras.layers.LayerNormalization()(keras.layers.Dense(WIDTH)(inputs)))
    encoder = keras.Model(inputs, after(units) if after else units)
    to_pixels = keras.layers.Dense(784, "sigmoid", kernel_constraint=constraint)
    return join(encoder, keras.Model(codes, to_pixels(codes)), Noise(noise or 0.0))


def sparse(weight):
    """Return the wide network with an L1 penalty, each decoder row held at length 1."""
    return wide(after=Penalty(l1, weight), constraint=keras.constraints.UnitNorm(axis=1))


def top_k(k):
    """Return the wide network of which the k largest units speak."""
    return wide(after=TopK(k))


def sigmoid(divergence=0.0, contraction=0.0):
    """Return 800 sigmoid units with tied weights and two penalties, either of which may be 0."""
    inputs, codes = keras.Input((784,)), keras.Input((WIDTH,))
    to_code = keras.layers.Dense(WIDTH, "sigmoid")
    units = Penalty(coin_divergence, divergence or 0.0)(to_code(inputs))
    units = Penalty(lambda codes: jacobian_size(codes, to_code.kernel), contraction)(units)
    to_pixels = layers.TiedDense(to_code, "sigmoid")
    return join(keras.Model(inputs, units), keras.Model(codes, to_pixels(codes)))


def contractive(weight):
    """Return the sigmoid network with the contractive penalty."""
    return sigmoid(contraction=weight)


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
    lengths: tuple  # epochs of the two final runs; the first is also that of the trials


RATES = (0.0003, 0.001, 0.002, 0.005, 0.01)
HIGHER = (0.001, 0.003, 0.006, 0.01, 0.03)
GROUPS = {
    "untied": Group(
        {"one layer": Kind(narrow), "one layer, few": Kind(narrow, (2, 8), all_settings=True)}, HIGHER, (40, 80)
    ),
    "two_layers": Group({"two layers, 8": Kind(two_layers)}, RATES, (40, 80)),
    "tied": Group({"tied": Kind(tied)}, HIGHER, (40, 80)),
    "wide": Group({"wide": Kind(wide), "denoising": Kind(wide, (0.25, 0.5, 1.0), all_settings=True)}, RATES, (20, 40)),
    "l1": Group(
        {"sparse, L1": Kind(sparse, (0.1, 0.3, 1.0), lambda codes, weight, _: weight * l1(codes), True)},
        RATES,
        (20, 40),
    ),
    "top_k": Group({"sparse, top-k": Kind(top_k, (25, 50, 100), all_settings=True)}, RATES, (20, 40)),
    "sigmoid": Group(
        {
            "sigmoid": Kind(sigmoid),
            "sparse, KL": Kind(sigmoid, (0.3, 1.0, 3.0), lambda codes, weight, _: weight * coin_divergence(codes)),
            "contractive": Kind(
                contractive,
                (0.1, 0.3, 1.0),
                lambda codes, weight, kernel: weight * jacobian_size(codes, kernel),
            ),
        },
        HIGHER,
        (20, 40),
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
        clean = digits.validation[:5_000]
        self.pairs = {"clean": np.hstack([clean, clean]), "noisy": np.hstack([spoil(clean, 1), clean])}

    def run(self, copies, epochs, title):
        """Train the copies; return their curves and objectives."""
        built = [compiled(self.group.kinds[copy.kind].build, copy) for copy in copies]
        models = [networks.model for networks in built]
        if self.bench is None:
            self.networks, self.bench = built[0], Bench(models)
            self.score = scorer(self.networks)
        else:
            self.bench.restart(models)
        curves = {name: [] for name in self.pairs}

        def watch(epoch):
            for name, pairs in self.pairs.items():
                if name == "clean" or "denoising" in self.group.kinds:
                    curves[name].append(self.bench.apply(self.score, pairs).mean(axis=1))

        self.bench.fit(self.digits.train, epochs, watch, title=title)
        curves = {name: np.array(values).T for name, values in curves.items() if values}  # (copies, epochs)
        codes = self.bench.apply(self.networks.encoder, self.digits.validation[:2_000])
        objectives = [self.objective(copy, index, curves, codes[index]) for index, copy in enumerate(copies)]
        return curves, objectives

    def objective(self, copy, index, curves, codes):
        """Return what the copy was trained for, on validation digits."""
        kind = self.group.kinds[copy.kind]
        error = float(curves["noisy" if copy.kind == "denoising" else "clean"][index, -1])
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


def pictures(networks, digits):
    """Return rows of 784 that the chapter shows: first-layer weights, the parts of one digit, noisy digits redrawn."""
    kernel, codes = networks.encoder.get_weights()[0], run(networks.encoder, digits.train[:1_000])
    shown = {}
    if kernel.ndim == 2:
        shown["first"] = kernel[:, np.argsort(-codes.std(axis=0))[:8]].T
    matrix = networks.decoder.get_weights()[0]
    if matrix.shape == (WIDTH, 784):  # a part of the sums before the sigmoid for each unit that speaks
        code = run(networks.encoder, digits.validation[3:4])
        loudest = np.argsort(-code[0])[:8]
        shown["parts"] = np.concatenate([run(networks.decoder, code), code[0, loudest, None] * matrix[loudest]])
    rows = [np.flatnonzero(digits.test_labels == digit)[0] for digit in range(10)]
    shown["cleaned"] = run(networks.decoder, run(networks.encoder, spoil(digits.test)[rows]))
    return shown


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
        {**dataclasses.asdict(copy), "objective": objectives[i], "curve": rounded(curves["clean"][i])}
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


class Finals(NamedTuple):
    """The final copies of a group after one length."""

    curves: dict
    objectives: list
    weights: list


def train_finals(trainer, copies, epochs, title):
    """Train the final copies for one length."""
    curves, objectives = trainer.run(copies, epochs, title)
    return Finals(curves, objectives, [trainer.weights(i) for i in range(len(copies))])


def measure_seed(trainer, name, choice, seed, weights):
    """Return what one final network does on the digits, and its probes; keep the pictures of the first seed."""
    networks = trainer.networks_with(weights)
    encode, decode = map(coder, networks[:2])
    measured = measure(encode, decode, trainer.digits)
    if name == "sigmoid":
        kernel = networks.encoder.get_weights()[0]
        measured["jacobian"] = float(jacobian_size(encode(trainer.digits.validation), kernel))
    if seed == 0:
        keep(choice, networks, trainer.digits)
    return measured, test_jobs(encode, trainer.digits, seed, choice["probe"])


def measure_choice(trainer, name, choice, found, rows):
    """Measure the seeds of one setting, the copies `rows`, at the length that validation prefers."""
    means = {str(length): float(np.mean([finals.objectives[i] for i in rows])) for length, finals in found.items()}
    epochs = min(found, key=lambda length: means[str(length)])
    weights = [found[epochs].weights[i] for i in rows]
    measured = [measure_seed(trainer, name, choice, seed, each) for seed, each in zip(SEEDS, weights, strict=True)]
    seeds, jobs = zip(*measured, strict=True)
    return {
        **choice,
        "epochs": epochs,
        "objectives": means,
        "seeds": list(seeds),
        "accuracies": by_labels(accuracies(list(itertools.chain(*jobs)))),
        "curves": {str(length): curves_of(finals, rows) for length, finals in found.items()},
        "weights": sum(int(np.prod(variable.shape)) for variable in trainer.networks.model.trainable_variables),
    }


def curves_of(finals, rows):
    """Return the curves of some copies, by what they were measured on."""
    return {kind: rounded(values[list(rows)]) for kind, values in finals.curves.items()}


def finish(trainer, name, lengths, chosen):
    """Train the final seeds for each length; measure, for each setting, the length that validation prefers."""
    kinds = trainer.group.kinds
    chosen = [choice for choice in chosen if choice["best"] or kinds[choice["kind"]].all_settings]
    copies = [Copy(choice["kind"], choice["setting"], choice["rate"], seed) for choice in chosen for seed in SEEDS]
    found = {length: train_finals(trainer, copies, length, f"{name}, {length} epochs") for length in lengths}
    return [
        measure_choice(trainer, name, choice, found, range(i * len(SEEDS), (i + 1) * len(SEEDS)))
        for i, choice in enumerate(chosen)
    ]


SMALL = ("one layer", "tied")  # whose weights are stored


def keep(choice, networks, digits):
    """Write the pictures of a first seed, and the weights of the small networks, beside the logs."""
    which = choice["kind"].replace(", ", "-").replace(" ", "-")
    if not choice["best"]:
        which += f"-{choice['setting']:g}"
    RUNS.mkdir(exist_ok=True)
    about = json.dumps({name: choice[name] for name in ("kind", "setting", "best")})
    np.savez_compressed(RUNS / f"{NAME}_pictures_{which}.npz", about=about, **pictures(networks, digits))
    if choice["kind"] in SMALL:
        weights = networks.encoder.get_weights() + networks.decoder.get_weights()
        storage.save_weights(RUNS / f"{NAME}_weights_{which}.npz", weights, "float16")


def run_group(name, digits, log, lengths):
    """Run what is missing of a group."""
    trainer = Trainer(GROUPS[name], digits)
    tuned = log.find(unit="tune")
    if tuned is None:
        log.add(tune(trainer, name, lengths), unit="tune")
        tuned = log.find(unit="tune")
    if log.find(unit="final") is None:
        results = finish(trainer, name, lengths, tuned["chosen"])
        log.add({"results": results, "conditions": claims.run_record()}, unit="final")


def run_baselines(digits, log):
    """Probe codes that no group trains: pixels, PCA, random features, and the two long runs."""
    mean = digits.train.mean(axis=0)
    directions = np.linalg.eigh(np.cov(digits.train, rowvar=False, dtype="float32"))[1][:, ::-1][:, :32]
    pca = (lambda images: (images - mean) @ directions, lambda codes: codes @ directions.T + mean)
    coders = {"raw pixels": [(lambda images: images, None)] * len(SEEDS), "PCA-32": [pca] * len(SEEDS)}
    matrices = [np.random.default_rng(seed).standard_normal((784, 32), dtype="float32") for seed in SEEDS]
    coders["random, 32"] = [(lambda images, matrix=matrix: images @ matrix, None) for matrix in matrices]
    blank = [compiled(wide, Copy("wide", None, 0.001, seed)).encoder for seed in SEEDS]
    coders["random, 800"] = [(coder(network), None) for network in blank]
    for name in autoencoder_codes.RECIPES:
        coders[name] = [tuple(map(coder, autoencoder_codes.load(name)[:2]))] * len(SEEDS)
    for name, pairs in coders.items():
        if log.find(unit=name) is None:
            tuned = tune_probe(pairs[0][0], digits)
            jobs = [test_jobs(encode, digits, seed, tuned) for seed, (encode, _) in enumerate(pairs)]
            measured = {"probe": tuned, "accuracies": by_labels(accuracies(list(itertools.chain(*jobs))))}
            if pairs[0][1]:
                measured["measured"] = measure(*pairs[0], digits)
            log.add(measured, unit=name)


# --- The result ------------------------------------------------------------------------------------------------------


def log_of(name, lengths, folder=RUNS):
    """Return the log of a group, or of the baselines, which train nothing."""
    settings = {"lengths": lengths, "kinds": name}
    if name in GROUPS:
        group = GROUPS[name]
        kinds = {kind: group.kinds[kind].settings for kind in group.kinds}
        settings = {"lengths": lengths, "rates": group.rates, "kinds": kinds}
    return record.Log(folder / f"{NAME}_{name}.jsonl", settings)


def lengths_of(name):
    """Return the lengths of a group, in epochs."""
    return GROUPS[name].lengths if name in GROUPS else None


def write():
    """Write the result from the logs, of the groups that are whole, and the pictures and weights beside it."""
    kinds, trials, conditions = {}, {}, {}
    for name in GROUPS:
        log = log_of(name, lengths_of(name))
        final = log.find(unit="final")
        if final is None:
            print(f"{name}: missing")
            continue
        trials[name] = log.find(unit="tune")["trials"]
        conditions[name] = final["conditions"]
        for result in final["results"]:
            kinds.setdefault(result["kind"], []).append(result)
    baselines = {run["unit"]: run for run in log_of("baselines", None).runs}
    shown, names = [], []
    for path in sorted(RUNS.glob(f"{NAME}_pictures_*.npz")):
        with np.load(path) as arrays:
            about = json.loads(str(arrays["about"]))
            for part in sorted(set(arrays) - {"about"}):
                names.append({**about, "part": part})
                shown.append(arrays[part].T)  # a picture a column: each is stored with a scale of its own
    storage.save_weights(record.weights_path(NAME, "pictures"), shown, "int8")
    for path in sorted(RUNS.glob(f"{NAME}_weights_*.npz")):
        which = path.stem.removeprefix(f"{NAME}_weights_")
        record.weights_path(NAME, which).write_bytes(path.read_bytes())
    record.write(
        NAME,
        kinds=kinds,
        trials=trials,
        baselines=baselines,
        pictures=names,
        groups=conditions,
        batch_size=BATCH,
        noise=NOISE,
        training_digits=50_000,
    )


def build(kind, setting=None):
    """Return the untrained networks of a kind."""
    return next(group.kinds[kind] for group in GROUPS.values() if kind in group.kinds).build(setting)


def load(kind):
    """Return the stored networks of a small kind, "one layer" or "tied", of seed 0."""
    networks = build(kind)
    weights = storage.load_weights(record.weights_path(NAME, kind.replace(" ", "-")))
    first = len(networks.encoder.get_weights())
    networks.encoder.set_weights(weights[:first])
    networks.decoder.set_weights(weights[first:])
    return networks


def rehearse(names):
    """Run groups for an epoch or two on few digits, in a folder that is thrown away."""
    global RUNS  # so that nothing of a rehearsal is found later
    digits = Digits.load(2_000)
    with tempfile.TemporaryDirectory() as folder:
        RUNS = Path(folder)
        for name in names:
            execute(name, digits, (1, 2) if name in GROUPS else None)


def execute(name, digits, lengths):
    """Run what is missing of one group."""
    log = log_of(name, lengths, RUNS)
    if name == "baselines":
        run_baselines(digits, log)
    else:
        run_group(name, digits, log, lengths)


def main():
    """Run what is asked for."""
    every = [*GROUPS, "baselines"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*every, "write", []], help="groups, or write; all by default")
    parser.add_argument("--rehearse", action="store_true", help="a few steps only, and no result")
    arguments = parser.parse_args()
    names = arguments.names or [*every, "write"]
    if arguments.rehearse:
        rehearse([name for name in names if name != "write"])
        return
    digits = Digits.load()
    for name in names:
        if name == "write":
            write()
        else:
            execute(name, digits, lengths_of(name))


if __name__ == "__main__":
    main()
