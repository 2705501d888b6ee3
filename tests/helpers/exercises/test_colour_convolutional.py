"""The checks for colour/convolutional: what they say of right and wrong answers."""

import keras
import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong


def least(p, colours):
    """Return the mean colour and the variance."""
    best = p @ colours
    return best, p @ np.square(colours - best).sum(axis=1)


def test_least(capsys):
    right("ex-colour-least", least, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, c: (c.mean(axis=0), 0), "different probabilities"),
        (lambda p, c: (c[p.argmax()], 0), "most probable"),
        (lambda p, c: (p @ c, least(p, c)[1] / 3), "three channels add up"),
        (lambda p, c: (p @ c, np.sqrt(least(p, c)[1])), "a root is not needed"),
        (lambda p, c: (p @ c, np.square(c - p @ c).sum(axis=1).mean()), "in the error, too"),
        (lambda p, c: p @ c, "expected 2 values"),
        (3, "expected a function"),
    ],
)
def test_least_wrong(answer, words):
    wrong("ex-colour-least", answer, words)


RNG = np.random.default_rng(0)
TRAIN_CODES = RNG.normal(size=(300, 4)) * [1, 2, 5, 20]
CODES = RNG.normal(size=(60, 4)) * [1, 2, 5, 20]
CODES[30:] = CODES[:30] + RNG.normal(size=(30, 4)) * [0.3, 0.6, 1.5, 30]


def share(scale):
    """Return the share of partners in the top five."""
    codes, found = CODES / scale, []
    for left, others in ((codes[:30], codes[30:]), (codes[30:], codes[:30])):
        off = np.linalg.norm(left[:, None] - others[None], axis=-1)
        found.append((np.argsort(off, axis=1)[:, :5] == np.arange(30)[:, None]).any(axis=1).mean())
    return np.mean(found)


def test_whitened(capsys):
    given = dict(train_codes=TRAIN_CODES, codes=CODES)
    center, turn = TRAIN_CODES.mean(axis=0), np.linalg.svd(TRAIN_CODES - TRAIN_CODES.mean(axis=0))[2]
    white = np.abs(np.linalg.inv(turn @ np.diag(1 / ((TRAIN_CODES - center) @ turn.T).std(axis=0))))
    assert white.shape == (4, 4)
    scale = TRAIN_CODES.std(axis=0)  # nearly the components: the directions are independent
    right("ex-colour-whitened", share(scale), capsys, **given)
    wrong("ex-colour-whitened", share(np.ones(4)), "before the change", **given)
    wrong("ex-colour-whitened", share(scale) - 0.2, "too small", **given)
    wrong("ex-colour-whitened", 50, "between 0 and 1", **given)


TRAIN = np.random.default_rng(1).random((20, 32, 32, 3), dtype="float32")


def test_own(capsys):
    encoder = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    mine, given = 0.5 * TRAIN[3], dict(encoder=encoder, train=TRAIN)
    order = np.argsort(np.square(TRAIN - mine).sum(axis=(1, 2, 3)))
    right("ex-colour-own", (mine, order[:5]), capsys, **given)
    for answer, words in (
        ((255 * mine, order[:5]), "divided by 255"),
        ((np.ones((32, 32, 3)), order[:5]), "one colour"),
        ((mine, order[::-1][:5]), "farthest"),
        ((mine, order[5:10]), "there are nearer ones"),
        ((mine, order[:5][::-1]), "not the nearest first"),
        ((mine, order[:5] + 0.5), "five integers"),
        ((mine[..., 0], order[:5]), "shape"),
    ):
        wrong("ex-colour-own", answer, words, **given)
