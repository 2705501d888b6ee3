"""Checks for the exercises of practice/speed_and_scale."""

import jax
import jax.numpy as jnp
import numpy as np

from helpers.exercises.comparing import call, choice, exercise, hinted, numbers, parts, that


@exercise("ex-speed-convolution")
def _convolution(answer):
    """Count the outputs and the terms of each, where the stride divides the sides and where it does not."""
    for batch, h, w, c, f, k, s in ((2, 8, 8, 3, 5, 4, 2), (3, 7, 10, 4, 2, 3, 2), (1, 28, 27, 2, 6, 5, 3)):
        positions = len(range(0, h, s)) * len(range(0, w, s))
        expected = 2 * batch * positions * f * k * k * c
        mistakes = {
            "Every product is followed by an addition: count both.": expected / 2,
            "With a stride the kernel is not applied at every pixel.": expected / positions * h * w,
            "A stride that does not divide a side: the last position is cut off by rounding down.": (
                expected / positions * (h // s) * (w // s)
            ),
            "Each output sums over all channels of the input.": expected / c,
        }
        given = (batch, h, w, c, f, k, s)
        found = numbers(call(answer, *given), shape=(), what="the operations")
        hinted(found, expected, mistakes, rtol=1e-9, what=f"the operations for {given}")


@exercise("ex-speed-checkpoint")
def _checkpoint(answer, plain, kernels, x):
    """Compare value and gradient with the plain function, and the temporary memory of the compiled gradients."""
    that(callable(answer), f"got {type(answer).__name__}, expected a function.")
    value = call(answer, kernels, x)
    that(jnp.shape(value) == (), f"got the shape {jnp.shape(value)}, expected one number, as plain returns.")
    off = float(jnp.abs(value - plain(kernels, x)))
    that(off <= 1e-5, f"the value differs from that of plain by {off:.2g}.")
    both = [jax.jit(jax.grad(function)).lower(kernels, x).compile() for function in (plain, answer)]
    off = max(float(jnp.abs(a - b).max()) for a, b in zip(*(one(kernels, x) for one in both), strict=True))
    that(off <= 1e-5, f"the gradient differs from that of plain by up to {off:.2g}.")
    before, after = (one.memory_analysis().temp_size_in_bytes / 1e6 for one in both)
    hint = "Wrap several layers at once, and use the result of one wrapped block as the input of the next."
    that(after <= 0.6 * before, f"the gradient takes {after:.1f} MB beside {before:.1f} MB of plain. {hint}")
    return f"Temporary memory: {after:.1f} MB, {after / before:.0%} of plain's."


@exercise("ex-speed-own")
def _own(answer):
    """Find the batch from which doubling no longer pays among the reader's own times."""
    batches, seconds, chosen = parts(answer, "the batches", "the seconds a step", "the batch")
    batches = numbers(batches, shape=(None,), what="the batches")
    that(len(batches) >= 5, f"the batches: got {len(batches)}, expected at least five.")
    that(np.array_equal(batches[1:], 2 * batches[:-1]), "the batches: expected each to be twice the one before.")
    seconds = numbers(seconds, shape=batches.shape, what="the seconds a step")
    that((seconds > 0).all(), "the seconds a step: expected positive numbers.")
    each = seconds / batches
    slow = each[1:] > 0.9 * each[:-1]
    expected = int(batches[np.argmax(slow)] if slow.any() else batches[-1])
    hint = "Compare the time per example, the seconds of a step divided by the batch, with that of the next batch."
    choice(int(numbers(chosen, shape=(), what="the batch")), expected, what="the batch", hint=hint)
    return f"An example in the largest batch takes {each[-1] / each[0]:.2f} of the time of one in the smallest."
