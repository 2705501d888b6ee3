"""Dense generators and discriminators: of images, and of points in the plane."""

import keras
import numpy as np

from helpers.checks import check_choice, check_each, check_integer
from helpers.layers import FourierFeatures, MinibatchDeviation, Pack, RandomBits, dense_network, hidden_layers


def source_networks():
    """Return the source article's generator 100-256-512-784 and discriminator 784-1024-512-1, ReLU, as logits.

    Returns
    -------
    generator, discriminator : keras.Sequential
        Latents (n, 100) → images (n, 28, 28, 1) in (0, 1); images → logits (n, 1).
    """
    return dense_networks(100, (256, 512), (1024, 512), "relu")


def improved_networks():
    """Return the chapter's improved pair: narrower, with layer normalisation in the generator.

    Returns
    -------
    generator, discriminator : keras.Sequential
        Latents (n, 16) → images (n, 28, 28, 1) in (0, 1); images → logits (n, 1).
    """
    return dense_networks(16, (256, 512), (512, 256), "relu", normalise=True)


def dense_networks(
    latent_dim, generator_units, discriminator_units, activation, normalise=False, image_shape=(28, 28, 1)
):
    """Return a fully connected generator of images and a discriminator that returns logits.

    Parameters
    ----------
    latent_dim : int
        Dimensions of a latent vector.
    generator_units, discriminator_units : sequence of int
        Hidden units, layer by layer.
    activation : str
        Keras name of the hidden activation; "leaky_relu" has slope 0.2.
    normalise : bool, default=False
        Layer normalisation before each hidden activation of the generator.
    image_shape : tuple, default=(28, 28, 1)
        Height, width and channels.

    Returns
    -------
    generator, discriminator : keras.Sequential
        Latents (n, latent_dim) → images (n, *image_shape) in (0, 1); images → logits (n, 1).
    """
    latent_dim = check_integer("latent_dim", latent_dim, low=1)
    image_shape = tuple(check_each("image_shape", image_shape, check_integer, low=1))
    generator = hidden_layers("generator_units", generator_units, activation, normalise)
    discriminator_units = check_each("discriminator_units", discriminator_units, check_integer, low=1)
    # (n, height·width·channels) -> (n, height, width, channels)
    pixels = [
        keras.layers.Dense(int(np.prod(image_shape)), activation="sigmoid"),
        keras.layers.Reshape(image_shape),
    ]
    return (
        keras.Sequential([keras.Input((latent_dim,)), *generator, *pixels], name="generator"),
        dense_network(image_shape, discriminator_units, 1, activation, name="discriminator"),
    )


def point_networks(
    normals=2, bits=0, units=(128, 128, 128), frequencies=(), pack=1, spectral=False, dimension=2, group=1
):
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
    group : int, default=1
        Points whose `MinibatchDeviation` the discriminator sees before its last hidden layer; 1 for none.

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
    if check_integer("group", group, low=1) > 1:
        judges.insert(-1, MinibatchDeviation(group))
    discriminator = [keras.Input((dimension,)), *seen, pack, *judges, wrap(layers.Dense(1))]
    return keras.Sequential(generator, name="generator"), keras.Sequential(discriminator, name="discriminator")
