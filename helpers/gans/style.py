"""A small style-based generator: a mapping network, modulated layers from coarse to fine, noise, and mixed styles."""

import keras
import numpy as np
from keras import ops

from helpers.checks import check_array, check_each, check_integer, check_number, check_shape
from helpers.layers import MatmulConv2D, dense_network

GRIDS = (14, 28)  # pixels along a side of the two layers that have a grid
LAYERS, START = 4, 64  # layers that a style enters; numbers in the learnt constant
NOISE = sum(side**2 for side in GRIDS)  # a normal number for each pixel of each grid
NEVER = -9.0  # in the place of the number that chooses the crossing: no mixing


@keras.saving.register_keras_serializable("helpers")
class ModulatedDense(keras.layers.Layer):
    """A dense layer whose inputs a style scales, and whose outputs are divided by what this does to their deviation.

    Parameters
    ----------
    units : int
        Size of the output.

    Notes
    -----
    Maps features (n, d) and styles (n, k) to (n, units).

    References
    ----------
    Karras et al. (2020), "Analyzing and Improving the Image Quality of StyleGAN".
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = check_integer("units", units, low=1)

    def build(self, features_shape, styles_shape):
        """Create the kernel, the bias, and the map from a style to the scales, which lie around 1 at first."""
        self.scales = keras.layers.Dense(features_shape[-1], kernel_initializer="lecun_normal", bias_initializer="ones")
        self.scales.build(styles_shape)
        self.kernel = self.add_weight(shape=(features_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, features, styles):
        """Return the outputs (n, units), without an activation."""
        check_shape("features", features, (None, self.kernel.shape[0]))
        scales = self.scales(styles)  # (n, d)
        sums = ops.matmul(features * scales, self.kernel)
        variance = ops.matmul(scales**2, self.kernel**2)
        return sums * ops.rsqrt(variance + 1e-8) + self.bias

    def compute_output_spec(self, features, styles):
        """Return the shape and dtype of the outputs."""
        return keras.KerasTensor((None, self.units), features.dtype)

    def get_config(self):
        """Return the constructor's argument."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("helpers")
class ModulatedUpsampling(keras.layers.Layer):
    """A convolution of 3 × 3 whose input channels a style scales, as in `ModulatedDense`; each pixel becomes 2 × 2.

    Parameters
    ----------
    filters : int
        Channels of the output.

    Notes
    -----
    Maps features (n, height, width, channels) and styles (n, k) to (n, 2·height, 2·width, filters).
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = check_integer("filters", filters, low=1)

    def build(self, features_shape, styles_shape):
        """Create the convolution, which makes four pixels of one, the bias, and the map from a style to the scales."""
        channels = features_shape[-1]
        self.scales = keras.layers.Dense(channels, kernel_initializer="lecun_normal", bias_initializer="ones")
        self.scales.build(styles_shape)
        self.convolution = MatmulConv2D(4 * self.filters, 3, use_bias=False)
        self.convolution.build(features_shape)
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, features, styles):
        """Return the enlarged features, without an activation."""
        check_shape("features", features, (None, None, None, self.convolution.kernel.shape[2]))
        scales = self.scales(styles)  # (n, channels)
        sums = self.convolution(features * scales[:, None, None])
        squares = ops.sum(self.convolution.kernel**2, axis=(0, 1))  # (channels, 4·filters)
        sums = sums * ops.rsqrt(ops.matmul(scales**2, squares) + 1e-8)[:, None, None]
        return _four_of_one(sums, self.filters) + self.bias

    def compute_output_spec(self, features, styles):
        """Return the shape and dtype of the outputs."""
        height, width = features.shape[1:3]
        return keras.KerasTensor((None, 2 * height, 2 * width, self.filters), features.dtype)

    def get_config(self):
        """Return the constructor's argument."""
        return {**super().get_config(), "filters": self.filters}


def _four_of_one(tiles, filters):
    """Lay the four pixels that lie in the channels side by side: (n, h, w, 4·f) -> (n, 2·h, 2·w, f)."""
    height, width = tiles.shape[1:3]
    tiles = ops.reshape(tiles, (-1, height, width, 2, 2, filters))
    return ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, filters))


