"""Run the chapters on this machine's accelerator and write down which of their claims fail there, then the benchmark.

Usage: python -m tools.gpu [book/gans/broken_loop ...]      (none: what has no result yet)

The result is ``experiments/results/gpu.json``, and the executed pages lie in ``experiments/runs/gpu/``. The book's own
notebooks are not written. The chapters that took longest in them are started first. A run that was killed goes on where
it was, with the chapters that had ended kept.

`python -m tools.needs` prints what a machine lacks for it, one requirement a line. Without an index, bring the packages
as wheels: ``pip download -r lacks.txt --dest wheels --only-binary=:all: --python-version 3.12`` on a machine that has
one, and ``pip install --no-index --find-links wheels -r lacks.txt`` there. The JAX, NumPy and PyTorch that are there
may stay, if they are new enough.
"""

import argparse
import asyncio
import contextlib
import functools
import math
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

from experiments.harness import record
from helpers import claims
from tools import needs
from tools.execute import SECONDS_PER_CELL, read_source
from tools.pages import ROOT, digest, notebooks

FAILED_MIME = "application/vnd.book.failed-claim+json"
PAGES = ROOT / "experiments" / "runs" / "gpu"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# In a cell of its own before the chapter's first, so that the chapter itself needs no change.
WATCH = "from tools import gpu as _gpu\n_gpu.watch_claims()"
# Several kernels share one GPU, of which JAX would give the first three quarters; and tuning the products of a dozen
# processes at once took ten minutes.
SHARING = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_FLAGS": "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false",
}


def watch_claims():
    """Make `claims.check` show a claim that fails and go on, in the kernel of a chapter."""
    check = claims.check

    @functools.wraps(check)
    def watched(name, value, **options):
        try:
            return check(name, value, **options)
        except AssertionError as error:
            kept = {key: options.get(key) for key in ("at_most", "at_least", "unit")}
            bounds = {key: float(bound) if key != "unit" else bound for key, bound in kept.items() if bound is not None}
            failed = {"name": name, "value": float(value), **bounds, "stated_as_met": bool(options.get("met", True))}
            claims.display({"text/plain": f"FAILS: {error}", FAILED_MIME: failed}, raw=True)
            return value

    # `claims.compare` looks it up in its module too.
    claims.check = watched


def kernel_environment():
    """Return the environment variables of a chapter's kernel."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**SHARING, **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def make_client(path):
    """Return a client of a fresh kernel that runs a chapter from its .md, whatever its cells raise."""
    notebook = read_source(path.with_suffix(".md"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WATCH))
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        allow_errors=True,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        on_notebook_start=free_signals,
    )
    # Without folders of kernels the kernel is this very Python, whether it is registered with Jupyter or not.
    client.km = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    return client


def free_signals(**_):
    """Undo nbclient's handlers, by which Ctrl-C would stop one kernel of several and not the run."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has none
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


async def run_chapter(path, deadline=math.inf):
    """Run a chapter to its end, whatever fails in it.

    Parameters
    ----------
    path : Path
        Its ``.md``, with or without the suffix.
    deadline : float, default=inf
        When to kill it, by the clock of the running event loop.

    Returns
    -------
    dict or None
        What `describe` says, its seconds and the digest of its text; None for one that was killed.
    """
    source = digest(path)  # as it is now; it may be edited before the end
    client, start, broken = make_client(path), time.perf_counter(), []
    try:
        async with asyncio.timeout_at(None if deadline == math.inf else deadline) as limit:
            await client.async_execute(env=kernel_environment())
    except Exception as error:  # whatever it is, the other chapters go on
        if limit.expired():  # nbclient reports its cancelled cell as a dead kernel, not as a TimeoutError
            return None
        broken = [{"cell": "the kernel", "error": f"{type(error).__name__}: {error}".strip()}]
    finally:
        save_page(path, client.nb)
    found = describe(client.nb)
    seconds = round(time.perf_counter() - start, 1)
    return {"source": source, "seconds": seconds, **found, "errors": found["errors"] + broken}


