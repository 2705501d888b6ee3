"""Convolutional networks take images of any size divisible by 4, and say what is wrong with others."""

import keras
import numpy as np
import pytest

from helpers import convolutional
from tests.slow import after

SHAPES = [(16, 24, 2), (4, 4, 1), (28, 28, 1), (32, 32, 3)]


def random_images(shape, count=8, seed=0):
    """Return blocks of colour, so that there is something to learn."""
    small = np.random.default_rng(seed).random((count, shape[0] // 4, shape[1] // 4, shape[2]), "float32")
    return small.repeat(4, axis=1).repeat(4, axis=2)


@pytest.mark.parametrize("shape", after(1, SHAPES))
def test_autoencoder_has_the_shapes_it_was_asked_for(shape):
    parts = convolutional.autoencoder(shape, code_dim=5, width=4)
    images = random_images(shape)
    codes = parts.encoder.predict(images, verbose=0)
    assert codes.shape == (8, 5)
    redrawn = parts.autoencoder.predict(images, verbose=0)
    assert redrawn.shape == images.shape
    assert redrawn.min() >= 0
    assert redrawn.max() <= 1
    assert np.allclose(redrawn, parts.decoder.predict(codes, verbose=0), atol=1e-6)


def test_autoencoder_is_what_the_same_layers_of_keras_are():
    keras.utils.set_random_seed(1)
    parts = convolutional.autoencoder((16, 24, 2), code_dim=5, width=4)
    k, halving = keras.layers, dict(kernel_size=4, strides=2, padding="same")
    own = keras.Sequential(
        [
            keras.Input((16, 24, 2)),
            k.Conv2D(4, activation="leaky_relu", **halving),
            k.Conv2D(8, activation="leaky_relu", **halving),
            k.Flatten(),
            k.Dense(5),
            k.Dense(4 * 6 * 8, activation="leaky_relu"),
            k.Reshape((4, 6, 8)),
            k.Conv2DTranspose(4, activation="leaky_relu", **halving),
            k.Conv2DTranspose(2, activation="sigmoid", **halving),
        ]
    )
    own.set_weights(parts.autoencoder.get_weights())
    images = random_images((16, 24, 2))
    redrawn = parts.autoencoder.predict(images, verbose=0)
    assert np.allclose(own.predict(images, verbose=0), redrawn, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 32, 3), (16, 24, 2)])
def test_autoencoder_learns(shape):
    keras.utils.set_random_seed(0)
    model, images = convolutional.autoencoder(shape, code_dim=16, width=8).autoencoder, random_images(shape)
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    losses = model.fit(images, images, epochs=120, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("shape", after(1, SHAPES))
def test_vae_learns_and_draws(shape):
    keras.utils.set_random_seed(0)
    model = convolutional.ColourVAE(*convolutional.vae_networks(shape, latent_dim=3, width=4))
    images = random_images(shape)
    model.compile(keras.optimizers.Adam(1e-2))
    losses = model.fit(images, epochs=10, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.sigma != pytest.approx(convolutional.START)
    sampled = model.sample(8, seed=1)
    for drawn in (sampled, model.reconstruct(images)):
        assert drawn.shape == images.shape
        assert drawn.min() >= 0
        assert drawn.max() <= 1
    assert np.array_equal(sampled, model.sample(8, seed=1))
    assert not np.array_equal(sampled, model.sample(8, seed=2))


def test_vae_loss_is_minus_the_bound():
    """Compare with NumPy, for noise so small that the latents are the means."""
    shape = (16, 24, 2)
    encoder, decoder = convolutional.vae_networks(shape, latent_dim=3, width=4)
    kernel, bias = encoder.layers[-1].get_weights()
    kernel[:, 3:], bias[3:] = 0, -30  # log-variance -30 for every image
    encoder.layers[-1].set_weights([kernel, bias])
    model, images = convolutional.ColourVAE(encoder, decoder, kl_weight=0.5), random_images(shape)
    model.compile("adam")
    mean = encoder.predict(images, verbose=0)[:, :3]
    kl = 0.5 * (mean**2 + np.exp(-30) - 1 + 30).sum(axis=1)
    squares = ((decoder.predict(mean, verbose=0) - images) ** 2).sum(axis=(1, 2, 3))
    count, sigma = np.prod(shape), convolutional.START
    expected = 0.5 * kl + count * np.log(sigma * np.sqrt(2 * np.pi)) + squares / (2 * sigma**2)
    assert model.evaluate(images, batch_size=8, verbose=0, return_dict=True)["loss"] == pytest.approx(
        expected.mean(), rel=1e-4
    )


@pytest.mark.slow
def test_vae_is_the_same_once_it_is_saved(tmp_path):
    model = convolutional.ColourVAE(*convolutional.vae_networks((8, 8, 3), 2, 4), kl_weight=0.5, seed=3)
    model.compile("adam")
    images = random_images((8, 8, 3))
    model.fit(images, epochs=2, verbose=0)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert again.sigma == model.sigma
    assert (again.kl_weight, again.seed) == (0.5, 3)
    assert np.allclose(again.reconstruct(images), model.reconstruct(images), atol=1e-6)


BUILDERS = [
    getattr(convolutional, name) for name in ("autoencoder", "encoder", "decoder", "unet", "patch_discriminator")
]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30, 32, 3), r"^shape: got 30 × 32 pixels, expected multiples of 4: pad the images to 32 × 32\.$"),
        ((32, 33, 1), r"^shape: got 32 × 33 pixels, .* pad the images to 32 × 36"),
        ((32, 32), r"^shape: got \(32, 32\), expected height, width and channels"),
        ((0, 32, 3), "^shape: got 0, expected an integer >= 1"),
        (32, "^shape: got 32, expected a sequence"),
    ],
)
def test_other_sizes_are_one_error(build, shape, message):
    with pytest.raises(ValueError, match=message):
        build(shape)


