"""Make the runs behind stored comparisons again, half as long, all else being equal.

python -m experiments.lengths                      makes what is missing of all parts, and writes the result
python -m experiments.lengths connections          one part only
python -m experiments.lengths connections --runs 1 stops after so many new runs; the same command goes on from there

A learning rate that falls is spread over the new length, so that each is a whole run of that length and not a piece
of the longer one. Settings are those that the other experiments chose, and so are the seeds. Every run is measured
once, on the test digits, as there.

- `connections`: all five models for half of the steps that their minute held: half of the time on that machine.
- `code_distributions`: all five kinds for half of the epochs.
- `variants`: the networks of 32 or 8 units for half of the epochs whose run was measured.
"""

import argparse
import functools

import jax
import keras
import numpy as np

from experiments import code_distributions, connections, variants
from experiments.harness import record, training
from helpers import datasets, metrics

NAME = "lengths"
SMALL = ("one layer", "two layers, 8", "tied")  # of the variants


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


PARTS = {"connections": connection_jobs, "code_distributions": distribution_jobs, "variants": variant_jobs}


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
    """Write the result, of what is in the log."""
    rows = {part: [row for run in log.runs if run["part"] == part for row in run["rows"]] for part in PARTS}
    record.write(NAME, **{part: found for part, found in rows.items() if found})


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
