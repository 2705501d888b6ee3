"""Train what `experiments.fair_mixtures` leaves out, such as fair packing, critic steps, random bits, matched features.

python -m experiments.mixture_remedies                       makes the runs that are missing, then writes the result
python -m experiments.mixture_remedies --only "R1, constant"  makes those of some units only, as one process per core
python -m experiments.mixture_remedies --write               writes the units that are complete beside those written
python -m experiments.mixture_remedies --rehearse            goes through every unit in a few steps, and writes nothing

A unit is a kind at a constant or a falling learning rate: its tries on the tuning seeds, then its final runs. Units do
not need each other. Each run is logged as soon as it ends, so that a killed process loses the run in hand alone.
Networks, judging, seeds and the choice among the tries are those of `experiments.fair_mixtures`; all is on the grid.
"""

import argparse
import dataclasses
import functools
import json
import re
import tempfile
import time
from pathlib import Path

import jax
import keras
import numpy as np
from tqdm import tqdm

from experiments import fair_mixtures
from experiments.fair_mixtures import AROUND, COMMON, EMA, FIELDS, MARKS, PENALTIES, STEPS, STRETCH, Copy, rates
from experiments.harness import record, training
from experiments.mixtures import BATCH, BITS
from helpers import claims, gans  # before keras: they select the JAX backend

NAME = "mixture_remedies"
FOLDER = training.RUNS / NAME
COURSES = {"constant": False, "falling": True}
PARTS = ("chosen", "tries", "curves", "runs")  # of the result, each a list of rows
CRITIC = 5  # steps of D for one of G in the paper on WGAN-GP
GROUP = 4  # points over which D sees a standard deviation, as many as images in the code of progressive growing


@dataclasses.dataclass(frozen=True)
class Kind(fair_mixtures.Kind):
    """One way to train, with what the kinds of `experiments.fair_mixtures` have in common."""

    batch: int = BATCH  # real points, and as many fakes, of a step of D
    critic: int = 1  # steps of D for one of G
    steps: int = STEPS  # of G
    ema: float = EMA
    matches: bool = False  # G matches the means of D's last hidden features, in place of its loss


