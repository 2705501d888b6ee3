"""Checks for the exercises of colour/translation."""

import numpy as np

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-translation-tilted")
def _tilted(answer):
    """Compare with the value of least loss among all values of a sample, for three pairs of prices."""
    values = np.sort(np.random.default_rng(0).gamma(2.0, size=2001))
    for above, below in ((1.0, 1.0), (3.0, 1.0), (1.0, 4.0)):
        losses = [
            above * np.maximum(values - c, 0).mean() + below * np.maximum(c - values, 0).mean() for c in values[::5]
        ]
        expected = values[::5][np.argmin(losses)]
        mistakes = {
            "That is right where both prices are equal.": np.median(values),
            "It is a quantile of the other price: a dear miss above pushes c up.": np.quantile(
                values, below / (above + below)
            ),
            "The loss is not squared.": values.mean(),
        }
        if above == below:
            mistakes = {"The loss is not squared.": values.mean()}
        hinted(call(answer, values, above, below), expected, mistakes, rtol=2e-2, what=f"c for {above:g} and {below:g}")


@exercise("ex-translation-field")
def _field(answer):
    """Compare with the number of inputs that one output of a chain of convolutions depends on, counted one by one."""
    for kernels, strides in (([4, 4, 3], [2, 2, 1]), ([4] * 5, [2, 2, 2, 1, 1]), ([3, 5], [1, 3]), ([7], [2])):
        seen = {0}
        for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
            seen = {place * stride + step for place in seen for step in range(kernel)}
        expected = max(seen) + 1
        forward = 1
        for kernel, stride in zip(kernels, strides, strict=True):
            forward = (forward - 1) * stride + kernel
        mistakes = {} if forward == expected else {"Start at the output: the last layer comes first.": forward}
        what = f"the side for kernels {kernels} and strides {strides}"
        hinted(call(answer, kernels, strides), expected, mistakes, what=what)


@exercise("ex-translation-fooled")
def _fooled(answer, partners):
    """Look whether the images are all the partners, each once, and rarely at the place of the one asked for."""
    order = numbers(answer, shape=(len(partners),), what="the places")
    that(
        np.array_equal(np.sort(order), np.arange(len(partners))),
        "the places: expected each partner once; with others the set of outputs would look different.",
    )
    rows = np.asarray(partners, "float64").reshape(len(partners), -1)
    squares = (rows**2).sum(axis=1)
    table = squares[:, None] - 2 * rows @ rows.T + squares
    mine = table[order.astype(int)]
    ranks = (mine < np.diagonal(mine)[:, None]).sum(axis=1)
    share = float((ranks < 5).mean())
    that(share <= 0.1, f"the places: {share:.0%} of the outputs still find the right partner among five.")
    return f"The set of outputs is perfect, and {share:.0%} find their partner among five."


@exercise("ex-translation-levels")
def _levels(answer, forth, back, images, partners):
    """Round half way and go back, with the networks of the chapter."""
    mine = float(numbers(answer, shape=(), what="the quality"))
    half, honest = np.asarray(forth(images), "float64"), np.abs(images - np.asarray(back(partners))).mean()

    def quality(h):
        """Return the share of the error from the true partners that is avoided."""
        return 1 - np.abs(images - np.asarray(back(h.astype("float32")))).mean() / honest

    expected, moved = quality(np.round(half * 15) / 15), np.abs(images - half).mean()
    mistakes = {
        "This is the quality without rounding.": quality(half),
        "Sixteen levels are 0, 1/15, …, 1.": quality(np.round(half * 16) / 16),
        "This is the share of the error that is left.": 1 - expected,
        "The error of the way back from the true partners is the measure.": 1 - (1 - expected) * honest / moved,
    }
    hinted(mine, expected, mistakes, rtol=1e-3, what="the quality")


@exercise("ex-translation-own-pairs")
def _own_pairs(answer):
    """Compare the errors of redrawn and of unchanged images of somebody's own."""
    images, made, partners = (
        numbers(part, shape=(None, None, None, 3), what=what)
        for part, what in zip(
            parts(answer, "the inputs", "the outputs", "the partners"),
            ("the inputs", "the outputs", "the partners"),
            strict=True,
        )
    )
    that(len(images) >= 10, f"the inputs: got {len(images)} images, expected at least 10.")
    that(images.shape == made.shape == partners.shape, "expected inputs, outputs and partners of one shape.")
    that(min(map(np.min, (images, made, partners))) >= 0 and max(map(np.max, (images, made, partners))) <= 1,
         "expected levels from 0 to 1.")  # fmt: skip
    before, after = (np.abs(rows - partners).mean() for rows in (images, made))
    that(before > 0, "the partners: they are the inputs.")
    that(after < before, f"the outputs: L1 {after:.4f}, not less than the {before:.4f} of the inputs. Train longer.")
    return f"The L1 distance fell from {before:.4f} to {after:.4f}."
