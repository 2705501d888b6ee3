"""Redraw emoji in the other style without pairs: a CycleGAN on several seeds, measured against the true partners.

python -m experiments.cycle            does what is missing
python -m experiments.cycle --only N   stops after N runs, so that others get their turn

Of one half of the training codepoints it gets Noto's drawing, of the other half Twemoji's: no image has its partner
among the others. Both generators start as one network that has learned to return its input, in three passes over these
images. Without such a start, the way back of the first seed drew white images, at a rate of 0.004 in all eleven passes
that were made, at 0.001 in the first four ("abandoned" in the result has the curves). What is chosen is chosen without
pairs: of two learning rates and two kinds of generator, that whose redrawn validation images are nearest to those of
the other style as a set, by the kernel distance, both ways together.

Last, the two stored networks that learned from pairs go the same way there and back, as a control, and are then trained
to hide a code: see `hide`.
"""

import argparse

import keras
import numpy as np

from experiments import translation as paired
from experiments.harness import record, training
from helpers import convolutional, datasets, metrics, storage
from helpers.gans import translation

NAME = "cycle"
RATES = (1e-3, 2e-3)
START = {"rate": 4e-3, "epochs": 3, "batch_size": 32}
EPOCHS, TUNING_EPOCHS = 12, 2
KINDS = {"U-Net": True, "no skips": False}
RECIPE = {**paired.RECIPE, "cycle_weight": 10.0}
HIDING = {"rate": 2e-3, "epochs": 4, "batch_size": 16}
NOISE = (0.0, 0.01, 0.02, 0.05, 0.1)
NOISE_SEED = 5
LEVELS = 255  # of a colour in a file


def learn_to_copy(generators, images):
    """Train the first generator to return its input, and give its weights to all."""
    first, *others = generators
    steps = START["epochs"] * (len(images) // START["batch_size"])
    first.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(START["rate"], steps)), "mae")
    batches = datasets.ShuffledBatches(images, START["batch_size"], labels=images)
    first.fit(batches, epochs=START["epochs"], shuffle=False, verbose=0)
    for network in others:
        network.set_weights(first.get_weights())


def build(kind, rate, seed, steps, images):
    """Return the compiled, untrained model."""
    keras.utils.set_random_seed(seed)
    width, skips = RECIPE["width"], KINDS[kind]
    generators = [convolutional.unet(width=width, skips=skips) for _ in range(2)]
    learn_to_copy(generators, images)
    discriminators = [convolutional.patch_discriminator((32, 32, 3), width) for _ in range(2)]
    model = translation.CycleGAN(*generators, *discriminators, seed=seed)
    penalty = dict(r1=RECIPE["r1"], penalty_batch=RECIPE["penalty_batch"])
    model.compile(*paired.adams(rate, steps), error_weight=RECIPE["cycle_weight"], **penalty)
    return model


def vary(rows, rng):
    """Flip and move the two images of each row, each in its own way."""
    return np.concatenate([paired.vary(rows[..., :3], rng), paired.vary(rows[..., 3:], rng)], axis=-1)


class Course(keras.callbacks.Callback):
    """Writes into the run's log, after each epoch, what needs no pairs, and for the report how far the partners are."""

    def __init__(self, part):
        super().__init__()
        self.part = part
        self.codes = {style: paired.seen(getattr(part, style)) for style in ("noto", "twemoji")}

    def on_epoch_end(self, epoch, logs=None):
        """Redraw both ways, measure and note."""
        self.model.jax_state_sync()
        noto, twemoji = self.part.noto, self.part.twemoji
        forth, back = self.model.translate(noto), self.model.translate(twemoji, "back")
        sets = (forth, self.codes["twemoji"]), (back, self.codes["noto"])
        logs["validation_kid"] = sum(metrics.kernel_distance(paired.seen(made), codes) for made, codes in sets)
        logs["validation_cycle"] = float(np.abs(self.model.translate(forth, "back") - noto).mean())
        logs["validation_l1"] = float(np.abs(forth - twemoji).mean() / np.abs(noto - twemoji).mean())


