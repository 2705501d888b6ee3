"""Layers that Keras lacks: a dense layer tied to another, and Gaussian noise that a resumed run goes on with."""

import keras
from keras import ops

from helpers.datasets import check_integer


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
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Create the bias; the kernel is the other layer's."""
        self.bias = self.add_weight(shape=(self.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, inputs):
        """Return (n, input_dim) for inputs (n, units)."""
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
        self.filters = check_integer("filters", filters, low=1)
        self.kernel_size = check_integer("kernel_size", kernel_size, low=1)
        self.strides = check_integer("strides", strides, low=1, high=self.kernel_size)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, input_shape):
        """Create a kernel of the shape that Keras's own layer has, and the bias."""
        self.kernel = self.add_weight(shape=self.kernel_shape(input_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias") if self.use_bias else None

    def finish(self, sums):
        """Add the bias and apply the activation."""
        return self.activation(sums if self.bias is None else sums + self.bias)

    def get_config(self):
        """Return the constructor's arguments."""
        own = dict(filters=self.filters, kernel_size=self.kernel_size, strides=self.strides, use_bias=self.use_bias)
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("helpers")
class MatmulConv2D(_MatmulConvolution):
    """A convolution with padding "same" as slices and one matrix product, fast on XLA's CPU backend.

    It computes what ``keras.layers.Conv2D`` does, with a kernel of the same shape. XLA's CPU backend is slow at the
    gradients of convolutions, and fast at those of slices and matrix products.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides : int
        Along both axes; strides <= kernel_size.
    activation : str or callable, optional
        Applied to the output.
    use_bias : bool, default=True
        Whether a number a filter is added.

    Notes
    -----
    Maps (n, height, width, channels) to (n, ⌈height/strides⌉, ⌈width/strides⌉, filters).
    """

    def kernel_shape(self, channels):
        """Return the kernel's shape."""
        return (self.kernel_size, self.kernel_size, channels, self.filters)

    def call(self, images):
        """Return the filtered images."""
        k, stride = self.kernel_size, self.strides
        sizes = [-(-size // stride) for size in images.shape[1:3]]
        missing = [(n - 1) * stride + k - size for n, size in zip(sizes, images.shape[1:3], strict=True)]
        pads = [(max(m, 0) // 2, max(m, 0) - max(m, 0) // 2) for m in missing]
        padded = ops.pad(images, [(0, 0), *pads, (0, 0)])
        ends = [(n - 1) * stride + 1 for n in sizes]
        windows = [
            padded[:, i : i + ends[0] : stride, j : j + ends[1] : stride] for i in range(k) for j in range(k)
        ]  # k² of (n, height', width', channels)
        patches = ops.concatenate(windows, axis=-1)  # (n, height', width', k²·channels)
        return self.finish(ops.matmul(patches, ops.reshape(self.kernel, (-1, self.filters))))


@keras.saving.register_keras_serializable("helpers")
class MatmulConv2DTranspose(_MatmulConvolution):
    """A transposed convolution with padding "same" as one matrix product and shifted sums.

    It computes what ``keras.layers.Conv2DTranspose`` does, with a kernel of the same shape, and needs a kernel size
    that is a multiple of the stride (which also keeps checkerboards away).

    Parameters
    ----------
    filters, kernel_size, strides, activation, use_bias
        As for `MatmulConv2D`.

    Notes
    -----
    Maps (n, height, width, channels) to (n, height·strides, width·strides, filters).
    """

    def kernel_shape(self, channels):
        """Return the kernel's shape; refuse a size that is no multiple of the stride."""
        if self.kernel_size % self.strides:
            raise ValueError(f"kernel_size: got {self.kernel_size}, expected a multiple of strides, {self.strides}.")
        return (self.kernel_size, self.kernel_size, self.filters, channels)

    def call(self, images):
        """Return the enlarged images."""
        k, stride = self.kernel_size, self.strides
        height, width = images.shape[1:3]
        blocks, channels = k // stride, images.shape[-1]
        # Each input pixel paints a patch of k × k; cut into blocks of stride × stride, patches tile the output.
        kernel = ops.reshape(self.kernel, (blocks, stride, blocks, stride, self.filters, channels))
        kernel = ops.reshape(ops.transpose(kernel, (5, 0, 2, 1, 3, 4)), (channels, -1))
        painted = ops.matmul(images, kernel)  # (n, height, width, blocks²·stride²·filters)
        size = stride * stride * self.filters
        total = 0
        for a in range(blocks):
            for b in range(blocks):
                start = (a * blocks + b) * size
                margins = [(0, 0), (a, blocks - 1 - a), (b, blocks - 1 - b), (0, 0)]
                total = total + ops.pad(painted[..., start : start + size], margins)
        rows, columns = height + blocks - 1, width + blocks - 1
        total = ops.reshape(total, (-1, rows, columns, stride, stride, self.filters))
        total = ops.reshape(
            ops.transpose(total, (0, 1, 3, 2, 4, 5)), (-1, rows * stride, columns * stride, self.filters)
        )
        crop = (k - stride) // 2
        return self.finish(total[:, crop : crop + height * stride, crop : crop + width * stride])
