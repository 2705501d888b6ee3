"""Train supervised autoencoders and their rivals until more steps change little, many copies side by side.

python -m experiments.supervised_long                    makes what is missing and writes the result
python -m experiments.supervised_long --only all         one part: all, few or plain
python -m experiments.supervised_long --rehearse         the same with tiny networks and few seeds; writes nothing
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record, stacked
from experiments.supervised_sweep import Form, MaskedAutoencoder, choose_rows, rows_of_pixels
from helpers import autoencoders

NAME = "supervised_long"
LOG = record.RESULTS.parent / "runs" / f"{NAME}.jsonl"  # one line a finished run; not committed
TRAINING, ALL = 50_000, 60_000  # digits that train with few labels, the 10,000 after them validate; and all labels
MASK = 0.75  # share of the pixels masked in what the decoder redraws, in the form of the sweep
WAYS = ("classifier", "labelled", "unlabelled")
SETTINGS = ("prediction_weight", "reconstruction_weight", "weight_decay", "decoder_mask", "classifier_mask")
KEY = ("stage", "part", "labels", "way", "strength", "weight_decay", "rate", "mask", "seed", "epochs")
MADE_ON = {  # the stored runs; the conditions in the file are those of the machine that wrote it
    "NVIDIA H100": "all labels, the tuning with few labels, 100 labels, the classifier with 1,000",
    "one core of a CPU": "both supervised autoencoders with 1,000 labels, the plain form",
}
SMALLEST_CHANGE = 0.1  # percentage points of validation accuracy: less after twice the steps is called converged


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is tried, with which seeds, for how long; an epoch is 48,000 labels or 240 steps."""

    widths: tuple = (256, 128)
    steps: int = 240  # in an epoch
    masks: tuple = (0.0, 0.1, 0.25, 0.4, 0.6)  # of a classifier with all labels
    few_masks: tuple = (0.0, 0.25, 0.5, 0.75, 0.9)
    weights: tuple = tuple(np.geomspace(1e-3, 10, 7)[:5].tolist())  # λ
    plain_weights: tuple = (0.001, 0.01, 0.1, 1.0)
    plain_long: tuple = (0.01, 0.1)  # λ trained for each of the lengths, the others for the first only
    tuned_at: int = 3  # with few labels weight decay and rate are tuned at so many of the strengths, the last ones
    factors: tuple = ((1, 1), (0.1, 1), (10, 1), (1, 0.5), (1, 2))  # of weight decay and rate
    few_factors: tuple = ((1, 1), (1 / 3, 1), (3, 1), (1, 0.5), (1, 2))
    seeds: tuple = tuple(range(10))  # with 100 labels
    plain_seeds: tuple = tuple(range(8))
    all_seeds: tuple = tuple(range(5))  # with all and with 1,000 labels
    development: tuple = (100, 101, 102)
    all_lengths: tuple = (10, 20, 40)  # epochs
    few_lengths: tuple = (2, 4)  # to tune, to compare
    plain_lengths: tuple = (2, 4)


REHEARSAL = Plan(
    widths=(16, 8),
    steps=3,
    masks=(0.0, 0.25),
    few_masks=(0.5, 0.75),
    weights=(0.01, 0.1),
    plain_weights=(0.01, 0.1),
    plain_long=(0.1,),
    tuned_at=1,
    factors=((1, 1), (1, 2)),
    few_factors=((1, 1), (1, 2)),
    seeds=(0, 1),
    plain_seeds=(0, 1),
    all_seeds=(0, 1),
    development=(100,),
    all_lengths=(1, 2),
    few_lengths=(1, 2),
    plain_lengths=(1, 2),
)
BASE_WEIGHT_DECAY = {100: 0.03, 1_000: 0.01, ALL: 1e-4}  # the factors multiply these


BATCHES = {"all": (200, 0), "few": (50, 100), "plain": (50, 100), "plain labelled": (50, 0)}  # labelled, not labelled


class Unmasked(MaskedAutoencoder):
    """The same without masks: both heads read one code."""

    def call(self, images, training=False):
        """Return ``logits`` and ``reconstruction``."""
        return autoencoders.SupervisedAutoencoder.call(self, images, training)


def build(part, plan, seed):
    """Return the untrained network of a part."""
    if not part.startswith("plain"):
        return Form(widths=plan.widths).build(seed)
    model = Form(widths=plan.widths, normalised=False).build(seed)
    return Unmasked(model.encoder, model.decoder, model.classifier)


@functools.cache
def digits():
    """Return all images, training digits first, and their labels, on the device."""
    images, labels, test_images, test_labels = rows_of_pixels()
    return jnp.asarray(np.concatenate([images, test_images])), jnp.asarray(np.concatenate([labels, test_labels]))


