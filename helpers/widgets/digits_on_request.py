"""A class-conditional generator that draws the digit one asks for, in a style that one moves."""

import functools

import keras
import numpy as np
from traitlets import Bytes, List, Unicode

from helpers import results
from helpers.checks import check_kind, check_number
from helpers.gans import conditional
from helpers.widgets import packing
from helpers.widgets.base import Figure

STORED = ("conditional_gan", 0)  # the experiment, and which of its networks
_RANKS = (160, 128)  # of the two large matrices
_LOOKED_AT = 600  # digits, as many of each class, for which the narrow network is made and the directions are found
SEED = 5


class DigitsOnRequest(Figure):
    """The book's conditional generator: a class to ask for, two styles to mix and two directions to move along."""

    title = Unicode("Digits on request").tag(sync=True)
    alt = Unicode(
        "A digit drawn by a class-conditional GAN, large, and all ten digits in the same style. You choose a class, "
        "move the style along the two directions that change the image most, by dragging a dot or with sliders, and "
        "mix two random styles. Below are the class, the style, the share of ink and the slant of the digit."
    ).tag(sync=True)
    layers = List().tag(sync=True)
    weights = Bytes().tag(sync=True)
    directions = List(help="two unit vectors in the space of styles").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold the network and the directions."""
    network = small_generator()
    layers, weights = packing.pack(network)
    return {"layers": layers, "weights": weights, "directions": strongest_directions(network).tolist()}


def small_generator():
    """Return the stored generator, one-hot class and style (n, 26) → pixels (n, 784), with 4 narrow matrices for 2."""
    arrays = results.weights(*STORED)
    whole = _chain([26, 256, 512, 784])
    whole.set_weights(arrays)
    x = latents()
    small = _chain([26, 256, _RANKS[0], 512, _RANKS[1], 784])
    hidden, outputs = (keras.Model(whole.inputs, whole.layers[at].output) for at in (2, 5))
    slope = whole.predict(x, verbose=0)
    slope = np.sqrt(np.square(slope * (1 - slope)).mean(axis=0)) + 1e-4  # what a change of a logit does to its pixel
    middle = packing.narrow(hidden.predict(x, verbose=0), *arrays[4:6], _RANKS[0])
    last = packing.narrow(outputs.predict(x, verbose=0), *arrays[8:], _RANKS[1], slope)
    (first, *rest), (third, *others) = middle, last
    zeros = [np.zeros(rank) for rank in _RANKS]
    small.set_weights([*arrays[:4], first, zeros[0], *rest, *arrays[6:8], third, zeros[1], *others])
    return small


def _chain(sizes):
    """Return dense layers of these sizes; layer normalisation and ReLU follow the widths of 256 and 512."""
    layers = [keras.Input((sizes[0],))]
    for size in sizes[1:-1]:
        layers.append(keras.layers.Dense(size))
        if size not in _RANKS:
            layers += [keras.layers.LayerNormalization(), keras.layers.Activation("relu")]
    return keras.Sequential([*layers, keras.layers.Dense(sizes[-1], activation="sigmoid")])


def latents():
    """Return the latents (600, 26) that the generator is looked at with."""
    return conditional.ask(np.arange(_LOOKED_AT) % conditional.CLASSES, 26, SEED)


def strongest_directions(network, step=0.1):
    """Return the two directions of style, unit rows (2, 16), along which the pixels change most on average."""
    check_kind("network", network, keras.Model, "what small_generator returns")
    step, x = check_number("step", step, above=0), latents()
    moves = step * np.eye(x.shape[1], dtype="float32")[conditional.CLASSES :]
    before = network.predict(x, verbose=0)
    slopes = [(network.predict(x + move, verbose=0) - before).ravel() / step for move in moves]
    vectors = np.linalg.eigh(np.array(slopes) @ np.array(slopes).T)[1][:, :-3:-1].T
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return vectors * np.sign(largest)  # of the two opposite ones always the same
