"""Train GANs of colour images on the 1,529 training emoji of one style, with and without augmentation, and measure.

python -m experiments.few_pictures                tests the features, trains what is missing, writes the result
python -m experiments.few_pictures --minutes 8    begins nothing new after so many minutes
python -m experiments.few_pictures --adaptive     trains the adaptive form, too, which the recorded result lacks
python -m experiments.few_pictures --try plain differentiable    trains the validation seed only, and writes nothing

"Noto" emoji are the training images. Settings are chosen on the validation emoji with one seed, which no run has; the
test emoji are read once, after the last epoch of a run. The features that the distances are measured in were chosen
before the runs, by `feature_test`, which needs no GAN.

Tried before the runs, one training each, with distances in the free random convolutions at twice the width unless
said otherwise:
- dense networks as on the digits, rate 2e-3, a step of which costs as much: plain 1.8 after 752 steps, with the same
  logit for all images; augmented 34 after 564;
- convolutional ones, rate 1e-3, 752 steps: plain 0.65, augmented 0.38; rate 2e-3, 1,316 steps, both kinds of random
  convolutions at twice the width: plain 0.44, augmented 0.37;
- augmented, with γ = 0.03 in the place of 0.3, 24 epochs, in the chosen features: 0.41. With 0.3 the first runs had
  0.56 and 0.32 there. The γ of the digits was kept.
The length of the runs, 48 epochs, was fixed by the time at hand; `few_pictures_tuned` goes on from here.
"""

import argparse
import time

import jax
import keras
import numpy as np
from scipy import ndimage

from experiments.harness import record, training
from helpers import augment, convolutional, datasets, gans, metrics, storage
from helpers.gans import conditional

NAME = "few_pictures"
SHAPE = (32, 32, 3)
SEEDS = (0, 1, 2)  # fixed before the runs
TRY_SEED = 100
RECIPE = {
    "latent_dim": 32,
    "width": 16,
    "hidden": 128,
    "rate": 2e-3,
    "gamma": 0.3,
    "penalty_batch": 8,
    "batch_size": 32,
    "ema": 0.995,
    "epochs": 48,
}
LEAK_EPOCHS, LOOK_EVERY = 12, 4
TARGET, P_STEP = 0.6, 0.05  # of the adaptive form: mean sign of D on training images, and the change of p an epoch
FORMS = {  # name → augmentations of what D sees, and their share p
    "plain": ((), 0.0),
    "differentiable": (augment.DIFFERENTIABLE, 1.0),
    "adaptive": (augment.DIFFERENTIABLE, 0.0),
}
LEAKS = {  # name → share p of rolled channels that D sees on both sides, and on the side of real images alone
    "both, p = 1": (1.0, 0.0),
    "both, p = 0.5": (0.5, 0.0),
    "real images alone, p = 0.5": (0.0, 0.5),
}
SAMPLES, SAMPLE_SEED, FEW = 2_000, 12345, 500
CURVES = ("train", "held_out", "fake", "spread", "kid")  # D's mean logits, their deviation, the validation distance
SMALLEST = 5  # training images of a category that is left out of the conditional run
CATEGORY_EPOCHS = 32
ORDER = [(form, seed) for seed in SEEDS for form in ("plain", "differentiable")]


CHOSEN = "random convolutions, both"

# --- Features --------------------------------------------------------------------------------------------------------


