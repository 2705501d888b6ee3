"""Put the current scripts of the interactive figures into the notebooks that show them; no cell is run.

Usage: python -m tools.figures      (after a change of helpers/widgets/*.js or *.css that leaves the Python as it is)
"""

import importlib

import nbformat

from helpers.widgets import base
from tools.execute import write, written
from tools.pages import ROOT, notebooks
from tools.sphinx_book import WIDGET_STATE


def figure_class(state):
    """Return the class of a saved figure, or None for the state of anything else."""
    module, _, name = state.get("_anywidget_id", "").rpartition(".")
    return getattr(importlib.import_module(module), name) if module.startswith(base.__package__) else None


def outdated(notebook):
    """Return (saved state, what should stand in it) of each figure whose script or style is an old one."""
    models = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {}).values()
    found = [(model["state"], figure_class(model["state"])) for model in models]
    wanted = [(state, {"_esm": cls.whole_script(), "_css": base.style()}) for state, cls in found if cls]
    return [(state, new) for state, new in wanted if not new.items() <= state.items()]


def main():
    """Renew every notebook and name those that have changed."""
    for path in notebooks():
        notebook = nbformat.read(ROOT / path, as_version=4)
        old = outdated(notebook)
        for state, new in old:
            state.update(new)
        if old:
            write(ROOT / path, written(notebook))
            print(f"{path}: {len(old)} renewed")


if __name__ == "__main__":
    main()
