"""Augmentations: what they change, what they leave, their gradients, and the layer in a GAN that replays."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from helpers import augment, gans
from tests import once
from tests.slow import after

KEY = jax.random.key(0)
# As many as a share is measured on, everywhere: op by op, each further shape would be compiled anew.
IMAGES = np.repeat(np.random.default_rng(0).random((64, 8, 8, 3), dtype="float32"), 8, axis=0)


@pytest.mark.parametrize("kind", augment.AUGMENTATIONS)
def test_a_share_of_nought_changes_nothing(kind):
    np.testing.assert_array_equal(augment.AUGMENTATIONS[kind](KEY, IMAGES, p=0), IMAGES)


@pytest.mark.parametrize("kind", augment.AUGMENTATIONS)
def test_a_share_of_a_half_changes_about_half(kind):
    changed = np.asarray(augment.AUGMENTATIONS[kind](KEY, IMAGES, p=0.5))
    share = (np.abs(changed - IMAGES).max(axis=(1, 2, 3)) > 1e-6).mean()
    assert (0.25 if kind == "roll_channels" else 0.4) < share < 0.6  # a third of the rolls are by 0


@pytest.mark.parametrize("kind", augment.AUGMENTATIONS)
def test_the_key_decides(kind):
    change = augment.AUGMENTATIONS[kind]
    again, other = change(KEY, IMAGES, p=1.0), change(jax.random.key(1), IMAGES, p=0.5)
    np.testing.assert_array_equal(change(KEY, IMAGES, p=1.0), again)
    assert not np.array_equal(again, other)


def test_a_flip_is_a_mirror():
    np.testing.assert_array_equal(augment.flip(KEY, IMAGES, p=1.0), IMAGES[:, :, ::-1])


def test_a_translation_moves_ink_and_brings_in_white():
    image = np.ones((200, 9, 9, 3), "float32")
    image[:, 4, 4] = 0.25
    moved = np.asarray(augment.translate(KEY, image, reach=2))
    count, rows, columns = np.nonzero(moved[..., 0] < 1)
    np.testing.assert_array_equal(count, np.arange(200))
    assert set(rows - 4) == set(columns - 4) == {-2, -1, 0, 1, 2}
    np.testing.assert_allclose(moved[count, rows, columns], 0.25)


def test_what_is_moved_out_is_lost():
    moved = np.asarray(augment.translate(KEY, np.zeros((50, 4, 4, 1)), reach=4))
    assert moved.max() == 1
    assert (moved.reshape(50, -1).min(axis=1) == 1).any()


def test_colours_keep_the_order_of_grey_levels():
    grey = np.repeat(np.linspace(0, 1, 16, dtype="float32").reshape(1, 4, 4, 1), 50, axis=0)
    changed = np.asarray(augment.recolour(KEY, grey)).reshape(50, 16)
    assert (np.diff(changed, axis=1) > 0).all()
    assert np.abs(changed.mean(axis=1) - 0.5).max() <= 0.25 + 1e-6


def test_a_cutout_is_a_square():
    cut = np.asarray(augment.cutout(KEY, np.ones((100, 8, 8, 3)), fill=0.0))
    covered = (cut == 0).all(axis=-1).sum(axis=(1, 2))
    assert covered.max() == 16
    assert covered.min() >= 4  # at least a quarter lies inside


def test_rolled_channels_are_the_same_channels():
    rolled = np.asarray(augment.roll_channels(KEY, IMAGES))
    kinds = [np.abs(rolled - np.roll(IMAGES, shift, axis=-1)).max(axis=(1, 2, 3)) < 1e-6 for shift in range(3)]
    shares = np.mean(kinds, axis=1)
    np.testing.assert_allclose(shares.sum(), 1)
    assert shares.min() > 0.15


@pytest.mark.parametrize("kind", augment.AUGMENTATIONS)
def test_gradients_reach_the_images(kind):
    def total(images):
        return (augment.AUGMENTATIONS[kind](KEY, images, p=0.8) ** 2).sum()

    gradient = jax.jit(jax.grad(total))(jnp.asarray(IMAGES))
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("shape", after(1, [(4, 12, 2), (28, 28, 1)]))
def test_other_sizes_and_channels(shape):
    images, whole = np.zeros((3, *shape), "float32"), jax.jit(augment.augment, static_argnames="kinds")
    assert whole(KEY, images, kinds=tuple(augment.AUGMENTATIONS)).shape == images.shape


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="images: got shape"):
        augment.flip(KEY, IMAGES[0])
    with pytest.raises(ValueError, match="key: got int"):
        augment.flip(0, IMAGES)
    with pytest.raises(ValueError, match=r"p: got 1\.5"):
        augment.cutout(KEY, IMAGES, p=1.5)
    with pytest.raises(ValueError, match="kinds: got 'blur'"):
        augment.augment(KEY, IMAGES, kinds=["blur"])


# --- The layer -------------------------------------------------------------------------------------------------------


def make(kinds=None, p=1.0):
    """Return a compiled GAN of emoji, with an augmented discriminator if kinds are given."""
    keras.utils.set_random_seed(0)
    generator, plain = gans.dense_networks(4, (8,), (8,), "relu", image_shape=(32, 32, 3))
    layers = [] if kinds is None else [augment.Augment(kinds, p, seed=3)]
    discriminator = keras.Sequential([keras.Input((32, 32, 3)), *layers, *plain.layers])
    gan = gans.GAN(generator, discriminator, seed=0)
    gan.compile(*[keras.optimizers.Adam(1e-3) for _ in range(2)], r1=0.3, r2=0.3, penalty_batch=4)
    return gan


def train(gan):
    """Return the weights of both networks after a few steps."""
    gan.fit(once.load_emoji().train.noto[:32], batch_size=8, epochs=2, verbose=0)
    weights = [*gan.generator.get_weights(), *gan.discriminator.get_weights()]
    return [one for one in weights if one.shape]  # without p


@functools.cache
def plain_weights():
    """Return the weights of a training without augmentation."""
    return train(make())


@pytest.mark.slow
def test_the_identity_leaves_all_weights_as_they_are():
    plain = plain_weights()
    for gan in (make(()), make(augment.DIFFERENTIABLE, p=0.0)):
        for one, other in zip(plain, train(gan), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)  # XLA may sum in another order


@pytest.mark.slow
def test_an_augmented_training_replays_the_same_numbers():
    first, second = (train(make(augment.DIFFERENTIABLE)) for _ in range(2))
    plain = plain_weights()
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not all(np.array_equal(one, other) for one, other in zip(first, plain, strict=True))


def test_the_layer_is_active_in_training_only():
    layer = augment.Augment(("cutout",), seed=1)
    images = IMAGES * 0.4
    np.testing.assert_array_equal(layer(images), images)
    first, second = layer(images, training=True), layer(images, training=True)
    assert not np.array_equal(first, second)
    layer.p.assign(0.0)
    np.testing.assert_array_equal(layer(images, training=True), images)


def test_the_layer_is_described_by_its_arguments():
    layer = augment.Augment(["flip"], p=0.25, seed=7)
    copy = augment.Augment.from_config(layer.get_config())
    assert (copy.kinds, copy.start, copy.seed) == (("flip",), 0.25, 7)
