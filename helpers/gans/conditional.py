"""Class-conditional GANs: networks of two inputs, and the rows of image and label that a GAN of pairs works on."""

import math

import keras
import numpy as np
from keras import ops

from helpers.checks import (
    check_activation,
    check_array,
    check_choice,
    check_each,
    check_integer,
    check_labels,
    check_shape,
)
from helpers.gans.model import GAN

CLASSES, _MOST_CLASSES = 10, 10_000  # of digits; of rows that would still fit into memory
IMAGE_SHAPE = (28, 28, 1)


@keras.saving.register_keras_serializable("helpers")
class OneHotOfLargest(keras.layers.Layer):
    """Replaces the numbers of a row by 1 for the largest and 0 for the others.

    It turns normal numbers into a class drawn uniformly at random. It leaves a one-hot row as it is, and no gradient
    passes through: behind it, a penalty on D's gradient does not make D forget the label.
    """

    def call(self, rows):
        """Return one-hot rows (n, classes) for rows (n, classes)."""
        check_shape("rows", rows, (None, None))
        return ops.one_hot(ops.argmax(rows, axis=-1), rows.shape[-1], dtype=rows.dtype)


@keras.saving.register_keras_serializable("helpers")
class ConditionalGAN(GAN):
    """A GAN of images with labels: the pairs of image and label are what D judges and G makes.

    Parameters
    ----------
    generator : keras.Model
        Maps latents (n, classes + style_dim), of which the first choose the class, to rows (n, pixels + classes): an
        image in [0, 1] and its one-hot label; see `conditional_networks`.
    discriminator : keras.Model
        Maps such rows to logits (n, 1).
    image_shape : tuple, default=(28, 28, 1)
        Height, width and channels; whatever a row has beyond the pixels are the classes.
    seed : int, default=0
        Seed of the noise and of the order of the data.

    Examples
    --------
    >>> gan = ConditionalGAN(*conditional_networks())
    >>> gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), r1=0.3, r2=0.3)
    >>> gan.fit(images, labels, batch_size=64, epochs=10)
    >>> sevens = gan.sample(16, seed=1, labels=7)
    """

    def __init__(self, generator, discriminator, image_shape=(28, 28, 1), seed=0, **kwargs):
        super().__init__(generator, discriminator, seed=seed, **kwargs)
        self.image_shape = tuple(check_each("image_shape", image_shape, check_integer, least=1, low=1))
        self.classes = generator.output_shape[-1] - math.prod(self.image_shape)
        if not 2 <= self.classes < self.latent_dim:
            raise ValueError(
                f"image_shape: got {self.image_shape}, which leaves {self.classes} of the {generator.output_shape[-1]} "
                f"numbers that the generator makes for the label, expected from 2 to {self.latent_dim - 1} classes."
            )

    def fit(self, images, labels=None, **kwargs):
        """Train on images (n, *image_shape) in [0, 1] and their labels (n,), from 0 to classes − 1.

        Parameters
        ----------
        images, labels : array_like
            What is to be learned; or ``images`` alone, a ``keras.utils.PyDataset`` of batches of rows.
        **kwargs
            As for `GAN.fit`.

        Returns
        -------
        keras.callbacks.History
        """
        if isinstance(images, keras.utils.PyDataset):
            check_choice("labels", labels, (None,))
            return super().fit(images, **kwargs)
        return super().fit(pair(images, labels, self.classes, self.image_shape), **kwargs)

    def sample(self, count, seed, labels=None, average=True):
        """Return generated images, of the classes asked for.

        Parameters
        ----------
        count : int
            How many.
        seed : int
            Seed of the latents.
        labels : int or array_like of int, shape (count,), optional
            The classes to draw; by default each image has one drawn at random, all alike.
        average : bool, default=True
            Use the averaged generator; False uses the one being trained.

        Returns
        -------
        ndarray of shape (count, *image_shape)
        """
        count = check_integer("count", count, low=1)
        if labels is None:
            rows = super().sample(count, seed, average)
        else:
            average = check_choice("average", average, (False, True))
            labels = [labels] * count if isinstance(labels, (int, np.integer)) else labels
            labels = check_labels("labels", labels, count=count, high=self.classes - 1)
            latents = ask(labels, self.latent_dim, seed, self.classes)
            rows = (self.ema_generator if average else self.generator).predict(latents, batch_size=1000, verbose=0)
        return rows[:, : -self.classes].reshape(-1, *self.image_shape)

    def get_config(self):
        """Return the networks, the image's shape and the seed, for ``.keras`` files."""
        return {**super().get_config(), "image_shape": self.image_shape}


