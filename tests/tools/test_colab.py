"""The run in Colab's versions, on notebooks of a few cells: what git and the kernel are told, and what is said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from tools import bootstrap, colab
from tools.pages import ROOT, notebooks

PATH = Path("book/gans/math.ipynb")


@pytest.fixture
def house(tmp_path):
    """A folder for everything, whose interpreter is this one."""
    house = tmp_path / "house"
    (house / "bin").mkdir(parents=True)
    # A link would not find this environment's packages.
    colab.python(house).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    colab.python(house).chmod(0o755)
    (house / "content").mkdir()
    return house


@pytest.fixture
def edition(tmp_path):
    """A function that writes an edition of one chapter, whose first cell is stood in for unless it is left out."""

    def write(*sources, first="'the book is here'"):
        cells = [v4.new_code_cell(source) for source in sources]
        start = f"# {bootstrap.repository() or colab.ADDRESS}\n{first}"
        path = tmp_path / "edition" / "gans" / "math.ipynb"
        path.parent.mkdir(parents=True)
        beginning = [v4.new_code_cell(start, id="bootstrap")] if first else []
        nbformat.write(v4.new_notebook(cells=[*beginning, *cells]), path)
        return path.parents[1]

    return write


def test_notebooks_are_found_in_reading_order_below_book_or_not(edition, tmp_path):
    folder = edition("1")
    assert colab.find([], folder) == {PATH: folder / "gans/math.ipynb"}
    assert colab.find(["gans/math"], folder) == colab.find(["book/gans/math.ipynb"], folder)
    assert list(colab.find([], ROOT)) == notebooks()
    with pytest.raises(ValueError, match="no such chapter: gans/none"):
        colab.find(["gans/none", "gans/math"], folder)
    with pytest.raises(ValueError, match="no such notebooks"):
        colab.find([], tmp_path / "nowhere")


@pytest.mark.parametrize("first", ["'here'", None])
def test_every_notebook_has_the_cell_and_its_address(edition, first, monkeypatch):
    monkeypatch.delenv(bootstrap.SETTING, raising=False)
    notebook, address = colab.read(PATH, edition("1", first=first) / "gans/math.ipynb")
    assert address == colab.ADDRESS
    assert [cell.id == "bootstrap" for cell in notebook.cells] == [True, False]
    assert address in notebook.cells[0].source


def test_git_takes_the_address_from_the_working_tree_as_it_stands(house, tmp_path):
    tree = tmp_path / "tree"
    (tree / ".git").mkdir(parents=True)
    (tree / "a.txt").write_text("not committed", encoding="utf-8")
    (tree / ".gitignore").write_text("left\n", encoding="utf-8")
    (tree / "left").touch()
    colab.make_origin(house, tree)
    clone = ["git", "clone", "--quiet", "--depth=1", colab.ADDRESS, "got"]
    subprocess.run(clone, cwd=house / "content", env=colab.environment(colab.ADDRESS, house), check=True)
    assert {path.name for path in (house / "content/got").iterdir()} == {".git", ".gitignore", "a.txt"}
    assert list((tree / ".git").iterdir()) == []


def test_the_kernel_is_told_nothing_of_this_environment(house, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    given = colab.environment(colab.ADDRESS, house)
    assert not [name for name in given if name.startswith(("PYTHON", "JAX_"))]
    assert given["PATH"].split(os.pathsep)[0] == str(house / "bin")


@pytest.mark.filterwarnings("default")  # a kernel is started
def test_a_chapter_runs_in_the_empty_folder_whatever_a_cell_raises(house, edition):
    folder = edition("import os; os.listdir()", "1 / 0", "import sys; print('red', file=sys.stderr)", "2")
    found = colab.run(PATH, folder / "gans/math.ipynb", house)
    assert found["errors"] == ["ZeroDivisionError: division by zero   in the cell '1 / 0'"]
    assert found["warnings"] == ["red"]
    cells = nbformat.read(house / "executed" / PATH, as_version=4).cells
    assert [cell.outputs[0].data["text/plain"] for cell in (cells[1], cells[4])] == ["[]", "2"]


def test_words():
    found = {"seconds": 41.2, "peak": 0.834, "errors": [], "warnings": []}
    assert colab.in_words(PATH, found) == "book/gans/math.ipynb: 41 s, 0.83 GiB, OK"
    wrong = colab.in_words(PATH, found | {"peak": None, "errors": ["E: e"], "warnings": ["w"]})
    assert wrong == "book/gans/math.ipynb: 41 s, memory unknown, FAILED\n    E: e\n    stderr: w"


def test_exit_code_and_the_run_that_goes_on(edition, monkeypatch, capsys):
    found = {"seconds": 1, "peak": 1, "errors": [], "warnings": []}
    made = []
    monkeypatch.setattr(colab, "run", lambda path, file: found)
    monkeypatch.setattr(colab, "make_environment", lambda: made.append("environment"))
    monkeypatch.setattr(colab, "make_origin", lambda: made.append("origin"))
    folder = str(edition("1"))
    assert colab.main(["--edition", folder, "--keep"]) == 0
    assert made == []
    found["errors"] = ["E"]
    assert colab.main(["--edition", folder]) == 1
    assert made == ["environment", "origin"]
    assert "0 of 1 chapters ran to their end" in capsys.readouterr().out


def test_versions_are_exact_and_as_old_as_the_book_allows():
    lines = [line for line in colab.VERSIONS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    versions = dict(line.split("==") for line in lines)
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in versions.values())
    assert versions["ipython"].startswith("7.34")
    assert {"ipykernel", "ipywidgets", "anywidget", "matplotlib", "numpy", "scipy", "scikit-learn"} <= versions.keys()
