"""The book's pages as _toc.yml lists them, and the notebooks among them."""

import hashlib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def pages(root=ROOT):
    """List the table of contents in reading order.

    Parameters
    ----------
    root : Path
        Folder that holds ``_toc.yml``.

    Returns
    -------
    list of Path
        Relative to `root`, with the suffix: one that _toc.yml leaves out is ``.md``.
    """
    files = [Path(name) for name in _files(_contents(root))]
    return [name if name.suffix else name.with_suffix(".md") for name in files]


def notebooks(root=ROOT):
    """List the pages that are notebooks, in reading order, relative to `root`."""
    return [name for name in pages(root) if name.suffix == ".ipynb"]


def digest(name):
    """Return a few letters that change with a chapter's source."""
    return hashlib.sha256(Path(name).with_suffix(".md").read_bytes()).hexdigest()[:12]


def chapters_by_part(root=ROOT):
    """List the parts of the table of contents that hold notebooks.

    Parameters
    ----------
    root : Path
        Folder that holds ``_toc.yml``.

    Returns
    -------
    list of tuple
        The part's name, empty where it has none, and its notebooks relative to `root`.
    """
    toc = _contents(root)
    named = [(part.get("caption", ""), [Path(name) for name in _files(part)]) for part in toc.get("parts", [toc])]
    found = [(name, [path for path in paths if path.suffix == ".ipynb"]) for name, paths in named]
    return [(name, paths) for name, paths in found if paths]


def _contents(root):
    """Return the table of contents."""
    return yaml.safe_load((Path(root) / "_toc.yml").read_text(encoding="utf-8"))


def _files(node):
    """Yield each value of a key ``file`` or ``root``, depth first."""
    if isinstance(node, list):
        for item in node:
            yield from _files(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("file", "root"):
                yield value
            else:
                yield from _files(value)


if __name__ == "__main__":
    print(*notebooks(), sep="\n")
