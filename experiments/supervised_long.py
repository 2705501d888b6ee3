"""Train supervised autoencoders and their rivals until more steps change nothing, many copies side by side.

python -m experiments.supervised_long              makes what is missing and writes the result
python -m experiments.supervised_long --only all   one part: all, few, plain, narrow or pixels
python -m experiments.supervised_long --rehearse   the same with tiny networks and few seeds; writes nothing
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from tqdm import tqdm

from experiments import record, stacked
from experiments.supervised_sweep import Form, choose_rows, rows_of_pixels

NAME = "supervised_long"
LOG = record.RESULTS.parent / "runs" / f"{NAME}.jsonl"  # one line a finished run; not committed
TRAINING, ALL = 50_000, 60_000  # digits that train with few labels, the 10,000 after them validate; and all labels
MASK = 0.75  # share of the pixels masked in what the decoder redraws, in the form of the sweep
WAYS = ("classifier", "labelled", "unlabelled")
SETTINGS = ("prediction_weight", "reconstruction_weight", "weight_decay", "decoder_mask", "classifier_mask")
KEY = ("stage", "part", "labels", "way", "strength", "weight_decay", "rate", "mask", "both", "seed", "epochs")
CS = (0.01, 0.1, 1.0, 10.0)  # of logistic regression
SMALLEST_CHANGE = 0.1  # percentage points of validation accuracy: less after twice the steps is called converged


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is tried, with which seeds, for how long; an epoch is 48,000 labels or 240 steps."""

    widths: tuple = (256, 128)
    narrow: int = 8
    steps: int = 240  # in an epoch
    masks: tuple = (0.0, 0.1, 0.25, 0.4, 0.6)
    few_masks: tuple = (0.0, 0.25, 0.5, 0.75, 0.9)
    weights: tuple = tuple(np.geomspace(1e-3, 10, 7)[:5].tolist())  # λ
    plain_weights: tuple = tuple(np.geomspace(1e-3, 1, 7).tolist())
    tuned_at: int = 3  # weight decay and rate are tuned at so many of the strengths, the last ones
    factors: tuple = ((1, 1), (0.1, 1), (10, 1), (1, 0.5), (1, 2))  # of weight decay and rate
    few_factors: tuple = ((1, 1), (1 / 3, 1), (3, 1), (1, 0.5), (1, 2))
    plain_factors: tuple = ((1, 0.5), (1, 1), (1, 2))
    seeds: tuple = tuple(range(10))
    all_seeds: tuple = tuple(range(5))
    development: tuple = tuple(range(100, 105))
    few_development: tuple = tuple(range(100, 103))
    all_lengths: tuple = (10, 20, 40)  # epochs
    few_lengths: tuple = (2, 4, 8)
    plain_lengths: tuple = (2, 4, 8)
    copies: tuple = (("all", 50), ("few", 75), ("plain", 75), ("narrow", 45))


REHEARSAL = Plan(
    widths=(16, 8),
    narrow=4,
    steps=3,
    masks=(0.0, 0.25),
    few_masks=(0.5, 0.75),
    weights=(0.01, 0.1),
    plain_weights=(0.01, 0.1),
    tuned_at=1,
    factors=((1, 1), (1, 2)),
    few_factors=((1, 1), (1, 2)),
    plain_factors=((1, 1),),
    seeds=(0, 1),
    all_seeds=(0, 1),
    development=(100,),
    few_development=(100,),
    all_lengths=(1, 2),
    few_lengths=(1, 2),
    plain_lengths=(1, 2),
    copies=(("all", 8), ("few", 14), ("plain", 10), ("narrow", 6)),
)
BASE_WEIGHT_DECAY = {100: 0.03, 1_000: 0.01, ALL: 1e-4}  # the factors multiply these


def form_of(part, plan):
    """Return the network of a part."""
    if part == "plain":
        return Form(widths=plan.widths, mask=0.0, normalised=False, learning_rate=1e-3)
    return Form(widths=(plan.widths[0], plan.narrow) if part == "narrow" else plan.widths)


@functools.cache
def digits():
    """Return all images, training digits first, and their labels, on the device."""
    images, labels, test_images, test_labels = rows_of_pixels()
    return jnp.asarray(np.concatenate([images, test_images])), jnp.asarray(np.concatenate([labels, test_labels]))


