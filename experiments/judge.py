"""What the generators of a stack draw, seen by the book's classifier in one program, and their distance from reals."""

import functools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from helpers import metrics
from helpers.gans import Values

BLOCK = 1_000


class Judge:
    """Measures copies of a generator against real digits.

    Parameters
    ----------
    network : keras.Model
        One of the generators; the variables of the others are of the same shapes. None of it may be trainable, as in
        ``GAN.ema_generator``.
    latents : ndarray of shape (n, latent_dim)
        What is drawn from, the same for all; n is a multiple of 1,000, or below it.
    images : callable, optional
        ``images(outputs) -> (n, 28, 28, 1)``, for networks that return more than images.
    """

    def __init__(self, network, latents, images=lambda outputs: outputs):
        self.blocks = jnp.asarray(latents).reshape(-1, min(BLOCK, len(latents)), latents.shape[1])
        self.network, self.images = network, images

    @functools.cached_property
    def _compiled(self):
        """Return the compiled program: variables of one generator → features (n, 128) and labels (n,)."""
        classifier = metrics.load_classifier()
        own = [
            [v.value for v in group] for group in (classifier.trainable_variables, classifier.non_trainable_variables)
        ]

        def block(variables, own, latents):
            """Draw a block and look at it."""
            outputs = self.network.stateless_call([], variables, latents, training=False)[0]
            features, logits = classifier.stateless_call(*own, self.images(outputs), training=False)[0]
            return features, logits.argmax(axis=1)

        @jax.jit
        def look(variables, own, blocks):
            """Do it for all blocks in turn."""
            return jax.lax.map(lambda latents: block(variables, own, latents), blocks)

        return lambda variables: look(variables, own, self.blocks)

    def look(self, variables):
        """Return features (n, 128) in float64 and the digits seen (n,)."""
        features, labels = map(np.asarray, self._compiled(variables))
        return features.reshape(-1, features.shape[-1]).astype("float64"), labels.ravel()


def variables(stack, network, index):
    """Return the arrays of one copy of a network, in the order of ``network.weights``."""
    values = Values(stack.model, stack.states)
    return [values[variable][index] for variable in network.weights]


def distances(sets, real):
    """Return the Fréchet distance of each set of features from the real ones, several sets at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda features: distance(features, real), sets))


def distance(features, real):
    """Return a Fréchet distance, or None where a broken generator left a number that is not finite."""
    return metrics.frechet_distance(features, real) if np.isfinite(features).all() else None
