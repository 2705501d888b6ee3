"""Errors, likelihoods and the Fréchet distance against closed forms, integrals and SciPy; the classifier's accuracy."""

import keras
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from helpers import autoencoders, datasets, metrics


@pytest.fixture(scope="module")
def mnist():
    return datasets.load_mnist()


@pytest.fixture(scope="module")
def test_features(mnist):
    return metrics.features(mnist.test_images)


def gaussian(seed, count=500, size=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


def test_equal_sets_are_at_distance_zero():
    rows = gaussian(0)
    assert metrics.frechet_distance(rows, rows) < 1e-5
    assert metrics.frechet_distance(rows, rows[::-1]) < 1e-5


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 5))
def test_shift_and_scale_have_a_closed_form(shift, scale):
    rows = gaussian(1).astype("float32").astype("float64")
    mean, covariance = rows.mean(axis=0), np.cov(rows, rowvar=False)
    moved = ((rows - mean) * scale + mean + shift).astype("float32")
    expected = shift**2 * 6 + (scale - 1) ** 2 * np.trace(covariance)
    assert np.isclose(metrics.frechet_distance(rows, moved), expected, rtol=1e-3, atol=1e-4)


def test_it_equals_the_definition_with_scipys_matrix_root():
    a, b = (gaussian(seed).astype("float32").astype("float64") for seed in (2, 3))
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert np.isclose(metrics.frechet_distance(a, b), expected, rtol=1e-9)


def test_it_is_symmetric():
    assert np.isclose(
        metrics.frechet_distance(gaussian(4), gaussian(5)), metrics.frechet_distance(gaussian(5), gaussian(4))
    )


def test_few_samples_bias_it_upwards_by_about_one_over_n():
    def mean_distance(count):
        rng = np.random.default_rng(0)
        return np.mean([metrics.frechet_distance(*rng.normal(size=(2, count, 8))) for _ in range(20)])

    assert 7 < mean_distance(100) / mean_distance(1000) < 14


def test_constant_features_do_not_break_it():
    rows = np.column_stack([gaussian(6), np.zeros(500)])
    assert np.isfinite(metrics.frechet_distance(rows, rows + 1))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "features_a: got 1 rows, expected at least 2"),
        (np.zeros((5, 3)), np.zeros((5, 2)), "features_b: got 2 features a row, expected 3"),
        (np.zeros((5, 3)), np.full((5, 3), np.inf), "features_b: got 15 values that are NaN or infinite"),
        (np.zeros(5), np.zeros((5, 3)), r"features_a: got shape \(5,\), expected \(n, n\)"),
    ],
)
def test_bad_features_are_named(a, b, message):
    with pytest.raises(ValueError, match=message):
        metrics.frechet_distance(a, b)


def test_the_classifier_is_right_on_99_percent_of_the_test_digits(mnist):
    assert (metrics.predict_labels(mnist.test_images) == mnist.test_labels).mean() >= 0.99


def test_features_and_shares_of_real_digits(mnist, test_features):
    assert test_features.shape == (10_000, 128)
    shares = metrics.class_shares(mnist.test_images)
    assert np.isclose(shares.sum(), 1)
    np.testing.assert_allclose(shares, np.bincount(mnist.test_labels) / 10_000, atol=0.002)


def test_the_digit_distance_is_the_frechet_distance_of_features(mnist, test_features):
    few, others = mnist.test_images[:500], mnist.validation_images[:500]
    expected = metrics.frechet_distance(test_features[:500], metrics.features(others))
    assert np.isclose(metrics.frechet_digit_distance(few, others), expected, rtol=1e-3)


def test_noise_is_far_from_digits(mnist, test_features):
    noise = np.random.default_rng(0).uniform(size=(1000, 784))
    far = metrics.frechet_distance(metrics.features(noise), test_features)
    near = metrics.frechet_distance(metrics.features(mnist.train_images[:1000]), test_features)
    assert far > 20 * near


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match="images: got no image"):
        metrics.class_shares(np.zeros((0, 784)))