@keras.saving.register_keras_serializable("helpers")
class ScaledNoise(keras.layers.Layer):
    """Adds an image of noise to every channel, with a learnt strength, one number for the layer, which starts at 0."""

    def build(self, features_shape, noise_shape):
        """Create the strength."""
        self.strength = self.add_weight(shape=(), initializer="zeros", name="strength")

    def call(self, features, noise):
        """Return features (n, height, width, channels) plus the strength times noise (n, height·width)."""
        return features + self.strength * ops.reshape(noise, (-1, *features.shape[1:3], 1))

    def compute_output_spec(self, features, noise):
        """Return the shape and dtype of the output."""
        return keras.KerasTensor(features.shape, features.dtype)


@keras.saving.register_keras_serializable("helpers")
class LearnedConstant(keras.layers.Layer):
    """Gives every row the same learnt features: where synthesis starts.

    Parameters
    ----------
    units : int
        How many.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = check_integer("units", units, low=1)

    def build(self, like_shape):
        """Create the numbers."""
        self.constant = self.add_weight(shape=(1, self.units), initializer="random_normal", name="constant")

    def call(self, like):
        """Return (n, units) for an input (n, ...), of which only the length is used."""
        return ops.repeat(self.constant, ops.shape(like)[0], axis=0)

    def compute_output_spec(self, like):
        """Return the shape and dtype of the output."""
        return keras.KerasTensor((None, self.units), like.dtype)

    def get_config(self):
        """Return the constructor's argument."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("helpers")
class MixStyles(keras.layers.Layer):
    """Gives each layer its style: the first of two up to a crossing, the second from there on.

    Parameters
    ----------
    layers : int
        How many layers receive a style.
    share : float, default=0.5
        Of normal numbers, how many ask for a crossing; each layer but the first is then the crossing equally often.
    """

    def __init__(self, layers, share=0.5, **kwargs):
        super().__init__(**kwargs)
        self.layers, self.share = check_integer("layers", layers, low=2), check_number("share", share, low=0, high=1)

    def call(self, first, second, normal):
        """Return styles (n, layers, k) for styles (n, k), (n, k) and one normal number a row, (n, 1)."""
        uniform = 0.5 * (1 + ops.erf(normal / np.sqrt(2)))
        # Above 1 − share the rest of the interval is cut into layers − 1 equal parts: crossings 1 to layers − 1.
        part = (1 - uniform) / max(self.share, 1e-9)
        crossing = ops.where(part < 1, 1 + ops.floor((self.layers - 1) * part), self.layers)
        late = ops.arange(self.layers, dtype="float32")[None] >= crossing  # (n, layers)
        return ops.where(late[:, :, None], second[:, None], first[:, None])

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "layers": self.layers, "share": self.share}


@keras.saving.register_keras_serializable("helpers")
class Normalise(keras.layers.Layer):
    """Scales each row to mean square 1, so that only its direction counts."""

    def call(self, rows):
        """Return rows (n, k) of length √k."""
        return rows * ops.rsqrt(ops.mean(rows**2, axis=-1, keepdims=True) + 1e-8)


def rows(latents, noise, second=None, normal=NEVER):
    """Return the inputs of a generator of `style_networks`: latents, latents to mix them with, and noise, side by side.

    Parameters
    ----------
    latents : array_like of shape (n, latent_dim)
        One for each digit.
    noise : array_like of shape (n, 980)
        Normal numbers, or zeros for the digits without noise.
    second : array_like of shape (n, latent_dim), optional
        Latents whose styles take over at the crossing; zeros by default.
    normal : float, default=NEVER
        The number that chooses the crossing, as `MixStyles` reads it; by default nothing is mixed.

    Returns
    -------
    ndarray of float32, shape (n, 2·latent_dim + 1 + 980)
    """
    latents = check_array("latents", latents, shape=(None, None))
    noise = check_array("noise", noise, shape=(len(latents), NOISE))
    second = np.zeros_like(latents) if second is None else check_array("second", second, shape=latents.shape)
    crossing = np.full((len(latents), 1), check_number("normal", normal), "float32")
    return np.concatenate([latents, second, crossing, noise], axis=1)


def mix(first, second, crossing):
    """Return styles for each layer: the first ones up to a crossing, the second ones from there on.

    Parameters
    ----------
    first, second : array_like of shape (n, k)
        Styles w.
    crossing : int
        The first layer that gets the second style, from 0, only the second, to 4, only the first.

    Returns
    -------
    ndarray of float32, shape (n, 4, k)
    """
    first = check_array("first", first, shape=(None, None))
    second = check_array("second", second, shape=first.shape)
    late = np.arange(LAYERS) >= check_integer("crossing", crossing, low=0, high=LAYERS)
    return np.where(late[:, None], second[:, None], first[:, None])


