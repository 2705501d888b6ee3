"""Train diffusion models of digits, of their pixels and of an autoencoder's codes, and of the 2-D mixtures.

python -m experiments.diffusion                            trains what is missing, then measures and writes the result
python -m experiments.diffusion pixels                     does so for one space only: pixels, codes or points
python -m experiments.diffusion --validate codes           trains a candidate, measures it on the validation digits
python -m experiments.diffusion --validate pixels-noise 5  does so for 5 epochs only

The candidates for the pixels differ in what the network says (the clean image, the noise or the velocity) and in what
its error is counted. After 5 epochs, with 50 steps of fresh noise, their Fréchet distances from the validation digits
were 232 (image), 582 (velocity) and 1,945 (noise). For the image that walk was the best of those tried.
"""

import argparse
import dataclasses
import time

import jax
import keras
import numpy as np

from experiments import autoencoder_codes, digit_gan, mixtures
from experiments.harness import record, rounding, training
from helpers import autoencoders, datasets, diffusion, gans, metrics, storage

NAME = "diffusion"
SEEDS = (0, 1, 2)  # fixed before the runs
VALIDATION_SEED = 100  # settings are compared with this seed, on validation images
SAMPLES, SAMPLE_SEED = digit_gan.SAMPLES, digit_gan.SAMPLE_SEED
WALKS = ((5, 0.0), (10, 0.0), (25, 0.0), (50, 0.0), (10, 1.0), (50, 1.0), (100, 1.0))  # steps and scatter
BEST_WALK = (50, 1.0)  # chosen on the validation digits
# The pixels' seeds 1 and 2 were measured in 8 bits; of seed 0, which is stored, 6 bits were measured afterwards.
STORED_AS = {"pixels": "int6", "codes": "int8"}
ROUNDED_ON = 20_000  # training digits on which the rounding costs little
POINT_SEEDS = mixtures.SEEDS
STORED_POINTS = ("ring",)  # the mixtures whose first model is kept, for a test
POINT_WALKS = ((10, 0.0), (100, 0.0), (100, 1.0))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Network, settings and length of one way to train."""

    width: int = 512
    blocks: int = 3
    frequencies: tuple = ()
    prediction: str = "image"
    weighting: str = "velocity"
    power: float = 1.0
    rate: float = 1e-3
    batch_size: int = 128
    epochs: int = 30  # of the digits; the points are drawn anew for each batch
    steps: int = 0  # of the points
    ema: float = 0.999

    def build(self, dimension, seed, bounds=None, steps=1):
        """Return the compiled, untrained model for a training of this many steps."""
        keras.utils.set_random_seed(seed)
        network = diffusion.denoising_network(dimension, self.width, self.blocks, self.frequencies)
        kinds = dict(prediction=self.prediction, weighting=self.weighting)
        schedule = diffusion.Schedule(self.power)
        model = diffusion.Diffusion(network, **kinds, schedule=schedule, bounds=bounds, ema=self.ema, seed=seed)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(self.rate, steps)))
        return model


PIXELS = Recipe()
CODES = Recipe(width=256, blocks=4, prediction="velocity", rate=2e-3, batch_size=250, epochs=100)
POINTS = Recipe(128, 2, (1, 2), "velocity", "velocity", power=2.0, rate=2e-3, batch_size=256, steps=3_000, ema=0.995)
RECIPES = {"pixels": PIXELS, "codes": CODES}
CANDIDATES = {
    **RECIPES,
    "pixels-image": dataclasses.replace(PIXELS, weighting="image"),
    "pixels-velocity": dataclasses.replace(PIXELS, prediction="velocity"),
    "pixels-noise": dataclasses.replace(PIXELS, prediction="noise", weighting="noise"),
}
AUTOENCODER = autoencoder_codes.Recipe(autoencoders.residual_autoencoder, dict(width=256, blocks=2), 5e-3, 100, 20)


class Pixels:
    """Digits as rows of 784 pixels from −1 to 1."""

    dimension, bounds = 784, (-1.0, 1.0)

    def rows(self, images):
        """Return rows (n, 784) for images (n, 28, 28, 1)."""
        return 2 * images.reshape(len(images), -1) - 1

    def images(self, rows):
        """Return images (n, 28, 28, 1) for rows (n, 784)."""
        return np.clip((rows.reshape(-1, 28, 28, 1) + 1) / 2, 0, 1)


class Codes:
    """Digits as an autoencoder's codes, each number scaled to mean 0 and variance 1 over the training digits."""

    bounds = None

    def __init__(self, networks, mean, deviation):
        self.encoder, self.decoder = networks.encoder, networks.decoder
        self.mean, self.deviation = np.float32(mean), np.float32(deviation)
        self.dimension = len(self.mean)

    @classmethod
    def of(cls, networks, images):
        """Return the space whose codes are scaled on these images."""
        codes = networks.encoder.predict(images.reshape(len(images), -1), batch_size=1000, verbose=0)
        return cls(networks, codes.mean(axis=0), codes.std(axis=0))

    def rows(self, images):
        """Return rows (n, code_dim) for images (n, 28, 28, 1)."""
        codes = self.encoder.predict(images.reshape(len(images), -1), batch_size=1000, verbose=0)
        return (codes - self.mean) / self.deviation

    def images(self, rows):
        """Return images (n, 28, 28, 1) for rows (n, code_dim)."""
        decoded = self.decoder.predict(self.mean + self.deviation * rows, batch_size=1000, verbose=0)
        return decoded.reshape(-1, 28, 28, 1)


