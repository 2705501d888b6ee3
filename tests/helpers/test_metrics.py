"""Errors, likelihoods and the Fréchet distance against closed forms, integrals and SciPy; the classifier's accuracy."""

import json
import operator
from fractions import Fraction

import keras
import numpy as np
import prdc
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KernelDensity

from experiments import real_digits
from experiments.harness import record
from helpers import autoencoders, convolutional, datasets, metrics
from tests import fidelity, once
from tests.slow import after


@pytest.fixture(scope="module")
def test_features():
    return once.real_features()


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


def test_it_is_a_squared_distance():
    a, b = gaussian(4).astype("float64"), gaussian(5).astype("float64")
    assert np.isclose(metrics.frechet_distance(2 * a, 2 * b), 4 * metrics.frechet_distance(a, b), rtol=1e-6)


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


@pytest.mark.slow
def test_the_classifier_is_right_on_99_percent_of_the_test_digits(mnist):
    assert (once.real_labels() == mnist.test_labels).mean() >= 0.99


@pytest.mark.slow
def test_features_and_shares_of_real_digits(mnist, test_features):
    assert test_features.shape == (10_000, 128)
    shares = metrics.class_shares(mnist.test_images)
    assert np.isclose(shares.sum(), 1)
    np.testing.assert_allclose(shares, np.bincount(mnist.test_labels) / 10_000, atol=0.002)


def test_inception_score_is_the_exponential_of_mutual_information():
    rows = np.random.default_rng(0).dirichlet(np.full(7, 0.3), size=200)
    joint = rows / len(rows)  # of an image drawn at random and its class
    image, shares = joint.sum(axis=1, keepdims=True), joint.sum(axis=0)
    information = (joint * np.log(joint / (image * shares))).sum()
    assert np.isclose(metrics.inception_score(rows), np.exp(information), rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "score"),
    [
        (np.eye(10), 10),
        (np.repeat(np.eye(10), 3, axis=0), 10),  # repetition costs nothing
        (np.eye(10)[[3, 8]], 2),
        (np.full((5, 10), 0.1), 1),
        (np.eye(10)[[4] * 9], 1),
        ([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], 2),
    ],
)
def test_inception_score_of_cases_known_exactly(rows, score):
    assert np.isclose(metrics.inception_score(rows), score)


def test_the_digit_distance_is_the_frechet_distance_of_features(mnist):
    few, others = mnist.test_images[:200], mnist.validation_images[:200]
    expected = metrics.frechet_distance(metrics.features(few), metrics.features(others))
    assert np.isclose(metrics.frechet_digit_distance(few, others), expected, rtol=1e-3)


@pytest.mark.slow
def test_the_floor_is_the_mean_of_random_draws(mnist, test_features):
    stored = record.read(real_digits.NAME)["test"]
    draws = np.array(stored["fdd_draws"])
    floor = stored["floor"]["fdd"]
    assert len(draws) == real_digits.FDD_DRAWS
    assert (floor["mean"], floor["std"]) == pytest.approx((draws.mean(), draws.std(ddof=1)))
    first = metrics.features(mnist.train_images[next(real_digits.random_rows(len(mnist.train_images), 1))])
    assert metrics.frechet_distance(first, test_features) == pytest.approx(draws[0], rel=1e-3)
    assert floor["mean"] < min(stored["file_order_fdd"])  # rows in the file's order are no random draw


@pytest.mark.slow
def test_noise_is_far_from_digits(mnist, test_features):
    noise = np.random.default_rng(0).uniform(size=(1000, 784))
    far = metrics.frechet_distance(metrics.features(noise), test_features)
    near = metrics.frechet_distance(metrics.features(mnist.train_images[:1000]), test_features)
    assert far > 20 * near


def test_no_image_is_an_error():
    with pytest.raises(ValueError, match="images: got 0 rows, expected at least 1"):
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


def bytes_of(seed, count=2):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), "uint8")


def test_squared_errors_of_codes_and_of_bytes_as_floats_are_right():
    codes = np.array([[-3.0, 40.0], [0.0, 2.0]])
    assert metrics.squared_error(codes, 0 * codes).tolist() == [9 + 1600, 4]
    first, second = (bytes_of(seed).astype("float32") for seed in (0, 1))
    expected = ((first.astype(int) - second.astype(int)) ** 2).sum(axis=(1, 2))
    assert np.allclose(metrics.squared_error(first, second), expected)


def test_halves_do_not_overflow():
    white = np.full((1, 28, 28), 10, "float16")
    assert metrics.squared_error(white, 0 * white) == [78_400]


