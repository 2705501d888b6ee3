"""Notebooks store a figure once: as a drawing where that is lighter, else as pixels, and both look like the figure."""

import gzip
import io
import re
import xml.etree.ElementTree as xml

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.pylabtools import print_figure
from nbclient import NotebookClient
from nbformat import v4
from PIL import Image

from helpers import formats, plots

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _close():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def waves(points=40):
    """Return a figure with a few curves."""
    figure, axes = plt.subplots(figsize=(7, 3))
    for frequency in range(1, 4):
        axes.plot(np.sin(frequency * np.linspace(0, 6, points)), alpha=0.7)
    return figure


def noise():
    """Return a figure whose drawing is long."""
    figure, axes = plt.subplots()
    axes.scatter(*np.random.default_rng(0).normal(size=(2, 3_000)), s=2)
    return figure


def digits():
    """Return a figure with an image."""
    return plots.show_images(np.random.default_rng(0).uniform(size=(2, 784))).figure


def drawn_and_pixels(figure):
    """Return the bytes of both files on their way to a reader."""
    return len(gzip.compress(formats.as_svg(figure).encode(), 6)), len(formats.as_png(figure))


def test_curves_are_a_drawing_and_lighter():
    figure = waves()
    drawn, pixels = drawn_and_pixels(figure)
    assert drawn < pixels
    svg, png = formats.lighter(figure)
    assert svg.startswith("<?xml")
    assert png is None


def test_many_points_are_pixels_and_lighter():
    figure = noise()
    drawn, pixels = drawn_and_pixels(figure)
    assert pixels < drawn
    assert formats.lighter(figure) == (None, formats.as_png(figure))


def test_images_are_pixels():
    assert formats.lighter(digits())[0] is None


def test_long_drawing_is_pixels(monkeypatch):
    monkeypatch.setattr(formats, "MOST", 1_000)
    assert formats.lighter(waves())[0] is None


def test_drawing_is_as_large_as_the_pixels():
    figure = waves()
    width, height = Image.open(io.BytesIO(formats.as_png(figure))).size
    drawing = xml.fromstring(formats.as_svg(figure))
    points = [float(drawing.get(side).removesuffix("pt")) for side in ("width", "height")]
    assert np.allclose(np.array(points) * 96 / 72, (width, height), atol=2)
    box = [float(number) for number in drawing.get("viewBox").split()]
    assert np.isclose(points[0] / points[1], box[2] / box[3], rtol=1e-3)


def test_drawing_is_the_same_on_each_day():
    first, second = (formats.as_svg(waves()) for _ in range(2))
    assert first == second
    assert "date" not in first


def test_pixels_are_light_and_look_alike():
    figure = waves(100)
    heavy = print_figure(figure)
    light = formats.with_palette(heavy)
    assert len(light) < len(heavy) / 2
    before, after = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (heavy, light))
    assert np.abs(after - before).max() <= 24


def test_greys_are_lighter_still_and_look_alike():
    plt.style.use(plots.STYLE)
    heavy = print_figure(digits())
    light = Image.open(io.BytesIO(formats.with_palette(heavy)))
    before, after = (np.asarray(image.convert("RGB")).astype(int) for image in (Image.open(io.BytesIO(heavy)), light))
    assert len(light.getcolors()) <= 64
    assert np.abs(after - before).max() <= 4


def test_drawing_is_in_one_line_and_keeps_its_places():
    def places(svg):
        paths = [part.get("d") for part in xml.fromstring(svg).iter() if part.get("d")]
        return np.array([float(number) for path in paths for number in re.findall(r"-?[\d.]+", path)])

    figure = waves()
    before, after = print_figure(figure, "svg"), formats.as_svg(figure)
    assert "\n" not in after
    assert len(after) < 0.9 * len(before)
    assert np.allclose(places(before), places(after), rtol=0, atol=0.0051)


SET_UP = """import matplotlib.pyplot as plt, numpy as np
from helpers import plots
plots.use_style()"""
KINDS = {
    "plt.plot([1, 3, 2]);": "image/svg+xml",
    "plots.show_images(np.eye(28)[None]);": "image/png",
    "figure = plt.figure(); figure.gca().plot([1, 2]); plt.close(); figure": "image/svg+xml",
}


def test_notebook_stores_one_kind():
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in (SET_UP, *KINDS)])
    NotebookClient(notebook, kernel_name="python3").execute()
    for cell, kind in zip(notebook.cells[1:], KINDS.values(), strict=True):
        kinds = [name for output in cell.outputs for name in output["data"] if name.startswith("image/")]
        assert kinds == [kind]


def test_empty_figure_is_not_stored():
    assert formats.lighter(plt.figure()) == (None, None)
    assert formats.as_svg(plt.figure()) is None
