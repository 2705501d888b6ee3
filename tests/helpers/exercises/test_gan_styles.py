"""The checks for gans/style: what they say of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong


def test_divisor(capsys):
    right("ex-style-divisor", lambda s, W: np.sqrt(s**2 @ W**2), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, W: s**2 @ W**2, "its root"),
        (lambda s, W: 1 / np.sqrt(s**2 @ W**2), "multiplied by"),
        (lambda s, W: np.tile(np.sqrt((W**2).sum(axis=0)), (len(s), 1)), "The scales count"),
        (lambda s, W: np.abs(s @ W), "Square the products first"),
        (lambda s, W: np.sqrt((s**2 @ W**2).T), "Are rows and columns exchanged"),
        (3, "expected a function"),
    ],
)
def test_divisor_wrong(answer, words):
    wrong("ex-style-divisor", answer, words)


STYLES = np.random.default_rng(0).normal(size=(60, 3))


def draw(styles, noise=None):
    """Return images whose pixels have the variance 1 by their style and 0.25 by noise."""
    noise = np.zeros((len(styles), 784)) if noise is None else noise[:, :784]
    signs = np.where(np.arange(784) % 2, 1, -1)
    return (styles[:, :1] * signs + 0.5 * noise).reshape(-1, 28, 28, 1)


def test_noise(capsys):
    share = 0.25 / (0.25 + STYLES[:, 0].var())
    right("ex-style-noise", share, capsys, draw=draw, styles=STYLES)
    wrong("ex-style-noise", 1 - share, "share of the style", draw=draw, styles=STYLES)
    wrong("ex-style-noise", share / 2, "too small. Hold the styles", draw=draw, styles=STYLES)
    wrong("ex-style-noise", 20, "between 0 and 1", draw=draw, styles=STYLES)


def flat(styles):
    """Return images of one level, the first number of the style."""
    return np.tile(styles[:, :1, None, None], (1, 28, 28, 1))


def test_own_digit(capsys):
    digit = np.zeros((28, 28))
    digit[5:20, 12:16] = 1
    middle, near = np.array([0.5, 0.0]), np.array([digit.mean(), 1.0])
    assert "The error fell" in right("ex-style-own-digit", (digit, near), capsys, draw=flat, middle=middle)
    given = dict(draw=flat, middle=middle)
    wrong("ex-style-own-digit", (digit, middle), "Search on", **given)
    wrong("ex-style-own-digit", (255 * digit, near), "divided by 255", **given)
    wrong("ex-style-own-digit", (1 - digit, near), "light ink on black", **given)
    wrong("ex-style-own-digit", (digit.ravel(), near), "expected the shape", **given)
    wrong("ex-style-own-digit", (digit, near[:1]), "the style: got the shape", **given)


def test_extremes(capsys):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(178, 5)) @ rng.normal(size=(5, 5)) * [1, 5, 0.1, 9, 2] + 3
    values = np.linalg.eigvalsh(np.corrcoef(rows.T))
    ends = values[[0, -1]]
    right("ex-style-extremes", ends, capsys, rows=rows)
    wrong("ex-style-extremes", np.sqrt(ends), "the standard deviation", rows=rows)
    wrong("ex-style-extremes", ends[::-1], "the smallest variance: got", rows=rows)
    wrong("ex-style-extremes", (1.0, 1.0), "uncorrelated", rows=rows)
