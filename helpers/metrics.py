"""How well models do: reconstruction errors, likelihoods, and distances on the features of a digit classifier."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helpers import autoencoders
from helpers.datasets import check_array, check_images, check_integer

CLASSIFIER_PATH = Path(__file__).with_name("data") / "digit_classifier.keras"


@functools.cache
def load_classifier(path=CLASSIFIER_PATH):
    """Load the digit classifier that the book's metrics look through.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.keras`` file, made by ``python -m experiments.digit_classifier``.

    Returns
    -------
    keras.Model
        Maps images (n, 28, 28, 1) in [0, 1] to two arrays: features (n, 128) and logits (n, 10).

    Raises
    ------
    RuntimeError
        If the file is missing or cannot be read.
    """
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"path: the classifier {path} cannot be read ({error}). Restore it with `git checkout -- {path}`, "
            "or make it again with `python -m experiments.digit_classifier`."
        ) from error


def features(images):
    """Return the classifier's 128 features of each image.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].

    Returns
    -------
    ndarray of shape (n, 128), dtype float32
        The inputs of the classifier's last layer.
    """
    return _classify(images)[0]


def predict_labels(images):
    """Return the digit the classifier sees in each image.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].

    Returns
    -------
    ndarray of shape (n,), dtype int64
        Labels 0 to 9.
    """
    return _classify(images)[1].argmax(axis=1)


def class_shares(images):
    """Return the share of images that the classifier puts in each class; a small share is a sign of mode collapse.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1], n >= 1.

    Returns
    -------
    ndarray of shape (10,)
        Shares of the digits 0 to 9; they sum to 1.
    """
    labels = predict_labels(images)
    return np.bincount(labels, minlength=10) / len(labels)


def frechet_distance(features_a, features_b):
    """Return the Fréchet distance between Gaussians fitted to two sets of features.

    ‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), with covariances over n − 1. It is biased upwards for few samples,
    by about 1/n: compare only distances measured with the same n.

    Parameters
    ----------
    features_a, features_b : array_like of shape (n, d)
        Two sets of features, n >= 2; the two n may differ.

    Returns
    -------
    float
        In squared feature units; 0 for sets with equal mean and covariance.

    References
    ----------
    Dowson and Landau (1982), "The Fréchet distance between multivariate normal distributions"; Heusel et al. (2017),
    "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium".
    """
    mean_a, covariance_a = _gaussian("features_a", features_a)
    mean_b, covariance_b = _gaussian("features_b", features_b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"features_b: got {len(mean_b)} features a row, expected {len(mean_a)} as in features_a.")
    # Tr (Σ_a Σ_b)^½ is the sum of the singular values of Σ_a^½ Σ_b^½, which needs no root of a product that is not
    # symmetric.
    cross = np.linalg.svd(_symmetric_root(covariance_a) @ _symmetric_root(covariance_b), compute_uv=False).sum()
    distance = np.sum((mean_a - mean_b) ** 2) + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross
    return max(float(distance), 0.0)  # rounding can leave -1e-13 for equal sets


def frechet_digit_distance(images_a, images_b):
    """Return the Fréchet distance of two sets of digits on the features of this book's own classifier.

    It is *not* the Fréchet Inception distance (FID) of the literature: other network, other features, other scale.
    The two must never stand in one column.

    Parameters
    ----------
    images_a, images_b : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1]; use the same n wherever distances are compared (the book uses 10,000).

    Returns
    -------
    float
    """
    return frechet_distance(features(check_images("images_a", images_a)), features(check_images("images_b", images_b)))


def _classify(images):
    """Return features (n, 128) and logits (n, 10)."""
    images = check_images("images", images)
    if not len(images):
        raise ValueError("images: got no image, expected at least one.")
    return load_classifier().predict(images, batch_size=500, verbose=0)


def _gaussian(name, rows):
    """Return mean and covariance in float64."""
    rows = check_array(name, rows, shape=(None, None)).astype("float64")
    if len(rows) < 2:
        raise ValueError(f"{name}: got {len(rows)} rows, expected at least 2 for a covariance.")
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _symmetric_root(matrix):
    """Return the square root of a symmetric matrix whose eigenvalues are >= 0 up to rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T


