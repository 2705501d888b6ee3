"""The interactive figures of `helpers.widgets`, found by their files: a new one is tested like the others."""

import importlib

from helpers.widgets import base

SHARED = ("shared", "convolution", "nn", "pixels", "plane")
NAMES = sorted(path.stem for path in base.FOLDER.glob("*.js") if path.stem not in SHARED)


def figure_class(name):
    """Return the one figure that NAME.py defines."""
    module = importlib.import_module(f"helpers.widgets.{name}")
    (found,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base.Figure) and value.__module__ == module.__name__
    ]
    return found


FIGURES = [figure_class(name) for name in NAMES]
