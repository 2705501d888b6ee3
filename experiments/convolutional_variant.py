"""Train the convolutional autoencoder of the chapter on variants, and a dense one of the same code size, for long.

python -m experiments.convolutional_variant              every run that is missing, then the result
python -m experiments.convolutional_variant write        the result, from the runs that are done
python -m experiments.convolutional_variant --rehearse   few digits, an epoch or two; no result is written

This continues `experiments/variants.py`, which trains the other kinds on a GPU, on one core of a CPU. Both networks get
the same treatment: a seed of its own tries the five learning rates for ten epochs, the smallest error on validation
digits chooses one, and three other seeds train at it for 20 and for 40 epochs, at a rate that falls to 0. Test digits
are read when the result is written, once for each network, at the length whose error on validation digits is smallest.

XLA computes strided convolutions with few channels slowly on a CPU. So the network is trained as one of equal weights
and equal outputs, on images in the order of 7 × 7 tiles, in which a convolution is one matrix product: `Tiles`.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from experiments import variants
from experiments.harness import record
from helpers import metrics, storage

NAME = "convolutional_variant"
RUNS = record.RESULTS.parent / "runs"
CODE, RATES, TRIAL, LENGTHS = 32, variants.HIGHER, 10, (20, 40)
SEEDS, TUNING_SEED = (0, 1, 2), variants.TUNING_SEED
WATCHED = 5_000  # validation digits that are measured after every epoch


# --- Networks --------------------------------------------------------------------------------------------------------


def to_tiles(images):
    """Return rows of 784 pixels in the order of 7 × 7 tiles of 4 × 4 pixels."""
    return images.reshape(-1, 7, 4, 7, 4).transpose(0, 1, 3, 2, 4).reshape(-1, 784)


class Tiles(keras.layers.Layer):
    """A convolution of window 3 and stride 2, or a transposed one, on maps (n, 7, 7, side² · channels) of tiles.

    Each tile is side × side positions of a map. `inside` are the rows (and columns) that a tile's outputs are made
    from, counted from the tile's first one; `outside` are those that it makes. The kernel is that of Keras's layer.
    """

    def __init__(self, filters, side, inside, outside, transposed=False, activation="relu"):
        super().__init__()
        self.filters, self.side, self.transposed = filters, side, transposed
        self.inside = list(itertools.product(inside, repeat=2))
        self.outside = list(itertools.product(outside, repeat=2))
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        """Make the weights, and the table that says which weight joins which input to which output."""
        self.channels = shape[-1] // self.side**2
        both = (self.filters, self.channels) if self.transposed else (self.channels, self.filters)
        self.kernel = self.add_weight(shape=(3, 3, *both), initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros")
        self.table = np.zeros((len(self.inside), len(self.outside), 9), "float32")
        for (i, source), (o, target) in itertools.product(enumerate(self.inside), enumerate(self.outside)):
            near, far = (source, target) if self.transposed else (target, source)
            row, column = far[0] - 2 * near[0], far[1] - 2 * near[1]
            if 0 <= row < 3 and 0 <= column < 3:
                self.table[i, o, 3 * row + column] = 1

    def matrix(self):
        """Return the kernel as one matrix (inside · channels, outside · filters)."""
        kernel = ops.transpose(self.kernel, (0, 1, 3, 2)) if self.transposed else self.kernel
        spread = ops.matmul(self.table.reshape(-1, 9), ops.reshape(kernel, (9, -1)))
        spread = ops.reshape(spread, (*self.table.shape[:2], self.channels, self.filters))
        return ops.reshape(ops.transpose(spread, (0, 2, 1, 3)), (len(self.inside) * self.channels, -1))

    def part(self, padded, row, column):
        """Return one of the inputs of every tile, (n, 7, 7, channels)."""
        (down, row), (right, column) = divmod(row, self.side), divmod(column, self.side)
        down, right = down + self.transposed, right + self.transposed  # the border lies before, or behind
        first = (row * self.side + column) * self.channels
        return padded[:, down : down + 7, right : right + 7, first : first + self.channels]

    def call(self, maps):
        """Return the maps of the outputs, in tiles."""
        border = (1, 0) if self.transposed else (0, 1)
        padded = ops.pad(maps, ((0, 0), border, border, (0, 0)))
        windows = ops.concatenate([self.part(padded, *place) for place in self.inside], axis=-1)
        sums = ops.matmul(ops.reshape(windows, (-1, windows.shape[-1])), self.matrix())
        sums = ops.reshape(sums, (-1, 7, 7, len(self.outside), self.filters)) + self.bias
        return self.activation(ops.reshape(sums, (-1, 7, 7, len(self.outside) * self.filters)))


def tiled(_=None):
    """Return the convolutional networks for images in tiles."""
    inputs, codes, reshape = keras.Input((784,)), keras.Input((CODE,)), keras.layers.Reshape
    x = Tiles(8, 4, range(5), range(2))(reshape((7, 7, 16))(inputs))
    x = Tiles(16, 2, range(3), range(1))(x)
    encoder = keras.Model(inputs, keras.layers.Dense(CODE)(keras.layers.Flatten()(x)))
    x = reshape((7, 7, 16))(keras.layers.Dense(784, "relu")(codes))
    x = Tiles(8, 1, (-1, 0), range(2), transposed=True)(x)
    x = Tiles(1, 2, (-1, 0, 1), range(4), transposed=True, activation="sigmoid")(x)
    return variants.join(encoder, keras.Model(codes, keras.layers.Flatten()(x)))


def convolutional(_=None):
    """Return the networks of the chapter, for images as they are; the weights are those of `tiled`."""
    inputs, codes, k = keras.Input((784,)), keras.Input((CODE,)), keras.layers
    window = {"kernel_size": 3, "strides": 2, "padding": "same"}
    x = k.Reshape((28, 28, 1))(inputs)
    for filters in (8, 16):  # -> (n, 14, 14, 8) -> (n, 7, 7, 16)
        x = k.Conv2D(filters, activation="relu", **window)(x)
    encoder = keras.Model(inputs, k.Dense(CODE)(k.Flatten()(x)))
    x = k.Reshape((7, 7, 16))(k.Dense(784, "relu")(codes))
    x = k.Conv2DTranspose(8, activation="relu", **window)(x)
    x = k.Conv2DTranspose(1, activation="sigmoid", **window)(x)
    return variants.join(encoder, keras.Model(codes, k.Flatten()(x)))


TRAINED = {"convolutional": tiled, "dense": variants.narrow}
MEASURED = {"convolutional": convolutional, "dense": variants.narrow}


# --- Runs ------------------------------------------------------------------------------------------------------------


class Trainer:
    """Trains copies of one kind; all runs of it share one compiled epoch."""

    def __init__(self, kind, digits):
        self.kind, self.digits, self.bench = kind, digits, None
        order = to_tiles if kind == "convolutional" else np.asarray
        self.train, self.watched = order(digits.train), order(digits.validation[:WATCHED])

    def begin(self, rate, seed):
        """Take an untrained copy."""
        copy = variants.Copy(self.kind, None, rate, seed)
        networks = variants.compiled(TRAINED[self.kind], copy)
        if self.bench:
            self.bench.restart([networks.model])
            return
        self.networks, self.bench = networks, variants.Bench([networks.model])
        inputs = keras.Input((784,))
        self.score = keras.Model(inputs, variants.squared_error(inputs, networks.model(inputs)))

    def run(self, rate, seed, epochs):
        """Train a copy; return its errors on validation digits, one an epoch, and its weights."""
        self.begin(rate, seed)
        curve = []

        def watch(_):
            curve.append(float(self.bench.apply(self.score, self.watched).mean()))

        self.bench.fit(self.train, epochs, watch, seed, f"{self.kind}, rate {rate}, seed {seed}")
        weights = [self.bench.copy_weights(network, 0) for network in self.networks[:2]]
        return [float(f"{value:.5g}") for value in curve], weights


def weights_file(kind, rate, seed, epochs):
    """Return where the weights of an unfinished experiment's run lie."""
    return RUNS / NAME / f"{kind}_{rate:g}_{seed}_{epochs}.npz"


