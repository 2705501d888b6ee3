"""Several steps of D for one of the others: against steps taken one by one, and what it means for an epoch."""

import jax
import keras
import numpy as np
import pytest

from helpers import gans, training
from helpers.datasets import ShuffledBatches
from helpers.gans import conditional
from helpers.gans.hybrids import AdversarialAutoencoder
from tests.helpers.gans import test_hybrids as hybrids
from tests.helpers.gans.test_gans import equal, real_images, small_gan, weights_of
from tests.slow import after

GAMES = {
    "both penalties": lambda **settings: small_gan(**settings),
    "gradient penalty": lambda **settings: small_gan(
        loss="wasserstein", r1=0, r2=0, gradient_penalty=10, penalty_batch=4, **settings
    ),
    "aae": lambda **settings: hybrids.small("aae", **settings),
    "vaegan": lambda **settings: hybrids.small("vaegan", **settings),
}


def images_of(model):
    return real_images(48) if isinstance(model, gans.GAN) else hybrids.IMAGES


def one_by_one(model, steps):
    """Return the model's step with D's steps written out; for one it is the code before there were several."""

    @jax.jit
    def step(state, data):
        values, size = training.Values(model, state), len(data[0]) // steps
        for turn in range(steps):
            real = data[0][turn * size : (turn + 1) * size] if steps > 1 else data[0]
            d_loss, real_logits, fake_logits = model._train_discriminator(values, real)
        if isinstance(model, gans.GAN):
            others = [model._train_generator(values, real)]
            values.average(model.ema_generator, model.generator, model.settings["ema"])
        elif isinstance(model, AdversarialAutoencoder):
            error, g_loss = model._train_autoencoder(values, real)
            others = [g_loss, error]
        else:
            kl, error, latents = model._train_encoder(values, real)
            others = [model._train_decoder(values, real, latents), kl, error]
        seen = (d_loss, *others, jax.nn.sigmoid(real_logits), jax.nn.sigmoid(fake_logits))
        return model._track(values, seen), values.state()

    return step


@pytest.mark.slow
@pytest.mark.parametrize("game", GAMES)
def test_one_step_of_d_computes_what_it_did_before_to_the_last_bit(game):
    model = GAMES[game]()
    start, data = training.Values.of(model).state(), (images_of(model)[:8],)
    (logs, state), (old_logs, old_state) = jax.jit(model.train_step)(start, data), one_by_one(model, 1)(start, data)
    assert all(float(logs[name]) == float(old_logs[name]) for name in model.log_names)
    assert all(equal(mine, theirs) for mine, theirs in zip(state, old_state, strict=True))


@pytest.mark.parametrize("game", after(1, GAMES))
def test_a_step_is_those_of_d_one_by_one_and_one_of_the_others(game):
    model = GAMES[game](discriminator_steps=3)
    # Adam would turn the rounding of a gradient near 0 into a whole step.
    descent = [keras.optimizers.SGD(0.1) for _ in model.optimizer_names]
    model.compile(*descent, **model.settings)
    start, data = training.Values.of(model).state(), (images_of(model)[:24],)
    (_, state), (_, expected) = jax.jit(model.train_step)(start, data), one_by_one(model, 3)(start, data)
    assert int(training.Values(model, state)[model.discriminator_optimizer.iterations]) == 3
    for mine, theirs in zip(state[:3], expected[:3], strict=True):
        for array, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_default_is_one_step():
    gan, other = small_gan(), small_gan(discriminator_steps=1)
    for model in (gan, other):
        model.fit(real_images(), batch_size=8, epochs=2, verbose=0)
    assert equal(weights_of(gan), weights_of(other))
    old = {name: value for name, value in gan.get_compile_config().items() if name != "discriminator_steps"}
    gan.compile_from_config(old)  # a file of an older edition
    assert gan.settings["discriminator_steps"] == 1


