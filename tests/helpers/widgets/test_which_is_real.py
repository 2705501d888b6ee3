"""The figure of thirty clicks, in Python: whose digits it shows, and how they are packed."""

import keras
import numpy as np
import pytest

from helpers import gans, results
from helpers.widgets import which_is_real

BYTES = 150_000  # of the digits on the page, at most


@pytest.fixture(scope="module")
def figure():
    """The figure as a chapter makes it."""
    return which_is_real.WhichIsReal()


def unpack(numbers):
    """Return packed images as grey levels (n, 784)."""
    pairs = np.frombuffer(numbers, "uint8")
    return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1, 784) / 15


def test_packed_images_are_near_the_images():
    images = np.random.default_rng(0).random((5, 784))
    packed = which_is_real.pack_images(images)
    assert len(packed) == 5 * 392
    assert np.abs(unpack(packed) - images).max() <= 0.5 / 15 + 1e-6


@pytest.mark.slow
def test_digits_are_the_first_of_the_measured_samples(figure):
    generator, _ = gans.improved_networks()
    generator.set_weights(results.weights("gan_recipes", "improved", 0))
    latents = keras.random.normal((10_000, generator.input_shape[-1]), seed=12345)
    expected = generator.predict(latents[:8], verbose=0).reshape(8, 784)
    np.testing.assert_allclose(which_is_real.draw("improved GAN", 8), expected, atol=1e-5)
    first = figure.real + figure.drawn * figure.names.index("improved GAN")
    assert np.abs(unpack(figure.images)[first : first + 8] - expected).max() <= 0.5 / 15 + 1e-5


def test_real_digits_are_test_digits_and_no_two_are_the_same(figure, mnist):
    test = np.round(15 * mnist.test_images.reshape(-1, 784)).astype(int)
    shown = np.round(15 * unpack(figure.images)[: figure.real]).astype(int)
    rows = [np.flatnonzero((test == one).all(axis=1)) for one in shown]
    assert min(map(len, rows)) >= 1
    assert len({int(one[0]) for one in rows}) == which_is_real.REAL


def test_the_digits_are_light(figure):
    assert len(figure.images) <= BYTES
    assert len(figure.images) == 392 * (figure.real + len(figure.names) * figure.drawn)


def test_an_unknown_generator_is_an_error():
    with pytest.raises(ValueError, match="name: got 'GAN'"):
        which_is_real.draw("GAN")
