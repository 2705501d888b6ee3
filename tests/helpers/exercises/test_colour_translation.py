"""The checks for colour/translation: what they say of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong

PARTNERS = np.random.default_rng(0).random((40, 4, 4, 3))
HALF = np.float32(0.5)


def test_tilted(capsys):
    right("ex-translation-tilted", lambda values, a, b: np.quantile(values, a / (a + b)), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda values, a, b: np.median(values), "both prices are equal"),
        (lambda values, a, b: np.quantile(values, b / (a + b)), "of the other price"),
        (lambda values, a, b: values.mean(), "not squared"),
        (3, "expected a function"),
    ],
)
def test_tilted_wrong(answer, words):
    wrong("ex-translation-tilted", answer, words)


def side(kernels, strides):
    """Return the side of the receptive field."""
    seen = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        seen = (seen - 1) * stride + kernel
    return seen


def test_field(capsys):
    assert side([4] * 5, [2, 2, 2, 1, 1]) == 70  # the discriminator of the paper
    right("ex-translation-field", side, capsys)
    wrong("ex-translation-field", lambda k, s: side(k[::-1], s[::-1]), "Start at the output")
    wrong("ex-translation-field", lambda k, s: sum(k), "the side for kernels")


def test_fooled(capsys):
    right("ex-translation-fooled", np.roll(np.arange(40), 20), capsys, partners=PARTNERS)
    wrong("ex-translation-fooled", np.arange(40), "100% of the outputs", partners=PARTNERS)
    wrong("ex-translation-fooled", np.zeros(40), "each partner once", partners=PARTNERS)
    wrong("ex-translation-fooled", np.arange(39), "expected the shape", partners=PARTNERS)


def forth(images):
    """Return half of each image."""
    return images * HALF


def back(images):
    """Return images twice as light."""
    return images / HALF


def test_levels(capsys):
    images, partners = PARTNERS.astype("float32"), PARTNERS[::-1].astype("float32")
    given = dict(forth=forth, back=back, images=images, partners=partners)

    def quality(levels):
        """Return the quality with so many levels."""
        rounded = np.round(forth(images) * (levels - 1)) / (levels - 1)
        return 1 - np.abs(images - back(rounded)).mean() / np.abs(images - back(partners)).mean()

    right("ex-translation-levels", quality(16), capsys, **given)
    wrong("ex-translation-levels", 1.0, "without rounding", **given)
    wrong("ex-translation-levels", quality(17), "Sixteen levels", **given)
    wrong("ex-translation-levels", 1 - quality(16), "that is left", **given)


def test_own_pairs(capsys):
    partners = PARTNERS
    images, made = partners * 0.5, partners * 0.9
    assert "fell from" in right("ex-translation-own-pairs", (images, made, partners), capsys)
    wrong("ex-translation-own-pairs", (made, images, partners), "Train longer")
    wrong("ex-translation-own-pairs", (images[:5], made[:5], partners[:5]), "at least 10")
    wrong("ex-translation-own-pairs", (255 * images, made, partners), "levels from 0 to 1")
    wrong("ex-translation-own-pairs", (partners, partners, partners), "they are the inputs")
    wrong("ex-translation-own-pairs", (images, made[:20], partners), "of one shape")