def train(kind, rate, seed, epochs):
    """Train one model, unless that has been done; return it and its log."""
    one, other = paired.half(len(paired.data().train.noto))
    noto, twemoji = paired.data().train.noto[one], paired.data().train.twemoji[other]
    rows = np.concatenate([noto, twemoji], axis=-1)
    batches = datasets.ShuffledBatches(rows, RECIPE["batch_size"], seed=seed, transform=vary)
    model = build(kind, rate, seed, epochs * len(batches), np.concatenate([noto, twemoji]))
    settings = {**RECIPE, "begin": START, "kind": kind, "rate": rate, "seed": seed}
    run = f"{NAME}_{kind.replace(' ', '_')}_{rate:g}_{seed}_{epochs}"
    course = Course(paired.data().validation)
    done = training.fit_gan(run, model, batches, RECIPE["batch_size"], epochs, settings, [course])
    names = [name for name in done["history"] if name.startswith("validation") or name in ("error", "d_real", "d_fake")]
    return model, {"seconds": done["seconds"], "curves": {n: [round(v, 4) for v in done["history"][n]] for n in names}}


# --- What is measured ------------------------------------------------------------------------------------------------


def hidden(forth, back, noto, twemoji):
    """Return how far images are from themselves after a way there and back, when something disturbs them half way.

    ``errors`` has E|x − B(h)| for h = F(x) + σ n, by σ; ``rounded`` that for F(x) in 256 levels; ``true_partner`` that
    for h = y, in which nothing of x can be hidden. ``moved`` is E|x − F(x)|. ``stir`` is by how much noise of 0.02
    moves B's output, for F(x) and, for comparison, for y.
    """
    half_way = forth(noto)
    noise = np.random.default_rng(NOISE_SEED).standard_normal(noto.shape, dtype="float32")
    noisy = {sigma: back(half_way + np.float32(sigma) * noise) for sigma in NOISE}
    true, disturbed = back(twemoji), back(twemoji + np.float32(0.02) * noise)

    def error(images):
        """Return the mean absolute difference from the images that went."""
        return float(np.abs(noto - images).mean())

    return {
        "moved": error(half_way),
        "errors": {f"{sigma:g}": error(images) for sigma, images in noisy.items()},
        "rounded": error(back(np.round(half_way * LEVELS) / np.float32(LEVELS))),
        "true_partner": error(true),
        "stir": float(np.abs(noisy[0.02] - noisy[0.0]).mean()),
        "stir_true": float(np.abs(disturbed - true).mean()),
    }


def measured(model):
    """Return everything that is measured of a trained model on the test images."""
    noto, twemoji = paired.data().test.noto, paired.data().test.twemoji
    ways = {"to_twemoji": (model.translate(noto), twemoji), "to_noto": (model.translate(twemoji, "back"), noto)}
    found = {way: paired.measure(*images) for way, images in ways.items()}
    return {**found, "hidden": hidden(_network(model.forth), _network(model.back), noto, twemoji)}


def _network(model):
    """Return a function of images, which may lie outside [0, 1]."""
    return lambda images: model.predict(images, batch_size=500, verbose=0)


# --- A code on request -----------------------------------------------------------------------------------------------