@pytest.mark.parametrize("measure", [metrics.squared_error, metrics.psnr])
@pytest.mark.parametrize(
    ("images", "reconstructions", "message"),
    [
        (bytes_of(0), bytes_of(1), r"^images: got values from 0 to 255, .*divided by 255\?"),
        (np.zeros((2, 28, 28)), bytes_of(1), r"^reconstructions: got values from 0 to 255, .*divided by 255\?"),
        (np.zeros((2, 784)), np.zeros((2, 28, 28, 1)), r"^reconstructions: got shape .*, expected \(2, 784\)"),
        (np.zeros((2, 784)), np.zeros((1, 784)), r"^reconstructions: got shape \(1, 784\), expected \(2, 784\)"),
        (np.zeros((0, 784)), np.zeros((0, 784)), "^images: got 0 rows, expected at least 1"),
        (np.full((2, 784), np.nan), np.zeros((2, 784)), "^images: got 1568 values that are NaN"),
        (np.zeros((2, 784)), np.full((2, 784), np.inf), "^reconstructions: got 1568 values that are NaN"),
        (None, np.zeros((2, 784)), "^images: got None"),
    ],
)
def test_bad_images_have_no_error(measure, images, reconstructions, message):
    with pytest.raises(ValueError, match=message):
        measure(images, reconstructions)


def test_psnr_wants_a_peak_of_1_and_no_exact_copy():
    images = bytes_of(0) / 255
    with pytest.raises(ValueError, match=r"^images: got values from 0 to 255, .*divided by 255\?"):
        metrics.psnr(255 * images, 254 * images)
    with pytest.raises(ValueError, match=r"^reconstructions: got a mean squared error of .*divided by 255\?"):
        metrics.psnr(images, 255 * images)
    with pytest.raises(ValueError, match=r"^reconstructions: image 1 is an exact copy"):
        metrics.psnr(images, np.stack([images[0] / 2, images[1]]))
    assert metrics.psnr(images, images + np.random.default_rng(0).normal(size=images.shape) / 2) == pytest.approx(
        -10 * np.log10(0.25), abs=0.2
    )


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    with pytest.raises(ValueError, match=r"^images: got 0 rows"):
        metrics.importance_log_likelihood(vae, np.zeros((0, 12)))
    with pytest.raises(ValueError, match=r"^seed: got 4294967296"):
        metrics.importance_log_likelihood(vae, np.zeros((2, 12)), seed=2**32)
    with pytest.raises(ValueError, match=r"^vae: got .*, expected a helpers.autoencoders.VariationalAutoencoder"):
        metrics.importance_log_likelihood(vae.encoder, np.zeros((2, 12)))
    for coloured in (convolutional.ColourVAE(vae.encoder, vae.decoder), colour_vae()):
        with pytest.raises(ValueError, match=r"^vae: got a ColourVAE, whose decoder returns means, expected one whose"):
            metrics.importance_log_likelihood(coloured, np.zeros((2, *coloured.encoder.input_shape[1:])))


def colour_vae():
    """Return a small variational autoencoder of colour images."""
    return convolutional.ColourVAE(*convolutional.vae_networks((8, 8, 3), latent_dim=2, width=4))


def test_active_units(binary):
    keras.utils.set_random_seed(0)
    vae = autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(3, 8, input_dim=12))
    kernel, bias = vae.encoder.layers[-1].get_weights()
    kernel[:, 1] = 0  # the second latent's mean no longer depends on the image
    vae.encoder.layers[-1].set_weights([kernel, bias])
    assert metrics.active_units(vae, binary).tolist() == [True, False, True]
    with pytest.raises(ValueError, match=r"^images: got 1 rows, expected at least 2"):
        metrics.active_units(vae, binary[:1])
    with pytest.raises(ValueError, match=r"^images: got values from 0 to 255"):
        metrics.active_units(vae, 255 * binary)
    with pytest.raises(ValueError, match=r"^threshold: got None"):
        metrics.active_units(vae, binary, None)


# --- Kernel distance -------------------------------------------------------------------------------------------------


def test_kernel_distance_equals_the_sum_over_pairs():
    a, b = gaussian(7, 30, 4), gaussian(8, 20, 4)

    def mean_kernel(x, y):
        same = x is y
        values = [(p @ q / 4 + 1) ** 3 for i, p in enumerate(x) for j, q in enumerate(y) if not (same and i == j)]
        return np.mean(values)

    a, b = a.astype("float32").astype(float), b.astype("float32").astype(float)
    expected = mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b)
    assert np.isclose(metrics.kernel_distance(a, b), expected, rtol=1e-9)


