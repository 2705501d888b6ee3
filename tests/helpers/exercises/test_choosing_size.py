"""The checks for practice/choosing_size: what they say of right and wrong answers."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import comb
from scipy.stats import norm

from tests.helpers.exercises.answers import right, wrong


def test_top_share(capsys):
    right("ex-size-top-share", (59, 1 - 0.9**16), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((58, 0.8147), "round up"),
        ((20, 0.8147), "on average"),
        ((59, 0.9**16), "none of them"),
        ((59, 1.6), "do not add up"),
        (59, "expected 2 values"),
    ],
)
def test_top_share_wrong(answer, words):
    wrong("ex-size-top-share", answer, words)


def expected_best(errors, n):
    """Return the mean of the lowest of n errors that are drawn without replacement."""
    count = len(errors)
    return np.sort(errors) @ [comb(count - place, n - 1) / comb(count, n) for place in range(1, count + 1)]


def test_expected_best(capsys):
    right("ex-size-expected-best", expected_best, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda errors, n: -expected_best(-errors, n), "the largest"),
        (lambda errors, n: errors[:n].min(), "first n"),
        (lambda errors, n: np.sort(errors) @ -np.diff((np.arange(7, -1, -1) / 7) ** n), "drawn twice"),
        (lambda errors, n: errors, "shape"),
        (3, "expected a function"),
    ],
)
def test_expected_best_wrong(answer, words):
    wrong("ex-size-expected-best", answer, words)


def studies():
    """Return three studies of trials that keep their order from the first rung on."""
    rng, found = np.random.default_rng(0), []
    for _ in range(3):
        ends = rng.uniform(5, 20, size=16)
        found.append([{"curve": [end + 3, end + 2, end + 1], "validation": end} for end in ends])
    return found


def median(rung, error, before):
    """Stop what is worse than the median, after five trials."""
    return len(before) >= 5 and bool(error > np.median(before))


def test_rule(capsys):
    said = right("ex-size-rule", lambda rung, error, before: median(rung, error, before), capsys, studies=studies())
    assert "of the time saved" in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rung, error, before: False, "stops no trial"),
        (lambda rung, error, before: True, "every trial"),
        (lambda rung, error, before: len(before) >= 15, "at least a quarter"),
        (lambda rung, error, before: len(before) >= 1, "Lose at most"),
        (lambda rung, error, before: 0.5, "True or False"),
    ],
)
def test_rule_wrong(answer, words):
    wrong("ex-size-rule", answer, words, studies=studies())


def study(values, direction="MINIMIZE", state="COMPLETE", names="ab"):
    """Return what a check reads of a study."""
    params = dict.fromkeys(names, 1.0)
    trials = [SimpleNamespace(value=value, params=params, state=SimpleNamespace(name=state)) for value in values]
    return SimpleNamespace(trials=trials, direction=SimpleNamespace(name=direction))


def test_own_study(capsys):
    values = np.linspace(3, 1, 25)
    assert "best 1," in right("ex-size-own-study", study(values), capsys)
    assert "best 3," in right("ex-size-own-study", study(values[::-1], "MAXIMIZE"), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "expected a study"),
        (study(range(10)), "at least 20"),
        (study(range(30), state="PRUNED"), "0 complete"),
        (study(range(30), names="a"), "at least two"),
        (study([1, np.nan] * 15), "NaN"),
        (study([1.0] * 30), "same value"),
        (study([0, 0, 0, *range(1, 30)]), "no better"),
    ],
)
def test_own_study_wrong(answer, words):
    wrong("ex-size-own-study", answer, words)


def lowest(n):
    """Return the mean of the lowest of n standard normal numbers."""
    z = np.linspace(-9, 9, 20_001)
    return np.trapezoid(z * n * norm.pdf(z) * norm.sf(z) ** (n - 1), z)


def luck(n, spread, noise):
    """Return what the winner shows, and what it is worth."""
    total = np.hypot(spread, noise)
    return lowest(n) * total, lowest(n) * spread**2 / total


def test_luck(capsys):
    right("ex-size-luck", luck, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, s, t: (lowest(n) * s, 0), "Which deviation"),
        (lambda n, s, t: (luck(n, s, t)[0], lowest(n) * s), "noisy errors"),
        (lambda n, s, t: luck(n, s, t)[:1] * 2, "Part of what it shows"),
        (lambda n, s, t: (luck(n, s, t)[0], lowest(n) * t**2 / np.hypot(s, t)), "the noise's part"),
    ],
)
def test_luck_wrong(answer, words):
    wrong("ex-size-luck", answer, words)
