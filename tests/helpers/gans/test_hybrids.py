"""Both hybrids: losses against NumPy, gradients against finite differences, isolation, repeatability, files."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from helpers import gans, training
from helpers.gans import hybrids

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0.1, 0.9, size=(48, 3, 3, 1)).astype("float32")
PARTS = {  # the networks that each half of a step moves
    "aae": {"discriminator": {"discriminator"}, "autoencoder": {"encoder", "decoder"}},
    "vaegan": {"discriminator": {"discriminator"}, "encoder": {"encoder"}, "decoder": {"decoder"}},
}
NAMES = ("encoder", "decoder", "discriminator")


def decoder(outputs="sigmoid"):
    layers = keras.layers
    hidden = [layers.Dense(6), layers.BatchNormalization(), layers.Activation("tanh")]
    return keras.Sequential(
        [keras.Input((2,)), *hidden, layers.Dense(9, activation=outputs), layers.Reshape((3, 3, 1))]
    )


def judge(shape, dropout=True):
    layers = keras.layers
    drop = [layers.Dropout(0.2, seed=3)] if dropout else []
    hidden = [layers.Dense(5, activation="tanh"), *drop]
    return keras.Sequential([keras.Input(shape), layers.Flatten(), *hidden, layers.Dense(1)])


def small(kind, seed=0, adam=True, **settings):
    """A small model of one kind, with batch normalisation and dropout in it; without Adam, plain descent at rate 1."""
    keras.utils.set_random_seed(seed)
    make = (lambda: keras.optimizers.Adam(0.01)) if adam else (lambda: keras.optimizers.SGD(1.0))
    settings = {"loss": "relativistic", "r1": 0.3, "r2": 0.3, "penalty_batch": 4, **settings}
    if kind == "aae":
        model = hybrids.AdversarialAutoencoder(encoder(2), decoder(), judge((2,), adam), seed=seed)
        model.compile(make(), make(), **settings)
    else:
        model = hybrids.VAEGAN(encoder(4), decoder(), judge((3, 3, 1), adam), seed=seed)
        model.compile(make(), make(), make(), **settings)
    return model


def encoder(outputs):
    return gans.dense_network((3, 3, 1), (6,), outputs, "tanh")


def fitted(kind, epochs=2, **settings):
    model = small(kind)
    model.fit(IMAGES, batch_size=8, epochs=epochs, verbose=0, **settings)
    return model


def weights_of(model):
    return [np.asarray(variable.value) for variable in (*model.variables, *model.optimizer.variables)]


def equal(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def part(model, name, *arguments):
    """Run one part of a step and return the values after it and what it reports."""

    @jax.jit
    def step(state):
        values = training.Values(model, state)
        seen = getattr(model, f"_train_{name}")(values, IMAGES[:8], *arguments)
        return values.state(), seen

    state, seen = step(training.Values.of(model).state())
    return training.Values(model, state), seen


@functools.cache
def untrained(kind):
    """Return a model that no test changes."""
    return small(kind)


@functools.cache
def after_part(kind, name):
    """Return the values of the untrained model after one part of a step."""
    arguments = [np.zeros((8, 2), "float32")] if name == "decoder" else []
    return part(untrained(kind), name, *arguments)[0]


# --- Losses ----------------------------------------------------------------------------------------------------------


def test_errors_by_hand():
    a, b = RNG.normal(size=(2, 5, 3, 2))
    expected = ((a - b) ** 2).sum(axis=(1, 2)).mean()
    assert float(hybrids.squared_error(a, b)) == pytest.approx(expected, rel=1e-5)
    assert float(hybrids.feature_error(a, b)) == pytest.approx(expected / 2, rel=1e-5)


def test_latents_have_the_encoders_mean_and_variance():
    encoded = np.tile(np.float32([1, -2, 0, np.log(4)]), (40_000, 1))
    latents = np.asarray(hybrids.draw_latents(encoded, RNG.normal(size=(40_000, 2))))
    np.testing.assert_allclose(latents.mean(axis=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(latents.var(axis=0), [1, 4], atol=0.1)


def softplus(a):
    return np.log1p(np.exp(a))


def run(network, inputs):
    """Return a network's outputs in training mode, its state left alone."""
    states = [variable.value for variable in network.non_trainable_variables]
    outputs, _ = network.stateless_call(
        [variable.value for variable in network.trainable_variables], states, inputs, training=True
    )
    return outputs


def noise_of(model, skip=0):
    """Return the next normal numbers (8, 2) that the model will draw, after `skip` others."""
    copy = keras.random.SeedGenerator(0)
    copy.state.assign(model.noise.state.value)
    draws = [np.asarray(keras.random.normal((8, 2), seed=copy)) for _ in range(skip + 1)]
    return draws[-1]