def save_page(path, notebook):
    """Keep what a chapter showed, for whoever wants to know why something failed."""
    PAGES.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, PAGES / f"{path.parent.name}_{path.stem}.ipynb")


def describe(notebook):
    """Return what an executed chapter claimed and raised.

    Returns
    -------
    dict
        ``claims``, the values that kept their bounds by name; ``failed``, a list of those that did not;
        ``errors``, a list of what else went wrong; ``peak_memory_gib``, None where it was
        not reported.
    """
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    held, failed, runs = (
        [output.data[mime] for output in shown if mime in output.get("data", {})]
        for mime in (claims.CLAIM_MIME, FAILED_MIME, claims.RUN_MIME)
    )
    errors = [error for cell in notebook.cells for error in errors_of(cell)]
    peak = runs[-1]["peak_memory_gib"] if runs else None
    values = {claim["name"]: claim["value"] for claim in held}
    return {"claims": values, "failed": failed, "errors": errors, "peak_memory_gib": peak}


def errors_of(cell):
    """List what a cell raised that was not to raise: the cell's first line, and the error's."""
    if "raises-exception" in cell.metadata.get("tags", []):
        return []
    raised = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    lines = [COLOUR.sub("", f"{output.ename}: {output.evalue}").splitlines()[0] for output in raised]
    return [{"id": cell.id, "cell": cell.source.splitlines()[0], "error": line} for line in lines]


async def run_all(names, jobs, seconds, ended):
    """Run chapters side by side.

    Parameters
    ----------
    names : list of str
        The chapters, in the order in which they are started.
    jobs : int
        How many run at a time.
    seconds : float
        When this long has passed, no chapter is started, and those that run are killed.
    ended : callable
        Called with the name and the result of `run_chapter` as soon as a chapter ends, None for one that was killed or
        not started.
    """
    deadline, free = asyncio.get_running_loop().time() + seconds, asyncio.Semaphore(jobs)

    async def run_one(name):
        async with free:
            late = asyncio.get_running_loop().time() >= deadline
            ended(name, None if late else await run_chapter(Path(name), deadline))

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(run_one(name))


class Result:
    """What is known of every chapter on this machine, written down whenever a chapter ends.

    Parameters
    ----------
    name : str
        The result's name in ``experiments/results``. One of another device or of other versions is written over.
    values : bool, default=True
        Keep the values of the claims that hold, too, and not only how many there are.
    """

    def __init__(self, name, values=True):
        self.name, self.values, self.chapters, self.unfinished, self.benchmark = name, values, {}, [], {}
        with contextlib.suppress(FileNotFoundError):
            old, now = record.read(name), claims.run_record()
            if all(old["conditions"][key] == now[key] for key in ("device", "versions")):
                self.chapters, self.unfinished = old["chapters"], old["not_finished"]
                self.benchmark = old.get("benchmark", {})

    def lacks(self, name):
        """Say whether a chapter has no result, or one of an older text."""
        return self.chapters.get(name, {}).get("source") != digest(name)

    def expect(self, names):
        """Write down that these chapters are to be run, so that a run killed at any moment has named them."""
        self.unfinished = list(dict.fromkeys([*self.unfinished, *names]))
        for name in names:
            self.chapters.pop(name, None)
        self.write()

    def add(self, name, found):
        """Write one chapter down, and print a line about it."""
        if found:
            self.chapters[name] = {"held": len(found["claims"]), **found}
            if not self.values:
                del self.chapters[name]["claims"]
            self.unfinished.remove(name)
            self.write()
        print(f"{name}: {in_words(found)}", flush=True)

    def write(self):
        """Write ``results/NAME.json``."""
        parts = {"benchmark": self.benchmark} if self.benchmark else {}
        record.write(self.name, not_finished=self.unfinished, chapters=self.chapters, **parts)

    def measure(self, deadline, rehearse):
        """Measure the benchmark's rows, and write them down; of a rehearsal only which could run."""
        from experiments.bench import accelerator, run  # it imports Keras, which no kernel needs to do for this module

        small = {"together": False, "steps": 2, "rounds": 1} if rehearse else {}
        rows = accelerator.measure(deadline=deadline, **small)
        if rehearse:
            rows = {case: {peer: that_ran(forms) for peer, forms in peers.items()} for case, peers in rows.items()}
        self.benchmark = {"machine": run.machine(), "rows": rows}
        self.write()

    def faults(self):
        """Return how many claims fail, how many errors came otherwise and how many chapters did not end."""
        counts = Counter({"not_finished": len(self.unfinished)})
        for chapter in self.chapters.values():
            counts.update({key: len(chapter[key]) for key in ("failed", "errors")})
        return counts


