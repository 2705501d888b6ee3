"""What the cells of the notebooks are made of: ideas in some, claims and plots in others."""

import ast
import functools
import json
import re
from collections import Counter

import pytest

from tools.pages import ROOT, notebooks

PLOTTING = {"plots", "plt", "mpl", "fig", "ax", "axes"}
FOLDED = {"claim", "hide-input"}  # tags of cells that a page shows small, or folds away


@functools.cache
def cells(path):
    """List source and tags of each code cell that Python can read; some fail on purpose."""
    book = json.loads((ROOT / path).read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    found = [("".join(cell["source"]), set(cell["metadata"].get("tags", []))) for cell in code]
    return [(source, tags) for source, tags in found if "raises-exception" not in tags]


@pytest.mark.parametrize("path", notebooks(), ids=str)
def test_no_cell_reads_files_beside_the_book(path):
    """A reader's copy lies elsewhere, and on Colab there is nothing above it; helpers know where their files are."""
    assert [source for source, _ in cells(path) if re.search(r"""["']\.\./""", source)] == []


def root(node):
    """Return the name that an expression such as ``axes[0].legend`` begins with."""
    while not isinstance(node, ast.Name) and (inner := getattr(node, "value", None) or getattr(node, "func", None)):
        node = inner
    return getattr(node, "id", "")


def kind(statement):
    """Say what a statement does, by what it calls; a block counts as one kind."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "import"
    called = {root(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)}
    return "claim" if "claims" in called else "plot" if called & PLOTTING else "idea"


def lines(source):
    """Return kind → lines of code, without blank ones and comments."""
    counts, rows = Counter(), source.split("\n")
    for statement in ast.parse(source).body:
        first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])
        code = [row.strip() for row in rows[first - 1 : statement.end_lineno]]
        counts[kind(statement)] += sum(bool(row) and not row.startswith("#") for row in code)
    return counts


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy as np\nx = 1", {"import": 1, "idea": 1}),
        ("for name in 'ab':\n    # why\n    y = 2\n\n    claims.glue(name, y)", {"claim": 3}),
        ("axes[0].legend();", {"plot": 1}),
        ("@jax.jit\ndef f(x):\n    return x", {"idea": 3}),
    ],
)
def test_statements_are_classed_by_what_they_call(source, expected):
    assert lines(source) == expected


def test_cells_to_read_hold_ideas():
    counts = Counter()
    for path in notebooks():
        for source, tags in cells(path):
            if not tags & FOLDED:
                counts += lines(source)
    assert counts["idea"] / counts.total() >= 0.85


@pytest.mark.parametrize("path", notebooks(), ids=str)
def test_a_cell_marked_as_claim_makes_one(path):
    for source, tags in cells(path):
        assert "claim" not in tags or "claim" in lines(source) or "compare(" in source or "against(" in source, source


@pytest.mark.parametrize("path", notebooks(), ids=str)
def test_no_name_is_bound_to_hide_an_output(path):
    read = {node.id for source, _ in cells(path) for node in ast.walk(ast.parse(source)) if is_read(node)}
    for source, _ in cells(path):
        for last in ast.parse(source).body[-1:]:
            if isinstance(last, ast.Assign) and root(last.value) in {"claims", *PLOTTING}:
                bound = {node.id for node in ast.walk(last) if isinstance(node, ast.Name) and not is_read(node)}
                assert bound & read, source


def is_read(node):
    """Return whether a node is a name whose value is used."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
