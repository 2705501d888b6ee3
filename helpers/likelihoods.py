"""Densities and divergences that the variational models rest on, in nats."""

import numpy as np
from keras import ops

from helpers.checks import check_broadcast, check_shape, check_shapes


def gaussian_kl(mean, log_variance):
    """Return KL(N(mean, variance) ‖ N(0, 1)), summed over the last axis.

    Parameters
    ----------
    mean, log_variance : tensors of shape (..., latent_dim)

    Returns
    -------
    tensor of shape (...), nats
        ½ Σ (mean² + variance − 1 − log variance); Kingma and Welling (2014), appendix B.
    """
    mean, log_variance = check_shapes(mean=mean, log_variance=log_variance)
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1 - log_variance, axis=-1)


def normal_log_density(z, mean=0.0, log_variance=0.0):
    """Return log N(z; mean, variance), summed over the last axis, in nats; the arguments broadcast."""
    z = check_shape("z", z, (..., None))
    mean, log_variance = (
        check_broadcast(name, value, z) for name, value in (("mean", mean), ("log_variance", log_variance))
    )
    variance = ops.exp(ops.convert_to_tensor(log_variance, "float32"))
    return -0.5 * ops.sum(ops.square(z - mean) / variance + log_variance + np.log(2 * np.pi), axis=-1)


def bernoulli_log_likelihood(x, logits):
    """Return log p(x | logits) of independent pixels, summed over the last axis, in nats.

    Parameters
    ----------
    x : tensor of shape (..., input_dim)
        Pixels, 0 or 1.
    logits : tensor of shape (..., input_dim)
        Log-odds of a white pixel.

    Returns
    -------
    tensor of shape (...)
        Σ (x·a − log(1 + eᵃ)).
    """
    x = check_shape("x", x, (..., None))
    logits = check_broadcast("logits", check_shape("logits", logits, (..., x.shape[-1])), x)
    return ops.sum(x * logits - ops.softplus(logits), axis=-1)


def log_mean_exp(values):
    """Return log((1/k) Σ exp values) over the first axis of k values, without overflow."""
    values = check_shape("values", values, (None, ...))
    if not values.shape[0]:
        raise ValueError("values: got none, expected at least one.")
    return ops.logsumexp(values, axis=0) - np.log(values.shape[0])