def test_kernel_distance_has_no_bias():
    rng = np.random.default_rng(0)
    values = [metrics.kernel_distance(*rng.normal(size=(2, 50, 8))) for _ in range(300)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5


def test_kernel_distance_goes_over_blocks():
    a, b = gaussian(9, 1500, 3), gaussian(10, 1200, 3)
    whole = [((x @ y.T / 3 + 1) ** 3).astype(float) for x, y in ((a, a), (b, b), (a, b))]
    np.fill_diagonal(whole[0], 0)
    np.fill_diagonal(whole[1], 0)
    expected = whole[0].sum() / (1500 * 1499) + whole[1].sum() / (1200 * 1199) - 2 * whole[2].mean()
    assert np.isclose(metrics.kernel_distance(a, b), expected, rtol=1e-4)


# --- Neighbours ------------------------------------------------------------------------------------------------------


def with_ties(seed, count, other=None):
    """Return integer rows, many of them equal; some are copies of `other`."""
    rows = np.random.default_rng(seed).integers(0, 4, size=(count, 3)).astype(float)
    if other is not None:
        rows[: count // 3] = other[: count // 3]
    return rows


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("kind", ["random", "ties", "copies"])
def test_neighbour_metrics_equal_those_of_prdc(kind, k, capsys):
    real, fake = gaussian(11, 300), gaussian(12, 200) * 0.7
    real, fake = real.astype("float32").astype(float), fake.astype("float32").astype(float)
    if kind == "ties":
        real = with_ties(0, 300)
        fake = with_ties(1, 200, real)
    elif kind == "copies":
        fake[:50] = fake[50:100]
        real[:40] = real[40:80]
    measured = metrics.neighbour_metrics(real, fake, k)
    assert measured == pytest.approx(prdc.compute_prdc(real, fake, k), abs=1e-6)


@pytest.mark.parametrize("kind", fidelity.KINDS)
def test_metrics_equal_those_of_torch_fidelity(kind):
    stored = json.loads(fidelity.VALUES.read_text())["values"][kind]
    real, fake = fidelity.sets(kind)
    overlap = metrics.neighbour_metrics(real, fake, fidelity.NEIGHBOURS, inclusive=True)
    assert metrics.frechet_distance(real, fake) == pytest.approx(stored["frechet_distance"], rel=1e-6)
    assert metrics.kernel_distance(real, fake) == pytest.approx(stored["kernel_distance"], rel=1e-6)
    for name in ("precision", "recall"):  # a mean of float32 there
        assert overlap[name] == pytest.approx(stored[name], abs=1e-6)


def test_a_copied_training_row_counts_only_with_the_surface():
    real = np.array([[0.0], [1.0], [3.0]])
    fake = np.array([[1.0], [1.0], [1.0]])  # at the surface of the balls around 0 and 3
    assert metrics.neighbour_metrics(real, fake, 1)["density"] == 1
    assert metrics.neighbour_metrics(real, fake, 1, inclusive=True)["density"] == 3


def test_rounding_breaks_no_tie():
    real = gaussian(13, 400).astype("float32").astype(float) + 1000
    both = metrics.neighbour_metrics(real, real[:200], 3), metrics.neighbour_metrics(real - 1000, real[:200] - 1000, 3)
    assert both[0] == both[1]


@pytest.mark.parametrize("shift", [1e4, 1e8])
def test_doubles_far_from_zero_keep_their_differences(shift):
    a = np.random.default_rng(0).integers(-900, 900, size=(60, 3)) / 128  # exact, also after the shift
    b = a + 0.5
    far_a, far_b = a + shift, b + shift
    assert metrics.frechet_distance(far_a, far_b) == pytest.approx(0.75, rel=1e-6)
    assert metrics.neighbour_metrics(far_a, far_b) == metrics.neighbour_metrics(a, b)
    for near, far in zip(metrics.nearest_neighbours(a, b), metrics.nearest_neighbours(far_a, far_b), strict=True):
        assert np.array_equal(near, far)
    near, far = (metrics.parzen_log_likelihood(*sets, 0.5) for sets in ((a, b), (far_a, far_b)))
    assert np.allclose(near, far, rtol=1e-6)


def test_a_kernel_distance_far_from_zero_keeps_its_digits():
    a = np.random.default_rng(0).integers(-9, 9, size=(12, 3)) + 10.0**8
    b = a[::-1] + 0.5

    def mean_kernel(x, y):
        """Return the exact mean over pairs."""
        x, y = ([[Fraction(value) for value in row] for row in rows] for rows in (x, y))
        pairs = [(p, q) for i, p in enumerate(x) for j, q in enumerate(y) if x != y or i != j]
        return sum((sum(map(operator.mul, p, q)) / 3 + 1) ** 3 for p, q in pairs) / len(pairs)

    expected = mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b)
    assert metrics.kernel_distance(a, b) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("sizes", after(1, [(300, 600, 3), (400, 400, 5), (400, 400, 1)]))
def test_coverage_and_density_of_equal_distributions(sizes):
    real_count, fake_count, k = sizes
    rng = np.random.default_rng(0)
    found = [
        metrics.neighbour_metrics(rng.normal(size=(real_count, 4)), rng.normal(size=(fake_count, 4)), k)
        for _ in range(40)
    ]
    for name, expected in (("coverage", metrics.expected_coverage(real_count, fake_count, k)), ("density", 1)):
        values = [row[name] for row in found]
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / len(values) ** 0.5


def test_nearest_neighbours_are_found_over_blocks():
    rows, others = gaussian(14, 1200), gaussian(15, 90)
    indices, distances = metrics.nearest_neighbours(rows, others)
    table = np.linalg.norm(rows[:, None] - others, axis=-1)
    assert (indices == table.argmin(axis=1)).all()
    assert np.allclose(distances, table.min(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.neighbour_metrics(np.zeros((5, 2)), np.zeros((4, 2)), 4), "k: got 4, expected .* from 1 to 3"),
        (
            lambda: metrics.neighbour_metrics(np.zeros((5, 2)), np.zeros((4, 3))),
            "fake: got 3 numbers a row, expected 2",
        ),
        (lambda: metrics.kernel_distance(np.zeros((1, 2)), np.zeros((4, 2))), "features_a: got 1 rows, expected at le"),
        (lambda: metrics.parzen_log_likelihood(np.zeros((3, 2)), np.zeros((3, 2)), 0), "sigma: got 0, expected .* > 0"),
        (
            lambda: metrics.parzen_log_likelihood(np.zeros((3, 2)), np.zeros((3, 2)), np.nan),
            "sigma: got nan, expected",
        ),
        (lambda: metrics.mode_coverage(np.zeros((3, 3)), datasets.ring()), "points: got 3 numbers a row, expected 2"),
        (lambda: metrics.mode_coverage(np.zeros((3, 2)), (np.zeros((1, 2)), 1)), "mixture: got .*, expected a Mixture"),
        (
            lambda: metrics.mode_coverage(np.zeros((3, 2)), datasets.ring(std=0)),
            "mixture: got modes with a standard deviation of 0",
        ),
        (
            lambda: metrics.neighbour_metrics(np.zeros((5, 2)), np.zeros((4, 2)), 1, "no"),
            "inclusive: got 'no', expected one of False, True",
        ),
        (lambda: metrics.expected_coverage(5, 9, 5), "k: got 5, expected an integer from 1 to 4"),
        (lambda: metrics.expected_coverage(5.5, 9, 2), "real_count: got 5.5, expected an integer >= 2"),
        (lambda: metrics.expected_coverage(5, 0, 2), "fake_count: got 0, expected an integer >= 1"),
        (lambda: metrics.frechet_digit_distance(np.zeros((2, 784)), np.zeros((1, 784))), "images_b: got 1 rows"),
        (lambda: metrics.load_classifier(None), "path: got None, expected a path"),
        (lambda: metrics.inception_score([[0.5, 0.6]]), "probabilities: got a row that is 0.1 off a sum of 1"),
        (lambda: metrics.inception_score([[0.5, -0.6]]), "probabilities: got values from -0.6"),
    ],
)
def test_bad_sets_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- Parzen windows --------------------------------------------------------------------------------------------------