def train_autoencoder(mnist):
    """Train the autoencoder of the codes on the 50,000 training digits and store it; return seconds and history."""
    model = AUTOENCODER.build().autoencoder
    batches = autoencoder_codes.ShiftedPairs(mnist.train_images, AUTOENCODER.batch_size)
    model.compile(AUTOENCODER.optimizer(len(batches)), autoencoder_codes.squared_error_loss)
    log = training.fit(f"{NAME}_autoencoder", model, batches, AUTOENCODER.epochs, AUTOENCODER.settings())
    storage.save_weights(record.weights_path(NAME, "autoencoder"), model.get_weights(), "int8")
    return log


def load_autoencoder():
    """Return the trained autoencoder, its weights as they are stored: 8-bit integers."""
    networks = AUTOENCODER.build()
    networks.autoencoder.set_weights(storage.load_weights(record.weights_path(NAME, "autoencoder")))
    return networks


def space_of(name, mnist):
    """Return the space of a recipe's name; the autoencoder of the codes must be there."""
    return Pixels() if name.startswith("pixels") else Codes.of(load_autoencoder(), mnist.train_images)


def train(recipe, space, seed, mnist, run):
    """Train on the 50,000 training digits; return the model, seconds and history."""
    batches = datasets.ShuffledBatches(space.rows(mnist.train_images), recipe.batch_size, seed)
    model = recipe.build(space.dimension, seed, space.bounds, recipe.epochs * len(batches))
    return model, training.fit(run, model, batches, recipe.epochs, {**dataclasses.asdict(recipe), "seed": seed})


def store(name, model, rows, seed):
    """Round the averaged network on rows with noise as in training, in place, and store it."""
    rng = np.random.default_rng(0)
    times = rng.random(len(rows), dtype="float32")
    signal, noise = (np.asarray(rate)[:, None] for rate in model.schedule.rates(times))
    noisy = signal * rows + noise * rng.standard_normal(rows.shape, dtype="float32")
    rounding.round_network(model.average, [noisy, times], STORED_AS[name])
    storage.save_weights(record.weights_path(NAME, name, seed), model.average.get_weights(), STORED_AS[name])


def load(name, space, seed):
    """Return the trained model of a space, its weights as they are stored: integers of few bits."""
    model = RECIPES[name].build(space.dimension, seed, space.bounds)
    model.average.set_weights(storage.load_weights(record.weights_path(NAME, name, seed)))
    return model


