"""Three small decoders with two latents, of an autoencoder, a VAE and a GAN, for the figure that explores them."""

import json
from pathlib import Path

import keras

from helpers import gans, storage

RESULTS = Path(__file__).parents[1] / "experiments" / "results"
NAMES = ("autoencoder", "vae", "gan")
LATENTS, PIXELS = 2, 784
UNITS = (64, 128)


def decoder(activation="sigmoid"):
    """Return an untrained decoder, or generator: latents (n, 2) → pixels (n, 784); without activation → logits."""
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
    network.set_weights(storage.load_weights(RESULTS / f"explorer_{name}.npz"))
    return network


def runs():
    """Return what `experiments.explorer` wrote of each: codes of digits, their labels, and what was measured."""
    return json.loads((RESULTS / "explorer.json").read_text(encoding="utf-8"))["runs"]
