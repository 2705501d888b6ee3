"""A GAN of points in the plane that is trained in the browser, one player at a time or both."""

from traitlets import Dict, Unicode

from helpers import datasets
from helpers.widgets.base import Figure

MIXTURES = {"ring": datasets.ring().standardised(), "grid": datasets.grid().standardised()}
TARGETS = {name: {"centers": mixture.centers.tolist(), "std": float(mixture.std)} for name, mixture in MIXTURES.items()}


class PointGAN(Figure):
    """A generator and a discriminator, two hidden layers of 64 ReLU units each, that learn a ring, a grid or a drawing.

    Parameters
    ----------
    start : dict, optional
        Where the figure begins: "data" (a name of `MIXTURES`, or "drawn"), "loss" (a key of `helpers.gans.LOSSES`),
        "penalty" ("none", "R1" or "R1 + R2"), "gamma" and "rate".
    """

    title = Unicode("A GAN in the plane, trained here").tag(sync=True)
    alt = Unicode(
        "A square with real points and the points of a generator, which is trained with a discriminator while you "
        "watch: the background colour is the discriminator's output, arrows show where its gradient pulls the "
        "generated points, and a net of lines shows how the generator bends the plane of its latents. Data, loss, "
        "penalty, learning rate and which network learns can be chosen. Below are the losses and the number of modes "
        "covered."
    ).tag(sync=True)
    mixtures = Dict(TARGETS).tag(sync=True)
    start = Dict({"data": "ring", "loss": "relativistic", "penalty": "R1 + R2", "gamma": 0.1, "rate": 0.001}).tag(
        sync=True
    )
