"""Train the convolutional pair of the chapter on the DCGAN as long as the dense pair, and measure both.

python -m experiments.dcgan            trains what is missing, then measures and writes the result
python -m experiments.dcgan --train    trains what is missing only, as for two processes side by side

The first seed tries three learning rates, and ReLU in D at the middle one, for 8 passes over the digits; the other
seeds follow at the setting with the smallest distance from the *validation* digits. The dense pair has the setting that
`experiments.gan_ablation` chose in the same way, and its runs of 8 passes are those of `experiments.gan_recipes`. One
run of each pair is twice as long, to see whether their order would change. The rates are constant.
"""

import argparse
import dataclasses
from collections.abc import Callable

import keras

from experiments.harness import record, training
from helpers import claims, datasets, gans, metrics, storage

NAME = "dcgan"
SEEDS = (0, 1, 2)  # fixed before the runs
LENGTH, LONG = 8, 16  # passes over the 50,000 training digits
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


@dataclasses.dataclass(frozen=True)
class Setting:
    """What may differ between runs."""

    pair: str
    rate: float
    activation: str  # D's, in the convolutional pair

    def networks(self):
        """Return the untrained networks."""
        return PAIRS[self.pair](self.activation)

    def build(self, seed):
        """Return the compiled, untrained GAN, with the improved recipe's game."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*self.networks(), seed=seed)
        adams = [keras.optimizers.Adam(self.rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
        gan.compile(*adams, loss="non_saturating", r1=0.3, r2=0.3, penalty_batch=8, ema=0.999)
        return gan

    def run(self, seed, passes):
        """Return the name of a run, of the folder for what it leaves."""
        return f"{NAME}/{self.pair}_{self.rate:g}_{self.activation}_{seed}_{passes}"


PAIRS: dict[str, Callable] = {"convolutional": convolutional, "dense": dense}
DENSE = Setting("dense", 2e-3, "relu")
TRIALS = (*(Setting("convolutional", rate, "leaky_relu") for rate in RATES), Setting("convolutional", 2e-3, "relu"))


class Keep(keras.callbacks.Callback):
    """Writes the averaged generator's weights down after every epoch."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        """Write one file."""
        self.model.jax_state_sync()
        storage.save_weights(self.file(epoch + 1), self.model.ema_generator.get_weights())

    def file(self, passes):
        """Return where the weights lie after so many epochs."""
        return self.folder / f"pass_{passes}.npz"


class Experiment:
    """The digits, and the log of what has been trained."""

    def __init__(self):
        self.mnist = datasets.load_mnist()
        self.validation = metrics.features(self.mnist.validation_images)
        self.log = record.Log(training.RUNS / NAME / "runs.jsonl", {"batch_size": BATCH})

    def train(self, setting, seed, passes):
        """Train one run, unless that has been done; write down how far from the validation digits each pass ends."""
        key = {**dataclasses.asdict(setting), "seed": seed, "passes": passes}
        if (done := self.log.find(**key)) is not None:
            return done
        run, gan = setting.run(seed, passes), setting.build(seed)
        keep = Keep(training.RUNS / run)
        images = self.mnist.train_images
        finished = training.fit_gan(run, gan, images, BATCH, passes, dataclasses.asdict(setting), [keep])
        curve = [distance(filled(setting, keep.file(n)), self.validation) for n in range(1, passes + 1)]
        conditions = {name: claims.run_record()[name] for name in ("device", "versions")}
        self.log.add({"curve": curve, **finished, **conditions}, **key)
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
        """Train what is missing; return the runs of all seeds, and the long ones."""
        chosen = self.chosen()
        runs = [self.train(chosen["convolutional"], seed, LENGTH) for seed in SEEDS]
        return runs, [self.train(setting, SEEDS[0], LONG) for setting in chosen.values()]

    def measured(self, run):
        """Return a run with its distance from the test digits."""
        generator = self.generator(self.chosen()[run["pair"]], run["seed"], run["passes"])
        return {**run, "fdd": distance(generator, metrics.features(self.mnist.test_images))}

    def generator(self, setting, seed, passes):
        """Return the averaged generator at the end of a run."""
        return filled(setting, Keep(training.RUNS / setting.run(seed, passes)).file(passes))


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


def load(seed=SEEDS[0]):
    """Return the stored convolutional generator of the first seed; its weights are 8-bit integers."""
    return filled(TRIALS[0], record.weights_path(NAME, seed))


def main():
    """Train what is missing; measure it and write the result unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", action="store_true", help="train what is missing; write no result")
    experiment, only_train = Experiment(), parser.parse_args().train
    runs, long = experiment.run()
    if only_train:
        return
    setting = experiment.chosen()["convolutional"]
    weights = experiment.generator(setting, SEEDS[0], LENGTH).get_weights()
    storage.save_weights(record.weights_path(NAME, SEEDS[0]), weights, "int8")
    measured = {"runs": list(map(experiment.measured, runs)), "long": list(map(experiment.measured, long))}
    measured["stored_fdd"] = distance(load(), metrics.features(experiment.mnist.test_images))
    record.write(NAME, **measured, trials=experiment.trials(), chosen=dataclasses.asdict(setting), samples=SAMPLES)


if __name__ == "__main__":
    main()
