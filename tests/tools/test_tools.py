"""The tools on books of a few cells: what they make, and what they refuse."""

import os

import jupytext
import nbformat
import pytest
from nbformat import v4

from tools import nbval_budget
from tools.execute import edited_notebook, normalise, read_source, refresh, write
from tools.pages import notebooks, pages
from tools.sphinx_book import CLAIM, RUN, gather

TOC = """
format: jb-book
root: book/index
parts:
  - caption: First
    chapters:
      - file: book/one.ipynb
        sections: [{file: book/two.ipynb}]
"""


@pytest.fixture
def book(tmp_path):
    """An empty book of two chapters."""
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "book").mkdir()
    return tmp_path


def chapter(path, *sources):
    """Write a chapter's .md of code cells; return the path of its .ipynb."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(notebook, path.with_suffix(".md"), fmt="md:myst")
    return path.with_suffix(".ipynb")


def executed(path, *bundles):
    """Write a notebook whose cells show these mime bundles."""
    outputs = [[v4.new_output("display_data", data=bundle)] for bundle in bundles]
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(outputs=output) for output in outputs]), path)


def test_pages_are_in_reading_order(book):
    assert [str(page) for page in pages(book)] == ["book/index.md", "book/one.ipynb", "book/two.ipynb"]
    assert [str(page) for page in notebooks(book)] == ["book/one.ipynb", "book/two.ipynb"]


def test_cell_ids_depend_on_the_cell_alone(book):
    one = chapter(book / "book/one", "x = 1", "x", "x")
    two = chapter(book / "book/two", "import os", "x = 1", "x", "x")
    ids, more = ([cell.id for cell in read_source(path.with_suffix(".md")).cells] for path in (one, two))
    assert len(set(ids)) == 3
    assert more[1:] == ids


def test_normalise_removes_what_differs_between_runs():
    noisy = "<object at 0x7f12ab34> /room/ipykernel_12/345.py:4: ~/env/lib/python3.11/site-packages/keras/a.py"
    notebook = v4.new_notebook(cells=[v4.new_code_cell(outputs=[v4.new_output("stream", text=noisy)])])
    text = nbformat.reads(normalise(notebook), as_version=4).cells[0].outputs[0].text
    assert text == "<object at 0x…> <cell>:4: keras/a.py"


def test_normalise_numbers_widgets_and_their_references():
    name = "0123456789abcdef0123456789abcdef"
    state = {"state": {name: {"state": {"layout": f"IPY_MODEL_{name}"}}}}
    notebook = v4.new_notebook(metadata={"widgets": {"application/vnd.jupyter.widget-state+json": state}})
    text = normalise(notebook)
    assert name not in text
    assert f"IPY_MODEL_{1:032x}" in text


@pytest.mark.filterwarnings("default")  # jupyter_client's own
def test_executing_twice_gives_the_same_bytes(book):
    path = chapter(book / "book/one", "print(object())", "import sys; print(1, file=sys.stderr)", "{'a': 1}")
    assert refresh(path) is None
    first = path.read_bytes(), path.with_suffix(".md").read_bytes()
    assert refresh(path) is None
    assert (path.read_bytes(), path.with_suffix(".md").read_bytes()) == first


@pytest.mark.filterwarnings("default")
def test_failing_cell_is_named_and_nothing_written(book):
    path = chapter(book / "book/one", "1", "int('x')", "2")
    assert "code cell 2 of 3" in refresh(path)
    assert not path.exists()


def test_newer_edit_in_the_notebook_is_not_overwritten(book):
    path = chapter(book / "book/one", "1")
    notebook = read_source(path.with_suffix(".md"))
    notebook.cells[0].source = "2"
    write(path, normalise(notebook))
    os.utime(path.with_suffix(".md"), (0, 0))
    assert edited_notebook(path)
    assert "jupytext --to md:myst" in refresh(path)


def test_an_edit_made_while_it_runs_is_not_overwritten(book):
    path = chapter(book / "book/one", f"open({str((book / 'book/one.md').absolute())!r}, 'a').write('more')")
    assert "was edited while it ran" in refresh(path)
    assert not path.exists()
    assert path.with_suffix(".md").read_text(encoding="utf-8").endswith("more")


def test_claims_carry_their_chapters_run(book):
    executed(book / "book/one.ipynb", {CLAIM: {"name": "a", "value": 1}}, {RUN: {"seconds": 3, "peak_memory_gib": 1}})
    executed(book / "book/two.ipynb", {CLAIM: {"name": "b", "value": 2}}, {RUN: {"seconds": 4, "peak_memory_gib": 1}})
    one, two = gather(book)[0]
    assert one == {"name": "a", "value": 1, "chapter": "book/one", "seconds": 3}
    assert two["chapter"] == "book/two"
    assert gather(book)[1] == []


def test_claim_made_twice_and_missing_report_are_problems(book):
    executed(book / "book/one.ipynb", {CLAIM: {"name": "a", "value": 1}}, {RUN: {}})
    executed(book / "book/two.ipynb", {CLAIM: {"name": "a", "value": 2}})
    assert gather(book)[1] == [
        "book/two.ipynb: 0 outputs of claims.report(), expected 1",
        "claim 'a' is made 2 times",
    ]


@pytest.mark.parametrize(
    ("cores", "count", "shares"),
    [([0, 1], 2, [[0], [1]]), ([0, 1, 2, 3], 2, [[0, 2], [1, 3]]), ([4], 2, [[4], [4]]), ([0, 1], 3, [[0], [1], [0]])],
)
def test_each_process_that_runs_chapters_has_cores_of_its_own(cores, count, shares):
    workers = [{"workerid": f"gw{number}", "workercount": count} for number in range(count)]
    assert [nbval_budget.share(cores, worker) for worker in workers] == shares
