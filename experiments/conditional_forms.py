"""Train conditional GANs of digits that get the label in three forms, on several seeds, with equal effort for each.

python -m experiments.conditional_forms          tries the rates, trains what is missing, measures and writes the result
python -m experiments.conditional_forms --tune   tries the rates only

From "concatenation" to "projection" the discriminator changes and the generator stays, from "projection" to
"normalisation" the generator changes and the discriminator stays. For each form five learning rates are tried with
one seed, which no run has, for two epochs; the one with the least distance from the validation digits is kept.
(Three were planned; the largest was the best for each form, so larger ones were added for all.) The test digits are
read once, after the last epoch of a run. Nothing else was tuned: game, penalties and batches are those of
`experiments.conditional_gan`, for smaller networks. Before any of the final runs their length was cut from six epochs
to three, to save time; the curves show what the last of them does.
"""

import argparse
import math

import keras
import numpy as np

from experiments.harness import record, training
from helpers import checks, datasets, metrics
from helpers.gans import conditional

NAME = "conditional_forms"
FORMS = {  # into the generator, into the discriminator
    "concatenation": ("concatenation", "concatenation"),
    "projection": ("concatenation", "projection"),
    "normalisation": ("normalisation", "projection"),
}
INTO_GENERATOR, INTO_DISCRIMINATOR = ("concatenation", "normalisation"), ("concatenation", "projection")
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
SEEDS = (0, 1, 2)  # fixed before the runs
TUNING_SEED = 100
SAMPLES, SAMPLE_SEED = 10_000, 12345
NETWORKS = {"style_dim": 16, "generator_units": [128, 256], "discriminator_units": [256, 128], "activation": "relu"}
RECIPE = {
    "last_over_rate": 0.05,
    "gamma": 0.3,
    "batch_size": 64,
    "penalty_batch": 8,
    "ema": 0.995,
    "tuning_epochs": 2,
    "epochs": 3,
}


def two_input_networks(
    into_generator,
    into_discriminator,
    style_dim=16,
    generator_units=(128, 256),
    discriminator_units=(256, 128),
    activation="relu",
    classes=conditional.CLASSES,
    image_shape=conditional.IMAGE_SHAPE,
):
    """Return G([z, y]) and D([x, y]) of dense layers, which get the label in one of two ways each.

    Parameters
    ----------
    into_generator : {"concatenation", "normalisation"}
        One-hot beside z; or as scale and shift behind each layer normalisation, a pair of vectors for each class.
    into_discriminator : {"concatenation", "projection"}
        One-hot beside the pixels; or as a vector whose product with the last hidden layer is added to the logit.
    style_dim : int, default=16
        Normal numbers in z.
    generator_units, discriminator_units : sequence of int
        Hidden units, layer by layer, with the activation; in G layer normalisation comes before it.
    activation, classes, image_shape
        As in `conditional.conditional_networks`.

    Returns
    -------
    generator, discriminator : keras.Model
        Styles (n, style_dim) and labels (n,) → images (n, *image_shape) in (0, 1); images and labels → logits (n, 1).

    References
    ----------
    Mirza and Osindero (2014), "Conditional Generative Adversarial Nets"; Dumoulin et al. (2017), "A Learned
    Representation for Artistic Style"; Miyato and Koyama (2018), "cGANs with Projection Discriminator".
    """
    checks.check_choice("into_generator", into_generator, INTO_GENERATOR)
    checks.check_choice("into_discriminator", into_discriminator, INTO_DISCRIMINATOR)
    normalise = _conditional_norm if into_generator == "normalisation" else _plain_norm
    generator = _two_input_generator(style_dim, generator_units, activation, classes, image_shape, normalise)
    project = into_discriminator == "projection"
    return generator, _two_input_discriminator(discriminator_units, activation, classes, image_shape, project)


def _two_input_generator(style_dim, units, activation, classes, image_shape, normalise):
    """Return G([z, y])."""
    z, y = keras.Input((style_dim,)), keras.Input((), dtype="int32")
    x = z if normalise is _conditional_norm else keras.layers.Concatenate()([z, _one_hot_layer(classes)(y)])
    for size in units:
        x = keras.layers.Activation(activation)(normalise(keras.layers.Dense(size)(x), y, classes))
    image = keras.layers.Dense(math.prod(image_shape), activation="sigmoid")(x)
    return keras.Model([z, y], keras.layers.Reshape(image_shape)(image), name="generator")


def _two_input_discriminator(units, activation, classes, image_shape, project):
    """Return D([x, y])."""
    x, y = keras.Input(image_shape), keras.Input((), dtype="int32")
    hidden = keras.layers.Flatten()(x)
    if not project:
        hidden = keras.layers.Concatenate()([hidden, _one_hot_layer(classes)(y)])
    for size in units:
        hidden = keras.layers.Dense(size, activation=activation)(hidden)
    logit = keras.layers.Dense(1)(hidden)
    if project:
        fit = keras.layers.Dot(axes=1)([hidden, keras.layers.Embedding(classes, units[-1])(y)])
        logit = keras.layers.Add()([logit, fit])
    return keras.Model([x, y], logit, name="discriminator")


