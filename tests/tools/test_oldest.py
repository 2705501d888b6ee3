"""`make test-oldest` tests the lower bounds: each package of the book that has one is named in tests/oldest.txt."""

import tomllib

import pytest
from packaging.requirements import Requirement

from tools.pages import ROOT


def read():
    """Return the oldest version of each package, as `make test-oldest` installs it."""
    lines = (ROOT / "tests" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.partition("#")[0].strip().split("==") for line in lines if not line.startswith("#"))


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BOUNDED = [one for one in map(Requirement, PROJECT["dependencies"]) if one.specifier]


@pytest.mark.parametrize("needed", BOUNDED, ids=lambda needed: needed.name)
def test_the_oldest_version_is_of_the_release_that_the_bound_names(needed):
    (bound,) = needed.specifier
    assert bound.operator == ">="
    assert f"{read()[needed.name]}.".startswith(f"{bound.version}.")
