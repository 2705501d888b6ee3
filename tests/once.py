"""What many tests read or compute, once for all tests of a process, none of which can write it."""

import functools

from helpers import datasets, metrics

_load_mnist, _load_emoji = datasets.load_mnist, datasets.load_emoji  # a test may put others in their places


@functools.cache
def load_mnist(validation_size=10_000):
    """Return the digits, which take a second to unpack and check."""
    return fixed(_load_mnist(validation_size))


@functools.cache
def load_emoji():
    """Return the emoji."""
    emoji = _load_emoji()
    for part in emoji[:3]:
        fixed(part)
    return emoji


@functools.cache
def real_features():
    """Return the features of the test digits."""
    return metrics.features(load_mnist().test_images)


@functools.cache
def real_labels():
    """Return the digits that the classifier sees in the test digits."""
    return metrics.predict_labels(load_mnist().test_images)


def fixed(arrays):
    """Return arrays, which nobody can change."""
    for array in arrays:
        array.setflags(write=False)
    return arrays