def test_grey_where_colour_is_expected_is_an_error():
    model = convolutional.autoencoder((32, 32, 3), 4, 4).autoencoder
    with pytest.raises(ValueError, match=r"^x: got shape \(8, 32, 32, 1\), expected \(n, 32, 32, 3\)"):
        model.predict(random_images((32, 32, 1)), verbose=0)
    vae = convolutional.ColourVAE(*convolutional.vae_networks((32, 32, 3), 4, 4))
    with pytest.raises(ValueError, match=r"^images: got shape \(8, 32, 32, 1\), expected \(n, 32, 32, 3\)"):
        vae.reconstruct(random_images((32, 32, 1)))


def test_a_colour_vae_takes_one_sample():
    with pytest.raises(TypeError, match="samples"):
        convolutional.ColourVAE(*convolutional.vae_networks((8, 8, 3), 2, 4), samples=2)


def test_latents_and_activations_are_checked():
    with pytest.raises(ValueError, match=r"^latent_dim: got 0"):
        convolutional.vae_networks(latent_dim=0)
    with pytest.raises(ValueError, match=r"^code_dim: got"):
        convolutional.autoencoder(code_dim=-1)
    with pytest.raises(ValueError, match=r"^activation: got 'relu', expected one of 'sigmoid', 'linear'"):
        convolutional.decoder(activation="relu")


@pytest.mark.parametrize("shape", after(1, SHAPES))
@pytest.mark.parametrize("skips", [False, True])
def test_unet_keeps_the_shape(shape, skips):
    drawn = convolutional.unet(shape, width=4, skips=skips).predict(random_images(shape), verbose=0)
    assert drawn.shape == (8, *shape)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.slow
def test_unet_copies_detail_that_does_not_fit_through_its_middle():
    shape, errors = (16, 16, 3), {}
    noise = np.random.default_rng(0).random((32, *shape), dtype="float32")
    for skips in (False, True):
        keras.utils.set_random_seed(0)
        model = convolutional.unet(shape, width=4, activation="linear", skips=skips)
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        errors[skips] = model.fit(noise, noise, epochs=100, batch_size=32, verbose=0).history["loss"][-1]
    assert errors[True] < 0.3 * errors[False]


@pytest.mark.parametrize("shape", [(28, 28, 2), (32, 32, 6), (16, 24, 4)])
def test_patch_discriminator_has_a_logit_a_patch(shape):
    logits = convolutional.patch_discriminator(shape, width=4).predict(random_images(shape), verbose=0)
    assert logits.shape == (8, shape[0] // 4, shape[1] // 4, 1)


def test_a_logit_sees_a_patch_of_18_pixels():
    keras.utils.set_random_seed(0)
    model = convolutional.patch_discriminator((48, 48, 1), width=8)
    blank = np.zeros((1, 48, 48, 1), "float32")
    logit = model.predict(blank, verbose=0)[0, 6, 6, 0]
    dots = np.eye(48, dtype="float32")[:, None, :, None] * np.eye(48, dtype="float32")[24][None, :, None, None]
    seen = model.predict(dots, verbose=0)[:, 6, 6, 0] != logit  # one dot an image, in row 24
    assert seen.sum() == 18
    assert np.flatnonzero(seen).tolist() == list(range(np.argmax(seen), np.argmax(seen) + 18))


@pytest.mark.parametrize("shape", after(1, SHAPES))
def test_grid_networks_keep_a_vector_for_each_four_by_four_pixels(shape):
    encoder, decoder = convolutional.grid_networks(shape, code_dim=5, width=4)
    vectors = encoder.predict(random_images(shape), verbose=0)
    assert vectors.shape == (8, shape[0] // 4, shape[1] // 4, 5)
    redrawn = decoder.predict(vectors, verbose=0)
    assert redrawn.shape == (8, *shape)
    assert redrawn.min() >= 0
    assert redrawn.max() <= 1
