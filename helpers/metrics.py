"""A small digit classifier, and on its features the distance of generated digits from real ones."""

import functools
from pathlib import Path

import keras
import numpy as np

from helpers.datasets import check_array, check_images

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
