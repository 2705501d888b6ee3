"""The cell that gets the book: what it runs where the book is missing, and that it does nothing here."""

import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import v4

from tools.bootstrap import (
    BRANCH,
    CELL,
    PACKAGE,
    SETTING,
    pins,
    repository,
    site,
    with_bootstrap,
    write_environment,
)
from tools.pages import ROOT

ADDRESS = "https://github.com/someone/a-book"
PATH = Path("book/gans/math.ipynb")


def cell(path=PATH):
    """Return the cell of a notebook of a heading and one code cell."""
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), v4.new_code_cell("1")])
    return with_bootstrap(notebook, path, ADDRESS).cells[1].source


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """A list that fills with what the cell runs, in an empty folder."""
    run, found = [], importlib.util.find_spec("helpers")

    def pretend(command, check):
        """Note the command; a clone brings the book's folders, an installation the package."""
        run.append(command)
        if command[0] == "git":
            (Path(command[-1]) / PATH.parent).mkdir(parents=True)
        else:
            monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", pretend)
    return run


def test_it_does_nothing_where_the_book_is(commands, tmp_path, capfd):
    exec(cell(), {})
    assert commands == []
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("gpu", [None, "/usr/bin/nvidia-smi"])
@pytest.mark.parametrize("spec", [None, importlib.machinery.ModuleSpec("helpers", None, is_package=True)])
def test_it_gets_the_book_and_goes_to_the_chapters_folder(commands, tmp_path, monkeypatch, gpu, spec):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)  # nothing, or a folder without an __init__.py
    monkeypatch.setattr("shutil.which", lambda name: gpu)
    exec(cell(), {})
    clone, install = commands
    assert clone == ["git", "clone", "--quiet", "--depth=1", ADDRESS, str(tmp_path / "a-book")]
    assert install[1:5] == ["-m", "pip", "install", "--quiet"]
    assert install[5:] == [str(tmp_path / "a-book") + ("[cuda]" if gpu else ""), *pins()]
    assert Path.cwd() == tmp_path / "a-book/book/gans"


def test_after_a_restart_it_only_goes_to_the_folder(commands, tmp_path):
    (tmp_path / "a-book/book/gans").mkdir(parents=True)
    exec(cell(), {})
    exec(cell(), {})
    assert commands == []
    assert Path.cwd() == tmp_path / "a-book/book/gans"


def test_after_an_installation_that_failed_it_does_not_clone_again(commands, tmp_path, monkeypatch):
    (tmp_path / "a-book/book/gans").mkdir(parents=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(cell(), {})
    assert [command[1:3] for command in commands] == [["-m", "pip"]]
    assert Path.cwd() == tmp_path / "a-book/book/gans"


@pytest.mark.parametrize("name", ["helpers/__init__.py", "helpers.py"])
@pytest.mark.parametrize("cloned", [True, False])
def test_another_package_of_that_name_is_named(commands, tmp_path, monkeypatch, name, cloned):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    if cloned:
        (tmp_path / "a-book/book/gans").mkdir(parents=True)
    monkeypatch.delitem(sys.modules, "helpers")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=rf"helpers: got {tmp_path / name}, expected the book's package .* Rename it"):
        exec(cell(), {})
    assert commands == []
    assert Path.cwd() == tmp_path


def test_it_is_short_and_pins_what_must_be_new():
    assert len(CELL.splitlines()) <= 25
    assert [re.sub("=.*", "", pin) for pin in pins()] == ["jax", "keras", "optuna"]


def test_environment_beside_the_notebooks_gets_the_book(tmp_path):
    write_environment(tmp_path, ADDRESS)
    lines = (tmp_path / "environment.yml").read_text(encoding="utf-8").splitlines()
    assert f"      - {PACKAGE}[book] @ git+{ADDRESS}" in lines
    assert not any("-e ." in line for line in lines)
    assert (tmp_path / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()
    assert f'name = "{PACKAGE}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", ["someone/a-book", "https://example.org/a/b", "https://github.com/someone"])
def test_setting_that_is_no_address_is_an_error(monkeypatch, given):
    monkeypatch.setenv(SETTING, given)
    with pytest.raises(ValueError, match=f"{SETTING}: '{given}' is no address"):
        repository()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (ADDRESS, "https://someone.github.io/a-book/"),
        ("https://github.com/Some-One/some-one.github.io", "https://some-one.github.io/"),
    ],
)
def test_address_of_the_pages(address, shown):
    assert site(address) == shown


# The sources of the bundled emoji, which the README credits.
CREDITED = {f"https://github.com/{name}" for name in ("googlefonts/noto-emoji", "jdecked/twemoji")}


def stated():
    """Return the repositories that README, CITATION and pyproject name."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CITATION.cff", "pyproject.toml")]
    return set(re.findall(r"https://github\.com/[\w-]+/[\w.-]*\w", "\n".join(texts))) - CREDITED


def test_files_that_name_the_repository_agree():
    setting = {os.environ[SETTING]} if os.environ.get(SETTING) else set()
    assert len(stated() | setting) <= 1
    publish = (ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8")
    assert f"{SETTING}: ${{{{ github.server_url }}}}/${{{{ github.repository }}}}" in publish
    assert f"refs/heads/{BRANCH}" in publish
