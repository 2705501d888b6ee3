"""Make the runs behind stored comparisons again, half or twice as long, all else being equal.

python -m experiments.lengths                      makes what is missing of all parts, and writes the result
python -m experiments.lengths connections          one part only
python -m experiments.lengths connections --runs 1 stops after so many new runs; the same command goes on from there

A learning rate that falls is spread over the new length, so that each is a whole run of that length and not a piece
of the longer one. Settings are those that the other experiments chose, and so are the seeds. Every run is measured
once, as there.

- `connections`: all five models for half of the steps that their minute held: half of the time on that machine.
- `code_distributions`: all five kinds for half of the epochs.
- `variants`: the networks of 32 or 8 units for half of the epochs whose run was measured.
- `falling`, `constant`: methods on the grid of 25 modes for half of the steps, at the one course of the rate or the
  other, each with the strength and the rate that were chosen for the whole length; `falling_twice`, `constant_twice`:
  the same for twice the steps.
- `few_labels`: classifiers and supervised autoencoders with 100 and with 1,000 labels, and the plain form with 100 at
  its chosen weights, for half of the steps; the last fifth of 100 labels chooses the strength anew.
- `discrete_codes`: three codebooks for half of the epochs, and a prior over the tokens of the one that has a prior.
- `widths`: autoencoders of three widths for two epochs in place of five, measured on validation digits as there.
"""

import argparse
import dataclasses
import functools
import tempfile
from pathlib import Path

import jax
import keras
import numpy as np

from experiments import (
    code_distributions,
    connections,
    discrete_codes,
    fair_mixtures,
    mixture_remedies,
    sizes,
    supervised_long,
    variants,
)
from experiments.harness import record, training
from helpers import datasets, metrics

NAME = "lengths"
SMALL = ("one layer", "two layers, 8", "tied")  # of the variants
# Of the methods on the grid, those that are compared with one another at one course of the rate or at both.
BOTH = ("packing", "WGAN-GP, factor 0.1", "non-saturating", "RpGAN + R1 + R2", "RpGAN + R1 + R2, bits")
BOTH += ("feature matching",)
MIXTURES = {
    "falling": (
        *BOTH,
        "non-saturating, 256 points",
        "WGAN-GP, five critic steps",
        "R1",
        "non-saturating, bits",
        "R1, bits",
        "minibatch standard deviation",
        "minibatch standard deviation, 128 points",
        "WGAN-GP, five times the steps",
    ),
    "constant": (*BOTH, "Fourier features"),
}
UNTUNED = {("WGAN-GP, factor 0.1", False): (0.1, 1e-3)}  # the row that the score did not choose, in place of its choice


def rounded(value, digits=5):
    """Return a number, or all numbers of a dictionary or list, with so many significant digits."""
    if isinstance(value, dict):
        return {name: rounded(one, digits) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one, digits) for one in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


# --- connections, for half of the steps ------------------------------------------------------------------------------


class Counted(connections.Timed):
    """A training of as many steps as are asked for, at a rate that falls with the share of them that is made."""

    def train(self, steps):
        """Make all steps; write what was learned into the model."""
        while self.steps < steps:
            factor = np.float32(0.5 + 0.5 * np.cos(np.pi * self.steps / steps))
            for _ in range(10):
                epoch, index = divmod(self.steps, len(self.batches))
                if index == 0:
                    self.batches.set_epoch(epoch)
                self.state, _ = self.step(self.state, factor, self.batches[index])
                self.steps += 1
        jax.block_until_ready(self.state)
        connections.Values(self.model, self.state).assign()


def connect(run, mnist):
    """Train a model of `connections` for half of a stored run's steps; return what the page compares."""
    name, seed = run["model"], run["seed"]
    keras.utils.set_random_seed(seed)
    kind = connections.KINDS[name]
    model = kind.build(seed, **run["settings"])
    steps = round(run["steps"] / 20) * 10
    Counted(model, kind.batches(mnist.train_images, seed), None).train(steps)
    decoder, real = kind.decoder(model), metrics.features(mnist.test_images)
    ways = connections.origins(kind, model, mnist)
    found = {
        way: connections.compare(connections.samples(decoder, *how), mnist.test_images, real)
        for way, how in ways.items()
    }
    if name != "gan":
        found |= connections.measure_encoder(kind, model, decoder, mnist, real)
    return {"model": name, "seed": seed, "steps": steps, **found}


