"""The checks for practice/speed_and_scale: what they say of right and wrong answers."""

import jax
import jax.numpy as jnp
import pytest

from tests.helpers.exercises.answers import right, wrong


def convolution(batch, h, w, c, f, k, s):
    """Return the operations of a convolution's forward pass."""
    return 2 * batch * -(-h // s) * -(-w // s) * f * k * k * c


def test_convolution(capsys):
    right("ex-speed-convolution", convolution, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *sizes: convolution(*sizes) / 2, "count both"),
        (lambda batch, h, w, c, f, k, s: convolution(batch, h, w, c, f, k, 1), "not applied at every pixel"),
        (lambda batch, h, w, c, f, k, s: convolution(batch, h // s, w // s, c, f, k, 1), "rounding down"),
        (lambda batch, h, w, c, f, k, s: convolution(batch, h, w, 1, f, k, s), "all channels"),
        (lambda *sizes: convolution(*sizes) + 1, "too large"),
    ],
)
def test_convolution_wrong(answer, words):
    wrong("ex-speed-convolution", answer, words)


def chain(x, kernels):
    """Return what a chain of layers makes of x."""
    return jax.lax.scan(lambda x, kernel: (jnp.tanh(x @ kernel), None), x, kernels)[0]


def plain(kernels, x):
    """Return the mean square of the chain's outputs."""
    return jnp.square(chain(x, kernels)).mean()


def in_blocks(kernels, x):
    """Return the same, with the activations at the ends of blocks alone kept for the way back."""
    blocks = kernels.reshape(-1, 4, *kernels.shape[1:])
    x, _ = jax.lax.scan(lambda x, four: (jax.checkpoint(chain)(x, four), None), x, blocks)
    return jnp.square(x).mean()


def test_checkpoint(capsys):
    kernels = jax.random.normal(jax.random.key(0), (16, 8, 8)) / 3
    given = dict(plain=plain, kernels=kernels, x=jax.random.normal(jax.random.key(1), (512, 8)))
    assert "Temporary memory" in right("ex-speed-checkpoint", in_blocks, capsys, **given)
    wrong("ex-speed-checkpoint", plain, "Wrap several layers", **given)
    wrong("ex-speed-checkpoint", lambda kernels, x: 2 * plain(kernels, x), "value differs", **given)
    wrong("ex-speed-checkpoint", lambda kernels, x: x, "expected one number", **given)
    stopped = lambda kernels, x: plain(kernels.at[0].set(jax.lax.stop_gradient(kernels[0])), x)  # noqa: E731
    wrong("ex-speed-checkpoint", stopped, "gradient differs", **given)


BATCHES = [8, 16, 32, 64, 128]


@pytest.mark.parametrize(
    ("seconds", "batch"),
    [([1.0, 1.2, 2.3, 4.6, 9.2], 16), ([1.0, 1.0, 1.0, 1.0, 1.0], 128), ([1.0, 2.0, 2.0, 4.0, 8.0], 8)],
)
def test_own(seconds, batch, capsys):
    assert "An example" in right("ex-speed-own", (BATCHES, seconds, batch), capsys)
    other = 64 if batch != 64 else 32
    wrong("ex-speed-own", (BATCHES, seconds, other), "time per example")


def test_own_wrong():
    wrong("ex-speed-own", (BATCHES[:3], [1.0] * 3, 8), "at least five")
    wrong("ex-speed-own", ([1, 2, 3, 4, 5], [1.0] * 5, 1), "twice the one before")
    wrong("ex-speed-own", (BATCHES, [1.0] * 4, 8), "expected the shape")
    wrong("ex-speed-own", (BATCHES, [-1.0] * 5, 8), "positive")
