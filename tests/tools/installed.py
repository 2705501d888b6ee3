"""Run by test_installation.py in a process of its own: the installed book, where no clone is to be found.

python installed.py TASKS REPORT      (two JSON files: the cells to run, and what became of them)
"""

import contextlib
import functools
import importlib.util
import io
import json
import sys
import traceback
from pathlib import Path

CLONE = Path(__file__).parents[2]


def hide_clone():
    """Take away what an editable installation in the environment adds to find the clone by."""
    sys.path[:] = [folder for folder in sys.path if "__editable__" not in folder and Path(folder).resolve() != CLONE]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]


def failure(work):
    """Return what a piece of work raised, as text that names the line, or nothing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            work()
    except Exception:
        return traceback.format_exc()
    return ""


def run(cells):
    """Execute a chapter's cells, one after the other."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells, start=1):
        exec(compile(cell, f"<code cell {number}>", "exec"), names)


def make(figure):
    """Make an interactive figure, with all that a page would hold of it."""
    state = figure().get_state()
    assert state["_esm"]
    assert state["alt"]


def main(tasks, report):
    """Do the tasks and write the report."""
    hide_clone()
    from figure_classes import FIGURES  # beside this file; it imports nothing of the clone

    import helpers
    from helpers import datasets, results

    # Most chapters begin with one of these: the first reads the package's file, the others get what it has read.
    for name in ("load_mnist", "load_mnist_bytes", "load_emoji"):
        setattr(datasets, name, functools.cache(getattr(datasets, name)))
    tasks = json.loads(Path(tasks).read_text(encoding="utf-8"))
    found = {
        "helpers": helpers.__file__,
        "experiments": str(importlib.util.find_spec("experiments")),
        "figures": {figure.__name__: failure(lambda figure=figure: make(figure)) for figure in FIGURES},
        "openings": {name: failure(lambda cells=cells: run(cells)) for name, cells in tasks["openings"].items()},
        "reads": {call: failure(lambda call=call: eval(call, {"results": results})) for call in tasks["reads"]},
    }
    Path(report).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
