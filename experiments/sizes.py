"""How wide and how deep: autoencoders by code, depth and width, and GANs by the sizes of their two networks.

python -m experiments.sizes                     makes the runs that are missing, then writes the result
python -m experiments.sizes autoencoders        makes those of one part only: autoencoders or gans
python -m experiments.sizes --validate          makes one run of each part on another seed and prints what it gives

Every run is measured on the validation digits, which all comparisons use; what stands beside it for the test digits is
for the sizes that were chosen by them. A depth's learning rate is chosen on another seed, from the same three rates.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from tqdm import tqdm

from experiments import autoencoder_codes
from experiments.harness import record, training
from helpers import autoencoders, datasets, gans, metrics, storage

NAME = "sizes"
SEEDS = (0, 1, 2)  # fixed before the runs
STORED_SEEDS = SEEDS[:1]  # whose narrowest generators are kept, for a test
TUNING_SEED = 100
CODES, DEPTHS, WIDTHS = (2, 4, 8, 16, 32, 64), (1, 2, 3), (64, 128, 256, 512)
CODE, DEPTH, WIDTH = 16, 2, 256  # where the other two vary
RATES = (3e-3, 6e-3, 1.2e-2)  # of the autoencoders, by depth
AUTOENCODER = {"batch_size": 250, "epochs": 5}
GAN_WIDTHS, GAN_WIDTH = (32, 96, 288), 96
GAN = {"rate": 2e-3, "last_rate": 1e-4, "gamma": 0.3, "penalty_batch": 8, "ema": 0.999, "batch": 64, "steps": 3_600}
LATENTS, POINTS = 16, 4
SAMPLES, SAMPLE_SEED, SHOWN = 10_000, 12345, 8


# --- Autoencoders ----------------------------------------------------------------------------------------------------


def autoencoder_jobs():
    """Return (code, depth, width) of all autoencoders."""
    by_code = [(code, depth, WIDTH) for depth in DEPTHS for code in CODES]
    return by_code + [(CODE, DEPTH, width) for width in WIDTHS if width != WIDTH]


def recipe(code, depth, width, rate):
    """Return how one autoencoder is built and trained."""
    sizes = dict(widths=[width] * depth, code_dim=code)
    return autoencoder_codes.Recipe(autoencoders.deep_autoencoder, sizes, rate, **AUTOENCODER)


def train_autoencoder(how, seed, mnist):
    """Train one on the 50,000 training digits; return its errors, its weights and the seconds of processor time."""
    start = time.process_time()
    model = how.build(seed).autoencoder
    rows = mnist.train_images.reshape(-1, 784)
    batches = datasets.ShuffledBatches(rows, how.batch_size, seed, labels=rows)
    model.compile(how.optimizer(len(batches)), autoencoder_codes.squared_error_loss)
    model.fit(batches, epochs=how.epochs, shuffle=False, verbose=0, callbacks=[batches.follow_epochs()])
    return {
        "rate": how.learning_rate,
        "cpu_seconds": round(time.process_time() - start, 1),
        "weights": model.count_params(),
        "train": autoencoder_codes.error(model, mnist.train_images[:SAMPLES]),
        "validation": autoencoder_codes.error(model, mnist.validation_images),
        "test": autoencoder_codes.error(model, mnist.test_images),
    }


def tune(mnist):
    """Try each rate at each depth; return the runs, of their errors that on validation digits only."""
    log = log_of("tuning")
    for depth, rate in tqdm([(depth, rate) for depth in DEPTHS for rate in RATES], desc="learning rates", unit="run"):
        if log.find(depth=depth, rate=rate) is None:
            measured = train_autoencoder(recipe(CODE, depth, WIDTH, rate), TUNING_SEED, mnist)
            log.add({"validation": measured["validation"]}, depth=depth, rate=rate)
    return log.runs


def best_rate(runs, depth):
    """Return the rate with the least validation error at this depth."""
    return min((run for run in runs if run["depth"] == depth), key=lambda run: run["validation"])["rate"]


def make_autoencoders(mnist):
    """Make the runs that are missing."""
    tried, log = tune(mnist), log_of("autoencoders")
    rates = {depth: best_rate(tried, depth) for depth in DEPTHS}
    jobs = [(*job, seed) for job in autoencoder_jobs() for seed in SEEDS]
    for code, depth, width, seed in tqdm(jobs, desc="autoencoders", unit="run"):
        key = dict(code=code, depth=depth, width=width, seed=seed)
        if log.find(**key) is None:
            log.add(train_autoencoder(recipe(code, depth, width, rates[depth]), seed, mnist), **key)


def principal_components(mnist):
    """Return the error of PCA fitted to the training digits, for each size of the code: validation and test."""
    rows = mnist.train_images.reshape(-1, 784).astype("float64")
    mean = rows.mean(axis=0)
    directions = np.linalg.eigh(np.cov(rows, rowvar=False))[1][:, ::-1]  # one a column, best first
    return {part: _left_over(getattr(mnist, f"{part}_images"), mean, directions) for part in ("validation", "test")}


def _left_over(images, mean, directions):
    """Return for each size of the code the squared error per image that it leaves."""
    shares = ((images.reshape(len(images), -1) - mean) @ directions) ** 2  # (n, 784)
    left = shares.sum() - np.cumsum(shares.sum(axis=0))
    return [float(left[code - 1] / len(images)) for code in CODES]


# --- GANs ------------------------------------------------------------------------------------------------------------


def gan_jobs():
    """Return hidden units of G and D of all pairs: the widths, and then the depths at the middle width."""
    wide = [(widths(2, g)[::-1], widths(2, d)) for g in GAN_WIDTHS for d in GAN_WIDTHS]
    deep = [(widths(g, GAN_WIDTH)[::-1], widths(d, GAN_WIDTH)) for g in (1, 3) for d in (1, 3)]
    return wide + deep


def widths(depth, width):
    """Return the hidden units of D, the first layer twice as wide as the others; G has them in reverse."""
    return [2 * width] + [width] * (depth - 1)


def networks(generator_units, discriminator_units):
    """Return an untrained pair of the kind of `gans.improved_networks`, in other sizes."""
    return gans.dense_networks(LATENTS, generator_units, discriminator_units, "leaky_relu", normalise=True)


def build_gan(generator_units, discriminator_units, seed, steps):
    """Return the compiled GAN."""
    keras.utils.set_random_seed(seed)
    gan = gans.GAN(*networks(generator_units, discriminator_units), seed=seed)
    rate = keras.optimizers.schedules.CosineDecay(GAN["rate"], steps, alpha=GAN["last_rate"] / GAN["rate"])
    adams = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    penalties = dict(r1=GAN["gamma"], r2=GAN["gamma"], penalty_batch=GAN["penalty_batch"])
    gan.compile(*adams, loss="relativistic", ema=GAN["ema"], **penalties)
    return gan


def drawer(images):
    """Return the function that draws a batch of training digits."""
    data = jnp.asarray((255 * images).round().astype("uint8"))  # a quarter of the memory, and the same levels

    def draw(key):
        """Return a batch (batch, 28, 28, 1)."""
        return data[jax.random.randint(key, (GAN["batch"],), 0, len(data))].astype("float32") / 255

    return draw


def train_gans(units, seeds, draw, steps):
    """Train one pair a seed, all with what is compiled for the first; return the GANs and what each cost."""
    models = [build_gan(*units, seed, steps) for seed in seeds]
    start = time.process_time()
    logs = gans.train_scanned(models, draw, steps, points=POINTS)
    seconds = round((time.process_time() - start) / len(models), 1)
    last = [{name: float(values[-1]) for name, values in log.items()} for log in logs]
    return [(gan, {"cpu_seconds": seconds, **ends}) for gan, ends in zip(models, last, strict=True)]


def sample(generator, count=SAMPLES):
    """Return digits (count, 28, 28, 1) for the latents of every measurement."""
    latents = keras.random.normal((count, LATENTS), seed=SAMPLE_SEED)
    return generator.predict(latents, batch_size=1000, verbose=0)


def measure(generator, real):
    """Return the distance of 10,000 digits from the real ones of each part."""
    drawn = metrics.features(sample(generator))
    return {part: metrics.frechet_distance(drawn, features) for part, features in real.items()}


def sizes_of(gan):
    """Return the weights of both networks."""
    return {"g_weights": gan.generator.count_params(), "d_weights": gan.discriminator.count_params()}


def make_gans(mnist):
    """Make the runs that are missing."""
    log, draw, real = log_of("gans"), drawer(mnist.train_images), real_features(mnist)
    for units in tqdm(gan_jobs(), desc="GANs, three seeds a size", unit="size"):
        key = dict(zip(("generator", "discriminator"), units, strict=True))
        seeds = [seed for seed in SEEDS if log.find(**key, seed=seed) is None]
        trained = train_gans(units, seeds, draw, GAN["steps"]) if seeds else []
        for seed, (gan, cost) in zip(seeds, trained, strict=True):
            if units == smallest():
                weights = gan.ema_generator.get_weights()
                storage.save_weights(weights_path(seed), weights, "int8")
            shown = {"digits": to_text(sample(gan.ema_generator, SHOWN))} if seed == SEEDS[0] else {}
            log.add({**sizes_of(gan), **cost, **measure(gan.ema_generator, real), **shown}, **key, seed=seed)


def real_features(mnist):
    """Return the features of the real digits that generated ones are measured against."""
    return {part: metrics.features(getattr(mnist, f"{part}_images")) for part in ("validation", "test")}


def smallest():
    """Return the hidden units of the narrowest pair, whose generators are stored."""
    return gan_jobs()[0]


def weights_path(seed):
    """Return where the weights of one of them are stored."""
    return training.weights_path(NAME, "generator", seed, kept=seed in STORED_SEEDS)


def load(seed):
    """Return a stored generator: 8-bit integers."""
    generator, _ = networks(*smallest())
    generator.set_weights(storage.load_weights(weights_path(seed)))
    return generator


def to_text(images):
    """Return grey levels as hexadecimal digits, one a pixel, 16 levels."""
    return ["".join(f"{level:x}" for level in (15 * image).round().astype(int).ravel()) for image in images]


# --- Both ------------------------------------------------------------------------------------------------------------

PARTS = {"autoencoders": make_autoencoders, "gans": make_gans}


def log_of(part):
    """Return the log of the finished runs of a part; it is not committed."""
    return record.Log(training.RUNS / NAME / f"{part}.jsonl", GAN if part == "gans" else AUTOENCODER)


def settings():
    """Return all settings as JSON can hold them."""
    return {
        "seeds": SEEDS,
        "codes": CODES,
        "depths": DEPTHS,
        "widths": WIDTHS,
        "fixed": {"code": CODE, "depth": DEPTH, "width": WIDTH},
        "rates": RATES,
        "autoencoder": AUTOENCODER,
        "gan_widths": GAN_WIDTHS,
        "gan": {**GAN, "latents": LATENTS, "samples": SAMPLES},
    }


def write(mnist):
    """Write the result, of the runs that there are."""
    runs = {part: log_of(part).runs for part in ("tuning", *PARTS)}
    record.write(NAME, settings=settings(), pca=principal_components(mnist), **runs)


def validate(mnist):
    """Make one run of each part on the tuning seed and print its validation measures."""
    row = train_autoencoder(recipe(CODE, DEPTH, WIDTH, RATES[1]), TUNING_SEED, mnist)
    print({name: row[name] for name in ("cpu_seconds", "validation")}, principal_components(mnist)["validation"])
    units = widths(2, GAN_WIDTH)[::-1], widths(2, GAN_WIDTH)
    ((gan, cost),) = train_gans(units, [TUNING_SEED], drawer(mnist.train_images), GAN["steps"])
    real = {"validation": metrics.features(mnist.validation_images)}
    print(cost, measure(gan.ema_generator, real), measure(gan.generator, real))


def main():
    """Make the runs that are missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"both by default: {', '.join(PARTS)}")
    parser.add_argument("--validate", action="store_true", help="make one run of each part on another seed")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"parts: got {', '.join(unknown)}, expected some of {', '.join(PARTS)}")
    mnist = datasets.load_mnist()
    if arguments.validate:
        validate(mnist)
        return
    for part in arguments.parts or PARTS:
        PARTS[part](mnist)
        write(mnist)


if __name__ == "__main__":
    main()
