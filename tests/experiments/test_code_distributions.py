"""The experiment on distributions of codes: its mixtures, its models, its choices and its stored images."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from experiments import code_distributions
from experiments.harness import record
from helpers import datasets, results


@pytest.fixture(scope="module")
def reported():
    return record.read("code_distributions")


@pytest.fixture(scope="module")
def images():
    return (np.random.default_rng(0).random((40, 784)) < 0.2).astype("float32")


def log_likelihood(mixture, points):
    """Return the mean log density of points, in NumPy."""
    logs = []
    for weight, mean, covariance in zip(*map(np.float64, mixture), strict=True):
        inverse, (_, log_determinant) = np.linalg.inv(covariance), np.linalg.slogdet(2 * np.pi * covariance)
        distances = np.einsum("ni,ij,nj->n", points - mean, inverse, points - mean)
        logs.append(np.log(weight) - 0.5 * (log_determinant + distances))
    return np.logaddexp.reduce(logs, axis=0).mean()


@pytest.mark.parametrize("components", [1, 3])
def test_a_mixture_is_as_likely_as_scikit_learns(components):
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(mean, 1, (200, 4)) for mean in (-4, 0, 5)]).astype("float32")
    ours, again = code_distributions.mixtures_of([points, points[::-1].copy()], components)
    theirs = GaussianMixture(components, random_state=0).fit(points.astype(float)).score(points)
    assert abs(log_likelihood(ours, points) - theirs) < 0.01
    assert abs(log_likelihood(again, points) - theirs) < 0.01
    drawn = ours.draw(20_000)
    assert np.allclose(drawn.mean(axis=0), points.mean(axis=0), atol=0.1)
    assert np.allclose(np.cov(drawn.T), np.cov(points.T), rtol=0.05, atol=0.2)


def test_a_plain_model_has_no_noise_and_pays_nothing(images):
    model = code_distributions.build("plain", 0, 1e-3, images)
    outputs = model(images, training=True)
    assert np.array_equal(outputs["latents"][0], outputs["mean"])
    losses = [model.evaluate(images, verbose=0, return_dict=True)["loss"] for _ in range(2)]
    expected = -code_distributions.autoencoders.bernoulli_log_likelihood(images, outputs["logits"][0]).mean()
    assert np.allclose(losses, expected, rtol=1e-5)


def test_each_copy_has_its_own_weight_of_the_divergence(images):
    stack = code_distributions.Copies([("plain", 0, 0.0), ("vae", 0, 0.0), ("beta-4", 0, 0.0)], images)
    likelihood, kl = stack.measure(images)
    assert np.allclose(stack.losses(images), np.array([0, 1, 4]) * kl.sum(axis=1) - likelihood)
    stack.train(images, images, epochs=1, batch_size=20, title="")
    logged = stack.history[-1]["loss"]
    assert logged[0] < logged[1] < logged[2]
    assert [len(curve) for curve in stack.curves] == [1, 1, 1]


def test_flips_have_the_mean_of_the_grey_levels():
    grey = np.full((200, 784), 0.3, "float32")
    flips = np.asarray(code_distributions.flip(jax.random.key(0), grey))
    assert set(np.unique(flips)) == {0, 1}
    assert abs(flips.mean() - 0.3) < 0.01


# --- The stored result -----------------------------------------------------------------------------------------------


def test_the_settings_are_the_reported_ones(reported):
    assert reported["settings"] == json.loads(json.dumps(dataclasses.asdict(code_distributions.Settings())))


def test_choices_were_made_on_validation_digits(reported):
    for kind, rate in reported["tuning"]["rates"].items():
        tried = {run["rate"]: run["curve"][-1] for run in reported["tuning"]["tried"] if run["kind"] == kind}
        assert set(tried) == set(code_distributions.Settings().rates)
        assert rate == min(tried, key=tried.get)
    for kind, sampled in reported["tuning"]["sampled"].items():
        assert reported["components"][kind] == code_distributions.best_components(sampled)


def test_every_run_was_made(reported):
    settings = code_distributions.Settings()
    assert {len(run["curve"]) for run in reported["runs"]} == {settings.epochs}
    for kind in code_distributions.KINDS:
        assert [run["seed"] for run in reported["runs"] if run["kind"] == kind] == list(settings.seeds)


def test_the_stored_reconstructions_have_about_the_reported_error(reported):
    digits, labels = datasets.load_mnist_bytes("test")
    digits = digits[datasets.first_of_each(labels)].reshape(code_distributions.EXAMPLES, -1) / 255
    redrawn = results.arrays(code_distributions.NAME, "redrawn", keys=list(code_distributions.KINDS))
    for kind in code_distributions.PAIR:
        error = np.square(redrawn[kind] / 255 - digits).sum(axis=1).mean()
        (run,) = [run for run in reported["runs"] if (run["kind"], run["seed"]) == (kind, 0)]
        assert 0.6 < error / run["squared_error"] < 1.6  # ten digits of 10,000