def aae_losses(model):
    """Return D's loss and the autoencoder's in NumPy, for the noise that comes next."""
    codes, judged = run(model.encoder, IMAGES[:8]), model.discriminator
    gap = np.asarray(run(judged, noise_of(model)) - run(judged, codes))
    error = ((IMAGES[:8] - np.asarray(run(model.decoder, codes))) ** 2).sum(axis=(1, 2, 3)).mean()
    return softplus(-gap).mean(), error + 3 * softplus(gap).mean()


def vaegan_losses(model, latents=None):
    """Return the losses of D, of the encoder and of the decoder in NumPy, for the noise that comes next."""
    mean, log_variance = np.split(np.asarray(run(model.encoder, IMAGES[:8])), 2, axis=1)
    latents = mean + np.exp(log_variance / 2) * noise_of(model) if latents is None else latents
    prior = noise_of(model, skip=1)
    both = np.stack([latents, prior], axis=1).reshape(16, 2)  # batch normalisation sees them together
    fake = run(model.decoder, both)
    hidden, logits = run(model.open_discriminator, fake)
    target, real_logits = run(model.open_discriminator, IMAGES[:8])
    gap = np.repeat(np.asarray(real_logits), 2) - np.asarray(logits)[:, 0]
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1).mean()
    alone, _ = run(model.open_discriminator, run(model.decoder, latents))
    encoder_error = ((np.asarray(target) - np.asarray(alone)) ** 2).sum(axis=1).mean() / 2
    decoder_error = ((np.asarray(target) - np.asarray(hidden)[::2]) ** 2).sum(axis=1).mean() / 2
    return softplus(-gap).mean(), 0.5 * kl + encoder_error, 3 * decoder_error + softplus(gap).mean()


def check_step(model, name, network, loss, *arguments):
    """A step of plain descent at rate 1 is minus the slope of a loss written in NumPy, along a random direction."""
    values, seen = part(model, name, *arguments)
    start = [variable.numpy() for variable in network.trainable_variables]
    moved = [
        np.asarray(values[variable]) - old for variable, old in zip(network.trainable_variables, start, strict=True)
    ]
    ways = [RNG.normal(size=old.shape).astype("float32") for old in start]
    sides = []
    for step in (1e-2, -1e-2):
        for variable, old, way in zip(network.trainable_variables, start, ways, strict=True):
            variable.assign(old + step * way)
        sides.append(loss())
    for variable, old in zip(network.trainable_variables, start, strict=True):
        variable.assign(old)
    slope = (sides[0] - sides[1]) / 2e-2
    along = sum((move * way).sum() for move, way in zip(moved, ways, strict=True))
    assert along == pytest.approx(-slope, rel=0.02, abs=2e-3)
    return seen


def test_steps_of_the_adversarial_autoencoder_follow_the_slopes():
    settings = dict(adam=False, adversarial_weight=3.0, r1=0, r2=0)
    model = small("aae", **settings)
    d_loss, _, _ = check_step(model, "discriminator", model.discriminator, lambda: aae_losses(model)[0])
    assert float(d_loss) == pytest.approx(aae_losses(model)[0], rel=1e-5)
    error, g_loss = check_step(model, "autoencoder", model.autoencoder, lambda: aae_losses(model)[1])
    assert float(error + 3 * g_loss) == pytest.approx(aae_losses(model)[1], rel=1e-5)


def test_steps_of_the_vaegan_follow_the_slopes():
    settings = dict(adam=False, reconstruction_weight=3.0, kl_weight=0.5, r1=0, r2=0)
    model = small("vaegan", **settings)
    d_loss, _, _ = check_step(model, "discriminator", model.discriminator, lambda: vaegan_losses(model)[0])
    assert float(d_loss) == pytest.approx(vaegan_losses(model)[0], rel=1e-5)
    kl, error, _ = check_step(model, "encoder", model.encoder, lambda: vaegan_losses(model)[1])
    assert float(0.5 * kl + error) == pytest.approx(vaegan_losses(model)[1], rel=1e-5)


@pytest.mark.slow
def test_the_vaegans_decoder_follows_the_slope():
    model = small("vaegan", adam=False, reconstruction_weight=3.0, r1=0, r2=0)
    # The encoder's step has drawn the latents; the decoder's draws only the prior.
    latents = RNG.normal(size=(8, 2)).astype("float32")
    prior = noise_of(model)

    def loss():
        hidden, logits = run(
            model.open_discriminator, run(model.decoder, jnp.stack([latents, prior], 1).reshape(16, 2))
        )
        target, real_logits = run(model.open_discriminator, IMAGES[:8])
        error = ((np.asarray(target) - np.asarray(hidden)[::2]) ** 2).sum(axis=1).mean() / 2
        return 3 * error + softplus(np.repeat(np.asarray(real_logits), 2) - np.asarray(logits)[:, 0]).mean()

    check_step(model, "decoder", model.decoder, loss, latents)


