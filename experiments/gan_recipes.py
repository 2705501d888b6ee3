"""Train the source's and the improved GAN recipe for about 60 s of two cores each, on several seeds, and measure both.

python -m experiments.gan_recipes          trains what is missing, then measures all and writes the result
python -m experiments.gan_recipes source   does so for one recipe, as for one process per core
python -m experiments.gan_recipes --cost   measures the cost of a step, on an otherwise idle machine, and adds it

The learning rate and the loss of the improved recipe are those that `experiments.gan_ablation` chose on the validation
digits.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record, rounding, training
from helpers import datasets, gans, metrics, storage

NAME = "gan_recipes"
SEEDS = {"source": (0, 1, 2), "improved": (0, 1, 2, 3, 4)}  # fixed before the runs
STORED_SEEDS = (0,)  # whose generators are kept, for chapters; those of all seeds are measured as they are stored
SHOWN_SEEDS, SHOWN = (0, 1, 2), 12  # of which a chapter shows some digits
SAMPLES, SAMPLE_SEED = 10_000, 12345
ROUNDED_ON = 20_000  # latents on which the rounding costs little


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Networks, settings and length of one way to train a GAN."""

    networks: Callable
    adam: dict
    settings: dict
    batch_size: int
    epochs: int  # whole passes over the 50,000 training images that cost about 60 s of two cores

    def build(self, seed):
        """Return the compiled, untrained GAN for `seed`."""
        keras.utils.set_random_seed(seed)
        gan = gans.GAN(*self.networks(), seed=seed)
        gan.compile(keras.optimizers.Adam(**self.adam), keras.optimizers.Adam(**self.adam), **self.settings)
        return gan


RECIPES = {
    "source": Recipe(
        networks=gans.source_networks,
        adam=dict(learning_rate=2e-4, beta_1=0.5),
        settings=dict(loss="non_saturating", ema=0.0),
        batch_size=128,
        epochs=7,
    ),
    "improved": Recipe(
        networks=gans.improved_networks,
        adam=dict(learning_rate=2e-3, beta_1=0.0, beta_2=0.99),
        settings=dict(loss="non_saturating", r1=0.3, r2=0.3, penalty_batch=8, ema=0.999),
        batch_size=64,
        epochs=8,
    ),
}


def train(name, seed, images):
    """Train one recipe on one seed and store its generator; return its seconds and its weights after every epoch."""
    recipe = RECIPES[name]
    gan = recipe.build(seed)
    watch = EpochBar(name, seed)
    start = time.perf_counter()
    gan.fit(images, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0, callbacks=[watch])
    seconds = time.perf_counter() - start
    store(name, seed, gan.ema_generator)
    if seed in SHOWN_SEEDS:
        show(name, seed, gan.ema_generator)
    return {"seconds": seconds, "weights": watch.weights}


def store(name, seed, generator):
    """Round the weights, in place, and store them: in 8 bits for the first seed, which chapters measure, else in 5."""
    stored_as = "int8" if seed == SEEDS[name][0] else "int5"
    latents = np.asarray(keras.random.normal((ROUNDED_ON, generator.input_shape[-1]), seed=1))
    rounding.round_network(generator, latents, stored_as)
    storage.save_weights(weights_path(name, seed), generator.get_weights(), stored_as)


def weights_path(name, seed):
    """Return where the weights of one run are stored."""
    return training.weights_path(NAME, name, seed, kept=seed in STORED_SEEDS)


def show(name, seed, generator):
    """Store the first digits of a generator as grey levels 0 to 255, beside those of other runs."""
    path = record.weights_path(NAME, "samples")
    rows = dict(np.load(path)) if path.exists() else {}
    rows[f"{name}_{seed}"] = np.round(255 * sample(generator, SHOWN)[..., 0]).astype("uint8")
    with storage.replacing(path) as partial:
        np.savez_compressed(partial, **rows)


class EpochBar(keras.callbacks.Callback):
    """One progress bar a run; the averaged generator's weights after every epoch."""

    def __init__(self, name, seed):
        super().__init__()
        self.title, self.weights = f"{name}, seed {seed}", []

    def on_train_begin(self, logs=None):
        """Open the bar."""
        self.bar = tqdm(total=self.params["epochs"], desc=self.title, unit="epoch")

    def on_epoch_end(self, epoch, logs=None):
        """Advance it by an epoch and keep the weights."""
        self.model.jax_state_sync()
        self.weights.append(self.model.ema_generator.get_weights())
        self.bar.update()


