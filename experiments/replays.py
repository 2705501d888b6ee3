"""Train some runs of `experiments.mixtures` again, exactly as recorded, and keep what they generate at 24 moments.

python -m experiments.replays    makes the runs that are missing, then writes the result
"""

import dataclasses
import time

import numpy as np
from tqdm import tqdm

from experiments import mixtures, record, training
from helpers import gans

NAME = "replays"
KINDS = (("non-saturating", False), ("RpGAN + R1 + R2", False), ("schedules, Fourier", True))  # and whether with bits
SEEDS = mixtures.SEEDS[:4]  # the first ones
MOMENTS, STRIDE = 24, 20  # moments are multiples of the stride, for one compiled loop to serve all
SHOWN = 200  # of the counted points, the first
EDGE = 2.1  # a coordinate beyond it is moved to it
SETTINGS = {"moments": MOMENTS, "stride": STRIDE, "shown": SHOWN, "edge": EDGE, "seeds": SEEDS}


def jobs():
    """Return (kind, bits, mixture) of all runs of a seed."""
    return [(*kind, mixture) for mixture in mixtures.MIXTURES for kind in KINDS]


def moments(steps):
    """Return the steps to look at, from 0 to the last, with distances that grow evenly: most happens early."""
    shares = np.linspace(0, 1, MOMENTS) ** 2
    return (STRIDE * np.round(shares * steps / STRIDE)).astype(int).tolist()


def to_bytes(points):
    """Return points as 8-bit integers, EDGE as 127."""
    return np.round(np.clip(points, -EDGE, EDGE) * (127 / EDGE)).astype("int8")


class Film:
    """What one GAN covers at each moment, counted as in `mixtures`, and some of the counted points."""

    def __init__(self, mixture, steps):
        self.mixture, self.moments = mixture, moments(steps)
        self.counted = {"modes": [], "high_quality": [], "points": []}

    def watch(self, gan, step):
        """Look if it is time to; the latents are always the same."""
        if step not in self.moments:
            return
        generated = mixtures.sample(gan)
        found = mixtures.coverage(generated, self.mixture)
        new = {**found, "points": to_bytes(generated[:SHOWN]).tolist()}
        for name, values in self.counted.items():
            values.append(new[name])


def train(name, bits, mixture, seeds):
    """Train one GAN a seed as `mixtures` does; return what the films of all show, and processor seconds a seed."""
    kind, start = mixtures.kind_of(name, bits), time.process_time()
    models = [kind.build(seed) for seed in seeds]
    films = {seed: Film(mixture, kind.steps) for seed in seeds}
    for gan in models:
        films[gan.seed].watch(gan, 0)
    gans.train_scanned(
        models,
        mixtures.drawer(mixture),
        kind.steps,
        points=kind.steps // STRIDE,
        watch=lambda gan, step: films[gan.seed].watch(gan, step),
    )
    seconds = round((time.process_time() - start) / len(models), 1)
    return [{**films[seed].counted, "steps": films[seed].moments, "cpu_seconds": seconds} for seed in seeds]


def log_of(name, bits, mixture):
    """Return the log of the finished runs of one kind on one set; it is not committed."""
    path = training.RUNS / NAME / f"{name}, {mixture}{', bits' * bits}.jsonl"
    return record.Log(path, {**SETTINGS, **mixtures.COMMON, **dataclasses.asdict(mixtures.kind_of(name, bits))})


def make(name, bits, mixture):
    """Make the missing runs of one kind and write them down."""
    key, log = dict(kind=name, bits=bits, mixture=mixture), log_of(name, bits, mixture)
    seeds = [seed for seed in SEEDS if log.find(**key, seed=seed) is None]
    for seed, film in zip(seeds, train(name, bits, mixture, seeds) if seeds else [], strict=True):
        log.add(film, **key, seed=seed)


def write():
    """Write the numbers, and the points of all runs in the same order, of the runs that there are."""
    runs = [run for job in jobs() for run in sorted(log_of(*job).runs, key=lambda run: run["seed"])]
    path = record.RESULTS / f"{NAME}.npz"
    np.savez_compressed(path, points=np.array([run["points"] for run in runs], "int8"))
    record.write(NAME, settings=SETTINGS, runs=[{k: v for k, v in run.items() if k != "points"} for run in runs])


def main():
    """Make the runs that are missing and write the result."""
    for job in tqdm(jobs(), desc=NAME, unit="kind"):
        make(*job)
        write()


if __name__ == "__main__":
    main()