def squared_error(images, reconstructions):
    """Return the squared error of each image, summed over its pixels.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ...)
        Grey levels; both of one shape.

    Returns
    -------
    ndarray of shape (n,)
        Its mean is the "squared error per image" of the book's tables; 0 = equal.
    """
    if np.shape(images) != np.shape(reconstructions):
        raise ValueError(f"reconstructions: got shape {np.shape(reconstructions)}, expected {np.shape(images)}.")
    difference = (images - reconstructions).reshape(len(images), -1)
    return np.einsum("ij,ij->i", difference, difference)


def psnr(images, reconstructions):
    """Return the mean peak signal-to-noise ratio in decibels, for a peak of 1.

    Parameters
    ----------
    images, reconstructions : ndarray of shape (n, ...)
        Grey levels in [0, 1]; both of one shape.

    Returns
    -------
    float
        Mean over the images of −10 log₁₀ (mean squared error of the image); more is better.
    """
    errors = squared_error(images, reconstructions) / np.prod(np.shape(images)[1:])
    return float(-10 * np.log10(errors).mean())


def importance_log_likelihood(vae, images, samples=5000, seed=0, pairs=10_000, progress=None):
    """Estimate log p(x) of binary images under a variational autoencoder by importance sampling.

    Parameters
    ----------
    vae : helpers.autoencoders.VariationalAutoencoder
        The model; its encoder's q(z|x) is the proposal.
    images : ndarray of shape (n, input_dim)
        Pixels, 0 or 1.
    samples : int, default=5000
        Latents drawn for each image.
    seed : int, default=0
        Seed of the draws.
    pairs : int, default=10_000
        How many pairs of image and latent to hold in memory at a time.
    progress : callable, optional
        Wraps the iterable of batches, as ``tqdm.tqdm`` does.

    Returns
    -------
    ndarray of shape (n,), nats
        log (1/k) Σ p(x|z) p(z) / q(z|x), a lower bound of log p(x) in expectation, whose gap shrinks with k.

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016), "Importance Weighted Autoencoders", whose tables use k = 5,000.
    """
    samples = check_integer("samples", samples, low=1)
    images = check_array("images", images, shape=(None, vae.encoder.input_shape[-1]), low=0, high=1)
    if not ((images == 0) | (images == 1)).all():
        raise ValueError("images: got grey levels, expected binary pixels, 0 or 1: binarise the images first.")
    size = max(1, pairs // samples)
    starts = range(0, len(images), size)
    padded = np.concatenate([images, np.repeat(images[-1:], -len(images) % size, axis=0)])

    # A function of this call alone: what JAX has compiled for an earlier one would still hold the weights of then.
    @jax.jit
    def estimate(batch, key):
        """Return the estimate of one batch."""
        return _log_likelihood(batch, key, vae, samples)

    parts = [
        estimate(padded[start : start + size], jax.random.fold_in(jax.random.key(seed), start))
        for start in (progress(starts) if progress else starts)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[: len(images)]


def _log_likelihood(images, key, vae, samples):
    """Return the estimate for images (n, input_dim): (n,)."""
    mean, log_variance = vae.encode(images)
    latents = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, (samples, *mean.shape))  # (k, n, latent_dim)
    likelihood = autoencoders.bernoulli_log_likelihood(images, vae.decode(latents))  # (k, n)
    prior = autoencoders.normal_log_density(latents)
    posterior = autoencoders.normal_log_density(latents, mean, log_variance)
    return autoencoders.log_mean_exp(likelihood + prior - posterior)


def active_units(vae, images, threshold=0.01):
    """Return which latents of a variational autoencoder depend on the image.

    Parameters
    ----------
    vae : helpers.autoencoders.VariationalAutoencoder
        The model.
    images : ndarray of shape (n, input_dim)
        Pixels.
    threshold : float, default=0.01
        Variance over the images of the posterior mean above which a latent counts as active.

    Returns
    -------
    ndarray of bool, shape (latent_dim,)

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016), "Importance Weighted Autoencoders", section 5.2.
    """
    means = vae.encoder.predict(images, batch_size=1000, verbose=0)[:, : vae.latent_dim]
    return means.var(axis=0) > threshold
