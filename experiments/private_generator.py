"""Train generators that have seen the digits through one noisy release only, and measure them beside conditional GANs.

python -m experiments.private_generator             trains and measures what is missing, and writes the result
python -m experiments.private_generator --search    tries the settings of `STAGES` that have not been tried
python -m experiments.private_generator --train     trains only; the generators lie among the unfinished runs
python -m experiments.private_generator --minutes 8 begins nothing new after so many minutes

The form is that of DP-MERF (Harder et al. 2021). Each digit gives random Fourier features of fixed length; their sum is
released once for each class, with normal noise, and a generator is trained so that its samples have the released means.
Its training sees no digit, so it costs no ε however long it is. σ follows from ε by the exact formula for one release
of normal noise; `experiments.privacy_library` holds ε to dp-accounting.

Three seeds at each ε are trained on all 60,000 digits, and each is measured once on the test digits, as are the stored
conditional GANs of `experiments.conditional_gan` and real digits.

That the images are smooth was set after looks at samples. The other settings come from a search at ε = 1, one knob
after another, with one seed of its own; each generator saw a release of the 50,000 training digits, and its FDD from
the validation digits decided. An earlier form, a generator of single pixels, was tried six times at ε = 1 (one seed
each, other widths, rates and features): its distances from the validation digits were 200 to 2,250, and it was given
up. No choice is in ε. Before the search, generators with settings set after looks at samples were measured on the test
digits; that measurement chose nothing.
"""

import argparse
import functools
import itertools
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np

from experiments import conditional_gan, privacy
from experiments.harness import record, training
from helpers import datasets, metrics, storage

NAME, SEARCHED = "private_generator", "private_generator_search"
EPSILONS = (1.0, None, 10.0, 0.1)  # None: the same release without noise
SEEDS = (0, 1, 2)  # fixed before the runs
CLASSES, COUNT_WEIGHT = 10, 0.1
# The search begins here; the rate falls to 0.
START = {"width": 7.0, "frequencies": 500, "steps": 600, "rate": 4e-3, "batch_size": 200, "falling": True}
STAGES = (
    [{"width": width} for width in (4.0, 10.0, 14.0, 20.0)],
    [{"rate": rate} for rate in (1e-3, 1e-2, 3e-2, 1e-1)],
    [{"frequencies": count} for count in (1000, 2000)],
    [{"steps": steps} for steps in (2400, 9600)],
    [{"rate": 1e-2}, {"rate": 1e-2, "steps": 9600}],
)
SEARCH = {"seed": 100, "epsilon": 1.0}
NETWORK = {"latent_dim": 16, "units": [256, 256], "side": 14}
SAMPLES, SAMPLE_SEED, SHOWN = 10_000, 12345, 20
STORED = 200  # steps whose mean loss is stored
SOFTMAX = {"q": 1.0, "steps": 200, "rate": 20.0, "clip": np.inf, "mean_sigma": 0.0}  # what is trained on samples


# --- The features ----------------------------------------------------------------------------------------------------


def sigma_of(epsilon):
    """Return the σ of one release of sensitivity 1, or 0 where there is no ε."""
    return 0.0 if epsilon is None else privacy.sigma_of(epsilon)


def frequencies(setting, rng):
    """Return the random frequencies (784, n) of a Gaussian kernel."""
    return np.float32(rng.standard_normal((784, setting["frequencies"])) / setting["width"])


def embed(images, waves):
    """Return vectors (n, d) of length 1: random Fourier features, and one number that counts."""
    angles, root = images.reshape(len(images), -1) @ waves, waves.shape[1] ** 0.5
    counts = jnp.full((len(images), 1), COUNT_WEIGHT * root)  # cos² + sin² = 1 for each frequency
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles), counts], axis=1) / (root * (1 + COUNT_WEIGHT**2) ** 0.5)


