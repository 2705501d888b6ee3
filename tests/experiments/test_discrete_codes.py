"""The stored network with a codebook and its prior measure what the result says; the parts do what they are named."""

import itertools

import numpy as np
import pytest

from experiments import discrete_codes
from experiments.harness import record
from helpers import datasets, storage


@pytest.fixture(scope="module")
def emoji():
    return datasets.load_emoji()


@pytest.fixture(scope="module")
def reported():
    return record.read("discrete_codes")


@pytest.fixture(scope="module")
def codes(reported):
    """The stored autoencoder."""
    found = discrete_codes.Codes(reported["priors"][0]["form"])
    found.model.set_weights(storage.load_weights(record.weights_path("discrete_codes", "codes")))
    return found


@pytest.fixture(scope="module")
def prior(reported):
    """The stored prior."""
    sizes = {name: reported["prior"][name] for name in ("width", "blocks", "heads")}
    network = discrete_codes.prior_network(**sizes, dropout=0.0)
    network.set_weights(storage.load_weights(record.weights_path("discrete_codes", "prior")))
    return network


def test_the_reported_error_and_bits(reported, codes, prior, emoji):
    (run,) = [one for one in reported["runs"] if one["form"] == reported["priors"][0]["form"] and one["seed"] == 0]
    images, labels = discrete_codes.images_of(emoji.test)
    measured = codes.measure(images)
    assert np.isclose(measured["sse"], run["sse"], rtol=0.05)
    assert np.isclose(measured["perplexity"], run["perplexity"], rtol=0.05)
    found = discrete_codes.bits(prior, discrete_codes.flat(codes.tokens(images)), labels).mean()
    assert np.isclose(found, reported["priors"][0]["test_bits"], rtol=0.02)


def test_the_settings_are_the_reported_ones(reported):
    assert reported["recipe"] == discrete_codes.RECIPE
    assert reported["forms"] == discrete_codes.FORMS
    assert reported["prior"] == discrete_codes.PRIOR
    assert reported["vae"] == discrete_codes.VAE
    for kind, forms in (("runs", discrete_codes.FORMS), ("priors", [reported["priors"][0]["form"]])):
        for form in forms:
            seeds = [run["seed"] for run in reported[kind] if run["form"] == form]
            assert sorted(seeds) == list(discrete_codes.SEEDS)
    tried = {form: [run["rate"] for run in reported["tries"] if run["form"] == form] for form in discrete_codes.FORMS}
    assert all(sorted(rates) == sorted(discrete_codes.RATES) for rates in tried.values())


def test_the_prior_is_causal(prior):
    tokens = np.random.default_rng(0).integers(0, 256, (1, 64)).astype("int32")
    changed = tokens.copy()
    changed[0, 20] = (changed[0, 20] + 1) % 256
    logits = prior.predict([np.concatenate([tokens, changed]), np.zeros(2, "int32")], verbose=0)
    moved = np.abs(logits[0] - logits[1]).max(axis=1)
    assert moved[:21].max() < 1e-4
    assert moved[21:].max() > 1e-2


def test_samples_follow_a_prior_that_is_sure():
    network = discrete_codes.prior_network(width=8, blocks=1, heads=2, dropout=0.0)
    weights = network.get_weights()
    weights[-2][:], weights[-1][:] = 0, 0
    weights[-1][7] = 50  # the last bias: token 7 everywhere
    network.set_weights(weights)
    assert (discrete_codes.sample_tokens(network, np.zeros(3, "int32"), seed=0) == 7).all()
    assert np.allclose(discrete_codes.bits(network, np.full((2, 64), 7, "int32"), np.zeros(2, "int32")), 0, atol=1e-3)


def test_counted_bits_of_equal_and_of_known_tokens():
    rng = np.random.default_rng(0)
    found = discrete_codes.counted_bits(*(rng.integers(0, 256, (rows, 64)) for rows in (2000, 200, 200)))
    assert all(abs(bits - 512) < 12 for bits in found.values())
    known = np.tile(np.arange(64), (50, 1))
    found = discrete_codes.counted_bits(known, known, known)
    assert found["each place"] < 5
    assert found["token before"] < 5
    assert abs(found["all places"] - 64 * 6) < 5


def test_moved_images_are_the_images_moved():
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32")
    still, up, down, left, right = discrete_codes.shifted(images)
    assert np.array_equal(still, images)
    for moved, step, axis in ((up, 1, 1), (down, -1, 1), (left, 1, 2), (right, -1, 2)):
        inside = np.roll(images, step, axis)[:, 1:-1, 1:-1]
        assert np.array_equal(moved[:, 1:-1, 1:-1], inside)


def test_components_cost_more_bits_the_finer_they_are():
    rng = np.random.default_rng(0)
    images = rng.random((600, 4, 4, 3), dtype="float32")
    curve = discrete_codes.component_curve(images[:500], images[500:])
    assert all(a["bits"] >= b["bits"] for a, b in itertools.pairwise(curve))
    assert curve[0]["bits"] > 2 * curve[-1]["bits"]
    assert curve[0]["sse"] < curve[-1]["sse"]
