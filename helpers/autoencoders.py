"""Autoencoders as an encoder, a decoder and the model that joins them."""

from typing import NamedTuple

import keras

from helpers.datasets import check_integer


class Autoencoder(NamedTuple):
    """An encoder x → code, a decoder code → x̂, and the model x → x̂ that shares their weights."""

    encoder: keras.Model
    decoder: keras.Model
    autoencoder: keras.Model


def dense_autoencoder(code_dim=32, input_dim=784):
    """Build the one-layer autoencoder of the source: dense ReLU encoder, dense sigmoid decoder, weights not tied.

    Parameters
    ----------
    code_dim : int, default=32
        Numbers in a code.
    input_dim : int, default=784
        Numbers in an input: 28 × 28 grey levels in [0, 1].

    Returns
    -------
    Autoencoder
        Three models; ``autoencoder`` maps (n, input_dim) to (n, input_dim), ``encoder`` stops at (n, code_dim).
        Together they have 2·input_dim·code_dim + code_dim + input_dim weights: 50,992 with the defaults.

    References
    ----------
    Chollet (2016), "Building Autoencoders in Keras", the Keras blog.
    """
    code_dim = check_integer("code_dim", code_dim, low=1)
    input_dim = check_integer("input_dim", input_dim, low=1)
    encoder = keras.Sequential(
        [keras.Input((input_dim,)), keras.layers.Dense(code_dim, activation="relu")], name="encoder"
    )
    decoder = keras.Sequential(
        [keras.Input((code_dim,)), keras.layers.Dense(input_dim, activation="sigmoid")], name="decoder"
    )
    inputs = keras.Input((input_dim,))
    return Autoencoder(encoder, decoder, keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder"))