# --- The trainer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PARTS)
def test_each_part_of_a_step_moves_only_its_own_networks(kind):
    model = untrained(kind)
    for name, moving in PARTS[kind].items():
        values = after_part(kind, name)
        for network_name in NAMES:
            network = getattr(model, network_name)
            # A bias added to every logit is nothing to a relativistic loss.
            many = [variable for variable in network.weights if np.prod(variable.shape) > 1]
            same = [np.array_equal(values[variable], variable.numpy()) for variable in many]
            assert not any(same) if network_name in moving else all(same), (name, network_name)


@pytest.mark.parametrize("kind", PARTS)
def test_each_part_draws_fresh_noise(kind):
    model, values = untrained(kind), after_part(kind, "discriminator")
    for state in training.noise_states(model)[:1] + training.noise_states(model.discriminator):
        assert not np.array_equal(values[state], state.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARTS)
def test_saved_and_loaded_trains_on_bit_identically(kind, tmp_path):
    model = fitted(kind)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.sample(5, seed=3), loaded.sample(5, seed=3))
    for one in (model, loaded):
        one.fit(IMAGES, batch_size=8, epochs=4, initial_epoch=2, verbose=0)
    assert equal(weights_of(model), weights_of(loaded))
    assert model.settings == loaded.settings


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARTS)
def test_a_resumed_run_equals_the_uninterrupted_one_and_seeds_repeat(kind, tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        fitted(kind, epochs=4, callbacks=[backup(), Interrupt()])
    resumed = fitted(kind, epochs=4, callbacks=[backup()])
    assert equal(weights_of(fitted(kind, epochs=4)), weights_of(resumed))


@pytest.mark.parametrize("kind", PARTS)
def test_codes_images_and_reconstructions_have_their_shapes(kind):
    model = small(kind)
    assert model.encode(IMAGES).shape == (48, 2)
    assert model.predict(IMAGES, verbose=0).shape == model.sample(48, seed=0).shape == IMAGES.shape
    np.testing.assert_allclose(model.decoder(model.encode(IMAGES)), model(IMAGES), atol=1e-6)


@pytest.mark.slow
def test_the_adversary_makes_codes_normal():
    layers = keras.layers
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(9, activation="sigmoid"), layers.Reshape((3, 3, 1))])
    networks = gans.dense_network((3, 3, 1), (), 2), decoder, gans.dense_network((2,), (16, 16), 1)
    model = hybrids.AdversarialAutoencoder(*networks)
    model.compile(*(keras.optimizers.Adam(0.01, beta_1=0.5) for _ in range(2)), r1=0.1, r2=0.1)
    many = np.random.default_rng(1).uniform(size=(640, 3, 3, 1)).astype("float32")
    history = model.fit(many, batch_size=64, epochs=60, verbose=0).history
    codes = model.encode(many)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(2), atol=0.1)  # without the game 0.4 of it
    assert history["d_loss"][-1] == pytest.approx(2 * np.log(2), abs=0.01)
    assert history["g_loss"][-1] == pytest.approx(np.log(2), abs=0.01)


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: hybrids.AdversarialAutoencoder(encoder(2), decoder(), judge((3, 3, 1))),
            r"discriminator: its input shape is \(3, 3, 1\), but the encoder makes \(2,\)",
        ),
        (
            lambda: hybrids.AdversarialAutoencoder(encoder(3), decoder(), judge((3,))),
            r"encoder: got output shape \(3,\), expected \(2,\)",
        ),
        (
            lambda: hybrids.VAEGAN(encoder(2), decoder(), judge((3, 3, 1))),
            r"encoder: got output shape \(2,\), expected \(4,\)",
        ),
        (
            lambda: hybrids.VAEGAN(gans.dense_network((4,), (3,), 4), decoder(), judge((3, 3, 1))),
            r"decoder: got output shape \(3, 3, 1\), expected \(4,\)",
        ),
        (lambda: hybrids.VAEGAN(encoder(4), decoder(), judge((3, 3, 1)), layer=9), "layer: got 9, expected an integer"),
        (lambda: small("aae", adversarial_weight=-1), "adversarial_weight: got -1, expected a finite number >= 0"),
        (lambda: small("vaegan", kl_weight=float("inf")), "kl_weight: got inf"),
        (lambda: untrained("aae").fit(255 * IMAGES, verbose=0), "images: got values from .* expected 0 to 1"),
        (lambda: untrained("vaegan").fit(IMAGES[..., 0], verbose=0), r"images: got shape \(48, 3, 3\)"),
        (lambda: untrained("aae").sample(0, seed=0), "count: got 0"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_two_players_need_two_optimizers():
    one, other = keras.optimizers.Adam(), keras.optimizers.Adam()
    with pytest.raises(ValueError, match="decoder_optimizer: got the encoder's optimizer"):
        small("vaegan").compile(one, one, other)
