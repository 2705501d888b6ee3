"""Figures are drawn on the axes given, show what they were handed, and are never shown by the helper."""

import base64
import io
import json
import re
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from helpers import plots

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize(("count", "columns", "shape"), [(1, 10, (28, 28)), (10, 10, (28, 289)), (11, 5, (86, 144))])
def test_tiles_have_a_line_of_one_pixel_between_them(count, columns, shape):
    sheet = plots.tile(np.zeros((count, 784)), columns)
    assert sheet.shape == shape
    if count > 1:
        assert sheet[0, 28] == 1


def test_tiles_stand_in_reading_order():
    images = np.arange(6).reshape(6, 1) / 10 * np.ones((6, 784))
    sheet = plots.tile(images, columns=3)
    assert np.allclose([sheet[0, 0], sheet[0, 29], sheet[0, 58], sheet[29, 0]], [0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("shape", [(8, 8), (5, 7), (64, 48)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_of_any_size_and_colour_are_the_images(shape, channels):
    height, width = shape
    images = np.random.default_rng(0).uniform(size=(5, height, width, channels)).astype("float32")
    sheet = plots.tile(images, columns=3)
    assert sheet.shape == (2 * height + 1, 3 * width + 2, 3)[: 2 + (channels == 3)]
    sheet = sheet.reshape(*sheet.shape[:2], channels)
    for index, image in enumerate(images):
        top, left = index // 3 * (height + 1), index % 3 * (width + 1)
        assert np.array_equal(sheet[top : top + height, left : left + width], image)
    assert (sheet[height] == 1).all()
    assert (sheet[:, width] == 1).all()
    assert (sheet[height:, -width:] == 1).all()  # the place left over


def test_sheets_of_digits_keep_their_bytes():
    digits = (np.arange(12 * 784) % 251 / 250).astype("float32").reshape(12, 784)
    sheet = plots.tile(digits, columns=5)
    expected = np.ones((86, 144), "float32")  # written without the helper: three rows of five
    for index in range(12):
        top, left = 29 * (index // 5), 29 * (index % 5)
        expected[top : top + 28, left : left + 28] = digits[index].reshape(28, 28)
    assert sheet.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("count", "columns"), [(1, 10), (10, 10), (45, 15), (30, 1)])
def test_figures_of_digits_have_forty_pixels_an_inch(count, columns):
    ax = plots.show_images(np.zeros((count, 784)), columns=columns)
    sheet = ax.images[0].get_array()
    assert ax.figure.get_size_inches().tolist() == [sheet.shape[1] / 40, sheet.shape[0] / 40]


@pytest.mark.parametrize(("count", "columns", "side"), [(20, 10, 64), (40, 20, 64), (20, 1, 256), (6, 3, 256)])
def test_figures_of_large_images_are_no_larger_than_those_of_digits(count, columns, side):
    of_digits = plots.show_images(np.zeros((10 * 10, 784)), columns=10).figure.get_size_inches()
    ax = plots.show_images(np.zeros((count, side, side, 3)), columns=columns)
    sheet, inches = ax.images[0].get_array().shape, ax.figure.get_size_inches()
    rows = count // columns
    assert (inches <= np.maximum(of_digits, [0.725 * columns, 0.725 * rows]) + 0.05).all()
    assert np.isclose(inches[0] / inches[1], sheet[1] / sheet[0])


def test_coloured_images_are_drawn_in_colour_with_labels_at_the_middle_of_their_rows():
    images = np.random.default_rng(0).uniform(size=(6, 10, 12, 3))
    ax = plots.show_images(images, columns=3, titles=["a", "b"])
    assert ax.images[0].get_array().shape == (21, 38, 3)
    assert np.allclose(ax.images[0].get_array()[11:, :12], images[3])
    assert ax.get_yticks().tolist() == [5, 16]


def test_images_are_drawn_from_black_to_white_whatever_their_range():
    ax = plots.show_images(np.full((2, 28, 28), 0.5), titles=["row"])
    assert ax.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["row"]


def test_given_axes_are_used():
    _, ax = plt.subplots()
    assert plots.show_images(np.zeros((1, 784)), ax=ax) is ax
    assert plots.show_history({"a": [1, 2]}, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_histories_count_from_one_and_name_their_references():
    ax = plots.show_history({"train": [3, 2, 1]}, references={"log 2": 0.69}, xlabel="step")
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert "log 2" in [text.get_text() for text in ax.texts]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 5)), r"images: got shape \(3, 5\)"),
        (np.zeros((28, 28, 4)), r"images: got shape \(28, 28, 4\), .* is images\[None, ..., :3\]\."),
        (np.zeros((0, 784)), r"images: got shape \(0, 784\)"),
        (np.full((1, 8, 8, 3), 255, "uint8"), "images: got values from 255 to 255, expected 0 to 1"),
    ],
)
def test_bad_images_are_named(images, message):
    for draw in (plots.show_images, plots.tile):
        with pytest.raises(ValueError, match=message):
            draw(images)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(columns=0), "columns: got 0, expected an integer >= 1"),
        (dict(columns=2.5), "columns: got 2.5, expected an integer >= 1"),
        (dict(titles=["a", "b", "c"], columns=2), "titles: got 3 labels, expected one for each of the 2 rows"),
        (dict(titles=7), "titles: got int, expected a list of labels"),
        (dict(ax=np.array([1, 2])), "ax: got ndarray, expected one Matplotlib Axes"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match="^" + message):
        plots.show_images(np.zeros((4, 784)), **options)
    assert not plt.get_fignums()


