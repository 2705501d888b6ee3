"""Train GANs in the plane as `experiments.mixtures` does, with what it leaves out: learning rates that fall to 0.

python -m experiments.fair_mixtures                  makes what is missing, then writes the result
python -m experiments.fair_mixtures WGAN-GP          makes that of some programs only
python -m experiments.fair_mixtures --rehearse R1    goes through everything in a few steps, and writes nothing

Kinds that need the same compiled program are trained side by side, see `experiments.stacked`. A run of 8,000 steps
takes 10 to 20 s of one CPU core. The program "RpGAN", 240 runs, was made on a GPU.
"""

import argparse
import dataclasses
import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record, training
from experiments.harness.stacked import Stack
from experiments.mixtures import BATCH, MIXTURES, SAMPLE_SEED, SAMPLES, TRAINING_POINTS
from helpers import claims, gans, metrics  # before keras: they select the JAX backend

NAME = "fair_mixtures"
EMA, STEPS = 0.999, 8_000
MARKS = 10  # how often a final run is measured on its way
STRETCH = 20  # steps of one compiled loop
SPREAD = np.sqrt((1 - 5.5 * np.exp(-4.5)) / (1 - np.exp(-4.5)))  # of the target's own points, cut at 3
COMMON = {
    "batch": BATCH,
    "training_points": TRAINING_POINTS,
    "samples": SAMPLES,
    "sample_seed": SAMPLE_SEED,
    "ema": EMA,
    "steps": STEPS,
}
PENALTIES = {"": {}, "R1": {"r1": 1.0}, "R1 + R2": {"r1": 1.0, "r2": 1.0}, "gradient": {"gradient_penalty": 1.0}}
FIELDS = ("modes", "high_quality", "reverse_kl", "spread")


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way to train, but for whether the learning rate falls."""

    loss: str
    tries: tuple  # pairs (strength of the penalty, learning rate); one alone is taken without tuning
    penalty: str = ""  # a key of PENALTIES
    fade: float = 1.0  # the penalty's strength at the end over that at the start
    networks: dict = dataclasses.field(default_factory=dict)


def rates(strength):
    """Return three tries that differ in the learning rate."""
    return tuple((strength, rate) for rate in (5e-4, 1e-3, 2e-3))


# Three learning rates at the middle strength, and two more strengths at the middle rate.
AROUND = ((0.1, 3e-4), (0.1, 1e-3), (0.1, 3e-3), (1.0, 1e-3), (0.01, 1e-3))
SEES = {"frequencies": (1, 2)}
KINDS = {
    "non-saturating": Kind("non_saturating", rates(0.0)),
    "R1": Kind("non_saturating", rates(0.1), "R1"),
    "RpGAN + R1 + R2": Kind("relativistic", AROUND, "R1 + R2"),
    "fading penalty": Kind("relativistic", AROUND, "R1 + R2", fade=0.01),
    "Fourier features": Kind("relativistic", ((0.01, 1e-3),), "R1 + R2", networks=SEES),  # as tuned without them
    "WGAN-GP, factor 0.1": Kind("wasserstein", ((0.1, 1e-3),), "gradient"),
}


@dataclasses.dataclass(frozen=True)
class Program:
    """Kinds that one compiled program trains side by side; the others share the first one's networks and penalty."""

    kinds: tuple
    courses: tuple = (True,)  # whether the rate falls to 0, along half a cosine
    mixtures: tuple = ("grid",)
    seeds: tuple = (0, 1, 2, 3, 4)
    tuning_seeds: tuple = (100, 101)
    doubled: bool = False  # whether the final runs are made with twice the steps, too

    @property
    def kind(self):
        """The first kind."""
        return self.of(self.kinds[0])

    @property
    def points(self):
        """Real points of a step."""
        return BATCH

    def of(self, name):
        """Return a kind by its name."""
        return KINDS[name]

    @property
    def games(self):
        """The losses that occur."""
        return tuple(dict.fromkeys(self.of(name).loss for name in self.kinds))

    def build(self, seed):
        """Return the compiled, untrained GAN of a seed."""
        keras.utils.set_random_seed(seed)
        gan = Game(*gans.point_networks(**self.kind.networks), self.games, seed=seed)
        adams = [keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        gan.compile(*adams, ema=EMA, **PENALTIES[self.kind.penalty])
        return gan

    def tuning(self):
        """Return the copies of all tries; none where no kind has two."""
        return [
            Copy(name, mixture, seed, falling, strength, rate)
            for name in self.kinds
            for mixture in self.mixtures
            for seed in self.tuning_seeds
            for falling in self.courses
            for strength, rate in self.of(name).tries
            if len(self.of(name).tries) > 1
        ]

    def final(self, chosen):
        """Return the copies of the final runs, at the settings `chosen`: (kind, falling) → (strength, rate)."""
        return [
            Copy(name, mixture, seed, falling, *chosen[name, falling])
            for name, falling in chosen
            for mixture in self.mixtures
            for seed in self.seeds
        ]


@dataclasses.dataclass(frozen=True)
class Copy:
    """One GAN of a stack."""

    kind: str
    mixture: str
    seed: int
    falling: bool
    strength: float
    rate: float


TEN = {"seeds": tuple(range(10)), "mixtures": ("ring", "grid"), "courses": (False, True)}
PROGRAMS = {
    "RpGAN": Program(("RpGAN + R1 + R2", "fading penalty"), doubled=True, **TEN),
    "WGAN-GP": Program(("WGAN-GP, factor 0.1",), courses=(False,)),
    "non-saturating": Program(("non-saturating",)),
    "R1": Program(("R1",)),
    "Fourier": Program(("Fourier features",), courses=(False,), seeds=(0, 1, 2)),
}


class Game(gans.GAN):
    """A GAN that gets its game and its penalty's strength with each batch, so that one program serves many kinds.

    Parameters
    ----------
    generator, discriminator : keras.Model
        As for `gans.GAN`.
    games : tuple of str
        Keys of `gans.LOSSES`; a number that comes with the batch says which is played.
    **kwargs
        As for `gans.GAN`.
    """

    def __init__(self, generator, discriminator, games, **kwargs):
        super().__init__(generator, discriminator, **kwargs)
        self.games = games

    def train_step(self, state, data):
        """Run a step as any GAN, with the batch's game and strength."""
        real, game, self.strength = data
        losses = zip(*(gans.LOSSES[name] for name in self.games), strict=True)
        self.game = gans.AdversarialLoss(*(functools.partial(jax.lax.switch, game, list(each)) for each in losses))
        return super().train_step(state, real)

    def _penalty(self, values, score, real, fake, between):
        """Return the penalty, which was compiled with strength 1, times the batch's strength."""
        return self.strength * super()._penalty(values, score, real, fake, between)


@functools.cache
def training_points():
    """Return the training points of both mixtures (2, 100,000, 2), which all seeds share."""
    return np.asarray([each.sample(TRAINING_POINTS, np.random.default_rng(0)) for each in MIXTURES.values()], "float32")


class Games(Stack):
    """The copies of a program, trained side by side; what was compiled for one set of copies serves the next."""

    def __init__(self, program):
        self.program, self.seeds = program, (*program.tuning_seeds, *program.seeds)
        super().__init__([program.build(seed) for seed in self.seeds])
        self.untrained, self.stretch = self.states, jax.jit(self._stretch)
        self.data = jnp.asarray(training_points())
        self.latents = keras.random.normal((SAMPLES, self.model.latent_dim), seed=SAMPLE_SEED)

    def train(self, copies, steps, stops=(), watch=None, title=""):
        """Train a list of `Copy` anew; call ``watch(step)`` after those of the steps that are in `stops`."""
        index = jnp.array([self.seeds.index(copy.seed) for copy in copies])
        self.states = jax.tree.map(lambda array: array[index], self.untrained)
        numbers = {
            "seed": [copy.seed for copy in copies],
            "mixture": [list(MIXTURES).index(copy.mixture) for copy in copies],
            "game": [self.program.games.index(self.program.of(copy.kind).loss) for copy in copies],
            "rate": [copy.rate for copy in copies],
            "falling": [float(copy.falling) for copy in copies],
            "strength": [copy.strength for copy in copies],
            "fade": [self.program.of(copy.kind).fade for copy in copies],
        }
        numbers = {name: jnp.asarray(values) for name, values in numbers.items()}
        for start in tqdm(range(0, steps, STRETCH), desc=title, mininterval=5, unit_scale=STRETCH):
            self.states = self.stretch(self.states, numbers, self.data, start, float(steps))
            if start + STRETCH in stops:
                watch(start + STRETCH)

    def _stretch(self, states, numbers, data, start, steps):
        """Make `STRETCH` steps of every copy; a pure function, to be compiled."""

        def one(state, copy):
            """Make the steps of one copy."""

            def step(state, number):
                """Make one step, at this step's learning rate and strength of the penalty."""
                part = number / steps
                factor = 1 - copy["falling"] * 0.5 * (1 - jnp.cos(jnp.pi * part))
                slots = list(state[2])
                for slot in self.rates:
                    slots[slot] = copy["rate"] * factor
                key = jax.random.fold_in(jax.random.key(copy["seed"]), number)
                rows = jax.random.randint(key, (self.program.points,), 0, TRAINING_POINTS)
                batch = (data[copy["mixture"], rows], copy["game"], copy["strength"] * copy["fade"] ** part)
                _, state = self.model.train_step((state[0], state[1], slots, state[3]), batch)
                return tuple(map(list, state)), None

            return jax.lax.scan(step, tuple(map(list, state)), start + jnp.arange(STRETCH))[0]

        if jax.default_backend() == "cpu":  # one after the other is faster there
            return jax.lax.map(lambda each: one(*each), (states, numbers))
        return jax.vmap(one)(states, numbers)

    def sample(self, average=False):
        """Return points of all copies (copies, 2,500, 2), those of the averaged generators on request."""
        return self.apply(self.model.ema_generator if average else self.model.generator, self.latents, block=SAMPLES)

    def measure(self, copies):
        """Return what the last and the averaged generator of each copy cover."""
        both = zip(copies, self.sample(), self.sample(average=True), strict=True)
        return [
            {**coverage(last, copy.mixture), "averaged": coverage(averaged, copy.mixture)}
            for copy, last, averaged in both
        ]


def coverage(generated, mixture):
    """Return how points cover a mixture; what is not defined without a high-quality point becomes None, for JSON."""
    if not np.isfinite(generated).all():  # a loss was no longer finite
        return {"modes": 0, "high_quality": 0.0, "reverse_kl": None, "spread": None}
    found = metrics.mode_coverage(generated, MIXTURES[mixture])
    return {name: None if np.isnan(value) else round(value, 4) for name, value in found.items()}


def score(found, mixture):
    """Return share of modes × share of high quality × how near the spread is to the true one: 1 at best."""
    if not found["modes"]:
        return 0.0
    ratio = found["spread"] / SPREAD
    return found["modes"] / len(MIXTURES[mixture].centers) * found["high_quality"] * min(ratio, 1 / ratio)


# --- The parts of a program ------------------------------------------------------------------------------------------


def log_of(title, folder=training.RUNS / NAME):
    """Return the log of the finished parts of a program; it is not committed."""
    program = PROGRAMS[title]
    kinds = {name: dataclasses.asdict(KINDS[name]) for name in program.kinds}
    path = folder / f"{title.replace(', ', '_')}.jsonl"
    return record.Log(path, {**COMMON, "program": dataclasses.asdict(program), "kinds": kinds})


def tune(games, log, steps):
    """Try each setting on the tuning seeds, and write down what it covers."""
    copies = games.program.tuning()
    games.train(copies, steps, title="tuning")
    rows = [
        {
            **dataclasses.asdict(copy),
            "last": round(score(found, copy.mixture), 4),
            "averaged": round(score(found["averaged"], copy.mixture), 4),
        }
        for copy, found in zip(copies, games.measure(copies), strict=True)
    ]
    log.add({"rows": rows}, part="tuning")


def choose(program, rows):
    """Return (kind, falling) → (strength, rate): the try with the best mean score over sets, seeds and generators."""

    def mean(name, falling, tried):
        """Return this mean."""
        key = (name, falling, *tried)
        found = [row for row in rows if (row["kind"], row["falling"], row["strength"], row["rate"]) == key]
        return np.mean([row[generator] for row in found for generator in ("last", "averaged")])

    def best(name, falling):
        """Return the best try."""
        tries = program.of(name).tries
        return max(tries, key=lambda tried: mean(name, falling, tried)) if len(tries) > 1 else tries[0]

    return {(name, falling): best(name, falling) for name in program.kinds for falling in program.courses}


def finish(games, log, steps, chosen):
    """Make the final runs and write them down: coverage, and its means on the way."""
    copies, curves = games.program.final(chosen), []
    marks = sorted({STRETCH * max(1, round(steps * (mark + 1) / MARKS / STRETCH)) for mark in range(MARKS)})
    games.train(copies, steps, marks, lambda step: curves.append(games.measure(copies)), title="final")
    curve = {"steps": marks, "each": [curve_of(*group, copies, curves) for group in groups(copies)]}
    log.add({"rows": rows(copies, curves[-1]), "curve": curve, "run": claims.run_record()}, part="final")


def rows(copies, found):
    """Return settings and coverage of the copies."""
    return [{**dataclasses.asdict(copy), **each} for copy, each in zip(copies, found, strict=True)]


def groups(copies):
    """Return (kind, falling, mixture) of the runs that differ in their seeds alone."""
    return dict.fromkeys((copy.kind, copy.falling, copy.mixture) for copy in copies)


def curve_of(kind, falling, mixture, copies, curves):
    """Return the means over the seeds at each mark of one group."""
    members = [
        i for i, copy in enumerate(copies) if (copy.kind, copy.falling, copy.mixture) == (kind, falling, mixture)
    ]
    means = {"kind": kind, "falling": falling, "mixture": mixture}
    for name in ("modes", "high_quality"):
        for generator in ("last", "averaged"):
            at_marks = [
                np.mean([(found[i]["averaged"] if generator == "averaged" else found[i])[name] for i in members])
                for found in curves
            ]
            means[f"{generator}_{name}"] = np.round(at_marks, 4).tolist()
    return means


def double(games, log, steps, chosen):
    """Make the final runs with twice the steps, to see whether they had converged."""
    copies = games.program.final(chosen)
    games.train(copies, 2 * steps, title="double")
    log.add({"rows": rows(copies, games.measure(copies)), "run": claims.run_record()}, part="double")


def make(program, log, steps=STEPS):
    """Make the missing parts of a program."""
    tuned = bool(program.tuning())
    wanted = ["tuning"] * tuned + ["final"] + ["double"] * program.doubled
    if all(log.find(part=part) for part in wanted):
        return
    games = Games(program)
    if tuned and not log.find(part="tuning"):
        tune(games, log, steps)
    chosen = choose(program, log.find(part="tuning")["rows"] if tuned else [])
    if not log.find(part="final"):
        finish(games, log, steps, chosen)
    if program.doubled and not log.find(part="double"):
        double(games, log, steps, chosen)


# --- The result ------------------------------------------------------------------------------------------------------


def found_in(part):
    """Return title → what is logged of a part."""
    return {title: found for title in PROGRAMS if (found := log_of(title).find(part=part))}


def chosen_settings():
    """Return the strength and learning rate of every kind's final runs."""
    tuned = found_in("tuning")
    return [
        {"kind": name, "falling": falling, "strength": strength, "rate": rate, "tries": len(KINDS[name].tries)}
        for title, program in PROGRAMS.items()
        if title in found_in("final")
        for (name, falling), (strength, rate) in choose(program, tuned.get(title, {"rows": []})["rows"]).items()
    ]


def settings():
    """Return all settings as JSON can hold them."""
    return {
        "kinds": {name: dataclasses.asdict(kind) for name, kind in KINDS.items()},
        "programs": {title: dataclasses.asdict(program) for title, program in PROGRAMS.items()},
        **COMMON,
    }


def write():
    """Write the result, of the parts that there are."""
    finals = found_in("final")
    record.write(
        NAME,
        settings=settings(),
        trained_on={title: found["run"] for title, found in finals.items()},
        chosen=chosen_settings(),
        tries=[row for found in found_in("tuning").values() for row in found["rows"]],
        curves=[
            {"steps": found["curve"]["steps"], **each} for found in finals.values() for each in found["curve"]["each"]
        ],
        runs=[row for found in finals.values() for row in found["rows"]],
        double=[row for found in found_in("double").values() for row in found["rows"]],
    )


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="*", help=f"all by default: {', '.join(PROGRAMS)}")
    parser.add_argument("--rehearse", action="store_true", help="a few steps, and nothing is written")
    arguments = parser.parse_args()
    if unknown := set(arguments.programs) - PROGRAMS.keys():
        parser.error(f"programs: got {', '.join(unknown)}, expected some of {', '.join(PROGRAMS)}")
    for title in arguments.programs or PROGRAMS:
        print(title, flush=True)
        if arguments.rehearse:
            with tempfile.TemporaryDirectory() as folder:
                make(PROGRAMS[title], log_of(title, Path(folder)), steps=2 * STRETCH)
        else:
            make(PROGRAMS[title], log_of(title))
    if not arguments.programs and not arguments.rehearse:
        write()


if __name__ == "__main__":
    main()