def that_ran(forms):
    """List the forms of a peer's row that were measured; of one that could not run there is the reason alone."""
    return [form for form, row in forms.items() if "failed" not in row]


def longest_first(names):
    """Return names of chapters, the one that took longest in its committed notebook first."""

    def took(name):
        """Return its seconds, or 0."""
        path = Path(name).with_suffix(".ipynb")
        cells = nbformat.read(path, as_version=4).cells if path.exists() else []
        shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        return max((data[claims.RUN_MIME]["seconds"] for data in shown if claims.RUN_MIME in data), default=0)

    return sorted(names, key=took, reverse=True)


def in_words(found):
    """Say how a chapter ended."""
    if not found:
        return "not finished"
    lines = [f"{found['seconds']:.0f} s, {len(found['claims'])} claims hold, {len(found['failed'])} fail"]
    for claim in found["failed"]:
        bounds = [f"{key} {claim[key]:g}" for key in ("at_most", "at_least") if key in claim]
        lines += [f"    {claim['name']} = {claim['value']:.6g}, {' and '.join(bounds)}"]
    lines += [f"    {error['error']}   in the cell {error['cell']!r}" for error in found["errors"]]
    return "\n".join(lines)


def result_name(parser, rehearse):
    """Return the name of the result, or end with a message: without a GPU nothing is to look like a GPU's result."""
    import jax

    if missing := needs.lacking([each for each in needs.requirements() if each not in needs.BENCH]):
        parser.error(f"not installed, or too old: {', '.join(missing)}")
    if rehearse:
        return rehearse
    if jax.default_backend() == "cpu":
        parser.error("JAX sees no accelerator here; --rehearse writes gpu_rehearsal.json")
    return "gpu"


def read_options(arguments):
    """Return the command line's options, and the parser for what turns out to be wrong later."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="such as book/gans/broken_loop; these alone are run, and again")
    half = max(1, len(record.cores()) // 2)
    parser.add_argument("--jobs", type=int, default=half, help="chapters at a time; by default half of the cores")
    parser.add_argument("--limit-seconds", type=float, default=math.inf, help="kill what still runs after this long")
    parser.add_argument("--no-benchmark", action="store_true", help="run the chapters alone")
    where = dict(nargs="?", const="gpu_rehearsal", metavar="RESULT", help="run wherever JAX runs, with another result")
    parser.add_argument("--rehearse", **where)
    return parser.parse_args(arguments), parser


def main(arguments=None):
    """Run the named chapters, or all that lack a result; the exit code is 1 unless all ended and all claims hold."""
    options, parser = read_options(arguments)
    for name, value in SHARING.items():
        os.environ.setdefault(name, value)  # in this process too, and in those of the benchmark
    end = time.monotonic() + options.limit_seconds
    result = Result(result_name(parser, options.rehearse), values=not options.rehearse)
    names = [Path(name).with_suffix("").as_posix() for name in options.chapters or notebooks()]
    names = longest_first([name for name in names if options.chapters or result.lacks(name)])
    result.expect(names)
    asyncio.run(run_all(names, options.jobs, options.limit_seconds, result.add))
    if not (options.chapters or options.no_benchmark or result.benchmark) and time.monotonic() < end:
        result.measure(end, options.rehearse)
    faults = result.faults()
    print(", ".join(f"{key.replace('_', ' ')}: {faults[key]}" for key in ("failed", "errors", "not_finished")))
    return int(faults.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
