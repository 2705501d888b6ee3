"""The copy of the readers' edition: what is new comes in, and what a reader has changed stays."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from nbformat import v4
from nbformat.sign import NotebookNotary

from tools import lab


@pytest.fixture
def edition(tmp_path, monkeypatch):
    """An edition of a first page and one notebook; signatures are kept in a folder of the test."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "edition"
    (folder / "book").mkdir(parents=True)
    (folder / "README.md").write_text("# The book\n")
    publish(folder, "1")
    return folder


def publish(folder, source):
    """Write the edition's notebook with one cell."""
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source, id="one")]), folder / "book/one.ipynb")


def source(path):
    """Return the source of a notebook's one cell."""
    return nbformat.read(path, as_version=4).cells[0].source


def test_copy_is_the_edition_and_is_trusted(edition, tmp_path):
    copy = tmp_path / "lab"
    assert lab.refresh(edition, copy) == []
    assert (copy / "book/one.ipynb").read_bytes() == (edition / "book/one.ipynb").read_bytes()
    assert (copy / "README.md").exists()
    assert NotebookNotary().check_signature(nbformat.read(copy / "book/one.ipynb", as_version=4))


def test_new_edition_replaces_what_nobody_changed(edition, tmp_path):
    lab.refresh(edition, tmp_path / "lab")
    publish(edition, "2")
    assert lab.refresh(edition, tmp_path / "lab") == []
    assert source(tmp_path / "lab/book/one.ipynb") == "2"


def test_notebook_that_was_opened_and_run_is_not_changed(edition, tmp_path):
    copy = tmp_path / "lab"
    lab.refresh(edition, copy)
    notebook = nbformat.read(copy / "book/one.ipynb", as_version=4)
    notebook.metadata.language_info = {"name": "python", "version": "3.12.1"}  # as JupyterLab does on opening
    notebook.cells[0].update(execution_count=1, outputs=[v4.new_output("stream", text="1")])
    nbformat.write(notebook, copy / "book/one.ipynb")
    assert lab.refresh(edition, copy) == []
    publish(edition, "2")
    assert lab.refresh(edition, copy) == []
    assert source(copy / "book/one.ipynb") == "2"


def test_new_outputs_come_in(edition, tmp_path):
    lab.refresh(edition, tmp_path / "lab")
    notebook = nbformat.read(edition / "book/one.ipynb", as_version=4)
    notebook.cells[0].outputs = [v4.new_output("stream", text="new")]
    nbformat.write(notebook, edition / "book/one.ipynb")
    assert lab.refresh(edition, tmp_path / "lab") == []
    assert "new" in (tmp_path / "lab/book/one.ipynb").read_text()


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"cells": [{}]}'])
def test_file_that_is_no_notebook_any_more_stays(edition, tmp_path, text):
    lab.refresh(edition, tmp_path / "lab")
    (tmp_path / "lab/book/one.ipynb").write_text(text)
    publish(edition, "2")
    assert [path.name for _, path in lab.refresh(edition, tmp_path / "lab")] == ["one.new.ipynb"]
    assert (tmp_path / "lab/book/one.ipynb").read_text() == text


def test_record_of_an_older_version_counts_as_none(edition, tmp_path):
    copy = tmp_path / "lab"
    lab.refresh(edition, copy)
    (copy / lab.WRITTEN).write_text(json.dumps({"README.md": "0" * 64, "book/one.ipynb": "0" * 64}))
    assert lab.refresh(edition, copy) == []
    publish(edition, "2")
    assert lab.refresh(edition, copy) == []
    assert source(copy / "book/one.ipynb") == "2"