def hide(seed):
    """Train the two networks that learned from pairs to hide a code, and return what is measured of them.

    The way there is held to what it drew before, the way back shall find the input: E|F(x) − G(x)| + E|x − B(F(x))|.
    """
    keras.utils.set_random_seed(seed)
    before, forth = (_paired_network("to_twemoji") for _ in range(2))
    back = _paired_network("to_noto")
    images = keras.Input(forth.input_shape[1:])
    half_way = forth(images)
    model = keras.Model(images, [half_way, back(half_way)])
    noto = paired.data().train.noto
    steps = HIDING["epochs"] * (len(noto) // HIDING["batch_size"])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(HIDING["rate"], steps)), ["mae", "mae"])
    order = np.random.default_rng(seed).permutation(len(noto))
    targets = [_network(before)(noto[order]), noto[order]]
    log = model.fit(noto[order], targets, batch_size=HIDING["batch_size"], epochs=HIDING["epochs"], verbose=0)
    test, ways = paired.data().test, (_network(forth), _network(back))
    old = _network(before)(test.noto)  # all but what was hidden
    apart, without = np.abs(ways[0](test.noto) - old).mean(), np.abs(ways[1](old) - test.noto).mean()
    losses = [round(value, 4) for value in log.history["loss"]]
    found = {"seed": seed, "apart": float(apart), "without": float(without), "losses": losses}
    return {**found, **hidden(*ways, test.noto, test.twemoji)}


def _paired_network(way):
    """Return a stored network that learned from pairs."""
    network = convolutional.unet(width=RECIPE["width"])
    network.set_weights(storage.load_weights(record.weights_path(paired.NAME, way)))
    return keras.Model(network.inputs, network.outputs, name=way)  # Keras wants two names for two parts of a model


class Progress:
    """What has been tried and trained; written after each run."""

    def __init__(self, most):
        self.settings = {"rates": RATES, "kinds": KINDS, "recipe": RECIPE, "epochs": EPOCHS, "noise": NOISE}
        self.settings["begin"] = START
        self.runs = record.runs(NAME, [], **self.settings)
        written = (record.RESULTS / f"{NAME}.json").exists()
        self.tries = record.read(NAME)["tries"] if written else []
        self.controls = record.read(NAME)["controls"] if written else []
        self.abandoned, self.hiding = (
            (record.read(NAME).get(part, []) if written else []) for part in ("abandoned", "hiding")
        )
        self.left = most

    def note(self, what, **found):
        """Add a result to a list and write all."""
        getattr(self, what).append(found)
        parts = dict(runs=self.runs, tries=self.tries, controls=self.controls, abandoned=self.abandoned)
        parts["hiding"] = self.hiding
        record.write(NAME, **parts, **self.settings)
        print(what, {name: value for name, value in found.items() if name != "curves"}, flush=True)

    def do(self, what, epochs, **key):
        """Train, measure and note one of "tries" or "runs", unless that has been done."""
        if any(all(run[name] == value for name, value in key.items()) for run in getattr(self, what)):
            return
        if not self.left:
            raise SystemExit(0)
        self.left -= 1
        model, done = train(**key, epochs=epochs)
        if what == "runs" and key["seed"] == 0:
            storage.save_weights(record.weights_path(NAME, "to_twemoji"), model.forth.get_weights(), "int8")
            storage.save_weights(record.weights_path(NAME, "to_noto"), model.back.get_weights(), "int8")
        self.note(what, **key, **(measured(model) if what == "runs" else {}), **done)


def main():
    """Try kinds and rates, then train and measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, default=-1, help="stop after so many runs")
    progress = Progress(parser.parse_args().only)
    for kind in KINDS:
        for rate in RATES:
            progress.do("tries", TUNING_EPOCHS, kind=kind, rate=rate, seed=paired.TUNING_SEED)
    best = min(progress.tries, key=lambda run: run["curves"]["validation_kid"][-1])
    for seed in paired.SEEDS:
        progress.do("runs", EPOCHS, kind=best["kind"], rate=best["rate"], seed=seed)
    if not progress.controls:  # the two stored networks that learned from pairs, one after the other
        ways = (_network(_paired_network(way)) for way in ("to_twemoji", "to_noto"))
        progress.note("controls", **hidden(*ways, paired.data().test.noto, paired.data().test.twemoji))
    for seed in paired.SEEDS[len(progress.hiding) :]:
        progress.note("hiding", **hide(seed))


if __name__ == "__main__":
    main()
