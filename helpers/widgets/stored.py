"""The small trained networks of the interactive figures, with their stored weights."""

import keras
import numpy as np

from helpers import autoencoders, convolutional, results
from helpers.checks import check_activation, check_array, check_choice, check_integer
from helpers.layers import dense_network

# --- Three decoders with two latents: of an autoencoder, a VAE and a GAN ----------------------------------------------

DECODERS = ("autoencoder", "vae", "gan")
LATENTS, PIXELS = 2, 784
UNITS = (64, 128)


def decoder(activation="sigmoid"):
    """Return an untrained decoder, or generator: latents (n, 2) → pixels (n, 784); without activation → logits."""
    activation = check_activation("activation", activation)
    hidden = dense_network((LATENTS,), UNITS, PIXELS, normalise=True).layers[1:-1]
    return keras.Sequential([keras.Input((LATENTS,)), *hidden, keras.layers.Dense(PIXELS, activation=activation)])


def load_decoder(name):
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
    network.set_weights(results.weights("explorer", check_choice("name", name, DECODERS)))
    return network


def decoder_runs():
    """Return what `experiments.explorer` wrote of each: codes of digits, their labels, and what was measured."""
    return results.read("explorer")["runs"]


# --- The networks to draw a digit for, and to cut a code short with --------------------------------------------------

CODE = 64  # numbers in the ordered code, and principal components


def sketch_classifier(width=64):
    """Build a dense classifier of digits, with logits as outputs.

    Parameters
    ----------
    width : int, default=64
        Units of its hidden layer: dense, layer normalisation, SiLU.

    Returns
    -------
    keras.Model
        (n, 784) → (n, 10).
    """
    layers = keras.layers
    hidden = [layers.Dense(check_integer("width", width, low=1)), layers.LayerNormalization()]
    rest = [layers.Activation("silu"), layers.Dropout(0.1, seed=0), layers.Dense(10)]
    return keras.Sequential([keras.Input((784,)), *hidden, *rest])


def principal_components(rows, count):
    """Return the mean of the rows and their first principal components.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        One example a row.
    count : int
        How many components, at most d.

    Returns
    -------
    components : ndarray of shape (count, d)
        Orthonormal rows, the one along which the examples vary most first.
    mean : ndarray of shape (d,)
    """
    rows = check_array("rows", rows, shape=(None, None), least=2)
    count = check_integer("count", count, low=1, high=rows.shape[1])
    mean = rows.mean(axis=0, dtype="float64")
    _, vectors = np.linalg.eigh(np.cov(rows, rowvar=False, dtype="float64"))
    return vectors[:, ::-1][:, :count].T.astype("float32"), mean.astype("float32")


def load_network(name):
    """Return a network of the figures with its stored weights, 8-bit integers.

    Parameters
    ----------
    name : {"codes", "classes", "ordered", "components"}
        The autoencoder with 32 codes; the classifier; the autoencoder whose code of 64 numbers is ordered; a decoder
        that adds 64 principal components to the mean.

    Returns
    -------
    helpers.autoencoders.Autoencoder or keras.Model
    """
    networks = NETWORKS[check_choice("name", name, NETWORKS)]()
    model = getattr(networks, "autoencoder", networks)
    model.set_weights(results.weights("sketch", name))
    return networks


NETWORKS = {
    "codes": lambda: autoencoders.deep_autoencoder(widths=[96], code_dim=32),
    "classes": sketch_classifier,
    "ordered": lambda: autoencoders.deep_autoencoder(widths=[128], code_dim=CODE),
    "components": lambda: keras.Sequential([keras.Input((CODE,)), keras.layers.Dense(784)]),
}


# --- The networks that redraw emoji in the other style ----------------------------------------------------------------

TRANSLATIONS = ("to_twemoji", "to_noto")


def load_translation(name):
    """Return a network of `experiments.translation` with its stored weights.

    Parameters
    ----------
    name : {"to_twemoji", "to_noto"}
        The style that it draws in.

    Returns
    -------
    keras.Model
        Images (n, 32, 32, 3) in the other style → images of the same shape.
    """
    weights = results.weights("translation", check_choice("name", name, TRANSLATIONS))
    network = convolutional.unet(width=weights[0].shape[-1])
    network.set_weights(weights)
    return network
