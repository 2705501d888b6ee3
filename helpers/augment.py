"""Random changes of images as pure functions of a JAX key, and a layer that shows them to a discriminator."""

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helpers.checks import check_choice, check_each, check_integer, check_number, check_shape

_IMAGES = (None,) * 4


def flip(key, images, p=0.5):
    """Mirror some images left to right.

    Parameters
    ----------
    key : jax random key
    images : tensor of shape (n, height, width, channels)
    p : float, default=0.5
        Share of the images that are mirrored.

    Returns
    -------
    jax.Array of the same shape
    """
    images = _checked(key, images)
    return _some(key, images, images[:, :, ::-1], p)


def translate(key, images, p=1.0, reach=4, fill=1.0):
    """Move images by whole pixels along both axes.

    Parameters
    ----------
    key, images, p
        As for `flip`.
    reach : int, default=4
        Largest shift, in pixels; shifts are uniform on −reach..+reach.
    fill : float, default=1
        What comes in at the edges; 1 is white.

    Returns
    -------
    jax.Array of the same shape
    """
    images, reach = _checked(key, images), check_integer("reach", reach, low=0)
    fill = check_number("fill", fill)
    moved = images - fill
    for axis, name in enumerate(("nij,njkc->nikc", "nij,nkjc->nkic")):
        places = np.arange(images.shape[1 + axis])
        shifts = jax.random.randint(jax.random.fold_in(key, axis), (len(images), 1, 1), -reach, reach + 1)
        # (n, places, places): 1 from where a pixel comes to where it goes
        matrices = (places[:, None] == places + shifts).astype(images.dtype)
        moved = jnp.einsum(name, matrices, moved)
    return _some(key, images, moved + fill, p)


def recolour(key, images, p=1.0):
    """Change brightness by up to ±0.25, saturation by a factor from 0 to 2, and contrast by one from 0.5 to 1.5.

    Parameters
    ----------
    key, images, p
        As for `flip`.

    Returns
    -------
    jax.Array of the same shape
        Levels may leave [0, 1].
    """
    images = _checked(key, images)
    light, strength, contrast = jax.random.uniform(jax.random.fold_in(key, 0), (3, len(images), 1, 1, 1))
    changed = images + 0.5 * light - 0.25
    grey = changed.mean(axis=-1, keepdims=True)
    changed = grey + 2 * strength * (changed - grey)
    mean = changed.mean(axis=(1, 2, 3), keepdims=True)
    return _some(key, images, mean + (0.5 + contrast) * (changed - mean), p)


def cutout(key, images, p=1.0, part=0.5, fill=0.5):
    """Cover a rectangle around a random pixel.

    Parameters
    ----------
    key, images, p
        As for `flip`.
    part : float, default=0.5
        Its sides as a part of the image's; what lies beyond the edge is lost.
    fill : float, default=0.5
        Its level.

    Returns
    -------
    jax.Array of the same shape
    """
    images, part = _checked(key, images), check_number("part", part, low=0, high=1)
    fill, inside = check_number("fill", fill), True
    for axis in (1, 2):
        side = round(part * images.shape[axis])
        places = np.arange(images.shape[axis]).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
        centers = jax.random.randint(jax.random.fold_in(key, axis), (len(images), 1, 1, 1), 0, images.shape[axis])
        inside &= (places >= centers - side // 2) & (places < centers - side // 2 + side)
    return _some(key, images, jnp.where(inside, fill, images), p)


def roll_channels(key, images, p=1.0):
    """Roll the channels by a random number, each with equal chance: of three, every hue turns by 0°, 120° or 240°.

    Parameters
    ----------
    key, images, p
        As for `flip`; the others keep their colours.

    Returns
    -------
    jax.Array of the same shape
    """
    images = _checked(key, images)
    channels = images.shape[-1]
    rolls = jax.random.randint(jax.random.fold_in(key, 0), (len(images), 1), 0, channels)
    matrices = jax.nn.one_hot((np.arange(channels) + rolls) % channels, channels, dtype=images.dtype)
    return _some(key, images, jnp.einsum("nijc,ncd->nijd", images, matrices), p)


AUGMENTATIONS = {
    "flip": flip,
    "translate": translate,
    "recolour": recolour,
    "cutout": cutout,
    "roll_channels": roll_channels,
}
DIFFERENTIABLE = ("translate", "recolour", "cutout")  # those of Zhao et al.


def augment(key, images, p=1.0, kinds=DIFFERENTIABLE):
    """Apply several augmentations one after the other, each to its own share `p` of the images.

    Parameters
    ----------
    key, images, p
        As for `flip`.
    kinds : sequence of str
        Names in `AUGMENTATIONS`.

    Returns
    -------
    jax.Array of the same shape

    References
    ----------
    Zhao et al. (2020), "Differentiable Augmentation for Data-Efficient GAN Training"; Karras et al. (2020), "Training
    Generative Adversarial Networks with Limited Data".
    """
    images = _checked(key, images)
    for number, kind in enumerate(check_each("kinds", kinds, check_choice, choices=AUGMENTATIONS)):
        images = AUGMENTATIONS[kind](jax.random.fold_in(key, number), images, p)
    return images


@keras.saving.register_keras_serializable("helpers")
class Augment(keras.layers.Layer):
    """`augment` as the first layer of a discriminator: active in training, for real images and fakes alike.

    Parameters
    ----------
    kinds : sequence of str
        As for `augment`.
    p : float, default=1
        The starting value of the attribute ``p``, a variable without gradient that a callback can set.
    seed : int, default=0
        Seed of the changes.
    """

    def __init__(self, kinds=DIFFERENTIABLE, p=1.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.kinds = tuple(check_each("kinds", kinds, check_choice, choices=AUGMENTATIONS))
        self.start = check_number("p", p, low=0, high=1)
        self.seed = check_integer("seed", seed, low=0)
        self.noise = keras.random.SeedGenerator(self.seed)
        initializer = keras.initializers.Constant(self.start)
        self.p = self.add_weight(shape=(), initializer=initializer, trainable=False, name="p")
        self.built = True

    def call(self, images, training=False):
        """Return changed images in training, else the images."""
        if not training:
            return images
        return augment(jax.random.wrap_key_data(self.noise.next()), images, self.p.value, self.kinds)

    def compute_output_spec(self, images, training=False):
        """Return the symbol of the images' own shape."""
        return keras.KerasTensor(images.shape, images.dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "kinds": self.kinds, "p": self.start, "seed": self.seed}


def _checked(key, images):
    """Return images as a JAX array, or raise a ValueError for what is none, or for a key that is none."""
    if not jnp.issubdtype(getattr(key, "dtype", None), jax.dtypes.prng_key) or key.shape:
        raise ValueError(f"key: got {type(key).__name__}, expected a key of JAX, such as jax.random.key(seed).")
    images = jnp.asarray(check_shape("images", images, _IMAGES))
    return images if jnp.issubdtype(images.dtype, jnp.floating) else images.astype("float32")


def _some(key, images, changed, p):
    """Return `changed` for a share p of the images, the images for the others."""
    p = p if isinstance(p, jax.Array) else check_number("p", p, low=0, high=1)
    chosen = jax.random.uniform(jax.random.fold_in(key, 2**20), (len(images), 1, 1, 1)) < p
    return jnp.where(chosen, changed, images)
