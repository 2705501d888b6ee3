"""What the benchmark's cases are: layers, batches, optimisers, weights and data, by NumPy alone, for every peer."""

import dataclasses
import functools
import itertools

import numpy as np

SLOPE = 0.2  # of the leaky ReLU
KEEP = 0.999  # share of the old average that the generator's moving average keeps at a step
EPSILON = 1e-12  # Adam's, given to all: so small that it does not matter that libraries add it in different places
BATCH_NORM = dict(momentum=0.99, epsilon=1e-3)  # Keras's defaults, given to all


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer: "dense", "convolution", "transposed" (both 4 × 4, stride 2), "normalise", "reshape" or "flatten"."""

    kind: str
    inputs: int = 0
    outputs: int = 0
    activation: str | None = None  # "relu", "leaky_relu" or "sigmoid"
    bias: bool = True
    shape: tuple = ()  # that "reshape" makes: height, width, channels

    def shapes(self):
        """Return the shapes of the weights, in Keras's order and layout."""
        kernel = {
            "dense": (self.inputs, self.outputs),
            "convolution": (4, 4, self.inputs, self.outputs),
            "transposed": (4, 4, self.outputs, self.inputs),
        }.get(self.kind)
        if kernel:
            return [kernel, *([(self.outputs,)] if self.bias else [])]
        return [(self.inputs,)] * 2 if self.kind == "normalise" else []


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained, how, and for how many steps at a time.

    Attributes
    ----------
    networks : dict of str to tuple of Layer
        "autoencoder", or "generator" and "discriminator".
    shape : tuple
        Of one example.
    batch, steps : int
        Examples a step; steps of one measurement, which are one pass over the data.
    adam : tuple of float
        Learning rate, β₁ and β₂.
    r1 : float, default=0
        γ of the penalty (γ/2) E‖∇D‖² on real examples.
    seeds : int, default=1
        Copies that are trained, each with weights and noise of its own.
    """

    networks: dict
    shape: tuple
    batch: int
    steps: int
    adam: tuple
    r1: float = 0.0
    seeds: int = 1

    @property
    def latent(self):
        """Dimensions of a latent vector."""
        return self.networks["generator"][0].inputs

    def data(self):
        """Return the examples, float32 of shape (steps · batch, ...): white and black pixels, or points on a ring."""
        rng = np.random.default_rng(0)
        if len(self.shape) == 1 and self.shape[0] == 2:
            angles = rng.integers(8, size=self.steps * self.batch) * np.pi / 4
            circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            return np.float32(circle + 0.02 * rng.standard_normal(circle.shape))
        return np.float32(rng.random((self.steps * self.batch, *self.shape)) < 0.2)

    def rows(self):
        """Return which examples each step gets, (steps, batch): the order of `helpers.datasets.ShuffledBatches`."""
        order = np.random.default_rng([0, 0]).permutation(self.steps * self.batch)
        return order.reshape(self.steps, self.batch)

    def weights(self, network, seed=0):
        """Return the first weights of a network, Glorot uniform as Keras has them; biases 0, normalised scales 1."""
        rng = np.random.default_rng([seed, *network.encode()])
        return [array for layer in self.networks[network] for array in _first(layer, rng)]


def _first(layer, rng):
    """Return the first weights of a layer."""
    shapes = layer.shapes()
    if layer.kind == "normalise":
        return [np.ones(shapes[0], "float32"), np.zeros(shapes[1], "float32")]
    if not shapes:
        return []
    fans = np.prod(shapes[0][:-2], dtype=int) * np.array(shapes[0][-2:])
    limit = np.sqrt(6 / fans.sum())
    kernel = rng.uniform(-limit, limit, shapes[0]).astype("float32")
    return [kernel, *(np.zeros(shape, "float32") for shape in shapes[1:])]


def dense(sizes, last=None):
    """Return ReLU layers of these sizes, and `last` as the activation of the last one."""
    pairs = list(itertools.pairwise(sizes))
    activations = ["relu"] * (len(pairs) - 1) + [last]
    return tuple(Layer("dense", *pair, activation) for pair, activation in zip(pairs, activations, strict=True))


def convolutional(latent=16, width=64):
    """Return the generator and the discriminator of the chapter on the DCGAN, `width` times as wide."""
    generator = (
        Layer("dense", latent, 49 * 2 * width, bias=False),
        Layer("normalise", 49 * 2 * width, activation="relu"),
        Layer("reshape", shape=(7, 7, 2 * width)),
        Layer("transposed", 2 * width, width, bias=False),
        Layer("normalise", width, activation="relu"),
        Layer("transposed", width, 1, "sigmoid"),
    )
    discriminator = (
        Layer("convolution", 1, width, "leaky_relu"),
        Layer("convolution", width, 2 * width, "leaky_relu"),
        Layer("flatten"),
        Layer("dense", 49 * 2 * width, 1),
    )
    return {"generator": generator, "discriminator": discriminator}


_SOURCE = {
    "generator": dense((100, 256, 512, 784), "sigmoid"),
    "discriminator": dense((784, 1024, 512, 1)),
}
_POINTS = {"generator": dense((2, 128, 128, 128, 2)), "discriminator": dense((2, 128, 128, 128, 1))}
_POINT_CASE = functools.partial(Case, _POINTS, (2,), batch=128, adam=(1e-3, 0.0, 0.99), r1=0.1)
_IMAGE_CASE = functools.partial(Case, shape=(28, 28, 1), batch=128, adam=(2e-3, 0.0, 0.99))

CASES = {
    "autoencoder": Case({"autoencoder": dense((784, 32, 784), "sigmoid")}, (784,), 256, 400, (1e-3, 0.9, 0.999)),
    "mlp_gan": Case(_SOURCE, (784,), 128, 60, (2e-4, 0.5, 0.999)),
    "conv_gan": _IMAGE_CASE(convolutional(), steps=12),
    "conv_gan_r1": _IMAGE_CASE(convolutional(), steps=8, r1=0.3),
    "points_1": _POINT_CASE(steps=400),
    "points_10": _POINT_CASE(steps=100, seeds=10),
}

# The forms of each peer, by case.
FORMS = {
    "autoencoder": {"book": ("fit", "stack"), "raw_jax": ("scan",), "torch": ("eager", "compile")},
    "mlp_gan": {"book": ("fit", "scan"), "raw_jax": ("scan",), "torch": ("eager", "compile")},
    "conv_gan": {
        "book": ("fit matmul", "fit mixed", "fit keras", "scan matmul"),
        "raw_jax": ("scan", "step"),
        "torch": ("eager", "compile", "eager channels-last", "compile channels-last"),
    },
    "points_1": {"book": ("fit", "scan"), "raw_jax": ("scan",), "torch": ("eager", "compile")},
    "points_10": {"book": ("stack", "halves"), "raw_jax": ("scan",), "torch": ("vmap",)},
}
FORMS["conv_gan_r1"] = FORMS["conv_gan"]
for _case in CASES:
    if _case != "points_10":  # Keras trains one after another: ten times the row above
        FORMS[_case] |= {"keras_torch": ("fit",), "keras_tensorflow": ("fit",)}


def small(case, steps=3, batch=8):
    """Return a case with few, short steps on small batches, for tests: Adam's first steps enlarge rounding errors."""
    return dataclasses.replace(case, steps=steps, batch=batch, adam=(1e-4, *case.adam[1:]))


class Finished(Exception):
    """Ends a training from inside: what `told` raises when no further steps are wanted."""
