"""The checks for colour/discrete_codes: what they say of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong


def perplexity(tokens, codes):
    """Return the exponential of the entropy of the codes' shares."""
    share = np.bincount(tokens.ravel(), minlength=codes) / tokens.size
    share = share[share > 0]
    return np.exp(-(share * np.log(share)).sum())


def test_perplexity(capsys):
    right("ex-codes-perplexity", perplexity, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda tokens, codes: np.log(perplexity(tokens, codes)), "This is the entropy; "),
        (lambda tokens, codes: np.log2(perplexity(tokens, codes)), "entropy in bits"),
        (lambda tokens, codes: len(np.unique(tokens)), "how many codes occur"),
        (lambda tokens, codes: np.nan, "leave it out"),
        (lambda tokens, codes: perplexity(tokens, codes) + 1, "too large"),
    ],
)
def test_perplexity_wrong(answer, words):
    wrong("ex-codes-perplexity", answer, words)


def bias(loss, slope, z):
    """Return what the straight-through estimate is off by on average."""
    low, share = np.floor(z), z - np.floor(z)
    return (1 - share) * slope(low) + share * slope(low + 1) - (loss(low + 1) - loss(low))


def test_bias(capsys):
    right("ex-codes-bias", bias, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda loss, slope, z: -bias(loss, slope, z), "The sign"),
        (lambda loss, slope, z: bias(loss, slope, z) + loss(np.floor(z) + 1) - loss(np.floor(z)), "estimate alone"),
        (lambda loss, slope, z: loss(np.floor(z) + 1) - loss(np.floor(z)), "true derivative alone"),
        (lambda loss, slope, z: slope(z) - loss(np.floor(z) + 1) + loss(np.floor(z)), "not at z"),
    ],
)
def test_bias_wrong(answer, words):
    wrong("ex-codes-bias", answer, words)


VECTORS = np.random.default_rng(0).normal(size=(20, 8, 8, 3))


def test_start(capsys):
    chosen = VECTORS.reshape(-1, 3)[np.random.default_rng(1).permutation(1280)[:256]]
    assert "256 different rows" in right("ex-codes-start", chosen, capsys, vectors=VECTORS)
    wrong("ex-codes-start", chosen + 1, "0% of its rows", vectors=VECTORS)
    wrong("ex-codes-start", np.repeat(chosen[:2], 128, axis=0), "only 2 different rows", vectors=VECTORS)
    wrong("ex-codes-start", chosen[:9], "expected the shape", vectors=VECTORS)


def test_own_image(capsys):
    image, tokens = np.zeros((32, 32, 3)), np.zeros((8, 8), int)
    image[8:24, 8:24, 0], tokens[2:6, 2:6] = 1, 1

    def encode(images):
        return (images[:, ::4, ::4, 0] > 0.5).astype(int)

    def decode(tokens):
        red = tokens.repeat(4, axis=1).repeat(4, axis=2)[..., None]
        return red * np.array([1.0, 0, 0])

    given = dict(encode=encode, decode=decode, train=np.ones((4, 32, 32, 3)))
    assert "The squared error is 0" in right("ex-codes-own-image", (image, tokens), capsys, **given)
    wrong("ex-codes-own-image", (image, 1 - tokens), "finds others", **given)
    wrong("ex-codes-own-image", (255 * image, tokens), "divided by 255", **given)
    wrong("ex-codes-own-image", (np.ones((32, 32, 3)), tokens), "only one colour", **given)
    wrong("ex-codes-own-image", (image[..., 0], tokens), "expected the shape", **given)
