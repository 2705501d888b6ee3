"""A field to draw a digit on, which an autoencoder redraws and a classifier names at every stroke."""

import functools

import numpy as np
from traitlets import Bytes, Float, List, Unicode

from helpers import datasets, results
from helpers.widgets import packing, stored
from helpers.widgets.base import Figure


class DrawADigit(Figure):
    """A drawing of 28 × 28 pixels, its code, the autoencoder's reconstruction, and a classifier's probabilities."""

    title = Unicode("Draw a digit, see it reconstructed").tag(sync=True)
    alt = Unicode(
        "A field of 28 by 28 pixels to draw on with a pointer or the keys. Beside it the input of an autoencoder, its "
        "output, their difference, the code of 32 units between them, and a classifier's probability for each of the "
        "ten digits. Buttons load a digit from the test set, a letter, noise or an empty field."
    ).tag(sync=True)
    autoencoder_layers, classifier_layers = (List().tag(sync=True) for _ in range(2))
    autoencoder_weights, classifier_weights, digits = (Bytes().tag(sync=True) for _ in range(3))
    usual_error = Float(help="mean squared error of a test digit, summed over pixels").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold networks and digits."""
    pair = stored.load_network("codes")
    redrawing = packing.pack_chain(pair.encoder, pair.decoder)
    naming = packing.pack(stored.load_network("classes"))
    runs = results.read("sketch")["runs"]
    return {
        **dict(zip(("autoencoder_layers", "autoencoder_weights"), redrawing, strict=True)),
        **dict(zip(("classifier_layers", "classifier_weights"), naming, strict=True)),
        "digits": digit_bytes(),
        "usual_error": runs["codes"]["sse"],
    }


@functools.cache
def digit_bytes():
    """Return the first test digit of each class, 0 to 9, as bytes of 784 grey levels each."""
    images, labels = datasets.load_mnist_bytes("test")
    first = [np.flatnonzero(labels == label)[0] for label in range(10)]
    return images[first].tobytes()
