"""A digit redrawn from the first numbers of its code, as many as one likes, by PCA and by an autoencoder."""

import functools

from traitlets import Bytes, Dict, List, Unicode

from helpers import results
from helpers.widgets import packing, stored
from helpers.widgets.base import Figure
from helpers.widgets.draw_a_digit import digit_bytes


class CodeSize(Figure):
    """Reconstructions and their errors from codes of 1 to 64 numbers: the first components, and an ordered code.

    The autoencoder is one network for all sizes, trained on codes that were cut after a random number of their 64
    numbers (Rippel et al. 2014, "Learning Ordered Representations with Nested Dropout").
    """

    title = Unicode("How many units a digit needs").tag(sync=True)
    alt = Unicode(
        "A test digit and two reconstructions of it, by PCA and by an autoencoder, from a code of 1 to 64 units, "
        "which a slider sets. Below them the squared error of both over the size of the code, for this digit and as "
        "the mean of all test digits."
    ).tag(sync=True)
    autoencoder_layers, components_layers = (List().tag(sync=True) for _ in range(2))
    autoencoder_weights, components_weights, digits = (Bytes().tag(sync=True) for _ in range(3))
    errors = Dict(help="method → mean error of the test digits at each size").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold networks, digits and errors."""
    pair = stored.load_network("ordered")
    redrawing = packing.pack_chain(pair.encoder, pair.decoder)
    adding = packing.pack(stored.load_network("components"))
    runs = results.read("sketch")["runs"]
    return {
        **dict(zip(("autoencoder_layers", "autoencoder_weights"), redrawing, strict=True)),
        **dict(zip(("components_layers", "components_weights"), adding, strict=True)),
        "digits": digit_bytes(),
        "errors": {"pca": runs["components"]["sse"], "autoencoder": runs["ordered"]["sse"]},
    }