def _one_hot_layer(classes):
    """Return the layer labels (n,) → one-hot rows (n, classes)."""
    return keras.layers.CategoryEncoding(classes, output_mode="one_hot")


def _plain_norm(x, y, classes):
    """Return normalised rows, with one scale and shift for all classes."""
    return keras.layers.LayerNormalization()(x)


def _conditional_norm(x, y, classes):
    """Return normalised rows, with a scale and a shift for each class."""
    scale = keras.layers.Embedding(classes, x.shape[-1], embeddings_initializer="ones")(y)
    shift = keras.layers.Embedding(classes, x.shape[-1], embeddings_initializer="zeros")(y)
    normalised = keras.layers.LayerNormalization(center=False, scale=False)(x)
    return keras.layers.Add()([keras.layers.Multiply()([normalised, scale]), shift])


class Course(keras.callbacks.Callback):
    """Writes what is measured on the validation digits after each epoch into the run's log."""

    def __init__(self, real):
        super().__init__()
        self.real = real

    def on_epoch_end(self, epoch, logs=None):
        """Draw, look and note."""
        logs.update(measure(self.model, self.real))


def measure(gan, real):
    """Return the distance of 10,000 digits from real features, and the share that is read as asked."""
    asked = np.arange(SAMPLES) % conditional.CLASSES
    features, seen = metrics.look(gan.sample(SAMPLES, SAMPLE_SEED, asked))
    return {"fdd": metrics.frechet_distance(features, real), "accuracy": float((seen == asked).mean())}


def build(form, rate, seed, steps):
    """Return the compiled, untrained GAN for a training of this many steps."""
    keras.utils.set_random_seed(seed)
    networks = two_input_networks(*FORMS[form], **NETWORKS)
    gan = conditional.ConditionalGAN(*conditional.side_by_side(*networks), seed=seed)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=RECIPE["last_over_rate"])
    adams = [keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=RECIPE["gamma"], r2=RECIPE["gamma"], penalty_batch=RECIPE["penalty_batch"])
    gan.compile(*adams, loss="relativistic", ema=RECIPE["ema"], **penalties)
    return gan


def train(form, rate, seed, epochs, mnist, validation):
    """Train one GAN; return it, and its seconds and its curves on the validation digits."""
    gan = build(form, rate, seed, epochs * (len(mnist.train_images) // RECIPE["batch_size"]))
    settings = {**RECIPE, **NETWORKS, "form": form, "rate": rate, "seed": seed}
    run = f"{NAME}_{form}_{rate:g}_{seed}_{epochs}"
    data = mnist.train_images, mnist.train_labels
    done = training.fit_gan(run, gan, data, RECIPE["batch_size"], epochs, settings, [Course(validation)])
    curves = {name: [round(value, 4) for value in done["history"][name]] for name in ("fdd", "accuracy")}
    return gan, {"seconds": done["seconds"], "validation": curves}


def weights_of(form):
    """Return how many weights the two networks of a form have."""
    return [network.count_params() for network in two_input_networks(*FORMS[form], **NETWORKS)]


class Progress:
    """What has been tried and trained; written after each run."""

    def __init__(self):
        self.settings = {"rates": RATES, "recipe": RECIPE, "networks": NETWORKS, "forms": FORMS, "samples": SAMPLES}
        self.runs = record.runs(NAME, [], **self.settings)
        written = (record.RESULTS / f"{NAME}.json").exists()
        self.tries = record.read(NAME)["tries"] if written else []

    def add(self, kind, **run):
        """Note one run of a kind, "tries" or "runs"."""
        getattr(self, kind).append(run)
        weights = {form: weights_of(form) for form in FORMS}
        record.write(NAME, runs=self.runs, tries=self.tries, weights=weights, **self.settings)
        print(kind, {key: value for key, value in run.items() if key != "validation"}, flush=True)

    def lacks(self, kind, **key):
        """Return whether no run of the kind has these settings."""
        return not any(all(run[name] == value for name, value in key.items()) for run in getattr(self, kind))


def choose(tries):
    """Return form → the rate with the least distance from the validation digits after its last epoch."""
    ends = {(run["form"], run["rate"]): run["validation"]["fdd"][-1] for run in tries}
    return {form: min(RATES, key=lambda rate: ends[form, rate]) for form in FORMS}


def main():
    """Try the rates, then train and measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tune", action="store_true", help="try the rates only")
    tune_only, mnist, progress = parser.parse_args().tune, datasets.load_mnist(), Progress()
    validation = metrics.features(mnist.validation_images)
    for form in FORMS:
        for rate in RATES:
            if progress.lacks("tries", form=form, rate=rate):
                _, done = train(form, rate, TUNING_SEED, RECIPE["tuning_epochs"], mnist, validation)
                progress.add("tries", form=form, rate=rate, **done)
    if tune_only:
        return
    real, rates = metrics.features(mnist.test_images), choose(progress.tries)
    for seed in SEEDS:
        for form, rate in rates.items():
            if progress.lacks("runs", form=form, seed=seed):
                gan, done = train(form, rate, seed, RECIPE["epochs"], mnist, validation)
                progress.add("runs", form=form, rate=rate, seed=seed, **measure(gan, real), **done)


if __name__ == "__main__":
    main()
