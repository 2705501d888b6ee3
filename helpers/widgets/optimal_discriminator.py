"""Two densities that can be moved, the best discriminator between them, and what it leaves for the generator."""

from traitlets import Dict, Unicode

from helpers.widgets.base import Figure


class OptimalDiscriminator(Figure):
    """The best discriminator of two mixtures of two normal densities, their divergence, and the two losses' pushes.

    Parameters
    ----------
    p, q : dict, optional
        Where the figure begins: "means" and "widths", two numbers each, and "share", the weight of the first component.
    """

    title = Unicode("The best discriminator of two densities").tag(sync=True)
    alt = Unicode(
        "Three plots over x: the densities p of real and q of generated points, both of which can be moved; the best "
        "discriminator p / (p + q) between them; and the push that generated points get from the saturating and from "
        "the non-saturating loss. Below are the Jensen-Shannon divergence, the value of the game and the mean of each "
        "push."
    ).tag(sync=True)
    p = Dict({"means": [-2.0, 1.5], "widths": [0.8, 0.8], "share": 0.4}).tag(sync=True)
    q = Dict({"means": [0.0, 3.0], "widths": [1.0, 1.0], "share": 1.0}).tag(sync=True)
