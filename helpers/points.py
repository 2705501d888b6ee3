"""Small generators and discriminators for points in the plane, with the parts that mode coverage hangs on."""

import keras
import numpy as np
from keras import ops

from helpers.checks import check_choice, check_each, check_integer, check_number, check_shape


@keras.saving.register_keras_serializable("helpers")
class RandomBits(keras.layers.Layer):
    """Turns the first numbers of a normal latent vector into random bits, −1 or +1, by their sign.

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
        """Return latents whose first `bits` numbers are −1 or +1."""
        check_shape("latents", latents, (None, None))
        if latents.shape[1] < self.bits:
            raise ValueError(f"latents: got {latents.shape[1]} numbers a row, expected at least the {self.bits} bits.")
        return ops.concatenate([ops.sign(latents[:, : self.bits]), latents[:, self.bits :]], axis=1)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "bits": self.bits}


@keras.saving.register_keras_serializable("helpers")
class FourierFeatures(keras.layers.Layer):
    """Adds sines and cosines of the inputs, with which a network can follow detail finer than its weights' scale.

    Parameters
    ----------
    frequencies : sequence of float
        In half-turns a unit: sin(πfx) and cos(πfx) of each input number x.

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


def point_networks(normals=2, bits=0, units=(128, 128, 128), frequencies=(), pack=1, spectral=False, dimension=2):
    """Return a generator of points and a discriminator that gives logits, both of ReLU layers.

    Parameters
    ----------
    normals, bits : int
        Normal numbers and random bits in a latent vector, at least one of the former.
    units : sequence of int
        Hidden units of both networks, layer by layer.
    frequencies : sequence of float
        Of the discriminator's `FourierFeatures`; none by default.
    pack : int, default=1
        Points that the discriminator judges at once.
    spectral : bool, default=False
        Spectral normalisation of the discriminator's layers.
    dimension : int, default=2
        Coordinates of a point.

    Returns
    -------
    generator, discriminator : keras.Sequential
        Latents (n, bits + normals) → points (n, dimension); points → logits (n / pack, 1).
    """
    layers, units = keras.layers, check_each("units", units, check_integer, low=1)
    normals, bits = check_integer("normals", normals, low=1), check_integer("bits", bits, low=0)
    dimension = check_integer("dimension", dimension, low=1)
    hidden = [layers.Dense(size, activation="relu") for size in units]
    generator = [keras.Input((bits + normals,)), RandomBits(bits), *hidden, layers.Dense(dimension)]
    spectral = check_choice("spectral", spectral, (False, True))
    wrap = layers.SpectralNormalization if spectral else lambda layer: layer
    judges = [wrap(layers.Dense(size, activation="relu")) for size in units]
    features = FourierFeatures(frequencies)
    seen = [features] if features.frequencies else []
    pack = Pack(check_integer("pack", pack, low=1))
    discriminator = [keras.Input((dimension,)), *seen, pack, *judges, wrap(layers.Dense(1))]
    return keras.Sequential(generator, name="generator"), keras.Sequential(discriminator, name="discriminator")
