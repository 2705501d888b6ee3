"""Compare the two files of each chapter, and say which pairs are out of step.

Usage: python -m tools.pairs [book/gans/math.md ...]      (none: every chapter; either file of a pair names it)
"""

import argparse
import sys
from pathlib import Path

import jupytext
from jupytext.compare import NotebookDifference, compare_notebooks

from tools.execute import FORMAT
from tools.pages import ROOT, notebooks


def difference(path):
    """Return in words how a chapter's two files differ, or None if they do not.

    Parameters
    ----------
    path : Path
        The ``.ipynb`` or the ``.md``, relative to the repository.
    """
    notebook, source = (ROOT / path.with_suffix(suffix) for suffix in (".ipynb", ".md"))
    if missing := [file.name for file in (notebook, source) if not file.exists()]:
        return f"{missing[0]} is missing"
    try:
        compare_notebooks(jupytext.read(notebook), jupytext.read(source, fmt=FORMAT), fmt=FORMAT)
    except NotebookDifference as error:
        return str(error)
    return None


def main(arguments=None):
    """Print what is out of step; the exit code is 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="such as book/gans/math.md")
    chapters = {path.with_suffix("") for path in map(Path, notebooks())}
    named = {path.with_suffix("") for path in parser.parse_args(arguments).paths}
    found = {path: difference(path) for path in sorted(chapters & named if named else chapters)}
    for path, how in found.items():
        if how:
            print(f"{path}.md and .ipynb are out of step; `make execute CHAPTERS={path}` mends it.\n{how}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