def sample(model, space, steps, scatter, count=SAMPLES):
    """Return new digits (count, 28, 28, 1)."""
    return space.images(model.sample(count, SAMPLE_SEED, steps=steps, scatter=scatter))


def timed(draw):
    """Return what ``draw(count)`` draws for SAMPLES, and its CPU seconds for 1,000, without those to compile it."""
    draw(1000)
    start = time.process_time()
    drawn = draw(SAMPLES)
    return drawn, round((time.process_time() - start) * 1000 / SAMPLES, 3)


def measure(model, space, real_features, walks=WALKS):
    """Return how the digits of each walk compare with real ones, and the CPU seconds of 1,000 of them."""
    rows = []
    for steps, scatter in walks:
        digits, seconds = timed(lambda count, walk=(steps, scatter): sample(model, space, *walk, count))
        compared = digit_gan.compare(digits, real_features)
        rows.append({"steps": steps, "scatter": scatter, "seconds_per_1000": seconds, **compared})
    return rows


def measure_autoencoder(space, images, real_features):
    """Return the squared error of the codes' autoencoder on images, and how its reconstructions compare with real."""
    drawn = space.images(space.rows(images))
    error = metrics.squared_error(images.reshape(len(images), -1), drawn.reshape(len(images), -1)).mean()
    return {"sse": float(error), **digit_gan.compare(drawn, real_features)}


def measure_gan():
    """Return the CPU seconds that the best GAN takes for 1,000 digits."""
    generator = digit_gan.load(digit_gan.SEEDS[0])
    return {"seconds_per_1000": timed(lambda count: digit_gan.sample(generator, count))[1]}


# --- Points in the plane ---------------------------------------------------------------------------------------------


def train_points(mixture, seeds):
    """Train a model of points a seed; return each and the CPU seconds. What is compiled for the first serves all."""
    models = [POINTS.build(2, seed, steps=POINTS.steps) for seed in seeds]
    data = jax.numpy.asarray(mixtures.MIXTURES[mixture].sample(mixtures.TRAINING_POINTS, np.random.default_rng(0)))
    batch = (POINTS.batch_size,)
    start = time.process_time()
    gans.train_scanned(models, lambda key: data[jax.random.randint(key, batch, 0, len(data))], POINTS.steps)
    return models, round((time.process_time() - start) / len(models), 1)


def cover(model, mixture):
    """Return how the points of each walk cover a mixture."""
    return [
        {"steps": steps, "scatter": scatter, **mixtures.coverage(draw_points(model, steps, scatter), mixture)}
        for steps, scatter in POINT_WALKS
    ]


def draw_points(model, steps, scatter):
    """Return generated points (2500, 2)."""
    return model.sample(mixtures.SAMPLES, mixtures.SAMPLE_SEED, steps=steps, scatter=scatter)


def points_path(mixture):
    """Return where the weights of the first model of a mixture are stored."""
    return training.weights_path(NAME, "points", mixture, kept=mixture in STORED_POINTS)


def load_points(mixture):
    """Return the model of points of the first seed, its weights as they are stored: 8-bit integers."""
    model = POINTS.build(2, POINT_SEEDS[0])
    model.average.set_weights(storage.load_weights(points_path(mixture)))
    return model


def make_points():
    """Train and measure all seeds on both mixtures; the first seed's weights are stored, and measured as stored."""
    rows = []
    for mixture in mixtures.MIXTURES:
        models, seconds = train_points(mixture, POINT_SEEDS)
        weights = [model.average.get_weights() for model in models]
        storage.save_weights(points_path(mixture), weights[0], "int8")
        sampler = load_points(mixture)  # one for all: its walks are compiled once
        for seed, values in zip(POINT_SEEDS, [sampler.average.get_weights(), *weights[1:]], strict=True):
            sampler.average.set_weights(values)
            rows.append({"mixture": mixture, "seed": seed, "cpu_seconds": seconds, "walks": cover(sampler, mixture)})
    return rows


