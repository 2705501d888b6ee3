"""Sweep the weight λ of the reconstruction in a supervised autoencoder, at 100, 1,000 and all labels.

python -m experiments.supervised_sweep             trains what is missing and writes the result
python -m experiments.supervised_sweep --variants  only the other forms of the network, which show when λ helps
"""

import argparse
import dataclasses
import functools
import time
import warnings

import keras
import numpy as np
from keras import ops
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from tqdm import tqdm

from experiments.harness import record
from experiments.harness.record import Log
from helpers import autoencoders, datasets

NAME = "supervised_sweep"
LOG = record.RESULTS.parent / "runs" / f"{NAME}.jsonl"  # one line a finished run; not committed
LABELS = (100, 1_000, 60_000)
SEEDS = (0, 1, 2, 3, 4)  # of the labels' choice and of the weights; fixed before the runs
# What each way of training chooses from: the classifier the share of the pixels masked, both supervised autoencoders
# λ, logistic regression C.
STRENGTHS = {
    "classifier": (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9),
    "labelled": tuple(np.geomspace(1e-3, 10, 7).tolist()),
    "unlabelled": tuple(np.geomspace(1e-3, 10, 7).tolist()),
    "pixels": (0.01, 0.1, 1.0, 10.0),
    "features": (0.01, 0.1, 1.0, 10.0),
}
WEIGHT_DECAY = {100: 0.03, 1_000: 0.01, 60_000: 0.001}  # by labels; of all networks alike
FEW, MANY, UNLABELLED = 50, 200, 100  # images a batch: labelled ones, up to 1,000 and beyond, and unlabelled ones
DEVELOPMENT_SEEDS = (100, 101, 102)
layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Form:
    """Network and training of a supervised autoencoder."""

    widths: tuple = (256, 128)  # the last one is the code that both heads read
    mask: float = 0.75  # share of the pixels masked in what the decoder has to redraw
    mask_both: bool = False  # whether the code that the classifier reads is made from masked pixels too
    normalised: bool = True  # layer normalisation and SiLU, otherwise ReLU
    learning_rate: float = 2e-3
    steps: int = 500

    def build(self, seed):
        """Return the untrained model; the seed sets weights and noise."""
        keras.utils.set_random_seed(seed)
        code, pixels = self.widths[-1:], layers.Dense(784, activation="sigmoid")
        encoder = keras.Sequential([keras.Input((784,)), *self.hidden(self.widths)], name="encoder")
        decoder = keras.Sequential([keras.Input(code), *self.hidden(self.widths[-2::-1]), pixels], name="decoder")
        classifier = keras.Sequential([keras.Input(code), layers.Dense(10)], name="classifier")
        return MaskedAutoencoder(encoder, decoder, classifier)

    def hidden(self, widths):
        """Return hidden layers of these widths."""
        if not self.normalised:
            return [layers.Dense(width, activation="relu") for width in widths]
        triples = [(layers.Dense(width), layers.LayerNormalization(), layers.Activation("silu")) for width in widths]
        return [layer for triple in triples for layer in triple]


class MaskedAutoencoder(autoencoders.SupervisedAutoencoder):
    """A supervised autoencoder whose decoder redraws whole images from masked ones; the classifier has its own mask.

    The weights of the losses and the shares of the pixels masked are variables: a change of one costs no compilation.
    """

    def __init__(self, encoder, decoder, classifier, **kwargs):
        super().__init__(encoder, decoder, classifier, **kwargs)
        self.noise = keras.random.SeedGenerator(np.random.randint(2**31))  # noqa: NPY002  set_random_seed sets it
        for name in ("reconstruction_weight", "prediction_weight", "weight_decay", "decoder_mask", "classifier_mask"):
            setattr(self, name, keras.Variable(0.0, trainable=False, name=name))

    def call(self, images, training=False):
        """Return ``logits`` and ``reconstruction``; while training both heads see masked images, each its own."""
        seen = [images, images]
        if training:
            seen = [self.masked(images, share) for share in (self.classifier_mask, self.decoder_mask)]
        return {"logits": self.classifier(self.encoder(seen[0])), "reconstruction": self.decoder(self.encoder(seen[1]))}

    def masked(self, images, share):
        """Return the images with a share of their pixels set to 0 and the others larger, so that the mean stays."""
        kept = keras.random.uniform(ops.shape(images), seed=self.noise) >= share
        return images * ops.cast(kept, "float32") / (1 - share)

    def compute_loss(self, *args, **kwargs):
        """Return the loss, and weight decay × the sum of the classifier's squared weights."""
        kernels = [v for v in (*self.encoder.trainable_variables, *self.classifier.trainable_variables) if v.ndim == 2]
        squares = sum(ops.sum(ops.square(kernel)) for kernel in kernels)
        return super().compute_loss(*args, **kwargs) + self.weight_decay * squares


