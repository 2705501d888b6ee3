"""The decoders with two latents: what is built, and what the experiment measures."""

import numpy as np
import pytest

from experiments import explorer as experiment
from helpers.widgets import stored
from helpers.widgets.latent_explorer import small_decoder


def test_decoder_gives_pixels_and_logits():
    pixels, logits = stored.decoder(), stored.decoder(activation=None)
    pixels.set_weights(logits.get_weights())
    latents = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(pixels(latents), 1 / (1 + np.exp(-np.array(logits(latents)))), atol=1e-6)
    assert pixels(latents).shape == (5, 784)


def test_codes_are_those_of_the_first_digits_and_the_error_is_theirs(mnist):
    encoder, decoder = experiment.encoder(stored.LATENTS), stored.decoder()
    found = experiment.measure(decoder, encoder, mnist.validation_images, mnist.validation_labels)
    rows = mnist.validation_images[:500].reshape(-1, 784)
    np.testing.assert_allclose(found["codes"], encoder(rows), atol=6e-4)
    np.testing.assert_array_equal(found["labels"], mnist.validation_labels[:500])
    redrawn = np.array(decoder(np.float32(found["codes"])))
    np.testing.assert_allclose(found["sse"], np.square(rows - redrawn).sum(axis=1).mean(), rtol=1e-4)


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_stored_decoder_has_the_recorded_error(name, mnist):
    run = stored.decoder_runs()[name]
    found = experiment.squared_error(stored.load_decoder(name), np.float32(run["codes"]), mnist.test_images[:500])
    np.testing.assert_allclose(found, run["sse"], rtol=1e-4)


@pytest.mark.parametrize("name", stored.DECODERS)
def test_narrow_decoder_of_the_figure_draws_the_same_all_over_its_map(name):
    codes = np.float32(stored.decoder_runs()[name]["codes"])
    low, high = np.percentile(codes, [1, 99], axis=0)
    map_of = np.stack(np.meshgrid(*np.linspace(low, high, 30).T), axis=-1).reshape(-1, 2)
    whole, small = (decoder.predict(map_of, verbose=0) for decoder in (stored.load_decoder(name), small_decoder(name)))
    assert np.sqrt(np.square(whole - small).mean()) < 0.04
    assert np.abs(whole - small).mean() < 0.01
