"""Class-conditional GANs as ordinary GANs of pairs, an image and its label side by side in one row."""

import keras
import numpy as np
from keras import ops

from helpers.checks import (
    check_activation,
    check_array,
    check_each,
    check_images,
    check_integer,
    check_labels,
    check_shape,
)

CLASSES = 10
PIXELS = 784


@keras.saving.register_keras_serializable("helpers")
class OneHotOfLargest(keras.layers.Layer):
    """Replaces the numbers of a row by 1 for the largest and 0 for the others.

    Of normal numbers it makes a class drawn uniformly at random. It leaves a one-hot row as it is, and no gradient
    passes through: behind it, a penalty on D's slope does not make D forget the label.
    """

    def call(self, rows):
        """Return one-hot rows (n, classes) for rows (n, classes)."""
        check_shape("rows", rows, (None, None))
        return ops.one_hot(ops.argmax(rows, axis=-1), rows.shape[-1], dtype=rows.dtype)


def pair(images, labels):
    """Return images and one-hot labels side by side, the rows that a conditional GAN is trained on.

    Parameters
    ----------
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].
    labels : array_like of int, shape (n,) or (n, 1)
        Classes 0 to 9.

    Returns
    -------
    ndarray of float32, shape (n, 794)
    """
    images = check_images("images", images).reshape(-1, PIXELS)
    return np.concatenate([images, one_hot(labels, len(images))], axis=1)


def split(rows):
    """Return images (n, 28, 28, 1) and labels (n,) of rows (n, 794) as `pair` makes them, or raise a ValueError."""
    rows = check_array("rows", rows, shape=(None, PIXELS + CLASSES), low=0, high=1)
    labels = rows[:, PIXELS:].argmax(axis=1)
    if not np.array_equal(rows[:, PIXELS:], one_hot(labels)):
        raise ValueError(
            f"rows: the last {CLASSES} numbers are not one-hot, expected the label, as pair puts it there."
        )
    return rows[:, :PIXELS].reshape(-1, 28, 28, 1), labels


def one_hot(labels, count=None):
    """Return labels from 0 to 9, `count` of them if it is given, as float32 rows (n, 10), or raise a ValueError."""
    count = None if count is None else check_integer("count", count, low=0)
    return np.eye(CLASSES, dtype="float32")[check_labels("labels", labels, count=count, high=CLASSES - 1)]


def ask(labels, latent_dim, seed):
    """Return latents with which a conditional generator draws these classes.

    Parameters
    ----------
    labels : array_like of int, shape (n,) or (n, 1)
        The classes to draw.
    latent_dim : int
        Size of a latent vector, the ten numbers that choose the class included.
    seed : int
        Seed of the other numbers.

    Returns
    -------
    ndarray of float32, shape (n, latent_dim)
    """
    latent_dim = check_integer("latent_dim", latent_dim, low=CLASSES + 1)
    noise = np.random.default_rng(check_integer("seed", seed, low=0))
    wanted = one_hot(labels)
    style = noise.standard_normal((len(wanted), latent_dim - CLASSES), dtype="float32")
    return np.concatenate([wanted, style], axis=1)


def conditional_networks(
    style_dim=16, generator_units=(256, 512), discriminator_units=(512, 256), activation="leaky_relu"
):
    """Return a class-conditional generator and a projection discriminator, both of dense layers.

    Parameters
    ----------
    style_dim : int, default=16
        Normal numbers in a latent vector, beside the ten whose largest chooses the class.
    generator_units, discriminator_units : sequence of int
        Hidden units, layer by layer, with the activation; in G layer normalisation comes before it. D has at least one
        layer of them.
    activation : str, default="leaky_relu"
        Keras name of the hidden activation; "leaky_relu" has slope 0.2.

    Returns
    -------
    generator, discriminator : keras.Model
        Latents (n, 10 + style_dim) → rows (n, 794), pixels in (0, 1) and a one-hot label; rows → logits (n, 1).

    References
    ----------
    Mirza and Osindero (2014), "Conditional Generative Adversarial Nets"; Miyato and Koyama (2018), "cGANs with
    Projection Discriminator".
    """
    style_dim = check_integer("style_dim", style_dim, low=1)
    generator_units = check_each("generator_units", generator_units, check_integer, low=1)
    discriminator_units = check_each("discriminator_units", discriminator_units, check_integer, least=1, low=1)
    check_activation("activation", activation)
    return _generator(style_dim, generator_units, activation), _discriminator(discriminator_units, activation)


def _generator(style_dim, units, activation):
    """Return the generator of pairs."""
    latents = keras.Input((CLASSES + style_dim,))
    label = OneHotOfLargest()(latents[:, :CLASSES])
    x = keras.layers.Concatenate()([label, latents[:, CLASSES:]])
    for size in units:
        x = keras.layers.Activation(activation)(keras.layers.LayerNormalization()(keras.layers.Dense(size)(x)))
    pixels = keras.layers.Dense(PIXELS, activation="sigmoid")(x)
    return keras.Model(latents, keras.layers.Concatenate()([pixels, label]), name="generator")


def _discriminator(units, activation):
    """Return the discriminator of pairs: what it says of the image, and how image and label fit together."""
    rows = keras.Input((PIXELS + CLASSES,))
    label = OneHotOfLargest()(rows[:, PIXELS:])
    x = rows[:, :PIXELS]
    for size in units:
        x = keras.layers.Dense(size, activation=activation)(x)
    embedding = keras.layers.Dense(units[-1], use_bias=False)(label)
    fit = keras.layers.Dot(axes=1)([x, embedding])
    return keras.Model(rows, keras.layers.Add()([keras.layers.Dense(1)(x), fit]), name="discriminator")