class Steps(keras.utils.PyDataset):
    """The first batches of a data set, epoch after epoch, served as one epoch of `steps` batches."""

    def __init__(self, batches, steps):
        super().__init__()
        self.batches, self.steps = batches, steps
        self.order = getattr(batches, "unlabelled", batches)

    def __len__(self):
        """Return the number of steps."""
        return self.steps

    def __getitem__(self, step):
        """Return batch `step`."""
        epoch, index = divmod(step, len(self.batches))
        if epoch != self.order.epoch:
            self.order.set_epoch(epoch)
        return self.batches[index]


class Trainer:
    """One compiled model that is set back to a seed's first weights for each run."""

    def __init__(self, form=Form()):
        self.form = form
        self.model = form.build(0)
        schedule = keras.optimizers.schedules.CosineDecay(form.learning_rate, form.steps)
        self.model.compile(keras.optimizers.Adam(schedule))
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = [np.array(variable) for variable in self.model.optimizer.variables]

    def reset(self, seed, **values):
        """Set weights and noise to what `seed` gives, the optimizer to its start, and the variables named."""
        for variable, fresh in zip(self.model.variables, self.form.build(seed).variables, strict=True):
            variable.assign(fresh)
        for variable, first in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(first)
        for name, value in values.items():
            getattr(self.model, name).assign(value)

    def train(self, way, strength, seed, images, labels, unlabelled=None, weight_decay=0.0):
        """Train on labelled images (n, 784), for the way "unlabelled" on images without labels too."""
        values = {"prediction_weight": 1.0, "weight_decay": weight_decay}
        if way == "classifier":
            values["classifier_mask"] = strength
        else:
            masks = {"decoder_mask": self.form.mask, "classifier_mask": self.form.mask * self.form.mask_both}
            values |= {"reconstruction_weight": strength, **masks}
        self.reset(seed, **values)
        size = FEW if len(labels) <= 1_000 else MANY
        batches = datasets.ShuffledBatches(images, size, seed, labels)
        if way == "unlabelled":
            batches = datasets.SemiSupervisedBatches(images, labels, unlabelled, size, UNLABELLED, seed)
        self.fit(batches)

    def train_autoencoder(self, seed, images):
        """Train without labels: the prediction has weight 0."""
        self.reset(seed, reconstruction_weight=1.0, decoder_mask=self.form.mask)
        no_labels = np.full(len(images), -1, "int32")
        self.fit(datasets.ShuffledBatches(images, FEW + UNLABELLED, seed, no_labels))

    def fit(self, batches):
        """Train for the form's steps."""
        self.model.fit(Steps(batches, self.form.steps), epochs=1, shuffle=False, verbose=0)

    def measure(self, images, labels, prefix):
        """Return accuracy, cross-entropy in nats and squared error, under names that begin with `prefix`."""
        outputs = self.model.predict(images, batch_size=1_000, verbose=0)
        entropies = keras.losses.sparse_categorical_crossentropy(labels, outputs["logits"], from_logits=True)
        return {
            f"{prefix}_accuracy": float((outputs["logits"].argmax(axis=1) == labels).mean()),
            f"{prefix}_cross_entropy": float(ops.mean(entropies)),
            f"{prefix}_squared_error": float(((images - outputs["reconstruction"]) ** 2).sum(axis=1).mean()),
        }

    def encode(self, images):
        """Return the codes (n, widths[-1])."""
        return self.model.encoder.predict(images, batch_size=1_000, verbose=0)


