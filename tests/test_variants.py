"""The layers of the experiment on kinds of autoencoders, its stored networks, and what its result must hold."""

import jax
import numpy as np
import pytest

from experiments import record, variants
from helpers import metrics

KINDS = [(kind, row) for kind, rows in record.read("variants")["kinds"].items() for row in rows]
NAMES = [f"{kind} {row['setting']}" for kind, row in KINDS]


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_keeps_the_largest(k):
    codes = np.random.default_rng(0).permutation(40).reshape(4, 10).astype("float32")
    kept = np.asarray(variants.TopK(k)(codes))
    assert ((kept > 0).sum(axis=1) <= k).all()
    assert np.array_equal(np.sort(kept)[:, -k:], np.sort(codes)[:, -k:])
    assert np.array_equal(np.sort(kept)[:, :-k], np.zeros((4, 10 - k)))


def test_mask_keeps_the_first_numbers():
    assert np.asarray(variants.Mask(2)(np.ones((1, 4), "float32"))).tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize("on", [0.0, 1.0])
def test_shift_moves_by_a_pixel_at_most(on):
    rows = np.zeros((50, 28, 28), "float32")
    rows[:, 10, 10] = 1
    layer = variants.Shift(on)
    assert np.array_equal(layer(rows.reshape(-1, 784)), rows.reshape(-1, 784))
    shifted = np.asarray(layer(rows.reshape(-1, 784), training=True)).reshape(-1, 28, 28)
    places = np.argwhere(shifted == 1)[:, 1:]
    assert len(places) == 50
    assert np.abs(places - 10).max() == on
    assert len(np.unique(places, axis=0)) == (9 if on else 1)


def test_noise_is_for_training_only():
    layer, zeros = variants.Noise(0.5), np.zeros((100, 100), "float32")
    assert not np.asarray(layer(zeros)).any()
    assert np.isclose(np.asarray(layer(zeros, training=True)).std(), 0.5, rtol=0.05)


def test_the_contractive_penalty_is_the_squared_jacobian():
    encoder = variants.sigmoid().encoder
    kernel, images = encoder.get_weights()[0], np.random.default_rng(0).random((3, 784), dtype="float32")
    jacobian = jax.vmap(jax.jacobian(lambda image: encoder(image[None])[0]))(images)
    assert np.isclose(variants.jacobian_size(encoder(images), kernel), (jacobian**2).sum(axis=(1, 2)).mean(), rtol=1e-4)


def test_the_divergence_is_zero_at_its_target():
    at_target, off = (np.full((7, 3), value, "float32") for value in (0.1, 0.2))
    assert abs(float(variants.coin_divergence(at_target))) < 1e-6
    assert float(variants.coin_divergence(off)) > 0.01


@pytest.mark.parametrize("kind", variants.SMALL)
def test_the_stored_networks_have_the_reported_errors(kind, mnist):
    networks = variants.load(kind)
    images = mnist.test_images.reshape(-1, 784)
    redrawn = variants.run(networks.decoder, variants.run(networks.encoder, images))
    reported = next(row for row in record.read("variants")["kinds"][kind] if row["best"])["seeds"][0]
    assert np.isclose(metrics.squared_error(images, redrawn).mean(), reported["test_sse"], rtol=1e-3)


@pytest.mark.parametrize(("kind", "row"), KINDS, ids=NAMES)
def test_every_kind_has_five_seeds_and_curves_of_two_lengths(kind, row):
    assert len(row["seeds"]) == len(row["accuracies"]["1000"]) == 5
    half, full = sorted(map(int, row["curves"]))
    assert full == 2 * half
    for epochs, curves in row["curves"].items():
        assert np.shape(curves["clean"]) == (5, int(epochs))
        assert np.isfinite(curves["clean"]).all()


def test_every_kind_was_tuned_with_the_same_effort():
    for name, group in variants.GROUPS.items():
        trials = record.read("variants")["trials"][name]
        for kind, description in group.kinds.items():
            tried = {(trial["setting"], trial["rate"]) for trial in trials if trial["kind"] == kind}
            assert len(tried) == 5 * len(description.settings)
