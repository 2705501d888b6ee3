"""Do ten trainings one after another take ten times as long as one? The rounds of the benchmark time one alone.

python -m experiments.bench.serial     adds the answer to experiments/results/bench.json, as `make bench` does

Ten GANs on points are trained in a row in the book's compiled loop, each in a few stretches, by the clock of the
processor, which other processes disturb less. What is compiled for the first stretch serves all, so the clock starts
after it.
"""

import itertools
import statistics
import time

import jax

from experiments.bench import book, cases
from experiments.harness import record
from helpers import gans

SEEDS, STEPS, POINTS = 10, 1200, 6


def measure(case, seeds=SEEDS, steps=STEPS, points=POINTS, clock=time.process_time):
    """Return the seconds of a stretch of the first training, of all that follows it, and their ratio to as many."""
    data, told = jax.numpy.asarray(case.data()), []
    draw = lambda key: data[jax.random.randint(key, (case.batch,), 0, len(data))]  # noqa: E731
    models = [book.model(case, seed=seed) for seed in range(seeds)]
    gans.train_scanned(models, draw, steps, points, watch=lambda model, step: told.append(clock()))
    spans = [now - before for before, now in itertools.pairwise(told)]
    one, whole = statistics.median(spans[: points - 1]), told[-1] - told[0]
    return {"stretch": one, "all": whole, "stretches": len(spans), "ratio": whole / (len(spans) * one)}


def in_a_row():
    """Return what the benchmark's result holds of it."""
    return {**measure(cases.CASES["points_1"]), "seeds": SEEDS, "steps": STEPS, "clock": "processor"}


def main():
    """Measure it, and add it to the benchmark's result."""
    result = record.read("bench") | {"serial": in_a_row()}
    record.rewrite("bench", result)
    print(result["serial"])


if __name__ == "__main__":
    main()