# --- The result ------------------------------------------------------------------------------------------------------


def settings():
    """Return all settings as JSON can hold them."""
    digits = {name: dataclasses.asdict(recipe) for name, recipe in RECIPES.items()}
    recipes = {**digits, "points": dataclasses.asdict(POINTS), "autoencoder": AUTOENCODER.settings()}
    return dict(recipes=recipes, samples=SAMPLES, sample_seed=SAMPLE_SEED, best_walk=BEST_WALK)


def recorded():
    """Return the recorded parts of the result."""
    return record.runs(NAME, {}, **settings())


def write(part, value):
    """Add a part to the result; it is read again, for another process may have written meanwhile."""
    record.write(NAME, runs={**recorded(), part: value}, **settings())


def make_digits(name, mnist, real_features):
    """Train and measure the seeds of a space that are missing."""
    space = space_of(name, mnist)
    for seed in SEEDS:
        if f"{name} {seed}" not in recorded():
            model, log = train(RECIPES[name], space, seed, mnist, f"{NAME}_{name}_{seed}")
            store(name, model, space.rows(mnist.train_images[:ROUNDED_ON]), seed)
            walks = measure(load(name, space, seed), space, real_features)
            if seed != SEEDS[0]:  # measured as stored; of the others the numbers stay, for the weights are large
                record.weights_path(NAME, name, seed).unlink()
            write(f"{name} {seed}", {"walks": walks, **log})


def make_autoencoder(mnist, real_features):
    """Train and measure the autoencoder of the codes; keep the scale of its codes, which the decoder needs."""
    log = train_autoencoder(mnist)
    space = space_of("codes", mnist)
    scale = {"mean": space.mean.tolist(), "deviation": space.deviation.tolist()}
    write("autoencoder", {**measure_autoencoder(space, mnist.test_images, real_features), **scale, **log})


def validate(name, epochs):
    """Train a candidate; print how its digits and real training digits compare with the validation digits."""
    mnist, recipe = datasets.load_mnist(), CANDIDATES[name]
    recipe = dataclasses.replace(recipe, epochs=epochs or recipe.epochs)
    real = metrics.features(mnist.validation_images)
    print("real", record.read("real_digits")["validation"]["floor"])
    if name == "codes":
        print("autoencoder", train_autoencoder(mnist)["seconds"], "s")
    space = space_of(name, mnist)
    if name == "codes":
        print("autoencoder", measure_autoencoder(space, mnist.validation_images, real))
    model, log = train(recipe, space, VALIDATION_SEED, mnist, f"{NAME}_validate_{name}_{recipe.epochs}")
    print(name, log["seconds"], "s, loss", log["history"]["loss"][-1])
    for row in measure(model, space, real, WALKS[:-1]):  # without the longest walk, which costs more than all others
        print({key: round(value, 3) for key, value in row.items()})


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spaces", nargs="*", default=[*RECIPES, "points"], help="pixels, codes, points; all by default")
    parser.add_argument("--validate", nargs="+", metavar=("NAME", "EPOCHS"), help=f"one of {', '.join(CANDIDATES)}")
    arguments = parser.parse_args()
    if arguments.validate:
        name, *epochs = arguments.validate
        validate(name, int(*epochs))
        return
    if unknown := set(arguments.spaces) - {*RECIPES, "points"}:
        parser.error(f"spaces: got {', '.join(unknown)}, expected some of pixels, codes, points")
    mnist = datasets.load_mnist()
    real = metrics.features(mnist.test_images)
    makers = {"points": make_points, "gan": measure_gan}
    if "codes" in arguments.spaces and "autoencoder" not in recorded():
        make_autoencoder(mnist, real)
    for name in [name for name in RECIPES if name in arguments.spaces]:
        make_digits(name, mnist, real)
    for part in ["gan", *arguments.spaces]:
        if part in makers and part not in recorded():
            write(part, makers[part]())


if __name__ == "__main__":
    main()
