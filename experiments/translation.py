"""Redraw Noto's emoji as Twemoji's: pix2pix in four forms on pairs, on several seeds, with equal effort for each.

python -m experiments.translation            does what is missing, and measures when all is there
python -m experiments.translation --only N   stops after N runs, so that others get their turn

The forms: L1 alone, the game alone, both, and both with a generator without skips, an encoder and a decoder with as
many layers. For each, three learning rates are tried with one seed, which no run has, for three epochs, and lower ones
as long as the lowest is the best; for "both" then two other factors of L1, which "both, no skips" takes over. Kept is
what has the least score on the validation images: see `Course`. "both" is then also trained on half of the pairs, for
the comparison with `experiments.cycle`, and in the other direction. The test images are read after the last epoch of a
run.

Retrieval by features takes the cosine of whitened codes: of four distances (Euclidean and cosine, of codes as they are
and whitened) it had the largest share among five on the validation images, averaged over the images left as they are
and the first run of "both". That choice came after the first run's Euclidean shares of test images had been read; those
are reported, too.
"""

import argparse
import functools

import keras
import numpy as np

from experiments.harness import record, training
from helpers import convolutional, datasets, metrics, storage
from helpers.emoji import load_emoji
from helpers.gans import translation

NAME = "translation"
FORMS = {  # factor of L1 (None: chosen), factor of the game, skips
    "L1 alone": (100.0, 0.0, True),
    "game alone": (0.0, 1.0, True),
    "both": (None, 1.0, True),
    "both, no skips": (None, 1.0, False),
}
RATES = (2e-3, 4e-3, 8e-3)
LOWER = (1e-3, 5e-4)  # for a form whose lowest rate was the best, one after the other
FACTORS = (30.0, 10.0, 100.0)  # the first is that of the tries of rates
SEEDS = (0, 1, 2)  # fixed before the runs
SHOWN = np.random.default_rng(1).permutation(191)[:10]  # test images that are stored as the other forms redraw them
TUNING_SEED = 100
RECIPE = {"width": 16, "batch_size": 16, "r1": 1.0, "penalty_batch": 4, "beta_1": 0.5, "beta_2": 0.99, "reach": 1}
EPOCHS, TUNING_EPOCHS = 16, 3
FEATURES = {"code_dim": 64, "width": 16, "rate": 2e-3, "epochs": 30, "batch_size": 64, "seed": 0}


# --- Data and features -----------------------------------------------------------------------------------------------


@functools.cache
def data():
    """Return the emoji, loaded once."""
    return load_emoji()


def vary(rows, rng):
    """Flip half of the rows of images and move each by up to a pixel; white comes in at the edges."""
    flipped = np.where(rng.random((len(rows), 1, 1, 1)) < 0.5, rows[:, :, ::-1], rows)
    return 1 - datasets.shift_images(1 - flipped, rng, RECIPE["reach"])


@functools.cache
def features():
    """Return the two feature extractors: the encoder of an autoencoder of both styles, and one with random weights."""
    keras.utils.set_random_seed(FEATURES["seed"])
    networks = convolutional.autoencoder(code_dim=FEATURES["code_dim"], width=FEATURES["width"])
    untrained = convolutional.encoder(outputs=FEATURES["code_dim"], width=FEATURES["width"])
    path = training.RUNS / f"{NAME}_features.npz"
    model = networks.autoencoder
    if path.exists():
        model.set_weights(storage.load_weights(path))
    else:
        images = np.concatenate([data().train.noto, data().train.twemoji])
        steps = FEATURES["epochs"] * (len(images) // FEATURES["batch_size"])
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(FEATURES["rate"], steps)), "mse")
        batches = datasets.ShuffledBatches(images, FEATURES["batch_size"], labels=images)
        model.fit(batches, epochs=FEATURES["epochs"], shuffle=False, verbose=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.save_weights(path, model.get_weights())
        model.set_weights(storage.load_weights(path))
    return {"code": networks.encoder, "random": untrained}


def seen(images, kind="code"):
    """Return the features of images, (n, 64)."""
    return features()[kind].predict(images, batch_size=500, verbose=0)


@functools.cache
def whitening():
    """Return the mean of the training codes of both styles, and what turns the rest into codes of covariance one."""
    codes = np.float64(np.concatenate([seen(data().train.noto), seen(data().train.twemoji)]))
    squares, components = np.linalg.eigh(np.cov(codes, rowvar=False))
    return codes.mean(axis=0), components / np.sqrt(squares + 1e-3 * squares.max())


def directions(images):
    """Return the whitened codes of images, scaled to length 1: what is left of a code when blur has shortened it."""
    mean, components = whitening()
    rows = (seen(images) - mean) @ components
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# --- What is measured ------------------------------------------------------------------------------------------------


def distances(rows, others):
    """Return the squared distances of all rows to all others, (n, m)."""
    rows, others = (np.float64(part.reshape(len(part), -1)) for part in (rows, others))
    return (rows**2).sum(1)[:, None] - 2 * rows @ others.T + (others**2).sum(1)


def retrieval(rows, partners):
    """Return the shares of rows whose true partner is the nearest, and among the five nearest, of all partners."""
    table = distances(rows, partners)
    ranks = (table < np.diagonal(table)[:, None]).sum(axis=1)
    return {"top_1": float((ranks < 1).mean()), "top_5": float((ranks < 5).mean())}


def changes(images):
    """Return the mean absolute step from pixel to pixel, a measure of sharpness."""
    return float(np.mean([np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2)]))


