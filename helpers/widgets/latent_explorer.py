"""The plane of latents of an autoencoder, a VAE and a GAN, and what their decoders make of a point in it."""

import functools

import keras
import numpy as np
from traitlets import Dict, Unicode

from helpers.widgets import packing, stored
from helpers.widgets.base import Figure

_RANK = 64  # numbers between the two matrices that stand for a decoder's last, on the page


class LatentExplorer(Figure):
    """Three decoders with two latents, side by side in one map: drag a point, see its digit."""

    title = Unicode("A map of digits to explore").tag(sync=True)
    alt = Unicode(
        "A plane of two latents with a dot for each of 500 digits, coloured by pairs of classes and labelled with the "
        "digit, and beside it the image that a decoder draws at a point, which you move by dragging, with sliders or "
        "with arrow keys. The decoder is that of an autoencoder, of a variational autoencoder or of a GAN. A text "
        "below says which digits are nearest to the point."
    ).tag(sync=True)
    decoders = Dict(help="name → layers, weights, codes (32-bit floats) and labels (bytes)").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the three decoders and the points of their maps."""
    runs, decoders = stored.decoder_runs(), {}
    for name in stored.DECODERS:
        layers, weights = packing.pack(small_decoder(name))
        codes, labels = np.float32(runs[name]["codes"]).tobytes(), bytes(runs[name]["labels"])
        decoders[name] = {"layers": layers, "weights": weights, "codes": codes, "labels": labels}
    return {"decoders": decoders}


def small_decoder(name):
    """Return a trained decoder, latents (n, 2) → pixels (n, 784), with two narrow matrices for its last one."""
    *hidden, last = stored.load_decoder(name).layers
    head = keras.Sequential([keras.Input((stored.LATENTS,)), *hidden])
    inputs = head.predict(np.float32(stored.decoder_runs()[name]["codes"]), verbose=0)
    first, second, bias = packing.narrow(inputs, *last.get_weights(), _RANK)
    outputs = keras.layers.Dense(stored.PIXELS, activation="sigmoid")
    small = keras.Sequential([keras.Input((stored.LATENTS,)), *hidden, keras.layers.Dense(_RANK), outputs])
    small.set_weights([*head.get_weights(), first, np.zeros(_RANK), second, bias])
    return small
