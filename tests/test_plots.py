"""Figures are drawn on the axes given, show what they were handed, and are never shown by the helper."""

import base64
import io
import json
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

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


def test_bad_images_are_named():
    with pytest.raises(ValueError, match=r"images: got shape \(3, 5\)"):
        plots.show_images(np.zeros((3, 5)))


def test_the_style_file_is_valid():
    with matplotlib.rc_context():
        plots.use_style()
        assert matplotlib.rcParams["image.cmap"] == "gray"


def test_a_film_holds_its_frames_in_order_and_starts_with_the_last():
    sheets = {step: np.full((4, 6), step / 10, "float32") for step in (0, 5, 10)}
    page = plots.film(sheets, alt='Dark, then "light"').data
    frames = json.loads(re.search(r"frames = (\[.*?\])", page)[1])
    levels = [plt.imread(io.BytesIO(base64.b64decode(frame)))[..., 0].mean() for frame in frames]
    assert np.allclose(levels, [0, 0.5, 1], atol=0.01)
    assert f"base64,{frames[-1]}" in page
    assert 'aria-label="Dark, then &quot;light&quot;"' in page


def test_a_film_of_figures_closes_them():
    figure = plt.figure()
    assert "step 3" in plots.film({3: figure}, alt="Nothing").data
    assert not plt.get_fignums()


def test_a_film_of_sheets_that_are_no_sheets_is_refused():
    with pytest.raises(ValueError, match=r"frames: 3 has shape \(10, 28, 28, 1\), expected \(height, width\)"):
        plots.film({3: np.zeros((10, 28, 28, 1))}, alt="Nothing")


def test_a_film_without_frames_is_refused():
    with pytest.raises(ValueError, match="frames: got no frame"):
        plots.film({}, alt="Nothing")