def test_parzen_windows_equal_the_density_of_a_mixture():
    samples, points = gaussian(16, 40, 2), gaussian(17, 30, 2)
    samples, points = samples.astype("float32").astype(float), points.astype("float32").astype(float)
    expected = np.log(datasets.Mixture(samples, 0.7).density(points))
    assert np.allclose(metrics.parzen_log_likelihood(samples, points, 0.7), expected, rtol=1e-9)


def test_parzen_windows_equal_scikit_learns():
    samples, points = gaussian(18, 50, 5), gaussian(19, 1100, 5)
    expected = KernelDensity(bandwidth=0.3).fit(samples).score_samples(points)
    assert np.allclose(metrics.parzen_log_likelihood(samples, points, 0.3), expected, rtol=1e-4)


# --- Modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixture", [datasets.ring(), datasets.grid()])
def test_the_targets_own_points_reach_the_ceiling(mixture):
    found = metrics.mode_coverage(mixture.sample(100_000, np.random.default_rng(0)), mixture)
    assert found["modes"] == len(mixture.centers)
    assert np.isclose(found["high_quality"], 1 - np.exp(-4.5), atol=0.002)
    assert np.isclose(found["spread"], np.sqrt((1 - 5.5 * np.exp(-4.5)) / (1 - np.exp(-4.5))), atol=0.005)
    assert 0 <= found["reverse_kl"] < 1e-3