def connection_jobs():
    """Return the jobs of this part, by name."""
    mnist = functools.cache(datasets.load_mnist)
    return {
        f"{run['model']} {run['seed']}": lambda run=run: [connect(run, mnist())]
        for run in record.read("connections")["runs"]
    }


# --- Distributions of codes, for half of the epochs ------------------------------------------------------------------


def distribution_jobs(**changes):
    """Return the jobs of this part, by name: both kinds that are sampled, or the other weights, with one seed."""
    stored = record.read("code_distributions")
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in stored["settings"].items()}
    settings = code_distributions.Settings(**settings | {"epochs": settings["epochs"] // 2} | changes)

    @functools.cache
    def study():
        """Return the study, which keeps no log and stores no images or weights."""
        made = code_distributions.Study(settings)
        made.redraw = made.store = lambda stack: None
        return made

    def slim(run):
        """Return a run without what no page compares; of the latents' divergences the sum."""
        kept = {name: value for name, value in run.items() if name not in ("rate", "curve", "kl", "active")}
        return kept | ({"nats_of_code": float(np.sum(run["kl"]))} if "kl" in run else {})

    def job(kind, seed):
        """Return a job that makes the runs of one stack."""
        return lambda: [slim(run) for run in getattr(study(), kind)(stored["tuning"], seed)]

    return {f"{kind} {seed}": job(kind, seed) for kind in ("pair", "weights") for seed in settings.seeds}


# --- Variants, for half of the epochs --------------------------------------------------------------------------------


def variant_jobs(digits=None, shorter=2):
    """Return the jobs of this part, by name: all seeds of one kind."""
    digits = functools.cache(digits or variants.Digits.load)
    stored = record.read("variants")["kinds"]

    def job(kind):
        """Return a job that trains and measures all seeds of a kind."""
        (choice,) = (run for run in stored[kind] if run["best"])
        (group,) = (group for group in variants.GROUPS.values() if kind in group.kinds)

        def make():
            """Train and measure them."""
            trainer = variants.Trainer(group, digits())
            copies = [variants.Copy(kind, choice["setting"], choice["rate"], seed) for seed in variants.SEEDS]
            epochs = choice["epochs"] // shorter
            trainer.run(copies, epochs, kind)
            measured, jobs = [], []
            for seed in variants.SEEDS:
                networks = trainer.networks_with(trainer.weights(seed))
                encode, decode = map(variants.coder, networks[:2])
                measured.append(variants.measure(encode, decode, trainer.digits))
                jobs += variants.test_jobs(encode, trainer.digits, seed, choice["probe"])
            found = [variants.probe_accuracy(*one) for one in jobs]
            return [{"kind": kind, "epochs": epochs, "seeds": measured, "accuracies": variants.by_labels(found)}]

        return make

    return {kind: job(kind) for kind in SMALL}


# --- Methods on the grid, for half and for twice of the steps ---------------------------------------------------------


def mixture_jobs(course, factor):
    """Return the jobs of this part, by name: all seeds of one kind, for so many times its steps."""
    return {kind: lambda kind=kind: cover(kind, course == "falling", factor) for kind in MIXTURES[course]}


def cover(kind, falling, factor):
    """Train all seeds of a kind on the grid; return what they cover, each measure a list of one number a seed."""
    experiment = mixture_remedies if kind in mixture_remedies.KINDS else fair_mixtures
    program = experiment.Program((kind,), courses=(falling,))
    copies = program.final({(kind, falling): chosen(kind, falling)})
    games = fair_mixtures.Games(program)
    games.train(copies, round(factor * getattr(program.kind, "steps", fair_mixtures.STEPS)), title=kind)
    rows = [measures(found) for found in games.measure(copies)]
    return [{"kind": kind, **{name: [row[name] for row in rows] for name in rows[0]}}]


def measures(found):
    """Return modes and points of high quality of the last and the averaged generator, and the mean of their scores."""
    both = {"": found, "averaged_": found["averaged"]}
    shares = {prefix + name: each[name] for prefix, each in both.items() for name in ("modes", "high_quality")}
    scores = [fair_mixtures.score(each, "grid") for each in both.values()]
    return {**shares, "reverse_kl": found["reverse_kl"], "score": float(np.mean(scores))}


def chosen(kind, falling):
    """Return the strength of the penalty and the rate of a kind's stored runs."""
    stored = [row for name in ("mixture_remedies", "fair_mixtures") for row in record.read(name)["chosen"]]
    found = next(row for row in stored if (row["kind"], row["falling"]) == (kind, falling))
    return UNTUNED.get((kind, falling), (found["strength"], found["rate"]))


# --- Few labels, for half of the steps -------------------------------------------------------------------------------


def few_label_jobs():
    """Return the jobs of this part, by name: all strengths and seeds of one way to learn."""
    stored, plan = record.read("supervised_long"), supervised_long.Plan()

    def select(labels, way):
        """Return the runs with few labels: settings as tuned, every strength."""
        found, seeds = stored["few"][str(labels)][way], plan.seeds if labels == 100 else plan.all_seeds
        pair = {name: found[name] for name in ("weight_decay", "rate")}
        made = functools.partial(supervised_long.run, "few select", "few", labels, way)
        return [
            made(strength, seed, plan.few_lengths[1] // 2) | pair for strength in found["strengths"] for seed in seeds
        ]

    def plain(way):
        """Return the runs of the plain form, at the chosen weight."""
        part, strength = "plain" if way == "unlabelled" else "plain labelled", stored["plain"][way]["chosen"]
        made = functools.partial(supervised_long.run, "plain", part, 100, way, strength)
        return [made(seed, epochs=plan.plain_lengths[0] // 2) for seed in plan.plain_seeds]

    jobs = {f"{labels} {way}": select(labels, way) for labels in (100, 1_000) for way in supervised_long.WAYS}
    jobs |= {f"plain {way}": plain(way) for way in supervised_long.WAYS}
    return {name: lambda name=name, runs=runs: [learn(name, plan, runs)] for name, runs in jobs.items()}


def learn(name, plan, runs):
    """Train one way to learn; return test accuracies in per cent at the selected and at the first strength, by seed."""
    copies = supervised_long.Copies(runs[0]["part"], plan, 5)
    with tempfile.TemporaryDirectory() as folder:
        made = copies.train(runs, supervised_long.Runs(Path(folder) / "log.jsonl", plan))
    seeds = dict.fromkeys(run["seed"] for run in runs)
    by_seed = [[run for run in made if run["seed"] == seed] for seed in seeds]
    selected = [min(group, key=lambda run: run["held_out_cross_entropy"]) for group in by_seed]
    first = [group[0] for group in by_seed]
    accuracies = {
        key: [100 * run["test_accuracy"] for run in some] for key, some in (("selected", selected), ("first", first))
    }
    return {"way": name, "steps": runs[0]["epochs"] * plan.steps, **accuracies}


# --- Codebooks and their priors, for half of the epochs --------------------------------------------------------------


def codebook_jobs():
    """Return the jobs of this part, by name: one network each, with its prior where there is one."""
    emoji = functools.cache(datasets.load_emoji)
    stored = record.read("discrete_codes")
    runs = [run for run in stored["runs"] if run["form"] in ("loss", "restart", "unit")]
    priors = {(prior["form"], prior["seed"]): prior["settings"] for prior in stored["priors"]}

    def job(form, seed, rate):
        """Return a job that trains and measures one network."""

        def make():
            """Train and measure it."""
            epochs = discrete_codes.RECIPE["epochs"] // 2
            codes, _ = discrete_codes.train_codes(form, rate, seed, epochs, emoji())
            found = {"form": form, "seed": seed, **code_measures(codes, emoji())}
            if settings := priors.get((form, seed)):
                found |= prior_measures(codes, settings | {"epochs": settings["epochs"] // 2}, seed, emoji())
            keras.backend.clear_session()
            jax.clear_caches()
            return [found]

        return make

    return {f"{run['form']} {run['seed']}": job(run["form"], run["seed"], run["rate"]) for run in runs}


def code_measures(codes, emoji):
    """Return squared error, codes in use, and bits by the token before, on the test images."""
    images = [discrete_codes.images_of(part)[0] for part in (emoji.train, emoji.validation, emoji.test)]
    bits = discrete_codes.counted_bits(*(discrete_codes.flat(codes.tokens(part)) for part in images))
    found = codes.measure(images[-1])
    return {"sse": found["sse"], "used": found["used"], "bits": bits["token before"]}


def prior_measures(codes, settings, seed, emoji):
    """Train a prior; return its bits on the test images, with their labels and with other ones."""
    network, _ = discrete_codes.train_prior(codes, settings, seed, emoji)
    images, labels = discrete_codes.images_of(emoji.test)
    others = {"prior": labels, "other_labels": np.random.default_rng(seed).permutation(labels)}
    tokens = discrete_codes.flat(codes.tokens(images))
    return {name: float(discrete_codes.bits(network, tokens, these).mean()) for name, these in others.items()}


# --- Widths, for two epochs of five ----------------------------------------------------------------------------------


def width_jobs():
    """Return the jobs of this part, by name: all seeds of one width."""
    mnist = functools.cache(datasets.load_mnist)
    where = {"code": sizes.CODE, "depth": sizes.DEPTH}
    stored = [run for run in record.read("sizes")["autoencoders"] if where.items() <= run.items()]

    def make(width):
        """Train and measure all seeds."""
        found = []
        for run in (run for run in stored if run["width"] == width):
            how = sizes.recipe(*where.values(), width, run["rate"])
            how = dataclasses.replace(how, epochs=how.epochs // 2)
            measured = sizes.train_autoencoder(how, run["seed"], mnist())
            found.append({"width": width, "seed": run["seed"], "validation": measured["validation"]})
        return found

    narrow, *_, wide, widest = sizes.WIDTHS
    return {str(width): functools.partial(make, width) for width in (narrow, wide, widest)}


PARTS = {
    "connections": connection_jobs,
    "code_distributions": distribution_jobs,
    "variants": variant_jobs,
    **{course: functools.partial(mixture_jobs, course, 0.5) for course in MIXTURES},
    **{f"{course}_twice": functools.partial(mixture_jobs, course, 2) for course in MIXTURES},
    "few_labels": few_label_jobs,
    "discrete_codes": codebook_jobs,
    "widths": width_jobs,
}


def make(part, jobs, log, limit=-1):
    """Do the jobs that are missing in a log, at most so many; return how many may still be done."""
    for name, job in jobs.items():
        if limit == 0:
            break
        if log.find(part=part, job=name) is None:
            log.add({"rows": rounded(job())}, part=part, job=name)
            print(part, name, flush=True)
            limit -= 1
    return limit


def write(log):
    """Write the result: what is in the log, and of other parts, whose log is gone, what the last result holds."""
    rows = {part: [row for run in log.runs if run["part"] == part for row in run["rows"]] for part in PARTS}
    old = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {}
    found = {part: rows[part] or old.get(part) for part in PARTS}
    record.write(NAME, **{part: some for part, some in found.items() if some})


def main(arguments=None):
    """Make what is missing and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="parts to make; all by default")
    parser.add_argument("--runs", type=int, default=-1, help="stop after so many new runs; all by default")
    options = parser.parse_args(arguments)
    log, limit = record.Log(training.RUNS / f"{NAME}.jsonl", {"name": NAME}), options.runs
    for part in options.parts or PARTS:
        limit = make(part, PARTS[part](), log, limit)
    write(log)


if __name__ == "__main__":
    main()
