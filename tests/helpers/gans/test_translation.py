"""pix2pix and CycleGAN: losses against NumPy, who is moved by which half of a step, bad data, files."""

import functools

import jax
import keras
import numpy as np
import pytest

from helpers import convolutional, training
from helpers.gans import translation

RNG = np.random.default_rng(0)
NOTO, TWEMOJI = RNG.random((2, 12, 8, 8, 3)).astype("float32")


def softplus(logits):
    return np.logaddexp(0, np.asarray(logits, "float64"))


def generator(channels=3):
    return convolutional.unet((8, 8, channels), width=2)


def judge(channels):
    return convolutional.patch_discriminator((8, 8, channels), width=2)


def pix2pix(rate=0.01, **settings):
    keras.utils.set_random_seed(0)
    model = translation.Pix2Pix(generator(), judge(6))
    model.compile(*(keras.optimizers.SGD(rate) for _ in range(2)), **settings)
    return model


@functools.cache
def untrained():
    """Return a model that no test trains."""
    return pix2pix()


def cyclegan(rate=0.01, **settings):
    keras.utils.set_random_seed(0)
    model = translation.CycleGAN(generator(), generator(), judge(3), judge(3))
    model.compile(*(keras.optimizers.SGD(rate) for _ in range(2)), **settings)
    return model


def rows_of(model):
    return np.concatenate([NOTO, TWEMOJI], axis=-1)


def stepped(model):
    """Return the values after one step, and its logs."""
    logs, state = jax.jit(model.train_step)(training.Values.of(model).state(), (rows_of(model),))
    return training.Values(model, state), {name: float(value) for name, value in logs.items()}


def moved(model):
    """Return the names of the networks that a step changes."""
    values, names = stepped(model)[0], set()
    for name in model.network_names:
        variables = getattr(model, name).trainable_variables
        pairs = zip(variables, values.get(variables), strict=True)
        if max(float(abs(np.asarray(variable.value) - after).max()) for variable, after in pairs) > 0:
            names.add(name)
    return names


def test_pix2pix_logs_its_losses():
    model = pix2pix(rate=1e-9)
    made = model.translate(NOTO)
    real, fake = (np.asarray(model.discriminator(np.concatenate([NOTO, y], -1))) for y in (TWEMOJI, made))
    _, logs = stepped(model)
    assert logs["error"] == pytest.approx(np.abs(TWEMOJI - made).mean(), rel=1e-5)
    assert logs["d_loss"] == pytest.approx(np.mean(softplus(-real)) + np.mean(softplus(fake)), rel=1e-5)
    assert logs["g_loss"] == pytest.approx(np.mean(softplus(-fake)), rel=1e-5)


@pytest.mark.slow
def test_a_cycle_logs_its_losses():
    model = cyclegan(rate=1e-9)
    forth, back = model.translate(NOTO), model.translate(TWEMOJI, "back")
    again = model.translate(forth, "back"), model.translate(back)
    real = [model.back_discriminator(NOTO), model.forth_discriminator(TWEMOJI)]
    fake = [model.back_discriminator(back), model.forth_discriminator(forth)]
    _, logs = stepped(model)
    error = np.mean([np.abs(NOTO - again[0]).mean(), np.abs(TWEMOJI - again[1]).mean()])
    assert logs["error"] == pytest.approx(error, rel=1e-5)
    d_loss = np.mean(softplus(-np.array(real))) + np.mean(softplus(np.array(fake)))
    assert logs["d_loss"] == pytest.approx(d_loss, rel=1e-5)
    assert logs["g_loss"] == pytest.approx(np.mean(softplus(-np.array(fake))), rel=1e-5)


def test_without_the_game_the_discriminator_stays():
    assert moved(pix2pix(adversarial_weight=0)) == {"generator"}


def test_with_the_game_alone_the_generator_moves():
    assert moved(pix2pix(error_weight=0)) == {"generator", "discriminator"}


def test_all_four_networks_of_a_cycle_move():
    model = cyclegan()
    assert moved(model) == set(model.network_names)


@pytest.mark.slow
def test_l1_alone_is_ordinary_training():
    model = pix2pix(adversarial_weight=0, error_weight=1)
    keras.utils.set_random_seed(0)
    plain = generator()
    plain.compile(keras.optimizers.SGD(0.01), "mae")
    plain.train_on_batch(NOTO, TWEMOJI)
    values, _ = stepped(model)
    for variable, after in zip(plain.variables, values.get(model.generator.variables), strict=True):
        np.testing.assert_allclose(variable.numpy(), after, atol=1e-6)


