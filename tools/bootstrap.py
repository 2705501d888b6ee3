"""What the readers' edition needs where the book is missing, as on Colab and Binder: a first cell that gets it.

The one setting is the environment variable ``BOOK_REPOSITORY``, the address of the repository, such as
``https://github.com/OWNER/NAME``; the publish workflow sets it from the repository that it runs in. The committed
notebooks hold no such cell: it would have to name an address before there is one, a fork would get the book that it was
forked from, and each notebook would have to be executed again for a cell that does nothing. So the cell is written into
the readers' edition when the book is published: into the notebooks that a page offers for download, and into those on
the branch `BRANCH`, which the buttons open on Colab and Binder.
"""

import os
import re
import shutil
from pathlib import Path

import nbformat

from tools.pages import ROOT

SETTING = "BOOK_REPOSITORY"
BRANCH = "colab"
ADDRESS = re.compile(r"https://github\.com/(?P<owner>[\w-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?")
ENVIRONMENT = "environment.yml"
PACKAGE = "autoencoders-and-gans-measured"
# Installed with the book, at the versions it was tested with; what else the machine has stays, if it is new enough.
PINNED = ("keras", "jax", "optuna")
CELL = """# Gets the book where it is missing, as on Colab, with the Keras and JAX it needs. Does nothing elsewhere.
import importlib.util, os, shutil, subprocess, sys


def origin():
    # of `helpers`; a folder without an __init__.py has none, and gives way to the package
    return getattr(importlib.util.find_spec("helpers"), "origin", None)


book = os.path.abspath("{name}")
if origin() is None:
    if not os.path.isdir(book):  # it is there when installing it failed
        subprocess.run(["git", "clone", "--quiet", "--depth=1", "{address}", book], check=True)
    package = book + "[cuda]" if shutil.which("nvidia-smi") else book
    versions = {versions}
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, package, *versions], check=True)
    importlib.invalidate_caches()
if not os.path.isfile(os.path.join(os.path.dirname(origin() or ""), "book.mplstyle")):
    raise ImportError(f"helpers: got {{origin()}}, expected the book's package of that name, which it hides. "
                      "Rename it, or uninstall it with pip, restart the kernel and run this cell again.")
if os.path.isdir(book):
    os.chdir(os.path.join(book, "{folder}"))"""


def repository():
    """Return the address of the repository from the environment, without a slash at its end, or None.

    Raises
    ------
    ValueError
        If it is not an address on GitHub, the one host that Colab and the publish workflow know.
    """
    address = os.environ.get(SETTING, "").strip()
    if not address:
        return None
    if not ADDRESS.fullmatch(address):
        raise ValueError(f"{SETTING}: {address!r} is no address like 'https://github.com/OWNER/NAME'")
    return address.removesuffix("/").removesuffix(".git")


def site(address):
    """Return the address, with a slash at its end, at which GitHub Pages shows a repository.

    Parameters
    ----------
    address : str
        Of the repository.

    Returns
    -------
    str
    """
    owner, name = ADDRESS.fullmatch(address).group("owner", "name")
    home = f"https://{owner.lower()}.github.io/"
    return home if home == f"https://{name.lower()}/" else f"{home}{name}/"


def pins(root=ROOT):
    """List what the cell pins, as ``keras==3.15.1``, from constraints.txt."""
    lines = (Path(root) / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.split("==")[0] in PINNED]


def with_bootstrap(notebook, path, address):
    """Put the cell before a notebook's first code cell.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.
    path : Path
        Of the notebook in the repository; its folder is the one that the cells run in.
    address : str
        Of the repository.

    Returns
    -------
    NotebookNode
    """
    folder, name = Path(path).parent.as_posix(), ADDRESS.fullmatch(address)["name"]
    source = CELL.format(address=address, name=name, folder=folder, versions=pins())
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, nbformat.v4.new_code_cell(source, id="bootstrap"))
    return notebook


def write_environment(folder, address, root=ROOT):
    """Write what Binder makes its environment from, beside the notebooks: the book's own, which gets the book.

    Parameters
    ----------
    folder : Path
        Of the notebooks.
    address : str
        Of the repository.
    root : Path
        Of the book.
    """
    text = (Path(root) / ENVIRONMENT).read_text(encoding="utf-8")
    text = text.replace("-e .[book]", f"{PACKAGE}[book] @ git+{address}")
    (Path(folder) / ENVIRONMENT).write_text(text, encoding="utf-8")
    shutil.copyfile(Path(root) / "constraints.txt", Path(folder) / "constraints.txt")
