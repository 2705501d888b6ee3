"""The source's GAN loop, trained in the browser on small digits, with a switch for each defect."""

import functools

import numpy as np
from traitlets import Bytes, Dict, Unicode

from helpers import datasets
from helpers.widgets.base import Figure

SIDE = 14  # of a digit, in pixels: half of MNIST's
COUNT = 1000  # digits on the page, of each class as many
RECIPE = {
    "side": SIDE,
    "generator": [25, 64, 128, SIDE**2],  # a quarter of the source's 100-256-512-784
    "discriminator": [SIDE**2, 256, 128, 1],  # and of 784-1024-512-1
    "batch": 32,
    "rate": 0.001,  # the source's 0.0002 would take longer than one wants to watch
}


class BrokenLoop(Figure):
    """The loop of the chapter on the source's GAN, with all its defects at the start; each can be switched off."""

    title = Unicode("The published loop and its defects").tag(sync=True)
    alt = Unicode(
        "A GAN's training loop at work on small digits, with networks of a quarter of the full widths. A checkbox "
        "switches each of seven defects on and off while it runs. Shown are the images that the discriminator was "
        "given with the labels 0 and 1, samples of the generator from the same latents, the losses compared with log "
        "2, and bars for how far the weights of both networks have moved since the start."
    ).tag(sync=True)
    recipe = Dict(RECIPE).tag(sync=True)
    digits = Bytes().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(digits=small_digits(), **traits)


@functools.cache
def small_digits():
    """Return `COUNT` training digits, means over 2 × 2 pixels, as bytes of `SIDE` · `SIDE` grey levels each."""
    mnist = datasets.load_mnist()
    rows = datasets.balanced_subset(mnist.train_labels, COUNT, np.random.default_rng(0))
    quarters = mnist.train_images[rows].reshape(COUNT, SIDE, 2, SIDE, 2)  # (n, 28, 28, 1) -> (n, 14, 2, 14, 2)
    return np.round(255 * quarters.mean(axis=(2, 4))).astype("uint8").tobytes()
