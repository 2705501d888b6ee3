"""Print which packages a run of the chapters lacks on this machine, one requirement a line.

Usage: python -m tools.needs      (before `python -m tools.gpu`; the exit code is 1 if any is lacking)

It imports the standard library alone, since anything else may be what is missing.
"""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
RUNNER = ("ipykernel", "jupytext>=1.17", "nbclient>=0.10.2", "pyyaml", "tqdm")  # what `tools.gpu` itself needs
BENCH = ("optax>=0.2.5", "torch")  # the peers in the benchmark's rows
NAME = re.compile(r"[\w.-]+")
LEAST = re.compile(r">=([\d.]+)")


def requirements():
    """List what the chapters and their run need, as in pyproject.toml."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *RUNNER, *BENCH]


def met(requirement):
    """Return whether a package is installed in a version that is new enough."""
    try:
        version = importlib.metadata.version(NAME.match(requirement)[0])
    except importlib.metadata.PackageNotFoundError:
        return False
    least = LEAST.search(requirement)
    return not least or numbers(version) >= numbers(least[1])


def numbers(version):
    """Return the numbers of a version, so that versions can be compared."""
    return [int(part) for part in re.match(r"[\d.]+", version)[0].split(".") if part]


def lacking(some=None):
    """List the requirements that are not met, of all or of some."""
    return [each for each in requirements() if not met(each) and (some is None or each in some)]


def main():
    """Print them."""
    found = lacking()
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
