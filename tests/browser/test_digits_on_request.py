"""The figure of digits on request, held to Python's numbers, by keys and by a finger."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import base64

import keras
import numpy as np
import pytest

from helpers.widgets import digits_on_request
from helpers.widgets.digits_on_request import DigitsOnRequest
from tests.browser.test_figures import call, open_figure, picture, swipe, words

DRAW = """(module, layers, text, style) => {
  const weights = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt()).buffer);
  return [...module.unpack(layers, weights).forward(module.ask(Float32Array.from(style)), 10)];
}"""
LOOK = "(module, image) => module.look(Float32Array.from(image))"
BETWEEN = "(module, a, b, share) => module.between(a, b, share)"


def in_bytes(network):
    """Return the network with its kernels rounded as they are packed."""
    rounded = keras.models.clone_model(network)
    weights = network.get_weights()
    scales = [np.abs(weight).max(axis=0) / 127 for weight in weights]
    pairs = zip(weights, scales, strict=True)
    rounded.set_weights([np.round(w / s) * s if w.ndim == 2 else w for w, s in pairs])
    return rounded


def test_ten_digits_are_pythons(call):
    style = np.random.default_rng(0).standard_normal(16, dtype="float32")
    figure, network = DigitsOnRequest(), in_bytes(digits_on_request.small_generator())
    text = base64.b64encode(figure.weights).decode()
    found = call(DigitsOnRequest, DRAW, figure.layers, text, style.tolist())
    rows = np.concatenate([np.eye(10, dtype="float32"), np.tile(style, (10, 1))], axis=1)
    np.testing.assert_allclose(np.reshape(found, (10, 784)), network(rows), rtol=0, atol=1e-5)


def test_ink_and_lean_are_moments(call):
    image = np.random.default_rng(0).uniform(size=(28, 28)) ** 8
    y, x = np.mgrid[:28, :28]
    covariance = np.cov(x.ravel(), y.ravel(), aweights=image.ravel(), ddof=0)
    found = call(DigitsOnRequest, LOOK, image.ravel().tolist())
    assert np.isclose(found["ink"], image.mean(), atol=1e-5)
    assert np.isclose(found["lean"], np.degrees(np.arctan(-covariance[0, 1] / covariance[1, 1])), atol=1e-4)


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_style_between_two_keeps_its_length(call, share):
    a, b = np.random.default_rng(0).normal(size=(2, 16))
    found = np.array(call(DigitsOnRequest, BETWEEN, a.tolist(), b.tolist(), share))
    lengths = [np.linalg.norm(one) for one in (a, b, found)]
    assert np.isclose(lengths[2], (1 - share) * lengths[0] + share * lengths[1])
    cosine = found @ a / (lengths[2] * lengths[0])
    assert np.isclose(np.arccos(min(cosine, 1)), share * np.arccos(a @ b / (lengths[0] * lengths[1])), atol=1e-6)


def test_class_and_style_follow_the_keys(open_figure):
    page = open_figure(DigitsOnRequest)
    shown = [picture(page)]
    page.get_by_label("Direction 1").focus()
    page.keyboard.press("ArrowRight")
    shown.append(picture(page))
    assert "0.1 along direction 1" in words(page)
    page.keyboard.press("7")
    shown.append(picture(page))
    assert words(page).startswith("Asked for a 7.")
    assert page.get_by_role("button", name="7", exact=True).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="2", exact=True).press("Enter")
    assert words(page).startswith("Asked for a 2.")
    page.get_by_label("From style A to B").press("End")
    assert "100% of the way" in words(page)
    shown.append(picture(page))
    page.get_by_role("button", name="New style B").press("Enter")
    shown.append(picture(page))
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_mixing_plays_until_it_is_paused(open_figure, motion):
    page = open_figure(DigitsOnRequest, reduced_motion=motion)
    before = picture(page)
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => !document.querySelector('.words').textContent.includes(' 0% of')")
    page.get_by_role("button", name="Pause").press("Enter")
    still = picture(page)
    assert still != before, words(page)
    page.wait_for_timeout(300)
    assert picture(page) == still


def test_finger_drags_the_style_and_taps_a_class(open_figure):
    page = open_figure(DigitsOnRequest, has_touch=True, viewport={"width": 360, "height": 900})
    box = page.locator("canvas").nth(1).bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = picture(page)
    swipe(page, middle, (middle[0] + (box["width"] - 16) / 3, middle[1]))
    assert picture(page) != before
    assert float(page.get_by_label("Direction 1").input_value()) == pytest.approx(2, abs=0.11)
    row = page.locator("canvas").nth(2).bounding_box()
    page.touchscreen.tap(row["x"] + 0.95 * row["width"], row["y"] + row["height"] / 2)
    assert words(page).startswith("Asked for a 9.")
