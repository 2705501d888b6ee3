"""The figure that redraws emoji, held to Keras's networks, by keys and by a finger."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import base64
import re

import keras
import numpy as np
import pytest

from helpers import convolutional
from helpers.layers import MatmulConv2DTranspose
from helpers.widgets import packing, stored
from helpers.widgets.redraw import Redraw, emoji_pairs
from tests.browser.test_figures import call, open_figure, picture, swipe, words

# One convolution, with numbers as lists.
LAYER = """(module, name, shape, kernel, bias, values, edge) => {
  const layer = new module[name](shape, Float32Array.from(kernel), Float32Array.from(bias));
  return [0, 1].map(() => [...layer.forward({ values: Float32Array.from(values), edge }).values]);
}"""
# A U-Net, packed, whose bytes begin anywhere in their buffer, as a page may have them; one answer for each image.
UNET = """(module, layers, text, images, edge) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt());
  const network = module.unpackUNet(layers, new DataView(Uint8Array.from([0, ...bytes]).buffer, 1));
  return images.map((image) => [...network.forward(Float32Array.from(image), edge)]);
}"""
PAIRS = """(module, text) => {
  const bytes = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt()).buffer);
  return module.unpackPairs(bytes).map((pair) => pair.map((image) => [...image]));
}"""
LINE = """(module, nib, ends) => {
  const image = new Float32Array(32 * 32 * 3).fill(1);
  module.paintLine(image, nib, ...ends);
  return [...image];
}"""


def randomised(network):
    """Return the network with random weights of the size that trained ones have."""
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.2, weight.shape).astype("float32") for weight in network.get_weights()])
    return network


def in_bytes(network):
    """Return the network with its kernels rounded as they are packed."""
    rounded = keras.models.clone_model(network)
    weights = network.get_weights()
    scales = [np.abs(weight.reshape(-1, weight.shape[-1])).max(axis=0) / 127 for weight in weights]
    pairs = zip(weights, scales, strict=True)
    rounded.set_weights([np.round(w / s) * s if w.ndim == 4 else w for w, s in pairs])
    return rounded


@pytest.mark.parametrize("edge", [8, 9])
@pytest.mark.parametrize(("side", "stride"), [(3, 1), (4, 1), (4, 2), (3, 2), (5, 3)])
@pytest.mark.parametrize("kind", [keras.layers.Conv2D, keras.layers.Conv2DTranspose, MatmulConv2DTranspose])
def test_convolution_pads_as_keras_does(call, kind, side, stride, edge):
    keywords = {} if kind is MatmulConv2DTranspose else {"padding": "same"}
    network = randomised(keras.Sequential([keras.Input((edge, edge, 2)), kind(5, side, stride, **keywords)]))
    images = np.random.default_rng(1).random((1, edge, edge, 2), dtype="float32")
    kernel, bias = (weight.ravel().tolist() for weight in network.get_weights())
    shape = dict(side=side, stride=stride, inputs=2, outputs=5, activation="linear")
    name = "Convolution" if kind is keras.layers.Conv2D else "TransposedConvolution"
    found = call(Redraw, LAYER, name, shape, kernel, bias, images.ravel().tolist(), edge)
    expected = np.asarray(network(images))
    for answer in found:  # the second from arrays that the first has used
        np.testing.assert_allclose(np.reshape(answer, expected.shape), expected, rtol=0, atol=1e-5)


def redraw(call, network, images):
    """Return what JavaScript makes of images with a packed network."""
    layers, numbers = packing.pack_unet(network)
    rows = [image.ravel().tolist() for image in images]
    found = call(Redraw, UNET, layers, base64.b64encode(numbers).decode(), rows, images.shape[1])
    return np.reshape(found, images.shape)


@pytest.mark.parametrize(("edge", "width"), [(8, 3), (12, 4)])
def test_packed_unet_gives_kerass_images(call, edge, width):
    network = randomised(convolutional.unet((edge, edge, 3), width))
    images = np.random.default_rng(1).random((2, edge, edge, 3), dtype="float32")
    expected = in_bytes(network)(images)
    np.testing.assert_allclose(redraw(call, network, images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", stored.TRANSLATIONS)
def test_stored_networks_redraw_as_keras_does(call, name):
    images = emoji_pairs()[:5, stored.TRANSLATIONS.index(name)] / np.float32(255)
    images = np.concatenate([images, np.random.default_rng(0).random((1, 32, 32, 3), dtype="float32")])
    network = stored.load_translation(name)
    found = redraw(call, network, images)
    np.testing.assert_allclose(found, in_bytes(network)(images), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found, network(images), rtol=0, atol=1e-3)


def test_emoji_arrive_whole(call):
    found = call(Redraw, PAIRS, base64.b64encode(Redraw().emoji).decode())
    pairs = emoji_pairs()
    np.testing.assert_allclose(np.reshape(found, pairs.shape), pairs / 255, atol=1e-6)


def test_line_is_as_wide_as_its_nib(call):
    nib = {"colour": [1, 0.5, 0], "width": 3}
    image = np.reshape(call(Redraw, LINE, nib, [5, 10, 20, 10]), (32, 32, 3))
    np.testing.assert_allclose(image[9:12, 5:21], np.broadcast_to([1, 0.5, 0], (3, 16, 3)))
    assert (image[:8] == 1).all()
    assert (image[13:] == 1).all()
    assert (image[:, 23:] == 1).all()
    np.testing.assert_allclose((1 - image[:, 12, 2]).sum(), 3, atol=1e-6)


def numbers(page):
    """Return the numbers that the figure's words name."""
    return [float(number) for number in re.findall(r"\d+\.\d+", words(page))]


