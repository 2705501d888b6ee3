"""The checks of the part Practice: what they say of right answers, and of typical wrong ones."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import stats

from helpers import datasets, diffusion, metrics
from tests.helpers.exercises.answers import right, wrong

RANDOM = np.random.default_rng(0)


# --- Where the two models meet ---------------------------------------------------------------------------------------


def around(count, seed, clouds=8, radius=3.0, deviation=0.4, angles=None):
    """Return draws of a ring of clouds; other settings are mistakes."""
    place = keras.random.randint((count if angles is None else angles,), 0, clouds, seed=seed)
    angle = 2 * np.pi / 8 * place * jnp.ones(count)
    middle = radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    return middle + deviation * keras.random.normal((count, 2), seed=seed)


def test_a_ring_of_clouds(capsys):
    right("ex-connections-ring", around, capsys)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("1 of the eight clouds are all but empty", functools.partial(around, clouds=7)),
        ("one angle drawn for all", functools.partial(around, angles=1)),
        ("0.4 taken for the variance", functools.partial(around, deviation=0.4**0.5)),
        ("Is 0.4 squared", functools.partial(around, deviation=0.16)),
        ("distance of the clouds from the middle: got", functools.partial(around, radius=2.5)),
        ("is the seed used", lambda count, seed: around(count, 1)),
        (r"expected the shape \(8000, 2\)", lambda count, seed: around(count, seed).T),
    ],
)
def test_other_rings(words, answer):
    wrong("ex-connections-ring", answer, words)


class Knows:
    """An autoencoder that has some codes."""

    def __init__(self, codes):
        self.codes = codes

    def encode(self, images):
        """Return the codes."""
        return self.codes


def test_a_distribution_that_is_fitted(capsys):
    middles = RANDOM.normal(size=(6, 2)) @ [[5.0, 2.0], [0.0, 1.0]] + [4, -2]

    def mixture(count):
        return middles[RANDOM.integers(6, size=count)] + 0.5 * RANDOM.normal(size=(count, 2))

    codes = mixture(20_000)
    mean, root = codes.mean(axis=0), np.linalg.cholesky(np.cov(codes, rowvar=False))
    normal = RANDOM.standard_normal((5_000, 2))
    one, many = mean + normal @ root.T, mixture(5_000)
    given, name = dict(model=Knows(codes), images=None), "ex-connections-afterwards"
    assert "with the mixture" in right(name, (one, many), capsys, **given)
    wrong(name, (normal, many), "their mean is not that of the codes", **given)
    wrong(name, (mean + normal * codes.std(axis=0), many), "their covariance is not", **given)
    wrong(name, (one, codes[:5_000]), "not new samples", **given)
    wrong(name, (many, one), "Are the two exchanged", **given)
    wrong(name, (one, mean + RANDOM.standard_normal((5_000, 2)) @ root.T), "no better than those of one", **given)
    wrong(name, (one, many[:100]), r"expected the shape \(5000, 2\)", **given)


def test_three_codes_that_know_more_and_fit_better(capsys):
    name = "ex-connections-three-codes"
    said = right(name, [(-1.1, 0.4), (0, 0.3), (1.1, 0.4)], capsys)
    assert "nformation 0.903 nats, mismatch 0.081" in said
    wrong(name, [(-0.1, 1.0), (0, 1.0), (0.1, 1.0)], "which of the three overlap")
    wrong(name, [(-3, 0.2), (0, 0.2), (3, 0.2)], "do they leave gaps")
    wrong(name, [(-1, 0.5), (0, -0.5), (1, 0.5)], "is a deviation, and is above 0")
    wrong(name, [(-1, 0, 1), (0.5, 0.4, 0.5)], "Are rows and columns exchanged")


def test_inverse(capsys):
    def encode(x):
        return stats.norm.isf(np.exp(-x))

    def generate(z):
        return -stats.norm.logsf(z)

    label = "ex-connections-inverse"
    right(label, (encode, generate), capsys)
    right(label, (lambda x: -encode(x), lambda z: generate(-z)), capsys)
    wrong(label, (lambda x: -encode(x), generate), "Is G the inverse of E")
    wrong(label, (lambda x: x, generate), "the codes of 2,000 points")
    wrong(label, (encode, np.exp), "the points of 2,000 latents")
    wrong(label, encode, "expected 2 values")


# --- Your own images -------------------------------------------------------------------------------------------------


def copies(new, train, test, share=0.0, threshold=None):
    """Return which rows are nearer to a training row than nearly all test rows are."""
    usual = metrics.nearest_neighbours(test, train)[1]
    return metrics.nearest_neighbours(new, train)[1] < (threshold or np.quantile(usual, share))


def test_near_copies(capsys):
    right("your-own-data-near-copies", copies, capsys)
    right("your-own-data-near-copies", functools.partial(copies, share=0.05), capsys)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("True and False are exchanged", lambda *rows: ~copies(*rows)),
        ("8 of 8 others are taken for one in dark images: does the thr", functools.partial(copies, threshold=0.3)),
        (
            "4 of 4 near copies are missed",
            lambda new, train, test: [tuple(row) in set(map(tuple, train)) for row in new],
        ),
        (r"got the shape \(60,\) for 12 new rows", lambda new, train, test: copies(train, new, test)),
        ("expected True or False", lambda new, train, test: metrics.nearest_neighbours(new, train)[1]),
    ],
)
def test_near_copies_that_are_missed(words, answer):
    wrong("your-own-data-near-copies", answer, words)


def test_a_classifier_of_letters(capsys):
    labels = RANDOM.integers(0, 9, 300)
    pictures = np.zeros((300, 28, 28, 1)) + labels[:, None, None, None] / 10
    given, name = dict(pictures=pictures, labels=labels), "your-own-data-own-classifier"

    def read(pictures):
        return np.rint(10 * pictures.mean(axis=(1, 2, 3))).astype(int)

    assert "100.0% of the validation letters" in right(name, read, capsys, **given)
    wrong(name, lambda x: (read(x) + 3) % 9, "are the labels in the order", **given)
    wrong(name, lambda x: np.array(list("acdenortu"))[read(x)], "the place of a letter in LETTERS", **given)
    wrong(name, lambda x: read(x) + 0.5, "not whole ones from 0 to 8", **given)
    wrong(name, lambda x: read(x)[:5], r"expected the shape \(300\)", **given)


def laid(pixels, ground):
    """Return what a picture with an alpha channel looks like on a ground."""
    colours, opaque = np.split(pixels / 255, [3], axis=-1)
    return opaque * colours + (1 - opaque) * ground


def test_a_picture_on_a_ground(capsys):
    right("your-own-data-ground", laid, capsys)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("expected 0 to 1", lambda pixels, ground: 255 * laid(pixels, ground)),
        ("what does the fourth channel say", lambda pixels, ground: pixels[..., :3] / 255),
        ("are the two weights exchanged", lambda pixels, ground: laid(pixels ^ np.uint8([0, 0, 0, 255]), ground)),
        ("black on every ground", lambda pixels, ground: laid(pixels, 0)),
        (r"expected the shape \(6, 5, 3\)", lambda pixels, ground: pixels / 255),
    ],
)
def test_a_picture_on_a_wrong_ground(words, answer):
    wrong("your-own-data-ground", answer, words)


def test_limits_without_the_bias(capsys):
    taken = [50, 100, 200, 400, 675]
    by_count = {
        "real letters": [0.02 + 235 / n + 900 / n**2 for n in taken],
        "samples": [0.26 + 226 / n for n in taken],
    }
    given, name = dict(taken=taken, by_count=by_count), "your-own-data-without-bias"
    one_over = 1 / np.array(taken)
    for weights in (None, True):
        lines = [np.polyfit(one_over[2:], y[2:], 1, w=weights and 1 / np.array(y[2:])) for y in by_count.values()]
        right(name, [line[1] for line in lines], capsys, **given)
    wrong(name, [line[0] for line in lines], "limit of real letters: .*Is that the slope b", **given)
    wrong(name, [y[-1] for y in by_count.values()], "limit of real letters: got 0.3.*too high", **given)
    wrong(name, [line[1] for line in lines[::-1]], "limit of real letters: .*too high", **given)
    wrong(name, [0.02], "got 1 values, expected 2", **given)


def test_a_fault_of_ones_own(capsys):
    pictures = RANDOM.random((300, 6, 6, 1), "float32")
    features = {"pixels": lambda x: x.reshape(len(x), -1), "mean": lambda x: x.mean(axis=(1, 2))}
    given, name = dict(pictures=pictures, features=features), "your-own-data-own-fault"

    def darken(pictures):
        pictures[:] *= 0.5
        return pictures

    said = right(name, lambda x: 0.8 * x, capsys, **given)
    assert "Distance over real: pixels " in said
    wrong(name, lambda x: x, "the images are unchanged", **given)
    wrong(name, lambda x: 1.5 * x, "got grey levels from .* Does clip", **given)
    wrong(name, lambda x: x[..., 0], r"expected the shape \(300, 6, 6, 1\)", **given)
    wrong(name, darken, "work on a copy", **{**given, "pictures": pictures.copy()})


# --- What came next --------------------------------------------------------------------------------------------------

GRID = datasets.grid().standardised()
ARC = diffusion.Schedule(power=1.0)
ON_ARC = diffusion.exact_denoiser(GRID, ARC)
LARGEST = np.arccos(ARC.least_signal)


def on_line(noisy, time, scaled=True, clock=lambda time: np.arctan2(time, 1 - time) / LARGEST):
    """Return the mean behind samples of the straight line; other settings are mistakes."""
    length = np.hypot(1 - time, time) if scaled else 1
    return ON_ARC(noisy / length, jnp.full(len(noisy), clock(time)))


def test_the_straight_line(capsys):
    given, name = dict(grid=GRID), "ex-next-straight"
    right(name, on_line, capsys, **given)
    wrong(name, functools.partial(on_line, scaled=False), "Is the sample divided", **given)
    wrong(name, functools.partial(on_line, clock=lambda time: time), "get t itself", **given)
    angle = functools.partial(on_line, clock=lambda time: np.arctan2(time, 1 - time))
    wrong(name, angle, "get an angle where", **given)
    wrong(name, lambda noisy, time: on_line(noisy, time)[:, 0], "expected the shape", **given)


def test_a_guided_class(capsys):
    name = "ex-next-guidance"
    right(name, (2.01, 0.65), capsys)
    wrong(name, (0.99, 1.0), "the mean: .*the class without guidance")
    wrong(name, (0.65, 2.01), "the mean: got 0.65, which is too small")
    wrong(name, (2.01, 1.0), "the deviation: .*without guidance")
    wrong(name, (-2.01, 0.65), "the mean: the sign is off")
    wrong(name, 2.0, "expected 2 values")


def test_the_order_of_a_walk(capsys):
    name = "ex-next-order"
    right(name, 0.508, capsys)
    wrong(name, 2.0, "half as many steps")
    wrong(name, -1.0, "Is that the exponent")
    wrong(name, 0.1, "too small")


def test_clouds_of_ones_own(capsys):
    angle = 2 * np.pi * np.arange(9) / 9
    mixture = datasets.Mixture(np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.03).standardised()
    drawn, name = mixture.sample(1_000, RANDOM), "ex-next-own-points"
    assert "9 of 9 clouds" in right(name, (mixture, drawn), capsys)
    wrong(name, (mixture, drawn[drawn[:, 0] < 1.2]), "8 of 9 clouds")
    wrong(name, (mixture, 0.7 * drawn), "Do more steps")
    wrong(name, (datasets.Mixture(5 * mixture.centers, 0.1), drawn), "Is the mixture scaled")
    wrong(name, (datasets.Mixture(mixture.centers[:4], 0.1), drawn), "expected at least 6")
    wrong(name, (mixture.centers, drawn), "expected a datasets.Mixture")


def test_half_data_half_noise(capsys):
    name, whole = "ex-next-half", np.pi / 4 / np.arccos(0.01)
    right(name, lambda power: whole ** (1 / power), capsys)
    wrong(name, lambda power: 0.5 ** (1 / power), "the time for power 1: .*a little less than a right angle")
    wrong(name, lambda power: whole**power, "the time for power 2: .*taken to 1 / power")
    wrong(name, lambda power: np.pi / 4, "Which time has it")


def test_walks_in_jax_pass_as_well(capsys):
    mixture = datasets.ring(modes=7, std=0.05).standardised()
    schedule = diffusion.Schedule(power=2.0)
    exact = diffusion.exact_denoiser(mixture, schedule)
    start = jax.random.normal(jax.random.key(1), (500, 2))
    right("ex-next-own-points", (mixture, diffusion.walk(exact, start, schedule, 60, jax.random.key(2), 1.0)), capsys)


def shares_of(sources, rng, whole=True, order=None):
    """Return the part of each image: whole sources in a random order, up to 60% and 70% of the images."""
    names, which, counts = np.unique(sources, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names)) if order is None else order(len(names))
    middles = np.cumsum(counts[order]) - counts[order] / 2
    places = np.empty(len(names))
    places[order] = middles / counts.sum() if whole else (np.arange(len(names)) + 0.5) / len(names) ** 1.5
    return np.searchsorted([0.6, 0.7], places)[which]


def test_sources(capsys):
    label = "your-own-data-sources"
    right(label, shares_of, capsys)
    wrong(label, lambda sources, rng: rng.choice(3, len(sources), p=(0.6, 0.1, 0.3)), "in more than one part")
    wrong(label, lambda sources, rng: shares_of(sources, rng, whole=False), "those of images")
    wrong(label, lambda sources, rng: shares_of(sources, rng, order=np.arange), "another seed gives the same")
    wrong(label, lambda sources, rng: shares_of(sources, np.random.default_rng()), "the same seed gives another")
    wrong(label, lambda sources, rng: np.full(len(sources), 3), "expected 0, 1 or 2")


def test_velocity(capsys):
    label = "ex-next-velocity"
    right(label, lambda t: 1 / ((1 - t) ** 2 + t**2), capsys)
    wrong(label, lambda t: (1 - t) ** 2 + t**2, "at t = 0.25: .*variance of the point")
    wrong(label, lambda t: 2.0, "without a look")
    wrong(label, lambda t: 0.0, "many pairs")
