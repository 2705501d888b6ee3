"""The losses of adversarial games as plain functions of logits, and the penalties on a discriminator's gradient.

Every loss is a function ``(real_logits, fake_logits) -> scalar`` of D's logits on a real and on a fake batch, arrays of
shape (n,) or (n, 1), to be *minimised* by the network that it is named after. A relativistic loss pairs the two by
position, so both must have the same shape. The critic of the Wasserstein losses must be kept Lipschitz by other means,
such as `gradient_penalty`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from helpers.checks import check_kind, check_shape, check_shapes

# --- Losses ----------------------------------------------------------------------------------------------------------
# log sigmoid(a) = -softplus(-a), log(1 - sigmoid(a)) = -softplus(a): both forms stay finite where the logarithm of a
# rounded probability would not.


def cross_entropy_discriminator_loss(real_logits, fake_logits):
    """Binary cross-entropy of D: −E log σ(real) − E log(1 − σ(fake)), which is −V of the game.

    Returns
    -------
    scalar array, in nats
        2 log 2 when D answers 1/2 everywhere.

    References
    ----------
    Goodfellow et al. (2014), "Generative Adversarial Nets", equation 1.
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return jnp.mean(jax.nn.softplus(-real_logits)) + jnp.mean(jax.nn.softplus(fake_logits))


def minimax_generator_loss(real_logits, fake_logits):
    """Saturating loss of G: E log(1 − σ(fake)), the term of V that G can change.

    Returns
    -------
    scalar array, in nats
        −log 2 when D answers 1/2; its derivative vanishes where D is sure that the batch is fake.

    References
    ----------
    Goodfellow et al. (2014), "Generative Adversarial Nets", equation 1.
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return -jnp.mean(jax.nn.softplus(fake_logits))


def non_saturating_generator_loss(real_logits, fake_logits):
    """Non-saturating loss of G: −E log σ(fake).

    Returns
    -------
    scalar array, in nats
        log 2 when D answers 1/2.

    References
    ----------
    Goodfellow et al. (2014), "Generative Adversarial Nets", section 3.
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return jnp.mean(jax.nn.softplus(-fake_logits))


def least_squares_discriminator_loss(real_logits, fake_logits):
    """Least squares with targets 1 (real) and 0 (fake): ½ E(real − 1)² + ½ E fake².

    Returns
    -------
    scalar array

    References
    ----------
    Mao et al. (2017), "Least Squares Generative Adversarial Networks".
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return 0.5 * jnp.mean((real_logits - 1) ** 2) + 0.5 * jnp.mean(fake_logits**2)


def least_squares_generator_loss(real_logits, fake_logits):
    """Least squares with target 1 for fakes: ½ E(fake − 1)².

    Returns
    -------
    scalar array

    References
    ----------
    Mao et al. (2017), "Least Squares Generative Adversarial Networks".
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return 0.5 * jnp.mean((fake_logits - 1) ** 2)


def hinge_discriminator_loss(real_logits, fake_logits):
    """Hinge loss of D: E max(0, 1 − real) + E max(0, 1 + fake).

    Returns
    -------
    scalar array
        0 once every real score is above 1 and every fake one below −1.

    References
    ----------
    Lim and Ye (2017), "Geometric GAN"; Miyato et al. (2018), "Spectral Normalization for Generative Adversarial
    Networks".
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return jnp.mean(jax.nn.relu(1 - real_logits)) + jnp.mean(jax.nn.relu(1 + fake_logits))


def wasserstein_discriminator_loss(real_logits, fake_logits):
    """Critic loss: E fake − E real.

    Returns
    -------
    scalar array

    References
    ----------
    Arjovsky, Chintala and Bottou (2017), "Wasserstein GAN".
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return jnp.mean(fake_logits) - jnp.mean(real_logits)


def wasserstein_generator_loss(real_logits, fake_logits):
    """Generator's loss against a critic: −E fake. The hinge loss shares it.

    Returns
    -------
    scalar array

    References
    ----------
    Arjovsky, Chintala and Bottou (2017), "Wasserstein GAN".
    """
    real_logits, fake_logits = _check_logits(real_logits, fake_logits)
    return -jnp.mean(fake_logits)


def relativistic_discriminator_loss(real_logits, fake_logits):
    """Relativistic pairing: E softplus(fake − real), each fake judged against one real image.

    Returns
    -------
    scalar array, in nats
        log 2 when D cannot tell the two apart.

    References
    ----------
    Jolicoeur-Martineau (2019), "The relativistic discriminator"; Huang et al. (2024), "The GAN is dead; long live the
    GAN!".
    """
    real_logits, fake_logits = check_shapes(real_logits=real_logits, fake_logits=fake_logits)
    return jnp.mean(jax.nn.softplus(fake_logits - real_logits))


