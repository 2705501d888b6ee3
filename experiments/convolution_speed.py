"""Time the chapter's convolutions against Keras's own: whole training steps of a GAN, and the two gradients apart.

python -m experiments.convolution_speed     times what is missing, about 6 minutes; writes
                                            results/convolution_speed_0.10.2.json for jax 0.10.2

The two forms take turns, step by step, so that what else the machine does falls on both.
"""

import functools
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
from tqdm import tqdm

from experiments.harness import record
from helpers import datasets, gans, layers

NAME = f"convolution_speed_{jax.__version__}"
FORMS = {
    "matmul": (layers.MatmulConv2D, layers.MatmulConv2DTranspose),
    "keras": tuple(
        functools.partial(layer, padding="same") for layer in (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    ),
}
ROUNDS = 15
STEPS = (  # the first is the chapter's own
    dict(width=16, batch=64, gamma=0.3, penalty_batch=8),
    dict(width=32, batch=64, gamma=0.0, penalty_batch=None),
    dict(width=32, batch=64, gamma=0.3, penalty_batch=8),
    dict(width=64, batch=128, gamma=0.0, penalty_batch=None),
    dict(width=64, batch=128, gamma=0.3, penalty_batch=None),
    dict(width=128, batch=128, gamma=0.3, penalty_batch=None),
)
FEW_ROUNDS = {128: 5}  # by width


def networks(down, up, width):
    """Return the chapter's generator and discriminator."""
    k, leaky = keras.layers, {"activation": "leaky_relu"}
    generator = [keras.Input((16,)), k.Dense(7 * 7 * 2 * width, use_bias=False), k.BatchNormalization()]
    generator += [k.Activation("relu"), k.Reshape((7, 7, 2 * width)), up(width, 4, strides=2, use_bias=False)]
    generator += [k.BatchNormalization(), k.Activation("relu"), up(1, 4, strides=2, activation="sigmoid")]
    judge = [keras.Input((28, 28, 1)), down(width, 4, strides=2, **leaky), down(2 * width, 4, strides=2, **leaky)]
    return keras.Sequential(generator), keras.Sequential([*judge, k.Flatten(), k.Dense(1)])


def training_step(form, images, width, batch, gamma, penalty_batch):
    """Return a function that makes one training step and waits for it."""
    keras.utils.set_random_seed(0)
    gan = gans.GAN(*networks(*FORMS[form], width), seed=0)
    adams = [keras.optimizers.Adam(5e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    gan.compile(*adams, loss="relativistic", r1=gamma, r2=gamma, penalty_batch=penalty_batch)
    step, real = jax.jit(gan.train_step), jnp.asarray(images[:batch])
    groups = (gan.trainable_variables, gan.non_trainable_variables, gan.optimizer.variables, gan.metrics_variables)
    state = [tuple([variable.value for variable in group] for group in groups)]

    def run():
        """Go on from the last state."""
        state[0] = jax.block_until_ready(step(state[0], real)[1])

    return run


def kernel_gradient(form, width=64, batch=128):
    """Return a function that computes the gradient of the generator's middle kernel."""
    layer = FORMS[form][1](width, 4, strides=2, use_bias=False)
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(batch, 7, 7, 2 * width)), "float32")
    layer.build(inputs.shape)
    return _compiled(lambda kernel: jnp.sum(layer.stateless_call([kernel], [], inputs)[0] ** 2), layer.kernel.value)


def penalty_gradient(form, width=64, batch=128):
    """Return a function that computes the gradient of a penalty on the gradient of D's two convolutions."""
    images = jnp.asarray(np.random.default_rng(0).random((batch, 28, 28, 1)), "float32")
    _, judge = networks(*FORMS[form], width)
    weights = [variable.value for variable in judge.trainable_variables]

    def penalty(weights):
        """Return R1."""
        return gans.zero_centered_penalty(lambda x: judge.stateless_call(weights, [], x)[0], images)

    return _compiled(penalty, weights)


def _compiled(loss, weights):
    """Return a function that computes the gradient of a loss and waits for it."""
    gradient = jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(gradient(weights))


def compare(make, rounds=ROUNDS):
    """Return the median seconds of both forms, and the median of the ratios of neighbours."""
    runs = {form: make(form) for form in FORMS}
    for run in runs.values():
        run()  # compiles
    seconds = {form: [] for form in FORMS}
    for _ in range(rounds):
        for form, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[form].append(time.perf_counter() - start)
    ratio = np.median(np.divide(seconds["keras"], seconds["matmul"]))
    return {**{form: float(np.median(values)) for form, values in seconds.items()}, "ratio": float(ratio)}


def main():
    """Time what is missing and write the record."""
    images = datasets.load_mnist().train_images
    weights = sum(network.count_params() for network in networks(*FORMS["matmul"], STEPS[0]["width"]))
    steps = [recorded(sizes) or timed(sizes, images) for sizes in tqdm(STEPS, desc="training steps")]
    parts = recorded() or {part.__name__: compare(part) for part in (kernel_gradient, penalty_gradient)}
    record.write(NAME, rounds=ROUNDS, weights=weights, steps=steps, parts=parts)


def recorded(sizes=None):
    """Return the recorded row of these sizes, or the two gradients, or None."""
    try:
        old = record.read(NAME)
    except FileNotFoundError:
        return None
    if sizes is None:
        return old["parts"]
    return next((row for row in old["steps"] if sizes.items() <= row.items()), None)


def timed(sizes, images):
    """Time whole training steps of these sizes."""
    rounds = FEW_ROUNDS.get(sizes["width"], ROUNDS)
    return {**sizes, **compare(functools.partial(training_step, images=images, **sizes), rounds), "rounds": rounds}


if __name__ == "__main__":
    main()