def measure(made, partners):
    """Return everything that is measured of images beside their true partners."""
    codes, true, random = seen(made), seen(partners), [seen(images, "random") for images in (made, partners)]
    return {
        "l1": float(np.abs(made - partners).mean()),
        "ssim": float(metrics.ssim(np.clip(made, 0, 1), partners).mean()),
        "psnr": metrics.psnr(partners, made),
        "distance": float(np.sqrt(np.square(codes - true).sum(axis=1)).mean()),
        "distance_random": float(np.sqrt(np.square(random[0] - random[1]).sum(axis=1)).mean()),
        "kid": metrics.kernel_distance(codes, true),
        "sharpness": changes(made) / changes(partners),
        "pixels": retrieval(made, partners),
        "features": retrieval(directions(made), directions(partners)),
        "features_unscaled": retrieval(codes, true),
        "features_random": retrieval(*random),
    }


def gaps(images, codes, partners, true):
    """Return the mean L1 distance from the partners, and that of the codes."""
    return np.abs(images - partners).mean(), np.sqrt(np.square(codes - true).sum(axis=1)).mean()


class Course(keras.callbacks.Callback):
    """Writes how far the validation images are from their partners, over how far they were, into the run's log.

    The ``score``, by which settings are chosen, is the mean of two such ratios: of L1, and of the distance of codes.
    """

    def __init__(self, images, partners):
        super().__init__()
        self.images, self.true = images, (partners, seen(partners))
        self.left = gaps(images, seen(images), *self.true)

    def on_epoch_end(self, epoch, logs=None):
        """Redraw, measure and note."""
        self.model.jax_state_sync()
        made = self.model.translate(self.images)
        l1, distance = np.divide(gaps(made, seen(made), *self.true), self.left)
        logs.update(validation_l1=l1, validation_distance=distance, validation_score=(l1 + distance) / 2)


# --- Training --------------------------------------------------------------------------------------------------------


def adams(rate, steps):
    """Return two optimizers whose rate falls to zero along a cosine."""
    betas = {name: RECIPE[name] for name in ("beta_1", "beta_2")}
    return [keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps), **betas) for _ in range(2)]


def build(form, rate, factor, seed, steps):
    """Return the compiled, untrained model of a form."""
    keras.utils.set_random_seed(seed)
    fixed, game, skips = FORMS[form]
    width = RECIPE["width"]
    networks = convolutional.unet(width=width, skips=skips), convolutional.patch_discriminator(width=width)
    model = translation.Pix2Pix(*networks, seed=seed)
    weights = dict(error_weight=factor if fixed is None else fixed, adversarial_weight=game)
    penalty = dict(r1=RECIPE["r1"], penalty_batch=RECIPE["penalty_batch"])
    model.compile(*adams(rate, steps), **weights, **penalty)
    return model


def sides(part, way):
    """Return the images and partners of a part of the data, for a way."""
    return (part.noto, part.twemoji) if way == "to_twemoji" else (part.twemoji, part.noto)


def train(form, rate, factor, seed, epochs, way="to_twemoji", share=1.0):
    """Train one model, unless that has been done; return it and its log."""
    pairs = np.concatenate(sides(data().train, way), axis=-1)
    pairs = pairs[half(len(pairs))[0]] if share < 1 else pairs
    batches = datasets.ShuffledBatches(pairs, RECIPE["batch_size"], seed=seed, transform=vary)
    model = build(form, rate, factor, seed, epochs * len(batches))
    key = [form.replace(", ", "_").replace(" ", "_"), f"{rate:g}", f"{factor:g}", seed, epochs, way, f"{share:g}"]
    settings = {**RECIPE, "form": form, "rate": rate, "factor": factor, "seed": seed, "way": way, "share": share}
    course = Course(*sides(data().validation, way))
    run = "_".join(map(str, (NAME, *key)))
    done = training.fit_gan(run, model, batches, RECIPE["batch_size"], epochs, settings, [course])
    names = [name for name in done["history"] if name.startswith("validation") or name in ("error", "d_real", "d_fake")]
    curves = {name: [round(value, 4) for value in done["history"][name]] for name in names}
    return model, {"seconds": done["seconds"], "curves": curves}


