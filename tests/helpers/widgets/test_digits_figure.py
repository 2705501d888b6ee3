"""The figure of digits on request, in Python: what its narrow network draws."""

import numpy as np
import pytest

from helpers import metrics, results
from helpers.gans import conditional
from helpers.widgets import digits_on_request, packing


@pytest.fixture(scope="module")
def drawn():
    """Digits of the stored generator and of the figure's, from the same latents, and the classes asked for."""
    whole, _ = conditional.conditional_networks(**results.read(digits_on_request.STORED[0])["networks"])
    whole.set_weights(results.weights(*digits_on_request.STORED))
    labels = np.arange(500) % 10
    latents = conditional.ask(labels, 26, seed=77)  # not those that the narrow network was made on
    images = whole.predict(latents, verbose=0)[:, :784]
    return images, digits_on_request.small_generator().predict(latents, verbose=0), labels


@pytest.mark.slow
def test_narrow_network_draws_the_same_digits(drawn):
    images, small, _ = drawn
    assert np.sqrt(np.square(images - small).mean()) < 0.04
    assert np.abs(images - small).mean() < 0.01


@pytest.mark.slow
def test_narrow_network_draws_what_is_asked(drawn):
    images, small, labels = drawn
    right = [(metrics.predict_labels(rows.reshape(-1, 28, 28, 1)) == labels).mean() for rows in (images, small)]
    assert right[1] >= right[0] - 0.01


def test_narrow_layer_is_exact_in_the_components_it_keeps():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 7))  # of rank 3
    kernel, bias = rng.normal(size=(7, 5)), rng.normal(size=5)
    first, second, constant = packing.narrow(inputs, kernel, bias, 3, weights=rng.uniform(1, 2, size=5))
    np.testing.assert_allclose(inputs @ first @ second + constant, inputs @ kernel + bias, atol=1e-9)


def test_directions_are_orthonormal():
    directions = np.array(digits_on_request._traits()["directions"])
    assert directions.shape == (2, 16)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-5)