def test_whole_curves_are_drawn():
    losses = np.array([0.1, 0.25, 1 / 3])
    ax = plots.show_history({"train": losses, "validation": [1, 2]})
    assert np.array_equal(ax.lines[0].get_ydata(), losses)  # not rounded to single precision
    assert len(ax.lines[1].get_xdata()) == 2


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ({}, {}, "series: got no curve, expected at least one"),
        (None, {}, "series: got NoneType, expected a dict of label to values"),
        ([1, 2], {}, "series: got list, expected a dict of label to values"),
        (SimpleNamespace(history={"loss": [1]}), {}, "series: got SimpleNamespace, .*: hand over its .history"),
        ({"loss": []}, {}, r"series\['loss'\]: got no value, expected at least one"),
        ({"loss": 3.0}, {}, r"series\['loss'\]: got shape \(\), expected \(n,\)"),
        ({"loss": [[1], [2]]}, {}, r"series\['loss'\]: got shape \(2, 1\), expected \(n,\)"),
        ({"loss": [2, np.nan]}, {}, r"series\['loss'\]: got 1 values that are NaN or infinite, the first at \(1,\)"),
        ({"loss": ["a"]}, {}, r"series\['loss'\]: got dtype <U1, expected numbers"),
        ({"loss": [1]}, dict(references=[0.7]), "references: got list, expected a dict of label to values"),
        ({"loss": [1]}, dict(references={"a": np.nan}), r"references\['a'\]: got nan, expected a finite number"),
        ({"loss": [1]}, dict(ax="left"), "ax: got str, expected one Matplotlib Axes"),
    ],
)
def test_bad_histories_are_named(series, options, message):
    with pytest.raises(ValueError, match="^" + message):
        plots.show_history(series, **options)
    assert not plt.get_fignums()


def test_the_style_file_is_valid():
    with matplotlib.rc_context():
        plots.use_style()
        assert matplotlib.rcParams["image.cmap"] == "gray"


def test_a_film_holds_its_frames_in_order_and_starts_with_the_last():
    sheets = {step: np.full((4, 6), step / 10, "float32") for step in (0, 5, 10)}
    page = plots.film(sheets, alt='Dark, then "light"').data
    frames = json.loads(re.search(r"frames = (\[.*?\])", page)[1])
    levels = [plt.imread(io.BytesIO(base64.b64decode(frame)))[..., 0].mean() for frame in frames]
    assert np.allclose(levels, [0, 0.5, 1], atol=0.02)  # see formats.GREYS
    assert f"base64,{frames[-1]}" in page
    assert 'aria-label="Dark, then &quot;light&quot;"' in page


def test_texts_of_a_film_are_shown_as_they_are():
    texts = ["it's σ & π", "</script><!-- <script>", '"\\']
    for text in texts:
        page = plots.film({text: np.zeros((4, 6))}, alt="Nothing", unit=text).data
        assert json.loads(re.search(r"labels = (.*?);\n", page)[1]) == [text]
        assert json.loads(re.search(r"textContent = (.*?) \+ labels", page)[1]) == text + " "
        script = page[page.index("<script>") + 8 :]
        assert script.index("</script>") == len(script) - len("</script>\n</div>")
        assert "<!--" not in script
    page = plots.film({3: np.zeros((4, 6))}, alt="Nothing", unit="time").data
    assert 'output.textContent = "time " + labels[slider.value];' in page


def test_a_film_of_figures_closes_them():
    figure = plt.figure()
    assert "step 3" in plots.film({3: figure}, alt="Nothing").data
    assert not plt.get_fignums()


def pictures(page):
    """Return the frames of a film as arrays (height, width, 3)."""
    frames = json.loads(re.search(r"frames = (\[.*?\])", page.data)[1])
    return [plt.imread(io.BytesIO(base64.b64decode(frame)))[..., :3] for frame in frames]