def test_a_missing_classifier_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match=r"python -m experiments\.digit_classifier"):
        metrics.load_classifier(tmp_path / "none.keras")


def test_a_damaged_classifier_says_what_to_do(tmp_path):
    path = tmp_path / "damaged.keras"
    path.write_bytes(metrics.CLASSIFIER_PATH.read_bytes()[:1000])
    with pytest.raises(RuntimeError, match="cannot be read"):
        metrics.load_classifier(path)


def test_squared_error_and_psnr():
    images = np.zeros((2, 28, 28, 1), "float32")
    reconstructions = images.copy()
    reconstructions[0, 0, 0, 0], reconstructions[1] = 0.5, 0.1
    np.testing.assert_allclose(metrics.squared_error(images, reconstructions), [0.25, 7.84], rtol=1e-5)
    expected = (-10 * np.log10(0.25 / 784) + 20) / 2
    assert metrics.psnr(images, reconstructions) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"^reconstructions: got shape \(2, 784\), expected \(2, 28, 28, 1\)"):
        metrics.squared_error(images, reconstructions.reshape(2, 784))


@pytest.fixture(scope="module")
def vae():
    """A variational autoencoder of 12 pixels and one latent, its decoder's slope made steep, its q made wide."""
    keras.utils.set_random_seed(0)
    encoder, decoder = autoencoders.vae_networks(1, 8, input_dim=12)
    encoder.layers[-1].bias.assign([0, 1])  # log-variance: a narrow q would miss what it should sample
    decoder.set_weights([2 * weight for weight in decoder.get_weights()])
    return autoencoders.VariationalAutoencoder(encoder, decoder)


@pytest.fixture(scope="module")
def binary():
    return (np.random.default_rng(0).random((23, 12)) < 0.4).astype("float32")


def test_importance_sampling_finds_the_integral(vae, binary):
    z = np.linspace(-8, 8, 4001, dtype="float32")
    logits = np.asarray(vae.decode(z[:, None]), "float64")  # (4001, 12)
    likelihood = np.exp(binary @ logits.T - np.log1p(np.exp(logits)).sum(axis=1))  # (23, 4001)
    exact = np.log(np.trapezoid(likelihood * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), z, axis=1))
    estimate = metrics.importance_log_likelihood(vae, binary, samples=200_000, pairs=200_000)
    assert estimate.shape == (23,)
    np.testing.assert_allclose(estimate, exact, atol=0.03)


def test_the_likelihood_follows_the_weights(vae, binary):
    weights = vae.get_weights()
    before = metrics.importance_log_likelihood(vae, binary, samples=100)
    vae.set_weights([0.5 * weight for weight in weights])
    assert not np.array_equal(before, metrics.importance_log_likelihood(vae, binary, samples=100))
    vae.set_weights(weights)
    np.testing.assert_array_equal(before, metrics.importance_log_likelihood(vae, binary, samples=100))


def test_more_samples_tighten_the_bound(vae, binary):
    few, many = (
        np.mean([metrics.importance_log_likelihood(vae, binary, k, seed).mean() for seed in range(20)]) for k in (1, 50)
    )
    assert few < many


def test_importance_sampling_wants_binary_images(vae):
    with pytest.raises(ValueError, match=r"^images: got grey levels, expected binary pixels"):
        metrics.importance_log_likelihood(vae, np.full((2, 12), 0.5))
    with pytest.raises(ValueError, match=r"^images: got shape \(2, 13\)"):
        metrics.importance_log_likelihood(vae, np.zeros((2, 13)))
    with pytest.raises(ValueError, match=r"^samples: got 0"):
        metrics.importance_log_likelihood(vae, np.zeros((2, 12)), samples=0)


def test_active_units(binary):
    keras.utils.set_random_seed(0)
    vae = autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(3, 8, input_dim=12))
    kernel, bias = vae.encoder.layers[-1].get_weights()
    kernel[:, 1] = 0  # the second latent's mean no longer depends on the image
    vae.encoder.layers[-1].set_weights([kernel, bias])
    assert metrics.active_units(vae, binary).tolist() == [True, False, True]
