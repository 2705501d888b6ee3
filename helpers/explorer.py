"""Three small decoders with two latents, of an autoencoder, a VAE and a GAN, for the figure that explores them."""

import keras

from helpers import gans, results
from helpers.checks import check_activation, check_choice

NAMES = ("autoencoder", "vae", "gan")
LATENTS, PIXELS = 2, 784
UNITS = (64, 128)


def decoder(activation="sigmoid"):
    """Return an untrained decoder, or generator: latents (n, 2) → pixels (n, 784); without activation → logits."""
    activation = check_activation("activation", activation)
    hidden = gans.dense_network((LATENTS,), UNITS, PIXELS, normalise=True).layers[1:-1]
    return keras.Sequential([keras.Input((LATENTS,)), *hidden, keras.layers.Dense(PIXELS, activation=activation)])


def load(name):
    """Return a trained decoder, its weights as they are stored: 8-bit integers.

    Parameters
    ----------
    name : {"autoencoder", "vae", "gan"}

    Returns
    -------
    keras.Sequential
        Latents (n, 2) → pixels (n, 784).
    """
    network = decoder()
    network.set_weights(results.weights("explorer", check_choice("name", name, NAMES)))
    return network


def runs():
    """Return what `experiments.explorer` wrote of each: codes of digits, their labels, and what was measured."""
    return results.read("explorer")["runs"]
