"""Train classifiers of digits on attacked images and a denoiser to put before one, and attack them all.

python -m experiments.robustness               does all that is missing, in this order
python -m experiments.robustness --minutes 10  the same, but begins nothing new after ten minutes; call it again

1. Five strengths of noise for the denoiser, with a seed that nothing else has: the one behind which the book's
   classifier reads most validation images right that were attacked without knowledge of the denoiser is kept. It was
   the smallest. After steps 2 to 4 had been done, smaller ones and no noise at all were tried; the denoiser has stayed.
2. Four forms of adversarial training, for fewer epochs and with that seed: the one with the most validation images
   right under PGD is kept.
3. Three seeds each of the same network, trained plainly and on attacked images.
4. Attacks on every tenth test image: FGSM and PGD on the book's classifier, on it behind the denoiser with and without
   knowledge of the denoiser, on denoisers that add noise, and on the networks of step 3.

Weights are stored in 8 bits, and everything is measured with these. `experiments.robustness_library` repeats some of
the attacks with Foolbox.
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np

from experiments.harness import record, training
from helpers import datasets, metrics, storage

NAME = "robustness"
EPSILON = 0.2
EPSILONS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
ATTACK = {"steps": 50, "size": 2.5, "restarts": 3, "every": 10}  # size of a step: 2.5 ε / steps
RECIPE = {"batch_size": 128, "rate": 2e-3, "epochs": 5}
FORMS = [
    {"epsilon": 0.2, "steps": 1, "ramp": 0},
    {"epsilon": 0.25, "steps": 1, "ramp": 0},
    {"epsilon": 0.2, "steps": 3, "ramp": 0},
    {"epsilon": 0.2, "steps": 3, "ramp": 0.4},
]
TUNING = {"seed": 100, "epochs": 3, "steps": 20, "images": 500}
DENOISER = {"units": 64, "epochs": 5, "rate": 2e-3, "batch_size": 128}
NOISES = (0.1, 0.2, 0.3, 0.5, 0.7)
LATER = ((0.0, 100), (0.05, 100), (0.0, 101))  # noise and seed: after all else, none is chosen from these
RANDOM = {"images": 250, "epsilons": (0.1, 0.2), "draws": 8, "readings": 10}
SEEDS = (0, 1, 2)
KINDS = ("adversarial", "plain")
LIVE = 200  # images that the chapter attacks itself
BLOCK = 250  # images attacked at a time


# --- Networks --------------------------------------------------------------------------------------------------------


def build():
    """Return the classifier that is trained here: two strided convolutions and two dense layers."""
    convolution = functools.partial(keras.layers.Conv2D, kernel_size=4, strides=2, padding="same", activation="relu")
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            convolution(16),  # (28, 28, 1) -> (14, 14, 16)
            convolution(32),  # (14, 14, 16) -> (7, 7, 32)
            keras.layers.Flatten(),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def denoiser():
    """Return the denoising autoencoder: images (n, 28, 28, 1) -> images."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(DENOISER["units"], activation="relu"),
            keras.layers.Dense(784, activation="sigmoid"),
            keras.layers.Reshape((28, 28, 1)),
        ]
    )


def book_classifier():
    """Return the classifier of the book's measures, without its features: images -> logits."""
    model = metrics.load_classifier()
    return keras.Model(model.inputs, model.outputs[1])


class Target:
    """What is attacked: networks one after the other, before which noise may be added.

    Parameters
    ----------
    *networks : keras.Model
        The last one returns logits.
    noise : float, default=0
        Standard deviation of normal noise that each reading adds to its images.
    """

    def __init__(self, *networks, noise=0.0):
        self.networks, self.noise = networks, noise
        both = ((*network.trainable_variables, *network.non_trainable_variables) for network in networks)
        self.weights = [[variable.value for variable in variables] for variables in both]

    def logits(self, weights, images, key):
        """Return logits (n, 10) of images; a pure function."""
        if self.noise:
            images = images + self.noise * jax.random.normal(key, images.shape)
        for network, values in zip(self.networks, weights, strict=True):
            count = len(network.trainable_variables)
            images = network.stateless_call(values[:count], values[count:], images, training=False)[0]
        return images

    def predict(self, images, seed=0):
        """Return the digit that is read in each image."""
        parts = [images[start : start + 1000] for start in range(0, len(images), 1000)]
        keys = jax.random.split(jax.random.key(seed), len(parts))
        return np.concatenate([_read(self, self.weights, *part) for part in zip(parts, keys, strict=True)])