@pytest.mark.slow
def test_an_epoch_shows_d_each_image_once_and_takes_fewer_steps_of_g(monkeypatch):
    gan, seen = small_gan(batch_norm=False, discriminator_steps=3), []
    images = np.arange(50, dtype="float32").reshape(50, 1, 1, 1) / 50 * np.ones((1, 4, 4, 1), "float32")
    train = gan._train_discriminator

    def spy(values, real):
        jax.debug.callback(lambda rows: seen.append(rows.tolist()), real[:, 0, 0, 0], ordered=True)
        return train(values, real)

    monkeypatch.setattr(gan, "_train_discriminator", spy)
    gan.fit(images, batch_size=4, epochs=2, verbose=0)
    assert [len(batch) for batch in seen] == 24 * [4]  # 50 images fill four times three batches of four
    order = ShuffledBatches(images, 4, seed=0).order[:48]
    assert np.concatenate(seen[:12]).tolist() == images[order, 0, 0, 0].tolist()
    assert int(gan.generator_optimizer.iterations) == 8
    assert int(gan.discriminator_optimizer.iterations) == 24


def test_the_logs_are_means_over_all_steps_of_d():
    gan = small_gan(loss="non_saturating", r1=0, r2=0, dropout=0, batch_norm=False, discriminator_steps=2)
    gan.compile(*(keras.optimizers.SGD(0.0) for _ in range(2)), discriminator_steps=2)
    real = real_images(16)
    history = gan.fit(real, batch_size=8, verbose=0).history
    expected = 1 / (1 + np.exp(-gan.discriminator.predict(real, verbose=0)))
    assert history["d_real"][0] == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.slow
def test_saved_resumed_and_scanned_with_several_steps(tmp_path):
    gan = small_gan(discriminator_steps=2)
    gan.fit(real_images(), batch_size=8, epochs=2, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.settings == gan.settings
    for model in (gan, loaded):
        model.fit(real_images(), batch_size=8, epochs=4, initial_epoch=2, verbose=0)
    assert equal(weights_of(gan), weights_of(loaded))
    scanned = small_gan(discriminator_steps=2)
    training.train_scanned([scanned], lambda key: jax.random.uniform(key, (16, 4, 4, 1)), steps=3)
    assert int(scanned.discriminator_optimizer.iterations) == 6


@pytest.mark.slow
def test_a_conditional_gan_takes_several_steps():
    gan = conditional.ConditionalGAN(*conditional.conditional_networks(4, (8,), (8,)))
    gan.compile(*(keras.optimizers.Adam(0.01) for _ in range(2)), r1=0.3, r2=0.3, discriminator_steps=5)
    images = np.random.default_rng(0).uniform(size=(40, 28, 28, 1)).astype("float32")
    gan.fit(images, np.arange(40) % 10, batch_size=4, verbose=0)
    assert int(gan.generator_optimizer.iterations) == 2
    assert int(gan.discriminator_optimizer.iterations) == 10


def fit(**changes):
    settings = {"batch_size": 8, "discriminator_steps": 2, **changes}
    size = settings.pop("batch_size")
    small_gan(**settings).fit(real_images(24), batch_size=size, verbose=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(discriminator_steps=0), "discriminator_steps: got 0, expected an integer >= 1"),
        (lambda: fit(discriminator_steps=1.5), "discriminator_steps: got 1.5, expected an integer >= 1"),
        (lambda: fit(discriminator_steps=None), "discriminator_steps: got None"),
        (lambda: fit(batch_size=16), "batch_size: got 16, 2 times as many for 2 steps of D, but there are only 24"),
        (lambda: fit(batch_size=0), "batch_size: got 0, expected an integer >= 1"),
        (
            lambda: small_gan(discriminator_steps=2).train_on_batch(real_images(7)),
            "images: got a batch of 7, expected a multiple of discriminator_steps, 2",
        ),
        (
            lambda: small_gan(discriminator_steps=3).fit(ShuffledBatches(real_images(16), 8), verbose=0),
            "images: got a batch of 8, expected a multiple of discriminator_steps, 3",
        ),
    ],
)
def test_wrong_steps_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
