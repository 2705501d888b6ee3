"""Re-execute chapters in place: code and prose come from NAME.md, outputs go to NAME.ipynb.

Usage: python -m tools.execute [book/gans/broken_loop ...]      (none: every notebook in _toc.yml)
"""

import argparse
import hashlib
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from jupytext.compare import NotebookDifference, compare_notebooks
from jupytext.config import load_jupytext_config
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

from tools.pages import ROOT, notebooks

FORMAT = "md:myst"
SECONDS_PER_CELL = 600
# What differs between two runs or two machines though the output is the same.
NOISE = [
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x…"),
    (re.compile(r"/\S*/ipykernel_\d+/\d+\.py"), "<cell>"),
    (re.compile(r"[~/][\w./+-]*/lib/python3\.\d+/(site-packages/)?"), ""),
]


def read_source(path):
    """Read a chapter's .md as a notebook whose cell ids depend on nothing but its cells.

    Parameters
    ----------
    path : Path
        The chapter's ``.md``.

    Returns
    -------
    NotebookNode
        Without outputs.
    """
    notebook = jupytext.read(path, fmt=FORMAT)
    notebook.metadata["jupytext"] = {"formats": "ipynb,md:myst"}
    seen = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return nbformat.from_dict({**notebook, "nbformat_minor": 5})


def execute(notebook, path):
    """Run every cell of `notebook` in a fresh kernel, in the folder of `path`, and put the outputs in.

    Raises
    ------
    CellExecutionError, CellTimeoutError, DeadKernelError
        From nbclient, when a cell fails that is not tagged ``raises-exception``.
    """
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=str(path), unit="cell", mininterval=1) as bar:
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            store_widget_state=True,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            on_cell_complete=lambda **_: bar.update(),
        )
        client.execute()
    notebook.metadata.get("language_info", {}).pop("version", None)


def normalise(notebook):
    """Replace addresses, paths of this machine and random widget ids; return the .ipynb's text."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _clean(output)
    text = written(notebook)
    widgets = notebook.metadata.get("widgets", {})
    states = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for number, name in enumerate(states, start=1):
        text = text.replace(name, f"{number:032x}")
    # Written once more, because the keys, which the ids are, stand in alphabetical order.
    return written(nbformat.reads(text, as_version=4))


def written(notebook):
    """Return the .ipynb's text, in as many lines as Jupyter writes but not indented, which is a twentieth less."""
    return re.sub(r"^ +", "", nbformat.writes(notebook), flags=re.MULTILINE) + "\n"


def _clean(node):
    """Take NOISE out of every text below `node` but those of images, which are base64."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        if isinstance(value, str) and not str(key).startswith("image/"):
            for pattern, replacement in NOISE:
                value = pattern.sub(replacement, value)
            node[key] = value.replace(f"{ROOT}{os.sep}", "")
        elif isinstance(value, dict | list):
            _clean(value)


def write(path, text):
    """Write `text` so that a reader sees the old file or the new one, never a half; skip equal ones."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def edited_notebook(path):
    """Say whether the .ipynb holds newer edits that its .md lacks, and that executing would lose."""
    md = path.with_suffix(".md")
    if not path.exists() or path.stat().st_mtime <= md.stat().st_mtime:
        return False
    try:
        compare_notebooks(jupytext.read(path), jupytext.read(md, fmt=FORMAT), fmt=FORMAT)
    except NotebookDifference:
        return True
    return False


def refresh(path):
    """Execute one chapter and write its pair.

    Parameters
    ----------
    path : Path
        The chapter's ``.ipynb``; it need not exist yet, its ``.md`` must.

    Returns
    -------
    str or None
        What went wrong; then neither file was touched.
    """
    if edited_notebook(path):
        return (
            f"{path} was edited after its .md, which is the source. Take the edit over with\n"
            f"    jupytext --to md:myst {path}\nor drop it: touch {path.with_suffix('.md')}"
        )
    source = path.with_suffix(".md").read_bytes()
    notebook = read_source(path.with_suffix(".md"))
    try:
        execute(notebook, path)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return f"{path}, {_place(notebook)}:\n{error}"
    if path.with_suffix(".md").read_bytes() != source:
        return f"{path.with_suffix('.md')} was edited while it ran: nothing is written, run it again."
    write(path, normalise(notebook))
    config = load_jupytext_config(str(path.absolute()))
    write(path.with_suffix(".md"), jupytext.writes(notebook, fmt=FORMAT, config=config))
    return None


def _place(notebook):
    """Name the last cell that was started: the failing one."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    number = max((i for i, cell in enumerate(code, 1) if cell.execution_count), default=1)
    return f"code cell {number} of {len(code)} (id {code[number - 1].id})"


def main(arguments=None):
    """Execute the named chapters, or all; the exit code is 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="such as book/gans/broken_loop")
    names = parser.parse_args(arguments).chapters or notebooks()
    failures = []
    for name in names:
        path = Path(name).with_suffix(".ipynb")
        start = time.perf_counter()
        failure = refresh(path)
        print(f"{path}: {'FAILED' if failure else 'done'}, {time.perf_counter() - start:.1f} s")
        failures += [failure] if failure else []
    print(*failures, sep="\n\n", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
