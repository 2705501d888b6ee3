"""Train the deep autoencoder of 2006, with logistic units and from random weights, and measure it on the test digits.

python -m experiments.logistic_autoencoder            trains it, about half an hour of one core, and writes the result
python -m experiments.logistic_autoencoder --trials   tries loss, scale of the first weights and rate: an hour

No pretraining, no normalisation, no shifted digits. The trials trained for 20 passes over 50,000 digits, the rate
falling to 0; the setting with the smallest squared error on the other 10,000 training digits then trains on all
60,000, as in 2006, for as long as `PASSES` says.
"""

import argparse
import dataclasses
import itertools

import keras

from experiments.autoencoder_codes import error, squared_error_loss
from experiments.harness import record, training
from helpers import claims, datasets

NAME = "logistic_autoencoder"
WIDTHS, CODE_DIM, BATCH = (1000, 500, 250), 30, 100
TRIAL, PASSES = 20, 120
TRIAL_SEED, SEED = 100, 0


def cross_entropy_loss(images, reconstructions):
    """Return the cross-entropy of each image, summed over its pixels: (n,)."""
    return images.shape[-1] * keras.losses.binary_crossentropy(images, reconstructions)


LOSSES = {"squared_error": squared_error_loss, "cross_entropy": cross_entropy_loss}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the trials choose."""

    loss: str
    gain: float  # factor on Glorot's weights; 4 makes up for the logistic unit's slope of a quarter
    rate: float

    def build(self, seed, steps):
        """Return the compiled model for a training of so many steps."""
        keras.utils.set_random_seed(seed)
        model = network(self.gain)
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(self.rate, steps)), LOSSES[self.loss]
        )
        return model


TRIALS = tuple(itertools.starmap(Setting, itertools.product(LOSSES, (1.0, 4.0), (3e-4, 1e-3, 3e-3))))


def network(gain):
    """Return 784-1000-500-250-30 and back: logistic hidden units, a linear code, logistic pixels."""
    k = keras.layers
    hidden = [k.Dense(n, "sigmoid") for n in WIDTHS], [k.Dense(n, "sigmoid") for n in reversed(WIDTHS)]
    model = keras.Sequential([keras.Input((784,)), *hidden[0], k.Dense(CODE_DIM), *hidden[1], k.Dense(784, "sigmoid")])
    for layer in (*hidden[0], *hidden[1]):
        layer.kernel.assign(gain * layer.kernel)
    return model


class Rows(datasets.ShuffledBatches):
    """Batches of digits as rows of 784 numbers, each its own target."""

    def __getitem__(self, index):
        """Return batch `index`: (batch_size, 784), twice."""
        rows = super().__getitem__(index)[0].reshape(self.batch_size, -1)
        return rows, rows


class Curve(keras.callbacks.Callback):
    """Logs the squared error on images that are not trained on."""

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_epoch_end(self, epoch, logs):
        """Add it to what the epoch logs."""
        self.model.jax_state_sync()
        logs["validation_sse"] = error(self.model, self.images)


def train(setting, seed, passes, images, callbacks=()):
    """Train on images (n, 28, 28, 1); return the model, and what is known of the run."""
    batches = Rows(images, BATCH)
    model, settings = setting.build(seed, passes * len(batches)), {**dataclasses.asdict(setting), "images": len(images)}
    run = f"{NAME}_{setting.loss}_{setting.gain:g}_{setting.rate:g}_{seed}"
    finished = training.fit(run, model, batches, passes, settings, callbacks)
    return model, {**settings, "passes": passes, "seed": seed, **finished}


def trials():
    """Return the runs that tried the settings, each with its curve; what is missing is trained."""
    log = record.Log(training.RUNS / f"{NAME}.jsonl", {"passes": TRIAL, "batch_size": BATCH, "seed": TRIAL_SEED})
    mnist = datasets.load_mnist()
    for setting in TRIALS:
        key = dataclasses.asdict(setting)
        if log.find(**key) is None:
            watch = Curve(mnist.validation_images)
            _, finished = train(setting, TRIAL_SEED, TRIAL, mnist.train_images, [watch])
            device = claims.run_record()["device"]
            log.add({"curve": finished["history"]["validation_sse"], "device": device}, **key)
    return log.runs


def main():
    """Choose the setting, train it for as long as it takes, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", action="store_true", help="only try the settings that have not been tried")
    tried, only_trials = trials(), parser.parse_args().trials
    if only_trials:
        return
    best = TRIALS[min(range(len(TRIALS)), key=lambda i: tried[i]["curve"][-1])]
    mnist = datasets.load_mnist(validation_size=0)
    model, finished = train(best, SEED, PASSES, mnist.train_images)
    parts = {"train": mnist.train_images[:10_000], "test": mnist.test_images}
    errors = {f"{part}_sse": error(model, images) for part, images in parts.items()}
    record.write(NAME, run={**finished, **errors}, trials=tried, weights=model.count_params(), batch_size=BATCH)


if __name__ == "__main__":
    main()
