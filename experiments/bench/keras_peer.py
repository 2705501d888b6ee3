"""The benchmark in Keras on another backend, as Keras's own guides to `fit` write it; KERAS_BACKEND chooses which."""

import importlib

import keras
import numpy as np

from experiments.bench import cases

BACKEND = keras.backend.backend()
framework = importlib.import_module(BACKEND)  # the guides' steps are written in it


def network(case, name):
    """Return a network of a case with its first weights."""
    spec = case.networks[name]
    shape = (spec[0].inputs,) if spec[0].kind == "dense" else case.shape
    layers = [one for layer in spec for one in _layers(layer)]
    model = keras.Sequential([keras.Input(shape), *layers], name=name)
    for variable, array in zip(model.trainable_variables, case.weights(name), strict=True):
        variable.assign(array)
    return model


def _layers(layer):
    """Return the Keras layers of one layer."""
    k, kinds = keras.layers, {"convolution": keras.layers.Conv2D, "transposed": keras.layers.Conv2DTranspose}
    settings = dict(activation=layer.activation, use_bias=layer.bias)
    if layer.kind in kinds:
        return [kinds[layer.kind](layer.outputs, 4, strides=2, padding="same", **settings)]
    if layer.kind == "dense":
        return [k.Dense(layer.outputs, **settings)]
    if layer.kind == "normalise":
        return [k.BatchNormalization(**cases.BATCH_NORM), k.Activation(layer.activation)]
    return [k.Reshape(layer.shape) if layer.kind == "reshape" else k.Flatten()]


def adam(case, **settings):
    """Return the case's optimiser."""
    rate, first, second = case.adam
    return keras.optimizers.Adam(rate, beta_1=first, beta_2=second, epsilon=cases.EPSILON, **settings)


class Gan(keras.Model):
    """A GAN whose step is written in the backend's own words; Adam keeps the generator's average."""

    def __init__(self, case):
        super().__init__()
        self.case, self.noise = case, keras.random.SeedGenerator(0)
        self.generator, self.discriminator = (network(case, name) for name in ("generator", "discriminator"))
        self.means = {name: keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss")}
        self.built = True

    def compile(self):
        """Give each network its optimiser."""
        super().compile()
        self.d_optimizer = adam(self.case)
        self.g_optimizer = adam(self.case, use_ema=True, ema_momentum=cases.KEEP)
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self.generator.trainable_variables)

    @property
    def metrics(self):
        """Means of both losses."""
        return list(self.means.values())

    def train_step(self, data):
        """Move D and then G one step."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        real, *latents = x if isinstance(x, (tuple, list)) else (x,)
        latents = latents or [self._draw(), self._draw()]
        d_loss = descend(self.discriminator, self.d_optimizer, lambda: self._d_loss(real, latents[0]))
        g_loss = descend(self.generator, self.g_optimizer, lambda: self._g_loss(latents[1]))
        for name, value in dict(d_loss=d_loss, g_loss=g_loss).items():
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def _draw(self):
        """Return latents (batch, latent)."""
        return keras.random.normal((self.case.batch, self.case.latent), seed=self.noise)

    def _d_loss(self, real, latents):
        """Return D's loss with its penalty, and without."""
        fake = keras.ops.stop_gradient(self.generator(latents, training=True))
        value = _softplus(-self.discriminator(real, training=True))
        value = value + _softplus(self.discriminator(fake, training=True))
        if not self.case.r1:
            return value, value
        gradients = gradient(lambda x: keras.ops.sum(self.discriminator(x, training=True)), real)
        squares = keras.ops.sum(keras.ops.reshape(gradients**2, (self.case.batch, -1)), axis=1)
        return value + self.case.r1 / 2 * keras.ops.mean(squares), value

    def _g_loss(self, latents):
        """Return G's loss, twice."""
        value = _softplus(-self.discriminator(self.generator(latents, training=True), training=True))
        return value, value


def _softplus(logits):
    """Return the mean of log(1 + exp(logits))."""
    return keras.ops.mean(keras.ops.softplus(logits))


def descend(network, optimizer, loss):
    """Move a network one step down ``loss() -> (value, what to log)``; return what to log."""
    variables = network.trainable_variables
    if BACKEND == "tensorflow":
        with framework.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            value, logged = loss()
        optimizer.apply(tape.gradient(value, [variable.value for variable in variables]), variables)
        return logged
    value, logged = loss()
    values = [variable.value for variable in variables]
    gradients = framework.autograd.grad(value, values)
    with framework.no_grad():
        optimizer.apply(gradients, variables)
    return logged.detach()


def gradient(function, x):
    """Return the gradient of a function of x, which is differentiated again."""
    if BACKEND == "tensorflow":
        with framework.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    x = x.detach().requires_grad_()
    return framework.autograd.grad(function(x), x, create_graph=True)[0]


class Batches(keras.utils.PyDataset):
    """The case's batches, each with what `fit` gets beside the examples."""

    def __init__(self, case, latents=None):
        super().__init__()
        self.data, self.rows, self.latents = case.data(), case.rows(), latents
        self.paired = "autoencoder" in case.networks

    def __len__(self):
        """Return the number of batches."""
        return len(self.rows)

    def __getitem__(self, index):
        """Return a batch: examples and targets, examples alone, or with the two sets of latents."""
        real = self.data[self.rows[index]]
        if self.paired:
            return real, real
        return (real,) if self.latents is None else ((real, *np.asarray(self.latents[index])),)


def model(case):
    """Return the compiled, untrained model of a case."""
    if "autoencoder" in case.networks:
        coder = network(case, "autoencoder")
        coder.compile(adam(case), "binary_crossentropy")
        return coder
    gan = Gan(case)
    gan.compile()
    return gan


def train(case, form, told, latents=None):
    """Train by ``fit`` in epochs of `case.steps` steps, and tell their mean losses, until `told` raises an error.

    Parameters
    ----------
    case : cases.Case
        What to train.
    form : {"fit"}
        The only one.
    told : callable
        ``told(losses)``, called after each epoch.
    latents : ndarray of shape (steps, 2, batch, latent), optional
        For a comparison of losses; otherwise each step draws its own.
    """
    keras.utils.set_random_seed(0)
    one, batches = model(case), Batches(case, latents)
    while True:
        history = one.fit(batches, epochs=1, shuffle=False, verbose=0).history
        told({name: values[-1] for name, values in history.items()})