@functools.partial(jax.jit, static_argnums=0)
def _read(target, weights, images, key):
    """Return the largest logit's index."""
    return target.logits(weights, images, key).argmax(axis=1)


# --- Attacks ---------------------------------------------------------------------------------------------------------


def cross_entropy(logits, labels):
    """Return the cross-entropy of each image."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def margin(logits, labels):
    """Return by how much the largest logit of a wrong digit exceeds that of the right one."""
    right = jax.nn.one_hot(labels, 10, dtype=bool)
    return jnp.where(right, -jnp.inf, logits).max(axis=1) - jnp.where(right, logits, 0).sum(axis=1)


LOSSES = {"cross-entropy": cross_entropy, "margin": margin}


@functools.partial(jax.jit, static_argnames=("target", "loss"))
def climb(target, weights, moved, images, labels, epsilon, size, keys, loss="cross-entropy"):
    """Move each pixel by one step up the loss, averaged over the noise of each key, and back into the box of ε."""

    def risk(moved):
        """Return the loss, summed over the images."""
        each = [LOSSES[loss](target.logits(weights, moved, key), labels).sum() for key in keys]
        return sum(each) / len(each)

    moved = moved + size * jnp.sign(jax.grad(risk)(moved))
    return jnp.clip(jnp.clip(moved, images - epsilon, images + epsilon), 0, 1)


def pgd(target, weights, images, labels, epsilon, key, steps, size, loss="cross-entropy", draws=1, fresh=True):
    """Return images after some steps up the loss from a random start, each step followed by a projection.

    `draws` is the number of noises whose gradients are averaged; with `fresh` they are others at each step. The loop is
    in Python, since XLA's processor backend is slow with convolutions in a loop of its own.
    """
    first, rest = jax.random.split(key)
    moved = jnp.clip(images + jax.random.uniform(first, images.shape, minval=-epsilon, maxval=epsilon), 0, 1)
    for number in range(steps):
        keys = jax.random.split(jax.random.fold_in(rest, number if fresh else 0), draws)
        moved = climb(target, weights, moved, images, labels, epsilon, size, keys, loss)
    return moved


@functools.partial(jax.jit, static_argnames=("target", "loss"))
def fgsm(target, weights, images, labels, epsilon, loss="cross-entropy"):
    """Return images moved once by ε in each pixel, up the loss."""
    key = jax.random.key(0)
    slope = jax.grad(lambda moved: LOSSES[loss](target.logits(weights, moved, key), labels).sum())(images)
    return jnp.clip(images + epsilon * jnp.sign(slope), 0, 1)


def examples(target, images, labels, epsilon, seed=0, steps=ATTACK["steps"], **options):
    """Return one attacked image for each, block by block."""
    size, moved = ATTACK["size"] * epsilon / steps, []
    for start in range(0, len(images), BLOCK):
        part, key = slice(start, start + BLOCK), jax.random.fold_in(jax.random.key(seed), start)
        arguments = images[part], labels[part], jnp.float32(epsilon), key
        moved.append(np.asarray(pgd(target, target.weights, *arguments, steps, jnp.float32(size), **options)))
    return np.concatenate(moved)


def survivors(target, images, labels, epsilon, restarts=ATTACK["restarts"], seed=0, **options):
    """Return which images are read right as they are and after each of several attacks from random starts."""
    right = target.predict(images) == labels
    for restart in range(restarts):
        rows = np.flatnonzero(right)
        if not len(rows):
            break
        padded = np.resize(rows, -(-len(rows) // BLOCK) * BLOCK)  # one shape, compiled once
        moved = examples(target, images[padded], labels[padded], epsilon, seed + restart, **options)
        right[rows] = (target.predict(moved) == labels[padded])[: len(rows)]
    return right


# --- Training --------------------------------------------------------------------------------------------------------


def train(seed, mnist, epochs, form=None):
    """Train a classifier, on attacked images if there is a form; return it and what was noted of each epoch.

    The form's attack starts anywhere in the box of its ε, which rises from 0 over the first part of the training, its
    ramp; a single step has the size 1.25 ε, several 2.5 ε over their number.
    """
    keras.utils.set_random_seed(seed)
    network, rng = build(), np.random.default_rng(seed)
    target, total = Target(network), epochs * (len(mnist.train_images) // RECIPE["batch_size"])
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RECIPE["rate"], total))
    optimizer.build(network.trainable_variables)
    state = target.weights[0], [variable.value for variable in optimizer.variables]
    step, seconds, curve = stepper(target, optimizer, form, total), 0.0, {"loss": [], "clean": [], "attacked": []}
    for epoch in range(epochs):
        began = time.perf_counter()
        state, loss = one_epoch(step, state, mnist, jax.random.key(1000 * seed + epoch), rng, epoch)
        seconds += time.perf_counter() - began
        target.weights = [state[0]]
        for name, value in zip(curve, (loss, *check(target, mnist)), strict=True):
            curve[name].append(value)
    network.set_weights([np.asarray(value) for value in state[0]])
    return network, {"seconds": round(seconds, 1), "curve": curve}


def stepper(target, optimizer, form, total):
    """Return a compiled step of training, the state, images, labels, a key and the step's number → state and loss."""

    def attacked(weights, images, labels, key, number):
        """Return the images that the form's attack makes at a step."""
        epsilon = form["epsilon"] * jnp.minimum(1, number / max(1, form["ramp"] * total))
        stride = epsilon * (1.25 if form["steps"] == 1 else 2.5 / form["steps"])
        return pgd(target, [weights], images, labels, epsilon, key, form["steps"], stride)

    @jax.jit
    def step(state, images, labels, key, number):
        """Make one step; return the state and the loss."""
        weights, slots = state
        images = attacked(weights, images, labels, key, number) if form else images
        risk = lambda weights: cross_entropy(target.logits([weights], images, key), labels).mean()  # noqa: E731
        loss, slopes = jax.value_and_grad(risk)(weights)
        return optimizer.stateless_apply(slots, slopes, weights), loss

    return step


