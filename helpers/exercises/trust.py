"""Checks for the exercises of practice/trust on explanations and attacks."""

import numpy as np

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-trust-linear")
def _linear(answer):
    """Compare with the least of all corners of the box, clipped to grey levels, in few dimensions."""
    rng = np.random.default_rng(0)
    for label, epsilon in ((1, 0.2), (-1, 0.35), (1, 0.6)):
        w, b, x = rng.standard_normal(6), rng.standard_normal(), rng.random(6)
        low, high = np.clip([x - epsilon, x + epsilon], 0, 1)
        signs = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
        corners = np.where(signs, high, low)
        expected = (label * (corners @ w + b)).min()
        mistakes = {
            "Some pixels of the attacked image are below 0 or above 1.": label * (w @ x + b)
            - epsilon * np.abs(w).sum(),
            "This is the margin of the image itself.": label * (w @ x + b),
            "This is the largest margin in the box.": (label * (corners @ w + b)).max(),
            "The label is missing: the attack lowers w·x + b for every image.": (corners @ w + b).min(),
            "This moves along the gradient itself; the box allows ε in each coordinate.": label * (w @ x + b)
            - epsilon * np.linalg.norm(w),
        }
        found = numbers(call(answer, w, b, x, label, epsilon), shape=(), what="the margin")
        hinted(found, expected, mistakes, what=f"the least margin for y = {label} and ε = {epsilon}")


@exercise("ex-trust-threshold")
def _threshold(answer, logits, images, labels):
    """Look whether the images lie in the box, and how many are read right behind the threshold."""
    moved = numbers(answer, shape=images.shape, what="the attacked images")
    _in_box(moved, images, 0.2)
    before, after = (
        float((np.asarray(logits(np.float32(each > 0.5))).argmax(axis=1) == np.asarray(labels)).mean())
        for each in (np.asarray(images), moved)
    )
    came = f"{before:.1%} are read right as they are, {after:.1%} after your attack."
    that(after < before - 0.03, f"{came} Which pixels can cross the threshold, and does your gradient see them?")
    return came


@exercise("ex-trust-own-digit")
def _own_digit(answer, logits):
    """Look whether an attack on the reader's image succeeds with ε, and whether it could do with much less."""
    image, epsilon, moved = parts(answer, "the image", "ε", "the attacked image")
    image, moved = (numbers(each, shape=(28, 28, 1), what=what) for each, what in ((image, "the image"), (moved, "it")))
    that(image.min() >= 0 and image.max() <= 1, "the image: expected levels from 0 to 1; bytes are divided by 255.")
    that(image.std() > 0.02, "the image: it has only one level.")
    epsilon = float(numbers(epsilon, shape=(), what="ε"))
    _in_box(moved, image, epsilon)
    before, after = (int(np.asarray(logits(np.float32(each[None]))).argmax()) for each in (image, moved))
    that(before != after, f"the attacked image is still read as {before}.")
    return f"With ε = {epsilon:.3f}, a {before} is read as {after}."


def _in_box(moved, images, epsilon):
    """Raise `Wrong` for images that an attacker may not make."""
    that(moved.min() >= -1e-6 and moved.max() <= 1 + 1e-6, "some attacked pixels are below 0 or above 1.")
    most = np.abs(moved - np.asarray(images)).max()
    that(most <= epsilon + 1e-5, f"a pixel moved by {most:.3f}, expected at most ε = {epsilon:.3f}.")
