"""Weights rounded with regard to the inputs change what comes out less, and are stored as they are."""

import keras
import numpy as np
import pytest

from experiments.harness import rounding
from helpers import autoencoders, layers, storage

RNG = np.random.default_rng(0)
INPUTS = (RNG.normal(size=(500, 6)) @ RNG.normal(size=(6, 30))).astype("float32")  # correlated, as pixels are
KERNEL = RNG.normal(size=(30, 20)).astype("float32")


def plainly(kernel, bits):
    """Round each weight by itself."""
    scale = storage.column_scale(kernel, bits)
    return np.round(kernel / scale) * scale


@pytest.mark.parametrize("bits", [5, 6, 8])
def test_the_outputs_change_less_than_by_plain_rounding(bits):
    errors = [
        np.square(INPUTS @ (kernel - KERNEL)).mean()
        for kernel in (rounding.round_kernel(KERNEL, INPUTS, bits), plainly(KERNEL, bits))
    ]
    assert errors[0] < errors[1] / 3


@pytest.mark.parametrize("bits", [5, 6, 8])
def test_rounded_weights_are_multiples_of_the_scale_that_is_read_from_them(bits):
    rounded = rounding.round_kernel(KERNEL, INPUTS, bits)
    np.testing.assert_allclose(storage.column_scale(rounded, bits), storage.column_scale(KERNEL, bits), rtol=1e-6)
    np.testing.assert_allclose(plainly(rounded, bits), rounded, rtol=1e-6)


def test_inputs_that_are_always_zero_do_no_harm():
    inputs = np.where(np.arange(30) < 5, 0, INPUTS)
    rounded = rounding.round_kernel(np.where(np.arange(20) == 3, 0, KERNEL), inputs, 6)
    assert np.isfinite(rounded).all()
    assert not rounded[:, 3].any()


@pytest.mark.parametrize(
    "model",
    [
        lambda: layers.dense_network((30,), [16, 8], 4, activation="relu"),
        lambda: autoencoders.residual_autoencoder(width=16, blocks=1, code_dim=3, input_dim=30).autoencoder,
    ],
)
def test_a_rounded_network_is_stored_exactly(tmp_path, model):
    keras.utils.set_random_seed(0)
    model = model()
    before = model.predict(INPUTS, verbose=0)
    rounding.round_network(model, INPUTS, "int6")
    rounded = model.predict(INPUTS, verbose=0)
    assert 0 < np.square(rounded - before).mean() < 0.01 * before.var()
    storage.save_weights(tmp_path / "x.npz", model.get_weights(), "int6")
    for stored, weight in zip(storage.load_weights(tmp_path / "x.npz"), model.get_weights(), strict=True):
        if weight.ndim == 2:
            np.testing.assert_allclose(stored, weight, rtol=1e-5, atol=1e-7)
