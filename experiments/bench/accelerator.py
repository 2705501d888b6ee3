"""The rows of the benchmark on one accelerator, for `python -m tools.gpu`, which writes them down.

The peers are the book's forms, JAX and Optax, and PyTorch, as far as they are installed. As on a processor each is a
process of its own and they take turns; here those of a case, or of all cases, make ready at the same time. All multiply
float32 matrices in float32.
"""

import importlib.util
import time
from concurrent.futures import ThreadPoolExecutor

from experiments.bench import cases, run
from experiments.harness import training

NEEDS = {"book": "jax", "raw_jax": "optax", "torch": "torch"}
ROUNDS = 3


class Log:
    """What was measured, as `run.summary` reads it; kept in memory."""

    def __init__(self):
        self.runs = []

    def add(self, measured, **key):
        """Note one run."""
        self.runs.append({**key, **measured})


def rows(names):
    """List case, peer and form of what is measured: two processes with half of the cores each make no sense here."""
    peers = [peer for peer, module in NEEDS.items() if importlib.util.find_spec(module)]
    found = [(name, peer, form) for name in names for peer in peers for form in cases.FORMS[name].get(peer, ())]
    return [row for row in found if row[2] != "halves"]


def measure(names=tuple(cases.CASES), together=True, steps=None, rounds=ROUNDS, deadline=float("inf")):
    """Measure the rows of some cases.

    Parameters
    ----------
    names : sequence of str
        Cases.
    together : bool, default=True
        Make all cases ready at once, which takes a process of about 1 GiB for each row; otherwise case by case.
    steps : int, optional
        Of a stretch, in place of the case's.
    rounds : int
        Stretches of each row.
    deadline : float
        By `time.monotonic`; after it nothing is begun.

    Returns
    -------
    dict
        What `run.summary` returns: a row that could not run is there with the reason.
    """
    (training.RUNS / run.NAME).mkdir(parents=True, exist_ok=True)
    log = Log()
    for group in [names] if together else [[name] for name in names]:
        if time.monotonic() < deadline:
            take_turns(rows(group), steps, rounds, deadline, log)
    return run.summary(log)


def take_turns(some, steps, rounds, deadline, log):
    """Make rows ready side by side, and measure them one after the other in each round."""

    def ready(row):
        """Return a worker, or None."""
        return run.start(*row, steps or cases.CASES[row[0]].steps, log)

    with ThreadPoolExecutor(len(some)) as pool:
        workers = {row: worker for row, worker in zip(some, pool.map(ready, some), strict=True) if worker}
    try:
        for turn in range(rounds):
            for row, worker in workers.items():
                if time.monotonic() < deadline:
                    many = steps or cases.CASES[row[0]].steps
                    log.add({**worker.measure(), "steps": many}, **run.key(*row), round=turn)
    finally:
        for worker in workers.values():
            worker.end()
