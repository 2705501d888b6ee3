"""The pictures that stand in for interactive figures show the figures as they are now."""

import io

import nbformat
import pytest
from PIL import Image

from tools import stills
from tools.pages import ROOT, notebooks
from tools.readers import PICTURES, WIDGET_STATE, figure_name

STATES = [nbformat.read(ROOT / path, 4).metadata.get("widgets", {}).get(WIDGET_STATE, {}) for path in notebooks()]
MODELS = {figure_name(model): model for state in STATES for model in state.get("state", {}).values()}
FIGURES = sorted(filter(None, MODELS))


def noted(picture):
    """Return the signature noted in a picture."""
    return Image.open(picture).text[stills.DRAWN_BY]


@pytest.mark.parametrize("name", FIGURES)
def test_picture_was_drawn_by_the_present_script(name):
    old = "made by another script: run make book && .venv/bin/python -m tools.stills"
    assert noted(ROOT / PICTURES / f"{name}.png") == stills.signature(MODELS[name]), old


def test_there_is_a_picture_of_every_figure_and_of_nothing_else():
    assert sorted(path.stem for path in (ROOT / PICTURES).glob("*.png")) == FIGURES


def test_signature_follows_script_and_style():
    state = {"_esm": "draw()", "_css": "a {}"}
    one = stills.signature({"state": state})
    assert one == stills.signature({"state": dict(state)})
    assert one != stills.signature({"state": state | {"_esm": "draw(2)"}}) != stills.signature({"state": state})
    assert one != stills.signature({"state": state | {"_css": "b {}"}})


def test_light_picture_keeps_its_size_and_says_what_drew_it():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, "PNG")
    made = io.BytesIO(stills.light(buffer.getvalue(), "0123abcd"))
    assert Image.open(made).size == (30, 20)
    assert noted(made) == "0123abcd"
