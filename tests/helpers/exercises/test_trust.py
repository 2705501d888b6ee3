"""The checks for practice/trust: what they say of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong


def margin(w, b, x, y, epsilon):
    """Return the least margin in the box."""
    return y * (w @ np.clip(x - epsilon * y * np.sign(w), 0, 1) + b)


def test_linear(capsys):
    right("ex-trust-linear", margin, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, b, x, y, epsilon: y * (w @ x + b) - epsilon * np.abs(w).sum(), "below 0 or above 1"),
        (lambda w, b, x, y, epsilon: y * (w @ x + b), "margin of the image itself"),
        (lambda w, b, x, y, epsilon: y * (w @ np.clip(x + epsilon * y * np.sign(w), 0, 1) + b), "largest margin"),
        (lambda w, b, x, y, epsilon: margin(w, b, x, 1, epsilon), "label is missing"),
        (lambda w, b, x, y, epsilon: y * (w @ x + b) - epsilon * np.linalg.norm(w), "each coordinate"),
    ],
)
def test_linear_wrong(answer, words):
    wrong("ex-trust-linear", answer, words)


def logits(images):
    """Read a 1 where the first pixel is light, and else a 0."""
    first = np.asarray(images)[:, 0, 0, 0]
    return np.stack([0.5 - first, first - 0.5], axis=1)


def test_threshold(capsys):
    images = np.zeros((10, 28, 28, 1))
    images[:, 0, 0] = 0.4
    given = dict(logits=logits, images=images, labels=np.zeros(10, int))
    moved = images.copy()
    moved[:5, 0, 0] = 0.6
    assert "50.0% after" in right("ex-trust-threshold", moved, capsys, **given)
    wrong("ex-trust-threshold", images, "Which pixels", **given)
    wrong("ex-trust-threshold", images + 0.3, "moved by 0.3", **given)
    wrong("ex-trust-threshold", images - 0.1, "below 0", **given)
    wrong("ex-trust-threshold", moved[:3], "expected the shape", **given)


def test_own_digit(capsys):
    image = np.zeros((28, 28, 1))
    image[0, 0], image[10:20, 10:20] = 0.4, 1
    moved = image.copy()
    moved[0, 0] = 0.6
    assert "a 0 is read as 1" in right("ex-trust-own-digit", (image, 0.2, moved), capsys, logits=logits)
    wrong("ex-trust-own-digit", (image, 0.2, image), "still read as 0", logits=logits)
    wrong("ex-trust-own-digit", (image, 0.1, moved), "moved by 0.2", logits=logits)
    wrong("ex-trust-own-digit", (255 * image, 0.2, moved), "divided by 255", logits=logits)
    wrong("ex-trust-own-digit", (0 * image, 0.2, moved), "only one level", logits=logits)
