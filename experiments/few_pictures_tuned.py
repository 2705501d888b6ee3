"""Train the GANs of `few_pictures` twice as long, each form with its own weight of the penalties, and measure them.

python -m experiments.few_pictures_tuned                trains what is missing, and writes the result after each run
python -m experiments.few_pictures_tuned --minutes 8    begins nothing new after so many minutes

A run takes about four minutes of one core, and goes on where it was killed. For each form the weight γ is the one whose
distance from the validation emoji, averaged over the last looks, is smallest with the validation seed. Everything else
is as in `few_pictures`. The test emoji are read once, after the last epoch of a run with the chosen weight.
"""

import argparse
import itertools
import time

import numpy as np

from experiments import few_pictures
from experiments.harness import record
from helpers import datasets, storage

NAME = "few_pictures_tuned"
EPOCHS = 2 * few_pictures.RECIPE["epochs"]
FORMS = ("plain", "differentiable")
# Three for each form, and larger ones for as long as the largest was the best.
GAMMAS = {"plain": (0.03, 0.1, 0.3, 1.0, 3.0), "differentiable": (0.03, 0.1, 0.3, 1.0)}
LOOKS = 5  # at the end of a try that are averaged: one look changes by a tenth from one to the next
SETTINGS = {"recipe": {**few_pictures.RECIPE, "epochs": EPOCHS}, "looks": LOOKS}


def train(form, seed, gamma, measures, epochs=EPOCHS):
    """Train one GAN of a form; return it, and the run's seconds and curves."""
    gan = few_pictures.build(*few_pictures.FORMS[form], seed, gamma=gamma)
    run = f"tuned_{form}_{gamma}_{seed}"
    settings = {"form": form, "seed": seed, "gamma": gamma}
    return gan, few_pictures.fit(run, gan, measures.train, epochs, measures, **settings)


def a_try(form, gamma, measures, epochs=EPOCHS):
    """Train with the validation seed; return the curves and the distance that the choice is made by."""
    _, log = train(form, few_pictures.TRY_SEED, gamma, measures, epochs)
    distance = float(np.mean(log["curves"]["kid"][-LOOKS:]))
    return {"kind": "try", "form": form, "gamma": gamma, "validation_kid": distance, **log}


def chosen(runs, form):
    """Return the γ whose try has the smallest distance."""
    tries = [run for run in runs if run["kind"] == "try" and run["form"] == form]
    return min(tries, key=lambda run: run["validation_kid"])["gamma"]


def a_run(form, seed, gamma, measures, epochs=EPOCHS):
    """Train one GAN with the chosen γ and measure it on the test emoji."""
    gan, log = train(form, seed, gamma, measures, epochs)
    samples = gan.sample(few_pictures.SAMPLES, few_pictures.SAMPLE_SEED)
    if seed == few_pictures.SEEDS[0]:
        storage.save_weights(record.weights_path(NAME, form), gan.ema_generator.get_weights(), "int6")
    found = {**measures.all(samples, "test"), "gap": few_pictures.gap(gan, measures, "test")}
    return {"kind": "final", "form": form, "seed": seed, "gamma": gamma, **found, **log}


def jobs(runs, measures):
    """Yield what is missing, one function after the other, which return a run."""

    def lacks(**key):
        return not any(key.items() <= run.items() for run in runs)

    for form in FORMS:
        for gamma in GAMMAS[form]:
            if lacks(kind="try", form=form, gamma=gamma):
                yield lambda form=form, gamma=gamma: a_try(form, gamma, measures)
    for seed, form in itertools.product(few_pictures.SEEDS, FORMS):
        if lacks(kind="final", form=form, seed=seed):
            yield lambda form=form, seed=seed: a_run(form, seed, chosen(runs, form), measures)


def main():
    """Do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing new after so many")
    options, start = parser.parse_args(), time.monotonic()
    runs, measures = record.runs(NAME, [], **SETTINGS), few_pictures.Measures(datasets.load_emoji())
    for job in jobs(runs, measures):
        if time.monotonic() - start > 60 * options.minutes:
            return
        runs.append(job())
        record.write(NAME, **SETTINGS, runs=runs)


if __name__ == "__main__":
    main()
