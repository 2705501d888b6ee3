"""The parts of a style-based generator."""

import keras
import numpy as np
import pytest

from helpers import gans
from helpers.gans import style

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape, dtype="float32")


def test_demodulated_outputs_have_variance_1_under_any_style():
    layer, features = style.ModulatedDense(6), normal(20_000, 40)
    for _ in range(3):
        made = np.asarray(layer(features, np.tile(normal(1, 8), (20_000, 1))))
        assert np.allclose(made.var(axis=0), 1, atol=0.06)


def test_demodulated_pixels_have_variance_1_away_from_the_border():
    layer, features = style.ModulatedUpsampling(2), normal(4_000, 3, 3, 10)
    made = np.asarray(layer(features, np.tile(normal(1, 8), (4_000, 1))))
    assert made.shape == (4_000, 6, 6, 2)
    assert np.allclose(made[:, 2:4, 2:4].var(axis=0), 1, atol=0.12)


def test_upsampling_lays_four_channels_out_as_a_square():
    tiles = np.arange(4.0).reshape(1, 1, 1, 4)
    assert np.array_equal(np.asarray(style._four_of_one(tiles, 1))[0, :, :, 0], [[0, 1], [2, 3]])


def test_half_of_the_rows_are_mixed_at_each_layer_equally_often():
    first, second = np.zeros((30_000, 1), "float32"), np.ones((30_000, 1), "float32")
    styles = np.asarray(style.MixStyles(4)(first, second, normal(30_000, 1)))[..., 0]
    late = np.bincount(styles.sum(axis=1).astype(int), minlength=5) / 30_000
    assert np.allclose(late, [1 / 2, 1 / 6, 1 / 6, 1 / 6, 0], atol=0.01)
    assert (np.diff(styles, axis=1) >= 0).all()  # the second comes after the first
    never = np.full((3, 1), style.NEVER, "float32")
    assert not np.asarray(style.MixStyles(4)(first[:3], second[:3], never)).any()


def test_mix_gives_the_second_style_from_the_crossing_on():
    made = style.mix(np.zeros((2, 3)), np.ones((2, 3)), 1)
    assert made.shape == (2, 4, 3)
    assert np.array_equal(made[0, :, 0], [0, 1, 1, 1])


@pytest.mark.slow
def test_the_generator_is_mapping_and_synthesis():
    generator, discriminator = style.style_networks(5, 4, (6,), (7, 8), (2, 2), (9,))
    mapping, synthesis = generator.get_layer("mapping"), generator.get_layer("synthesis")
    latents, noise = normal(3, 5), normal(3, style.NOISE)
    w = mapping.predict(latents, verbose=0)
    images = synthesis.predict([style.mix(w, w, 0), noise], verbose=0)
    assert np.allclose(images, generator.predict(style.rows(latents, noise), verbose=0), atol=1e-6)
    assert np.allclose(w, mapping.predict(3 * latents, verbose=0), atol=1e-5)  # the direction alone counts
    assert discriminator.predict(images, verbose=0).shape == (3, 1)


def test_noise_has_no_effect_at_first_and_one_later():
    generator, _ = style.style_networks(5, 4, (6,), (7, 8), (2, 2), (9,))
    latents = normal(3, 5)
    rows = [style.rows(latents, noise) for noise in (np.zeros((3, style.NOISE)), normal(3, style.NOISE))]
    quiet, loud = (generator.predict(each, verbose=0) for each in rows)
    assert np.array_equal(quiet, loud)
    for layer in generator.get_layer("synthesis").layers:
        if isinstance(layer, style.ScaledNoise):
            layer.strength.assign(0.5)
    assert not np.allclose(quiet, generator.predict(rows[1], verbose=0))


@pytest.mark.slow
def test_a_gan_trains_it_and_is_saved_with_it(tmp_path):
    gan = gans.GAN(*style.style_networks(5, 4, (6,), (7, 8), (2, 2), (9,)))
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), r1=0.3, r2=0.3)
    gan.fit(RNG.uniform(size=(8, 28, 28, 1)).astype("float32"), batch_size=4, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(gan.sample(3, seed=1), loaded.sample(3, seed=1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: style.style_networks(units=(3,)), "units: got 1 sizes, expected 2"),
        (lambda: style.mix(np.zeros((2, 3)), np.zeros((2, 3)), 5), "crossing: got 5"),
        (lambda: style.rows(np.zeros((2, 3)), np.zeros((2, 979))), "noise: got shape"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
