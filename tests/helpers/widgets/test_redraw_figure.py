"""The figure that redraws emoji, in Python: which emoji and networks it holds, and how they are packed."""

import keras
import numpy as np
import pytest

from helpers import convolutional, datasets, results
from helpers.layers import MatmulConv2DTranspose
from helpers.widgets import packing, redraw, stored

BYTES = 350_000  # of the figure's own data on the page, at most


@pytest.fixture(scope="module")
def figure():
    """The figure as a chapter makes it."""
    return redraw.Redraw()


def test_the_emoji_are_test_emoji_in_both_styles(figure):
    pairs = np.frombuffer(figure.emoji, "uint8").reshape(-1, 2, 32, 32, 3)
    assert len(pairs) == len(figure.names) == len(redraw.EMOJI)
    test = datasets.load_emoji().test
    for key, pair in zip(redraw.EMOJI, pairs, strict=True):
        (row,) = np.flatnonzero(test.name == key)
        np.testing.assert_allclose(pair / 255, [test.noto[row], test.twemoji[row]], atol=1e-6)


def test_the_figure_is_light(figure):
    state = figure.get_state()
    assert sum(len(state[name]) for name in ("emoji", "to_twemoji_weights", "to_noto_weights")) <= BYTES


@pytest.mark.parametrize("name", stored.TRANSLATIONS)
def test_networks_redraw_images_of_the_size_of_emoji(name):
    network = stored.load_translation(name)
    assert network.input_shape == network.output_shape == (None, 32, 32, 3)


def test_missing_weights_are_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(RuntimeError, match=r"translation_to_noto\.npz: is missing\. `git checkout"):
        stored.load_translation("to_noto")


# --- A packed U-Net ---


def test_packed_unet_holds_bias_scales_and_kernel_of_each_convolution():
    network = convolutional.unet((8, 8, 3), width=4)
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=weight.shape).astype("float32") for weight in network.get_weights()])
    layers, numbers = packing.pack_unet(network)
    kinds = [layer["kind"] for layer in layers]
    assert kinds == [*["convolution"] * 4, *["transposed"] * 2, "convolution"]
    assert layers[1] == dict(kind="convolution", side=4, stride=2, inputs=4, outputs=8, activation="leaky_relu")
    assert layers[4] == dict(kind="transposed", side=4, stride=2, inputs=8, outputs=4, activation="leaky_relu")
    at, weights = 0, iter(network.get_weights())
    for kernel, bias in zip(weights, weights, strict=True):
        columns = kernel.shape[-1]
        floats = np.frombuffer(numbers, "float32", count=len(bias) + columns, offset=at)
        at += floats.nbytes
        integers = np.frombuffer(numbers, "int8", count=kernel.size, offset=at).reshape(kernel.shape)
        at += kernel.size
        np.testing.assert_array_equal(floats[: len(bias)], bias)
        step = floats[len(bias) :]
        assert (np.abs(integers * step - kernel) <= 0.501 * step).all()
    assert at == len(numbers)


def small_network(*layers):
    """Return an image network whose last layers are given."""
    inputs = keras.Input((8, 8, 3))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: convolutional.unet((8, 8, 3), width=2, skips=False), "2 transposed convolutions and 0 Concatenate"),
        (lambda: small_network(keras.layers.Conv2D(3, 3, 1, "same")), "0 transposed convolutions and 0 Concatenate"),
        (lambda: small_network(keras.layers.MaxPooling2D()), "got a layer MaxPooling2D, expected Conv2D"),
        (lambda: small_network(MatmulConv2DTranspose(3, 4, 2, "gelu")), "got the activation 'gelu'"),
    ],
)
def test_what_the_browser_lacks_is_an_error(network, message):
    with pytest.raises(ValueError, match=message):
        packing.pack_unet(network())
