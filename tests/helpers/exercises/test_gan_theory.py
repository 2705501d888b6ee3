"""What the checks of gans/math, transport, stability, evaluation and judges say of right and of wrong answers."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from helpers import datasets
from helpers.exercises import gan_theory
from tests.helpers.exercises.answers import right, wrong

GRID = datasets.grid().standardised()
NEARBY = [(0.3, -3, 0.5), (0.4, 0, 0.5), (0.3, 3, 0.5)]
JS = [0.00125, 0.11142, 0.33683, 0.63272, 0.69305]
BITS = [0.05639, 0.01923, 0.00192, 0.00086, 0.00030, 0.00001216]
CHANCES = [1 - 0.3**5, 1 - 0.9**5, 1.0]
SHARES = np.array([0.6, 0.3, 0.1])
CLICKS = {"clicks": 30}


def played(alternating, count):
    """Return positions of the game xy from (1, 0) with steps of 0.1, the start among them."""
    x, y, path = 1.0, 0.0, []
    for _ in range(count):
        path.append((x, y))
        new = x - 0.1 * y
        x, y = new, y + 0.1 * (new if alternating else x)
    return np.array(path)


TURNS, APART = (np.hypot(*played(one, 4_000).mean(axis=0)) for one in (True, False))


def covered_modes(kind, mixture, bits, column):
    """Return the modes of ten seeds, of which 7, 1 or all have eight."""
    assert (mixture, bits, column) == ("ring", False, "modes")
    return np.where(np.arange(10) < {"a": 7, "b": 1, "c": 10}[kind], 8, 5)


@pytest.fixture(scope="module")
def frechet():
    """Return what the check of the missing digit needs, and the true distance: two normal sets of three features."""
    rng = np.random.default_rng(0)
    labels, real = np.arange(3_000) % 10, rng.normal(size=(3_000, 3)) * [1, 2, 3]
    features = rng.normal(size=(3_000, 3)) * [1, 2, 3] + 2.0 * (labels == 4)[:, None] - 1
    from helpers import metrics

    given = {"features": features, "labels": labels, "real": real}
    return given, metrics.frechet_distance(features[labels != 4], real), metrics.frechet_distance(features, real)


@pytest.fixture(scope="module")
def pieces():
    """Return pieces a mode of the stored generator, and how many different points it has."""
    made = gan_theory._from_bits(np.zeros((256, 1, 2)))[:, 0]
    return np.bincount(gan_theory._modes_of(made, GRID)[0], minlength=25)


def smooth(p, q, alpha, beta):
    return (alpha * p + beta * q) / (p + q)


def optima(p, q):
    return p / (p + q), np.sign(p - q), 3 * np.sign(p - q)


def cheapest(x, y, a):
    """Return the smallest mean cost of a pairing."""
    costs = np.abs(x[:, None] - y) ** a
    return costs[linear_sum_assignment(costs)].mean()


RIGHT = [
    ("gan-math-js-normals", (JS, 5.7), {}),
    ("gan-math-other-optima", optima, {}),
    ("gan-math-label-smoothing", smooth, {}),
    ("gan-math-averaging", (TURNS, APART), {}),
    ("gan-math-two-speeds", 4, {}),
    ("gan-math-own-mixture", (1, 3), {"modes": NEARBY}),
    ("gan-math-own-mixture", (1, 2), {"modes": [(0.4, -2, 0.8), (0.6, 1.5, 0.8)]}),
    ("transport-far-away", (10, 0.01, 0.003478), {}),
    ("transport-roots", cheapest, {}),
    ("transport-bends", (0.91, 0.0), {}),
    ("transport-zero-centred", lambda t, factor: t**2 / (2 * factor), {}),
    ("transport-own-sets", 2.25, {"sets": ([0, 1, 2], [3, 3.5])}),
    ("transport-own-sets", 1, {"sets": ([0, 2], [1, 1, 1])}),
    ("ex-stability-packing", lambda m, k, s: 1 - (m / k) ** s, {}),
    ("ex-stability-bits", (BITS, 6), {}),
    ("ex-stability-luck", CHANCES, {"kinds": list("abc"), "values": covered_modes}),
    ("ex-stability-silent", (25, 0.996, 256), {"mixture": GRID}),
    ("ex-stability-own-shares", (3 - 0.9**100, 44), {"shares": SHARES}),
    ("evaluation-ties", (0, 0, 0.1, 1, 1.2), {}),
    ("evaluation-own-digits", 2, {"digits": [3, 3, 8, 8]}),
    ("evaluation-own-digits", 4**0.25 * (4 / 3) ** 0.75, {"digits": [7, 0, 7, 7]}),
    ("judges-score-by-hand", (2**1.5 / 3**0.75, 2), {}),
    (
        "judges-own-clicks",
        (binomtest(24, 30).proportion_ci(method="wilson"), (0, 0.1135)),
        {"right": [24, 0], **CLICKS},
    ),
]
WRONG = [
    ("gan-math-js-normals", (np.array(JS) * 2, 5.7), "a factor of 2 is too much"),
    ("gan-math-js-normals", (np.array(JS) / np.log(2), 5.7), "bits where nats"),
    ("gan-math-js-normals", ([0.005, 0.5, 2, 8, 32], 5.7), "KL"),
    ("gan-math-js-normals", (JS, 4.2), "the distance: got 4.2, which is too small"),
    ("gan-math-other-optima", lambda p, q: (np.log(p / q), *optima(p, q)[1:]), "least squares: .*cross-entropy"),
    ("gan-math-other-optima", lambda p, q: (*optima(p, q)[:2], 3 * np.sign(q - p)), "Wasserstein: the sign is off"),
    ("gan-math-other-optima", lambda p, q: p / (p + q), "got 40 values, expected 3"),
    ("gan-math-label-smoothing", lambda p, q, a, b: a * p / (a * p + q), "α = 0.9, β = 0: .*the other side"),
    ("gan-math-label-smoothing", lambda p, q, a, b: a * p / (p + q), "β = 0.1: .*fakes"),
    ("gan-math-label-smoothing", lambda p, q, a, b: np.log(p / q), "expected probabilities"),
    (
        "gan-math-averaging",
        (np.hypot(*played(True, 4_000).T).mean(), APART),
        "alternating: .*Average the positions first",
    ),
    (
        "gan-math-averaging",
        (TURNS, np.hypot(*played(False, 4_001)[-1])),
        "simultaneous: this is the distance of the last position",
    ),
    (
        "gan-math-averaging",
        (TURNS, np.hypot(*played(False, 4_001).mean(axis=0))),
        "simultaneous: one position too many",
    ),
    ("gan-math-two-speeds", 16, "too large. Only the steps of D"),
    ("gan-math-two-speeds", 2, "a factor of 2 is missing"),
    ("transport-far-away", (1_000, 0.01, 0.003478), "W1: .*How much mass"),
    ("transport-far-away", (10, 0.02, 0.003478), "counts once"),
    ("transport-far-away", (10, 0.01, 0.003478 / np.log(2)), "bits where nats"),
    ("transport-roots", lambda x, y, a: np.mean(np.abs(np.sort(x) - np.sort(y)) ** a), "sorted pairing"),
    ("transport-roots", lambda x, y, a: len(x) * cheapest(x, y, a), "too much.*mean over the pairs"),
    ("transport-bends", (1.0, 0.0), "smooth activation"),
    ("transport-bends", (1.9, 0.0), r"expected\[1\]"),
    ("transport-bends", (0.91, 0.2), "the penalty alone"),
    ("transport-zero-centred", lambda t, factor: t / (2 * factor), "this is the slope"),
    ("transport-zero-centred", lambda t, factor: t**2 / (4 * factor), "the objective"),
    ("transport-zero-centred", lambda t, factor: t + t**2 / (2 * factor), "around a slope of 1"),
    ("ex-stability-packing", lambda m, k, s: 2 * (1 - (m / k) ** s), "a factor of 2 is too much"),
    ("ex-stability-packing", lambda m, k, s: s * (1 - m / k), "do not add up"),
    ("ex-stability-packing", lambda m, k, s: (1 - m / k) ** s, "is enough"),
    ("ex-stability-packing", lambda m, k, s: 1 - m / k, "same as for single points"),
    ("ex-stability-bits", (np.array(BITS) / np.log(2), 6), "bits where nats"),
    ("ex-stability-bits", ([0] * 6, 5), "whole pieces"),
    ("ex-stability-bits", (BITS, 8), "the bits: got 8, which is not it"),
    ("evaluation-ties", (0.5, 0, 0.1, 1, 1.2), "the radius: got 0.5"),
    ("evaluation-ties", (0, 0.1, 0.1, 1, 1.2), "recall under <: got 0.1"),
    ("evaluation-ties", (0, 0, 0.1, 1, 1), "density under <=: .*surface"),
    ("judges-score-by-hand", (2**1.5 / 3**0.75, np.log(2)), "without doubt: this is the mutual information itself"),
    ("judges-score-by-hand", (4 / 3**0.75, 2), "with doubt: this leaves out the doubt"),
    ("judges-score-by-hand", (1.5, 2), "with doubt: got 1.5, which is too large"),
]


@pytest.mark.parametrize(("label", "answer", "given"), RIGHT)
def test_a_right_answer_passes(label, answer, given, capsys):
    right(label, answer, capsys, **given)


@pytest.mark.parametrize(("label", "answer", "words"), WRONG)
def test_a_usual_mistake_is_named(label, answer, words):
    wrong(label, answer, words)


@pytest.mark.parametrize(
    ("answer", "modes", "words"),
    [
        ((1, 2), NEARBY, r"valleys of 2 KL\(m ‖ p\): got 2"),
        ((3, 3), NEARBY, "valleys of 2 JS: got 3"),
        ((1.0, "three"), NEARBY, "valleys of 2 KL"),
        ((1, 3), [(0.3, -3, 0.5), (0.4, 0, 0.5)], "shares that add up to 1"),
    ],
)
def test_valleys_of_a_mixture_are_counted_by_the_check(answer, modes, words):
    wrong("gan-math-own-mixture", answer, words, modes=modes)


def test_valleys_move_apart_with_the_modes(capsys):
    for apart, counts in ((1, (1, 1)), (5, (3, 3))):
        modes = [(0.3, -apart, 0.5), (0.4, 0, 0.5), (0.3, apart, 0.5)]
        right("gan-math-own-mixture", counts, capsys, modes=modes)


@pytest.mark.parametrize(
    ("answer", "sets", "words"),
    [
        (0, ([0, 2], [1, 1, 1]), "difference of the means"),
        (3, ([0, 2], [1, 1, 1]), "Each list has the mass 1"),
        (1, ([], [1]), "empty"),
        (1, ([1],), "expected 2 values"),
    ],
)
def test_the_distance_of_lists_of_two_lengths(answer, sets, words):
    wrong("transport-own-sets", answer, words, sets=sets)


def test_pieces_are_counted_in_the_order_of_the_centers(pieces, capsys):
    right("ex-stability-pieces", (pieces, 1.0), capsys, mixture=GRID)
    for answer, words in (
        ((np.sort(pieces), 1.0), "order that of the centers"),
        ((200 * pieces, 1.0), "expected 256"),
        ((pieces, 0.8), "more than 99%"),
        ((pieces[:24], 1.0), r"got the shape \(24,\)"),
    ):
        wrong("ex-stability-pieces", answer, words, mixture=GRID)


@pytest.mark.parametrize(
    ("answer", "words"),
    [((24, 0.996, 256), "modes: got 24"), ((25, 0.5, 256), "high quality"), ((25, 0.996, 2500), "different latents")],
)
def test_a_generator_without_noise_has_few_points(answer, words):
    wrong("ex-stability-silent", answer, words, mixture=GRID)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (1 - np.array(CHANCES), "all five seeds fail"),
        (np.array([0.7, 0.1, 1.0]) ** 5, "all five seeds succeed"),
        (np.array([3.5, 0.5, 5]), "do not add up"),
        ([0.7, 0.1, 1.0], "of one seed"),
        ([1.0, 0.5, 1.0], "Each of the five seeds is a new one"),  # five of the ten, none twice
    ],
)
def test_the_luck_of_five_seeds(answer, words):
    wrong("ex-stability-luck", answer, words, kinds=list("abc"), values=covered_modes)


@pytest.mark.parametrize(
    ("answer", "shares", "words"),
    [
        ((2, 44), SHARES, "add up the chances of all modes"),
        ((3 - 0.9**100, 43), SHARES, "samples: got 43"),
        ((3 - 0.9**100, 43.7), SHARES, "that whole number"),
        ((3, 44), SHARES * 2, "add up to 1"),
    ],
)
def test_samples_that_a_rare_mode_needs(answer, shares, words):
    wrong("ex-stability-own-shares", answer, words, shares=shares)


def test_the_expected_modes_are_those_of_draws(capsys):
    shares = np.array([0.6, 0.39, 0.01])
    drawn = np.random.default_rng(0).multinomial(100, shares, size=200_000)
    right("ex-stability-own-shares", ((drawn > 0).sum(axis=1).mean(), 459), capsys, shares=shares)


def test_a_line_is_fitted_to_the_smaller_counts(capsys):
    counts = np.array([500, 1_000, 2_000, 5_000, 10_000])
    run = 2 + 7_000 / counts + 0.3 * (counts == 10_000) + np.random.default_rng(0).normal(0, 0.05, (4, 5))
    given = {"runs": {"perfect": run}, "counts": counts}
    (slope, height), seen = (np.polyfit(1 / counts[:n], run.mean(axis=0)[:n], 1) for n in (-1, None))
    right("evaluation-infinity", {"perfect": (slope, height + slope / 10_000)}, capsys, **given)
    for answer, words in (
        ({"perfect": (seen[0], 2.7)}, "this fit has seen the distance at 10,000"),
        ({"perfect": (slope, height)}, "prediction at 10,000: got .* too small"),
        ({"perfect": (-0.01, 2.7)}, "fitted over 1/n"),
        ((slope, 2.7), "expected a dict with the keys perfect"),
    ):
        wrong("evaluation-infinity", answer, words, **given)


def test_a_missing_digit(frechet, capsys):
    given, distance, with_fours = frechet
    right("evaluation-missing-digit", (distance, {"recall", "coverage"}), capsys, **given)
    for answer, words in (
        ((with_fours, {"recall", "coverage"}), "the digits that are left|held-out digits that are left"),
        ((np.sqrt(distance), {"recall", "coverage"}), "the Fréchet distance: got"),
        ((distance, {"precision", "recall", "coverage"}), "precision: what you predict does not come"),
        ((distance, {"recall"}), "coverage: what you predict does not come"),
        ((distance, "recall, coverage"), "expected a set of names"),
    ):
        wrong("evaluation-missing-digit", answer, words, **given)


def test_gains_of_the_parzen_score(capsys):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    pool = gaussian_filter(rng.random((180, 28, 28, 1)) ** 4, (0, 1, 1, 0)).astype("float32")
    images, judged = pool[:120], pool[120:].reshape(-1, 784)
    before = gan_theory._parzen(images, judged)
    blurred = gan_theory._parzen(gaussian_filter(images, (0, 0.7, 0.7, 0)), judged) - before
    noisy = gan_theory._parzen((images + rng.normal(0, 0.1, images.shape)).clip(0, 1), judged) - before
    given = {"images": images, "judged": judged}
    right("evaluation-blur", (blurred, noisy), capsys, **given)
    mixed = gan_theory._parzen(gaussian_filter(images, (0.7, 0.7, 0.7, 0)), judged) - before
    for answer, words in (((-blurred, noisy), "by blurring: the sign"), ((mixed, noisy), "not from one digit")):
        wrong("evaluation-blur", answer, words, **given)
    wrong("evaluation-blur", (blurred, -noisy), "gain by noise: the sign is off", **given)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (2, "how many different digits"),
        (0.5623, "the entropy H itself"),
        (2**0.5623, "2 to the power of H in nats"),
        (1.9, "too large"),
    ],
)
def test_digits_in_effect(answer, words):
    wrong("evaluation-own-digits", answer, words, digits=[7, 0, 7, 7])


def test_digits_in_effect_are_of_digits():
    wrong("evaluation-own-digits", 2, "expected several numbers from 0 to 9", digits=[3, 12])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([binomtest(24, 30).proportion_ci(method="exact")], "the interval for 24 of 30: .* off"),
        ([(0.8 - 0.1431, 0.8 + 0.1431)], "the standard error of the measured share"),
        ([(0.9049, 0.6269)], "their order is not"),
        ([(62.69, 90.49)], "percentage"),
        ([0.8], "expected the shape"),
    ],
)
def test_intervals_of_clicks(answer, words):
    wrong("judges-own-clicks", answer, words, right=[24], **CLICKS)


def test_more_right_answers_than_clicks_are_none():
    wrong("judges-own-clicks", [(0, 1)], "expected numbers from 0 to 30", right=[31], **CLICKS)


@pytest.mark.slow
def test_a_shift_disturbs_pixels_most(capsys, mnist):
    rows = {"images": mnist.train_images[:400], "test": mnist.test_images[:400]}
    given = {**rows, "looking": lambda images: images.mean(axis=2)[..., 0]}  # blind to a shift along a row
    right("judges-shift", ["rotations", "classifier", "pixels"], capsys, **given)
    for answer, words in (
        (["pixels", "classifier", "rotations"], "what an answer ignores"),
        (["rotations", "pixels"], "got 2 values, expected 3"),
        (["rotations", "pixels", "labels"], "in an order"),
    ):
        wrong("judges-shift", answer, words, **given)


def test_memory(capsys):
    def radius(beta, angle):
        return (1 - beta) / abs(1 - beta * np.exp(-1j * angle))

    right("ex-stability-memory", radius, capsys)
    wrong("ex-stability-memory", lambda beta, angle: radius(beta, angle) ** 2, "the square")
    wrong("ex-stability-memory", lambda beta, angle: (1 - beta) / (1 + beta), "variance of noise")
    wrong("ex-stability-memory", lambda beta, angle: np.sqrt((1 - beta) / (1 + beta)), "deviation of noise")
    wrong("ex-stability-memory", lambda beta, angle: 1.0, "too large")


def test_blind_kernel(capsys):
    two, three = ([-1, 1], [0.5, 0.5]), ([-(3**0.5), 0, 3**0.5], [1 / 6, 2 / 3, 1 / 6])
    right("evaluation-blind-kernel", (two, three), capsys)
    for answer, words in (
        ((two, two), "are the same"),
        ((two, ([-2, 0, 2], [1 / 6, 2 / 3, 1 / 6])), "second moment"),
        ((two, ([-2, 0.5], [0.2, 0.8])), "third moment"),
        ((two, ([0, 2], [0.5, 0.5])), "the mean of"),
        ((two, ([-1, 1], [0.5, 0.6])), "the sum 1"),
        ((two, ([-1, 1], [1.0])), "the shares of the second"),
    ):
        wrong("evaluation-blind-kernel", answer, words)
