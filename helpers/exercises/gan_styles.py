"""Checks for the exercises of gans/style."""

import numpy as np

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-style-divisor")
def _divisor(answer):
    """Compare with the deviation of a layer's outputs, worked out one output at a time, for three styles."""
    rng = np.random.default_rng(0)
    scales, kernel = rng.normal(1, 1, size=(3, 5)), rng.normal(size=(5, 4))
    expected = np.array([[np.linalg.norm(s * column) for column in kernel.T] for s in scales])
    mistakes = {
        "This is the variance; what divides the outputs is its root.": expected**2,
        "It is what the outputs are multiplied by.": 1 / expected,
        "The scales count, too: they are on the rows of the kernel.": np.tile(np.linalg.norm(kernel, axis=0), (3, 1)),
        "Square the products first, then add: the inputs are uncorrelated, not equal.": np.abs(scales @ kernel),
    }
    found = numbers(call(answer, scales, kernel), shape=(3, 4), what="the divisors")
    hinted(found, expected, mistakes, what="the divisors")


@exercise("ex-style-noise")
def _noise(answer, draw, styles):
    """Compare with half the mean squared difference of two images of one style over the whole variance."""
    share = float(numbers(answer, shape=(), what="the share"))
    that(0 <= share <= 1, f"the share: got {share:.4g}, expected one between 0 and 1.")
    rng = np.random.default_rng(1)
    twice = [
        draw(styles, rng.standard_normal((len(styles), 980), dtype="float32")).reshape(len(styles), -1)
        for _ in range(2)
    ]
    expected = np.square(twice[0] - twice[1]).mean(axis=0).sum() / 2 / np.concatenate(twice).var(axis=0).sum()
    that(abs(share - (1 - expected)) > 0.02 or abs(share - expected) < 0.02, "this is the share of the style.")
    slack = 0.002 + 0.2 * expected
    side = "large" if share > expected else "small"
    that(
        abs(share - expected) <= slack,
        f"the share: got {share:.4f}, which is too {side}. Hold the styles and draw the noise anew.",
    )


@exercise("ex-style-own-digit")
def _own_digit(answer, draw, middle):
    """Draw the style that was found, and compare its error with that of the mean style."""
    digit, style = parts(answer, "the digit", "the style")
    digit, style = numbers(digit, shape=(28, 28), what="the digit"), numbers(style, what="the style")
    that(style.shape == np.shape(middle), f"the style: got the shape {style.shape}, expected {np.shape(middle)}.")
    that(digit.min() >= 0 and digit.max() <= 1, "the digit: expected levels from 0 to 1; bytes are divided by 255.")
    that(digit.max() > 0.5 and digit.mean() < 0.5, "the digit: expected light ink on black.")
    both = np.stack([style, middle]).astype("float32")
    mine, mean = np.square(np.asarray(draw(both))[..., 0] - digit).sum(axis=(1, 2))
    that(mine <= mean / 2, f"the style: its image has an error of {mine:.1f}, the mean style's {mean:.1f}. "
         "Search on, or start elsewhere.")  # fmt: skip
    return f"The error fell from {mean:.1f} to {mine:.1f}."


@exercise("ex-style-extremes")
def _extremes(answer, rows):
    """Compare with the extreme singular values of the standardised rows."""
    low, high = parts(answer, "the smallest variance", "the largest variance")
    rows = numbers(rows, shape=(None, None), what="the rows")
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    sizes = np.linalg.svd(standard, compute_uv=False) / np.sqrt(len(rows))
    for mine, size, what in ((low, sizes[-1], "the smallest variance"), (high, sizes[0], "the largest variance")):
        mistakes = {"Is it the standard deviation?": size, "That is for uncorrelated inputs.": 1.0}
        hinted(mine, size**2, mistakes, rtol=1e-2, what=what)