def random_features(images, zero_sum=False, widths=(16, 32, 64), seed=0):
    """Return the means over the image of the outputs of three layers of random convolutions: (n, 112)."""
    rng, parts = np.random.default_rng(seed), []
    for width in widths:
        kernel = rng.standard_normal((4, 4, images.shape[-1], width), dtype="float32")
        kernel -= kernel.mean(axis=(0, 1)) if zero_sum else 0
        kernel *= np.sqrt(2 / kernel[..., 0].size)
        sums = jax.lax.conv_general_dilated(images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        images = jax.nn.relu(sums)
        parts.append(images.mean(axis=(1, 2)))
    return np.float64(np.concatenate(parts, axis=1))


def both_features(images):
    """Return those of kernels as drawn, and those of kernels that sum to 0 and see only differences: (n, 224)."""
    return np.concatenate([random_features(images), random_features(images, zero_sum=True)], axis=1)


def standardised(look, images):
    """Return the features `look(images)` in standard deviations over the training images, as a function of images."""
    seen = look(images)
    mean, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    return lambda more: (look(more) - mean) / scale


def candidates(emoji):
    """Yield names and feature functions; what is learned is learned from the training images of one style."""
    images = emoji.train.noto
    flat = images.reshape(len(images), -1)
    axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:64].T
    yield "pixels", lambda more: more.reshape(len(more), -1)
    yield "64 principal components", lambda more: more.reshape(len(more), -1) @ axes
    yield "code of an autoencoder", learned(emoji, "code")
    yield "classifier of categories", learned(emoji, "classifier")
    yield "random convolutions", random_features
    yield "random convolutions, zero-sum", lambda more: random_features(more, zero_sum=True)
    yield CHOSEN, both_features


def learned(emoji, kind):
    """Return 64 features of a trained encoder: of an autoencoder, or of a classifier of the categories."""
    keras.utils.set_random_seed(0)
    images, labels = emoji.train.noto, emoji.train.category
    if kind == "code":
        parts = convolutional.autoencoder(SHAPE, 64, 16)
        parts.autoencoder.compile(keras.optimizers.Adam(2e-3), loss="mse")
        parts.autoencoder.fit(images, images, batch_size=32, epochs=20, verbose=0)
        network = parts.encoder
    else:
        network = keras.Sequential([convolutional.encoder(SHAPE, 64, 16), keras.layers.LeakyReLU()])
        whole = keras.Sequential([keras.Input(SHAPE), network, keras.layers.Dense(len(emoji.categories))])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        whole.compile(keras.optimizers.Adam(1e-3), loss=loss)
        whole.fit(images, labels, batch_size=32, epochs=6, verbose=0)
    return lambda more: np.float64(network.predict(more, batch_size=250, verbose=0))


def damages(images, labels, rng):
    """Yield names and lists of damaged sets, from slight to strong."""
    order = np.argsort(-np.bincount(labels))  # categories, the largest first
    noise, wrong = rng.standard_normal(images.shape, dtype="float32"), rng.random(len(images))
    yield "blur", [ndimage.gaussian_filter(images, (0, sigma, sigma, 0)) for sigma in (0.4, 0.7, 1.0)]
    yield "noise", [np.clip(images + sigma * noise, 0, 1) for sigma in (0.03, 0.06, 0.12)]
    swapped = images[..., [1, 2, 0]]
    yield "wrong colours", [np.where((wrong < share)[:, None, None, None], swapped, images) for share in (0.1, 0.3, 1)]
    yield "missing categories", [images[~np.isin(labels, order[:count])] for count in (1, 3, 6)]
    kept = [rng.choice(len(images), max(2, round(share * len(images)))) for share in (0.25, 0.06, 0.02)]
    yield "duplicates", [images[rng.choice(rows, len(images))] for rows in kept]


def feature_test(emoji, splits=5):
    """Return candidate → floor and kind of damage → kernel distances, (splits, strengths), from an undamaged half."""
    images, labels, found = emoji.train.noto, emoji.train.category, {}
    for name, look in candidates(emoji):
        look, rows = standardised(look, images), {}
        for split in range(splits):
            rng = np.random.default_rng(split)
            first, second = np.array_split(rng.permutation(len(images)), 2)
            real = look(images[first])
            sets = [("floor", [images[second]]), *damages(images[second], labels[second], rng)]
            for kind, each in sets:
                distances = [round(metrics.kernel_distance(look(one), real), 5) for one in each]
                rows.setdefault(kind, []).append(distances)
        found[name] = rows
        print(name, {kind: np.mean(each, axis=0).round(3).tolist() for kind, each in rows.items()}, flush=True)
    return found