def pair(images, labels, classes=CLASSES, image_shape=IMAGE_SHAPE):
    """Return images and one-hot labels side by side, the rows that a conditional GAN is trained on.

    Parameters
    ----------
    images : array_like of shape (n, *image_shape), or (n, pixels), or without the last axis if that is 1
        Levels in [0, 1].
    labels : array_like of int, shape (n,) or (n, 1)
        Classes from 0 to ``classes − 1``.
    classes : int, default=10
        How many there are.
    image_shape : tuple, default=(28, 28, 1)
        Height, width and channels.

    Returns
    -------
    ndarray of float32, shape (n, pixels + classes)
    """
    image_shape = tuple(check_each("image_shape", image_shape, check_integer, least=1, low=1))
    images = check_array("images", images, shape=(None, ...), low=0, high=1)
    shapes = {image_shape, (math.prod(image_shape),), image_shape[:-1] if image_shape[-1] == 1 else image_shape}
    if tuple(images.shape[1:]) not in shapes:
        expected = ", ".join(f"(n, {', '.join(map(str, shape))})" for shape in sorted(shapes, key=len, reverse=True))
        raise ValueError(f"images: got shape {tuple(images.shape)}, expected one of {expected}.")
    images = images.reshape(len(images), math.prod(image_shape))
    return np.concatenate([images, one_hot(labels, len(images), classes)], axis=1)


def split(rows, image_shape=IMAGE_SHAPE):
    """Return images (n, *image_shape) and labels (n,) of rows as `pair` makes them, or raise a ValueError.

    Parameters
    ----------
    rows : array_like of shape (n, pixels + classes)
        Images and one-hot labels.
    image_shape : tuple, default=(28, 28, 1)
        Height, width and channels.

    Returns
    -------
    images : ndarray of float32
    labels : ndarray of int
    """
    image_shape = tuple(check_each("image_shape", image_shape, check_integer, least=1, low=1))
    rows, pixels = check_array("rows", rows, shape=(None, None), low=0, high=1), math.prod(image_shape)
    if rows.shape[1] < pixels + 2:
        raise ValueError(f"rows: got shape {rows.shape}, expected (n, {pixels} pixels and at least 2 classes).")
    labels = rows[:, pixels:].argmax(axis=1)
    if not np.array_equal(rows[:, pixels:], one_hot(labels, classes=rows.shape[1] - pixels)):
        raise ValueError(
            "rows: the numbers behind the pixels are not one-hot, expected the label, as pair puts it there."
        )
    return rows[:, :pixels].reshape(-1, *image_shape), labels


def one_hot(labels, count=None, classes=CLASSES):
    """Return labels, `count` of them if it is given, as float32 rows (n, classes), or raise a ValueError."""
    count = None if count is None else check_integer("count", count, low=0)
    classes = check_integer("classes", classes, low=2, high=_MOST_CLASSES)
    return np.eye(classes, dtype="float32")[check_labels("labels", labels, count=count, high=classes - 1)]


def ask(labels, latent_dim, seed, classes=CLASSES):
    """Return latents with which a conditional generator draws these classes.

    Parameters
    ----------
    labels : array_like of int, shape (n,) or (n, 1)
        The classes to draw.
    latent_dim : int
        Size of a latent vector, the numbers that choose the class included.
    seed : int
        Seed of the other numbers.
    classes : int, default=10
        How many there are.

    Returns
    -------
    ndarray of float32, shape (n, latent_dim)
    """
    classes = check_integer("classes", classes, low=2, high=_MOST_CLASSES)
    latent_dim = check_integer("latent_dim", latent_dim, low=classes + 1)
    noise = np.random.default_rng(check_integer("seed", seed, low=0))
    wanted = one_hot(labels, classes=classes)
    style = noise.standard_normal((len(wanted), latent_dim - classes), dtype="float32")
    return np.concatenate([wanted, style], axis=1)


def conditional_networks(
    style_dim=16,
    generator_units=(256, 512),
    discriminator_units=(512, 256),
    activation="leaky_relu",
    classes=CLASSES,
    image_shape=IMAGE_SHAPE,
):
    """Return a class-conditional generator and a projection discriminator, both of dense layers.

    Parameters
    ----------
    style_dim : int, default=16
        Normal numbers in a latent vector, besides those, one per class, of which the largest chooses the class.
    generator_units, discriminator_units : sequence of int
        Hidden units, layer by layer, with the activation; in G layer normalisation comes before it. D has at least one
        layer of them.
    activation : str, default="leaky_relu"
        Keras name of the hidden activation; "leaky_relu" has slope 0.2.
    classes : int, default=10
        How many there are.
    image_shape : tuple, default=(28, 28, 1)
        Height, width and channels.

    Returns
    -------
    generator, discriminator : keras.Model
        Latents (n, classes + style_dim) → rows (n, pixels + classes), an image in (0, 1) and a one-hot label; rows →
        logits (n, 1).

    References
    ----------
    Mirza and Osindero (2014), "Conditional Generative Adversarial Nets"; Miyato and Koyama (2018), "cGANs with
    Projection Discriminator".
    """
    generator_units = check_each("generator_units", generator_units, check_integer, low=1)
    discriminator_units = check_each("discriminator_units", discriminator_units, check_integer, least=1, low=1)
    check_activation("activation", activation)
    style_dim = check_integer("style_dim", style_dim, low=1)
    classes = check_integer("classes", classes, low=2, high=_MOST_CLASSES)
    pixels = math.prod(check_each("image_shape", image_shape, check_integer, least=1, low=1))
    generator = _generator(style_dim, generator_units, activation, classes, pixels)
    return generator, _discriminator(discriminator_units, activation, classes, pixels)