def curve(name, weights, real_features):
    """Return the distance from validation digits after each epoch."""
    generator, _ = RECIPES[name].networks()
    distances = []
    for each in weights:
        generator.set_weights(each)
        distances.append(metrics.frechet_distance(metrics.features(sample(generator)), real_features))
    return distances


def load(name, seed):
    """Return the trained generator of one recipe and seed.

    Parameters
    ----------
    name : str
        "source" or "improved".
    seed : int
        One of its `SEEDS`.

    Returns
    -------
    keras.Sequential
        The stored weights have 8 or 5 bits; they are measured as they are stored.
    """
    generator, _ = RECIPES[name].networks()
    mend = f"Weights come with the book for seed 0; to train this one anew, take its run out of {NAME}.json."
    generator.set_weights(storage.load_weights(weights_path(name, seed), mend=mend))
    return generator


def sample(generator, count=SAMPLES):
    """Return `count` digits (count, 28, 28, 1) for the latents that every measurement of this experiment uses."""
    latents = keras.random.normal((count, generator.input_shape[-1]), seed=SAMPLE_SEED)
    return generator.predict(latents, batch_size=1000, verbose=0)


def measure(name, seed, real_features):
    """Return distance from real test digits and share of the rarest class, for one stored generator."""
    digits = sample(load(name, seed))
    return {
        "recipe": name,
        "seed": seed,
        "fdd": metrics.frechet_distance(metrics.features(digits), real_features),
        "smallest_class_share": float(metrics.class_shares(digits).min()),
    }


def cost(name, images, steps=100, repeats=5):
    """Return the median seconds a training step takes, compilation apart."""
    recipe = RECIPES[name]
    gan = recipe.build(seed=0)
    few = images[: steps * recipe.batch_size]
    times = []
    for _ in range(repeats + 1):  # the first pays for the compilation
        start = time.perf_counter()
        gan.fit(few, batch_size=recipe.batch_size, epochs=1, verbose=0)
        times.append((time.perf_counter() - start) / steps)
    return float(np.median(times[1:]))


def settings(name):
    """Return a recipe as JSON can hold it."""
    return {**vars(RECIPES[name]), "networks": RECIPES[name].networks.__name__}


def recorded():
    """Return the last result, or one without runs; an edited recipe whose old weights are still there is an error."""
    try:
        old = record.read(NAME)
    except FileNotFoundError:
        return {"runs": []}
    for name in RECIPES:
        stored = [path for seed in SEEDS[name] if (path := weights_path(name, seed)).exists()]
        if stored and old["recipes"].get(name, settings(name)) != settings(name):
            raise RuntimeError(
                f"recipe {name!r} has changed since {stored[0].name} was trained: delete its weights first."
            )
    return old


def make(name, seed, mnist):
    """Train and measure one run; return what is recorded of it."""
    trained = train(name, seed, mnist.train_images)
    path = curve(name, trained["weights"], metrics.features(mnist.validation_images))
    measured = measure(name, seed, metrics.features(mnist.test_images))
    return {**measured, "seconds": trained["seconds"], "validation_curve": path}


def write(runs, **changed):
    """Write the result with these runs, and other things that have changed."""
    recipes = {name: settings(name) for name in RECIPES}
    runs = sorted(runs, key=lambda run: (list(RECIPES).index(run["recipe"]), run["seed"]))
    kept = {name: recorded().get(name) for name in ("seconds_a_step", "former")}
    cost = {**kept, **changed}
    fixed = {"samples": SAMPLES, "sample_seed": SAMPLE_SEED, "stored_seeds": STORED_SEEDS}
    record.write(NAME, runs=runs, **cost, recipes=recipes, **fixed)


def main():
    """Train what is missing, measure it and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RECIPES), help=", ".join(RECIPES))
    parser.add_argument("--cost", action="store_true", help="only measure the cost of a step")
    arguments = parser.parse_args()
    recorded()
    mnist = datasets.load_mnist()
    if arguments.cost:
        write(recorded()["runs"], seconds_a_step={name: cost(name, mnist.train_images) for name in RECIPES})
        return
    for name, seed in [(recipe, seed) for recipe in arguments.names for seed in SEEDS[recipe]]:
        others = [run for run in recorded()["runs"] if (run["recipe"], run["seed"]) != (name, seed)]
        # A run that was killed may have left weights without a record.
        lost = seed in STORED_SEEDS and not weights_path(name, seed).exists()
        if lost or len(others) == len(recorded()["runs"]):
            run = make(name, seed, mnist)
            write([*others, run])
            print(name, seed, run["fdd"], run["seconds"])


if __name__ == "__main__":
    main()