def style_networks(
    latent_dim=30,
    style_dim=30,
    mapping_units=(128, 128),
    units=(256, 256),
    channels=(4, 4),
    discriminator_units=(512, 256),
    share=0.5,
):
    """Return a style-based generator and a dense discriminator.

    Parameters
    ----------
    latent_dim, style_dim : int
        Dimensions of a latent z and of a style w.
    mapping_units : sequence of int
        Hidden units of the mapping network z → w, layer by layer, leaky ReLU.
    units : sequence of int
        Units of the two modulated layers without a grid.
    channels : sequence of int
        Of the two modulated layers on grids of 14 and 28 pixels along a side.
    discriminator_units : sequence of int
        Hidden units, layer by layer, ReLU.
    share : float, default=0.5
        Of normal rows, how many are drawn with two styles; see `MixStyles`.

    Returns
    -------
    generator, discriminator : keras.Model
        Rows (n, 2·latent_dim + 1 + 980), see `rows`, → images (n, 28, 28, 1) in (0, 1); images → logits (n, 1). The
        generator's layers ``"mapping"`` and ``"synthesis"`` are models: z → w; [w of each layer (n, 4, k), noise
        (n, 980)] → images.

    References
    ----------
    Karras, Laine and Aila (2019), "A Style-Based Generator Architecture for Generative Adversarial Networks"; Karras et
    al. (2020), "Analyzing and Improving the Image Quality of StyleGAN".
    """
    latent_dim = check_integer("latent_dim", latent_dim, low=1)
    style_dim = check_integer("style_dim", style_dim, low=1)
    mapping = _mapping(latent_dim, check_each("mapping_units", mapping_units, check_integer, low=1), style_dim)
    units = _of_length("units", units, 2)
    synthesis = _synthesis(style_dim, units, _of_length("channels", channels, len(GRIDS)))
    row = keras.Input((2 * latent_dim + 1 + NOISE,))
    first, second, normal = row[:, :latent_dim], row[:, latent_dim : 2 * latent_dim], row[:, -NOISE - 1 : -NOISE]
    styles = MixStyles(LAYERS, share)(mapping(first), mapping(second), normal)
    generator = keras.Model(row, synthesis([styles, row[:, -NOISE:]]), name="generator")
    discriminator_units = check_each("discriminator_units", discriminator_units, check_integer, low=1)
    return generator, dense_network((28, 28, 1), discriminator_units, 1, "relu", name="discriminator")


def _of_length(name, values, count):
    """Return sizes, as many as there are layers, or raise a ValueError."""
    sizes = check_each(name, values, check_integer, low=1)
    if len(sizes) != count:
        raise ValueError(f"{name}: got {len(sizes)} sizes, expected {count}.")
    return sizes


def _mapping(latent_dim, units, style_dim):
    """Return the mapping network z → w; its initial weights keep the scale from layer to layer."""
    dense, wide = keras.layers.Dense, dict(kernel_initializer="he_normal", activation="leaky_relu")
    hidden = [dense(size, **wide) for size in units]
    last = dense(style_dim, kernel_initializer="lecun_normal")
    return keras.Sequential([keras.Input((latent_dim,)), Normalise(), *hidden, last], name="mapping")


def _synthesis(style_dim, units, channels):
    """Return the synthesis network: two layers without a grid, then grids of 14 and 28 pixels along a side."""
    styles, noise, relu = keras.Input((LAYERS, style_dim)), keras.Input((NOISE,)), keras.layers.ReLU
    x = LearnedConstant(START)(styles)
    for index, size in enumerate(units):
        x = relu()(ModulatedDense(size)(x, styles[:, index]))
    x = keras.layers.Reshape((14, 14, channels[0]))(ModulatedDense(196 * channels[0])(x, styles[:, 2]))
    x = relu()(ScaledNoise()(x, noise[:, :196]))
    x = ModulatedUpsampling(channels[1])(x, styles[:, 3])
    x = relu()(ScaledNoise()(x, noise[:, 196:]))
    return keras.Model([styles, noise], keras.layers.Dense(1, activation="sigmoid")(x), name="synthesis")