def relativistic_generator_loss(real_logits, fake_logits):
    """Relativistic pairing of G: E softplus(real − fake), D's loss with the roles exchanged.

    Returns
    -------
    scalar array, in nats
        log 2 when D cannot tell the two apart.

    References
    ----------
    As for `relativistic_discriminator_loss`.
    """
    real_logits, fake_logits = check_shapes(real_logits=real_logits, fake_logits=fake_logits)
    return jnp.mean(jax.nn.softplus(real_logits - fake_logits))


def feature_matching_loss(real_features, fake_features):
    """Feature matching, of G alone: ‖E f(real) − E f(fake)‖², with f the output of D's last hidden layer.

    Unlike the losses above it does not read D's logits, so it is no key of `LOSSES`; D plays its usual game.

    Parameters
    ----------
    real_features, fake_features : array of shape (n, d)
        Of a real and of a fake batch, whose sizes may differ.

    Returns
    -------
    scalar array, in squared units of the features

    References
    ----------
    Salimans et al. (2016), "Improved Techniques for Training GANs", section 3.1.
    """
    real_features = check_shape("real_features", real_features, (None, None))
    fake_features = check_shape("fake_features", fake_features, (None, np.shape(real_features)[1]))
    return jnp.sum((jnp.mean(real_features, axis=0) - jnp.mean(fake_features, axis=0)) ** 2)


def _check_logits(real_logits, fake_logits):
    """Return logits, which may come from batches of different sizes, or raise a ValueError; no value is looked at."""
    return check_shape("real_logits", real_logits, (...,)), check_shape("fake_logits", fake_logits, (...,))


class AdversarialLoss(NamedTuple):
    """The two losses of a game; each is a function ``(real_logits, fake_logits) -> scalar`` to be minimised."""

    discriminator: Callable
    generator: Callable


LOSSES = {
    "minimax": AdversarialLoss(cross_entropy_discriminator_loss, minimax_generator_loss),
    "non_saturating": AdversarialLoss(cross_entropy_discriminator_loss, non_saturating_generator_loss),
    "least_squares": AdversarialLoss(least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": AdversarialLoss(hinge_discriminator_loss, wasserstein_generator_loss),
    "wasserstein": AdversarialLoss(wasserstein_discriminator_loss, wasserstein_generator_loss),
    "relativistic": AdversarialLoss(relativistic_discriminator_loss, relativistic_generator_loss),
}

# --- Regularisers of D -----------------------------------------------------------------------------------------------


def zero_centered_penalty(score, images):
    """Mean squared norm of D's gradient with respect to its input: E‖∇ₓ D(x)‖². R1 on real images, R2 on fakes.

    Parameters
    ----------
    score : callable
        Maps images (n, ...) to logits (n,) or (n, 1).
    images : array of shape (n, ...)
        Where the gradient is taken.

    Returns
    -------
    scalar array, in squared logits per squared pixel unit

    References
    ----------
    Mescheder, Geiger and Nowozin (2018), "Which Training Methods for GANs do actually Converge?".
    """
    gradients = _input_gradients(score, check_shape("images", images, (None, ...)))
    return jnp.mean(jnp.sum(gradients**2, axis=1))


def gradient_penalty(score, real, fake, weights):
    """Mean squared distance of the gradient's norm from 1, between real and fake: E(‖∇ₓ D(x̂)‖ − 1)².

    Parameters
    ----------
    score : callable
        Maps images (n, ...) to scores (n,) or (n, 1).
    real, fake : array of shape (n, ...)
        The batches to interpolate between.
    weights : array of shape (n,)
        Interpolation weights, drawn *uniformly* from [0, 1], one an image: x̂ = w·real + (1 − w)·fake.

    Returns
    -------
    scalar array

    References
    ----------
    Gulrajani et al. (2017), "Improved Training of Wasserstein GANs", algorithm 1.
    """
    real, fake = check_shapes(real=check_shape("real", real, (None, ...)), fake=fake)
    weights = check_shape("weights", weights, np.shape(real)[:1])
    weights = jnp.reshape(weights, (-1,) + (1,) * (real.ndim - 1))
    gradients = _input_gradients(score, weights * real + (1 - weights) * fake)
    squared = jnp.sum(gradients**2, axis=1)
    # The derivative of a square root is infinite at 0; without the guard one zero gradient makes all weights NaN.
    norms = jnp.sqrt(jnp.where(squared > 0, squared, 1.0)) * (squared > 0)
    return jnp.mean((norms - 1) ** 2)


def _input_gradients(score, images):
    """Return ∇ₓ of the summed scores, flattened to (n, pixels)."""
    check_kind("score", score, Callable, "a function from images to logits")
    images = jnp.asarray(images, jnp.result_type(images, "float32"))  # of integers there is no gradient
    return jax.grad(lambda x: jnp.sum(score(x)))(images).reshape(len(images), -1)
