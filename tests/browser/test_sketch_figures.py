"""The figures in which one draws a digit or cuts a code short, held to Python's numbers, by keys and by a finger."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import base64
import re

import numpy as np
import pytest
import scipy

from experiments.sketch import first_of_code
from helpers import datasets
from helpers.widgets import stored
from helpers.widgets.code_size import CodeSize
from helpers.widgets.draw_a_digit import DrawADigit, digit_bytes
from tests.browser.test_figures import call, open_figure, picture, swipe, words

# Runs `code` on the networks of a figure, whose bytes come as base64 by the traits' names.
START = """(module, state, image, code) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt()).buffer);
  const get = (name) => module.unpack(state[`${name}_layers`], bytes(state[`${name}_weights`]));
  return eval(code)(module, get, Float32Array.from(image));
}"""
LOOK = """(module, get, image) => {
  const seen = module.look(get("autoencoder"), get("classifier"), image);
  return { ...seen, code: [...seen.code], redrawn: [...seen.redrawn] };
}"""
CUT = """(module, get, image) => {
  const both = module.cutBoth(image, get("autoencoder"), get("components"));
  const lists = ({ errors, images }) => ({ errors, images: images.map((one) => [...one]) });
  return { pca: lists(both.pca), autoencoder: lists(both.autoencoder) };
}"""


@pytest.fixture(scope="module")
def digits():
    """The test digits that both figures show, as rows in [0, 1]."""
    return np.frombuffer(digit_bytes(), "uint8").reshape(10, 784).astype("float32") / 255


def run(call, figure, image, code):
    """Return what the code returns for an image."""
    made = figure()
    state = {name: getattr(made, name) for name in made.trait_names() if name.endswith(("_layers", "_weights"))}
    for name in [name for name in state if name.endswith("_weights")]:
        state[name] = base64.b64encode(state[name]).decode()
    return call(figure, START, state, image.tolist(), code)


@pytest.mark.parametrize("digit", [0, 7])
def test_drawing_is_redrawn_and_named_as_in_python(call, digits, digit):
    found = run(call, DrawADigit, digits[digit], LOOK)
    pair, rows = stored.load_network("codes"), digits[digit : digit + 1]
    shares = scipy.special.softmax(np.array(stored.load_network("classes")(rows))[0])
    np.testing.assert_allclose(found["redrawn"], pair.autoencoder(rows)[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["code"], pair.encoder(rows)[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["shares"], shares, rtol=0, atol=1e-5)


def test_cut_codes_give_pythons_reconstructions(call, digits):
    found = run(call, CodeSize, digits[3], CUT)
    pair, decoder = stored.load_network("ordered"), stored.load_network("components")
    components, mean = decoder.get_weights()
    masks = first_of_code(np.arange(1, stored.CODE + 1)[:, None])
    expected = {
        "pca": decoder(masks * ((digits[3] - mean) @ components.T)),
        "autoencoder": pair.decoder(masks * np.array(pair.encoder(digits[3:4]))),
    }
    for name, images in expected.items():
        np.testing.assert_allclose(found[name]["images"], images, rtol=0, atol=1e-5)
        np.testing.assert_allclose(found[name]["errors"], np.square(digits[3] - images).sum(axis=1), rtol=1e-4)


def test_a_drawing_comes_to_the_middle_where_mnist_has_it(call):
    code = """(module) => {
      const image = new Float32Array(784);
      module.stroke(image, 3, 4, 3, 10);
      return [[...image], [...module.centred(image)]];
    }"""
    drawn, moved = np.reshape(call(DrawADigit, code), (2, 28, 28))
    assert drawn[4:11, 3].min() == 1
    assert drawn[:, 6:].max() == 0
    np.testing.assert_allclose(moved, np.roll(drawn, (7, 11), axis=(0, 1)))
    images = datasets.load_mnist().test_images[..., 0]
    centres = [(images.sum(axis=axis) @ np.arange(28) / images.sum(axis=(1, 2))).mean() for axis in (1, 2)]
    np.testing.assert_allclose(centres, 14, atol=0.01)


def numbers(page):
    """Return the numbers that the figure's words name."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", words(page))]


def test_digit_is_drawn_with_keys(open_figure):
    page = open_figure(DrawADigit)
    page.get_by_role("button", name="Clear").press("Enter")
    empty = picture(page)
    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowUp")
    assert "Pen up." in words(page)
    moved = picture(page)
    assert moved != empty
    page.keyboard.press("Space")
    assert "Pen down." in words(page)
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    assert picture(page) != moved
    assert numbers(page)[0] > 0


def test_digit_is_drawn_with_a_finger_and_the_buttons_fill_the_field(open_figure):
    page = open_figure(DrawADigit, has_touch=True, viewport={"width": 360, "height": 900})
    page.get_by_role("button", name="Clear").tap()
    box = page.locator("canvas").first.bounding_box()
    empty = picture(page)
    swipe(page, (box["x"] + 150, box["y"] + 60), (box["x"] + 150, box["y"] + 240))
    assert picture(page) != empty
    assert "The classifier says 1" in words(page)
    error = {}
    for name in ("A digit from the test set", "A letter", "Noise"):
        page.get_by_role("button", name=name).tap()
        error[name] = numbers(page)[0]
    assert error["A digit from the test set"] < error["A letter"] < error["Noise"]


def test_code_size_follows_the_keys(open_figure):
    page = open_figure(CodeSize)
    page.get_by_role("slider", name="Size of the code").focus()
    page.keyboard.press("End")
    many = numbers(page)
    page.keyboard.press("Home")
    one = numbers(page)
    assert (many[0], one[0]) == (64, 1)
    assert np.all(np.array(many[2:]) < one[2:])
    before = picture(page)
    page.get_by_role("combobox", name="Test digit").focus()
    page.keyboard.press("ArrowDown")
    assert picture(page) != before


def test_a_finger_cuts_the_code(open_figure):
    page = open_figure(CodeSize, has_touch=True, viewport={"width": 360, "height": 900})
    slider = page.get_by_role("slider", name="Size of the code")
    slider.tap()  # in its middle
    middle, before = numbers(page), picture(page)
    assert 28 <= middle[0] <= 37
    slider.tap(position={"x": 12, "y": 4})
    assert numbers(page)[0] < 8
    assert np.all(np.array(numbers(page)[2:]) > middle[2:])
    assert picture(page) != before
