"""Opens JupyterLab: on a copy of the readers' edition to play with, or on the sources of the chapters.

The copy is in a folder that git ignores, `lab`. What a reader has changed there stays, and the new edition of such a
file is put beside it. A notebook that was only opened or run is not changed: a new edition replaces it.

Usage: python -m tools.lab [--sources] [options of JupyterLab]      (as `make lab` and `make edit` do)
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary

from tools import readers
from tools.pages import ROOT

LAB = ROOT / "lab"
# What the book wrote, so that what a reader wrote is known.
WRITTEN = ".written.json"
# In the folder of JupyterLab's settings for this one start; a reader's own come first. Without the second it asks about
# news, and looks for them on the network; without the third a chapter that was run and saved opens with no figure that
# moves, but an error in its place.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
# Of the server of the copy; see `keep_figures`.
HOOK = "--ContentsManager.pre_save_hook=tools.lab.keep_figures"


def digest(content):
    """Return a hash of bytes."""
    return hashlib.sha256(content).hexdigest()


def by_hand(path):
    """Return a hash of what people write in a file, or None where there is no file.

    Of a notebook that is what its cells say. The rest changes without a reader's doing: on opening one, JupyterLab
    adds Python's version, and saves by itself.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        cells = json.loads(content)["cells"] if path.suffix == ".ipynb" else None
        said = cells and [[cell["cell_type"], "".join(cell["source"])] for cell in cells]
    except (ValueError, KeyError, TypeError):  # no notebook any more
        said = None
    return digest(json.dumps(said).encode() if said else content)


def beside(path):
    """Return a free name beside a file: ``math.new.ipynb``, ``math.new-2.ipynb`` and so on."""
    names = [
        path.with_suffix(f".new{path.suffix}"),
        *(path.with_suffix(f".new-{n}{path.suffix}") for n in range(2, 1000)),
    ]
    return next(name for name in names if not name.exists())


def refresh(edition, lab):
    """Bring a copy up to date with the edition, and overwrite nothing that a reader has changed.

    Parameters
    ----------
    edition, lab : Path
        Folders; that of the copy is made where it is missing.

    Returns
    -------
    list of (Path, Path)
        Each file that a reader has changed and of which there is a new edition, and where that was put.
    """
    record = lab / WRITTEN
    written = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    written = {name: known for name, known in written.items() if isinstance(known, dict)}  # others are of an old book
    kept = []
    for source in sorted(path for path in edition.rglob("*") if path.is_file()):
        name = source.relative_to(edition).as_posix()
        new, target = {"edition": digest(source.read_bytes()), "by hand": by_hand(source)}, lab / name
        if new == written.get(name) and target.exists():
            continue
        if by_hand(target) not in (None, new["by hand"], written.get(name, {}).get("by hand")):
            kept.append((target, beside(target)))
            target = kept[-1][1]
        copy(source, target)
        written[name] = new
        record.write_text(json.dumps(written, indent=1), encoding="utf-8")
    return kept


def copy(source, target):
    """Copy a file, and sign a notebook as `jupyter trust` does: else JupyterLab shows no drawing and no live figure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    if target.suffix == ".ipynb":
        NotebookNotary().sign(nbformat.read(target, as_version=4))


def stale(edition, root):
    """Say whether a source of the edition is newer than its first page, which is written at every making."""
    made = edition / readers.CONTENTS
    sources = [root / "_toc.yml", root / "_config.yml", *(root / "tools").glob("*.py"), *(root / "book").rglob("*.*")]
    return not made.exists() or max(path.stat().st_mtime for path in sources) > made.stat().st_mtime


def settings(folder):
    """Write JupyterLab's settings for the copy; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return folder


def keep_figures(model, path, contents_manager, **_):
    """Keep the figures that were not run in a notebook that is saved: a hook, which the server calls before it saves.

    JupyterLab saves the state of those alone that have run; the others would be errors when it is opened again.
    """
    file = Path(contents_manager.root_dir, path.strip("/"))
    if model.get("type") != "notebook" or not model.get("content") or not file.exists():
        return
    before = json.loads(file.read_bytes())["metadata"].get("widgets", {}).get(readers.WIDGET_STATE)
    if before:
        widgets = model["content"]["metadata"].setdefault("widgets", {})
        saved = widgets.setdefault(readers.WIDGET_STATE, {**before, "state": {}})["state"]
        for name in shown(model["content"]) - saved.keys():
            saved.update(with_parts(name, before["state"]))


def shown(notebook):
    """Return the identifiers of the figures that the outputs of a notebook show."""
    outputs = [output.get("data", {}) for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return {data[readers.WIDGET_VIEW]["model_id"] for data in outputs if readers.WIDGET_VIEW in data}


def with_parts(name, states):
    """Return the saved state of a figure and of those that it refers to; nothing where there is none."""
    found = {name: states[name]} if name in states else {}
    parts = re.findall(r'"IPY_MODEL_(\w+)"', json.dumps(found))
    return found | {part: states[part] for part in parts if part in states}


def on_copy():
    """Bring the copy up to date, say what stayed, and return JupyterLab's options for it."""
    if stale(readers.EDITION, ROOT):
        readers.make()
    for path, new in refresh(readers.EDITION, LAB):
        print(f"You have changed {path.relative_to(ROOT)}: it stays. The new edition is in {new.relative_to(ROOT)}.")
    return [
        f"--ServerApp.root_dir={LAB}",
        f"--LabApp.default_url=/lab/tree/{readers.CONTENTS}",
        f"--LabApp.app_settings_dir={settings(ROOT / '_build' / 'lab')}",
        HOOK,
    ]


def main(arguments=None):
    """Open JupyterLab."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", action="store_true", help="open the sources of the chapters, to edit them")
    chosen, rest = parser.parse_known_args(arguments)
    on_sources = [f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/book"]
    options = on_sources if chosen.sources else on_copy()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for `HOOK`
    sys.exit(subprocess.call([sys.executable, "-m", "jupyter", "lab", *options, *rest]))


if __name__ == "__main__":
    main()