def sums(images, labels, waves):
    """Return the sum of the vectors of each class, (10, d); one image more or less changes one row by length 1."""
    step, total = jax.jit(embed), 0.0
    for part in np.array_split(np.arange(len(images)), len(images) // 500):
        total = total + np.eye(CLASSES)[labels[part]].T @ np.asarray(step(images[part], waves), "float64")
    return total


def released(total, sigma, rng):
    """Return the mean features of each class, (10, d − 1), from sums with noise; the last sum counts the class."""
    noisy = total + sigma * rng.standard_normal(total.shape)
    return np.float32(COUNT_WEIGHT * noisy[:, :-1] / noisy[:, -1:])


# --- The generator ---------------------------------------------------------------------------------------------------


def build():
    """Return a generator, latents and a one-hot class → images; it draws logits of 14 × 14 pixels, enlarged.

    Few frequencies do not see every change of 784 pixels; this generator can draw smooth images only.
    """
    dense, side = keras.layers.Dense, NETWORK["side"]
    hidden = [dense(units, activation="relu") for units in NETWORK["units"]]
    grid = [dense(side * side), keras.layers.Reshape((side, side, 1))]
    grid += [keras.layers.UpSampling2D(28 // side, interpolation="bilinear"), keras.layers.Activation("sigmoid")]
    return keras.Sequential([keras.Input((NETWORK["latent_dim"] + CLASSES,)), *hidden, *grid])


@functools.cache
def stepper(rate, batch_size, falling):
    """Return an optimiser and a compiled function of weights, its state, keys, means and frequencies: some steps.

    The rate falls to 0 in as many steps as `falling` says, or, if it is 0, not at all.
    """
    generator = build()
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, falling) if falling else rate)
    optimizer.build(generator.trainable_variables)
    one_hot, scale = jnp.tile(jnp.eye(CLASSES), (batch_size // CLASSES, 1)), (1 + COUNT_WEIGHT**2) ** 0.5

    def loss(values, key, goal, waves):
        """Return the squared distance of the means, without bias: the two halves of the batch are independent."""
        noise = jax.random.normal(key, (batch_size, NETWORK["latent_dim"]))
        drawn = generator.stateless_call(values, [], jnp.concatenate([noise, one_hot], axis=1))[0]
        rows = scale * embed(drawn, waves)[:, :-1]
        halves = rows.reshape(2, -1, CLASSES, rows.shape[1]).mean(axis=1)
        return ((halves[0] - goal) * (halves[1] - goal)).sum() / CLASSES

    @jax.jit
    def some(values, state, keys, goal, waves):
        """Make a step for each key; return weights, state and the losses."""

        def step(carry, key):
            """Make one step."""
            found, slopes = jax.value_and_grad(loss)(carry[0], key, goal, waves)
            return optimizer.stateless_apply(carry[1], slopes, carry[0]), found

        return jax.lax.scan(step, (values, state), keys)

    return optimizer, some


def train(goal, waves, setting, seed):
    """Return a generator whose samples have the released means, and its losses, each a mean over 25 steps."""
    keras.utils.set_random_seed(seed)
    generator, losses = build(), []
    falling = setting["steps"] if setting.get("falling") else 0
    optimizer, some = stepper(setting["rate"], setting["batch_size"], falling)
    values, state = ([each.value for each in part.variables] for part in (generator, optimizer))
    for keys in jax.random.split(jax.random.key(seed), (setting["steps"] // 25, 25)):
        (values, state), found = some(values, state, keys, goal, waves)
        losses.append(round(float(found.mean()), 5))
    generator.set_weights([np.asarray(value) for value in values])
    return generator, losses


def sample(generator):
    """Return 10,000 samples; the classes come in turn."""
    noise = np.random.default_rng(SAMPLE_SEED).standard_normal((SAMPLES, NETWORK["latent_dim"]), dtype="float32")
    labels = np.eye(CLASSES, dtype="float32")[np.arange(SAMPLES) % CLASSES]
    return generator.predict(np.concatenate([noise, labels], axis=1), batch_size=1000, verbose=0)


# --- Measures --------------------------------------------------------------------------------------------------------


class Judge:
    """Measures samples beside real digits of one part of the data."""

    def __init__(self, images, labels):
        self.features = metrics.features(images)
        self.rows, self.labels = privacy.features(images), labels

    def measure(self, images, asked):
        """Return all measures; the last is that of a softmax layer trained on the samples and the digits asked for."""
        features, seen = metrics.look(images)
        found = {"fdd": metrics.frechet_distance(features, self.features)}
        found |= metrics.neighbour_metrics(self.features, features)
        found["as_asked"] = float((seen == asked).mean())
        trained = privacy.train(privacy.features(images), asked, SOFTMAX, 0, 0)
        return {**found, "trained_on": privacy.accuracy(self.rows, self.labels, *trained)}


# --- All of it -------------------------------------------------------------------------------------------------------


def chosen():
    """Return the setting of the search whose samples come nearest to the validation digits."""
    return min(record.read(SEARCHED)["runs"], key=lambda run: run["fdd"])["setting"]


def unmeasured(epsilon, seed, setting):
    """Return where a generator's weights and losses lie until it is measured."""
    training.RUNS.mkdir(exist_ok=True)
    return training.RUNS / f"{NAME}_{epsilon}_{seed}_{'_'.join(map(str, setting.values()))}.npz"


def train_all(mnist, setting, runs, limit):
    """Train what is missing, and write it beside the unfinished runs."""
    images = np.concatenate([mnist.train_images, mnist.validation_images])
    labels = np.concatenate([mnist.train_labels, mnist.validation_labels])
    for seed in SEEDS:
        todo = [epsilon for epsilon in EPSILONS if missing(runs, kind="generator", epsilon=epsilon, seed=seed)]
        todo = [epsilon for epsilon in todo if not unmeasured(epsilon, seed, setting).exists()]
        if not todo or time.monotonic() > limit:
            continue
        waves = frequencies(setting, np.random.default_rng([seed, 7]))
        total = sums(images, labels, waves)
        for epsilon in todo:
            start = time.process_time()
            goal = released(total, sigma_of(epsilon), np.random.default_rng([seed, 8]))
            generator, losses = train(goal, waves, setting, seed)
            weights = {f"weight_{number}": value for number, value in enumerate(generator.get_weights())}
            with storage.replacing(unmeasured(epsilon, seed, setting)) as partial:
                np.savez(partial, losses=losses, seconds=time.process_time() - start, **weights)
            print(epsilon, seed, losses[-1], round(time.process_time() - start, 1), flush=True)


def missing(runs, **key):
    """Return whether no run has this key."""
    return not any(key.items() <= run.items() for run in runs)


def search(mnist, tries, limit):
    """Walk through the stages, from the best setting so far; yield after each try that was not among `tries` before."""
    judge, best = Judge(mnist.validation_images, mnist.validation_labels), {"setting": START, "fdd": np.inf}
    for stage in ([{}], *STAGES):
        here = []
        for setting in ({**best["setting"], **change} for change in stage):
            known = [run for run in tries if run["setting"] == setting]
            if not known and time.monotonic() > limit:
                return
            here += known or [attempt(setting, mnist, judge)]
            if not known:
                tries.append(here[-1])
                yield here[-1]
        best = min([best, *here], key=lambda run: run["fdd"])


def attempt(setting, mnist, judge):
    """Return how near the samples of a generator come to digits that its release does not hold."""
    start, rng = time.process_time(), np.random.default_rng([0, 8])
    waves = frequencies(setting, np.random.default_rng([SEARCH["seed"], 7]))
    goal = released(sums(mnist.train_images, mnist.train_labels, waves), sigma_of(SEARCH["epsilon"]), rng)
    generator, losses = train(goal, waves, setting, SEARCH["seed"])
    seconds, classes = round(time.process_time() - start, 1), np.arange(SAMPLES) % CLASSES
    return {"setting": setting, "loss": losses[-1], "cpu_seconds": seconds, **judge.measure(sample(generator), classes)}


def measure_all(mnist, setting, runs, write, limit):
    """Measure what is trained, the conditional GANs, and as many real digits; keep samples of the first seed."""
    judge, classes = Judge(mnist.test_images, mnist.test_labels), np.arange(SAMPLES) % CLASSES

    def add(images, asked, **run):
        """Note one run."""
        runs.append({**run, **judge.measure(images, asked)})
        write()
        print(runs[-1], flush=True)

    for seed, epsilon in itertools.product(SEEDS, EPSILONS):
        key, path = {"kind": "generator", "epsilon": epsilon, "seed": seed}, unmeasured(epsilon, seed, setting)
        if missing(runs, **key) and path.exists() and time.monotonic() < limit:
            generator, kept = build(), np.load(path)
            generator.set_weights([kept[f"weight_{number}"] for number in range(len(generator.weights))])
            drawn = sample(generator)
            if seed == SEEDS[0]:
                keep(epsilon, drawn)
            numbers = {"sigma": sigma_of(epsilon), "cpu_seconds": round(float(kept["seconds"]), 1)}
            losses = kept["losses"].reshape(-1, STORED // 25).mean(axis=1)
            add(drawn, classes, **key, **numbers, losses=losses.round(5).tolist())
    for seed in conditional_gan.SEEDS:
        if missing(runs, kind="conditional GAN", seed=seed) and time.monotonic() < limit:
            add(*conditional_gan.sample(conditional_gan.load(seed)), kind="conditional GAN", seed=seed)
    if missing(runs, kind="real") and time.monotonic() < limit:
        add(mnist.train_images[:SAMPLES], mnist.train_labels[:SAMPLES], kind="real")


def keep(epsilon, drawn):
    """Store the first samples for a chapter, in 16 levels of grey."""
    path = record.weights_path(NAME)
    kept = dict(np.load(path)) if path.exists() else {}
    kept[f"epsilon {epsilon}"] = np.uint8(np.round(15 * drawn[:SHOWN, ..., 0]))
    with storage.replacing(path) as partial:
        np.savez_compressed(partial, **kept)


def main():
    """Do what is missing, for a while."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--train", action="store_true", help="train only")
    parser.add_argument("--search", action="store_true", help="search a setting instead")
    arguments = parser.parse_args()
    limit, mnist = time.monotonic() + 60 * arguments.minutes, datasets.load_mnist()
    if arguments.search:
        tries = record.runs(SEARCHED, [], first=START, search=SEARCH)
        for found in search(mnist, tries, limit):
            record.write(SEARCHED, runs=tries, first=START, search=SEARCH)
            print(found, flush=True)
        return
    settings = {"setting": chosen(), "network": NETWORK, "samples": SAMPLES}
    runs = record.runs(NAME, [], **settings)
    train_all(mnist, settings["setting"], runs, limit)
    if not arguments.train:
        write = functools.partial(record.write, NAME, runs=runs, delta=privacy.DELTA, **settings)
        measure_all(mnist, settings["setting"], runs, write, limit)


if __name__ == "__main__":
    main()
