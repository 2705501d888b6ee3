"""Losses against NumPy, gradients against finite differences, and the trainer: isolation, noise, repeatability."""

import functools
import hashlib
import subprocess
import sys

import jax
import jax.experimental
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from helpers import datasets, gans, training
from tests.slow import after

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(2, 8)).astype("float32")
layers = keras.layers
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # where older ones have it


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# Expected values in plain NumPy, written as in the papers rather than as in the module.
EXPECTED = {
    "minimax": (
        -np.mean(np.log(sigmoid(REAL))) - np.mean(np.log(1 - sigmoid(FAKE))),
        np.mean(np.log(1 - sigmoid(FAKE))),
    ),
    "non_saturating": (
        -np.mean(np.log(sigmoid(REAL))) - np.mean(np.log(1 - sigmoid(FAKE))),
        -np.mean(np.log(sigmoid(FAKE))),
    ),
    "least_squares": (np.mean((REAL - 1) ** 2) / 2 + np.mean(FAKE**2) / 2, np.mean((FAKE - 1) ** 2) / 2),
    "hinge": (np.mean(np.maximum(0, 1 - REAL)) + np.mean(np.maximum(0, 1 + FAKE)), -np.mean(FAKE)),
    "wasserstein": (np.mean(FAKE) - np.mean(REAL), -np.mean(FAKE)),
    "relativistic": (np.mean(-np.log(sigmoid(REAL - FAKE))), np.mean(-np.log(sigmoid(FAKE - REAL)))),
}


def test_every_loss_is_tested():
    assert set(EXPECTED) == set(gans.LOSSES)


@pytest.mark.parametrize("name", gans.LOSSES)
def test_losses_equal_their_definitions(name):
    loss = gans.LOSSES[name]
    expected = EXPECTED[name]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), expected[0], rtol=1e-5)
    np.testing.assert_allclose(loss.generator(REAL, FAKE), expected[1], rtol=1e-5)


@functools.cache
def compiled_loss(name, player):
    """Return the loss of a player, and its gradients with respect to both arguments."""
    loss = getattr(gans.LOSSES[name], player)
    return jax.jit(loss), jax.jit(jax.grad(loss, argnums=(0, 1)))


@pytest.mark.parametrize("name", gans.LOSSES)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("argument", [0, 1])
def test_loss_gradients_equal_finite_differences(name, player, argument):
    function, gradients = compiled_loss(name, player)
    with enable_x64(True):
        logits = [jnp.asarray(REAL, "float64"), jnp.asarray(FAKE, "float64")]
        gradient = gradients(*logits)[argument]
        for index in range(len(REAL)):
            step = jnp.zeros(len(REAL)).at[index].set(1e-6)
            up, down = ([*logits], [*logits])
            up[argument], down[argument] = logits[argument] + step, logits[argument] - step
            slope = (function(*up) - function(*down)) / 2e-6
            assert abs(slope - gradient[index]) < 1e-7


@pytest.mark.parametrize("name", gans.LOSSES)
def test_losses_stay_finite_for_huge_logits(name):
    huge = jnp.array([[1e4], [-1e4]])
    loss = gans.LOSSES[name]
    assert np.isfinite(loss.discriminator(huge, -huge))
    assert np.isfinite(loss.generator(huge, -huge))
    assert np.isfinite(jax.grad(loss.generator, argnums=1)(huge, -huge)).all()


def test_the_saturating_gradient_vanishes_where_the_other_does_not():
    confident = jnp.array([-20.0])  # D is sure that this fake is fake
    saturating = jax.grad(gans.minimax_generator_loss, argnums=1)(confident, confident)
    non_saturating = jax.grad(gans.non_saturating_generator_loss, argnums=1)(confident, confident)
    assert abs(saturating[0]) < 1e-8
    assert abs(non_saturating[0] + 1) < 1e-6


