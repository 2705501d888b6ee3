"""Run the readers' notebooks as on Colab: its versions, an empty folder, and the book from a notebook's own first cell.

Usage: python -m tools.colab [gans/math ...]      (none: every chapter)

The environment, the folder and the executed notebooks lie in ``.venv-colab``. The cell that gets the book runs
unchanged: git is told to take the repository from there too, where it is the working tree as it stands, committed or
not.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from tqdm import tqdm

from tools import bootstrap, gpu
from tools.execute import SECONDS_PER_CELL
from tools.pages import ROOT, notebooks

HOUSE = ROOT / ".venv-colab"
EDITION = ROOT / "_build" / "notebooks"
VERSIONS = ROOT / "tests" / "colab.txt"
SHOWN = 5  # lines about a chapter
# What the cell names where the edition was made without an address.
ADDRESS = "https://github.com/someone/the-book"
# Colab sets this one; what begins like the others would make the kernel another than Colab's.
BACKEND = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
FOREIGN = ("PYTHON", "VIRTUAL_ENV", "JAX_", "XLA_", "KERAS_")


def python(house):
    """Return the interpreter of an environment."""
    return house / "bin" / "python"


def make_environment(house=HOUSE):
    """Make the environment anew, with Colab's versions, and in it the empty folder that the notebooks start in."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", house], check=True)
    pip = [python(house), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--only-binary=:all:", "--requirement", VERSIONS], check=True)


def make_origin(house=HOUSE, root=ROOT):
    """Put the working tree as it stands, without what git ignores, into a repository of one commit.

    Parameters
    ----------
    house : Path
        Gets the repository, as ``origin``; and, as ``content``, an empty folder for the notebooks to start in.
    root : Path
        The working tree; its own repository is neither read nor written.
    """
    for name in ("origin", "content"):
        shutil.rmtree(house / name, ignore_errors=True)
        (house / name).mkdir(parents=True)
    settings = [
        "user.name=reader",
        "user.email=reader@localhost",
        "commit.gpgsign=false",
        "init.defaultBranch=main",
        f"core.excludesFile={root / '.git' / 'info' / 'exclude'}",
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    git = ["git", f"--git-dir={house / 'origin'}", f"--work-tree={root}", *options]
    for command in (["init", "--quiet"], ["add", "--all", "."], ["commit", "--quiet", "--message", "As it stands"]):
        subprocess.run([*git, *command], check=True, cwd=root)


def environment(address, house=HOUSE):
    """Return the kernel's environment variables, by which git takes `address` from the repository of `make_origin`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    ours["PATH"] = os.pathsep.join([str(python(house).parent), os.environ["PATH"]])
    key = f"url.{(house / 'origin').as_uri()}.insteadOf"
    return {**ours, **BACKEND, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": address}


def find(names, edition=EDITION):
    """List the notebooks of an edition in reading order.

    Parameters
    ----------
    names : list of str
        Chapters, such as ``gans/math``; empty for all.
    edition : Path
        The folder that holds them, below ``book`` or not.

    Returns
    -------
    dict
        The path in the book, such as ``book/gans/math.ipynb``, to the file.

    Raises
    ------
    ValueError
        If there is no such chapter, or no notebook of it.
    """
    short = {Path(name).with_suffix("").as_posix().removeprefix("book/") for name in names}
    known = {path.relative_to("book").with_suffix("").as_posix(): path for path in notebooks()}
    if short - known.keys():
        raise ValueError(f"no such chapter: {', '.join(sorted(short - known.keys()))}")
    folders = [edition, edition / "book"]
    files = {path: [folder / path.relative_to("book") for folder in folders] for path in known.values()}
    there = {path: file for path, both in files.items() for file in both if file.is_file()}
    chosen = {path: there[path] for name, path in known.items() if path in there and (name in short or not short)}
    if not chosen:
        raise ValueError(f"no such notebooks in {edition}: `make notebooks` writes the readers' edition")
    return chosen


def read(path, file):
    """Return a notebook that has the cell which gets the book, and the address in that cell."""
    notebook = nbformat.read(file, as_version=4)
    if not any(cell.id == "bootstrap" for cell in notebook.cells):
        bootstrap.with_bootstrap(notebook, path, bootstrap.repository() or ADDRESS)
    (cell,) = (cell for cell in notebook.cells if cell.id == "bootstrap")
    return notebook, re.search(r"https://github\.com/[^\s\"']+", cell.source)[0]


def kernels(house=HOUSE):
    """Return a manager that knows one kernel, the environment's Python."""
    argv = [str(python(house)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "language": "python", "display_name": "Python 3"}
    folder = house / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return KernelSpecManager(kernel_dirs=[str(folder.parent)], ensure_native_kernel=False)


def execute(notebook, address, name, house=HOUSE):
    """Run all cells, whatever they raise; return what else went wrong, as a list of lines."""
    with tqdm(total=sum(cell.cell_type == "code" for cell in notebook.cells), desc=name, unit="cell") as bar:
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            allow_errors=True,
            resources={"metadata": {"path": str(house / "content")}},
            store_widget_state=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            on_cell_complete=lambda **_: bar.update(),
        )
        client.km = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels(house))
        try:
            client.execute(env=environment(address, house))
        except (CellTimeoutError, DeadKernelError) as error:
            return [f"{type(error).__name__}: {error}".strip()]
    return []


def run(path, file, house=HOUSE):
    """Run a chapter to its end and keep it, executed, in ``executed``.

    Returns
    -------
    dict
        ``seconds``; ``peak`` in GiB, or None; ``errors`` and ``warnings``, lists of lines.
    """
    notebook, address = read(path, file)
    start = time.perf_counter()
    broken = execute(notebook, address, path.as_posix(), house)
    kept = house / "executed" / path
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    found = gpu.describe(notebook)
    errors = [f"{error['error']}   in the cell {error['cell']!r}" for error in found["errors"]]
    seconds, peak = time.perf_counter() - start, found["peak_memory_gib"]
    return {"seconds": seconds, "peak": peak, "errors": errors + broken, "warnings": warnings_of(notebook)}


def warnings_of(notebook):
    """List the first line of each text that a cell wrote to the standard error: a reader sees it in red."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.text.strip().splitlines()[0] for output in outputs if output.get("name") == "stderr"]


def in_words(path, found):
    """Say in a line how a chapter went, and in further ones what went wrong."""
    peak = "memory unknown" if found["peak"] is None else f"{found['peak']:.2f} GiB"
    head = f"{path}: {found['seconds']:.0f} s, {peak}, {'FAILED' if found['errors'] else 'OK'}"
    return "\n    ".join([head, *found["errors"][:SHOWN], *(f"stderr: {line}" for line in found["warnings"][:SHOWN])])


def main(arguments=None):
    """Run the named chapters, or all; the exit code is 1 when a cell raised what it was not to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="such as gans/math")
    parser.add_argument("--edition", type=Path, default=EDITION, help="the folder of notebooks; without, %(default)s")
    parser.add_argument("--keep", action="store_true", help="go on with the environment and the book of the last run")
    options = parser.parse_args(arguments)
    try:
        chosen = find(options.chapters, options.edition)
    except ValueError as error:
        parser.error(str(error))
    if not options.keep:
        make_environment()
        make_origin()
    failed = 0
    for path, file in chosen.items():
        found = run(path, file)
        print(in_words(path, found), flush=True)
        failed += bool(found["errors"])
    print(f"{len(chosen) - failed} of {len(chosen)} chapters ran to their end")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
