"""The checks on privacy in practice/trust: what they say of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong


def bound(epsilon, delta, share):
    """Return the largest share of members that can be found."""
    return min(np.exp(epsilon) * share + delta, 1 - np.exp(-epsilon) * (1 - delta - share))


def test_bound(capsys):
    right("ex-trust-bound", bound, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda epsilon, delta, share: np.exp(epsilon) * share + delta, "complement"),
        (lambda epsilon, delta, share: bound(epsilon, 0, share), "δ forgotten"),
        (lambda epsilon, delta, share: 1 - np.exp(-epsilon) * (1 - delta - share), "large shares alone"),
        (lambda epsilon, delta, share: [share, share], "expected"),
    ],
)
def test_bound_wrong(answer, words):
    wrong("ex-trust-bound", answer, words)


def response(said, honest):
    """Return the estimate of the truth, and ε."""
    return (said - (1 - honest)) / (2 * honest - 1), np.log(honest / (1 - honest))


def test_response(capsys):
    right("ex-trust-response", response, capsys)
    wrong("ex-trust-response", lambda said, honest: (said, 1.0), "drawn towards one half")
    wrong("ex-trust-response", lambda said, honest: (response(said, honest)[0], honest / (1 - honest)), "logarithm")
    wrong("ex-trust-response", lambda said, honest: (response(said, honest)[0], np.log(honest)), "two truths")


def test_budget(capsys):
    assert "ε is 2." in right("ex-trust-budget", (5_000, 250, 20, 2.1), capsys)
    wrong("ex-trust-budget", (5_000, 250, 20, 0.8), "More noise")
    wrong("ex-trust-budget", (5_000, 250, 20, 30.0), "less noise")
    wrong("ex-trust-budget", (5_000, 9_000, 20, 1.0), "below")


def test_pixels(capsys):
    name = "ex-trust-pixels"
    right(name, 0.87, capsys)
    wrong(name, 87, "a share from 0 to 1")
    wrong(name, 0.97, "fixed features")
    wrong(name, 0.5, "Is each image of length 1")