def test_feature_matching_by_hand():
    real, fake = np.split(np.random.default_rng(1).normal(size=(9, 4)).astype("float32"), [5])
    expected = sum((real[:, j].mean() - fake[:, j].mean()) ** 2 for j in range(4))
    np.testing.assert_allclose(gans.feature_matching_loss(real, fake), expected, rtol=1e-5)
    slope = 2 * (fake.mean(axis=0) - real.mean(axis=0)) / len(fake)
    found = jax.grad(gans.feature_matching_loss, argnums=1)(real, jnp.asarray(fake))
    np.testing.assert_allclose(found, np.broadcast_to(slope, fake.shape), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"fake_features: got shape \(4, 3\), expected \(n, 4\)"):
        gans.feature_matching_loss(real, fake[:, :3])


# A score whose gradients are known by hand: D(x) = sum(w * x) has gradient w everywhere, D(x) = |x|^2 / 2 has x.
WEIGHTS = RNG.normal(size=(3, 3, 1)).astype("float32")
IMAGES = RNG.normal(size=(5, 3, 3, 1)).astype("float32")


def linear_score(x):
    return jnp.sum(x * WEIGHTS, axis=(1, 2, 3))


def quadratic_score(x):
    return jnp.sum(x**2, axis=(1, 2, 3)) / 2


def test_zero_centered_penalty_by_hand():
    np.testing.assert_allclose(gans.zero_centered_penalty(linear_score, IMAGES), np.sum(WEIGHTS**2), rtol=1e-5)
    squares = np.sum(IMAGES**2, axis=(1, 2, 3))
    np.testing.assert_allclose(gans.zero_centered_penalty(quadratic_score, IMAGES), np.mean(squares), rtol=1e-5)


def test_gradient_penalty_by_hand():
    weights = np.linspace(0, 1, 5)
    value = gans.gradient_penalty(quadratic_score, IMAGES, -IMAGES, weights)
    norms = np.abs(2 * weights - 1) * np.sqrt(np.sum(IMAGES**2, axis=(1, 2, 3)))
    np.testing.assert_allclose(value, np.mean((norms - 1) ** 2), rtol=1e-4)


def test_gradient_penalty_has_finite_gradients_where_the_score_is_flat():
    @jax.jit
    def penalty(scale):
        return gans.gradient_penalty(lambda x: scale * linear_score(x), IMAGES, IMAGES, jnp.ones(5))

    assert penalty(0.0) == 1
    assert np.isfinite(jax.grad(penalty)(0.0))


def test_penalties_have_correct_parameter_gradients():
    with enable_x64(True):
        images = jnp.asarray(IMAGES, "float64")

        @jax.jit
        def both(scale):
            def score(x):
                return jnp.tanh(scale * jnp.sum(x * WEIGHTS, axis=(1, 2, 3)))

            between = jnp.full(5, 0.3)
            penalty = gans.gradient_penalty(score, images, images[::-1], between)
            return gans.zero_centered_penalty(score, images) + penalty

        slope = (both(0.7 + 1e-6) - both(0.7 - 1e-6)) / 2e-6
        assert abs(slope - jax.grad(both)(0.7)) < 1e-6


# --- The trainer -----------------------------------------------------------------------------------------------------


def small_gan(seed=0, loss="relativistic", batch_norm=True, dropout=0.2, **settings):
    """A GAN on 4 x 4 images with everything that can go wrong in it: BatchNorm, dropout, both penalties."""
    keras.utils.set_random_seed(seed)
    norm = [layers.BatchNormalization()] if batch_norm else []
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(8, "relu"), *norm, layers.Dense(16, "sigmoid"), layers.Reshape((4, 4, 1))]
    )
    norm = [layers.BatchNormalization()] if batch_norm else []
    drop = [layers.Dropout(dropout, seed=5)] if dropout else []
    discriminator = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(8, "relu"), *norm, *drop, layers.Dense(1)]
    )
    gan = gans.GAN(generator, discriminator, seed=seed)
    settings = {"r1": 0.3, "r2": 0.3, "ema": 0.9, **settings}
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), loss=loss, **settings)
    return gan


def real_images(count=64):
    return np.random.default_rng(1).uniform(size=(count, 4, 4, 1)).astype("float32")


def state_of(gan):
    groups = gan.trainable_variables, gan.non_trainable_variables, gan.optimizer.variables, gan.metrics_variables
    return tuple([jnp.asarray(variable.value) for variable in group] for group in groups)


def arrays(variables, values):
    return [np.asarray(values[variable]) for variable in variables]


