"""The numbers on privacy: gradients, features and measures where they are known, and what was stored."""

import jax
import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from experiments import membership, privacy, privacy_library
from experiments.harness import record
from helpers import results


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    return rng.random((60, 28, 28, 1), dtype="float32"), rng.integers(10, size=60)


def test_the_area_of_shifted_normal_scores():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 50_000), rng.normal(0, 1, 50_000)
    assert abs(membership.area(members, others) - norm.cdf(0.5**0.5)) < 0.01
    assert abs(membership.found_at(members, others) - norm.sf(norm.ppf(0.99) - 1)) < 0.01
    assert membership.area(np.zeros(3), np.zeros(5)) == 0.5


def test_members_and_the_control_are_apart():
    images = np.arange(3_000, dtype="float32").reshape(-1, 1, 1, 1)
    some, inside, control = membership.split(images, 500, 0)
    assert (some == inside).all()
    assert len(inside) == len(control) == 500
    assert not np.intersect1d(inside, control).size


@pytest.mark.parametrize("clip", [0.05, 0.4, 100.0])
def test_clipping_by_hand_and_for_a_softmax_layer(clip, digits):
    rows, labels = privacy.features(digits[0])[:6], digits[1][:6]
    weights = np.random.default_rng(1).normal(size=(rows.shape[1], 10)).astype("float32")

    def loss(weights, row, label):
        return -jax.nn.log_softmax(row @ weights)[label]

    total, norms = privacy.clipped_sum(loss, weights, rows, labels, clip)
    by_hand = 0
    for row, label in zip(rows, labels, strict=True):
        gradient = np.asarray(jax.grad(loss)(weights, row, label))
        by_hand = by_hand + gradient * min(1, clip / np.linalg.norm(gradient))
    np.testing.assert_allclose(total, by_hand, atol=1e-6)
    np.testing.assert_allclose(privacy.linear_sum(weights, rows, np.eye(10)[labels], clip), by_hand, atol=1e-6)
    assert norms.shape == (6,)


def test_features_have_length_1_and_see_directions(digits):
    found = privacy.features(digits[0])
    assert found.shape == (60, 784)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=0.01)
    bar = np.zeros((1, 28, 28, 1), "float32")
    bar[:, 6:22, 13:15] = 1
    maps = [each.sum() for each in privacy.directions(bar[..., 0])]
    assert maps[0] > 2 * maps[2]  # an upright bar has edges across, hardly any up and down
    assert maps[8] > 2 * maps[12]  # and is a bright line in one direction of four


def test_a_training_without_noise_learns_and_one_with_much_does_not(digits):
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=2_000)
    rows = np.eye(20, dtype="float32")[labels] + 0.1 * rng.standard_normal((2_000, 20), dtype="float32")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    setting = {"q": 0.5, "steps": 60, "rate": 20.0, "clip": 0.5, "mean_sigma": 5.0}
    assert privacy.accuracy(rows, labels, *privacy.train(rows, labels, setting, 0, 0)) > 0.98
    assert privacy.accuracy(rows, labels, *privacy.train(rows, labels, setting, 1e4, 0)) < 0.5


def test_the_stored_gradient_is_the_books(tmp_path):
    weights, images, labels = privacy_library.case()
    total, norms = privacy.clipped_sum(privacy_library.loss, weights, images, labels, privacy_library.CLIP)
    assert 0.3 < (norms > privacy_library.CLIP).mean() < 0.7  # both branches are taken
    stored = results.arrays("privacy_library", keys=("norms", "total_0", "total_1"))
    for found, name in ((norms, "norms"), (total[0], "total_0"), (total[1], "total_1")):
        np.testing.assert_allclose(found, stored[name], atol=1e-5 * np.abs(stored[name]).max())


@pytest.mark.parametrize(("epsilon", "sigma"), [(0.5, 2.0), (3.0, 0.7)])
def test_delta_of_one_release_by_integration(epsilon, sigma):
    gap = lambda t: max(0, norm.pdf(t, 1, sigma) - np.exp(epsilon) * norm.pdf(t, 0, sigma))  # noqa: E731
    expected = integrate.quad(gap, epsilon * sigma**2 + 0.5, 20)[0]
    assert privacy.delta_of(epsilon, sigma) == pytest.approx(expected, rel=1e-6)


def test_the_library_finds_no_more_than_the_epsilon_of_a_release():
    releases = {run["epsilon"]: run for run in record.read("privacy_library")["releases"]}
    assert set(releases) == set(privacy.RELEASES)
    for epsilon, run in releases.items():
        assert run["sigma"] == privacy.sigma_of(epsilon)
        assert privacy.delta_of(epsilon, run["sigma"]) <= privacy.DELTA
        assert 0.98 * epsilon < run["spent"] <= epsilon


def test_the_library_itself():
    pytest.importorskip("jax_privacy", reason="in an environment of its own: experiments/privacy_requirements.txt")
    pytest.importorskip("dp_accounting")
    for run in record.read("privacy_library")["runs"]:
        of = privacy_library.event(run["q"], run["steps"], run["sigma"], run["mean_sigma"])
        assert np.isclose(privacy_library.epsilon(of), run["spent"], rtol=1e-3)


def test_the_settings_are_the_stored_ones():
    stored = record.read("privacy")
    assert stored["settings"] == {str(key): value for key, value in privacy.SETTINGS.items()}
    sigmas = privacy.library()  # raises if a setting has changed since
    assert set(sigmas) == set(privacy.SETTINGS)
    for epsilon in (1.2, 3.0):
        assert len(results.rows(stored, kind="classifier", epsilon=epsilon)) == len(privacy.SEEDS)
    assert record.read("membership")["recipe"] == membership.RECIPE


def test_the_tries_are_the_stored_ones():
    assert [tuple(run.values())[:-1] for run in record.read("privacy")["tries"]] == list(privacy.TRIES)
    assert [run["change"] for run in record.read("membership")["tries"]] == list(membership.TRIES)
    for epsilon in (1.2, 3.0):
        best = max(run["accuracy"] for run in record.read("privacy")["tries"] if run["epsilon"] == epsilon)
        chosen = results.rows(record.read("privacy")["tries"], epsilon=epsilon, **privacy.SETTINGS[epsilon])
        assert [run["accuracy"] for run in chosen] == [best]