def run_missing(trainer, log, rate, seed, epochs):
    """Make a run unless the log has it."""
    key = {"kind": trainer.kind, "rate": rate, "seed": seed, "epochs": epochs}
    if log.find(**key):
        return
    start = time.process_time()
    curve, weights = trainer.run(rate, seed, epochs)
    seconds = round(time.process_time() - start, 1)
    path = weights_file(**key)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, *weights[0], *weights[1])
    log.add({"curve": curve, "cpu_seconds": seconds}, **key)


def best_rate(log, kind):
    """Return the rate whose trial ends with the smallest error, or None before all trials are done."""
    trials = {rate: log.find(kind=kind, rate=rate, seed=TUNING_SEED, epochs=TRIAL) for rate in RATES}
    return min(trials, key=lambda rate: trials[rate]["curve"][-1]) if all(trials.values()) else None


def open_log():
    """Return the log of the runs."""
    return record.Log(RUNS / f"{NAME}.jsonl", {"rates": RATES, "trial": TRIAL, "batch_size": variants.BATCH})


def train_all(digits, log, lengths=LENGTHS):
    """Make every missing run, the long ones of the convolutional network last."""
    trainers = {kind: Trainer(kind, digits) for kind in TRAINED}
    for trainer, rate in itertools.product(trainers.values(), RATES):
        run_missing(trainer, log, rate, TUNING_SEED, TRIAL)
    for epochs, kind, seed in itertools.product(lengths, reversed(TRAINED), SEEDS):
        run_missing(trainers[kind], log, best_rate(log, kind), seed, epochs)