@pytest.mark.slow
def test_the_penalty_takes_the_mean_over_patches():
    plain, held = pix2pix(rate=0.01), pix2pix(rate=0.01, r1=10.0)
    before = [variable.numpy() for variable in plain.discriminator.variables]

    def slope(model):
        """Return the mean squared gradient of D's mean logit after a step."""
        values, _ = stepped(model)
        weights = values.get(model.discriminator.trainable_variables)

        def mean(rows):
            """Return the sum over the rows of the mean over the patches."""
            return model.discriminator.stateless_call(weights, [], rows)[0].mean(axis=(1, 2, 3)).sum()

        return float((jax.jit(jax.grad(mean))(rows_of(model)) ** 2).sum())

    assert all(np.array_equal(one, two.numpy()) for one, two in zip(before, held.discriminator.variables, strict=True))
    assert slope(held) < slope(plain)


def test_mixing_keeps_each_kind_and_loses_the_pairs():
    model = cyclegan()
    rows = model.mix(NOTO, TWEMOJI[:5])
    assert rows.shape == (12, 8, 8, 6)
    first, second = rows[..., :3], rows[..., 3:]
    assert sorted(first.sum(axis=(1, 2, 3))) == pytest.approx(sorted(NOTO.sum(axis=(1, 2, 3))))
    assert {float(row.sum()) for row in second} == {float(row.sum()) for row in TWEMOJI[:5]}
    assert not np.array_equal(first, NOTO)


@pytest.mark.parametrize(
    ("images", "partners", "message"),
    [
        (NOTO, TWEMOJI[:11], "partners: got 11, expected one for each of the 12 images"),
        (NOTO[..., :1], TWEMOJI, r"images: got shape \(12, 8, 8, 1\), expected \(n, 8, 8, 3\)"),
        (NOTO, TWEMOJI[..., 0], r"partners: got shape \(12, 8, 8\), expected \(n, 8, 8, 3\)"),
        (NOTO * 255, TWEMOJI, "images: got values from .* Were the pixels divided by 255"),
        (NOTO[:0], TWEMOJI[:0], "images: got 0 rows"),
        (NOTO[:, :6], TWEMOJI, r"images: got shape \(12, 6, 8, 3\)"),
    ],
)
def test_bad_pairs_are_one_clear_error(images, partners, message):
    with pytest.raises(ValueError, match=message):
        untrained().fit(images, partners, batch_size=4, verbose=0)


def test_a_discriminator_of_other_images_is_refused():
    with pytest.raises(ValueError, match=r"discriminator: got input shape \(8, 8, 3\), expected \(8, 8, 6\)"):
        translation.Pix2Pix(generator(), judge(3))
    with pytest.raises(ValueError, match="back: got input shape"):
        translation.CycleGAN(generator(), generator(1), judge(3), judge(3))
    with pytest.raises(ValueError, match="expected images of one height and width"):
        translation.Pix2Pix(convolutional.encoder((8, 8, 3), 4, 2), judge(6))
    one = judge(3)
    with pytest.raises(ValueError, match="back_discriminator: got variables of the forth_discriminator"):
        translation.CycleGAN(generator(), generator(), one, one)


def test_grey_becomes_colour():
    model = translation.Pix2Pix(keras.Sequential([generator(1), keras.layers.Conv2D(3, 1)]), judge(4))
    model.compile("adam", "adam")
    assert model.pair(NOTO[..., :1], TWEMOJI).shape == (12, 8, 8, 4)


@pytest.mark.slow
@pytest.mark.parametrize("make", [pix2pix, cyclegan])
def test_training_repeats_and_files_keep_it(make, tmp_path):
    first, second = make(r1=1.0, penalty_batch=2), make(r1=1.0, penalty_batch=2)
    for model in (first, second):
        model.fit(NOTO, TWEMOJI, batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(first.translate(NOTO), second.translate(NOTO))
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.translate(NOTO), first.translate(NOTO), atol=1e-6)
    again.fit(NOTO, TWEMOJI, batch_size=4, verbose=0)