def one_epoch(step, state, mnist, key, rng, epoch):
    """Take all training images once, in a random order; return the state and the mean loss."""
    batch_size, losses = RECIPE["batch_size"], []
    count = len(mnist.train_images) // batch_size
    order = rng.permutation(len(mnist.train_images))[: count * batch_size].reshape(count, -1)
    for number, (one, rows) in enumerate(zip(jax.random.split(key, count), order, strict=True)):
        state, loss = step(state, mnist.train_images[rows], mnist.train_labels[rows], one, epoch * count + number)
        losses.append(loss)
    return state, round(float(np.mean(losses)), 4)


def check(target, mnist):
    """Return the shares of validation images that are read right as they are, and under a short attack at ε."""
    few = slice(TUNING["images"])
    images, labels = mnist.validation_images[few], mnist.validation_labels[few]
    clean = (target.predict(mnist.validation_images) == mnist.validation_labels).mean()
    attacked = survivors(target, images, labels, EPSILON, restarts=1, steps=TUNING["steps"]).mean()
    return round(float(clean), 4), round(float(attacked), 4)


def train_denoiser(seed, noise, mnist):
    """Train a denoiser for noise of one strength; return it and its loss in each epoch."""
    keras.utils.set_random_seed(seed)
    network, batch_size = denoiser(), DENOISER["batch_size"]
    steps = DENOISER["epochs"] * (len(mnist.train_images) // batch_size)
    falling = keras.optimizers.schedules.CosineDecay(DENOISER["rate"], steps)
    network.compile(keras.optimizers.Adam(falling), "binary_crossentropy", steps_per_execution=50)
    losses, rng = [], np.random.default_rng(seed)
    for _ in range(DENOISER["epochs"]):
        noisy = mnist.train_images + noise * rng.standard_normal(mnist.train_images.shape, dtype="float32")
        history = network.fit(noisy, mnist.train_images, batch_size=batch_size, verbose=0).history
        losses.append(round(history["loss"][0], 5))
    return network, losses


def rounded(network):
    """Give a network the weights that it has after it was stored in 8 bits."""
    training.RUNS.mkdir(exist_ok=True)
    path = training.RUNS / f"{NAME}_rounded.npz"
    storage.save_weights(path, network.get_weights(), "int8")
    network.set_weights(storage.load_weights(path))
    return network


# --- All of it -------------------------------------------------------------------------------------------------------


SETTINGS = {
    "epsilons": EPSILONS,
    "attack": ATTACK,
    "recipe": RECIPE,
    "forms": FORMS,
    "tuning": TUNING,
    "denoiser": DENOISER,
    "random_settings": RANDOM,
}


class Progress:
    """What has been tried, trained and measured; written after each part."""

    PARTS = ("denoisers", "tries", "runs", "curves", "random", "checks")

    def __init__(self):
        record.runs(NAME, [], **SETTINGS)  # raises an error if these have changed
        self.kept = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {}
        for part in self.PARTS:
            self.kept.setdefault(part, {} if part in ("curves", "random", "checks") else [])

    def write(self, said):
        """Write what there is, and say what is new."""
        library = {"library": self.kept["library"]} if "library" in self.kept else {}
        record.write(NAME, **{part: self.kept[part] for part in self.PARTS}, **SETTINGS, **library)
        print(said, flush=True)

    def add(self, part, **run):
        """Note one run."""
        self.kept[part].append(run)
        self.write(f"{part} { {name: value for name, value in run.items() if name != 'curve'} }")

    def has(self, part, **key):
        """Return whether a run with these settings is there."""
        return any(key.items() <= run.items() for run in self.kept[part])

    def note(self, part, name, value):
        """Note one measurement."""
        self.kept[part][name] = value
        self.write(f"{part} {name} {value}")

    def noise(self):
        """Return the strength of noise that the denoiser is trained for."""
        first = [run for run in self.kept["denoisers"] if "later" not in run]
        return max(first, key=lambda run: run["behind"])["noise"]

    def form(self):
        """Return the form of adversarial training that is kept."""
        best = max(range(len(FORMS)), key=lambda n: self.kept["tries"][n]["curve"]["attacked"][-1])
        return FORMS[best]


def test_set(mnist):
    """Return the test images that are attacked, and their labels."""
    return mnist.test_images[:: ATTACK["every"]], mnist.test_labels[:: ATTACK["every"]]


def denoiser_jobs(progress, mnist):
    """Choose the denoiser's noise, train it and store it."""
    plain, few = Target(book_classifier()), slice(1000)
    images, labels = mnist.validation_images[few], mnist.validation_labels[few]
    attack = functools.cache(lambda: examples(plain, images, labels, EPSILON, steps=TUNING["steps"]))
    for noise, seed in (*((noise, TUNING["seed"]) for noise in NOISES), *LATER):
        if not progress.has("denoisers", noise=noise, seed=seed):
            network, losses = train_denoiser(seed, noise, mnist)
            behind = Target(network, *plain.networks)
            shares = {"clean": behind.predict(images) == labels, "behind": behind.predict(attack()) == labels}
            measured = {name: float(right.mean()) for name, right in shares.items()}
            mark = {"later": True} if (noise, seed) in LATER else {}
            yield progress.add("denoisers", noise=noise, seed=seed, loss=losses, **measured, **mark)
    if not record.weights_path(NAME, "denoiser").exists():
        network, _ = train_denoiser(0, progress.noise(), mnist)
        storage.save_weights(record.weights_path(NAME, "denoiser"), network.get_weights(), "int8")
        yield


def classifier_jobs(progress, mnist):
    """Choose the form of adversarial training, and train all seeds."""
    for number, form in enumerate(FORMS):
        if not progress.has("tries", number=number):
            _, done = train(TUNING["seed"], mnist, TUNING["epochs"], form)
            yield progress.add("tries", number=number, **done)
    images, labels = test_set(mnist)
    for seed in SEEDS:
        for kind in KINDS:
            if progress.has("runs", kind=kind, seed=seed):
                continue
            form = progress.form() if kind == "adversarial" else None
            network, done = train(seed, mnist, RECIPE["epochs"], form)
            if (kind, seed) == ("adversarial", 0):
                storage.save_weights(record.weights_path(NAME, kind), network.get_weights(), "int8")
            target = Target(rounded(network))
            clean = float((target.predict(mnist.test_images) == mnist.test_labels).mean())
            attacked = float(survivors(target, images, labels, EPSILON).mean())
            yield progress.add("runs", kind=kind, seed=seed, form=form, clean=clean, attacked=attacked, **done)


def targets():
    """Return what is attacked, by name, with the stored weights."""
    cleaner, hardened, book = denoiser(), build(), book_classifier()
    cleaner.set_weights(storage.load_weights(record.weights_path(NAME, "denoiser")))
    hardened.set_weights(storage.load_weights(record.weights_path(NAME, "adversarial")))
    return {"plain": Target(book), "behind": Target(cleaner, book), "hardened": Target(hardened)}


def right(target, images, labels):
    """Return the share of images that are read right."""
    return float((target.predict(images) == labels).mean())


def withstood(target, images, labels, epsilon=EPSILON, **options):
    """Return the share of images that are read right after every attack."""
    return float(survivors(target, images, labels, epsilon, **options).mean())


def tossed(images, epsilon):
    """Return images with each pixel moved by ε up or down, by the toss of a coin."""
    sign = np.random.default_rng(0).choice([-1, 1], images.shape)
    return np.clip(images + np.float32(epsilon * sign), 0, 1).astype("float32")


def one_step(target, images, labels, epsilon):
    """Return images after FGSM."""
    return np.asarray(fgsm(target, target.weights, images, labels, jnp.float32(epsilon)))


def measures(known, images, labels):
    """Return what is measured at each ε, name → function of ε."""
    plain, behind, hardened = known.values()
    unaware = functools.cache(lambda epsilon: examples(plain, images, labels, epsilon))
    return {
        "coin": lambda epsilon: right(plain, tossed(images, epsilon), labels),
        "fgsm": lambda epsilon: right(plain, one_step(plain, images, labels, epsilon), labels),
        "plain": lambda epsilon: withstood(plain, images, labels, epsilon),
        "behind": lambda epsilon: right(behind, unaware(epsilon), labels),
        "adaptive": lambda epsilon: withstood(behind, images, labels, epsilon),
        "adversarial": lambda epsilon: withstood(hardened, images, labels, epsilon),
        "hardened-coin": lambda epsilon: right(hardened, tossed(images, epsilon), labels),
        "hardened-fgsm": lambda epsilon: right(hardened, one_step(hardened, images, labels, epsilon), labels),
        "transferred": lambda epsilon: right(hardened, unaware(epsilon), labels),
    }


def curve_jobs(progress, mnist):
    """Attack at each ε."""
    for name, measure in measures(targets(), *test_set(mnist)).items():
        if name not in progress.kept["curves"]:
            yield progress.note("curves", name, [measure(epsilon) for epsilon in EPSILONS])


def check_jobs(progress, mnist):
    """Read the images as they are, attack with another loss, and attack the few that the page attacks."""
    images, labels = test_set(mnist)
    few, known = (images[:LIVE], labels[:LIVE]), targets()
    checks = {
        "clean": lambda: {name: right(target, images, labels) for name, target in known.items()},
        "margin": lambda: {
            name: withstood(known[name], images, labels, loss="margin") for name in ("behind", "hardened")
        },
        "live": lambda: {name: withstood(target, *few, restarts=1) for name, target in known.items()},
    }
    for name, measure in checks.items():
        if name not in progress.kept["checks"]:
            yield progress.note("checks", name, measure())


def random_jobs(progress, mnist):
    """Attack the denoiser that adds noise first, with one gradient and with the mean of several."""
    images, labels = (array[: RANDOM["images"]] for array in test_set(mnist))
    behind = targets()["behind"]
    target = Target(*behind.networks, noise=progress.noise())

    def share(moved):
        """Return the share of readings, each with noise of its own, that are right."""
        return float(np.mean([target.predict(moved, seed) == labels for seed in range(RANDOM["readings"])]))

    attacks = {
        "none": lambda epsilon: images,
        "without knowledge of the noise": lambda epsilon: examples(behind, images, labels, epsilon),
        "one noise": lambda epsilon: examples(target, images, labels, epsilon, fresh=False),
        "another noise at each step": lambda epsilon: examples(target, images, labels, epsilon),
        "mean of several": lambda epsilon: examples(target, images, labels, epsilon, draws=RANDOM["draws"]),
    }
    for name, attack in attacks.items():
        if name not in progress.kept["random"]:
            yield progress.note("random", name, [share(attack(epsilon)) for epsilon in RANDOM["epsilons"]])


def main():
    """Do what is missing, for a while."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    limit = time.monotonic() + 60 * parser.parse_args().minutes
    mnist, progress = datasets.load_mnist(), Progress()
    for jobs in (denoiser_jobs, classifier_jobs, curve_jobs, check_jobs, random_jobs):
        for _ in jobs(progress, mnist):
            if time.monotonic() > limit:
                return
    print("all done")


if __name__ == "__main__":
    main()
