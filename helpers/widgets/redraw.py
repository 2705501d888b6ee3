"""A field to draw an emoji on, which two U-Nets redraw in the other style and back at every stroke."""

import functools

import numpy as np
from traitlets import Bytes, List, Unicode

from helpers import datasets
from helpers.widgets import packing, stored
from helpers.widgets.base import Figure

# Test emoji to start from, chosen by their subjects: their names in the book's file, and here.
EMOJI = {
    "grinning": "grinning face",
    "heart_eyes": "face with heart eyes",
    "sob": "crying face",
    "skull": "skull",
    "two_hearts": "two hearts",
    "fox_face": "fox",
    "turtle": "turtle",
    "bee": "bee",
    "tomato": "tomato",
    "pizza": "pizza",
    "doughnut": "doughnut",
    "taxi": "taxi",
    "gem": "gem",
    "flag-no": "flag of Norway",
}


class Redraw(Figure):
    """A drawing of 32 × 32 pixels, what the networks make of it in the other style, and of that back in the first."""

    title = Unicode("Redraw an emoji in the other style").tag(sync=True)
    alt = Unicode(
        "A field of 32 by 32 pixels that shows one of fourteen test emoji, in Noto's or in Twemoji's style, and that "
        "you can draw on in eight colours with a pointer or the keys. Beside it the field redrawn in the other style "
        "by a U-Net, the emoji as the other style really has it, and the redrawing taken back by a second U-Net. "
        "Below are the mean absolute differences in numbers. Two buttons choose the direction."
    ).tag(sync=True)
    to_twemoji_layers, to_noto_layers, names = (List().tag(sync=True) for _ in range(3))
    to_twemoji_weights, to_noto_weights = (Bytes().tag(sync=True) for _ in range(2))
    emoji = Bytes(help="pixels in Noto's and in Twemoji's style of one emoji after the other").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold the networks and the emoji."""
    traits = {"names": list(EMOJI.values()), "emoji": emoji_pairs().tobytes()}
    for name in stored.TRANSLATIONS:
        traits[f"{name}_layers"], traits[f"{name}_weights"] = packing.pack_unet(stored.load_translation(name))
    return traits


def emoji_pairs():
    """Return the test emoji of the figure in both styles, Noto first: uint8 of shape (14, 2, 32, 32, 3)."""
    test = datasets.load_emoji().test
    rows = [np.flatnonzero(test.name == name)[0] for name in EMOJI]
    return np.round(255 * np.stack([test.noto[rows], test.twemoji[rows]], axis=1)).astype("uint8")