@functools.cache
def first_state(form, seed):
    """Return the first weights of a seed, and its model's other variables."""
    model = form.build(seed)
    groups = (model.trainable_variables, model.non_trainable_variables)
    return [[np.asarray(variable) for variable in group] for group in groups]


class Copies(stacked.Stack):
    """Copies of one form, each with its own seed, labelled digits, loss weights, masks and learning rate.

    Parameters
    ----------
    part : str
        A part of the experiment.
    plan : Plan
    """

    def __init__(self, part, plan):
        self.form, self.length = form_of(part, plan), plan.steps
        self.model = self.form.build(0)
        self.model.compile(keras.optimizers.Adam(self.form.learning_rate))
        self.model.optimizer.build(self.model.trainable_variables)
        self.models = [self.model] * dict(plan.copies)[part]
        self.labelled, self.pictures = (200, 0) if part == "all" else (50, 100)  # images in a batch
        self.own_rows = plan.steps * self.labelled
        (self.rate,) = [i for i, v in enumerate(self.model.optimizer.variables) if v.name == "learning_rate"]
        places = {id(variable): i for i, variable in enumerate(self.model.non_trainable_variables)}
        self.places = {name: places[id(getattr(self.model, name))] for name in SETTINGS}
        self.program = self.trained = None

    def compile(self, pool):
        """Start to compile the program, in a thread of the pool."""
        run = dict(seed=0, way="classifier", strength=0.0, labels=100, weight_decay=0.0, rate=0.0, mask=0.0)
        run |= dict(both=False, stage="few full")
        lowered = jax.jit(self._chunk).lower(*self._reset([run]), *digits(), *self._clock(0, 1))
        self.program = pool.submit(lowered.compile)
        return self

    @staticmethod
    def _clock(start, steps):
        """Return the number of steps done and of all steps, as the program takes them."""
        return jnp.asarray(start, "int32"), jnp.asarray(steps, "float32")

    def _reset(self, runs):
        """Return what the program starts from: states, and each copy's rate, rows, their number, kind and seed."""
        runs = [runs[i] if i < len(runs) else runs[0] for i in range(len(self.models))]
        first = [first_state(self.form, run["seed"]) for run in runs]
        trainable, other = (
            [np.stack(arrays) for arrays in zip(*group, strict=True)] for group in zip(*first, strict=True)
        )
        for name, place in self.places.items():
            other[place] = np.array([settings(run)[name] for run in runs], "float32")
        count = len(runs)
        zeros = [
            [jnp.zeros((count, *variable.shape), variable.dtype) for variable in variables]
            for variables in (self.model.optimizer.variables, self.model.metrics_variables)
        ]
        rows = [training_rows(run, self.own_rows) for run in runs]
        padded = np.stack([np.resize(own, self.own_rows) for own in rows]).astype("int32")
        rates = np.array([run["rate"] for run in runs], "float32")
        sizes = np.array([len(own) for own in rows], "int32")
        redrawn = np.array([run["way"] == "labelled" for run in runs])
        seeds = np.array([run["seed"] for run in runs], "uint32")
        return jax.tree.map(jnp.asarray, ((trainable, other, *zeros), rates, padded, sizes, redrawn, seeds))

    def _chunk(self, states, rates, rows, sizes, redrawn, seeds, images, labels, start, steps):
        """Train all copies for an epoch; a pure function, to be compiled.

        The labelled images come in a new order each time, all equally often. A copy whose way is "labelled" redraws
        these images only, the others as many of all images.
        """

        def one(state, rate, rows, size, redrawn, seed):
            """Train one copy."""
            keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), start))
            own = rows[jax.random.permutation(keys[0], self.length * self.labelled) % size]
            order = jax.random.permutation(keys[1], TRAINING)[: self.length * self.pictures]
            others = jnp.where(redrawn, rows[order % size], order)

            def step(state, numbered):
                """Make a step at this step's learning rate."""
                number, own, others = numbered
                slots = list(state[2])
                slots[self.rate] = rate * 0.5 * (1 + jnp.cos(jnp.pi * (start + number) / steps))
                targets = jnp.concatenate([labels[own], jnp.full(others.shape, -1, labels.dtype)])
                batch = images[jnp.concatenate([own, others])], targets
                logs, state = self.model.train_step((state[0], state[1], slots, state[3]), batch)
                return tuple(map(list, state)), logs["accuracy"]

            numbered = (jnp.arange(self.length), own.reshape(self.length, -1), others.reshape(self.length, -1))
            state, accuracy = jax.lax.scan(step, (*map(list, state[:3]), list(map(jnp.zeros_like, state[3]))), numbered)
            return state, accuracy[-1]

        return jax.vmap(one)(states, rates, rows, sizes, redrawn, seeds)

    def train(self, runs, log, watch=False):
        """Make the runs that are missing, all of one length, as many at a time as there are copies; return all."""
        for first in range(0, len(runs), len(self.models)):
            some = runs[first : first + len(self.models)]
            if not all(log.has(run) for run in some):
                self._train(some, log, watch)
        return [log.get(run) for run in runs]

    def fit_runs(self, runs, watch=None):
        """Train runs, at most as many as there are copies; `watch` is called after each epoch."""
        self.states, *constants = self._reset(runs)
        epochs = runs[0]["epochs"]
        for epoch in tqdm(range(epochs), desc=f"{runs[0]['stage']} {epochs}", unit="epoch", mininterval=5):
            clock = self._clock(epoch * self.length, epochs * self.length)
            self.states, known = self.program.result()(self.states, *constants, *digits(), *clock)
            if watch:
                watch()
        self.trained = runs
        return known

    def _train(self, runs, log, watch):
        """Train some runs, measure them and write them down."""
        held_out = np.stack([held_out_rows(run) for run in runs + runs[:1] * (len(self.models) - len(runs))])
        curve = []
        known = self.fit_runs(runs, (lambda: curve.append(self.measure(held_out)["accuracy"])) if watch else None)
        found = {f"held_out_{name}": values for name, values in self.measure(held_out).items()}
        test = np.broadcast_to(np.arange(ALL, ALL + 10_000), (len(self.models), 10_000))
        found |= {f"test_{name}": values for name, values in self.measure(test).items()}
        found["known"] = np.asarray(known)
        for i, run in enumerate(runs):
            measured = {name: round(float(values[i]), 6) for name, values in found.items()}
            log.add(run, measured | ({"curve": [round(float(point[i]), 5) for point in curve]} if watch else {}))

    def measure(self, rows, block=1_000):
        """Return accuracy, cross-entropy in nats and squared error of all copies on their rows (copies, n)."""
        weights = self._weights(self.model)
        parts = [self._block(*weights, rows[:, i : i + block], *digits()) for i in range(0, rows.shape[1], block)]
        return dict(zip(("accuracy", "cross_entropy", "squared_error"), np.mean(parts, axis=0), strict=True))

    @functools.cached_property
    def _block(self):
        """The compiled measurement of a block of rows."""

        def one(trainable, other, rows, images, labels):
            """Measure one copy."""
            outputs, _ = self.model.stateless_call(trainable, other, images[rows], training=False)
            log_p = jax.nn.log_softmax(outputs["logits"])
            hits = outputs["logits"].argmax(axis=1) == labels[rows]
            entropy = -jnp.take_along_axis(log_p, labels[rows][:, None], axis=1).mean()
            return jnp.stack([hits.mean(), entropy, ((images[rows] - outputs["reconstruction"]) ** 2).sum(1).mean()])

        measure = jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None)))
        return lambda *inputs: np.asarray(measure(*inputs)).T

    def codes(self, index, rows):
        """Return one copy's codes of the images in these rows."""
        encoder = self.model.encoder
        trainable, other = ([array[index] for array in part] for part in self._weights(encoder))
        return np.asarray(encoder.stateless_call(trainable, other, digits()[0][rows], training=False)[0])