def _generator(style_dim, units, activation, classes, pixels):
    """Return the generator of pairs."""
    latents = keras.Input((classes + style_dim,))
    label = OneHotOfLargest()(latents[:, :classes])
    x = keras.layers.Concatenate()([label, latents[:, classes:]])
    for size in units:
        x = keras.layers.Activation(activation)(keras.layers.LayerNormalization()(keras.layers.Dense(size)(x)))
    image = keras.layers.Dense(pixels, activation="sigmoid")(x)
    return keras.Model(latents, keras.layers.Concatenate()([image, label]), name="generator")


def _discriminator(units, activation, classes, pixels):
    """Return the discriminator of pairs: what it says about the image, and how well image and label fit together."""
    rows = keras.Input((pixels + classes,))
    label = OneHotOfLargest()(rows[:, pixels:])
    x = rows[:, :pixels]
    for size in units:
        x = keras.layers.Dense(size, activation=activation)(x)
    embedding = keras.layers.Dense(units[-1], use_bias=False)(label)
    fit = keras.layers.Dot(axes=1)([x, embedding])
    return keras.Model(rows, keras.layers.Add()([keras.layers.Dense(1)(x), fit]), name="discriminator")


# --- Networks of two inputs ------------------------------------------------------------------------------------------


def side_by_side(generator, discriminator, classes=CLASSES):
    """Return networks of rows, which `ConditionalGAN` trains, made of G([z, y]) and D([x, y]), which learn with them.

    Parameters
    ----------
    generator : keras.Model
        Maps styles (n, style_dim) and labels (n,), integers, to images.
    discriminator : keras.Model
        Maps images and labels to logits (n, 1).
    classes : int, default=10
        How many there are, as both networks were built for.

    Returns
    -------
    generator, discriminator : keras.Model
        As `conditional_networks` returns them. No gradient reaches the label of a row.
    """
    classes = check_integer("classes", classes, low=2, high=_MOST_CLASSES)
    style_dim, image_shape = _shapes_of_two(generator, discriminator)
    _check_classes_of("generator", generator, classes)
    _check_classes_of("discriminator", discriminator, classes)
    pixels = math.prod(image_shape)
    latents, rows = keras.Input((classes + style_dim,)), keras.Input((pixels + classes,))
    label = OneHotOfLargest()(latents[:, :classes])
    image = keras.layers.Reshape((pixels,))(generator([latents[:, classes:], ops.argmax(label, axis=-1)]))
    seen = keras.layers.Reshape(image_shape)(rows[:, :pixels])
    logits = discriminator([seen, ops.argmax(rows[:, pixels:], axis=-1)])
    whole = keras.Model(latents, keras.layers.Concatenate()([image, label]), name="generator_of_rows")
    return whole, keras.Model(rows, logits, name="discriminator_of_rows")


def _check_classes_of(name, network, classes):
    """Raise a ValueError if a layer of the network has no place for the last class: what it puts out would be NaN."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            _check_classes_of(name, layer, classes)
        places = getattr(layer, "input_dim" if isinstance(layer, keras.layers.Embedding) else "num_tokens", None)
        if places is not None and places < classes:
            raise ValueError(f"classes: got {classes}, but {layer.name} of the {name} was built for {places}.")


def _shapes_of_two(generator, discriminator):
    """Return the size of z and the shape of an image, or raise a ValueError unless both networks have two inputs."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        shapes = getattr(network, "input_shape", None) if isinstance(network, keras.Model) else None
        if not isinstance(shapes, list) or [len(shape) for shape in shapes[1:]] != [1]:
            expected = "expected a keras.Model of two inputs, the second a label for each row, keras.Input(())"
            raise ValueError(f"{name}: got {shapes or type(network).__name__}, {expected}.")
    made, judged = generator.output_shape[1:], discriminator.input_shape[0][1:]
    if made != judged:
        raise ValueError(f"discriminator: its images have shape {judged}, but the generator makes {made}.")
    return generator.input_shape[0][-1], made
