"""Train the convolutional pair of the chapter on the DCGAN as long as the dense pair, and measure both.

python -m experiments.dcgan            trains what is missing, then measures and writes the result
python -m experiments.dcgan --train    trains what is missing only, as for two processes side by side

The first seed tries three learning rates, and ReLU in D at the middle one, for 8 passes over the digits; the other
seeds follow at the setting with the smallest distance from the *validation* digits. The dense pair has the setting that
`experiments.gan_ablation` chose in the same way, and its runs of 8 passes are those of `experiments.gan_recipes`. One
run of each pair is twice as long, to see whether their order would change. A dense pair with as many weights as the
convolutional one has the same rate, seeds and passes; and one run, shorter and on one seed, has a tenth of the penalty:
its discriminator is the one that `experiments.dcgan_features` reads. The rates are constant.

A run that the result holds already is not made again: delete the result for that.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable

import keras

from experiments.harness import record, training
from helpers import claims, datasets, gans, metrics, storage

NAME = "dcgan"
SEEDS = (0, 1, 2)  # fixed before the runs
LENGTH, LONG, SHORT = 8, 16, 4  # passes over the 50,000 training digits
LATENT_DIM, BATCH = 16, 64
SAMPLES, SAMPLE_SEED = 10_000, 12345
RATES = (1e-3, 2e-3, 4e-3)


def convolutional(activation, width=16):
    """Return the chapter's generator and discriminator, of Keras's own layers."""
    k, strided = keras.layers, dict(strides=2, padding="same")
    generator = [
        keras.Input((LATENT_DIM,)),
        k.Dense(7 * 7 * 2 * width, use_bias=False),
        *(k.BatchNormalization(), k.Activation("relu"), k.Reshape((7, 7, 2 * width))),
        k.Conv2DTranspose(width, 4, use_bias=False, **strided),  # -> (n, 14, 14, width)
        *(k.BatchNormalization(), k.Activation("relu")),
        k.Conv2DTranspose(1, 4, activation="sigmoid", **strided),  # -> (n, 28, 28, 1)
    ]
    judge = [k.Conv2D(filters, 4, activation=activation, **strided) for filters in (width, 2 * width)]
    judge = [keras.Input((28, 28, 1)), *judge, k.Flatten(), k.Dense(1)]
    return keras.Sequential(generator, name="generator"), keras.Sequential(judge, name="discriminator")


def dense(_):
    """Return the pair of the improved recipe, which has ReLU in both networks."""
    return gans.improved_networks()


def narrow(activation):
    """Return a dense pair of the recipe's form with as many weights as the convolutional one, up to one per cent."""
    return gans.dense_networks(LATENT_DIM, (20, 30), (30, 20), activation, normalise=True)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What may differ between runs."""

    pair: str
    rate: float
    activation: str  # D's, in the convolutional pair
    gamma: float = 0.3  # the weight of R1 and R2

    def networks(self):
        """Return the untrained networks."""
        return PAIRS[self.pair](self.activation)

    def build(self, seed):
        """Return the compiled, untrained GAN, with the improved recipe's game."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*self.networks(), seed=seed)
        adams = [keras.optimizers.Adam(self.rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        gan.compile(*adams, loss="non_saturating", r1=self.gamma, r2=self.gamma, penalty_batch=8, ema=0.999)
        return gan

    def run(self, seed, passes):
        """Return the name of a run, of the folder for what it leaves."""
        return f"{NAME}/{self.pair}_{self.rate:g}_{self.activation}_{self.gamma:g}_{seed}_{passes}"


PAIRS: dict[str, Callable] = {"convolutional": convolutional, "dense": dense, "narrow": narrow}
DENSE, NARROW = Setting("dense", 2e-3, "relu"), Setting("narrow", 2e-3, "relu")
LIGHT = Setting("convolutional", 2e-3, "relu", 0.03)
TRIALS = (*(Setting("convolutional", rate, "leaky_relu") for rate in RATES), Setting("convolutional", 2e-3, "relu"))


class Keep(keras.callbacks.Callback):
    """Writes the weights of the averaged generator down after every epoch, and those of the last discriminator."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        """Write the two files."""
        self.model.jax_state_sync()
        storage.save_weights(self.file(epoch + 1), self.model.ema_generator.get_weights())
        storage.save_weights(self.folder / "discriminator.npz", self.model.discriminator.get_weights())

    def file(self, passes):
        """Return where the weights lie after so many epochs."""
        return self.folder / f"pass_{passes}.npz"


class Experiment:
    """The digits, and the log of what has been trained."""

    def __init__(self):
        self.mnist = datasets.load_mnist()
        self.validation = metrics.features(self.mnist.validation_images)
        self.test = metrics.features(self.mnist.test_images)
        self.log = record.Log(training.RUNS / NAME / "runs.jsonl", {"batch_size": BATCH})
        self.log.runs += stored_runs()

    def train(self, setting, seed, passes):
        """Train one run, unless that has been done; write down how far from the validation digits each pass ends."""
        key = {**dataclasses.asdict(setting), "seed": seed, "passes": passes}
        if (done := self.log.find(**key)) is not None:
            return done
        run, gan = setting.run(seed, passes), setting.build(seed)
        keep = Keep(training.RUNS / run)
        images = self.mnist.train_images
        finished = training.fit_gan(run, gan, images, BATCH, passes, dataclasses.asdict(setting), [keep])
        at = measured_after(setting, passes)
        made = [filled(setting, keep.file(n)) for n in at]
        curve, fdd = [distance(one, self.validation) for one in made], distance(made[-1], self.test)
        conditions = {name: claims.run_record()[name] for name in ("device", "versions")}
        self.log.add({"curve": curve, "at": at, "fdd": fdd, **finished, **conditions}, **key)
        print(*key.values(), curve[-1], flush=True)
        return self.log.find(**key)

    def trials(self):
        """Return the runs that tried the settings, in the order of `TRIALS`."""
        return [self.train(setting, SEEDS[0], LENGTH) for setting in TRIALS]

    def chosen(self):
        """Return the setting of each pair."""
        ends = [run["curve"][-1] for run in self.trials()]
        return {"convolutional": TRIALS[ends.index(min(ends))], "dense": DENSE}

    def run(self):
        """Train what is missing; return kind → runs."""
        chosen = self.chosen()
        return {
            "runs": [self.train(chosen["convolutional"], seed, LENGTH) for seed in SEEDS],
            "long": [self.train(setting, SEEDS[0], LONG) for setting in chosen.values()],
            "narrow": [self.train(NARROW, seed, LENGTH) for seed in SEEDS],
            "light": [self.train(LIGHT, SEEDS[0], SHORT)],
        }

    def generator(self, setting, seed, passes):
        """Return the averaged generator at the end of a run."""
        return filled(setting, Keep(training.RUNS / setting.run(seed, passes)).file(passes))


def measured_after(setting, passes):
    """Return the passes after which a run is measured: each, or two where measuring would cost more than training."""
    return [passes // 2, passes] if setting in (NARROW, LIGHT) else list(range(1, passes + 1))


def stored_runs():
    """Return the finished runs of the stored result."""
    try:
        old = record.read(NAME)
    except FileNotFoundError:
        return []
    runs = [run for kind in ("runs", "long", "narrow", "light", "trials") for run in old.get(kind, [])]
    return [{"gamma": Setting.gamma, **run} for run in runs]


def filled(setting, path):
    """Return the setting's generator with the weights of a file."""
    generator, _ = setting.networks()
    generator.set_weights(storage.load_weights(path))
    return generator


def distance(generator, real_features):
    """Return the Fréchet distance of 10,000 of the generator's digits from real ones."""
    latents = keras.random.normal((SAMPLES, LATENT_DIM), seed=SAMPLE_SEED)
    digits = generator.predict(latents, batch_size=1000, verbose=0)
    return metrics.frechet_distance(metrics.features(digits), real_features)


def seconds_a_step(images, steps=20, rounds=5):
    """Return the processor time of a training step of either pair, the median of rounds in which they take turns."""
    models = {name: setting.build(SEEDS[0]) for name, setting in (("convolutional", TRIALS[-1]), ("dense", DENSE))}
    for gan in models.values():
        gan.fit(images[:BATCH], batch_size=BATCH, verbose=0)  # compiles
    seconds = {name: [] for name in models}
    for _ in range(rounds):
        for name, gan in models.items():
            start = time.process_time()
            gan.fit(images[: steps * BATCH], batch_size=BATCH, verbose=0)
            seconds[name].append((time.process_time() - start) / steps)
    return {name: statistics.median(values) for name, values in seconds.items()}


def load(seed=SEEDS[0]):
    """Return the stored convolutional generator of the first seed; its weights are 8-bit integers."""
    return filled(TRIALS[0], record.weights_path(NAME, seed))


def load_discriminator():
    """Return the stored discriminator, of the run with a light penalty; its weights are 8-bit integers."""
    _, judge = LIGHT.networks()
    judge.set_weights(storage.load_weights(record.weights_path(NAME, "discriminator")))
    return judge


def main():
    """Train what is missing; measure it and write the result unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train what is missing; write no result")
    experiment, only_train = Experiment(), parser.parse_args().train
    measured = experiment.run()
    if only_train:
        return
    setting = experiment.chosen()["convolutional"]
    keep_weights(experiment, setting)
    measured["stored_fdd"] = distance(load(), experiment.test)
    cost = seconds_a_step(experiment.mnist.train_images)
    measured |= {"trials": experiment.trials(), "chosen": dataclasses.asdict(setting), "seconds_a_step": cost}
    record.write(NAME, **measured, samples=SAMPLES)


def keep_weights(experiment, setting):
    """Store the generator of the first seed and the discriminator of the light penalty, where they were made here."""
    if Keep(training.RUNS / setting.run(SEEDS[0], LENGTH)).file(LENGTH).exists():
        weights = experiment.generator(setting, SEEDS[0], LENGTH).get_weights()
        storage.save_weights(record.weights_path(NAME, SEEDS[0]), weights, "int8")
    file = training.RUNS / LIGHT.run(SEEDS[0], SHORT) / "discriminator.npz"
    if file.exists():
        storage.save_weights(record.weights_path(NAME, "discriminator"), storage.load_weights(file), "int8")


if __name__ == "__main__":
    main()
