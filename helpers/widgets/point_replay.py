"""Recorded runs of GANs in the plane, step by step: what some of `experiments.mixtures`' generators made on the way."""

import functools

from traitlets import Bytes, Dict, Float, Int, List, Unicode

from helpers import results
from helpers.widgets.base import Figure
from helpers.widgets.point_gan import TARGETS


class PointReplay(Figure):
    """Generated points of a run at some moments of its training, and how many modes it covered at each."""

    title = Unicode("Recorded runs of GANs in the plane").tag(sync=True)
    alt = Unicode(
        "A square with real points and 200 points that a generator drew from the same latents at 24 moments of its "
        "training, which you can play or step through. Below are two curves over the steps: the share of the modes "
        "that is covered, and the share of points of high quality. The real points with the method of training, and "
        "the seed, can be chosen."
    ).tag(sync=True)
    runs = List(help="of each run its name, mixture and seed, and lists of steps, modes and quality").tag(sync=True)
    points = Bytes(help="run by run, moment by moment: x and y as 8-bit integers, `edge` as 127").tag(sync=True)
    shown = Int(help="points at a moment").tag(sync=True)
    edge = Float().tag(sync=True)
    mixtures = Dict(TARGETS).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**_traits(), **traits)


@functools.cache
def _traits():
    """Return the values of the traits that hold what `experiments.replays` recorded."""
    replays = results.read("replays")
    points = results.arrays("replays", keys=["points"])["points"].tobytes()
    runs = [{**run, "name": name_of(run)} for run in replays["runs"]]
    return {"runs": runs, "points": points, **{name: replays["settings"][name] for name in ("shown", "edge")}}


def name_of(run):
    """Return what was trained, and how."""
    return f"{run['mixture']}: {run['kind']}{', random bits' * run['bits']}"
