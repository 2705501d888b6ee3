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


@pytest.mark.slow
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


def test_palette_is_as_small_as_comes_near():
    few = formats.with_palette(print_figure(waves(100)))
    many = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(256, size=(60, 60, 3), dtype="uint8")).save(many, "PNG")
    counts = [len(Image.open(io.BytesIO(png)).getcolors()) for png in (few, formats.with_palette(many.getvalue()))]
    assert counts[0] <= formats.COLOURS[0] < formats.COLOURS[-2] < counts[1] <= formats.COLOURS[-1]


def test_greys_are_lighter_still_and_look_alike():
    plt.style.use(plots.STYLE)
    heavy = print_figure(digits())
    light = Image.open(io.BytesIO(formats.with_palette(heavy)))
    before, after = (np.asarray(image.convert("RGB")).astype(int) for image in (Image.open(io.BytesIO(heavy)), light))
    assert len(light.getcolors()) <= formats.GREYS
    assert {0, 255} <= set(after.ravel())
    assert np.abs(after - before).max() <= 4


def matrix(part):
    """Return how an element moves, turns and scales what it holds."""
    whole = np.eye(3)
    moves = re.findall(r"(\w+)\(([^)]*)\)", part.get("transform", ""))
    if part.tag.endswith("}use"):
        moves += [("translate", f"{part.get('x', 0)} {part.get('y', 0)}")]
    for kind, numbers in moves:
        values = [float(number) for number in numbers.split()]
        x, y = (*values, 0)[:2] if kind == "translate" else (*values, *values)[:2]
        turn = np.radians(values[0])
        step = {
            "translate": [[1, 0, x], [0, 1, y], [0, 0, 1]],
            "scale": [[x, 0, 0], [0, y, 0], [0, 0, 1]],
            "rotate": [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]],
        }[kind]
        whole = whole @ step
    return whole


def corners(path):
    """Return the points that a path goes through."""
    found, at, start = [np.zeros((0, 2))], np.zeros(2), np.zeros(2)
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        values = [float(number) for number in re.findall(r"-?\d*\.?\d+", numbers)]
        size = {"h": 1, "v": 1, "l": 2, "m": 2, "q": 4, "c": 6, "z": 1}[letter.lower()]
        for place in np.reshape(values, (-1, size)):
            bent = {"h": [*place, 0], "v": [0, *place]}.get(letter, place)
            found += [np.reshape(bent, (-1, 2)) + (at if letter.islower() else 0)]
            at = found[-1][-1]
            start = at if letter in "Mm" else start
        at = start if letter == "z" else at
    return np.concatenate(found)


def style(part):
    """Return an element's style, and whether it is cut off."""
    values = dict(re.findall(r"([\w-]+): ?([^;]*)", part.get("style", "")))
    values |= {"cut": "yes"} if "clip-path" in part.attrib else {}
    values = {name: re.sub(r"#(.)(.)(.)$", r"#\1\1\2\2\3\3", value) for name, value in values.items()}
    return {name: re.sub(r"(?<!\d)\.", "0.", value) for name, value in values.items()}


def drawn(svg):
    """Return what a drawing shows: look → points on the page, of what stands in it and of what is copied."""
    root = xml.fromstring(svg)
    names = {part.get("id"): part for part in root.iter()}
    found = {}

    def draw(part, moved, look):
        moved, look = moved @ matrix(part), look | style(part)
        kind = part.tag.partition("}")[2]
        if kind == "path":
            points = found.setdefault(str(sorted(look.items())), [])
            points += [(moved @ np.append(corner, 1))[:2] for corner in corners(part.get("d", ""))]
        if kind == "use":
            draw(names[part.get("{http://www.w3.org/1999/xlink}href")[1:]], moved, look)
        for child in part if kind in ("svg", "g") else ():
            draw(child, moved, look)

    draw(root, np.eye(3), {})
    return {look: np.array(points) for look, points in found.items() if points}


def curvy():
    """Return a figure with bars, markers, letters, a grid, dashes, circles and a colour that shines through."""
    figure, axes = plt.subplots()
    axes.grid()
    axes.bar([0, 1], [0.5, 0.25], alpha=0.5)
    axes.scatter(*np.random.default_rng(1).normal(size=(2, 9)), s=[*range(10, 100, 10)], c=range(9))
    axes.scatter([0, 1], [0.5, 1], c="red", edgecolor="blue")
    axes.plot([0.1, 1, 2.5], "--o", label="a < b & 'c'")
    axes.add_patch(plt.Circle((0, 0), 0.5, fill=False))
    axes.set(yscale="log", title=r"$\frac{1}{2}^{10}_{-3} + \sqrt{3}$", ylabel="é")
    axes.legend()
    return figure


@pytest.mark.parametrize("draw", [waves, curvy])
def test_drawing_is_in_one_line_and_shows_the_same(draw):
    figure = draw()
    before, after = print_figure(figure, "svg"), formats.as_svg(figure)
    assert "\n" not in after
    assert len(after) < 0.6 * len(before)
    before, after = drawn(before), drawn(after)
    assert before.keys() == after.keys()
    assert sum(map(len, before.values())) > 500
    for look, points in before.items():
        assert len(points) == len(after[look])
        far = np.abs(points[:, None] - after[look]).max(axis=2)
        assert max(far.min(axis=0).max(), far.min(axis=1).max()) <= 0.0151, look  # hundredths, of letter and of place


def test_a_short_drawing_stays_as_it_is():
    svg = formats.as_svg(curvy())
    assert formats._shorten(svg) == svg


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (
            "translate(20.123 0.5) rotate(-90) scale(0.0833 -0.0833)",
            "translate(20.12 .5) rotate(-90) scale(.0833 -.0833)",
        ),
        ("translate(-0.125 10) scale(10.5)", "translate(-.12 10) scale(10.5)"),
        ("scale(0.015625)", "scale(0.015625)"),
    ],
)
def test_places_are_rounded_and_sizes_are_not(value, short):
    assert formats._value("transform", value) == short


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1 2 L 3 4 L 3 9.126 L 0.5 9.13 z ", "M1 2l2 2v5.13h-2.5z"),
        ("M 0 0 L 10 0 L 10 -5 z M 4 4 L 5 6", "M0 0h10v-5zM4 4l1 2"),
        ("M 1 1 Q 2 2 3 1 Q 4 0 5 1", "M1 1q1 1 2 0 1-1 2 0"),
        ("M 1 1 C 2 1 2 2 2 3 C 2 4 1 4 0.25 4", "M1 1c1 0 1 1 1 2 0 1-1 1-1.75 1"),
    ],
)
def test_paths_are_told_from_where_they_are(path, short):
    assert formats._path(path) == short
    assert formats._path(short) == short


SET_UP = """import matplotlib.pyplot as plt, numpy as np
from helpers import plots
plots.use_style()"""
KINDS = {
    "plt.plot([1, 3, 2]);": "image/svg+xml",
    "plots.show_images(np.eye(28)[None]);": "image/png",
    "figure = plt.figure(); figure.gca().plot([1, 2]); plt.close(); figure": "image/svg+xml",
}


@pytest.mark.slow
def test_notebook_stores_one_kind():
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in (SET_UP, *KINDS)])
    NotebookClient(notebook, kernel_name="python3").execute()
    for cell, kind in zip(notebook.cells[1:], KINDS.values(), strict=True):
        kinds = [name for output in cell.outputs for name in output["data"] if name.startswith("image/")]
        assert kinds == [kind]


def test_empty_figure_is_not_stored():
    assert formats.lighter(plt.figure()) == (None, None)
    assert formats.as_svg(plt.figure()) is None