def equal(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def half_step(gan, player):
    """Compile one half of a training step: state -> state."""

    @jax.jit
    def step(state):
        values = training.Values(gan, state)
        getattr(gan, f"_train_{player}")(values, real_images(8))
        return values.state()

    return step


@functools.cache
def stepped(**settings):
    """Return a GAN, and its states at the start, after D's half of a step and after G's; no test changes the GAN."""
    gan = small_gan(**settings)
    states = [state_of(gan)]
    for player in ("discriminator", "generator"):
        states.append(half_step(gan, player)(states[-1]))
    return gan, states


def weights_in(gan, state):
    """Return the weights of G and of D, BatchNorm statistics included, in a trainer's state."""
    values = training.Values(gan, state)
    return arrays(gan.generator.weights, values), arrays(gan.discriminator.weights, values)


@pytest.mark.parametrize("loss", after(2, reversed(gans.LOSSES)))  # Wasserstein's has another penalty
def test_a_step_of_one_network_leaves_the_other_bit_identical(loss):
    kinds = {"wasserstein": {"r1": 0, "r2": 0, "gradient_penalty": 10}, "relativistic": {}}
    gan, states = stepped(loss=loss, **kinds.get(loss, {"r1": 0, "r2": 0}))  # each penalty once
    (g_before, d_before), (g_middle, d_middle), (g_after, d_after) = (weights_in(gan, state) for state in states)
    assert equal(g_before, g_middle)
    assert not any(np.array_equal(a, b) for a, b in zip(d_before, d_middle, strict=True) if a.size > 1)
    assert equal(d_middle, d_after)
    assert not equal(g_middle, g_after)


def test_each_step_draws_fresh_noise():
    gan = small_gan()
    values = training.Values(gan, state_of(gan))
    draws = [np.asarray(gan._latents(values, 8)) for _ in range(3)]
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[1], draws[2])


def test_dropout_masks_differ_between_the_two_steps():
    gan, states = stepped(loss="relativistic")
    (mask,) = training.noise_states(gan.discriminator)
    counts = [int(training.Values(gan, state)[mask][1]) for state in states]
    assert counts[0] < counts[1] < counts[2]


def test_batch_norm_statistics_are_those_of_the_batches_seen():
    gan = small_gan(dropout=0)
    norm = gan.discriminator.layers[2]
    real = real_images(8)
    fake = gan.generator(jnp.asarray(keras.random.normal((8, 3), seed=_copy_of(gan.noise))), training=True)
    hidden = [gan.discriminator.layers[1](batch.reshape(8, 16)) for batch in (real, np.asarray(fake))]
    expected = np.zeros(8)
    for batch in hidden:  # real first, then fake
        expected = norm.momentum * expected + (1 - norm.momentum) * np.mean(batch, axis=0)
    values = training.Values(gan, half_step(gan, "discriminator")(state_of(gan)))
    np.testing.assert_allclose(values[norm.moving_mean], expected, atol=1e-6)


def _copy_of(generator):
    copy = keras.random.SeedGenerator(0)
    copy.state.assign(generator.state.value)
    return copy


def test_the_average_follows_its_formula_and_starts_as_a_copy():
    gan = small_gan(ema=0.9)
    start = [variable.numpy() for variable in gan.generator.weights]
    assert equal(start, [variable.numpy() for variable in gan.ema_generator.weights])
    gan.fit(real_images(8), batch_size=8, epochs=1, verbose=0)
    for average, variable, before in zip(gan.ema_generator.weights, gan.generator.weights, start, strict=True):
        decay = 0.9 if variable.trainable else 0
        np.testing.assert_allclose(average, decay * before + (1 - decay) * variable.numpy(), atol=1e-6)


@pytest.mark.slow
def test_an_epoch_shows_the_discriminator_every_image_once(monkeypatch):
    gan = small_gan(batch_norm=False)
    images = np.arange(32, dtype="float32").reshape(32, 1, 1, 1) / 32 * np.ones((1, 4, 4, 1), "float32")
    seen = []
    step = gan.train_step

    def spy(state, data):
        jax.debug.callback(lambda values: seen.extend(values.tolist()), data[0][:, 0, 0, 0], ordered=True)
        return step(state, data)

    monkeypatch.setattr(gan, "train_step", spy)
    gan.fit(images, batch_size=8, epochs=2, verbose=0)
    assert sorted(seen[:32]) == sorted(seen[32:]) == images[:, 0, 0, 0].tolist()
    assert seen[:32] != seen[32:]