PACKED = {"batch": 2 * BATCH, "networks": {"pack": 2}}  # 128 packs: as many judgements as of the plain game
# As many steps of D as all others, hence fewer of G; the average reaches back over as many steps of D, too.
CRITICS = {"critic": CRITIC, "steps": STEPS // CRITIC, "ema": EMA**CRITIC}
# What did best at the largest of the rates in `experiments.mixtures`, or moves G less often, gets larger ones.
HIGH = ((0.0, 1e-3), (0.0, 2e-3), (0.0, 4e-3))
HIGH_CRITIC = tuple((0.1, rate) for _, rate in HIGH)
LOW = ((0.0, 1.5e-4), (0.0, 3e-4), (0.0, 6e-4))  # spectral normalisation did best at 3e-4
KINDS = {
    "packing": Kind("non_saturating", HIGH, **PACKED),
    "non-saturating, 256 points": Kind("non_saturating", rates(0.0), batch=2 * BATCH),  # what packing's points do alone
    "WGAN-GP, factor 0.1": Kind("wasserstein", rates(0.1), "gradient"),
    "WGAN-GP, five critic steps": Kind("wasserstein", HIGH_CRITIC, "gradient", **CRITICS),
    "WGAN-GP, five times the steps": Kind("wasserstein", rates(0.1), "gradient", critic=CRITIC),
    "non-saturating": Kind("non_saturating", rates(0.0)),
    "minimax": Kind("minimax", rates(0.0)),
    "hinge": Kind("hinge", rates(0.0)),
    "spectral": Kind("hinge", LOW, networks={"spectral": True}),
    "R1": Kind("non_saturating", rates(0.1), "R1"),
    "non-saturating, bits": Kind("non_saturating", rates(0.0), networks=BITS),
    "R1, bits": Kind("non_saturating", rates(0.1), "R1", networks=BITS),
    "RpGAN + R1 + R2, bits": Kind("relativistic", AROUND, "R1 + R2", networks=BITS),
    "Fourier features": Kind("relativistic", AROUND, "R1 + R2", networks=fair_mixtures.SEES),
    "minibatch standard deviation": Kind("non_saturating", rates(0.0), networks={"group": GROUP}),
    "minibatch standard deviation, 128 points": Kind("non_saturating", rates(0.0), networks={"group": BATCH}),
    "feature matching": Kind("non_saturating", rates(0.0), matches=True),
}
# The falling rate of the non-saturating game and of R1 is in `experiments.fair_mixtures`, and so is RpGAN without bits.
LEFT_OUT = {("non-saturating", "falling"), ("R1", "falling"), ("WGAN-GP, five times the steps", "constant")}
UNITS = {
    f"{name}, {course}": (name, falling)
    for name in KINDS
    for course, falling in COURSES.items()
    if (name, course) not in LEFT_OUT
}


@dataclasses.dataclass(frozen=True)
class Program(fair_mixtures.Program):
    """What one unit trains."""

    @property
    def points(self):
        """Real points of a step of G and the steps of D before it."""
        return self.kind.batch * self.kind.critic

    def of(self, name):
        """Return a kind by its name."""
        return KINDS[name]

    def build(self, seed):
        """Return the compiled, untrained GAN of a seed."""
        keras.utils.set_random_seed(seed)
        networks = gans.point_networks(**self.kind.networks)
        game = MatchingGame if self.kind.matches else CriticGame
        gan = game(*networks, self.games, critic=self.kind.critic, seed=seed)
        adams = [keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        gan.compile(*adams, ema=self.kind.ema, **PENALTIES[self.kind.penalty])
        return gan


class CriticGame(fair_mixtures.Game):
    """A game in which D makes several steps for one of G, each on real points and latents of its own.

    Parameters
    ----------
    generator, discriminator, games
        As for `experiments.fair_mixtures.Game`.
    critic : int, default=1
        Steps of D for one of G; the batch of a step of G holds the points of all of them.
    **kwargs
        As for `gans.GAN`.
    """

    def __init__(self, generator, discriminator, games, critic=1, **kwargs):
        super().__init__(generator, discriminator, games, **kwargs)
        self.critic = critic

    def _train_discriminator(self, values, real):
        """Move D, a step for each part of the batch."""
        for part in real.reshape(self.critic, -1, *real.shape[1:]):
            seen = super()._train_discriminator(values, part)
        return seen

    def _train_generator(self, values, real):
        """Move G one step, on as many latents as a step of D has."""
        return super()._train_generator(values, real[-(len(real) // self.critic) :])


class MatchingGame(CriticGame):
    """A game in which G matches the means of D's last hidden features, while D plays as before."""

    @functools.cached_property
    def features(self):
        """D without its last layer: its weights are D's."""
        return keras.Model(self.discriminator.inputs[0], self.discriminator.layers[-1].input)

    def _train_generator(self, values, real):
        """Move G one step towards the features of the batch that D has just been trained on."""
        latents, (goal, _) = self._latents(values, len(real)), values.call(self.features, real)

        def loss(weights):
            """Return the distance of the means twice, once to be logged."""
            fake, _ = values.call(self.generator, latents, weights)
            found, _ = values.call(self.features, fake)
            value = gans.feature_matching_loss(goal, found)
            return value, value

        return values.descend(self.generator, self.generator_optimizer, loss)


# --- The runs of a unit ----------------------------------------------------------------------------------------------


def program_of(title):
    """Return the program of a unit."""
    name, falling = UNITS[title]
    return Program((name,), courses=(falling,))


@functools.cache
def games_of(name):
    """Return the untrained copies of a kind: both units of a kind use what was compiled for the first."""
    return fair_mixtures.Games(Program((name,)))


def log_of(title, folder=FOLDER):
    """Return the log of the finished runs of a unit; it is not committed."""
    program = program_of(title)
    settings = {**COMMON, "program": dataclasses.asdict(program), "kind": dataclasses.asdict(program.kind)}
    plain = re.sub(r"\W+", "_", title)  # a file name of letters, digits and _ alone, good on every system
    return record.Log(folder / f"{plain}.jsonl", settings)


def make(title, log, steps=None):
    """Make the missing runs of a unit: first the tries, then, at the best of them, the final runs."""
    program = program_of(title)
    steps = steps or program.kind.steps
    train("tuning", title, program.tuning(), log, steps)
    train("final", title, program.final(fair_mixtures.choose(program, scores(log))), log, steps)


def train(part, title, copies, log, steps):
    """Make the missing runs of a part and write each down; on a CPU one by one, so that a kill loses one alone."""
    copies = [copy for copy in copies if not log.find(part=part, **dataclasses.asdict(copy))]
    size = 1 if jax.default_backend() == "cpu" else max(1, len(copies))
    for start in tqdm(range(0, len(copies), size), desc=f"{title}, {part}", unit="run"):
        some = copies[start : start + size]
        for copy, measured in zip(some, run(some, steps), strict=True):
            log.add(measured, part=part, **dataclasses.asdict(copy))


def run(copies, steps):
    """Train copies of one kind; return for each what it covers, at the end and on the way, and the conditions."""
    games, start, found = games_of(copies[0].kind), time.perf_counter(), []
    marks = sorted({STRETCH * max(1, round(steps * (mark + 1) / MARKS / STRETCH)) for mark in range(MARKS)})
    games.train(copies, steps, marks, lambda step: found.append(games.measure(copies)))
    conditions = {"seconds": round(time.perf_counter() - start, 1), "run": claims.run_record()}
    return [{**each[-1], "curve": curve_of(marks, each), **conditions} for each in zip(*found, strict=True)]


def curve_of(marks, found):
    """Return steps and coverage of one run at each mark."""
    curve = {"steps": marks}
    for name in ("modes", "high_quality"):
        curve[f"last_{name}"] = [each[name] for each in found]
        curve[f"averaged_{name}"] = [each["averaged"][name] for each in found]
    return curve


def scores(log):
    """Return the tries of a unit: the scores of their last and averaged generators, and what these cover."""
    fields = [field.name for field in dataclasses.fields(Copy)]
    return [
        {
            **{name: row[name] for name in fields},
            "last": round(fair_mixtures.score(row, row["mixture"]), 4),
            "averaged": round(fair_mixtures.score(row["averaged"], row["mixture"]), 4),
            "coverage": {"last": {name: row[name] for name in FIELDS}, "averaged": row["averaged"]},
        }
        for row in log.runs
        if row["part"] == "tuning"
    ]


# --- The result ------------------------------------------------------------------------------------------------------


def finals(title):
    """Return the final runs of a unit in the order of their seeds; none, unless the unit is complete."""
    log, program = log_of(title), program_of(title)
    tries = scores(log)
    if len(tries) < len(program.tuning()):
        return []
    copies = program.final(fair_mixtures.choose(program, tries))
    found = [log.find(part="final", **dataclasses.asdict(copy)) for copy in copies]
    return found if all(found) else []


def row_of(found):
    """Return settings and coverage of a final run."""
    names = [field.name for field in dataclasses.fields(Copy)] + [*FIELDS, "averaged", "seconds"]
    return {name: found[name] for name in names}


def mean_curve(found):
    """Return the means over the seeds of a unit at each mark."""
    curves, one = [each["curve"] for each in found], found[0]
    means = {
        name: np.round(np.mean([curve[name] for curve in curves], axis=0), 4).tolist()
        for name in curves[0]
        if name != "steps"
    }
    return {"steps": curves[0]["steps"], **{name: one[name] for name in ("kind", "falling", "mixture")}, **means}


def made_on(title):
    """Return the devices and versions of a unit's runs, each pair once: some units were made on two machines."""
    found = []
    for row in log_of(title).runs:
        made = {name: row["run"][name] for name in ("device", "versions")}
        if made not in found:
            found.append(made)
    return found


def chosen(title, found):
    """Return the setting of a unit's final runs."""
    setting = {name: found[0][name] for name in ("kind", "falling", "strength", "rate")}
    return {**setting, "tries": len(program_of(title).kind.tries)}


def settings(titles=tuple(UNITS)):
    """Return all settings as JSON can hold them."""
    names = dict.fromkeys(UNITS[title][0] for title in titles)
    units = {title: dataclasses.asdict(program_of(title)) for title in titles}
    return {"kinds": {name: dataclasses.asdict(KINDS[name]) for name in names}, "units": units, **COMMON}


def part_of(title):
    """Return what the result holds of a unit; nothing, unless the unit is complete."""
    if not (found := finals(title)):
        return {}
    rows = {"chosen": [chosen(title, found)], "tries": scores(log_of(title)), "curves": [mean_curve(found)]}
    return {**rows, "runs": [row_of(run) for run in found], "trained_on": made_on(title)}


def written(title):
    """Return the same from the last result, which holds units whose logs are gone; nothing of other settings."""
    name, falling = UNITS[title]
    old = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {"trained_on": {}}
    if title not in old["trained_on"] or not is_today(old["settings"], name):
        return {}
    rows = {part: [row for row in old[part] if (row["kind"], row["falling"]) == (name, falling)] for part in PARTS}
    return {**rows, "trained_on": old["trained_on"][title]}


def is_today(old, name):
    """Return whether a kind was trained with the settings of today; settings that came later had their default."""
    new = json.loads(json.dumps({**COMMON, **dataclasses.asdict(KINDS[name])}))
    return all(new[key] == value for key, value in {**{key: old[key] for key in COMMON}, **old["kinds"][name]}.items())


def write():
    """Write the result, of the units that are complete and of those that it holds already."""
    done = {title: part for title in UNITS if (part := part_of(title) or written(title))}
    rows = {name: [row for part in done.values() for row in part[name]] for name in PARTS}
    trained_on = {title: part["trained_on"] for title, part in done.items()}
    record.write(NAME, settings=settings(tuple(done)), trained_on=trained_on, **rows)
    print("complete:", *done, "missing:", *(UNITS.keys() - done.keys()), sep="\n  ")


def rehearse(titles):
    """Go through units in a few steps and write nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for title in titles:
            make(title, log_of(title, Path(folder)), steps=2 * STRETCH)


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="UNIT", help=f"some of: {'; '.join(UNITS)}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the finished runs are logged")
    parser.add_argument("--write", action="store_true", help="write the result, and train nothing")
    parser.add_argument("--rehearse", action="store_true", help="a few steps, and nothing is written")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - UNITS.keys():
        parser.error(f"--only: got {'; '.join(unknown)}, expected some of {'; '.join(UNITS)}")
    if arguments.rehearse:
        rehearse(arguments.only or UNITS)
        return
    for title in () if arguments.write else arguments.only or UNITS:
        make(title, log_of(title, arguments.folder))
    if arguments.write or not arguments.only:
        write()


if __name__ == "__main__":
    main()
