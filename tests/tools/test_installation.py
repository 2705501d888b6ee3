"""Installed as the bootstrap cell installs it, not editable, the book finds all it needs inside its package."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.tools.figure_classes import FIGURES
from tools.pages import ROOT, notebooks

# What of the clone the package is made of; everything else could as well not be there.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text", "helpers", "experiments/results")
OPENING = 5  # code cells; a first read after them comes after a training, and counts among the reads
BEGINS = re.compile(r"\bplots\.use_style\(|\bload_mnist\(|\bresults\.\w+\(")
CHAPTERS = [path.with_suffix("").as_posix() for path in notebooks()]


def cells(chapter):
    """Return the sources of a chapter's code cells."""
    book = nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4)
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


def opening(sources):
    """Return the first cells, up to the last of the first five that sets the style, loads data or reads a result."""
    return sources[: max(i for i, source in enumerate(sources[:OPENING], start=1) if BEGINS.search(source))]


def reads(source):
    """Return the calls of `results` in a cell that name what they read in full."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    ours = [call for call in calls if re.match(r"results\.\w+\(", ast.unparse(call))]
    return [ast.unparse(call) for call in ours if all(isinstance(argument, ast.Constant) for argument in call.args)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what the package is made of, for pip builds it in place; without what is only there now and then."""
    folder = tmp_path_factory.mktemp("source")
    passing = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.partial*")
    for name in SOURCES:
        (folder / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=passing)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def package(source, tmp_path_factory):
    """The folder that pip has installed the package into."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--target", target]
    subprocess.run([*pip, *options, source], check=True)
    return target


@pytest.fixture(scope="module")
def report(package, tmp_path_factory):
    """What became of the figures, of the chapters' first cells and of all reads of results, far from any clone."""
    folder = tmp_path_factory.mktemp("anywhere")
    tasks, found = folder / "tasks.json", folder / "report.json"
    calls = sorted({call for chapter in CHAPTERS for source in cells(chapter) for call in reads(source)})
    openings = {chapter: opening(cells(chapter)) for chapter in CHAPTERS}
    tasks.write_text(json.dumps({"openings": openings, "reads": calls}), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(package), "MPLBACKEND": "agg"}
    command = [sys.executable, Path(__file__).with_name("installed.py"), tasks, found]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return json.loads(found.read_text(encoding="utf-8"))


def below(folder):
    """Return the files below a folder, by their names relative to it."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_the_package_holds_every_file_of_helpers_and_every_result(source, package):
    installed, stored = package / "helpers", below(source / "experiments/results")
    assert below(installed) == below(source / "helpers") | {Path("stored") / name for name in stored}
    assert len(stored) > 60


def test_the_installed_package_is_what_was_imported(package, report):
    assert Path(report["helpers"]) == package / "helpers" / "__init__.py"
    assert report["experiments"] == "None"


@pytest.mark.parametrize("name", [figure.__name__ for figure in FIGURES])
def test_every_figure_can_be_made(report, name):
    assert report["figures"][name] == ""


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_begins(report, chapter):
    assert report["openings"][chapter] == ""


def test_every_result_of_the_chapters_is_there(report):
    assert len(report["reads"]) > 20
    assert {call: error for call, error in report["reads"].items() if error} == {}