@functools.cache
def first_state(part, plan, seed):
    """Return the first weights of a seed, and its model's other variables."""
    model = build(part, plan, seed)
    groups = (model.trainable_variables, model.non_trainable_variables)
    return [[np.asarray(variable) for variable in group] for group in groups]


class Copies(stacked.Stack):
    """Copies of one form, each with its own seed, labelled digits, loss weights, masks and learning rate.

    Parameters
    ----------
    part : str
        A part of the experiment.
    plan : Plan
    count : int
        Copies at a time, at most.
    """

    def __init__(self, part, plan, count):
        self.part, self.plan, self.count = part, plan, count
        self.model = build(part, plan, 0)
        self.model.compile(keras.optimizers.Adam(1e-3))
        self.model.optimizer.build(self.model.trainable_variables)
        self.labelled, self.pictures = BATCHES[part]
        self.own_rows = plan.steps * self.labelled
        (self.rate,) = [i for i, v in enumerate(self.model.optimizer.variables) if v.name == "learning_rate"]
        places = {id(variable): i for i, variable in enumerate(self.model.non_trainable_variables)}
        self.places = {name: places[id(getattr(self.model, name))] for name in SETTINGS}
        self.program = jax.jit(self._chunk)

    def _reset(self, runs):
        """Return what the program starts from: states, and each copy's rate, rows, their number, kind and seed."""
        first = [first_state(self.part, self.plan, run["seed"]) for run in runs]
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
        rows = [training_rows(run) for run in runs]
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
            length = self.plan.steps
            own = rows[jax.random.permutation(keys[0], length * self.labelled) % size]
            order = jax.random.permutation(keys[1], TRAINING)[: length * self.pictures]
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

            numbered = (jnp.arange(length), own.reshape(length, -1), others.reshape(length, self.pictures))
            state, accuracy = jax.lax.scan(step, (*map(list, state[:3]), list(map(jnp.zeros_like, state[3]))), numbered)
            return state, accuracy[-1]

        return jax.vmap(one)(states, rates, rows, sizes, redrawn, seeds)

    def train(self, runs, log, watch=False):
        """Make the runs that are missing, all of one length, some at a time; return all."""
        missing = [run for run in runs if not log.has(run)]
        for first in range(0, len(missing), self.count):
            self._train(missing[first : first + self.count], log, watch)
        return [log.get(run) for run in runs]

    def fit_runs(self, runs, watch=None):
        """Train one copy a run; `watch` is called after each epoch."""
        self.states, *constants = self._reset(runs)
        epochs, steps = runs[0]["epochs"], self.plan.steps
        for epoch in tqdm(range(epochs), desc=f"{runs[0]['stage']} {epochs}", unit="epoch", mininterval=5):
            clock = jnp.asarray(epoch * steps, "int32"), jnp.asarray(epochs * steps, "float32")
            self.states, known = self.program(self.states, *constants, *digits(), *clock)
            if watch:
                watch()
        return known

    def _train(self, runs, log, watch):
        """Train some runs, measure them and write them down."""
        held_out, curve = np.stack([held_out_rows(run) for run in runs]), []
        known = self.fit_runs(runs, (lambda: curve.append(self.measure(held_out)["accuracy"])) if watch else None)
        found = {f"held_out_{name}": values for name, values in self.measure(held_out).items()}
        test = np.broadcast_to(np.arange(ALL, ALL + 10_000), (len(runs), 10_000))
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


def settings(run):
    """Return the variables of a run's model: loss weights, weight decay and masks."""
    values = dict(prediction_weight=1.0, reconstruction_weight=0.0, decoder_mask=0.0, classifier_mask=0.0)
    values["weight_decay"] = run["weight_decay"]
    if run["way"] == "classifier":
        return values | {"classifier_mask": run["strength"]}
    return values | {"reconstruction_weight": run["strength"], "decoder_mask": run["mask"]}


@functools.cache
def chosen_rows(labels, seed):
    """Return the rows that have a label; the first four fifths train where the last fifth chooses."""
    targets = rows_of_pixels()[1]
    return choose_rows(targets if labels == ALL else targets[:TRAINING], labels, seed)


def holds_out(run):
    """Say whether a run trains on four fifths of its labels."""
    return run["labels"] == ALL or run["stage"] == "few select"


def training_rows(run):
    """Return the rows of the images whose labels train."""
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