# --- The result ------------------------------------------------------------------------------------------------------


def load_run(kind, rate, seed, epochs):
    """Return the networks of a run, for images as they are."""
    networks = MEASURED[kind]()
    with np.load(weights_file(kind, rate, seed, epochs)) as arrays:
        weights = [arrays[name] for name in sorted(arrays, key=lambda name: int(name.removeprefix("arr_")))]
    return with_weights(networks, weights)


def with_weights(networks, weights):
    """Return networks that have got these weights, the encoder's first."""
    first = len(networks.encoder.get_weights())
    networks.encoder.set_weights(weights[:first])
    networks.decoder.set_weights(weights[first:])
    return networks


def load():
    """Return the stored convolutional network, of seed 0."""
    return with_weights(convolutional(), storage.load_weights(record.weights_path(NAME)))


def measure_kind(kind, digits, log, lengths):
    """Return what a kind does: trials, curves, and the measures on test digits at the best length."""
    rate = best_rate(log, kind)
    runs = {epochs: [log.find(kind=kind, rate=rate, seed=seed, epochs=epochs) for seed in SEEDS] for epochs in lengths}
    curves = {epochs: [run["curve"] for run in found] for epochs, found in runs.items()}
    objectives = {epochs: float(np.mean([curve[-1] for curve in found])) for epochs, found in curves.items()}
    best = min(objectives, key=objectives.get)
    tuned = variants.tune_probe(variants.coder(load_run(kind, rate, TUNING_SEED, TRIAL).encoder), digits)
    seeds, jobs = [], []
    for seed in SEEDS:
        encode, decode = map(variants.coder, load_run(kind, rate, seed, best)[:2])
        seeds.append(variants.measure(encode, decode, digits))
        jobs += variants.test_jobs(encode, digits, seed, tuned)
    trials = [log.find(kind=kind, rate=each, seed=TUNING_SEED, epochs=TRIAL) for each in RATES]
    return {
        "rate": rate,
        "trials": [{"rate": trial["rate"], "curve": trial["curve"]} for trial in trials],
        "objectives": objectives,
        "epochs": best,
        "seeds": seeds,
        "probe": tuned,
        "accuracies": variants.by_labels(variants.accuracies(jobs)),
        "curves": curves,
        "weights": sum(int(np.prod(variable.shape)) for variable in MEASURED[kind]().model.trainable_variables),
    }


def finished(log):
    """Return the lengths for which every run is there."""
    rates = {kind: best_rate(log, kind) for kind in TRAINED}
    keys = [(kind, seed) for kind in TRAINED for seed in SEEDS]
    return [n for n in LENGTHS if all(log.find(kind=k, rate=rates[k], seed=s, epochs=n) for k, s in keys)]


def write(digits, log):
    """Write the result from the lengths whose runs are all done, and the weights of one network."""
    lengths = finished(log)
    kinds = {kind: measure_kind(kind, digits, log, lengths) for kind in TRAINED}
    chosen = kinds["convolutional"]
    networks = load_run("convolutional", chosen["rate"], SEEDS[0], chosen["epochs"])
    weights = networks.encoder.get_weights() + networks.decoder.get_weights()
    storage.save_weights(record.weights_path(NAME), weights, "int7")
    encode, decode = map(variants.coder, load()[:2])
    stored = float(metrics.squared_error(digits.test, decode(encode(digits.test))).mean())
    used = [run for run in log.runs if run["epochs"] in lengths or run["seed"] == TUNING_SEED]
    record.write(
        NAME,
        kinds=kinds,
        lengths=lengths,
        stored_test_sse=stored,
        cpu_seconds=round(sum(run["cpu_seconds"] for run in used)),
        batch_size=variants.BATCH,
        training_digits=len(digits.train),
    )


def rehearse():
    """Make every kind of run on few digits, in a folder that is thrown away."""
    global RUNS  # so that nothing of a rehearsal is found later
    with tempfile.TemporaryDirectory() as folder:
        RUNS = Path(folder)
        log = open_log()
        train_all(variants.Digits.load(500), log, (1, 2))
        print(json.dumps([[run["kind"], run["rate"], run["epochs"], run["curve"][-1]] for run in log.runs]))


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["write"], help="only write the result")
    parser.add_argument("--rehearse", action="store_true", help="few digits, and no result")
    arguments = parser.parse_args()
    if arguments.rehearse:
        rehearse()
        return
    digits, log = variants.Digits.load(), open_log()
    if arguments.part is None:
        train_all(digits, log)
    write(digits, log)


if __name__ == "__main__":
    main()