@pytest.mark.parametrize("shape", [(12, 28, 28, 1), (12, 28, 28), (4, 9, 8, 3)])
def test_a_film_of_samples_lays_them_out(shape):
    frames = {step: np.random.default_rng(step).integers(0, 2, shape).astype("float32") for step in (0, 5)}
    shown = pictures(plots.film(frames, alt="Samples"))
    for picture, samples in zip(shown, frames.values(), strict=True):
        sheet = plots.tile(samples)
        assert np.allclose(picture, sheet if sheet.ndim == 3 else sheet[..., None])


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 1), (9, 8, 3), (9, 3), (5, 784, 1)])
def test_a_film_of_sheets_shows_them_as_they_are(shape):
    sheet = np.random.default_rng(0).integers(0, 2, shape).astype("float32")
    (picture,) = pictures(plots.film({0: sheet}, alt="One sheet"))
    assert np.array_equal(picture, np.broadcast_to(sheet.reshape(*shape[:2], -1), (*shape[:2], 3)))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros(784), r"frames\['a'\]: got shape \(784,\), expected \(n, height, width, 1 or 3\)"),
        (np.zeros((28, 28, 4)), r"frames\['a'\]: got shape \(28, 28, 4\), .* is frames\['a'\]\[None, ..., :3\]\."),
        (np.zeros((10, 784)), r"frames\['a'\]: got shape \(10, 784\): hand over tile\(frame\)"),
        (np.zeros((10, 3, 64, 64)), r"frames\['a'\]: got shape \(10, 3, 64, 64\), .* Channels come last"),
        (np.full((4, 6), 255, "uint8"), r"frames\['a'\]: got values from 255 to 255, expected 0 to 1"),
        (np.full((4, 6), np.nan), r"frames\['a'\]: got 24 values that are NaN"),
        (None, r"frames\['a'\]: got None, expected an array"),
    ],
)
def test_a_frame_that_is_no_picture_is_named(frame, message):
    with pytest.raises(ValueError, match="^" + message):
        plots.film({"a": frame}, alt="Nothing")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.zeros((4, 6))], "x"), "frames: got list, expected a dict of label to picture"),
        ((SimpleNamespace(frames={}), "x"), "frames: got SimpleNamespace, .*: hand over its .frames"),
        (({0: np.zeros((4, 6))}, None), "alt: got None, expected a text"),
        (({0: np.zeros((4, 6))}, ""), "alt: got '', expected a text"),
        (({0: np.zeros((4, 6))}, "x", 3), "unit: got 3, expected a text"),
    ],
)
def test_bad_arguments_of_a_film_are_named(arguments, message):
    with pytest.raises(ValueError, match="^" + message):
        plots.film(*arguments)


def test_a_film_without_frames_is_refused():
    with pytest.raises(ValueError, match="frames: got no frame"):
        plots.film({}, alt="Nothing")


def test_a_table_has_a_row_of_dashes_below_its_head():
    shown = plots.table(["name", "value"], (row for row in (("a", 1), ["b", "2.5"])))
    assert shown.data == "| name | value |\n| --- | --- |\n| a | 1 |\n| b | 2.5 |"


def test_a_hyphen_before_a_number_becomes_a_minus_sign():
    shown = plots.table(["a", "b"], [[-1, "2026-11-28, 1e-5, `-1`, 3 (-2.5)"]])
    assert shown.data.endswith("| \N{MINUS SIGN}1 | 2026-11-28, 1e-5, `-1`, 3 (\N{MINUS SIGN}2.5) |")


@pytest.mark.parametrize(
    ("rows", "message"),
    [([["a"]], r"rows\[0\]: got 1 entries, expected 2"), ([["a", 1], 5], r"rows\[1\]: got 5, expected one entry a")],
)
def test_a_row_that_does_not_fit_is_named(rows, message):
    with pytest.raises(ValueError, match=message):
        plots.table(["name", "value"], rows)


def test_a_diagrams_arrows_end_at_its_boxes():
    ax = plots.diagram({"left": (0, 0), "right": (3, 1)}, [("left", "right")], colors={"right": "C1"}, color="red")
    (arrow,) = (text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None))
    ax.figure.canvas.draw()
    left, right = (text.get_bbox_patch().get_window_extent() for text in ax.texts if text.get_text())
    start, end = arrow.get_transform().transform(arrow.get_path().vertices[[0, 2]])
    assert left.x1 < start[0] < end[0] < right.x0
    assert [text.get_bbox_patch().get_facecolor() for text in ax.texts if text.get_text()] == [
        to_rgba("white"),
        to_rgba("C1"),
    ]
    assert arrow.get_edgecolor() == to_rgba("red")
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"places": {}}, "places: got none"),
        ({"places": {"a": (1, 2, 3)}}, r"places\['a'\]: got shape"),
        ({"arrows": [("a", "c")]}, r"arrows\[0\]: got 'c', expected some of 'a', 'b'"),
        ({"arrows": [("a", "b", "a")]}, r"arrows\[0\]: got 3 texts"),
        ({"arrows": "ab"}, "arrows: got 'ab'"),
        ({"colors": {"c": "C0"}}, "colors: got 'c'"),
    ],
)
def test_bad_arguments_of_a_diagram_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        plots.diagram(**{"places": {"a": (0, 0), "b": (1, 0)}, **options})
