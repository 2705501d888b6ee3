"""How many images an autoencoder needs to beat principal components: digits and emoji, with and without changed images.

python -m experiments.own_sizes              makes the runs that are missing, and writes the result after each
python -m experiments.own_sizes --minutes 8  the same, but begins nothing new after eight minutes; call it again
python -m experiments.own_sizes --rates      tries what a rate of its own would gain each number of digits

A run gets a folder of so many images, drawn at random from the training images, a fifth of them, 500 at most, for
validation; emoji that look alike are on one side. Networks learn from the rest until the error on the validation
images stops falling, or for so many steps, and are measured on the book's test images, once. Validated and measured is
a moving average of the weights, so that no schedule has to know how long a run will be. Learning rates were chosen on
the validation images of a seed that no run has; the least and the largest of them were added for all when those next
to them were the best for emoji.
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops
from sklearn.utils.extmath import randomized_svd

from experiments.harness import record
from helpers import augment, autoencoders, convolutional, datasets, metrics
from helpers.training import Values

NAME = "own_sizes"
DATA = {
    "digits": {"counts": [100, 1_000, 10_000], "code": 16, "tuned_at": 1_000, "reach": 1, "fill": 0.0, "flip": False},
    "emoji": {"counts": [50, 300, 1_500], "code": 32, "tuned_at": 300, "reach": 2, "fill": 1.0, "flip": True},
}
KINDS = ("pca", "dense", "convolutional")  # from the simplest on
SEEDS = (0, 1, 2)  # fixed before the runs
TUNING_SEED = 100
TUNING_VALIDATION = 50, 200  # images: with fewer of its own than the first, a folder for tuning takes so many others
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
RATED = ("digits",)  # the data for which rates were tried at each number of images, too
RECIPE = {"units": [256, 128], "width": 12, "batch_size": 32, "average": 0.99, "check": 50, "patience": 5}
RECIPE |= {"better": 0.005, "near": 0.03, "steps": {"digits": 1_500, "emoji": 800}, "copies": 3}
VALIDATION = 500  # images at most
BLOCK = 100  # images that are measured at a time
COMPONENTS = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128]


# --- Folders ---------------------------------------------------------------------------------------------------------


@functools.cache
def source(name):
    """Return all images that folders are drawn from, the group of each, and the test images."""
    if name == "digits":
        mnist = datasets.load_mnist()
        return mnist.train_images, np.arange(len(mnist.train_images)), mnist.test_images
    emoji = datasets.load_emoji()
    return emoji.train.noto, emoji.train.group, emoji.test.noto


def folder(name, count, seed):
    """Draw a folder: return its training and its validation images, no group in both."""
    images, group, _ = source(name)
    rng = np.random.default_rng([seed, count])
    rows = rng.permutation(len(images))[:count]
    order = rng.permutation(group.max() + 1)[group[rows]]  # groups in a random order
    rows = rows[np.argsort(order, kind="stable")]
    border = min(count // 5, VALIDATION)
    while group[rows[border]] == group[rows[border - 1]]:
        border -= 1
    return images[np.sort(rows[border:])], images[np.sort(rows[:border])]


def tuning_folder(name, count, seed=TUNING_SEED):
    """Draw a folder for the choice of a rate: with few validation images of its own it gets others, not in its groups.

    Ten images are too few to tell rates apart, and the rate should not be to blame for what few images cost.
    """
    train, validation = folder(name, count, seed)
    least, many = TUNING_VALIDATION
    if len(validation) >= least:
        return train, validation
    images, group, _ = source(name)
    order = np.random.default_rng([seed, count]).permutation(len(images))
    others = order[count:][~np.isin(group[order[count:]], group[order[:count]])]
    return train, images[np.sort(others[:many])]


def changed(name, key, images):
    """Return images moved by some pixels and, where that leaves them valid, mirrored at random."""
    data, keys = DATA[name], jax.random.split(key)
    if data["flip"]:
        images = augment.flip(keys[0], images)
    return augment.translate(keys[1], images, reach=data["reach"], fill=data["fill"])


# --- Networks --------------------------------------------------------------------------------------------------------


def squared_error(images, drawn):
    """Return the squared error of each image, summed over its pixels and colours."""
    return ops.sum(ops.square(images - drawn), axis=tuple(range(1, len(images.shape))))


class Loop:
    """Training steps of one kind of autoencoder on one kind of images, compiled once for all folders, seeds and rates.

    Parameters
    ----------
    name : str
        Of the data.
    kind : {"dense", "convolutional"}
        Of the network.
    changes : bool
        Whether each batch is changed at random.
    """

    def __init__(self, name, kind, changes):
        self.name, self.kind, self.changes = name, kind, changes
        self.shape = source(name)[0].shape[1:]
        self.model = self.make(0)
        names = [variable.name for variable in self.model.optimizer.variables]
        self.rate_at = names.index("learning_rate")
        self.step, self.errors = jax.jit(self._step), jax.jit(self._errors)

    def make(self, seed):
        """Return an untrained, compiled model."""
        keras.utils.set_random_seed(seed)
        code = DATA[self.name]["code"]
        if self.kind == "dense":
            model = autoencoders.deep_autoencoder(RECIPE["units"], code, int(np.prod(self.shape))).autoencoder
        else:
            model = convolutional.autoencoder(self.shape, code, RECIPE["width"]).autoencoder
        model.compile(keras.optimizers.Adam(), squared_error)
        model.optimizer.build(model.trainable_variables)
        return model

    def start(self, seed, rate):
        """Return the state of an untrained model that learns at this rate, and the average of its weights."""
        state = tuple(map(list, Values.of(self.make(seed)).state()))
        state[2][self.rate_at] = jnp.float32(rate)
        return state, list(state[0])

    def run(self, carried, images, count, key, begin):
        """Make the steps up to the next check, on the first `count` of the images."""
        for number in range(begin, begin + RECIPE["check"]):
            carried = self.step(carried, images, count, key, number)
        return carried

    def _step(self, carried, images, count, key, number):
        """Make one step, and move the average. (In a compiled loop, XLA's convolutions take several times as long.)"""
        state, average = carried
        keys = jax.random.split(jax.random.fold_in(key, number))
        batch = images[jax.random.randint(keys[0], (RECIPE["batch_size"],), 0, count)]
        if self.changes:
            batch = changed(self.name, keys[1], batch)
        batch = self._fit_in(batch)
        _, state = self.model.train_step(state, (batch, batch))
        keep = jnp.minimum(RECIPE["average"], (1 + number) / (10 + number))
        average = [keep * mean + (1 - keep) * new for mean, new in zip(average, state[0], strict=True)]
        return tuple(map(list, state)), average

    def _errors(self, weights, images):
        """Return the squared error of each image."""
        images = self._fit_in(images)
        return squared_error(images, self.model.stateless_call(weights, [], images)[0])

    def _fit_in(self, images):
        """Return images as the network takes them: the dense one takes rows."""
        return images.reshape(len(images), -1) if self.kind == "dense" else images

    def error(self, weights, images):
        """Return the mean squared error of an image, by one compiled function for any number of them."""
        found = []
        for start in range(0, len(images), BLOCK):
            part = images[start : start + BLOCK]
            found.append(self.errors(weights, padded(part, BLOCK))[: len(part)])
        return float(np.concatenate(found).mean())


def padded(images, count):
    """Return so many images, black ones after the given."""
    return np.concatenate([images, np.zeros((count - len(images), *images.shape[1:]), "float32")])


@functools.cache
def loop(name, kind, changes):
    """Return the loop for this data and network."""
    return Loop(name, kind, changes)


def train(name, kind, changes, count, seed, rate, most=None, draw=folder):
    """Train one autoencoder until its validation error stops falling; return what is known of the run."""
    machine, (images, validation) = loop(name, kind, changes), draw(name, count, seed)
    data, key = jnp.asarray(padded(images, max(DATA[name]["counts"]))), jax.random.key(seed)
    carried, curve, best = machine.start(seed, rate), [], (np.inf, None)
    machine.step(carried, data, 1, key, 0)  # compiles
    begun, checks = time.process_time(), (most or RECIPE["steps"][name]) // RECIPE["check"]
    for check in range(checks):
        carried = machine.run(carried, data, len(images), key, check * RECIPE["check"])
        curve.append(machine.error(carried[1], validation))
        if curve[-1] < best[0]:
            best = curve[-1], carried[1]
        # the least error of the last checks is hardly below that of all before
        late = curve[: -RECIPE["patience"]]
        if late and min(curve) > (1 - RECIPE["better"]) * min(late):
            break
    seconds = time.process_time() - begun
    return best[1], {"rate": rate, "seconds": round(seconds, 1), "curve": [round(error, 2) for error in curve]}


def network_run(name, kind, changes, count, seed, rate):
    """Train one autoencoder and measure it; the test images are read here alone."""
    weights, told = train(name, kind, changes, count, seed, rate)
    images, validation = folder(name, count, seed)
    parts = {"train": images[:VALIDATION], "validation": validation, "test": source(name)[2]}
    found = {part: round(loop(name, kind, changes).error(weights, some), 3) for part, some in parts.items()}
    return {**told, **found}


# --- Principal components --------------------------------------------------------------------------------------------


def components(rows, most):
    """Return the mean of rows and their leading principal directions, as many as there are up to `most`."""
    mean = rows.mean(axis=0)
    most = min(most, len(rows) - 1)
    if min(rows.shape) > 1_000:  # a random sketch with five passes: a fraction of the time
        return mean, randomized_svd(rows - mean, most, n_iter=5, random_state=0)[2]
    return mean, np.linalg.svd(rows - mean, full_matrices=False)[2][:most]


def left_over(images, mean, directions):
    """Return the mean squared error of images in these directions, clipped to levels that a pixel can have."""
    rows = images.reshape(len(images), -1)
    drawn = (rows - mean) @ directions.T @ directions + mean
    return float(metrics.squared_error(rows, drawn.clip(0, 1)).mean())


def pca_run(name, changes, count, seed):
    """Fit principal components to one folder and measure them."""
    begun, (images, validation) = time.process_time(), folder(name, count, seed)
    copies = [np.asarray(changed(name, jax.random.key(copy), images)) for copy in range(RECIPE["copies"] * changes)]
    rows = np.concatenate([images, *copies]).reshape(-1, images[0].size)
    mean, directions = components(rows, COMPONENTS[-1])
    seconds, code = time.process_time() - begun, DATA[name]["code"]
    parts = {"train": images, "validation": validation, "test": source(name)[2]}
    found = {part: round(left_over(some, mean, directions[:code]), 3) for part, some in parts.items()}
    by_count = [round(left_over(parts["test"], mean, directions[:most]), 2) for most in COMPONENTS]
    return {"seconds": round(seconds, 1), **found, "by_components": by_count}


# --- All -------------------------------------------------------------------------------------------------------------


def jobs():
    """Return what tells the runs apart, in the order in which they are made."""
    return [
        {"data": name, "count": count, "kind": kind, "changes": changes, "seed": seed}
        for seed in SEEDS
        for name in DATA
        for count in DATA[name]["counts"]
        for kind in KINDS
        for changes in (False, True)
    ]


def tries():
    """Return what tells the runs that choose a learning rate apart."""
    return [{"data": name, "kind": kind, "rate": rate} for name in DATA for kind in KINDS[1:] for rate in RATES]


def best_rate(tried, name, kind):
    """Return the least rate that is nearly as good as the best one: high rates fail with some first weights."""
    those = [run for run in tried if run["data"] == name and run["kind"] == kind]
    bound = (1 + RECIPE["near"]) * min(run["validation"] for run in those)
    return min(run["rate"] for run in those if run["validation"] <= bound)


def attempt(data, kind, rate):
    """Train with one rate, on changed images, and return the least validation error."""
    told = train(data, kind, True, DATA[data]["tuned_at"], TUNING_SEED, rate)[1]
    return {"validation": min(told["curve"]), "steps": RECIPE["check"] * len(told["curve"]), "seconds": told["seconds"]}


def cells():
    """Return what tells apart the settings for which a rate of their own was tried."""
    names = "data", "count", "kind", "changes"
    those = [job for job in jobs() if job["data"] in RATED and job["kind"] != "pca" and job["seed"] == SEEDS[0]]
    return [{name: job[name] for name in names} for job in those]


def next_rate(tried, cell):
    """Return the rate to try next, the middle one first, until the best has both its neighbours beside it, or None."""
    found = {run["rate"]: run["validation"] for run in tried if cell.items() <= run.items()}
    best = RATES.index(min(found, key=found.get)) if found else len(RATES) // 2
    wanted = [RATES[place] for place in (best, best - 1, best + 1) if 0 <= place < len(RATES)]
    return next((rate for rate in wanted if rate not in found), None)


def attempt_at(data, count, kind, changes, rate):
    """Train with one rate on so many images and return the least validation error."""
    told = train(data, kind, changes, count, TUNING_SEED, rate, draw=tuning_folder)[1]
    return {"validation": min(told["curve"]), "steps": RECIPE["check"] * len(told["curve"]), "seconds": told["seconds"]}


def make(data, count, kind, changes, seed, tried):
    """Return what one run measures."""
    if kind == "pca":
        return pca_run(data, changes, count, seed)
    return network_run(data, kind, changes, count, seed, best_rate(tried, data, kind))


def settings():
    """Return all settings as JSON can hold them."""
    return {"data": DATA, "seeds": list(SEEDS), "rates": list(RATES), "recipe": RECIPE, "components": COMPONENTS}


def main():
    """Make the runs that are missing and write the result after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--rates", action="store_true", help="try a rate for each number of images, and nothing else")
    asked = parser.parse_args()
    limit = time.monotonic() + 60 * asked.minutes
    runs = record.runs(NAME, None, **settings())
    old = {} if runs is None else record.read(NAME)
    runs, tried, by_size = runs or [], old.get("tries", []), old.get("by_size", [])
    for key, done, work in rates_to_try(by_size) if asked.rates else todo(tried, runs):
        if time.monotonic() > limit:
            break
        done.append({**key, **work(**key)})
        record.write(NAME, **settings(), tries=tried, by_size=by_size, runs=runs)
        print({name: value for name, value in done[-1].items() if name not in ("curve", "by_components")}, flush=True)


def todo(tried, runs):
    """Yield what tells the next missing run apart, the list it belongs to, and the function that makes it."""
    work = [(key, tried, attempt) for key in tries()]
    work += [(key, runs, functools.partial(make, tried=tried)) for key in jobs()]
    for key, done, function in work:
        if not any(key.items() <= run.items() for run in done):
            yield key, done, function


def rates_to_try(by_size):
    """Yield the same for the rates that are still to be tried at each number of images."""
    for cell in cells():
        while (rate := next_rate(by_size, cell)) is not None:
            yield {**cell, "rate": rate}, by_size, attempt_at


if __name__ == "__main__":
    main()