class Measures:
    """The distances and the shares that samples are judged by, and what the training needs of the data."""

    def __init__(self, emoji):
        self.train, self.validation, self.test = (part.noto for part in emoji[:3])
        self.look = standardised(both_features, self.train)
        self.real = {name: self.look(getattr(self, name)) for name in ("train", "validation", "test")}

    def kernel_distance(self, samples, part):
        """Return the kernel distance of samples from one part of the real images."""
        return metrics.kernel_distance(self.look(samples), self.real[part])

    def error(self, samples, part):
        """Return the standard error of that distance over the real images, by the jackknife."""
        values = without_each(self.look(samples), self.real[part])
        return float(values.std() * np.sqrt(len(values) - 1))

    def frechet(self, samples, part):
        """Return the Fréchet distance of as many samples as the part has images."""
        real = self.real[part]
        return metrics.frechet_distance(self.look(samples[: len(real)]), real)

    def copied(self, samples, part):
        """Return the share of samples nearer to a training image than 95% of the part's images, by pixels."""
        train, new, made = (each.reshape(len(each), -1) for each in (self.train, getattr(self, part), samples))
        threshold = np.quantile(metrics.nearest_neighbours(new, train)[1], 0.05)
        return float((metrics.nearest_neighbours(made, train)[1] < threshold).mean())

    def all(self, samples, part):
        """Return all of these."""
        return {
            "kid": self.kernel_distance(samples, part),
            "kid_error": self.error(samples, part),
            "frechet": self.frechet(samples, part),
            "copied": self.copied(samples, part),
        }


def without_each(fake, real):
    """Return the kernel distances of features that leave out one real row each: (n,)."""
    own, cross, inner = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((real, real), (fake, real), (fake, fake)))
    count, made = len(real), len(fake)
    np.fill_diagonal(own, 0)
    within = (own.sum() - 2 * own.sum(axis=1)) / ((count - 1) * (count - 2))
    between = (cross.sum() - cross.sum(axis=0)) / (made * (count - 1))
    return (inner.sum() - np.trace(inner)) / (made * (made - 1)) + within - 2 * between


def floor(measures, part):
    """Return the same measures of the training images, as if a generator had made them."""
    return measures.all(np.random.default_rng(0).permutation(measures.train), part)


# --- Training --------------------------------------------------------------------------------------------------------


def discriminator(kinds, p, seed):
    """Return a network from images to logits that sees augmented images in training."""
    first = [augment.Augment(kinds, p, seed)] if kinds else []
    encoder = convolutional.encoder(SHAPE, RECIPE["hidden"], RECIPE["width"])
    rest = [encoder, keras.layers.LeakyReLU(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(SHAPE), *first, *rest], name="discriminator")


def build(kinds, p, seed, **changes):
    """Return the compiled, untrained GAN."""
    recipe = {**RECIPE, **changes}
    keras.utils.set_random_seed(seed)
    generator = convolutional.decoder(SHAPE, recipe["latent_dim"], recipe["width"])
    gan = gans.GAN(generator, discriminator(kinds, p, seed), seed=seed)
    return compiled(gan, recipe)