@pytest.mark.parametrize("direction", [0, 1])
def test_differences_are_pythons(open_figure, direction):
    page = open_figure(Redraw)
    page.get_by_role("button", name="turtle").press("Enter")
    if direction:
        page.get_by_role("button", name="Twemoji → Noto").press("Enter")
    pair = emoji_pairs()[list(Redraw().names).index("turtle")] / np.float32(255)
    start, other = pair[direction], pair[1 - direction]
    names = stored.TRANSLATIONS[:: -1 if direction else 1]
    there, back = (in_bytes(stored.load_translation(name)) for name in names)
    redrawn = np.asarray(there(start[None]))
    pairs = [(redrawn[0], other), (start, other), (np.asarray(back(redrawn))[0], start)]
    assert words(page).startswith(f"Turtle, {'Twemoji to Noto' if direction else 'Noto to Twemoji'}.")
    np.testing.assert_allclose(numbers(page), [np.abs(a - b).mean() for a, b in pairs], atol=6e-4)


def test_emoji_is_drawn_with_keys(open_figure):
    page = open_figure(Redraw)
    page.get_by_role("button", name="Clear").press("Enter")
    assert words(page).startswith("Your drawing, Noto to Twemoji.")
    shown = [picture(page)]
    page.get_by_role("button", name="Red", exact=True).press("Enter")
    assert page.get_by_role("button", name="Red", exact=True).get_attribute("aria-pressed") == "true"
    page.get_by_label("Pen width").press("End")
    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowUp")
    assert "Pen up, red." in words(page)
    shown.append(picture(page))
    page.keyboard.press("Space")
    assert "Pen down, red." in words(page)
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    shown.append(picture(page))
    drawn = numbers(page)
    page.get_by_role("button", name="Twemoji → Noto").press("Enter")
    assert words(page).startswith("Your drawing, Twemoji to Noto.")
    assert numbers(page) != drawn
    shown.append(picture(page))
    page.get_by_role("button", name="fox").press("Enter")
    assert words(page).startswith("Fox, Twemoji to Noto.")
    shown.append(picture(page))
    assert len(set(shown)) == len(shown)


def test_a_finger_draws_on_a_picked_emoji(open_figure):
    page = open_figure(Redraw, has_touch=True, viewport={"width": 360, "height": 900})
    page.get_by_role("button", name="pizza").tap()
    assert words(page).startswith("Pizza, Noto to Twemoji.")
    page.get_by_role("button", name="Blue").tap()
    page.locator("canvas").first.scroll_into_view_if_needed()
    box = page.locator("canvas").first.bounding_box()
    before = picture(page)
    swipe(page, (box["x"] + 60, box["y"] + 60), (box["x"] + 200, box["y"] + 200))
    assert picture(page) != before
    assert words(page).startswith("Your drawing, Noto to Twemoji.")
    page.get_by_role("button", name="pizza").press("Enter")  # whole again
    assert words(page).startswith("Pizza, Noto to Twemoji.")
