"""The autoencoders in colour: their result is of these settings, and the stored one does what the result says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import colour_autoencoder as colour
from experiments.harness import record
from helpers import datasets, storage


@pytest.fixture(scope="module")
def result():
    return record.read(colour.NAME)


def test_the_settings_are_the_reported_ones(result):
    assert (result["recipe"], result["epochs"]) == (colour.RECIPE, colour.EPOCHS)
    assert sorted((run["kind"], run["code"], run["seed"]) for run in result["runs"]) == sorted(colour.RUNS)
    assert all(len(run["validation"]) == colour.EPOCHS[run["kind"]] for run in result["runs"])


def test_the_stored_autoencoder_does_what_the_result_says(result):
    model, images = colour.Plain(64), colour.images_of(datasets.load_emoji().test)
    model.model.set_weights(storage.load_weights(record.weights_path(colour.NAME)))
    told = next(run for run in result["runs"] if (run["code"], run["seed"]) == (64, 0))
    assert model.validate(images) == pytest.approx(told["test"]["sse"], rel=0.02)


def test_a_newton_step_is_the_projection_for_a_linear_decoder():
    rng = np.random.default_rng(0)
    vectors, rows = np.linalg.qr(rng.normal(size=(12, 3)))[0], jnp.array(rng.normal(size=(5, 12)), "float32")
    codes, left = colour.newton(lambda codes: codes @ vectors.T, jnp.zeros((5, 3)), rows)
    assert np.allclose(codes, rows @ vectors, rtol=2e-3)
    assert np.allclose(left, np.square(rows - rows @ vectors @ vectors.T).sum(axis=1), rtol=1e-3)


def test_partners_are_found_by_their_rank():
    codes = np.arange(10.0)[:, None]
    assert colour.found(codes, codes) == [1.0, 1.0]
    assert colour.found(codes, codes + 1.4) == [0.1, 1.0]
    assert colour.found(codes, -20 * codes)[0] == 0.1


def test_the_category_is_that_of_the_most_neighbours():
    train, labels = np.array([[0.0], [1], [2], [10], [11]]), np.array([1, 2, 2, 3, 3])
    assert colour.read_category(np.array([[0.1], [10.4]]), np.array([2, 3]), train, labels, k=3) == 1.0
    assert colour.read_category(np.array([[0.1], [10.4]]), np.array([1, 3]), train, labels, k=1) == 1.0


def test_the_error_is_that_of_luma_and_chroma():
    rng = np.random.default_rng(0)
    images, drawn = rng.random((2, 4, 8, 8, 3))
    parts = colour.errors(images, drawn)
    assert parts["sse"] == pytest.approx(np.square(images - drawn).sum() / 4)
    assert parts["sse"] == pytest.approx(sum(parts["channels"]))
    grey = rng.random((4, 8, 8, 1)) + np.zeros(3)
    assert colour.errors(grey, np.zeros_like(grey))["luma"] == pytest.approx(np.square(grey).sum() / 4)


def test_changed_images_stay_images():
    images = colour.images_of(datasets.load_emoji().validation)[:64]
    changed = np.asarray(colour.change(jax.random.key(0), images))
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
    assert not np.array_equal(changed, images)
