"""Checks for the exercises of colour/few_pictures."""

import jax
import jax.numpy as jnp
import numpy as np

from helpers import metrics
from helpers.augment import AUGMENTATIONS
from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, same, that


@exercise("ex-few-mixing")
def _mixing(answer):
    """Compare with the smallest singular value of the matrix of the mixing, for some shares and counts."""
    for p, channels in ((0.0, 3), (0.3, 3), (0.5, 3), (1.0, 3), (0.5, 4)):
        rolls = sum(np.roll(np.eye(channels), roll, axis=1) for roll in range(channels))
        expected = np.linalg.svd((1 - p) * np.eye(channels) + p / channels * rolls, compute_uv=False)[-1]
        mistakes = {
            "A roll by 0 is among those that are drawn.": 1 - p * channels / (channels - 1),
            "This is the share that keeps its colours, not a singular value.": 1 - p + p / channels,
        }
        hinted(call(answer, p, channels), expected, mistakes, atol=1e-6, what=f"for p = {p} and {channels} channels")


@exercise("ex-few-undo")
def _undo(answer, seen, p):
    """Solve the circulant system by a Fourier transform instead of a matrix."""
    seen = np.asarray(seen)
    row = np.full(len(seen), p / len(seen))
    row[0] += 1 - p
    expected = np.fft.ifft(np.fft.fft(seen) / np.fft.fft(row)).real
    mistakes = {"These are the shares after the rolls.": seen, "This rolls once more, it does not undo.": np.real(
        np.fft.ifft(np.fft.fft(seen) * np.fft.fft(row)))}  # fmt: skip
    hinted(answer, expected, mistakes, rtol=1e-3, what="the shares")


@exercise("ex-few-rotation")
def _rotation(answer):
    """Give the function images that tell how they were turned, and differentiate through it."""
    images = np.random.default_rng(0).random((400, 6, 6, 3), dtype="float32")
    for p, wanted in ((0.0, 1.0), (0.6, 0.55), (1.0, 0.25)):
        turned = numbers(call(answer, jax.random.key(0), images, p), shape=images.shape, what="the images")
        turns = [np.abs(np.rot90(images, turn, axes=(1, 2)) - turned).max(axis=(1, 2, 3)) < 1e-5 for turn in range(4)]
        that(np.any(turns, axis=0).all(), "the images: some are not the given ones, turned by a multiple of 90°.")
        shares = np.mean(turns, axis=1)
        that(abs(shares[0] - wanted) < 0.1, f"p = {p}: {shares[0]:.2f} of the images are as they were, "
             f"expected about {wanted:.2f}: with probability p a turn by 0°, 90°, 180° or 270°.")  # fmt: skip
        that(p == 0 or shares[1:].min() > p / 4 - 0.1, f"p = {p}: the turns have the shares {shares.round(2)}, "
             "expected the four equally often.")  # fmt: skip
    again = [np.asarray(answer(jax.random.key(seed), images, 1.0)) for seed in (1, 1, 2)]
    that(np.array_equal(again[0], again[1]), "the same key gave two results: draw from the key alone.")
    that(not np.array_equal(again[0], again[2]), "two keys gave one result: draw from the key.")
    try:
        gradient = jax.jit(jax.grad(lambda x: jnp.sum(answer(jax.random.key(0), x, 0.5) ** 2)))(images)
    except Exception as error:
        that(False, f"no gradient comes through ({type(error).__name__}): use operations of jax.numpy alone.")
    that(np.allclose(gradient, 2 * images, atol=1e-5) or np.abs(gradient).min() > 0, "the gradient is 0 in places.")


@exercise("ex-few-own")
def _own(answer, look):
    """Measure the distances again, with another key."""
    images, distances = parts(answer, "the images", "the distances by name")
    images = numbers(images, shape=(None, None, None, 3), what="the images").astype("float32")
    that(len(images) >= 20, f"the images: got {len(images)}, expected at least 20.")
    that(images.min() >= 0 and images.max() <= 1, "the images: expected levels from 0 to 1; bytes are divided by 255.")
    that(isinstance(distances, dict), f"the distances: got {type(distances).__name__}, expected a dict.")
    unknown = [name for name in distances if name not in AUGMENTATIONS]
    that(not unknown, f"the distances: {unknown[:1]} is no key of augment.AUGMENTATIONS.")
    that(len(distances) >= 3, f"the distances: got {len(distances)}, expected at least three augmentations.")
    seen, hint = look(images), "Augment all images, p = 1, cut the levels to [0, 1], and compare with the images."
    for name, value in distances.items():
        changed = np.clip(AUGMENTATIONS[name](jax.random.key(7), images, p=1.0), 0, 1)
        expected = metrics.kernel_distance(look(changed), seen)
        same(value, expected, rtol=0.5, atol=0.1, what=f"the distance for {name!r}", hint=hint)
    return f"Least seen: {min(distances, key=distances.get)}."
