"""The ladder network against its definition, written out in NumPy."""

import itertools

import keras
import numpy as np
import pytest

from experiments import ladder_network
from helpers import datasets

WIDTHS, WEIGHTS = (12, 8, 5, 3), (4.0, 3.0, 2.0, 1.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def network():
    """A small ladder network whose weights are all different from their start."""
    keras.utils.set_random_seed(0)
    network = ladder_network.LadderNetwork(WIDTHS, WEIGHTS, labelled=4)
    noise = np.random.default_rng(1)
    network.set_weights(
        [w + 0.3 * noise.normal(size=w.shape) if w.dtype == np.float32 else w for w in network.get_weights()]
    )
    return network


@pytest.fixture
def images(rng):
    return rng.random((24, 12), dtype="float32")


def standardise(z):
    """Return z with mean 0 and variance 1 over the batch, its mean and its deviation."""
    mean, deviation = z.mean(axis=0), np.sqrt(z.var(axis=0) + 1e-6)
    return (z - mean) / deviation, mean, deviation


def test_normalise(rng):
    z = rng.normal(3, 2, size=(50, 4)).astype("float32")
    for got, expected in zip(ladder_network.normalise(z), standardise(z), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_combinator_is_linear_in_z_with_centre_and_slope_from_above(rng):
    z, u = rng.normal(size=(2, 6, 5)).astype("float32")
    a = rng.normal(size=(10, 5)).astype("float32")

    def half(b):
        return b[0] / (1 + np.exp(-(b[1] * u + b[2]))) + b[3] * u + b[4]

    np.testing.assert_allclose(
        ladder_network.combine(z, u, a), (z - half(a[:5])) * half(a[5:]) + half(a[:5]), rtol=1e-4, atol=1e-5
    )


def test_clean_path(network, images):
    path, h = network.encode(images, noise=0.0), images
    assert np.array_equal(path["z"][0], images)
    for index, (kernel, shift) in enumerate(zip(network.up, network.shifts, strict=True)):
        z, mean, deviation = standardise(h @ np.asarray(kernel))
        np.testing.assert_allclose(path["z"][index + 1], z, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(path["mean"][index + 1], mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(path["deviation"][index + 1], deviation, rtol=1e-3, atol=1e-4)
        h = np.maximum(z + np.asarray(shift), 0)
    np.testing.assert_allclose(
        path["logits"], np.asarray(network.scale) * (z + np.asarray(shift)), rtol=1e-3, atol=1e-3
    )


def test_noise_is_added_to_every_layer(network, images):
    many = np.repeat(images, 200, axis=0)
    clean, noisy = network.encode(many, noise=0.0), network.encode(many, noise=0.3)
    assert abs(np.std(noisy["z"][0] - clean["z"][0]) - 0.3) < 0.01
    for z in noisy["z"][1:]:  # normalised, then noise
        assert np.allclose(np.var(z, axis=0), 1 + 0.3**2, atol=0.06)


def test_denoising_errors(network, images):
    clean, noisy = network.encode(images, noise=0.0), network.encode(images, noise=0.3)
    got = np.asarray(network.denoise(clean, noisy))
    logits = np.asarray(noisy["logits"])
    signal = np.exp(logits - logits.max(axis=1, keepdims=True))
    signal /= signal.sum(axis=1, keepdims=True)
    expected = {}
    for layer in (3, 2, 1, 0):
        guess = np.asarray(
            ladder_network.combine(noisy["z"][layer], standardise(signal)[0], network.combinators[layer])
        )
        scaled = (guess - np.asarray(clean["mean"][layer])) / np.asarray(clean["deviation"][layer])
        expected[layer] = np.mean((scaled - np.asarray(clean["z"][layer])) ** 2)
        signal = guess @ np.asarray(network.down[layer - 1]) if layer else None
    np.testing.assert_allclose(got, [expected[layer] for layer in range(4)], rtol=1e-3)


def test_loss_is_cross_entropy_of_the_labelled_and_weighted_errors(network, images, rng):
    labels = np.array([0, 1, 2, 0, *[-1] * 20])
    prediction = {"logits": rng.normal(size=(4, 3)).astype("float32"), "errors": np.float32([1, 2, 3, 4])}
    logits = prediction["logits"].astype("float64")
    entropy = (np.log(np.exp(logits).sum(axis=1)) - logits[range(4), labels[:4]]).mean()
    loss = network.compute_loss(images, labels, prediction)
    assert float(loss) == pytest.approx(entropy + 1 * 4 + 2 * 3 + 3 * 2 + 4 * 1, rel=1e-5)


def test_classifier_is_the_clean_path(network, images):
    plain = network.classifier(images)
    assert plain.count_params() == sum(a * b + b for a, b in itertools.pairwise(WIDTHS))
    clean = network.encode(images, noise=0.0)["logits"]
    np.testing.assert_allclose(plain.predict(images, verbose=0), clean, rtol=1e-3, atol=1e-3)


def test_fit_lowers_both_losses(images):
    keras.utils.set_random_seed(0)
    network = ladder_network.LadderNetwork(WIDTHS, WEIGHTS, labelled=4)
    network.compile(keras.optimizers.Adam(0.01))
    batches = datasets.SemiSupervisedBatches(images[:4], np.array([0, 1, 2, 0]), images[4:], 4, 20)
    history = network.fit(batches, epochs=60, shuffle=False, verbose=0).history
    for name in ("cross_entropy", "denoising"):
        assert np.mean(history[name][-10:]) < 0.8 * history[name][0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ladder_network.LadderNetwork(WIDTHS, (1, 1), labelled=4), "denoising_weights: got 2, expected 4"),
        (lambda: ladder_network.LadderNetwork(WIDTHS, 1, labelled=4), "denoising_weights: got 1, expected a sequence"),
        (
            lambda: ladder_network.LadderNetwork(WIDTHS, (1, 1, 1, -1), labelled=4),
            "denoising_weights: got -1, expected a finite",
        ),
        (lambda: ladder_network.LadderNetwork((12,), (1,), labelled=4), "widths: got 1 entries, expected at least 2"),
        (lambda: ladder_network.LadderNetwork(WIDTHS, WEIGHTS, labelled=0), "labelled: got 0"),
        (
            lambda: ladder_network.LadderNetwork(WIDTHS, WEIGHTS, 4, noise=-0.3),
            "noise: got -0.3, expected a finite number >= 0",
        ),
        (lambda: ladder_network.LadderNetwork(WIDTHS, WEIGHTS, 4, seed=None), "seed: got None, expected an integer"),
        (lambda: ladder_network.normalise(np.zeros(3)), r"z: got shape \(3,\), expected \(n, n\)"),
        (
            lambda: ladder_network.combine(np.zeros((6, 5)), np.zeros((6, 1)), np.zeros((10, 5))),
            r"u: got shape \(6, 1\), expec",
        ),
        (
            lambda: ladder_network.combine(*np.zeros((2, 6, 5)), np.zeros((10, 1))),
            r"weights: got shape \(10, 1\), expected \(10",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bad_images_are_named(network, images):
    with pytest.raises(ValueError, match="images: got 4 in a batch, expected more than the 4 labelled"):
        network(images[:4])
    with pytest.raises(ValueError, match=r"images: got shape \(24, 11\), expected \(n, 12\)"):
        network.encode(images[:, 1:], noise=0.0)
    with pytest.raises(ValueError, match=r"images: got shape \(24, 11\), expected \(n, 12\)"):
        network.classifier(images[:, 1:])
    with pytest.raises(ValueError, match="images: got 1 rows, expected at least 2"):
        network.classifier(images[:1])


def test_more_labelled_images_than_keras_tries_a_graph_with():
    network = ladder_network.LadderNetwork((3, 2), (1, 1), labelled=100)
    network.compile("adam")
    images = np.random.default_rng(0).random((120, 3), dtype="float32")
    batches = datasets.SemiSupervisedBatches(images[:100], np.arange(100) % 2, images[100:], 100, 20)
    assert np.isfinite(network.fit(batches, verbose=0).history["loss"]).all()
