"""Try learning rates and dimensions of the style for the small style-based GAN, on the validation digits.

python -m experiments.style_settings   tries what is missing, one setting at a time, and writes after each run

Each trial is a run of `experiments.style_gan` that ends after three of its sixteen passes, on two seeds that no other
run has, with an average of the weights that looks back 500 steps instead of 1,000. First the rate of both networks is
tried; then, at the best rate, a hundredth of it for the mapping network, as in the published StyleGAN; then, at the
best of these, fewer dimensions of w. (More, 90, were planned too, and left out for lack of time.) The distance from the
validation digits after the last pass chooses, as the mean over the seeds. Nothing else was tried, and the test digits
are not read. Of the slower mapping network's generators it is also measured what their styles move, as in
`experiments.style_gan`.
"""

import keras
import numpy as np

from experiments import style_gan
from experiments.dcgan import Keep
from experiments.harness import record, training
from helpers import datasets, metrics, storage

NAME = "style_settings"
SEEDS = (100, 101)
PASSES, MEASURED_AFTER, EMA = 3, (2, 3), 0.998
KEPT = {"rate": style_gan.RECIPE["rate"], "mapping": 1.0, "style_dim": style_gan.NETWORKS["style_dim"]}  # as stored
TRIED = {"rate": (1e-3, 2e-3, 4e-3), "mapping": (1.0, 0.01), "style_dim": (10, 30)}  # in this order
SLOWER = {"rate": 1e-3, "mapping": 0.01, "style_dim": 30}


class SlowerInPart(keras.optimizers.Adam):
    """Adam whose learning rate is multiplied by a factor for some of the variables."""

    def __init__(self, rate, slow, factor):
        super().__init__(rate, **style_gan.BETAS)
        self.slow, self.factor = {id(variable) for variable in slow}, factor

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable."""
        factor = self.factor if id(variable) in self.slow else 1.0
        super().update_step(gradient, variable, factor * learning_rate)


def build(seed, rate, mapping, style_dim):
    """Return the compiled, untrained GAN of a setting."""
    gan = style_gan.build(seed, style_dim=style_dim)
    slow = gan.generator.get_layer("mapping").trainable_variables
    adams = SlowerInPart(rate, slow, mapping), keras.optimizers.Adam(rate, **style_gan.BETAS)
    return style_gan.compiled(gan, *adams, ema=EMA)


def name_of(setting, seed):
    """Return the name of a run, of the folder for what it leaves."""
    return f"{NAME}/{'_'.join(f'{value:g}' for value in setting.values())}_{seed}"


def moved(setting, seed):
    """Return the deviation of w in a trial's last generator, and what its styles move; see `experiments.style_gan`."""
    weights = storage.load_weights(Keep(training.RUNS / name_of(setting, seed)).file(PASSES))
    digits = style_gan.Digits(weights, style_dim=setting["style_dim"])
    return {
        "seed": seed,
        "w": float(digits.styles(2_000).std(axis=0).mean()),
        "kept": style_gan.mixing(digits)[-1]["kept"],
        "edits": style_gan.edits(digits),
        "edits_by_gradient": style_gan.edits(digits, style_gan.gradient),
    }


def train(setting, seed, mnist, validation):
    """Train for a few passes; return the distances from the validation digits and the seconds."""
    run = name_of(setting, seed)
    recipe = {**style_gan.RECIPE, **style_gan.NETWORKS, **setting, "ema": EMA, "seed": seed}
    gan, keep = build(seed, **setting), Keep(training.RUNS / run)
    done = training.fit_gan(run, gan, mnist.train_images, recipe["batch_size"], PASSES, recipe, [keep])
    curve = []
    for passes in MEASURED_AFTER:
        digits = style_gan.Digits(storage.load_weights(keep.file(passes)), style_dim=setting["style_dim"])
        curve.append(round(metrics.frechet_distance(digits.seen(), validation), 3))
    return {"curve": curve, "seconds": done["seconds"]}


class Trials:
    """What has been tried; written after each run."""

    def __init__(self):
        steps = {"passes": PASSES, "measured_after": MEASURED_AFTER, "ema": EMA}
        self.settings = {"tried": TRIED, "seeds": SEEDS, **steps}
        self.runs, self.mnist = record.runs(NAME, [], passes=PASSES), datasets.load_mnist()
        self.validation = metrics.features(self.mnist.validation_images)

    def end(self, **setting):
        """Return the mean distance at the end, over the seeds; train what is missing."""
        for seed in SEEDS:
            if not any({**setting, "seed": seed}.items() <= run.items() for run in self.runs):
                done = train(setting, seed, self.mnist, self.validation)
                self.runs.append({**setting, "seed": seed, **done})
                record.write(NAME, runs=self.runs, **self.settings)
                print(self.runs[-1], flush=True)
        return ends(self.runs)[tuple(setting.values())]


def ends(runs):
    """Return (rate, mapping, style_dim) → the mean distance at the end, over the seeds."""
    found = {}
    for run in runs:
        found.setdefault(tuple(run[name] for name in KEPT), []).append(run["curve"][-1])
    return {setting: float(np.mean(values)) for setting, values in found.items()}


def choose(end):
    """Return the best setting, one part after the other; ``end(**setting)`` gives a distance."""
    best = KEPT
    for name, values in TRIED.items():
        best = min(({**best, name: value} for value in values), key=lambda setting: end(**setting))
    return best


def main():
    """Try what is missing, and measure the generators of the slower mapping network."""
    trials = Trials()
    print(choose(trials.end))
    slower = [moved(SLOWER, seed) for seed in SEEDS]
    record.write(NAME, runs=trials.runs, slower=slower, **trials.settings)


if __name__ == "__main__":
    main()