@pytest.mark.slow
def test_fit_equals_steps_written_by_hand():
    # Adam would turn the rounding of a gradient near 0 into a whole step.
    def small_gan_with_sgd():
        gan = small_gan()
        gan.compile(*(keras.optimizers.SGD(0.1) for _ in range(2)), loss="relativistic", r1=0.3, r2=0.3, ema=0.9)
        return gan

    images, gan = real_images(16), small_gan_with_sgd()
    values = state_of(gan)
    batches = datasets.ShuffledBatches(images, 8, seed=0)
    step = jax.jit(gan.train_step)
    for index in range(2):
        logs, values = step(values, batches[index])
    fitted = small_gan_with_sgd()
    fitted.fit(images, batch_size=8, epochs=1, verbose=0)
    # Two programs, which may round differently.
    for by_hand, variable in zip(values[0], fitted.trainable_variables, strict=True):
        np.testing.assert_allclose(by_hand, variable, rtol=1e-5, atol=1e-6)
    assert float(logs["d_loss"]) == pytest.approx(fitted.history.history["d_loss"][0], rel=1e-5)


def test_the_discriminator_learns_to_tell():
    gan = small_gan(batch_norm=False, loss="non_saturating", r1=0, r2=0)
    gan.generator_optimizer.learning_rate = 0.0
    history = gan.fit(np.ones((64, 4, 4, 1), "float32"), batch_size=8, epochs=30, verbose=0).history
    assert history["d_real"][-1] > 0.9
    assert history["d_fake"][-1] < 0.1


@pytest.mark.parametrize("loss", after(2, reversed(gans.LOSSES)))
def test_the_generator_moves_towards_the_data(loss):
    gan = small_gan(batch_norm=False, dropout=0, loss=loss, r1=0, r2=0)
    target = np.full((64, 4, 4, 1), 0.9, "float32")
    before = np.abs(gan.sample(64, seed=1) - target).mean()
    gan.fit(target, batch_size=16, epochs=15, verbose=0)
    assert np.abs(gan.sample(64, seed=1) - target).mean() < before


def fitted(epochs=2, **settings):
    gan = small_gan()
    gan.fit(real_images(), batch_size=8, epochs=epochs, verbose=0, **settings)
    return gan


def weights_of(gan):
    return [np.asarray(variable.value) for variable in (*gan.variables, *gan.optimizer.variables)]


def test_saved_and_loaded_gives_the_same_outputs_and_trains_on_bit_identically(tmp_path):
    gan = fitted()
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(gan.sample(5, seed=3), loaded.sample(5, seed=3))
    for model in (gan, loaded):
        model.fit(real_images(), batch_size=8, epochs=4, initial_epoch=2, verbose=0)
    assert equal(weights_of(gan), weights_of(loaded))
    assert gan.settings == loaded.settings


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        fitted(epochs=4, callbacks=[backup(), Interrupt()])
    resumed = fitted(epochs=4, callbacks=[backup()])
    assert equal(weights_of(fitted(epochs=4)), weights_of(resumed))


def digest(gan):
    return hashlib.sha256(b"".join(array.tobytes() for array in weights_of(gan))).hexdigest()


@pytest.mark.slow
def test_another_process_gives_bit_identical_losses_and_weights():
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/helpers/gans']; import conftest, test_gans;"
        "gan = test_gans.fitted(); print(test_gans.digest(gan), gan.history.history['d_loss'])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    gan = fitted()
    assert other.stdout.split(maxsplit=1) == [digest(gan), f"{gan.history.history['d_loss']}\n"]


def test_another_seed_gives_another_run():
    gan, other = small_gan(seed=0), small_gan(seed=1)
    assert not np.array_equal(gan.sample(4, seed=0), other.sample(4, seed=0))