def half(count):
    """Return two disjoint halves of the rows, drawn once: of these codepoints one style, of those the other."""
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 : count // 2 * 2])


# --- The result ------------------------------------------------------------------------------------------------------


class Progress:
    """What has been tried and trained; written after each run."""

    def __init__(self, most):
        self.settings = {"rates": RATES, "factors": FACTORS, "recipe": RECIPE, "epochs": EPOCHS, "features": FEATURES}
        self.runs = record.runs(NAME, [], **self.settings)
        written = (record.RESULTS / f"{NAME}.json").exists()
        self.tries = record.read(NAME)["tries"] if written else []
        self.left = most

    def do(self, kind, epochs, **key):
        """Train, measure and note one run of a kind, "tries" or "runs", unless that has been done."""
        if self.find(kind, **key):
            return
        if not self.left:
            raise SystemExit(0)
        self.left -= 1
        model, done = train(**key, epochs=epochs)
        getattr(self, kind).append({**key, **(self.measured(model, **key) if kind == "runs" else {}), **done})
        record.write(NAME, runs=self.runs, tries=self.tries, left=self.unchanged, **self.settings)
        print(kind, {name: value for name, value in getattr(self, kind)[-1].items() if name != "curves"}, flush=True)

    def measured(self, model, form, seed, way, share, **_):
        """Return what is measured on the test images; store the weights that the chapter reads."""
        images, partners = sides(data().test, way)
        made = model.translate(images)
        if (form, seed, share) == ("both", 0, 1.0):
            storage.save_weights(record.weights_path(NAME, way), model.generator.get_weights(), "int8")
        elif (seed, way, share) == (0, "to_twemoji", 1.0):
            shown = np.round(made[SHOWN] * 255).astype("uint8")
            np.savez_compressed(record.weights_path(NAME, "sheet", list(FORMS).index(form)), images=shown)
        return measure(made, partners)

    def measure_again(self):
        """Measure all finished runs anew."""
        for run in self.runs:
            key = {name: run[name] for name in ("form", "rate", "factor", "seed", "way", "share")}
            run.update(self.measured(train(**key, epochs=EPOCHS)[0], **key))
        record.write(NAME, runs=self.runs, tries=self.tries, left=self.unchanged, **self.settings)

    def find(self, kind, **key):
        """Return the runs of a kind with these settings."""
        return [run for run in getattr(self, kind) if all(run.get(name) == value for name, value in key.items())]

    def best(self, **key):
        """Return the try with the least score on the validation images after its last epoch."""
        return min(self.find("tries", **key), key=lambda run: run["curves"]["validation_score"][-1])

    def tune(self, form, factor):
        """Try what is missing of a form's rates and, for "both", factors; return the best try."""
        factor = factor if FORMS[form][0] is None else FORMS[form][0]
        for rate in (*RATES, *LOWER):
            if rate in RATES or self.lowest_is_best(form):
                self.do("tries", TUNING_EPOCHS, form=form, rate=rate, factor=factor, seed=TUNING_SEED)
        if form == "both":
            rate = self.best(form=form, factor=factor)["rate"]
            for other in FACTORS[1:]:
                self.do("tries", TUNING_EPOCHS, form=form, rate=rate, factor=other, seed=TUNING_SEED)
        return self.best(form=form)

    def lowest_is_best(self, form):
        """Return whether no higher rate of a form did better than the lowest that was tried."""
        tries = sorted(self.find("tries", form=form), key=lambda run: run["rate"])
        scores = [run["curves"]["validation_score"][-1] for run in tries]
        return scores[0] <= min(scores)

    @functools.cached_property
    def unchanged(self):
        """Return what is measured of the test images left as they are, for each way."""
        return {way: measure(*sides(data().test, way)) for way in ("to_twemoji", "to_noto")}


def main():
    """Try the rates and factors, then train and measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, default=-1, help="stop after so many runs")
    parser.add_argument("--again", action="store_true", help="first measure the finished runs anew, from their states")
    arguments = parser.parse_args()
    progress, chosen = Progress(arguments.only), {}
    if arguments.again:
        progress.measure_again()
    for form in ("both", "L1 alone", "both, no skips", "game alone"):
        key = progress.tune(form, FACTORS[0] if form == "both" else chosen.get("both", {}).get("factor"))
        chosen[form] = {name: key[name] for name in ("form", "rate", "factor")}
        for seed in SEEDS:
            progress.do("runs", EPOCHS, **chosen[form], seed=seed, way="to_twemoji", share=1.0)
        if form == "both":
            progress.do("runs", EPOCHS, **chosen[form], seed=SEEDS[0], way="to_noto", share=1.0)
    for seed in SEEDS:
        progress.do("runs", EPOCHS, **chosen["both"], seed=seed, way="to_twemoji", share=0.5)


if __name__ == "__main__":
    main()