def choose_rows(labels, count, seed):
    """Return `count` rows, as many of each class as possible; the first four fifths train while λ is chosen.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        All labels there are.
    count : int
        The budget; n means all, in random order.
    seed : int
        Seed of the choice.

    Returns
    -------
    ndarray of int, shape (count,)
    """
    rng = np.random.default_rng([seed, count])
    if count == len(labels):
        return rng.permutation(count)
    rows = datasets.balanced_subset(labels, count, rng)
    first = datasets.balanced_subset(labels[rows], 4 * count // 5, rng)
    return np.concatenate([rows[first], np.delete(rows, first)])


@functools.cache
def rows_of_pixels():
    """Return training and test images as rows, with their labels: all 60,000 train."""
    mnist = datasets.load_mnist(validation_size=0)
    train, test = mnist.train_images.reshape(-1, 784), mnist.test_images.reshape(-1, 784)
    return train, mnist.train_labels, test, mnist.test_labels


def network_run(trainer, labels, way, strength, seed, part):
    """Return the measurements of one run: `part` "select" trains on four fifths of the labels, "full" on all."""
    images, targets, test_images, test_labels = rows_of_pixels()
    rows = choose_rows(targets, labels, seed)
    training, held_out = np.split(rows, [4 * labels // 5 if part == "select" else labels])
    trainer.train(way, strength, seed, images[training], targets[training], images, WEIGHT_DECAY[labels])
    measured = trainer.measure(test_images, test_labels, "test")
    if part == "select":
        measured |= trainer.measure(images[held_out], targets[held_out], "validation")
    return measured


@functools.lru_cache(maxsize=1)
def codes(trainer, seed):
    """Return the codes of training and test images of an autoencoder that saw no label."""
    images, _, test_images, _ = rows_of_pixels()
    trainer.train_autoencoder(seed, images)
    found = trainer.encode(images), trainer.encode(test_images)
    scale = found[0].std()
    return found[0] / scale, found[1] / scale


def linear_run(trainer, labels, way, strength, seed, part):
    """Return the measurements of logistic regression on pixels or on an autoencoder's codes."""
    images, targets, test_images, test_labels = rows_of_pixels()
    inputs, test_inputs = (images, test_images) if way == "pixels" else codes(trainer, seed)
    rows = choose_rows(targets, labels, seed)
    training, held_out = np.split(rows, [4 * labels // 5 if part == "select" else labels])
    regression = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps are the recipe
        regression.fit(inputs[training], targets[training])
    measured = {"test_accuracy": regression.score(test_inputs, test_labels)}
    if part == "select":
        measured["validation_accuracy"] = regression.score(inputs[held_out], targets[held_out])
        probabilities = regression.predict_proba(inputs[held_out])
        measured["validation_cross_entropy"] = float(log_loss(targets[held_out], probabilities, labels=range(10)))
    return measured


def choose(runs, labels, way, seed):
    """Return the strength with the smallest cross-entropy on the held-out fifth of the labels; ties: the smallest."""
    tried = [
        run for run in runs if (run["labels"], run["way"], run["seed"], run["part"]) == (labels, way, seed, "select")
    ]
    return min(tried, key=lambda run: (run["validation_cross_entropy"], run["strength"]))["strength"]


def settings():
    """Return the settings of the sweep as JSON can hold them."""
    return {
        "form": dataclasses.asdict(Form()),
        "strengths": STRENGTHS,
        "weight_decay": WEIGHT_DECAY,
        "batch": {"few_labelled": FEW, "many_labelled": MANY, "unlabelled": UNLABELLED},
    }


def ways(labels):
    """Return the ways of training at a budget; with all labels no image is left without."""
    return [way for way in STRENGTHS if way != "unlabelled" or labels < LABELS[-1]]


def sweep(log):
    """Make the runs that are missing."""
    trainer = Trainer()
    jobs = [(labels, seed, way) for labels in LABELS for seed in SEEDS for way in ways(labels)]
    total = sum(len(STRENGTHS[way]) + 1 for _, _, way in jobs)
    with tqdm(total=total, desc=NAME, unit="run", mininterval=10) as bar:
        for labels, seed, way in jobs:
            run = linear_run if way in ("pixels", "features") else network_run
            for strength in (*STRENGTHS[way], None):
                part = "full" if strength is None else "select"
                if strength is None:
                    strength = choose(log.runs, labels, way, seed)
                key = dict(labels=labels, way=way, strength=strength, seed=seed, part=part)
                if log.find(**key) is None:
                    start = time.process_time()
                    measured = run(trainer, **key)
                    log.add({**measured, "cpu_seconds": round(time.process_time() - start, 2)}, **key)
                bar.update()


def summary(runs):
    """Return mean and standard error of the test accuracy at the chosen strength, and of the gain, in percent.

    Parameters
    ----------
    runs : list of dict
        All runs.

    Returns
    -------
    dict
        "100 classifier" and so on → ``accuracy``, ``error``, ``chosen`` (one strength a seed) and, against the
        classifier of the same seed, ``gain``, ``gain_error``.
    """
    found = {}
    for labels in LABELS:
        for way in ways(labels):
            accuracy, chosen = _full(runs, labels, way)
            gain = accuracy - _full(runs, labels, "classifier")[0]
            root = np.sqrt(len(SEEDS))
            found[f"{labels} {way}"] = {
                "accuracy": accuracy.mean(),
                "error": accuracy.std(ddof=1) / root,
                "gain": gain.mean(),
                "gain_error": gain.std(ddof=1) / root,
                "chosen": chosen,
            }
    return found


def _full(runs, labels, way):
    """Return the test accuracies in percent of the runs on the whole budget, one a seed, and their strengths."""
    keys = [(labels, way, seed, "full") for seed in SEEDS]
    ordered = {(run["labels"], run["way"], run["seed"], run["part"]): run for run in runs}
    return 100 * np.array([ordered[key]["test_accuracy"] for key in keys]), [ordered[key]["strength"] for key in keys]


# Each changes one thing of the form of the sweep, or its weight decay; the last is the plain first idea.
VARIANTS = {
    "as in the sweep": (Form(), WEIGHT_DECAY[100]),
    "no mask": (Form(mask=0.0), WEIGHT_DECAY[100]),
    "mask for both heads": (Form(mask_both=True), WEIGHT_DECAY[100]),
    "no weight decay": (Form(), 0.0),
    "code of 8": (Form(widths=(256, 8)), WEIGHT_DECAY[100]),
    "wider": (Form(widths=(512, 256)), WEIGHT_DECAY[100]),
    "100 steps": (Form(steps=100), WEIGHT_DECAY[100]),
    "1,500 steps": (Form(steps=1_500), WEIGHT_DECAY[100]),
    "plain": (Form(normalised=False, mask=0.0, learning_rate=1e-3), 0.0),
}
VARIANT_STRENGTH = 0.1  # λ of all variants


def variant_runs(log):
    """Train each variant at 100 labels, classifier and both autoencoders; measure on the 10,000 validation digits."""
    mnist = datasets.load_mnist()
    images, validation = mnist.train_images.reshape(-1, 784), mnist.validation_images.reshape(-1, 784)
    ways = ("classifier", "labelled", "unlabelled")
    jobs = [(name, way, seed) for name in VARIANTS for way in ways for seed in DEVELOPMENT_SEEDS]
    trainer = None
    for name, way, seed in tqdm(jobs, desc="variants", unit="run", mininterval=10):
        key = dict(variant=name, way=way, seed=seed)
        if log.find(**key) is None:
            form, weight_decay = VARIANTS[name]
            if trainer is None or trainer.form != form:
                trainer = Trainer(form)
            rows = choose_rows(mnist.train_labels, 100, seed)
            strength = form.mask if way == "classifier" else VARIANT_STRENGTH
            trainer.train(way, strength, seed, images[rows], mnist.train_labels[rows], images, weight_decay)
            log.add(trainer.measure(validation, mnist.validation_labels, "validation"), **key)


def variant_settings():
    """Return the variants as JSON can hold them."""
    return {name: {**dataclasses.asdict(form), "weight_decay": decay} for name, (form, decay) in VARIANTS.items()}


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", action="store_true", help="only the variants")
    variant_log = Log(LOG.with_name(f"{NAME}_variants.jsonl"), variant_settings())
    if parser.parse_args().variants:
        variant_runs(variant_log)
        return
    log = Log(LOG, settings())
    sweep(log)
    variant_runs(variant_log)
    write(log.runs, variant_log.runs)


def write(runs, variants):
    """Write the result."""
    record.write(
        NAME,
        summary=summary(runs),
        settings=settings(),
        variant_settings=variant_settings(),
        variants=variants,
        variant_strength=VARIANT_STRENGTH,
        runs=runs,
    )


if __name__ == "__main__":
    main()