def test_collapse_is_seen():
    mixture = datasets.ring()
    one = metrics.mode_coverage(np.repeat(mixture.centers[:1], 50, axis=0), mixture)
    assert one == {"modes": 1, "high_quality": 1.0, "reverse_kl": pytest.approx(np.log(8)), "spread": 0.0}
    none = metrics.mode_coverage(np.zeros((50, 2)), mixture)
    assert none["modes"] == none["high_quality"] == 0
    assert np.isnan(none["reverse_kl"])


def test_sharpness_by_hand():
    edge = np.zeros((1, 28, 28))
    edge[:, :, 14:] = 0.5  # one step of 0.5 in each row, half the pixels lit
    assert metrics.sharpness(edge) == pytest.approx(28 * 0.25 / (28 * 14 * 0.25))


def test_sharpness_falls_by_blur_rises_by_noise_and_ignores_contrast(mnist):
    digits = mnist.validation_images[:100, :, :, 0].astype("float64")
    blurred = (digits + np.roll(digits, 1, axis=1) + np.roll(digits, 1, axis=2)) / 3
    noisy = np.clip(digits + 0.2 * np.random.default_rng(0).normal(size=digits.shape), 0, 1)
    assert metrics.sharpness(blurred) < 0.8 * metrics.sharpness(digits)
    assert metrics.sharpness(noisy) > 1.1 * metrics.sharpness(digits)
    assert metrics.sharpness(digits / 2) == pytest.approx(metrics.sharpness(digits), rel=1e-5)


def test_black_images_have_no_sharpness():
    with pytest.raises(ValueError, match="images: got only black pixels"):
        metrics.sharpness(np.zeros((3, 28, 28)))


def test_look_is_features_and_labels_in_one_go(mnist):
    images = mnist.test_images[:5]
    features, labels = metrics.look(images)
    assert features.dtype == "float64"
    assert np.array_equal(features, metrics.features(images))
    assert np.array_equal(labels, metrics.predict_labels(images))


def test_ssim_is_the_published_formula():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 2, 13, 12, 3))
    at = np.arange(-5, 6)
    bell = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    expected = np.zeros((2, 3, 2, 3))
    for i, row, column, channel in np.ndindex(*expected.shape):
        x, y = (one[i, row : row + 11, column : column + 11, channel] for one in (a, b))
        mean_x, mean_y = (window * x).sum(), (window * y).sum()
        variances = (window * (x - mean_x) ** 2).sum() + (window * (y - mean_y) ** 2).sum()
        covariance = (window * (x - mean_x) * (y - mean_y)).sum()
        light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
        expected[i, row, column, channel] = light * (2 * covariance + 9e-4) / (variances + 9e-4)
    assert np.allclose(metrics.ssim(a, b), expected.mean(axis=(1, 2, 3)), atol=1e-6)


def test_ssim_knows_damage():
    rng = np.random.default_rng(0)
    image = np.zeros((1, 32, 32, 3))
    image[:, 8:24, 8:24] = (1, 0.5, 0)
    noisy = [np.clip(image + rng.normal(0, sigma, image.shape), 0, 1) for sigma in (0, 0.05, 0.2)]
    values = [metrics.ssim(image, each)[0] for each in noisy]
    assert values[0] == 1
    assert values[0] > values[1] > values[2]
    assert metrics.ssim(image, 1 - image)[0] < 0.2


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 32, 3)), r"^images: got 8 × 32 pixels, expected at least 11 × 11"),
        (np.zeros((2, 32, 32)), r"^images: got shape"),
        (np.full((2, 32, 32, 3), 2.0), r"^images: got values"),
    ],
)
def test_ssim_checks_the_images(images, message):
    with pytest.raises(ValueError, match=message):
        metrics.ssim(images, images)


def test_ssim_needs_as_many_others():
    with pytest.raises(ValueError, match=r"^others: got shape \(1, 32, 32, 3\), expected \(2, 32, 32, 3\)"):
        metrics.ssim(np.zeros((2, 32, 32, 3)), np.zeros((1, 32, 32, 3)))
