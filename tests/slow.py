"""Parameters of tests, of which `make check` tries the first alone."""

import pytest


def after(count, values):
    """Return the values, those behind the first few marked as slow."""
    values = [*values]
    return values[:count] + [pytest.param(value, marks=pytest.mark.slow) for value in values[count:]]
