"""The figure with the map of latents, held to Python's numbers, by keys and by a finger."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import base64

import numpy as np
import pytest

from helpers.widgets import stored
from helpers.widgets.latent_explorer import LatentExplorer, small_decoder
from tests.browser.test_digits_on_request import in_bytes
from tests.browser.test_figures import call, open_figure, picture, swipe, words

DECODE = """(module, layers, text, latents) => {
  const weights = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt()).buffer);
  return [...module.unpack(layers, weights).forward(Float32Array.from(latents), 9)];
}"""
NEAR = "(module, ...rest) => module.neighbours(...rest)"


@pytest.mark.parametrize("name", stored.DECODERS)
def test_decoder_draws_what_pythons_does(call, name):
    packed = LatentExplorer().decoders[name]
    latents = np.random.default_rng(0).standard_normal((9, 2), dtype="float32")
    text = base64.b64encode(packed["weights"]).decode()
    found = call(LatentExplorer, DECODE, packed["layers"], text, latents.ravel().tolist())
    expected = in_bytes(small_decoder(name))(latents)
    np.testing.assert_allclose(np.reshape(found, (9, 784)), expected, rtol=0, atol=1e-5)


def test_neighbours_are_the_nearest(call):
    rng = np.random.default_rng(0)
    codes, labels, point = rng.normal(size=(200, 2)), rng.integers(10, size=200), rng.normal(size=2)
    found = call(LatentExplorer, NEAR, point.tolist(), codes.tolist(), labels.tolist(), 15)
    nearest = np.linalg.norm(codes - point, axis=1).argsort()[:15]
    assert found == np.bincount(labels[nearest], minlength=10).tolist()


def test_point_moves_by_keys_and_the_decoder_changes(open_figure):
    page = open_figure(LatentExplorer)
    shown = [picture(page)]
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    shown.append(picture(page))
    page.get_by_label("Up").focus()
    page.keyboard.press("ArrowRight")
    shown.append(picture(page))
    for keys, name in ((["ArrowUp"], "autoencoder"), (["ArrowDown", "ArrowDown"], "GAN")):
        page.get_by_role("combobox", name="Decoder").focus()
        for key in keys:
            page.keyboard.press(key)
        shown.append(picture(page))
        assert words(page).startswith(f"The {name}'s decoder")
    assert len(set(shown)) == len(shown)


def test_finger_drags_the_point(open_figure):
    page = open_figure(LatentExplorer, has_touch=True, viewport={"width": 360, "height": 740})
    box = page.locator("canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    swipe(page, middle, (middle[0] + (box["width"] - 16) / 4, middle[1]))
    assert float(page.get_by_label("Across").input_value()) == pytest.approx(0.5, abs=0.03)
