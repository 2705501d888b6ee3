"""Train digit classifiers by DP-SGD on fixed features at several ε, and measure them.

python -m experiments.privacy                trains what is missing, and writes the result
python -m experiments.privacy --minutes 8    begins nothing new after so many minutes
python -m experiments.privacy --tries        tries the settings of `TRIES` that have not been tried

σ of each setting and its ε are those of `experiments.privacy_library`. The settings were chosen on the 10,000
validation digits, by trainings on the other 50,000 with as much ε; this choice is not accounted for, as in the papers
beside which the numbers are shown. `TRIES` are the settings tried at ε = 3 and 1.2, one training each, with σ by the
chapter's formula; those of 0.5 and 10 were set without a trial. Then five seeds are trained on all 60,000 digits, and
each is measured once on the test digits, after its last step.

The trials were made before the runs; what the result says of them was taken from their log, and `--tries` makes what is
missing there. An earlier form of this text spoke of eleven trials at ε = 3; the log has nine.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from experiments.harness import record
from helpers import datasets

NAME = "privacy"
SEEDS = (0, 1, 2, 3, 4)  # fixed before the runs
TRY_SEED = 100
DELTA = 1e-5
SETTINGS = {  # ε → share of the data in a batch, steps, rate, clipping norm, and σ of the mean that is released first
    0.5: {"q": 0.1, "steps": 200, "rate": 250.0, "clip": 0.2, "mean_sigma": 40.0},
    1.2: {"q": 0.1, "steps": 300, "rate": 400.0, "clip": 0.2, "mean_sigma": 20.0},
    3.0: {"q": 0.25, "steps": 200, "rate": 800.0, "clip": 0.2, "mean_sigma": 10.0},
    10.0: {"q": 0.25, "steps": 300, "rate": 1600.0, "clip": 0.2, "mean_sigma": 5.0},
}
MOMENTUM = 0.9
RELEASES = (0.1, 1.0, 10.0)  # ε of single releases, such as that of the chapter's generator
TRIES = (  # ε, then share in a batch, steps, rate, clipping norm, σ of the mean, and σ
    (3.0, 0.25, 100, 800.0, 0.2, 10.0, 3.971),
    (3.0, 0.25, 200, 800.0, 0.2, 10.0, 5.487),
    (3.0, 0.25, 150, 800.0, 0.1, 10.0, 4.789),
    (3.0, 0.25, 150, 1600.0, 0.2, 10.0, 4.789),
    (3.0, 0.1, 300, 500.0, 0.2, 10.0, 2.801),
    (3.0, 0.1, 600, 800.0, 0.2, 10.0, 3.837),
    (3.0, 0.1, 600, 1600.0, 0.2, 10.0, 3.837),
    (3.0, 0.05, 1000, 800.0, 0.2, 10.0, 2.545),
    (3.0, 0.1, 600, 800.0, 0.5, 10.0, 3.837),
    (1.2, 0.1, 300, 400.0, 0.2, 20.0, 6.156),
    (1.2, 0.1, 300, 800.0, 0.2, 20.0, 6.156),
    (1.2, 0.05, 600, 500.0, 0.2, 20.0, 4.386),
)


def grid_sigma(number):
    """Return one of the σ that are tried: each 0.5% above the one before."""
    return round(0.3 * 1.005**number, 6)


def settings():
    """Return what the library computes σ and ε of."""
    names = ("q", "steps", "mean_sigma")
    return [{"epsilon": epsilon, **{name: setting[name] for name in names}} for epsilon, setting in SETTINGS.items()]


def delta_of(epsilon, sigma):
    """Return the least δ of one release of sensitivity 1 with noise of standard deviation σ (Balle and Wang 2018)."""
    far, near = -epsilon * sigma - 1 / (2 * sigma), -epsilon * sigma + 1 / (2 * sigma)
    return stats.norm.cdf(near) - np.exp(epsilon) * stats.norm.cdf(far)


def sigma_of(epsilon):
    """Return the smallest σ on the grid that is enough for one release."""
    return next(sigma for sigma in map(grid_sigma, range(2000)) if delta_of(epsilon, sigma) <= DELTA)


# --- Fixed features --------------------------------------------------------------------------------------------------


def gaussian(sigma, order=0, size=28, step=1):
    """Return the matrix (size / step, size) that filters by a Gaussian, or by its first or second derivative."""
    centre = np.arange(0, size, step) + (step - 1) / 2
    t = np.arange(size) - centre[:, None]
    factor = (1, -t / sigma, t**2 / sigma**2 - 1)[order]
    return np.float32(factor * np.exp(-(t**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma))


def filtered(images, down, across):
    """Return images (n, h, w) filtered along both axes."""
    return down @ images @ across.T


def directions(images, sigma=1.0):
    """Yield maps (n, 28, 28): edges in eight directions, then bright and dark lines in four."""
    plain, first, second = (gaussian(sigma, order) for order in range(3))
    x, y = filtered(images, plain, first), filtered(images, first, plain)
    for angle in np.float32(np.arange(8) * np.pi / 4):
        yield np.maximum(np.cos(angle) * x + np.sin(angle) * y, 0)
    xx, xy, yy = filtered(images, plain, second), filtered(images, first, first), filtered(images, second, plain)
    for angle in np.float32(np.arange(4) * np.pi / 4):
        c, s = np.cos(angle), np.sin(angle)
        curved = c * c * xx + 2 * c * s * xy + s * s * yy
        yield np.maximum(-curved, 0)
        yield np.maximum(curved, 0)


def features(images):
    """Return features (n, 784) of length 1: the roots of 16 maps' sums in 7 × 7 cells. Nothing in them is learned."""
    pool = gaussian(2.4, step=4)
    parts = []
    for some in np.array_split(images.reshape(-1, 28, 28), max(1, len(images) // 500)):
        cells = np.stack([filtered(each, pool, pool) for each in directions(some)], axis=1)
        rows = np.sqrt(cells).reshape(len(some), 2, -1)
        rows /= np.linalg.norm(rows, axis=2, keepdims=True) + 1e-3
        parts.append(rows.reshape(len(some), -1) / np.float32(np.sqrt(2)))
    return np.concatenate(parts)


# --- DP-SGD ----------------------------------------------------------------------------------------------------------


def clipped_sum(loss, weights, inputs, labels, clip):
    """Return the sum of the gradients of single examples, each at most `clip` long, and their norms before."""
    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(weights, inputs, labels)
    squares = [jnp.square(part).reshape(len(part), -1).sum(axis=1) for part in jax.tree.leaves(gradients)]
    norms = jnp.sqrt(sum(squares))
    factors = jnp.minimum(1, clip / norms)
    return jax.tree.map(lambda part: jnp.tensordot(factors, part, axes=1), gradients), norms


def linear_sum(weights, rows, targets, clip):
    """Return the same sum for a softmax layer: a gradient is the product of features and error, and so is its norm."""
    error = special.softmax(rows @ weights, axis=1) - targets
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(error, axis=1)
    return rows.T @ (error * np.minimum(1, clip / (norms + 1e-12))[:, None])


def private_mean(rows, sigma, rng):
    """Return the mean of rows no longer than 1, with noise for one release of their sum."""
    return (rows.sum(axis=0) + sigma * rng.standard_normal(rows.shape[1], dtype="float32")) / np.float32(len(rows))


def train(rows, labels, setting, sigma, seed, classes=10):
    """Train a softmax layer by DP-SGD; return the mean that is subtracted and the weights, a mean over late steps.

    σ = 0 adds no noise, and clip = inf clips nothing. Batches are Poisson samples, and a step divides by the number of
    rows that a batch has on average. That the number of training rows is known is part of the guarantee.
    """
    rng, targets = np.random.default_rng(seed), np.eye(classes, dtype="float32")[labels]
    mean = private_mean(rows, setting["mean_sigma"] if sigma else 0, rng)
    rows = centred(rows, mean)
    weights, speed, late = (np.zeros((rows.shape[1], classes), "float32") for _ in range(3))
    for step in range(setting["steps"]):
        chosen = np.flatnonzero(rng.random(len(rows)) < setting["q"])
        total = linear_sum(weights, rows[chosen], targets[chosen], setting["clip"])
        if sigma:
            total += np.float32(sigma * setting["clip"]) * rng.standard_normal(total.shape, dtype="float32")
        speed = np.float32(MOMENTUM) * speed - np.float32(setting["rate"] / (setting["q"] * len(rows))) * total
        weights = weights + speed
        if 2 * step >= setting["steps"]:
            late += weights / np.float32(setting["steps"] - setting["steps"] // 2)
    return mean, late


def centred(rows, mean):
    """Return rows without their mean, no longer than 1."""
    rows = rows - mean
    return rows / np.maximum(1, np.linalg.norm(rows, axis=1, keepdims=True))


def accuracy(rows, labels, mean, weights):
    """Return the share of rows whose class is predicted."""
    return float(((centred(rows, mean) @ weights).argmax(axis=1) == labels).mean())


# --- The result ------------------------------------------------------------------------------------------------------


def library():
    """Return ε → σ of the trainings."""
    found = record.read("privacy_library")["runs"]
    for run in found:
        if any(run[name] != value for name, value in SETTINGS[run["epsilon"]].items() if name in run):
            raise RuntimeError(f"epsilon {run['epsilon']}: its setting has changed: run experiments.privacy_library.")
    return {run["epsilon"]: run["sigma"] for run in found}


def stored():
    """Return what is to be written: the runs, the tries, and the settings, which must not have changed."""
    given = {"settings": {str(key): value for key, value in SETTINGS.items()}, "momentum": MOMENTUM}
    written = (record.RESULTS / f"{NAME}.json").exists()
    tries = record.read(NAME).get("tries", []) if written else []
    return {"runs": record.runs(NAME, [], **given), "tries": tries, **given}


def try_settings(mnist, limit):
    """Train with each setting on the 50,000 training digits; note the accuracy on the validation digits."""
    result, names = stored(), ("epsilon", "q", "steps", "rate", "clip", "mean_sigma", "sigma")
    keys = [dict(zip(names, values, strict=True)) for values in TRIES]
    rows, held_out = features(mnist.train_images), features(mnist.validation_images)
    for key in keys:
        if time.monotonic() < limit and not any(key.items() <= run.items() for run in result["tries"]):
            trained = train(rows, mnist.train_labels, key, key["sigma"], TRY_SEED)
            result["tries"].append({**key, "accuracy": accuracy(held_out, mnist.validation_labels, *trained)})
            record.write(NAME, **result)
            print(result["tries"][-1], flush=True)


def measure_all(mnist, limit):
    """Train and measure what is missing, until a time, and write the result after each run."""
    result, sigmas = stored(), library()
    runs = result["runs"]
    keys = [{"kind": "classifier", "epsilon": epsilon, "seed": seed} for epsilon in (*SETTINGS, None) for seed in SEEDS]
    keys = [key for key in keys if not any(key.items() <= run.items() for run in runs)]
    if not keys:
        return
    rows = np.concatenate([features(mnist.train_images), features(mnist.validation_images)])
    labels, test_rows = np.concatenate([mnist.train_labels, mnist.validation_labels]), features(mnist.test_images)
    for key in keys:
        if time.monotonic() > limit:
            return
        start, epsilon = time.process_time(), key["epsilon"]
        trained = train(rows, labels, SETTINGS[epsilon or 10.0], sigmas.get(epsilon, 0), key["seed"])
        found = {"accuracy": accuracy(test_rows, mnist.test_labels, *trained)}
        runs.append({**key, "cpu_seconds": round(time.process_time() - start, 1), **found})
        record.write(NAME, **result)
        print(runs[-1], flush=True)


def main():
    """Try settings, or train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--tries", action="store_true", help="try the settings that were tried, on validation digits")
    arguments = parser.parse_args()
    work = try_settings if arguments.tries else measure_all
    work(datasets.load_mnist(), time.monotonic() + 60 * arguments.minutes)


if __name__ == "__main__":
    main()
