"""Train some runs of `experiments.mixtures` again, exactly as recorded, and keep what they generate at 24 moments.

python -m experiments.replays    makes the runs that are missing, then writes the result
"""

import dataclasses

import numpy as np
from tqdm import tqdm

from experiments import mixtures
from experiments.harness import record, training
from helpers import gans

NAME = "replays"
POINTS = record.RESULTS / f"{NAME}.npz"
KEY = ("kind", "bits", "mixture")
KINDS = (("non-saturating", False), ("schedules, Fourier", True), ("RpGAN + R1 + R2", False))  # and whether with bits
SEEDS = mixtures.SEEDS[:3]  # the first ones
MOMENTS, STRIDE = 24, 20  # moments are multiples of the stride, for one compiled loop to serve all
SHOWN = 200  # of the counted points, the first
EDGE = 2.1  # a coordinate beyond it is moved to it
SETTINGS = {"moments": MOMENTS, "stride": STRIDE, "shown": SHOWN, "edge": EDGE}


def jobs():
    """Return (kind, bits, mixture) of all runs of a seed; the grid, where modes are lost, comes first."""
    return [(*kind, mixture) for mixture in ("grid", "ring") for kind in KINDS]


def moments(steps):
    """Return the steps to look at, from 0 to the last, with distances that grow evenly: most happens early."""
    shares = np.linspace(0, 1, MOMENTS) ** 2
    return (STRIDE * np.round(shares * steps / STRIDE)).astype(int).tolist()


def to_bytes(points):
    """Return points as 8-bit integers, EDGE as 127."""
    return np.round(np.clip(points, -EDGE, EDGE) * (127 / EDGE)).astype("int8")


def look(gan, mixture):
    """Return what a GAN covers, counted as in `mixtures`, and some of the counted points; the latents are the same."""
    generated = mixtures.sample(gan)
    found = mixtures.coverage(generated, mixture)
    return {"modes": found["modes"], "high_quality": found["high_quality"], "points": to_bytes(generated[:SHOWN])}


def columns(looks):
    """Return name → list of one value a moment, as JSON can hold them."""
    return {name: [np.asarray(one[name]).tolist() for one in looks] for name in looks[0]}


def log_of(name, bits, mixture):
    """Return the log of the finished runs of one kind on one set; it is not committed."""
    path = training.RUNS / NAME / f"{name}, {mixture}{', bits' * bits}.jsonl"
    return record.Log(path, {**SETTINGS, **mixtures.COMMON, **dataclasses.asdict(mixtures.kind_of(name, bits))})


def make(name, bits, mixture):
    """Train one GAN for each missing seed as `mixtures` does, and write each down when it is done."""
    key, log = dict(kind=name, bits=bits, mixture=mixture), log_of(name, bits, mixture)
    kind = mixtures.kind_of(name, bits)
    models = [kind.build(seed) for seed in SEEDS if log.find(**key, seed=seed) is None]
    looks, when = {gan.seed: [look(gan, mixture)] for gan in models}, moments(kind.steps)

    def watch(gan, step):
        """Look if it is time to."""
        if step in when:
            looks[gan.seed].append(look(gan, mixture))
        if step == kind.steps:
            log.add({"steps": when, **columns(looks[gan.seed])}, **key, seed=gan.seed)

    gans.train_scanned(models, mixtures.drawer(mixture), kind.steps, points=kind.steps // STRIDE, watch=watch)


def finished(job):
    """Return the runs of all seeds of a kind, or nothing as long as one is missing."""
    log = log_of(*job)
    runs = [log.find(**dict(zip(KEY, job, strict=True)), seed=seed) for seed in SEEDS]
    return runs if all(runs) else []


def write():
    """Write the numbers, and the points of all runs in the same order, of the kinds that are finished."""
    runs = [run for job in jobs() for run in finished(job)]
    np.savez_compressed(POINTS, points=np.array([run["points"] for run in runs], "int8"))
    record.write(NAME, settings=SETTINGS, runs=[{k: v for k, v in run.items() if k != "points"} for run in runs])


def main():
    """Make the runs that are missing and write the result."""
    for job in tqdm(jobs(), desc=NAME, unit="kind"):
        write()
        make(*job)
    write()


if __name__ == "__main__":
    main()
