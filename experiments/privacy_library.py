"""Compute with Google's libraries what the book's own code for differential privacy is held to: ε, σ and a gradient.

python -m experiments.privacy_library            computes what is missing and writes the result
python -m experiments.privacy_library --check    compares the stored values with new ones

Needs jax-privacy and dp-accounting in an environment of its own (`experiments/privacy_requirements.txt`), as
dp-accounting wants an attrs older than that of the book's:

python -m venv .venv-privacy
.venv-privacy/bin/pip install -e . -r experiments/privacy_requirements.txt

The relation of neighbouring data sets is add or remove one, the batches are Poisson samples, and ε comes from the
privacy-loss distribution, which bounds it from above.
"""

import argparse
import importlib.metadata

import jax
import jax.numpy as jnp
import numpy as np

from experiments import privacy
from experiments.harness import record
from helpers import datasets, storage

NAME = "privacy_library"
IMAGES, CLIP, HIDDEN = 32, 7.0, 16  # this clips about half of the gradients and leaves the others


# --- The gradient ----------------------------------------------------------------------------------------------------


def case():
    """Return the weights of a small network, images and labels, on which the gradients are compared."""
    mnist, rng = datasets.load_mnist(), np.random.default_rng(0)
    sizes = ((784, HIDDEN), (HIDDEN, 10))
    weights = [rng.normal(size=size, scale=size[0] ** -0.5).astype("float32") for size in sizes]
    return weights, mnist.train_images[:IMAGES].reshape(IMAGES, 784), mnist.train_labels[:IMAGES]


def loss(weights, image, label):
    """Return the cross-entropy of one image (784,)."""
    hidden = jnp.tanh(image @ weights[0])
    return -jax.nn.log_softmax(hidden @ weights[1])[label]


def by_library():
    """Return the sum of clipped gradients by jax-privacy's function and by its Keras interface, and all norms."""
    from jax_privacy import clipping

    weights, images, labels = case()
    options = dict(l2_clip_norm=CLIP, batch_argnums=(1, 2), keep_batch_dim=False, return_grad_norms=True)
    total, seen = clipping.clipped_grad(loss, **options)(weights, images, labels)
    return {"total": [np.asarray(part) for part in total], "norms": np.asarray(seen.grad_norms), "keras": by_keras()}


def by_keras():
    """Return the sum that one step of a private Keras model moves its weights by.

    Its noise is that of the same step on black images, whose gradients are 0, and is subtracted.
    """
    weights, images, labels = case()
    moved = [step_of_keras(weights, inputs, labels) for inputs in (images, 0 * images)]
    return [IMAGES * (blank - after) for after, blank in zip(*moved, strict=True)]


def step_of_keras(weights, images, labels):
    """Return the weights after one step of rate 1."""
    import keras
    from jax_privacy import keras_api

    dense = keras.layers.Dense
    layers = [dense(HIDDEN, activation="tanh", use_bias=False), dense(10, use_bias=False)]
    model = keras.Sequential([keras.Input((784,)), *layers])
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    sizes = dict(batch_size=IMAGES, train_size=IMAGES, train_steps=1, gradient_accumulation_steps=1)
    settings = dict(
        epsilon=100.0, delta=1e-5, clipping_norm=CLIP, noise_multiplier=1.0, rescale_to_unit_norm=False, seed=0
    )
    model = keras_api.make_private(model, keras_api.DPKerasConfig(**sizes, **settings))
    model.fit(images, labels, batch_size=IMAGES, epochs=1, shuffle=False, verbose=0)
    return [np.asarray(variable) for variable in model.trainable_variables]  # beside them is the state of the noise


# --- The accountant --------------------------------------------------------------------------------------------------


def event(q, steps, sigma, mean_sigma=None):
    """Return dp-accounting's description of a training."""
    from dp_accounting import dp_event

    step = dp_event.GaussianDpEvent(sigma)
    if q < 1:
        step = dp_event.PoissonSampledDpEvent(q, step)
    first = [dp_event.GaussianDpEvent(mean_sigma)] if mean_sigma else []
    return dp_event.ComposedDpEvent([*first, dp_event.SelfComposedDpEvent(step, steps)])


def epsilon(of, delta=privacy.DELTA, kind="pld"):
    """Return ε of an event."""
    from dp_accounting import pld, rdp

    accountant = pld.PLDAccountant() if kind == "pld" else rdp.RdpAccountant()
    return float(accountant.compose(of).get_epsilon(delta))


def bisect(enough, least=0.3, most=600.0):
    """Return the smallest σ on a grid of 0.5% that is enough; `most` is."""
    low, high = (round(np.log(end / 0.3) / np.log(1.005)) + extra for end, extra in ((least, -1), (most, 1)))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(privacy.grid_sigma(middle)) else (middle, high)
    return privacy.grid_sigma(high)


def account(setting):
    """Return a setting with σ and ε by the library, and ε by its Rényi accountant."""
    rest = setting["q"], setting["steps"], setting["mean_sigma"]
    target = setting["epsilon"]

    def describe(sigma):
        """Return the training with this σ."""
        return event(rest[0], rest[1], sigma, rest[2])

    top = bisect(lambda sigma: epsilon(describe(sigma), kind="rdp") <= target)
    sigma = bisect(lambda sigma: epsilon(describe(sigma)) <= target, top / 1.3, top)
    return {
        **setting,
        "sigma": sigma,
        "spent": epsilon(describe(sigma)),
        "spent_renyi": epsilon(describe(sigma), kind="rdp"),
    }


def release(target):
    """Return σ of one release of sensitivity 1 by the exact formula, and the ε that the library finds for it."""
    from dp_accounting import dp_event

    sigma = privacy.sigma_of(target)
    return {"epsilon": target, "sigma": sigma, "spent": epsilon(dp_event.GaussianDpEvent(sigma))}


def main():
    """Compute what is missing; write the result, and the gradient beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the stored values with new ones")
    arguments = parser.parse_args()
    try:
        runs = record.read(NAME)["runs"]
    except FileNotFoundError:
        runs = []
    if arguments.check:
        for run in runs:
            print(run, epsilon(event(run["q"], run["steps"], run["sigma"], run["mean_sigma"])))
        return
    keys = ("epsilon", "q", "steps", "mean_sigma")
    known = {tuple(run[key] for key in keys): run for run in runs}
    runs = [known.get(tuple(setting[key] for key in keys)) or account(setting) for setting in privacy.settings()]
    found = by_library()
    scale = max(np.abs(part).max() for part in found["total"])
    off = max(np.abs(one - other).max() for one, other in zip(found["total"], found["keras"], strict=True)) / scale
    arrays = {f"total_{number}": part for number, part in enumerate(found["total"])}
    with storage.replacing(record.weights_path(NAME)) as partial:
        np.savez_compressed(partial, norms=found["norms"], **arrays)
    versions = {name: importlib.metadata.version(name) for name in ("jax-privacy", "dp-accounting", "jax", "keras")}
    releases = [release(target) for target in privacy.RELEASES]
    parts = dict(runs=runs, releases=releases, keras_off=float(off))
    record.write(
        NAME, **parts, delta=privacy.DELTA, versions=versions, case=dict(images=IMAGES, clip=CLIP, hidden=HIDDEN)
    )
    print(runs, releases, off)


if __name__ == "__main__":
    main()
