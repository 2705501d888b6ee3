"""The checks for colour/few_pictures: what they say of right and wrong answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import augment, metrics
from tests.helpers.exercises.answers import right, wrong


def test_mixing(capsys):
    right("ex-few-mixing", lambda p, channels: 1 - p, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, channels: 1 - p * channels / (channels - 1), "A roll by 0"),
        (lambda p, channels: 1 - p + p / channels, "not a singular value"),
        (lambda p, channels: np.full(channels, 1 - p), "expected one number"),
        (0.5, "expected a function"),
    ],
)
def test_mixing_wrong(answer, words):
    wrong("ex-few-mixing", answer, words)


def test_undo(capsys):
    before, p = np.array([0.7, 0.1, 0.2]), 0.5
    seen = (1 - p) * before + p / 3
    right("ex-few-undo", before, capsys, seen=seen, p=p)
    wrong("ex-few-undo", seen, "after the rolls", seen=seen, p=p)
    wrong("ex-few-undo", (1 - p) * seen + p / 3, "rolls once more", seen=seen, p=p)
    wrong("ex-few-undo", before[:2], "expected the shape", seen=seen, p=p)


def rotate(key, images, p):
    """Turn each image by a random multiple of 90° with probability p."""
    chance, which = jax.random.split(key)
    turns = jnp.stack([jnp.rot90(images, turn, axes=(1, 2)) for turn in range(4)])
    drawn = turns[jax.random.randint(which, (len(images),), 0, 4), jnp.arange(len(images))]
    chosen = jax.random.uniform(chance, (len(images), 1, 1, 1)) < p
    return jnp.where(chosen, drawn, images)


def test_rotation(capsys):
    right("ex-few-rotation", rotate, capsys)
    wrong("ex-few-rotation", lambda key, images, p: images, "are as they were")
    wrong("ex-few-rotation", lambda key, images, p: images + 1, "are not the given ones")
    wrong("ex-few-rotation", lambda key, images, p: rotate(jax.random.key(0), images, p), "two keys gave one result")
    wrong("ex-few-rotation", lambda key, images, p: np.asarray(rotate(key, images, p)), "no gradient comes through")
    wrong("ex-few-rotation", lambda key, images, p: jnp.where(p > 0, images[:, ::-1], images), "are not the given ones")


def look(images):
    """Return features of a kind: mean, spread and steps of the channels."""
    steps = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2))
    return np.concatenate([images.mean(axis=(1, 2)), images.std(axis=(1, 2)), steps], axis=1).astype("float64")


def test_own(capsys):
    images = np.random.default_rng(0).random((40, 8, 8, 3), dtype="float32")
    kinds = {"flip": augment.flip, "translate": augment.translate, "cutout": augment.cutout}
    changed = {name: np.clip(kind(jax.random.key(0), images, p=1.0), 0, 1) for name, kind in kinds.items()}
    found = {name: metrics.kernel_distance(look(np.asarray(each)), look(images)) for name, each in changed.items()}
    assert "Least seen: flip" in right("ex-few-own", (images, found), capsys, look=look)
    wrong("ex-few-own", (images[:5], found), "expected at least 20", look=look)
    wrong("ex-few-own", (255 * images, found), "divided by 255", look=look)
    wrong("ex-few-own", (images, {"flip": 0.0}), "expected at least three", look=look)
    wrong("ex-few-own", (images, {**found, "blur": 0.0}), "is no key", look=look)
    wrong("ex-few-own", (images, {name: value + 5 for name, value in found.items()}), "cut the levels", look=look)
