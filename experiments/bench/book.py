"""The benchmark in the book's own forms: `fit`, the compiled loop `train_scanned`, and copies stacked side by side."""

import jax
import keras

from experiments.bench import cases
from experiments.harness.stacked import Stack
from helpers import autoencoders, datasets, gans
from helpers.layers import MatmulConv2D, MatmulConv2DTranspose

STRIDED = dict(kernel_size=4, strides=2)
MANY = 1_000  # stretches: more than anyone waits for


def network(case, name, convolutions="matmul", seed=0):
    """Return a network of a case with its first weights, its convolutions Keras's own or the book's."""
    own = {"matmul": (MatmulConv2D, MatmulConv2DTranspose), "mixed": (keras.layers.Conv2D, MatmulConv2DTranspose)}
    pair = own.get(convolutions, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))
    spec = case.networks[name]
    shape = (spec[0].inputs,) if spec[0].kind == "dense" else case.shape
    layers = [one for layer in spec for one in _layers(layer, *pair)]
    model = keras.Sequential([keras.Input(shape), *layers], name=name)
    for variable, array in zip(model.trainable_variables, case.weights(name, seed), strict=True):
        variable.assign(array)
    return model


def _layers(layer, convolution, transposed):
    """Return the Keras layers of one layer."""
    kinds, same = {"convolution": convolution, "transposed": transposed}, {"padding": "same"}
    if layer.kind in kinds:
        settings = {} if kinds[layer.kind] in (MatmulConv2D, MatmulConv2DTranspose) else same
        settings |= dict(activation=layer.activation, use_bias=layer.bias, **STRIDED)
        return [kinds[layer.kind](layer.outputs, **settings)]
    if layer.kind == "dense":
        return [keras.layers.Dense(layer.outputs, activation=layer.activation, use_bias=layer.bias)]
    if layer.kind == "normalise":
        return [keras.layers.BatchNormalization(**cases.BATCH_NORM), keras.layers.Activation(layer.activation)]
    return [keras.layers.Reshape(layer.shape) if layer.kind == "reshape" else keras.layers.Flatten()]


def adam(case):
    """Return the case's optimiser."""
    rate, first, second = case.adam
    return keras.optimizers.Adam(rate, beta_1=first, beta_2=second, epsilon=cases.EPSILON)


def model(case, convolutions="matmul", seed=0):
    """Return the compiled, untrained model of a case; one of many seeds has weights of its own."""
    keras.utils.set_random_seed(seed)
    if "autoencoder" in case.networks:
        coder = network(case, "autoencoder")
        coder = autoencoders.Reconstructor(coder.inputs, coder.outputs)
        coder.compile(adam(case), "binary_crossentropy")
        coder.optimizer.build(coder.trainable_variables)
        return coder
    pair = [network(case, name, convolutions, seed) for name in ("generator", "discriminator")]
    gan = gans.GAN(*pair, seed=seed)
    gan.compile(adam(case), adam(case), loss="non_saturating", r1=case.r1, ema=cases.KEEP)
    return gan


def train(case, form, told, latents=None):
    """Train in stretches of `case.steps` steps, and tell their mean losses, until `told` raises `cases.Finished`.

    `latents` is not used: the book's models draw their own, which `latents_of` returns.
    """
    name, _, convolutions = form.partition(" ")
    {"fit": fit, "scan": scan, "stack": stack}[name](case, told, convolutions)


def fit(case, told, convolutions):
    """Train by ``fit``, an epoch at a time."""
    one, data = model(case, convolutions), case.data()
    paired = {"labels": data} if "autoencoder" in case.networks else {}
    batches = datasets.ShuffledBatches(data, case.batch, **paired)
    while True:
        order = {"shuffle": False} if paired else {}
        history = one.fit(batches, epochs=1, verbose=0, **order).history
        jax.block_until_ready([variable.value for variable in one.trainable_variables])
        told({key: values[-1] for key, values in history.items() if key.endswith("loss")})


def scan(case, told, convolutions):
    """Train in the compiled loop, which draws its examples itself."""
    data = jax.numpy.asarray(case.data())
    draw = lambda key: data[jax.random.randint(key, (case.batch,), 0, len(data))]  # noqa: E731

    def watch(trained, step):
        """Tell the losses of a stretch."""
        logs = {metric.name: float(metric.result()) for metric in trained.metrics}
        told({name: value for name, value in logs.items() if name.endswith("loss")})

    gans.train_scanned([model(case, convolutions or "matmul")], draw, MANY * case.steps, points=MANY, watch=watch)


def stack(case, told, _):
    """Train the case's seeds side by side."""
    data = case.data()
    both = (data, data) if "autoencoder" in case.networks else data
    copies = Stack([model(case, seed=seed) for seed in range(case.seeds)])

    def watch(epoch):
        """Tell the losses of an epoch, the mean over the copies."""
        logs = copies.history[-1]
        told({name: float(values.mean()) for name, values in logs.items() if name.endswith("loss")})

    copies.fit(both, case.batch, MANY, last=1.0, watch=watch)


def latents_of(case, seed=0):
    """Return the latents that the GAN of a seed draws in its first steps, (steps, 2, batch, latent)."""
    noise, shape = keras.random.SeedGenerator(seed), (case.batch, case.latent)
    draws = [keras.random.normal(shape, seed=noise) for _ in range(2 * case.steps)]
    return jax.numpy.stack(draws).reshape(case.steps, 2, *shape)