def test_jupyterlab_neither_asks_about_news_nor_looks_for_them_and_saves_figures(tmp_path):
    chosen = json.loads((lab.settings(tmp_path) / "overrides.json").read_text())
    assert chosen["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}
    assert chosen["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}


def with_figure(*states, shows="f"):
    """Return a notebook that shows a figure, with the state of some models."""
    view = {lab.readers.WIDGET_VIEW: {"model_id": shows}}
    notebook = v4.new_notebook(cells=[v4.new_code_cell("", id="a", outputs=[v4.new_output("display_data", data=view)])])
    parts = {"layout": "IPY_MODEL_l", "_esm": "script"}
    state = {name: {"model_name": name, "state": parts if name == "f" else {}} for name in states}
    notebook.metadata.widgets = {lab.readers.WIDGET_STATE: {"version_major": 2, "state": state}}
    return notebook


@pytest.mark.parametrize("forget", [lambda notebook: notebook, lambda notebook: notebook.metadata.pop("widgets")])
def test_a_figure_that_was_not_run_is_saved_with_its_state(tmp_path, forget):
    nbformat.write(with_figure("f", "l", "other"), tmp_path / "one.ipynb")
    new = with_figure()
    forget(new)
    manager = FileContentsManager(root_dir=str(tmp_path), pre_save_hook="tools.lab.keep_figures")
    manager.run_pre_save_hooks({"type": "notebook", "content": new}, "/one.ipynb")
    assert new.metadata.widgets == with_figure("f", "l").metadata.widgets


def test_a_figure_that_was_run_keeps_its_new_state(tmp_path):
    nbformat.write(with_figure("f", "l"), tmp_path / "one.ipynb")
    new = with_figure("g", shows="g")
    manager = FileContentsManager(root_dir=str(tmp_path), pre_save_hook="tools.lab.keep_figures")
    manager.run_pre_save_hooks({"type": "notebook", "content": new}, "one.ipynb")
    manager.run_pre_save_hooks({"type": "notebook", "content": new}, "not-yet-there.ipynb")
    assert new == with_figure("g", shows="g")


def test_jupyterlab_knows_the_settings():
    folders = Path(sys.prefix) / "share/jupyter"
    for plugin in lab.SETTINGS:
        extension, _, name = plugin.partition(":")
        places = [folders / "lab/schemas" / extension, folders / f"labextensions/{extension}/schemas" / extension]
        [schema] = [json.loads(path.read_text()) for place in places if (path := place / f"{name}.json").exists()]
        assert lab.SETTINGS[plugin].keys() <= schema["properties"].keys()


def test_changed_file_stays_and_new_editions_are_put_beside_it(edition, tmp_path):
    copy = tmp_path / "lab"
    lab.refresh(edition, copy)
    publish(copy, "mine")
    assert lab.refresh(edition, copy) == []  # there is nothing new
    for edit, name in (("2", "one.new.ipynb"), ("3", "one.new-2.ipynb")):
        publish(edition, edit)
        assert lab.refresh(edition, copy) == [(copy / "book/one.ipynb", copy / "book" / name)]
        assert source(copy / "book" / name) == edit
        assert lab.refresh(edition, copy) == []
    assert source(copy / "book/one.ipynb") == "mine"
    assert source(copy / "book/one.new.ipynb") == "2"


def test_file_that_was_there_before_the_book_wrote_any_stays(edition, tmp_path):
    (tmp_path / "lab/book").mkdir(parents=True)
    publish(tmp_path / "lab", "mine")
    [(path, new)] = lab.refresh(edition, tmp_path / "lab")
    assert (source(path), source(new)) == ("mine", "1")


def test_removed_file_comes_again(edition, tmp_path):
    lab.refresh(edition, tmp_path / "lab")
    (tmp_path / "lab/book/one.ipynb").unlink()
    assert lab.refresh(edition, tmp_path / "lab") == []
    assert source(tmp_path / "lab/book/one.ipynb") == "1"


def test_edition_is_made_again_when_a_source_is_newer(edition, tmp_path):
    for name in ("_toc.yml", "_config.yml", "tools/a.py", "book/one.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    assert not lab.stale(edition, tmp_path)
    os.utime(tmp_path / "book/one.md", (2**31, 2**31))
    assert lab.stale(edition, tmp_path)
    os.utime(tmp_path / "book/one.md", (0, 0))
    (edition / "README.md").unlink()
    assert lab.stale(edition, tmp_path)


@pytest.mark.parametrize(("arguments", "root"), [([], lab.LAB), (["--sources"], lab.ROOT)])
def test_options_are_handed_on(monkeypatch, arguments, root):
    commands = []
    monkeypatch.setattr(lab, "on_copy", lambda: [f"--ServerApp.root_dir={lab.LAB}"])
    monkeypatch.setattr(lab.subprocess, "call", lambda command: commands.append(command) or 0)
    with pytest.raises(SystemExit):
        lab.main([*arguments, "--no-browser"])
    assert commands[0][2:5] == ["jupyter", "lab", f"--ServerApp.root_dir={root}"]
    assert commands[0][-1] == "--no-browser"