def settings(run):
    """Return the variables of a run's model: loss weights, weight decay and masks."""
    values = dict(prediction_weight=1.0, reconstruction_weight=0.0, decoder_mask=0.0, classifier_mask=0.0)
    values["weight_decay"] = run["weight_decay"]
    if run["way"] == "classifier":
        return values | {"classifier_mask": run["strength"]}
    values |= {"reconstruction_weight": run["strength"], "decoder_mask": run["mask"]}
    if run["way"] == "features":
        values |= {"prediction_weight": 0.0}
    return values | {"classifier_mask": run["mask"] if run["both"] else 0.0}


@functools.cache
def chosen_rows(labels, seed):
    """Return the rows that have a label; the first four fifths train where the last fifth chooses."""
    targets = rows_of_pixels()[1]
    return choose_rows(targets if labels == ALL else targets[:TRAINING], labels, seed)


def holds_out(run):
    """Say whether a run trains on four fifths of its labels."""
    return run["labels"] == ALL or run["stage"] == "few select"


def training_rows(run, own_rows):
    """Return the rows of the images that train the classifier; an autoencoder without labels gets any."""
    if run["way"] == "features":
        return np.random.default_rng(run["seed"]).permutation(TRAINING)[:own_rows]
    rows = chosen_rows(run["labels"], run["seed"])
    return rows[: 4 * len(rows) // 5] if holds_out(run) else rows


def held_out_rows(run):
    """Return the rows that validate: the last fifth of the labels, as often as it fits, or 10,000 digits."""
    if not holds_out(run):
        return np.arange(TRAINING, ALL)
    rows = chosen_rows(run["labels"], run["seed"])
    return np.resize(rows[4 * len(rows) // 5 :], max(1_000, len(rows) // 5))


class Runs:
    """The finished runs, found by what they were made with."""

    def __init__(self, path, plan):
        self.log = record.Log(path, dataclasses.asdict(plan))
        self.found = {self.key(run): run for run in self.log.runs}

    @staticmethod
    def key(run):
        """Return what a run was made with, hashable."""
        return tuple(run[name] for name in KEY)

    def has(self, run):
        """Say whether a run is finished."""
        return self.key(run) in self.found

    def get(self, run):
        """Return a finished run."""
        return self.found[self.key(run)]

    def add(self, run, measured):
        """Write a run down."""
        self.log.add(measured, **run)
        self.found[self.key(run)] = self.log.runs[-1]


def run(stage, part, labels, way, strength, seed, epochs, factors=(1, 1), mask=MASK, both=False):
    """Return what one run is made with; the factors multiply weight decay and learning rate."""
    decay = 0.0 if part == "plain" else BASE_WEIGHT_DECAY[labels]
    rate = 1e-3 if part == "plain" else 2e-3
    made_with = dict(stage=stage, part=part, labels=labels, way=way, strength=strength, seed=seed, epochs=epochs)
    pair = dict(weight_decay=float(decay * factors[0]), rate=float(rate * factors[1]))
    return made_with | pair | dict(mask=0.0 if way == "classifier" else mask, both=both)


def best(runs, names, value, sign=1):
    """Return the values of `names` whose runs have the largest mean of sign × value, over seeds."""
    groups = collections.defaultdict(list)
    for made in runs:
        groups[tuple(made[name] for name in names)].append(sign * made[value])
    return max(groups, key=lambda key: np.mean(groups[key]))


def where(runs, **key):
    """Return the runs that fit."""
    return [made for made in runs if all(made[name] == value for name, value in key.items())]


def table(runs, strengths, seeds, value):
    """Return the values of runs of one way and length, a row a strength, a number a seed."""
    found = {(made["strength"], made["seed"]): made[value] for made in runs}
    return [[found[strength, seed] for seed in seeds] for strength in strengths]


MEASURES = ("held_out_accuracy", "held_out_cross_entropy", "test_accuracy", "known")


def tables(lengths, strengths, seeds):
    """Return the measures of the runs of each length, and the mean curves over the seeds."""
    found = {name: [table(runs, strengths, seeds, name) for runs in lengths] for name in MEASURES}
    if "curve" in lengths[0][0]:
        curves = [np.mean(table(runs, strengths, seeds, "curve"), axis=1).round(5).tolist() for runs in lengths]
        found["curves"] = curves
    return found


# --- All labels ------------------------------------------------------------------------------------------------------


def all_labels(copies, plan, log):
    """Compare masked classifiers with supervised autoencoders on 48,000 labels; 12,000 choose, another split a seed."""
    strengths = {"classifier": plan.masks, "labelled": plan.weights}
    seed, epochs = plan.development[0], plan.all_lengths[0]
    tried = [
        run("all tune", "all", ALL, way, strength, seed, epochs, factors)
        for way in strengths
        for strength in strengths[way]
        for factors in plan.factors
    ]
    tuned, result, lengths = copies.train(tried, log), {}, []
    for way in strengths:
        names = ("strength", "weight_decay", "rate")
        _, decay, rate = best(where(tuned, way=way), names, "held_out_cross_entropy", -1)
        result[way] = dict(weight_decay=decay, rate=rate, strengths=strengths[way])
    for epochs in plan.all_lengths:
        made = [
            run("all", "all", ALL, way, strength, seed, epochs) | {k: result[way][k] for k in ("weight_decay", "rate")}
            for way in strengths
            for strength in strengths[way]
            for seed in plan.all_seeds
        ]
        lengths.append(copies.train(made, log, watch=True))
        if len(lengths) > 1 and all(abs(change) < SMALLEST_CHANGE for change in changes(lengths)):
            break
    for way, found in result.items():
        own = [where(runs, way=way) for runs in lengths]
        found |= dict(epochs=list(plan.all_lengths[: len(lengths)]), **tables(own, strengths[way], plan.all_seeds))
    return result


def changes(lengths):
    """Return how much each way's best validation accuracy rose in the last doubling, in percentage points."""
    found = []
    for way in ("classifier", "labelled"):
        before, after = (where(runs, way=way) for runs in lengths[-2:])
        (strength,) = best(after, ("strength",), "held_out_cross_entropy", -1)
        means = [np.mean([m["held_out_accuracy"] for m in where(runs, strength=strength)]) for runs in (before, after)]
        found.append(100 * (means[1] - means[0]))
    return found


# --- 100 and 1,000 labels --------------------------------------------------------------------------------------------


def few_labels(copies, plan, log):
    """Compare classifier, both supervised autoencoders and an autoencoder's features at 100 and 1,000 labels."""
    strengths = {way: plan.few_masks if way == "classifier" else plan.weights for way in WAYS}
    cases = [(labels, way) for labels in (100, 1_000) for way in WAYS]
    tuned = copies.train(
        [
            run("few tune", "few", labels, way, strength, seed, plan.few_lengths[0], factors)
            for labels, way in cases
            for strength in strengths[way][-plan.tuned_at :]
            for factors in plan.few_factors
            for seed in plan.few_development
        ],
        log,
    )
    pairs = {}
    for labels, way in cases:
        names = ("strength", "weight_decay", "rate")
        pairs[labels, way] = best(where(tuned, labels=labels, way=way), names, "held_out_accuracy")[1:]
    pair = {case: dict(zip(("weight_decay", "rate"), values, strict=True)) for case, values in pairs.items()}
    selected = copies.train(
        [
            run("few select", "few", labels, way, strength, seed, plan.few_lengths[1]) | pair[labels, way]
            for labels, way in cases
            for strength in strengths[way]
            for seed in plan.seeds
        ],
        log,
    )
    result, chosen = {}, {}
    for labels, way in cases:
        own = where(selected, labels=labels, way=way)
        for seed in plan.seeds:
            (chosen[labels, way, seed],) = best(where(own, seed=seed), ("strength",), "held_out_cross_entropy", -1)
        found = {f"select_{name}": table(own, strengths[way], plan.seeds, name) for name in MEASURES[:3]}
        result.setdefault(labels, {})[way] = dict(**pair[labels, way], strengths=strengths[way], **found)
    lengths = []
    for epochs in plan.few_lengths:
        made = [
            run("few full", "few", labels, way, strength, seed, epochs) | pair[labels, way]
            for (labels, way, seed), strength in chosen.items()
        ]
        codes = [run("few full", "few", 100, "features", 1.0, seed, epochs, (0, 1)) for seed in plan.seeds]
        lengths.append(copies.train(made + codes, log, watch=True))
    for labels, way in cases:
        found = [{made["seed"]: made for made in where(runs, labels=labels, way=way)} for runs in lengths]
        result[labels][way] |= {
            name: [[runs[seed][name] for seed in plan.seeds] for runs in found] for name in MEASURES
        } | {
            "chosen": [chosen[labels, way, seed] for seed in plan.seeds],
            "curves": [np.mean([made["curve"] for made in runs.values()], axis=0).round(5).tolist() for runs in found],
        }
    features = feature_runs(copies, codes, made, plan, log)
    return {**result, "steps": [plan.steps * epochs for epochs in plan.few_lengths], "features": features}


def feature_runs(copies, codes, others, plan, log):
    """Return the accuracies of logistic regression on the codes of autoencoders that saw no label, by labels."""
    together, budgets = others + codes, (100, 1_000)
    keys = {
        (labels, made["seed"]): made | dict(stage="features", labels=labels) for labels in budgets for made in codes
    }
    if not all(log.has(key) for key in keys.values()):
        if copies.trained != together:  # the codes need the networks
            copies.fit_runs(together)
        for (labels, seed), key in keys.items():
            rows, index = chosen_rows(labels, seed), len(others) + plan.seeds.index(seed)
            log.add(key, linear(rows, copies.codes(index, rows), copies.codes(index, np.arange(ALL, ALL + 10_000))))
    return {labels: accuracies([log.get(keys[labels, seed]) for seed in plan.seeds]) for labels in budgets}


def accuracies(runs):
    """Return what logistic regressions reached, and the regularisation that each chose."""
    return {name: [made[name] for made in runs] for name in ("test_accuracy", "C")}


def linear(rows, inputs, test_inputs):
    """Return the test accuracy of logistic regression; four fifths train while the others choose its regularisation."""
    targets = np.asarray(digits()[1])
    scale, first = inputs.std(), 4 * len(rows) // 5
    inputs, test_inputs = inputs / scale, test_inputs / scale

    def fit(strength, count):
        """Fit on the first rows."""
        return LogisticRegression(C=strength, max_iter=1_000).fit(inputs[:count], targets[rows[:count]])

    def judge(strength):
        """Return the cross-entropy on the other rows."""
        probabilities = fit(strength, first).predict_proba(inputs[first:])
        return log_loss(targets[rows[first:]], probabilities, labels=range(10))

    strength = min(CS, key=judge)
    hits = fit(strength, len(rows)).predict(test_inputs) == targets[ALL:]
    return {"test_accuracy": round(float(hits.mean()), 6), "C": strength}


def pixels(plan, log):
    """Return the accuracies of logistic regression on pixels, by labels."""
    result, images = {}, np.asarray(digits()[0])
    for labels in (100, 1_000):
        found = []
        for seed in plan.seeds:
            key = run("pixels", "pixels", labels, "pixels", 0.0, seed, 0)
            if not log.has(key):
                rows = chosen_rows(labels, seed)
                log.add(key, linear(rows, images[rows], images[ALL:]))
            found.append(log.get(key))
        result[labels] = accuracies(found)
    return result


# --- Other forms, at 100 labels --------------------------------------------------------------------------------------


def forms(copies, plan, log):
    """Change one thing of the form at a time; λ and the classifier's mask are chosen on validation digits."""
    classifier = ("classifier", plan.few_masks, {})
    cases = {
        "as in the sweep": [classifier, ("labelled", plan.weights, {}), ("unlabelled", plan.weights, {})],
        "no mask": [
            ("classifier", (0.0,), {}),
            ("labelled", plan.weights, dict(mask=0.0)),
            ("unlabelled", plan.weights, dict(mask=0.0)),
        ],
        "mask for both heads": [("unlabelled", plan.weights, dict(both=True))],
        "no weight decay": [
            ("classifier", plan.few_masks, dict(factors=(0, 1))),
            ("unlabelled", plan.weights, dict(factors=(0, 1))),
        ],
    }
    return compare_forms(copies, plan, log, "few", cases, plan.few_development, plan.seeds[:8])


def narrow(copies, plan, log):
    """Do the same for a narrow code, in the form of the sweep."""
    ways = ("labelled", "unlabelled")
    cases = {"code of 8": [("classifier", plan.few_masks, {}), *((way, plan.weights, {}) for way in ways)]}
    return compare_forms(copies, plan, log, "narrow", cases, plan.few_development, plan.seeds)


def compare_forms(copies, plan, log, part, cases, development, seeds):
    """Choose each way's strength on validation digits, then train with other seeds, twice as long, and test."""
    flat = [(name, *case) for name, some in cases.items() for case in some]
    tuned = iter(
        copies.train(
            [
                run(f"{part} forms tune", part, 100, way, strength, seed, plan.few_lengths[1], **changed)
                for _, way, strengths, changed in flat
                for strength in strengths
                for seed in development
            ],
            log,
        )
    )
    chosen = []
    for _, _, strengths, _ in flat:
        own = [next(tuned) for _ in strengths for _ in development]
        chosen.append((best(own, ("strength",), "held_out_accuracy")[0], own))
    result = {name: {} for name in cases}
    lengths = [
        copies.train(
            [
                run(f"{part} forms", part, 100, way, strength, seed, epochs, **changed)
                for (_, way, _, changed), (strength, _) in zip(flat, chosen, strict=True)
                for seed in seeds
            ],
            log,
            watch=True,
        )
        for epochs in plan.few_lengths[1:]
    ]
    for i, ((name, way, strengths, _), (strength, own)) in enumerate(zip(flat, chosen, strict=True)):
        made = [runs[i * len(seeds) : (i + 1) * len(seeds)] for runs in lengths]
        found = {key: [[one[key] for one in runs] for runs in made] for key in (*MEASURES, "test_squared_error")}
        found["curves"] = [np.mean([one["curve"] for one in runs], axis=0).round(5).tolist() for runs in made]
        tuning = [float(np.mean([one["held_out_accuracy"] for one in where(own, strength=s)])) for s in strengths]
        result[name][way] = dict(chosen=strength, strengths=strengths, tuning=tuning, **found)
    return {**result, "steps": [plan.steps * epochs for epochs in plan.few_lengths[1:]]}


def plain(copies, plan, log):
    """Train the form without masks, normalisation and weight decay over λ, at 100 labels, redrawing few or all."""
    strengths = {"classifier": (0.0,), "labelled": plan.plain_weights, "unlabelled": plan.plain_weights}
    made = [(way, strength) for way in WAYS for strength in strengths[way]]
    tuned = copies.train(
        [
            run("plain tune", "plain", 100, way, strength, seed, plan.plain_lengths[0], factors, mask=0.0)
            for way, strength in made
            for factors in plan.plain_factors
            for seed in plan.development
        ],
        log,
    )
    chosen = {way: best(where(tuned, way=way), ("strength", "rate"), "held_out_accuracy") for way in WAYS}
    lengths = [
        copies.train(
            [
                run("plain", "plain", 100, way, strength, seed, epochs, mask=0.0) | {"rate": chosen[way][1]}
                for way, strength in made
                for seed in plan.seeds
            ],
            log,
            watch=True,
        )
        for epochs in plan.plain_lengths
    ]
    result = {"steps": [plan.steps * epochs for epochs in plan.plain_lengths]}
    for way in WAYS:
        own = [where(runs, way=way) for runs in lengths]
        settings = dict(chosen=chosen[way][0], rate=chosen[way][1], strengths=strengths[way])
        result[way] = settings | tables(own, strengths[way], plan.seeds)
    return result


# --- All of it -------------------------------------------------------------------------------------------------------

PARTS = ("all", "few", "plain", "narrow", "pixels")


def make(plan, path, only=PARTS):
    """Make the parts that are asked for, all programs compiled at the same time, and return the results."""
    log, result = Runs(path, plan), {}
    with ThreadPoolExecutor() as pool:
        copies = {part: Copies(part, plan).compile(pool) for part in only if part != "pixels"}
        for part in only:
            if part == "all":
                result["all"] = all_labels(copies[part], plan, log)
            if part == "few":
                result["few"] = few_labels(copies[part], plan, log)
                result["forms"] = forms(copies[part], plan, log)
            if part == "plain":
                result["plain"] = plain(copies[part], plan, log)
            if part == "narrow":
                result["narrow"] = narrow(copies[part], plan, log)
            if part == "pixels":
                result["pixels"] = pixels(plan, log)
    return result


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="make only these parts")
    parser.add_argument("--rehearse", action="store_true", help="make all with tiny networks and write nothing")
    options = parser.parse_args()
    if options.rehearse:
        with tempfile.TemporaryDirectory() as folder:
            print(make(REHEARSAL, Path(folder) / "log.jsonl", options.only).keys())
        return
    made = make(Plan(), LOG, options.only)
    with contextlib.suppress(FileNotFoundError):  # the other parts stay
        made = {name: record.read(NAME).get(name) for name in (*PARTS, "forms")} | made
    record.write(NAME, plan=dataclasses.asdict(Plan()), smallest_change=SMALLEST_CHANGE, **made)


if __name__ == "__main__":
    main()
