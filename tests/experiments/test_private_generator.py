"""The private generator: its noise, its features and its release where they are known, and what was stored."""

import types

import numpy as np
import pytest

from experiments import privacy
from experiments import private_generator as made
from experiments.harness import record
from helpers import results

SMALL = {"width": 7.0, "frequencies": 40, "steps": 100, "rate": 5e-3, "batch_size": 40}


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    return rng.random((600, 28, 28, 1), dtype="float32"), rng.integers(10, size=600)


def test_more_privacy_takes_more_noise():
    sigmas = [made.sigma_of(epsilon) for epsilon in (0.1, 1.0, 10.0)]
    assert sigmas == sorted(sigmas, reverse=True)
    assert privacy.delta_of(1.0, sigmas[1]) <= privacy.DELTA < privacy.delta_of(1.0, sigmas[1] / 1.01)
    assert made.sigma_of(None) == 0


def test_one_image_moves_the_sums_by_length_1(digits):
    images, labels = digits
    waves = made.frequencies(SMALL, np.random.default_rng(0))
    moved = made.sums(images, labels, waves) - made.sums(images[1:], labels[1:], waves)
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-4)
    assert set(np.flatnonzero(np.abs(moved).max(axis=1) > 1e-3)) == {labels[0]}


def test_products_of_features_are_the_kernel(digits):
    setting = {**SMALL, "frequencies": 20_000}
    rows = np.asarray(made.embed(digits[0][:5], made.frequencies(setting, np.random.default_rng(0))))[:, :-1]
    flat = digits[0][:5].reshape(5, -1)
    squares = np.square(flat[:, None] - flat).sum(axis=2)
    kernel = np.exp(-squares / (2 * SMALL["width"] ** 2))
    np.testing.assert_allclose(rows @ rows.T * (1 + made.COUNT_WEIGHT**2), kernel, atol=0.03)


def test_a_release_without_noise_has_the_means(digits):
    images, labels = digits
    waves = made.frequencies(SMALL, np.random.default_rng(0))
    goal = made.released(made.sums(images, labels, waves), 0.0, np.random.default_rng(0))
    mean = np.asarray(made.embed(images[labels == 3], waves))[:, :-1].mean(axis=0)
    np.testing.assert_allclose(goal[3], mean * (1 + made.COUNT_WEIGHT**2) ** 0.5, atol=1e-5)


def test_a_generator_comes_nearer_to_the_means():
    images = np.zeros((600, 28, 28, 1), "float32")
    labels = np.arange(600) % 10
    images[np.arange(600), 2 * labels + 4] = 1  # a line, the lower the larger the label
    waves = made.frequencies(SMALL, np.random.default_rng(0))
    goal = made.released(made.sums(images, labels, waves), 0.0, np.random.default_rng(0))
    generator, losses = made.train(goal, waves, SMALL, 0)
    assert losses[-1] < losses[0] / 4
    assert generator.input_shape == (None, made.NETWORK["latent_dim"] + 10)


def test_the_stored_runs_are_of_the_stored_settings():
    stored = record.read(made.NAME)
    assert (stored["setting"], stored["network"]) == (made.chosen(), made.NETWORK)
    for epsilon in made.EPSILONS:
        runs = results.rows(stored, kind="generator", epsilon=epsilon)
        assert sorted(run["seed"] for run in runs) == list(made.SEEDS)
        assert {run["sigma"] for run in runs} == {made.sigma_of(epsilon)}
    assert set(results.arrays(made.NAME)) == {f"epsilon {epsilon}" for epsilon in made.EPSILONS}


def test_a_search_that_is_taken_up_again_goes_the_same_way(monkeypatch):
    asked = []

    def attempt(setting, *_):
        asked.append(setting)
        return {"setting": setting, "fdd": abs(setting["width"] - 10) + abs(1e3 * setting["rate"] - 4)}

    monkeypatch.setattr(made, "attempt", attempt)
    monkeypatch.setattr(made, "Judge", lambda images, labels: None)
    digits = types.SimpleNamespace(validation_images=None, validation_labels=None)
    whole = list(made.search(digits, [], float("inf")))
    assert [run["setting"] for run in whole] == asked
    assert {run["setting"]["width"] for run in whole[1 + len(made.STAGES[0]) :]} == {10.0}
    assert list(made.search(digits, list(whole), float("inf"))) == []
    assert list(made.search(digits, whole[:4], float("inf"))) == whole[4:]
    assert list(made.search(digits, whole[:4], -1.0)) == []


def test_the_stored_search_is_the_one_of_the_stages():
    stored = record.read(made.SEARCHED)
    assert (stored["first"], stored["search"]) == (made.START, made.SEARCH)
    known = types.SimpleNamespace(validation_images=None, validation_labels=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "Judge", lambda images, labels: None)
        assert list(made.search(known, list(stored["runs"]), -1.0)) == []  # it would begin nothing
        patch.setattr(made, "attempt", lambda *_: pytest.fail("a try is missing"))
        assert list(made.search(known, list(stored["runs"]), float("inf"))) == []


def test_the_library_knows_the_stored_releases():
    releases = {run["epsilon"]: run["sigma"] for run in record.read("privacy_library")["releases"]}
    assert releases == {epsilon: made.sigma_of(epsilon) for epsilon in made.EPSILONS if epsilon}
