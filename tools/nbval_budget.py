"""pytest plugin for the nbval run: sums each notebook's time, and fails the notebook that is over its budget."""

import os
import statistics
import tempfile
import time
from collections import Counter, defaultdict

import numpy as np
import pytest

seconds = Counter()
slowness = defaultdict(list)  # notebook → measured at its start and at its end
# What `reference` gives on the two quiet cores that the budget is meant for: a tenth of the median of 12 times ten
# products, on the machine that every time in this book comes from. Other work on it makes it up to twice as slow, and
# the notebooks with it.
REFERENCE_SECONDS, PRODUCTS = 0.081, 3
# One unchanged notebook took 81 s and, in another run with nothing else at work, 99: a fourth more is no change.
# The committed run of each chapter is held to the bare budget by `test_book`.
NOISE = 1.25
# Two notebooks at a time, as in `make test`, take up to twice as long each with a core of their own, and the short
# reference, which wants all cores, longer still. Beyond this factor no excuse is taken, so that the budget stays one.
SLOWEST = 2.5


def pytest_addoption(parser):
    """Let the budget be changed: pytest -p tools.nbval_budget --notebook-seconds 60."""
    about = "time budget of a notebook, on the machine that `REFERENCE_SECONDS` is of"
    parser.addoption("--notebook-seconds", type=float, default=90, help=about)


def pytest_configure(config):
    """Let the chapters that one process runs, one after the other, share what they compile, on cores of their own.

    A reader's kernel has no such help: the committed run of each chapter, which has none either, is held to the bare
    budget by `test_book`. Two processes share nothing: who met an entry half written would say so below a cell.
    """
    runs_chapters = hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)
    if runs_chapters and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        config.compiled = tempfile.TemporaryDirectory(prefix="jax-")
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.compiled.name
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    known, keep = (getattr(os, f"sched_{what}affinity", None) for what in ("get", "set"))  # on Linux alone
    if hasattr(config, "workerinput") and keep:
        keep(0, share(sorted(known(0)), config.workerinput))


def share(cores, worker):
    """Return the cores of one of pytest-xdist's processes, which its kernels inherit.

    The threads of two chapters on the same two cores wait for each other: four chapters took 119 s, and 106 s so.
    """
    number, count = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
    return cores[number % len(cores) :: count]


def pytest_unconfigure(config):
    """Remove what was compiled."""
    if hasattr(config, "compiled"):
        config.compiled.cleanup()
        del os.environ["JAX_COMPILATION_CACHE_DIR"]


def reference():
    """Return the seconds of a product of matrices, 2000 × 2000, on all cores."""
    matrix, start = np.full((2000, 2000), 1e-3, "float32"), time.perf_counter()
    for _ in range(PRODUCTS):
        matrix = matrix @ matrix / 2
    return (time.perf_counter() - start) / PRODUCTS


def allowed(config, name):
    """Return the seconds a notebook may take here: the budget, more for noise and for a machine that was slow."""
    factor = min(max(1, statistics.mean(slowness[name])), SLOWEST)
    return config.getoption("notebook_seconds") * NOISE * factor


class Budget(pytest.Item):
    """A test after a notebook's last cell; what it did until then is its time, kernel start included."""

    def runtest(self):
        """Fail when the notebook took longer than --notebook-seconds."""
        slowness[notebook(self)].append(reference() / REFERENCE_SECONDS)
        used, budget = seconds[notebook(self)], allowed(self.config, notebook(self))
        if used > budget:
            pytest.fail(f"{notebook(self)} took {used:.1f} s, its budget is {budget:.0f} s", pytrace=False)

    def reportinfo(self):
        """Name this test in reports."""
        return self.path, None, "time budget"


def notebook(node):
    """Return the notebook's path, as pytest names it, of an item or a report."""
    return node.nodeid.split("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put a `Budget` after the last cell of each notebook."""
    last = {notebook(item): item for item in items}
    for item in last.values():
        items.insert(items.index(item) + 1, Budget.from_parent(item.parent, name="time-budget"))


def pytest_runtest_logstart(nodeid):
    """Measure the machine before a notebook's first cell."""
    name = nodeid.split("::")[0]
    if not slowness[name]:
        slowness[name].append(reference() / REFERENCE_SECONDS)


def pytest_runtest_logreport(report):
    """Add one phase of one cell to its notebook's time."""
    seconds[notebook(report)] += report.duration


def pytest_terminal_summary(terminalreporter, config):
    """Print the notebooks' times."""
    budget = config.getoption("notebook_seconds")
    terminalreporter.section(f"notebook times (budget {budget:g} s)")
    for name, used in seconds.items():
        terminalreporter.line(f"{used:7.1f} s of {allowed(config, name):3.0f}  {name}")
