"""Pairs of a real digit and one that a generator drew: which is real? Thirty clicks, counted in the browser only."""

import functools

import keras
import numpy as np
from traitlets import Bytes, Int, List, Unicode

from helpers import datasets, gans, results
from helpers.checks import check_array, check_choice, check_integer
from helpers.gans import conditional
from helpers.widgets.base import Figure

REAL, DRAWN = 90, 40  # digits on the page: real ones, and of each generator
SEED = 12345  # of the latents of all measurements in the book
_LEVELS = 15  # the brightest of sixteen grey levels, alike for real and for drawn digits


class WhichIsReal(Figure):
    """A two-alternative test of generators: a real digit beside a drawn one, thirty times."""

    title = Unicode("Which is real? Thirty clicks").tag(sync=True)
    alt = Unicode(
        "Two digits side by side, one written by hand and one drawn by a generator that you choose. With a click, an "
        "arrow key or a button you say which is the real one, thirty times. Then the share of right answers is shown "
        "with its 95% interval, compared with the half that guessing gives, together with the drawn digits that you "
        "took for real. The test can only be done by eye; your clicks do not leave the page."
    ).tag(sync=True)
    names = List(help="of the generators").tag(sync=True)
    images = Bytes(help="real digits, then those of each generator; 4 bits a pixel").tag(sync=True)
    real = Int(help="how many of them are real").tag(sync=True)
    drawn = Int(help="how many each generator drew").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold the digits."""
    test, _ = datasets.load_mnist_bytes("test")
    rows = np.random.default_rng(0).permutation(len(test))[:REAL]
    digits = [datasets.scale_pixels(test[rows]).reshape(-1, 784), *map(draw, GENERATORS)]
    counts = {"real": REAL, "drawn": DRAWN}
    return {"names": list(GENERATORS), "images": b"".join(map(pack_images, digits)), **counts}


def draw(name, count=DRAWN):
    """Return the first digits of a stored generator, as all measurements of it have them, not selected.

    Parameters
    ----------
    name : str
        A key of `GENERATORS`.
    count : int, default=40
        How many, at most 10,000.

    Returns
    -------
    ndarray of shape (count, 784)
        Grey levels in [0, 1].
    """
    generator, scale = GENERATORS[check_choice("name", name, GENERATORS)]()
    count = check_integer("count", count, low=1, high=10_000)
    latents = scale * keras.random.normal((10_000, generator.input_shape[-1]), seed=SEED)
    return generator.predict(latents[:count], verbose=0).reshape(count, -1)[:, :784]  # a class may stand behind them


def _recipe(name, networks):
    """Return a stored generator of `experiments.gan_recipes`, and the factor on its latents."""
    generator, _ = networks()
    generator.set_weights(results.weights("gan_recipes", name, 0))
    return generator, 1.0


def _best():
    """Return the stored generator of `experiments.digit_gan`, and the factor on its latents."""
    stored = results.read("digit_gan")
    names = "style_dim", "generator_units", "discriminator_units", "activation"
    generator, _ = conditional.conditional_networks(*(stored["recipe"][name] for name in names))
    generator.set_weights(results.weights("digit_gan", 0))
    return generator, stored["style_scale"]


GENERATORS = {
    "improved GAN": functools.partial(_recipe, "improved", gans.improved_networks),
    "best GAN": _best,
    "collapsed GAN": functools.partial(_recipe, "source", gans.source_networks),
}


def pack_images(images):
    """Return images in sixteen grey levels, two pixels a byte.

    Parameters
    ----------
    images : array_like of shape (n, 784)
        Grey levels in [0, 1].

    Returns
    -------
    bytes
        392 for an image; the first of two pixels in the upper half of a byte.
    """
    images = check_array("images", images, shape=(None, 784), low=0, high=1)
    levels = np.round(_LEVELS * np.asarray(images)).astype("uint8").reshape(-1, 2)
    return (levels[:, 0] << 4 | levels[:, 1]).tobytes()
