"""Layers that Keras lacks: a dense layer tied to another, and Gaussian noise that a resumed run goes on with."""

import keras
import numpy as np
from keras import ops

from helpers.checks import (
    check_activation,
    check_array,
    check_choice,
    check_each,
    check_integer,
    check_kind,
    check_labels,
    check_number,
    check_shape,
)


class TiedDense(keras.layers.Layer):
    """A dense layer that uses the transpose of another's kernel, and has a bias of its own.

    There is one kernel, not two that are kept equal: the gradients of both layers add up in it.

    Parameters
    ----------
    dense : keras.layers.Dense
        The layer whose kernel (input_dim, units) is shared; it must be built.
    activation : str or callable, optional
        Activation of the output.

    Notes
    -----
    Maps (n, units) to (n, input_dim) by ``activation(x @ dense.kernel.T + bias)``.
    """

    def __init__(self, dense, activation=None, **kwargs):
        if not isinstance(dense, keras.layers.Dense) or not dense.built:
            raise ValueError(f"dense: got {dense!r}, expected a built keras.layers.Dense.")
        super().__init__(**kwargs)
        # The kernel alone: as a part of this layer, the other would have its own losses cleared at every call.
        self.kernel = dense.kernel
        self.activation = check_activation("activation", activation)

    def build(self, input_shape):
        """Create the bias; the kernel is the other layer's."""
        self.bias = self.add_weight(shape=(self.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, inputs):
        """Return (n, input_dim) for inputs (n, units)."""
        check_shape("inputs", inputs, (..., self.kernel.shape[1]))
        return self.activation(ops.matmul(inputs, ops.transpose(self.kernel)) + self.bias)


class StandardNormal(keras.layers.Layer):
    """Standard normal noise, fresh at every call; its state is saved with the weights.

    Keras's weight files leave the state of a ``SeedGenerator`` out, so that a run resumed from one would see its old
    noise again. This layer stores it.

    Parameters
    ----------
    seed : int, default=0
        Seed of the noise.
    """

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(check_integer("seed", seed, low=0))
        self.built = True

    def call(self, inputs, samples=1):
        """Return float32 noise (samples, ...) for inputs (...), of which only the shape is used."""
        samples = check_integer("samples", samples, low=1)
        return keras.random.normal((samples, *ops.shape(inputs)), seed=self.generator)

    def save_own_variables(self, store):
        """Write the state of the noise into a Keras weight file."""
        store["noise_state"] = self.generator.state.numpy()

    def load_own_variables(self, store):
        """Read it back."""
        self.generator.state.assign(store["noise_state"])


class _MatmulConvolution(keras.layers.Layer):
    """What the two convolutions below have in common: filters, stride, activation and bias."""

    def __init__(self, filters, kernel_size, strides=1, activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "image_data_format: Keras is set to 'channels_first', which this layer does not know; "
                "keras.config.set_image_data_format('channels_last') sets what is expected."
            )
        self.filters = check_integer("filters", filters, low=1)
        self.kernel_size = check_integer("kernel_size", kernel_size, low=1)
        self.strides = check_integer("strides", strides, low=1, high=self.kernel_size)
        self.activation = check_activation("activation", activation)
        self.use_bias = check_choice("use_bias", use_bias, (False, True))

    def build(self, input_shape):
        """Create a kernel of the shape that Keras's own layer has, and the bias."""
        self.kernel = self.add_weight(shape=self._kernel_shape(input_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias") if self.use_bias else None

    def _finish(self, sums):
        """Add the bias and apply the activation."""
        return self.activation(sums if self.bias is None else sums + self.bias)

    def get_config(self):
        """Return the constructor's arguments."""
        own = dict(filters=self.filters, kernel_size=self.kernel_size, strides=self.strides, use_bias=self.use_bias)
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("helpers")
class MatmulConv2D(_MatmulConvolution):
    """A convolution with padding "same" as slices and one matrix product.

    It computes what ``keras.layers.Conv2D`` does, with a kernel of the same shape. Two things that XLA's CPU
    backend does slowly for that layer, it does faster here: the gradient of a gradient penalty through a strided
    convolution, and, in `MatmulConv2DTranspose`, the gradient of the kernel.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides : int
        Along both axes; strides <= kernel_size.
    activation : str or callable, optional
        Applied to the output.
    use_bias : bool, default=True
        Whether one number per filter is added.

    Notes
    -----
    Maps (n, height, width, channels) to (n, ⌈height/strides⌉, ⌈width/strides⌉, filters).
    """

    def _kernel_shape(self, channels):
        """Return the kernel's shape."""
        return (self.kernel_size, self.kernel_size, channels, self.filters)

    def call(self, images):
        """Return the filtered images."""
        stride, blocks = self.strides, -(-self.kernel_size // self.strides)
        check_shape("images", images, (None, None, None, self.kernel.shape[2]))
        height, width = (-(-size // stride) for size in images.shape[1:3])
        pads = [self._padding(size, n) for size, n in zip(images.shape[1:3], (height, width), strict=True)]
        tiles = _to_tiles(ops.pad(images, [(0, 0), *pads, (0, 0)]), stride)
        windows = [tiles[:, i : i + height, j : j + width] for i in range(blocks) for j in range(blocks)]
        patches = ops.concatenate(windows, axis=-1)  # (n, height, width, (blocks·stride)²·channels)
        return self._finish(ops.matmul(patches, ops.reshape(_in_blocks(self.kernel, stride), (-1, self.filters))))

    def _padding(self, size, count):
        """Return the zeros before and after an axis: those of "same" before, and whole tiles in all."""
        before = max((count - 1) * self.strides + self.kernel_size - size, 0) // 2
        tiles = count - 1 + -(-self.kernel_size // self.strides)
        return before, tiles * self.strides - size - before


@keras.saving.register_keras_serializable("helpers")
class MatmulConv2DTranspose(_MatmulConvolution):
    """A transposed convolution with padding "same" as one matrix product and shifted sums.

    It computes what ``keras.layers.Conv2DTranspose`` does, with a kernel of the same shape.

    Parameters
    ----------
    filters, kernel_size, strides, activation, use_bias
        As for `MatmulConv2D`.

    Notes
    -----
    Maps (n, height, width, channels) to (n, height·strides, width·strides, filters).
    """

    def _kernel_shape(self, channels):
        """Return the kernel's shape."""
        return (self.kernel_size, self.kernel_size, self.filters, channels)

    def call(self, images):
        """Return the enlarged images."""
        stride, blocks = self.strides, -(-self.kernel_size // self.strides)
        check_shape("images", images, (None, None, None, self.kernel.shape[3]))
        height, width = images.shape[1:3]
        kernel = _in_blocks(self.kernel, stride)  # (blocks, blocks, stride, stride, filters, channels)
        kernel = ops.reshape(ops.transpose(kernel, (5, 0, 1, 2, 3, 4)), (images.shape[-1], -1))
        # Each input pixel paints a patch of blocks × blocks tiles; patches of neighbours overlap and add up.
        painted = ops.split(ops.matmul(images, kernel), blocks**2, axis=-1)
        places = [(i, j) for i in range(blocks) for j in range(blocks)]
        margins = [[(0, 0), (i, blocks - 1 - i), (j, blocks - 1 - j), (0, 0)] for i, j in places]
        total = sum(ops.pad(part, margin) for part, margin in zip(painted, margins, strict=True))
        pixels = _from_tiles(total, stride)
        start = (self.kernel_size - stride) // 2
        return self._finish(pixels[:, start : start + height * stride, start : start + width * stride])


def _in_blocks(kernel, stride):
    """Return a kernel (k, k, a, b), zeros added up to whole tiles, as (blocks, blocks, stride, stride, a, b)."""
    missing = -kernel.shape[0] % stride
    kernel = ops.pad(kernel, [(0, missing), (0, missing), (0, 0), (0, 0)])
    blocks = kernel.shape[0] // stride
    return ops.transpose(ops.reshape(kernel, (blocks, stride, blocks, stride, *kernel.shape[2:])), (0, 2, 1, 3, 4, 5))


def _to_tiles(images, stride):
    """Gather each tile of stride × stride pixels into one: (n, h·stride, w·stride, c) -> (n, h, w, stride²·c)."""
    height, width, channels = images.shape[1] // stride, images.shape[2] // stride, images.shape[3]
    tiles = ops.reshape(images, (-1, height, stride, width, stride, channels))
    return ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4, 5)), (-1, height, width, stride * stride * channels))


def _from_tiles(tiles, stride):
    """Undo `_to_tiles`: (n, h, w, stride²·c) -> (n, h·stride, w·stride, c)."""
    height, width, channels = tiles.shape[1], tiles.shape[2], tiles.shape[3] // stride**2
    pixels = ops.reshape(tiles, (-1, height, width, stride, stride, channels))
    return ops.reshape(ops.transpose(pixels, (0, 1, 3, 2, 4, 5)), (-1, height * stride, width * stride, channels))


@keras.saving.register_keras_serializable("helpers")
class RandomBits(keras.layers.Layer):
    """Turns the first components of a normal latent vector into random bits, −1 or +1, by their sign.

    Parameters
    ----------
    bits : int
        How many.

    Notes
    -----
    Maps (n, latent_dim) to (n, latent_dim). A generator behind it is continuous in each of 2^bits pieces of the latent
    space, and may jump from one to the next.
    """

    def __init__(self, bits, **kwargs):
        super().__init__(**kwargs)
        self.bits = check_integer("bits", bits, low=0)

    def call(self, latents):
        """Return latents whose first `bits` components are −1 or +1."""
        check_shape("latents", latents, (None, None))
        if latents.shape[1] < self.bits:
            raise ValueError(f"latents: got {latents.shape[1]} numbers a row, expected at least the {self.bits} bits.")
        return ops.concatenate([ops.sign(latents[:, : self.bits]), latents[:, self.bits :]], axis=1)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "bits": self.bits}


@keras.saving.register_keras_serializable("helpers")
class FourierFeatures(keras.layers.Layer):
    """Adds sines and cosines of the inputs, with which a network can follow detail too fine for its weights alone.

    Parameters
    ----------
    frequencies : sequence of float
        In half-turns per unit: sin(πfx) and cos(πfx) of each input number x.

    References
    ----------
    Tancik et al. (2020), "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains".
    """

    def __init__(self, frequencies, **kwargs):
        super().__init__(**kwargs)
        self.frequencies = tuple(check_each("frequencies", frequencies, check_number))

    def call(self, points):
        """Return (n, d + 2·d·len(frequencies)) for points (n, d)."""
        check_shape("points", points, (None, None))
        angles = [np.pi * frequency * points for frequency in self.frequencies]
        waves = [wave(angle) for angle in angles for wave in (ops.sin, ops.cos)]
        return ops.concatenate([points, *waves], axis=-1)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "frequencies": self.frequencies}


@keras.saving.register_keras_serializable("helpers")
class Pack(keras.layers.Layer):
    """Joins neighbouring points of a batch into one input, so that a discriminator judges several at once.

    Parameters
    ----------
    size : int
        Points in a pack; the batch must be a multiple of it.

    References
    ----------
    Lin et al. (2018), "PacGAN: The power of two samples in generative adversarial networks".
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = check_integer("size", size, low=1)

    def call(self, points):
        """Return (n / size, size · d) for points (n, d)."""
        check_shape("points", points, (None, None))
        if points.shape[0] % self.size:
            raise ValueError(f"points: got {points.shape[0]} rows, expected a multiple of the {self.size} in a pack.")
        return ops.reshape(points, (-1, self.size * points.shape[-1]))

    def compute_output_spec(self, points):
        """Return the shape and dtype of the output."""
        return keras.KerasTensor((None, self.size * points.shape[-1]), points.dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("helpers")
class MinibatchDeviation(keras.layers.Layer):
    """Adds to each point how much its group varies, so that a discriminator notices fakes that are all alike.

    The number is the standard deviation over the group of each feature, averaged over the features; all points of a
    group get the same.

    Parameters
    ----------
    size : int
        Neighbouring points of the batch that form a group; the batch must be a multiple of it.

    Notes
    -----
    Maps (n, d) to (n, d + 1). A point still gets a judgement of its own, which now depends on the rest of its group.

    References
    ----------
    Karras et al. (2018), "Progressive Growing of GANs for Improved Quality, Stability, and Variation", section 3.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = check_integer("size", size, low=1)

    def call(self, points):
        """Return (n, d + 1) for points (n, d)."""
        check_shape("points", points, (None, None))
        if points.shape[0] % self.size:
            raise ValueError(f"points: got {points.shape[0]} rows, expected a multiple of the {self.size} in a group.")
        groups = ops.reshape(points, (-1, self.size, points.shape[1]))
        # The derivative of a square root is infinite at 0, where all points of a group agree in a feature.
        deviations = ops.sqrt(ops.var(groups, axis=1) + 1e-8)
        added = ops.repeat(ops.mean(deviations, axis=1, keepdims=True), self.size, axis=0)
        return ops.concatenate([points, added], axis=1)

    def compute_output_spec(self, points):
        """Return the shape and dtype of the output."""
        return keras.KerasTensor((points.shape[0], points.shape[1] + 1), points.dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "size": self.size}


def dense_network(input_shape, units, outputs, activation="leaky_relu", normalise=False, name=None):
    """Return a fully connected network with a linear last layer, such as an encoder or a discriminator.

    Parameters
    ----------
    input_shape : tuple
        Of one input.
    units : sequence of int
        Hidden units, layer by layer.
    outputs : int
        Size of the output.
    activation : str, default="leaky_relu"
        Keras name of the hidden activation; "leaky_relu" has slope 0.2.
    normalise : bool, default=False
        Layer normalisation before each hidden activation.
    name : str, optional
        Of the network.

    Returns
    -------
    keras.Sequential
        Inputs (n, *input_shape) → (n, outputs).
    """
    outputs = check_integer("outputs", outputs, low=1)
    check_kind("name", name, (str, type(None)), "a name, or None")
    hidden = hidden_layers("units", units, activation, normalise)
    return keras.Sequential(
        [
            keras.Input(tuple(check_each("input_shape", input_shape, check_integer, low=1))),
            keras.layers.Flatten(),
            *hidden,
            keras.layers.Dense(outputs),
        ],
        name=name,
    )


def hidden_layers(name, units, activation, normalise):
    """Return a dense layer for each size, layer normalisation if wanted, and the activation."""
    layers, activation = keras.layers, check_activation("activation", activation)
    check_choice("normalise", normalise, (False, True))
    return [
        layer
        for size in check_each(name, units, check_integer, low=1)
        for layer in (
            layers.Dense(size),
            *([layers.LayerNormalization()] if normalise else []),
            layers.Activation(activation),
        )
    ]


@keras.saving.register_keras_serializable("helpers")
class VectorQuantiser(keras.layers.Layer):
    """Replaces each vector by the nearest row of a codebook; the gradient goes straight through to the vector.

    Parameters
    ----------
    codes : int
        Rows of the codebook.
    update : {"loss", "average", "restart"}, default="loss"
        How the codebook learns: from a squared distance in the loss; as running means of the vectors that chose each
        row; or so, where a row that hardly any vector chooses is put onto a vector of the batch.
    unit : bool, default=False
        Whether vectors and rows are brought to length 1 before they are compared.
    commitment : float, default=0.25
        Weight of the squared distance that draws the vectors to their rows.

    Notes
    -----
    Maps (n, ..., d) to the same shape. The distances are summed over an example and averaged over the batch.

    References
    ----------
    van den Oord, Vinyals and Kavukcuoglu (2017), "Neural Discrete Representation Learning".
    """

    KEEP, SELDOM = 0.99, 0.5  # of a running mean at each step; vectors a batch below which a row is put elsewhere

    def __init__(self, codes, update="loss", unit=False, commitment=0.25, **kwargs):
        super().__init__(**kwargs)
        self.codes = check_integer("codes", codes, low=2)
        self.update = check_choice("update", update, ("loss", "average", "restart"))
        self.unit = check_choice("unit", unit, (False, True))
        if self.unit and self.update != "loss":
            raise ValueError(f"update: got {update!r} with unit=True, expected 'loss': means have no length of 1.")
        self.commitment = check_number("commitment", commitment, low=0)

    def build(self, input_shape):
        """Create the codebook, and for running means the counts and the sums whose ratio it is."""
        shape, learned = (self.codes, input_shape[-1]), self.update == "loss"
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.codebook = self.add_weight(shape=shape, initializer=normal, trainable=learned, name="codebook")
        if not learned:
            self.counts = self.add_weight(shape=shape[:1], initializer="ones", trainable=False, name="counts")
            self.sums = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="sums")
            self.sums.assign(self.codebook + 0)  # arrays of their own, as each is given away in training

    def call(self, vectors, training=False):
        """Return the nearest rows; in training the codebook follows the vectors."""
        vectors = self._scale(check_shape("vectors", vectors, (..., self.codebook.shape[1])))
        rows = self._rows(tokens := self._nearest(vectors))
        self.add_loss(self.commitment * _distance(vectors, ops.stop_gradient(rows)))
        if self.update == "loss":
            self.add_loss(_distance(ops.stop_gradient(vectors), rows))
        elif training:
            self._follow(ops.stop_gradient(vectors), tokens)
        return vectors + ops.stop_gradient(rows - vectors)

    def tokens(self, vectors):
        """Return the index of the nearest row for each vector, (..., d) -> (...)."""
        vectors = check_array("vectors", vectors, shape=(..., self.codebook.shape[1]), least=1)
        return np.asarray(self._nearest(self._scale(ops.convert_to_tensor(vectors))))

    def look_up(self, tokens):
        """Return the rows of the codebook with these indices, (n, ...) -> (n, ..., d)."""
        shape = check_array("tokens", tokens, shape=(None, ...), least=1).shape
        indices = check_labels("tokens", np.ravel(tokens), high=self.codes - 1)
        return np.asarray(self._rows(indices)).reshape(*shape, self.codebook.shape[1])

    def _rows(self, tokens):
        """Do what `look_up` says, with tensors."""
        return ops.take(self._scale(self.codebook), tokens, axis=0)

    def _scale(self, vectors):
        """Return the vectors, brought to length 1 if that is wanted."""
        return vectors * ops.rsqrt(ops.sum(vectors**2, -1, keepdims=True) + 1e-12) if self.unit else vectors

    def _nearest(self, vectors):
        """Return the index of the nearest row: |v − e|² without |v|², which is the same for all rows."""
        rows = self._scale(self.codebook)
        return ops.argmin(ops.sum(rows**2, axis=1) - 2 * ops.matmul(vectors, ops.transpose(rows)), axis=-1)

    def _follow(self, vectors, tokens):
        """Move counts, sums and codebook towards a batch."""
        vectors = ops.reshape(vectors, (-1, vectors.shape[-1]))
        chosen = ops.one_hot(ops.reshape(tokens, (-1,)), self.codes)  # (places, codes)
        counts = self.KEEP * self.counts + (1 - self.KEEP) * ops.sum(chosen, axis=0)
        sums = self.KEEP * self.sums + (1 - self.KEEP) * ops.matmul(ops.transpose(chosen), vectors)
        if self.update == "restart":
            # The images of a batch come in a random order: evenly spaced places are random vectors.
            spaced = np.linspace(0, len(vectors) - 1, self.codes).astype("int32")
            seldom = counts < self.SELDOM
            counts = ops.where(seldom, 1.0, counts)
            sums = ops.where(seldom[:, None], ops.take(vectors, spaced, axis=0), sums)
        self.counts.assign(counts)
        self.sums.assign(sums)
        self.codebook.assign(sums / ops.maximum(counts, 1e-5)[:, None])

    def compute_output_spec(self, vectors, training=False):
        """Return the shape and dtype of the output."""
        return keras.KerasTensor(vectors.shape, vectors.dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        own = dict(codes=self.codes, update=self.update, unit=self.unit, commitment=self.commitment)
        return {**super().get_config(), **own}


def _distance(a, b):
    """Return the squared distance of two arrays (n, ...), summed over an example and averaged over the batch."""
    return ops.sum(ops.square(a - b)) / ops.shape(a)[0]