def test_a_run_that_turns_nan_stops_and_names_the_step():
    gan = small_gan(loss="wasserstein", r1=0, r2=0, batch_norm=False)
    gan.discriminator_optimizer.learning_rate = 1e38
    with pytest.raises(RuntimeError, match=r"_loss.* became NaN or infinite at step \d+ \(epoch 1, batch \d+\)"):
        gan.fit(real_images(), batch_size=8, epochs=2, verbose=0)


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((64, 5, 5, 1)), r"images: got shape \(64, 5, 5, 1\), expected \(n, 4, 4, 1\)"),
        (np.zeros((64, 16)), r"images: got shape \(64, 16\)"),
        (np.full((64, 4, 4, 1), 255.0), r"images: got values from 255 to 255, expected 0 to 1. Were the pixels"),
        (np.full((64, 4, 4, 1), np.nan), "images: got 1024 values that are NaN or infinite"),
        (np.zeros((4, 4, 4, 1)), "batch_size: got 8, but there are only 4 images"),
        (np.full((64, 4, 4, 1), "a"), "images: got dtype <U1, expected numbers"),
    ],
)
def test_fit_names_what_is_wrong_with_the_images(images, message):
    with pytest.raises(ValueError, match=message):
        small_gan().fit(images, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "wgan"}, "loss: got 'wgan', expected one of 'minimax'"),
        ({"r1": -1}, "r1: got -1, expected a finite number >= 0"),
        ({"ema": 1.0}, "ema: got 1.0, expected a finite number >= 0 and < 1"),
        ({"r2": float("nan")}, "r2: got nan"),
        ({"penalty_batch": 0}, "penalty_batch: got 0, expected an integer >= 1"),
    ],
)
def test_compile_names_what_is_wrong_with_the_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        small_gan(**settings)


@pytest.mark.parametrize("latent_dim", [0, -1, 2.0])
def test_latent_dim_must_be_positive(latent_dim):
    with pytest.raises(ValueError, match=f"latent_dim: got {latent_dim!r}, expected an integer >= 1"):
        gans.dense_networks(latent_dim, (4,), (4,), "relu")


def test_penalties_on_part_of_the_batch_equal_those_on_these_images_alone():
    gan = small_gan(loss="hinge", batch_norm=False, dropout=0, penalty_batch=4, gradient_penalty=1.0)
    seen = []
    gan._penalty = lambda values, score, real, fake, between: seen.append((len(real), len(fake), len(between))) or 0.0
    half_step(gan, "discriminator")(state_of(gan))
    assert seen == [(4, 4, 4)]


def test_one_optimizer_for_both_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="discriminator_optimizer: got the generator's"):
        small_gan().compile(optimizer, optimizer)


def network(input_shape, output_shape, activation=None):
    size = int(np.prod(output_shape))
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(size, activation=activation),
            layers.Reshape(output_shape),
        ]
    )


@pytest.mark.parametrize(
    ("discriminator", "message"),
    [
        (network((5, 5, 1), (1,)), r"discriminator: its input shape is \(5, 5, 1\), but the generator makes"),
        (network((4, 4, 1), (2,)), r"discriminator: got output shape \(None, 2\)"),
        (network((4, 4, 1), (1,), "sigmoid"), "expected logits"),
    ],
)
def test_networks_that_do_not_fit_are_refused(discriminator, message):
    with pytest.raises(ValueError, match=message):
        gans.GAN(network((3,), (4, 4, 1)), discriminator)


@pytest.mark.parametrize("count", [0, -1, 2.5, True])
def test_sample_wants_a_positive_count(count):
    with pytest.raises(ValueError, match=f"count: got {count!r}, expected an integer >= 1"):
        small_gan().sample(count, seed=0)


@pytest.mark.slow
def test_the_film_shows_the_same_latents_at_the_steps_asked_for():
    film = gans.SampleFilm(steps=(0, 3, 8), count=2, seed=1)
    gan = small_gan()
    start = gan.sample(2, seed=1)
    gan.fit(real_images(), batch_size=8, epochs=2, verbose=0, callbacks=[film])
    assert list(film.frames) == [0, 3, 8]
    assert np.array_equal(film.frames[0], start)
    assert not np.array_equal(film.frames[3], film.frames[8])
    assert equal(weights_of(gan), weights_of(fitted()))  # looking changes nothing
