"""A small network that learns a curve from points in the browser, step by step."""

import math

from traitlets import Dict, Float, List, Unicode

from helpers.widgets.base import Figure

POINTS = [4 * (i + 0.5) / 64 - 2 for i in range(64)]


class LearnACurve(Figure):
    """A network of one hidden layer of tanh units that is fitted to points by gradient descent or by Adam.

    Parameters
    ----------
    x, y : list of float, optional
        The points; x between -2 and 2, y between -1.5 and 1.5.
    floor : float, optional
        The mean squared error that the points' noise alone leaves.
    start : dict, optional
        Where the figure begins: "rule" ("descent" or "Adam"), "rate", "batch" and "units".
    """

    title = Unicode("A network that learns a curve, trained here").tag(sync=True)
    alt = Unicode(
        "Points in a plane and the curve of a small network, which bends towards them step by step; below it the loss "
        "over the epochs, on a logarithmic axis. The rule (gradient descent or Adam), the learning rate, the number of "
        "points in a batch and the number of hidden units can be chosen."
    ).tag(sync=True)
    x = List(POINTS).tag(sync=True)
    y = List([math.sin(2 * x) for x in POINTS]).tag(sync=True)
    floor = Float(0.01).tag(sync=True)
    start = Dict({"rule": "descent", "rate": 0.1, "batch": 16, "units": 16}).tag(sync=True)