def run(stage, part, labels, way, strength, seed, epochs, factors=(1, 1)):
    """Return what one run is made with; the factors multiply weight decay and learning rate."""
    plain = part.startswith("plain")
    decay, rate = (0.0, 1e-3) if plain else (BASE_WEIGHT_DECAY[labels], 2e-3)
    mask = 0.0 if plain or way == "classifier" else MASK
    made_with = dict(stage=stage, part=part, labels=labels, way=way, strength=strength, seed=seed, epochs=epochs)
    return made_with | dict(weight_decay=float(decay * factors[0]), rate=float(rate * factors[1]), mask=mask)


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
    """Compare the classifier and both supervised autoencoders at 100 and at 1,000 labels.

    Weight decay and rate of each way are tuned with other seeds on validation digits. Then four fifths of the labels
    train. At 100 labels the last fifth chooses the strength; at 1,000 it is the one of the tuning.
    """
    strengths = {way: plan.few_masks if way == "classifier" else plan.weights for way in WAYS}
    cases = [(labels, way) for labels in (100, 1_000) for way in WAYS]
    tried = [
        run("few tune", "few", labels, way, strength, seed, plan.few_lengths[0], factors)
        for labels, way in cases
        for strength in strengths[way][-plan.tuned_at :]
        for factors in plan.few_factors
        for seed in plan.development
    ]
    tuned, result = copies.train(tried, log), {100: {}, 1_000: {}}
    for labels, way in cases:
        names = ("strength", "weight_decay", "rate")
        tuned_strength, decay, rate = best(where(tuned, labels=labels, way=way), names, "held_out_accuracy")
        own = strengths[way] if labels == 100 else (tuned_strength,)
        seeds = plan.seeds if labels == 100 else plan.all_seeds
        pair = dict(weight_decay=decay, rate=rate)
        made = [
            run("few select", "few", labels, way, strength, seed, plan.few_lengths[1]) | pair
            for strength in own
            for seed in seeds
        ]
        result[labels][way] = pair | dict(strengths=own) | tables([copies.train(made, log)], own, seeds)
    return result | {"tuning": tuning(tuned)}


def tuning(runs):
    """Return the mean validation accuracy of every setting that was tried, over the seeds."""
    names = ("labels", "way", "strength", "weight_decay", "rate")
    groups = collections.defaultdict(list)
    for made in runs:
        groups[tuple(made[name] for name in names)].append(made["held_out_accuracy"])
    return [[*key, round(float(np.mean(values)), 5)] for key, values in groups.items()]


# --- The plain form, at 100 labels -----------------------------------------------------------------------------------


def plain(copies, plan, log):
    """Train the form without masks, normalisation and weight decay over λ, redrawing 100 digits or all."""
    strengths = {"classifier": (0.0,), "labelled": plan.plain_weights, "unlabelled": plan.plain_weights}
    result = {"steps": [plan.steps * epochs for epochs in plan.plain_lengths]}
    for way in WAYS:
        part = "plain" if way == "unlabelled" else "plain labelled"

        def train(seeds, epochs, some, way=way, part=part):
            """Train some strengths with some seeds."""
            made = [run("plain", part, 100, way, strength, seed, epochs) for strength in some for seed in seeds]
            return copies[part].train(made, log, watch=True)

        development = train(plan.development, plan.plain_lengths[0], strengths[way])
        (chosen,) = best(development, ("strength",), "held_out_accuracy")
        first = train(plan.plain_seeds, plan.plain_lengths[0], strengths[way])
        some = plan.plain_long if way != "classifier" else (0.0,)
        longer = train(plan.plain_seeds, plan.plain_lengths[1], some)
        result[way] = dict(chosen=chosen, strengths=strengths[way], longer_strengths=some)
        result[way] |= tables([first], strengths[way], plan.plain_seeds)
        result[way]["development"] = table(development, strengths[way], plan.development, "held_out_accuracy")
        result[way]["longer"] = tables([longer], some, plan.plain_seeds)
    return result


# --- All of it -------------------------------------------------------------------------------------------------------

PARTS = ("all", "few", "plain")


def make(plan, path, only=PARTS, count=75):
    """Make the parts that are asked for, and return the results."""
    log, result = Runs(path, plan), {}
    if "all" in only:
        result["all"] = all_labels(Copies("all", plan, count), plan, log)
    if "few" in only:
        result["few"] = few_labels(Copies("few", plan, count), plan, log)
    if "plain" in only:
        result["plain"] = plain({part: Copies(part, plan, count) for part in ("plain", "plain labelled")}, plan, log)
    return result


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="make only these parts")
    parser.add_argument("--copies", type=int, default=75, help="networks side by side, at most; fewer on a CPU")
    parser.add_argument("--rehearse", action="store_true", help="make all with tiny networks and write nothing")
    options = parser.parse_args()
    if options.rehearse:
        with tempfile.TemporaryDirectory() as folder:
            print(make(REHEARSAL, Path(folder) / "log.jsonl", options.only).keys())
        return
    made = make(Plan(), LOG, options.only, options.copies)
    with contextlib.suppress(FileNotFoundError):  # the other parts stay
        made = {name: record.read(NAME).get(name) for name in PARTS} | made
    plan = dataclasses.asdict(Plan())
    record.write(NAME, plan=plan, smallest_change=SMALLEST_CHANGE, made_on=MADE_ON, **made)


if __name__ == "__main__":
    main()
