"""How well models do: reconstruction errors, likelihoods, distances of two sets of features, covered modes."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from scipy import ndimage, special

from helpers import autoencoders
from helpers.checks import check_array, check_choice, check_images, check_integer, check_kind, check_number
from helpers.datasets import Mixture

FAR = 1e6  # squared distance from 0, in variances, beyond which squared distances lose more than six of 16 digits
_SSIM_WINDOW = 11  # pixels
_BLOCK = 250  # rows at a time, where a matrix of all pairs, or a copy of all images, would be large
CLASSIFIER_PATH = Path(__file__).with_name("data") / "digit_classifier.keras"


def load_classifier(path=CLASSIFIER_PATH):
    """Load the digit classifier whose features the book's metrics use.

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
    return _load(check_kind("path", path, (str, os.PathLike), "a path"))


@functools.cache
def _load(path):
    """Return the model in a ``.keras`` file."""
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged file makes Keras and what it reads with raise errors of many kinds
        raise RuntimeError(
            f"path: the classifier {path} cannot be read ({error!s:.80}). Restore it with `git checkout -- {path}`, "
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


def look(images):
    """Return the classifier's features of each image, and the digit that it sees.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1], n >= 1.

    Returns
    -------
    features : ndarray of float64, shape (n, 128)
        As from `features`, in double precision for long sums.
    labels : ndarray of int, shape (n,)
        As from `predict_labels`.
    """
    features, logits = _classify(images)
    return np.float64(features), logits.argmax(axis=1)


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


def inception_score(probabilities):
    """Return the Inception score: how much an image says about its class, as a number of classes.

    It is exp of the mean KL(p(y|x) ‖ p(y)), with p(y) the mean of all p(y|x): exp of the mutual information of image
    and class. No real images are involved.

    Parameters
    ----------
    probabilities : array_like of shape (n, classes)
        A classifier's probabilities for each image; rows sum to 1.

    Returns
    -------
    float
        From 1, where all rows are equal, to the number of classes, where each row is certain and the classes are
        equally frequent.

    References
    ----------
    Salimans et al. (2016), "Improved Techniques for Training GANs"; Barratt and Sharma (2018), "A Note on the Inception
    Score".
    """
    rows = np.float64(check_array("probabilities", probabilities, shape=(None, None), least=1, low=0, high=1))
    off = np.abs(rows.sum(axis=1) - 1).max()
    if off > 1e-3:
        raise ValueError(f"probabilities: got a row that is {off:.3g} off a sum of 1, expected softmax outputs.")
    rows /= rows.sum(axis=1, keepdims=True)
    return float(np.exp(special.rel_entr(rows, rows.mean(axis=0)).sum(axis=1).mean()))


def frechet_distance(features_a, features_b):
    """Return the Fréchet distance, a squared one, between Gaussians fitted to two sets of features.

    ‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), with covariances over n − 1. It is biased upwards for few samples,
    by about 1/n: compare only distances measured with the same n.

    Parameters
    ----------
    features_a, features_b : array_like of shape (n, d)
        Two sets of features, n >= 2; the two n may differ.

    Returns
    -------
    float
        In squared feature units, so that four times the number is twice as far; 0 for sets with equal mean and
        covariance.

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

    It is *not* the Fréchet Inception distance (FID) of the literature: network, features and scale differ. Never
    list the two in one column.

    Parameters
    ----------
    images_a, images_b : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1], n >= 2; use the same n wherever distances are compared (the book uses 10,000).

    Returns
    -------
    float
        A squared distance, as `frechet_distance` returns it.
    """
    images_a, images_b = check_images("images_a", images_a, least=2), check_images("images_b", images_b, least=2)
    return frechet_distance(features(images_a), features(images_b))


def kernel_distance(features_a, features_b):
    """Return the squared maximum mean discrepancy of two sets of features, the kernel distance (KID).

    With the kernel (a·b/d + 1)³ and each row's product with itself left out, the estimate has no bias; it can be
    negative where both sets have the same distribution. Unlike a distance, it depends on where the origin lies.

    Parameters
    ----------
    features_a, features_b : array_like of shape (n, d)
        Two sets of features, n >= 2; the two n may differ.

    Returns
    -------
    float

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs".
    """
    a = _rows("features_a", features_a, least=2)
    b = _rows("features_b", features_b, least=2, like=a)
    near_a, near_b = _near_zero(a, b)
    mean = functools.partial(_mean_kernel, middle=a[0] - near_a[0])
    return float(mean(near_a, near_a, True) + mean(near_b, near_b, True) - 2 * mean(near_a, near_b, False))


def _mean_kernel(a, b, without_diagonal, middle, block=_BLOCK):
    """Return the mean of `_kernel` over pairs, for `block` rows of `a` at a time."""
    total = 0.0
    for start in range(0, len(a), block):
        products = _kernel(a[start : start + block], b, middle)
        total += products.sum()
        if without_diagonal:
            total -= np.trace(products, offset=start)
    return total / (len(a) * (len(b) - without_diagonal))


def _kernel(a, b, middle):
    """Return (a·b/d + 1)³ of rows about 0; of rows about another middle, less the middle's own, which cancels."""
    own = middle @ middle / len(middle) + 1
    if own == 1:
        return (a @ b.T / a.shape[1] + 1) ** 3
    rest = (a @ b.T + (a @ middle)[:, None] + b @ middle) / len(middle)  # (own + rest)³ − own³ would lose its digits
    return rest * (3 * own**2 + rest * (3 * own + rest))


def neighbour_metrics(real, fake, k=5, inclusive=False):
    """Return precision, recall, density and coverage, which compare two sets by balls around their rows.

    Each real row has a ball around it, up to its k-th nearest real neighbour, not counting itself; fake rows likewise.
    Precision is the share of fakes inside some real ball, recall the share of real rows inside some fake ball; density
    is the number of real balls a fake lies in, over k, on average; coverage the share of real balls with a fake inside.

    Parameters
    ----------
    real, fake : array_like of shape (n, d)
        Two sets of features, n > k; the two n may differ.
    k : int, default=5
        Which neighbour the balls reach to.
    inclusive : bool, default=False
        Whether a ball includes its surface (``<=``, as in improved precision and recall) or not (``<``, as in density
        and coverage). It matters only where rows repeat.

    Returns
    -------
    dict of str to float
        ``precision``, ``recall`` and ``coverage`` in [0, 1]; ``density`` >= 0, with expectation 1 when both sets have
        the same distribution.

    References
    ----------
    Kynkäänniemi et al. (2019), "Improved Precision and Recall Metric for Assessing Generative Models"; Naeem et al.
    (2020), "Reliable Fidelity and Diversity Metrics for Generative Models".
    """
    real = _rows("real", real, least=2)
    real, fake = _near_zero(real, _rows("fake", fake, least=2, like=real))
    k = check_integer("k", k, low=1, high=min(len(real), len(fake)) - 1)
    check_choice("inclusive", inclusive, (False, True))
    real_radii, fake_radii = _neighbour_distances(real, k), _neighbour_distances(fake, k)
    rounding = _rounding(real, fake) * (1 if inclusive else -1)
    hits = np.zeros(len(fake))  # real balls that each fake lies in
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in _squared_distances(real, fake):
        balls = squares < real_radii[rows, None] + rounding
        hits += balls.sum(axis=0)
        covered[rows] = balls.any(axis=1)
        recalled[rows] = (squares < fake_radii + rounding).any(axis=1)
    return {
        "precision": float((hits > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(hits.mean() / k),
        "coverage": float(covered.mean()),
    }


def expected_coverage(real_count, fake_count, k):
    """Return the expectation of coverage when real and fake rows have the same distribution, whatever it is.

    Parameters
    ----------
    real_count, fake_count : int
        Rows of the two sets, at least 2 and 1.
    k : int
        Which neighbour the balls reach to, less than `real_count`.

    Returns
    -------
    float
        1 − Π_{i=1..k} (N − i) / (N + M − i), for N real and M fake rows.

    Notes
    -----
    A ball stays empty when the k rows nearest to its center, among the N + M − 1 others, are all real.
    """
    real_count = check_integer("real_count", real_count, low=2)
    fake_count = check_integer("fake_count", fake_count, low=1)
    steps = np.arange(1, check_integer("k", k, low=1, high=real_count - 1) + 1)
    return float(1 - np.prod((real_count - steps) / (real_count + fake_count - steps)))


def nearest_neighbours(rows, others):
    """Return for each row the nearest of the others and how far it is.

    Parameters
    ----------
    rows, others : array_like of shape (n, d)
        Two sets of rows.

    Returns
    -------
    indices : ndarray of int, shape (n,)
        Into `others`.
    distances : ndarray of float, shape (n,)
        Euclidean.
    """
    rows = _rows("rows", rows, least=1)
    others = _rows("others", others, least=1, like=rows)
    parts = [squares.argmin(axis=1) for _, squares in _squared_distances(*_near_zero(rows, others))]
    indices = np.concatenate(parts)
    return indices, np.linalg.norm(rows - others[indices], axis=1)


def _neighbour_distances(rows, k):
    """Return the squared distance of each row to its k-th nearest other row; its distance 0 to itself comes first."""
    found = []
    for _, squares in _squared_distances(rows, rows):
        squares.partition(k, axis=1)
        found.append(squares[:, k].copy())
    return np.concatenate(found)


def _near_zero(a, b):
    """Return two sets of rows, shifted alike if they lie so far from 0 that products of rows hide their differences."""
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    middle, apart = (mean_a + mean_b) / 2, mean_a - mean_b
    spread = sum(np.einsum("ij,ij", rows, rows) / len(rows) - mean @ mean for rows, mean in ((a, mean_a), (b, mean_b)))
    if middle @ middle <= FAR * (spread + apart @ apart):
        return a, b
    return a - middle, b - middle


def _squared_distances(a, b, block=_BLOCK):
    """Yield (row numbers, squared distances to all rows of b) for blocks of the rows of a."""
    lengths = np.einsum("ij,ij->i", b, b)
    for start in range(0, len(a), block):
        rows = np.arange(start, min(start + block, len(a)))
        # One matrix product instead of a difference for each pair; equal to it up to `_rounding`. It grows in place.
        squares = (-2 * a[rows]) @ b.T
        squares += lengths
        squares += np.einsum("ij,ij->i", a[rows], a[rows])[:, None]
        yield rows, squares


def _rounding(a, b):
    """Return the difference below which two squared distances count as equal, so that rounding breaks no tie."""
    return 1e-12 * max(np.einsum("ij,ij->i", rows, rows).max() for rows in (a, b)) + np.finfo(float).tiny


def parzen_log_likelihood(samples, points, sigma):
    """Return the log-density of points under normal bumps on the samples, the Parzen window estimate.

    Parameters
    ----------
    samples : array_like of shape (m, d)
        Centres of the bumps.
    points : array_like of shape (n, d)
        Where the density is evaluated.
    sigma : float
        Standard deviation of a bump, chosen on validation points.

    Returns
    -------
    ndarray of shape (n,), nats

    References
    ----------
    Breuleux, Bengio and Vincent (2009), "Unlearning for Better Mixing"; Goodfellow et al. (2014), section 5. Theis, van
    den Oord and Bethge (2016), "A note on the evaluation of generative models", show why it misleads.
    """
    samples = _rows("samples", samples, least=1)
    samples, points = _near_zero(samples, _rows("points", points, least=1, like=samples))
    sigma = check_number("sigma", sigma, above=0)
    norm = np.log(len(samples)) + samples.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))
    blocks = _squared_distances(points, samples)
    return np.concatenate([special.logsumexp(-squares / (2 * sigma**2), axis=1) for _, squares in blocks]) - norm


def mode_coverage(points, mixture):
    """Return how generated points spread over the modes of a known mixture.

    Parameters
    ----------
    points : array_like of shape (n, d)
        Generated points.
    mixture : helpers.datasets.Mixture
        The target; its modes have a spread above 0.

    Returns
    -------
    dict
        ``modes``, those with at least one high-quality point: one nearer than 3 standard deviations to its nearest
        center; ``high_quality``, the share of such points (1 − e^−4.5 = 0.989 of the target's own, in two dimensions);
        ``reverse_kl``, Σ s log(k s) over the shares s of the high-quality points in the k modes, in nats, 0 for equal
        shares; ``spread``, their root mean square distance from the center along an axis, over the true standard
        deviation (0.974 for the target's own, cut at 3, in two dimensions). The last two are NaN without such points.

    References
    ----------
    Srivastava et al. (2017), "VEEGAN"; Lin et al. (2018), "PacGAN".
    """
    centers, std = check_kind("mixture", mixture, Mixture, "a Mixture, such as helpers.datasets.ring()")
    if not std:
        raise ValueError("mixture: got modes with a standard deviation of 0, expected one > 0.")
    points = _rows("points", points, least=1, like=centers)
    nearest, distances = nearest_neighbours(points, centers)
    good = distances < 3 * std
    counts = np.bincount(nearest[good], minlength=len(centers))
    shares = counts[counts > 0] / max(counts.sum(), 1)
    spread = np.sqrt((distances[good] ** 2).mean() / centers.shape[1]) / std if good.any() else np.nan
    return {
        "modes": int((counts > 0).sum()),
        "high_quality": float(good.mean()),
        "reverse_kl": float((shares * np.log(len(centers) * shares)).sum()) if good.any() else np.nan,
        "spread": float(spread),
    }


def _rows(name, rows, least, like=None):
    """Return rows (n, d) as float64, n >= least, as wide as those of `like`."""
    check_array(name, rows, shape=(None, None), least=least)
    rows = np.asarray(rows).astype("float64")  # doubles keep their precision
    if like is not None and rows.shape[1] != like.shape[1]:
        raise ValueError(f"{name}: got {rows.shape[1]} numbers a row, expected {like.shape[1]}.")
    return rows


def _classify(images):
    """Return features (n, 128) and logits (n, 10)."""
    images = check_images("images", images, least=1)
    return load_classifier().predict(images, batch_size=500, verbose=0)


def _gaussian(name, rows):
    """Return mean and covariance in float64."""
    rows = _rows(name, rows, least=2)
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _symmetric_root(matrix):
    """Return the square root of a symmetric matrix whose eigenvalues are >= 0 up to rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T


def squared_error(images, reconstructions):
    """Return the squared error of each image, summed over its pixels.

    Parameters
    ----------
    images, reconstructions : array_like of shape (n, ...)
        Both of the same shape, n >= 1: grey levels, or other numbers such as codes. Integers are taken to be pixels;
        outside [0, 1] they are an error.

    Returns
    -------
    ndarray of shape (n,)
        Its mean is the "squared error per image" of the book's tables; 0 = equal.
    """
    images = _numbers("images", images, (None, ...))
    difference = images - _numbers("reconstructions", reconstructions, images.shape)
    difference = difference.reshape(len(images), -1)  # (n, ...) -> (n, pixels)
    return np.einsum("ij,ij->i", difference, difference)


def _numbers(name, array, shape):
    """Return at least one row of finite numbers as floats, doubles as such."""
    floats = check_array(name, array, shape=shape, least=1)
    array = np.asarray(array)
    if array.dtype.kind in "iu":  # their differences would be modulo 256, and in other units than all else here
        check_array(name, array, shape=shape, low=0, high=1)
    return array if array.dtype == "float64" else floats


def psnr(images, reconstructions):
    """Return the mean peak signal-to-noise ratio in decibels, for a peak of 1.

    Parameters
    ----------
    images : array_like of shape (n, ...)
        Grey levels in [0, 1], n >= 1.
    reconstructions : array_like of the same shape
        Grey levels. Noise may reach beyond [0, 1], but a mean squared error above 1 is an error: images in [0, 1] never
        differ so much. So is an exact copy: its ratio is infinite, and so would the mean be.

    Returns
    -------
    float
        Mean over the images of −10 log₁₀ (mean squared error of the image); more is better.
    """
    check_array("images", images, shape=(None, ...), low=0, high=1, least=1)
    errors = squared_error(images, reconstructions) / np.prod(np.shape(images)[1:])
    if errors.max() > 1:
        found = f"a mean squared error of {errors.max():g} in image {errors.argmax()}"
        raise ValueError(f"reconstructions: got {found}, expected at most 1. Were the pixels divided by 255?")
    if not errors.min():
        raise ValueError(f"reconstructions: image {errors.argmin()} is an exact copy, expected none: leave copies out.")
    return float(-10 * np.log10(errors).mean())


def ssim(images, others):
    """Return the structural similarity of each image to another, from local means, contrasts and correlation.

    (2 μ_a μ_b + c₁)(2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁)(σ_a² + σ_b² + c₂)), with moments under a Gaussian window of
    11 × 11 pixels, averaged over the places where the window lies inside the image, and over the channels.

    Parameters
    ----------
    images, others : array_like of shape (n, height, width, channels)
        Levels in [0, 1], n >= 1; height and width at least 11.

    Returns
    -------
    ndarray of shape (n,)
        1 for equal images, less for others; it can be negative.

    References
    ----------
    Wang et al. (2004), "Image Quality Assessment: From Error Visibility to Structural Similarity", whose constants are
    used: σ = 1.5, c₁ = 0.01², c₂ = 0.03².
    """
    images = np.float64(check_array("images", images, shape=(None,) * 4, low=0, high=1, least=1))
    others = np.float64(check_array("others", others, shape=images.shape, low=0, high=1))
    edge = _SSIM_WINDOW // 2
    if min(images.shape[1:3]) < _SSIM_WINDOW:
        found = " × ".join(map(str, images.shape[1:3]))
        raise ValueError(f"images: got {found} pixels, expected at least {_SSIM_WINDOW} × {_SSIM_WINDOW}.")

    def mean(values):
        """Return the local means."""
        smooth = ndimage.gaussian_filter(values, (0, 1.5, 1.5, 0), radius=(0, edge, edge, 0))
        return smooth[:, edge:-edge, edge:-edge]

    mean_a, mean_b = mean(images), mean(others)
    spread = mean(images**2) - mean_a**2 + mean(others**2) - mean_b**2
    shared = mean(images * others) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return (light * (2 * shared + 0.03**2) / (spread + 0.03**2)).mean(axis=(1, 2, 3))


def sharpness(images):
    """Return how fast grey levels change from pixel to pixel, relative to the amount of light.

    Σ ((x_{i+1,j} − x_{i,j})² + (x_{i,j+1} − x_{i,j})²) / Σ x_{i,j}², both sums over all the images.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1], not all of them 0.

    Returns
    -------
    float
        Blur lowers it, noise raises it, contrast does not change it. Real digits are the reference; more is not better.
    """
    images, light, changes = check_images("images", images), 0.0, 0.0
    for start in range(0, len(images), _BLOCK):
        part = images[start : start + _BLOCK].astype("float64")
        light += np.sum(part**2)
        changes += sum(np.sum(np.diff(part, axis=axis) ** 2) for axis in (1, 2))
    if not light:
        raise ValueError("images: got only black pixels, expected some light.")
    return float(changes / light)


def importance_log_likelihood(vae, images, samples=5000, seed=0, pairs=10_000, progress=None):
    """Estimate log p(x) of binary images under a variational autoencoder by importance sampling.

    Parameters
    ----------
    vae : helpers.autoencoders.VariationalAutoencoder
        The model; its encoder's q(z|x) is the proposal.
    images : array_like of shape (n, input_dim)
        Pixels, 0 or 1, n >= 1.
    samples : int, default=5000
        Latents drawn for each image.
    seed : int, default=0
        Seed of the latents.
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
    samples, seed = check_integer("samples", samples, low=1), check_integer("seed", seed, low=0)
    size = max(1, check_integer("pairs", pairs, low=1) // samples)
    check_kind("progress", progress, (Callable, type(None)), "a callable such as tqdm.tqdm, or None")
    if getattr(vae, "decoder_returns", "logits") != "logits":
        found = f"{type(vae).__name__}, whose decoder returns {vae.decoder_returns}"
        raise ValueError(f"vae: got a {found}, expected one whose decoder returns logits of binary pixels.")
    images = _images_of(vae, images, least=1)
    if not ((images == 0) | (images == 1)).all():
        raise ValueError("images: got grey levels, expected binary pixels, 0 or 1: binarise the images first.")
    starts = range(0, len(images), size)
    padded = np.concatenate([images, np.repeat(images[-1:], -len(images) % size, axis=0)])

    variables = [*vae.encoder.variables, *vae.decoder.variables]

    # The weights are arguments: another model of the same shapes finds what JAX has compiled in its cache on disk.
    @jax.jit
    def estimate(weights, batch, key):
        """Return the estimate of one batch."""
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return _log_likelihood(batch, key, vae, samples)

    weights = [variable.value for variable in variables]
    parts = [
        estimate(weights, padded[start : start + size], jax.random.fold_in(jax.random.key(seed), start))
        for start in (progress(starts) if progress else starts)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[: len(images)]


def _images_of(vae, images, least):
    """Return images (n, input_dim) of a variational autoencoder, n >= least, as float32."""
    check_kind("vae", vae, autoencoders.VariationalAutoencoder, "a helpers.autoencoders.VariationalAutoencoder")
    return check_array("images", images, shape=(None, vae.encoder.input_shape[-1]), low=0, high=1, least=least)


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
    images : array_like of shape (n, input_dim)
        Pixels in [0, 1], n >= 2.
    threshold : float, default=0.01
        Variance over the images of the posterior mean above which a latent counts as active.

    Returns
    -------
    ndarray of bool, shape (latent_dim,)

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016), "Importance Weighted Autoencoders", section 5.2.
    """
    images, threshold = _images_of(vae, images, least=2), check_number("threshold", threshold, low=0)
    means = vae.encoder.predict(images, batch_size=1000, verbose=0)[:, : vae.latent_dim]
    return means.var(axis=0) > threshold