def compiled(gan, recipe):
    """Compile a GAN by the recipe and return it."""
    adams = [keras.optimizers.Adam(recipe["rate"], beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=recipe["gamma"], r2=recipe["gamma"], penalty_batch=recipe["penalty_batch"])
    gan.compile(*adams, loss="non_saturating", ema=recipe["ema"], **penalties)
    return gan


class Course(keras.callbacks.Callback):
    """Writes into the run's log what D says of training, held-out and generated images, and the distance."""

    def __init__(self, measures, epochs):
        super().__init__()
        self.measures, self.epochs = measures, epochs

    def on_train_begin(self, logs=None):
        """Enter every name: the log needs them from the first epoch on."""
        names = ("kid",) if isinstance(self.model, conditional.ConditionalGAN) else CURVES
        self.seen = dict.fromkeys(names, 0.0)

    def on_epoch_end(self, epoch, logs=None):
        """Look after every few epochs and after the last."""
        if (epoch + 1) % LOOK_EVERY == 0 or epoch + 1 == self.epochs:
            self.seen = looks(self.model, self.measures)
        logs.update(self.seen)


def looks(gan, measures):
    """Return D's mean logits on clean images, their deviation over the training images, and the validation distance."""
    samples = gan.sample(FEW, SAMPLE_SEED)
    kid = measures.kernel_distance(samples, "validation")
    if isinstance(gan, conditional.ConditionalGAN):  # its D sees labels, too
        return {"kid": kid}
    train, held_out, fake = (logits(gan, images) for images in (measures.train, measures.validation, samples))
    return {"train": train.mean(), "held_out": held_out.mean(), "fake": fake.mean(), "spread": train.std(), "kid": kid}


def logits(gan, images):
    """Return what D says of images that are not augmented: (n,)."""
    return gan.discriminator.predict(images, batch_size=500, verbose=0)[:, 0]


def gap(gan, measures, part):
    """Return the mean logit on training images less that on a part, in deviations over the training images."""
    train, held_out = logits(gan, measures.train), logits(gan, getattr(measures, part))
    return float((train.mean() - held_out.mean()) / train.std())


class Adapt(keras.callbacks.Callback):
    """Moves the share p of augmented images so that the mean sign of D on training images nears the target."""

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_epoch_end(self, epoch, logs=None):
        """Look at 500 training images as D sees them, and take a step."""
        layer = next(layer for layer in self.model.discriminator.layers if isinstance(layer, augment.Augment))
        p = float(layer.p)
        rows = np.random.default_rng(epoch).choice(len(self.images), FEW, replace=False)
        changed = augment.augment(jax.random.key(epoch), self.images[rows], p, layer.kinds)
        sign = float(np.sign(logits(self.model, np.asarray(changed))).mean())
        layer.p.assign(np.clip(p + P_STEP * np.sign(sign - TARGET), 0, 1))
        logs.update(p=p, sign=sign)


def train(form, seed, measures, epochs=None, **changes):
    """Train one GAN of a form; return it, and the run's seconds and curves."""
    kinds, p = FORMS[form]
    epochs = epochs or RECIPE["epochs"]
    gan = build(kinds, p, seed, **changes)
    callbacks = [Adapt(measures.train)] if form == "adaptive" else []
    return gan, fit(f"{form}_{seed}", gan, measures.train, epochs, measures, callbacks, form=form, seed=seed, **changes)


def fit(run, gan, data, epochs, measures, callbacks=(), **settings):
    """Train, resumably; return seconds and the curves at every look."""
    callbacks = [*callbacks, Course(measures, epochs)]
    settings = {**RECIPE, **settings}
    done = training.fit_gan(f"{NAME}_{run}", gan, data, RECIPE["batch_size"], epochs, settings, callbacks)
    at = [epoch for epoch in range(epochs) if (epoch + 1) % LOOK_EVERY == 0 or epoch + 1 == epochs]
    names = [name for name in (*CURVES, "p", "sign") if name in done["history"]]
    curves = {name: [round(done["history"][name][epoch], 3) for epoch in at] for name in names}
    return {"seconds": done["seconds"], "epochs": [epoch + 1 for epoch in at], "curves": curves}


# --- The leak --------------------------------------------------------------------------------------------------------


def roll_real(images, rng):
    """Return a batch of real images, each with its channels rolled with probability `share`."""
    share = LEAKS["real images alone, p = 0.5"][1]
    return np.asarray(augment.roll_channels(jax.random.key(int(rng.integers(2**31))), images, share))


def train_leak(name, seed, measures):
    """Train one GAN for the test of the leak; return it and its log."""
    both, alone = LEAKS[name]
    gan = build(("roll_channels",) if both else (), both, seed)
    transform = roll_real if alone else None
    batches = datasets.ShuffledBatches(measures.train, RECIPE["batch_size"], seed=seed, transform=transform)
    run = f"leak_{list(LEAKS).index(name)}_{seed}"
    return gan, fit(run, gan, batches, LEAK_EPOCHS, measures, leak=name, seed=seed)


def largest_channel(images):
    """Return the shares of images whose mean colour is strongest in red, in green and in blue."""
    means = images.mean(axis=(1, 2))  # (n, 3)
    coloured = np.ptp(means, axis=1) > 0.02
    return (np.bincount(means[coloured].argmax(axis=1), minlength=3) / coloured.sum()).round(4).tolist()


# --- By category -----------------------------------------------------------------------------------------------------


def balanced(emoji):
    """Return training images and labels, with every category but the smallest equally often, and the names."""
    sizes = np.bincount(emoji.train.category)
    kept = np.flatnonzero(sizes > SMALLEST)
    rows = [np.resize(np.flatnonzero(emoji.train.category == one), len(emoji.train.noto) // len(kept)) for one in kept]
    labels = np.repeat(np.arange(len(kept)), len(rows[0]))
    return emoji.train.noto[np.concatenate(rows)], labels, [emoji.categories[one] for one in kept]


def conditional_networks(classes, kinds, p, seed):
    """Return a generator that gets a label beside its latent, and a projection discriminator, as networks of rows."""
    layers, label = keras.layers, keras.Input(())
    latent = keras.Input((RECIPE["latent_dim"],))
    decoder = convolutional.decoder(SHAPE, RECIPE["latent_dim"] + classes, RECIPE["width"])
    wanted = keras.ops.one_hot(keras.ops.cast(label, "int32"), classes)
    generator = keras.Model([latent, label], decoder(layers.Concatenate()([latent, wanted])))
    image = keras.Input(SHAPE)
    encoder = convolutional.encoder(SHAPE, RECIPE["hidden"], RECIPE["width"])
    features = layers.LeakyReLU()(encoder(augment.Augment(kinds, p, seed)(image)))
    direction = layers.Embedding(classes, RECIPE["hidden"])(label)
    logit = layers.Dense(1)(features) + keras.ops.sum(features * direction, axis=-1, keepdims=True)
    return conditional.side_by_side(generator, keras.Model([image, label], logit), classes)


def train_conditional(emoji, measures):
    """Train one augmented GAN of images and categories; return it, its log and the names of the categories."""
    images, labels, names = balanced(emoji)
    keras.utils.set_random_seed(SEEDS[0])
    networks = conditional_networks(len(names), *FORMS["differentiable"], SEEDS[0])
    gan = compiled(conditional.ConditionalGAN(*networks, image_shape=SHAPE, seed=SEEDS[0]), RECIPE)
    log = fit("conditional", gan, (images, labels), CATEGORY_EPOCHS, measures, form="conditional", seed=SEEDS[0])
    return gan, log, names


def category_distances(gan, emoji, measures, names, count=300):
    """Return the kernel distances of samples of each category, the rows, from training images of each."""
    numbers = [emoji.categories.index(name) for name in names]
    real = [measures.real["train"][emoji.train.category == number] for number in numbers]
    made = [measures.look(gan.sample(count, SAMPLE_SEED, label)) for label in range(len(names))]
    return [[round(metrics.kernel_distance(fake, each), 3) for each in real] for fake in made]


# --- Everything ------------------------------------------------------------------------------------------------------


class Result:
    """What has been measured, written after each part."""

    def __init__(self):
        self.settings = {"recipe": RECIPE, "leak_epochs": LEAK_EPOCHS, "target": TARGET, "p_step": P_STEP}
        self.settings |= {"samples": SAMPLES, "sample_seed": SAMPLE_SEED}
        self.runs = record.runs(NAME, [], **self.settings)
        written = (record.RESULTS / f"{NAME}.json").exists()
        old = record.read(NAME) if written else {}
        self.parts = {name: old.get(name, {}) for name in ("features", "floors", "leaks", "conditional")}

    def write(self):
        """Write all."""
        record.write(NAME, **self.settings, runs=self.runs, **self.parts)

    def lacks(self, **key):
        """Return whether no run has these settings."""
        return not any(all(run[name] == value for name, value in key.items()) for run in self.runs)


def store(gan, name):
    """Store the averaged generator's weights, rounded to six bits."""
    generator = gan.ema_generator
    storage.save_weights(record.weights_path(NAME, name), generator.get_weights(), "int6")


def jobs(result, emoji, measures, adaptive=False):
    """Yield what is missing, one function after the other."""
    if not result.parts["features"]:
        yield lambda: result.parts.update(features=feature_test(emoji))
    if not result.parts["floors"]:
        yield lambda: result.parts.update(floors={part: floor(measures, part) for part in ("validation", "test")})
    for name in LEAKS:
        if name not in result.parts["leaks"]:
            yield lambda name=name: one_leak(result, name, SEEDS[0], measures)
    for form, seed in ORDER + [("adaptive", seed) for seed in SEEDS if adaptive]:
        if result.lacks(form=form, seed=seed):
            yield lambda form=form, seed=seed: one_run(result, form, seed, measures)
    if not result.parts["conditional"]:
        yield lambda: one_conditional(result, emoji, measures)


def one_run(result, form, seed, measures):
    """Train and measure one GAN."""
    gan, log = train(form, seed, measures)
    samples = gan.sample(SAMPLES, SAMPLE_SEED)
    result.runs.append({
        "form": form,
        "seed": seed,
        **measures.all(samples, "test"),
        "gap": gap(gan, measures, "test"),
        "gap_validation": gap(gan, measures, "validation"),
        "validation_kid": measures.kernel_distance(samples, "validation"),
        **log,
    })  # fmt: skip


def one_leak(result, name, seed, measures):
    """Train one GAN on rolled channels and measure its colours."""
    gan, log = train_leak(name, seed, measures)
    samples = gan.sample(SAMPLES, SAMPLE_SEED)
    found = {"channels": largest_channel(samples), "kid": measures.kernel_distance(samples, "test"), **log}
    result.parts["leaks"].setdefault("training images", largest_channel(measures.train))
    result.parts["leaks"][name] = found
    if LEAKS[name] == (1.0, 0.0):
        store(gan, "leak")


def one_conditional(result, emoji, measures):
    """Train and measure the conditional GAN."""
    gan, log, names = train_conditional(emoji, measures)
    table = category_distances(gan, emoji, measures, names)
    result.parts["conditional"] = {"categories": names, "distances": table, **log}
    store(gan, "conditional")


def main():
    """Do what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing new after so many")
    parser.add_argument("--adaptive", action="store_true", help="train the adaptive form, too")
    parser.add_argument("--try", nargs="*", dest="tries", choices=FORMS, help="train the validation seed only")
    parser.add_argument("--set", nargs="*", default=[], help="other settings for the tries, such as rate=0.002")
    options, start, emoji = parser.parse_args(), time.monotonic(), datasets.load_emoji()
    measures = Measures(emoji)
    changes = {name: float(value) for name, value in (one.split("=") for one in options.set)}
    for form in options.tries or ():
        _, log = train(form, TRY_SEED, measures, **changes)
        print(form, changes, log, flush=True)
    if options.tries is not None:
        return
    result = Result()
    for job in jobs(result, emoji, measures, options.adaptive):
        if time.monotonic() - start > 60 * options.minutes:
            return
        job()
        result.write()


if __name__ == "__main__":
    main()
