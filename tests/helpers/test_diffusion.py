"""Noise and its schedule, the best denoiser, the walk from noise to data, and the model that learns both."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from helpers import datasets, diffusion, gans, metrics

RNG = np.random.default_rng(0)
SCHEDULE = diffusion.Schedule()
STEEP = diffusion.Schedule(power=2.0)
TIMES = np.linspace(0.1, 0.9, 5).astype("float32")
PAIR = datasets.Mixture(np.array([[-1.0, 0.0], [1.0, 0.5]]), 0.3)
ROWS = np.zeros((5, 2), "float32")
NOW, THEN, KEY = (0.6, 0.8), (0.8, 0.6), jax.random.key(0)
EXACT = diffusion.exact_denoiser(PAIR, SCHEDULE)


def small(seed=0, **settings):
    """Return a compiled model of points in the plane."""
    keras.utils.set_random_seed(seed)
    model = diffusion.Diffusion(diffusion.denoising_network(2, width=32, blocks=2), seed=seed, **settings)
    model.compile(keras.optimizers.Adam(1e-2))
    return model


@functools.cache
def untrained():
    """Return a model that no test changes."""
    return small()


# --- Noise -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [SCHEDULE, STEEP], ids=["cosine", "squared"])
def test_the_squared_rates_add_up_to_one(schedule):
    signal, noise = map(np.asarray, schedule.rates(np.linspace(0, 1, 101)))
    assert np.allclose(signal**2 + noise**2, 1, atol=1e-6)
    assert (np.diff(noise) > 0).all()
    assert signal[0] == 1
    assert noise[0] == 0
    assert signal[-1] == pytest.approx(schedule.least_signal, abs=1e-6)


def test_a_noisy_sample_has_the_stated_mean_and_variance():
    signal, noise = (float(rate) for rate in SCHEDULE.rates(0.3))
    data, draws = np.array([0.7, -1.2]), RNG.standard_normal((200_000, 2))
    noisy = signal * data + noise * draws
    assert np.allclose(noisy.mean(axis=0), signal * data, atol=0.01)
    assert np.allclose(noisy.var(axis=0), noise**2, atol=0.01)
    whole = signal * RNG.standard_normal(200_000) + noise * draws[:, 0]
    assert whole.var() == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_the_model_trains_on_fresh_noise_at_times_spread_evenly():
    model, data = small(), PAIR.sample(1_000, RNG)
    first, second = (model(data) for _ in range(2))
    for drawn in (first, second):
        assert np.array_equal(np.sort((np.asarray(drawn["times"]) * 1_000).astype(int)), np.arange(1_000))
        assert abs(np.asarray(drawn["noise"]).mean()) < 0.1
    assert not np.allclose(first["noise"], second["noise"])
    assert not np.allclose(first["times"], second["times"])


@pytest.mark.parametrize("kind", diffusion.KINDS)
def test_the_clean_image_comes_back_from_each_kind_of_output(kind):
    images, noise = RNG.standard_normal((2, 5, 3))
    rates = tuple(np.asarray(rate)[:, None] for rate in SCHEDULE.rates(TIMES))
    output = diffusion.target(kind, images, noise, *rates)
    noisy = rates[0] * images + rates[1] * noise
    assert np.allclose(diffusion.clean_image(kind, output, noisy, *rates), images, atol=1e-5)


def test_the_velocity_is_the_derivative_by_the_angle():
    angle, images, noise = 0.4, *RNG.standard_normal((2, 3))
    noisy = [np.cos(a) * images + np.sin(a) * noise for a in (angle - 1e-5, angle + 1e-5)]
    velocity = diffusion.target("velocity", images, noise, np.cos(angle), np.sin(angle))
    assert np.allclose((noisy[1] - noisy[0]) / 2e-5, velocity, atol=1e-8)


@pytest.mark.parametrize("prediction", diffusion.KINDS)
@pytest.mark.parametrize("weighting", diffusion.KINDS)
def test_weighted_errors_of_one_kind_are_those_of_another(prediction, weighting):
    images, noise, error = RNG.standard_normal((3, 5, 3))
    signal, rate = (np.asarray(rate)[:, None] for rate in SCHEDULE.rates(TIMES))
    noisy = signal * images + rate * noise
    output = diffusion.target(prediction, images, noise, signal, rate) + error
    clean = diffusion.clean_image(prediction, output, noisy, signal, rate)
    seeming = (noisy - signal * clean) / rate
    other = diffusion.target(weighting, clean, seeming, signal, rate)
    expected = (other - diffusion.target(weighting, images, noise, signal, rate)) ** 2
    weight = np.asarray(diffusion.loss_weight(prediction, weighting, signal, rate))
    assert np.allclose(weight * error**2, expected, rtol=1e-3)
    assert diffusion.loss_weight(prediction, weighting, jnp.float32(1), jnp.float32(1e-6)) <= 400


# --- The best denoiser -----------------------------------------------------------------------------------------------


def test_the_exact_denoiser_of_one_normal_mode_shrinks():
    mode = datasets.Mixture(np.array([[0.5, -1.0]]), 0.6)
    noisy = RNG.standard_normal((5, 2)).astype("float32")
    signal, noise = (np.asarray(rate)[:, None] for rate in SCHEDULE.rates(TIMES))
    gain = signal * 0.36 / (signal**2 * 0.36 + noise**2)
    expected = mode.centers + gain * (noisy - signal * mode.centers)
    assert np.allclose(diffusion.exact_denoiser(mode, SCHEDULE)(noisy, TIMES), expected, atol=1e-5)


def test_the_exact_denoiser_of_points_is_their_weighted_mean():
    points = datasets.Mixture(RNG.standard_normal((6, 2)), 0.0)
    noisy = RNG.standard_normal((5, 2)).astype("float32")
    for sample, time, found in zip(noisy, TIMES, diffusion.exact_denoiser(points, SCHEDULE)(noisy, TIMES), strict=True):
        signal, noise = (float(rate) for rate in SCHEDULE.rates(time))
        weights = np.exp(-((sample - signal * points.centers) ** 2).sum(axis=1) / (2 * noise**2))
        assert np.allclose(found, weights @ points.centers / weights.sum(), atol=1e-4)


def test_the_exact_denoiser_is_the_posterior_mean_by_simulation():
    time, near = 0.4, np.array([0.2, 0.3])
    signal, noise = (float(rate) for rate in SCHEDULE.rates(time))
    data = PAIR.sample(1_000_000, RNG)
    noisy = signal * data + noise * RNG.standard_normal(data.shape)
    behind = data[np.linalg.norm(noisy - near, axis=1) < 0.05]
    assert len(behind) > 1_000
    found = diffusion.exact_denoiser(PAIR, SCHEDULE)(near[None].astype("float32"), np.float32([time]))[0]
    assert np.allclose(behind.mean(axis=0), found, atol=5 * behind.std() / len(behind) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("prediction", "weighting"), [("velocity", None), ("image", "velocity"), ("noise", None)])
def test_a_trained_network_approaches_the_exact_denoiser(prediction, weighting):
    model, data = small(prediction=prediction, weighting=weighting, ema=0.99), jnp.asarray(PAIR.sample(20_000, RNG))
    gans.train_scanned([model], lambda key: data[jax.random.randint(key, (128,), 0, len(data))], steps=600)
    times = RNG.uniform(0.1, 0.9, 2_000).astype("float32")
    signal, noise = (np.asarray(rate)[:, None] for rate in SCHEDULE.rates(times))
    noisy = (signal * PAIR.sample(2_000, RNG) + noise * RNG.standard_normal((2_000, 2))).astype("float32")
    exact = np.asarray(diffusion.exact_denoiser(PAIR, SCHEDULE)(noisy, times))
    error = np.sqrt(((np.asarray(model.denoise(noisy, times)) - exact) ** 2).mean())
    assert error < 0.15 * exact.std()


# --- The walk --------------------------------------------------------------------------------------------------------


def draw(mixture, schedule, steps, scatter, count=4_000):
    """Return what the exact denoiser draws."""
    denoise, start = diffusion.exact_denoiser(mixture, schedule), jax.random.normal(jax.random.key(0), (count, 2))
    return np.asarray(diffusion.walk(denoise, start, schedule, steps, jax.random.key(1), scatter))


@pytest.mark.slow
@pytest.mark.parametrize("scatter", [0.0, 1.0])
@pytest.mark.parametrize("mixture", [datasets.ring(), datasets.grid()], ids=["ring", "grid"])
def test_the_exact_denoiser_draws_the_mixture(mixture, scatter):
    mixture = mixture.standardised()
    found = metrics.mode_coverage(draw(mixture, STEEP, 150, scatter), mixture)
    assert found["modes"] == len(mixture.centers)
    assert found["high_quality"] > 0.97
    assert found["reverse_kl"] < 0.02
    assert 0.85 < found["spread"] < 1.02


def test_one_step_without_scatter_is_what_the_denoiser_says_of_noise():
    start = jax.random.normal(jax.random.key(0), (100, 2))
    exact = diffusion.exact_denoiser(PAIR, SCHEDULE)
    found = diffusion.walk(exact, start, SCHEDULE, 1, jax.random.key(1))
    assert np.allclose(found, exact(start, jnp.ones(100)), atol=1e-6)
    assert np.abs(np.asarray(found) - PAIR.centers.mean(axis=0)).max() < 0.1  # the mean of all data


@pytest.mark.parametrize("scatter", [0.0, 1.0])
def test_a_walk_in_a_compiled_function_ends_at_the_same_points(scatter):
    def go(start):
        return diffusion.walk(EXACT, start, SCHEDULE, 7, KEY, scatter)

    start = jax.random.normal(jax.random.key(1), (50, 2))
    assert np.allclose(go(start), jax.jit(go)(start), atol=1e-5)


def test_a_step_keeps_the_distribution_of_noisy_samples():
    data = 0.8 * RNG.standard_normal((400_000, 1)).astype("float32")
    rates, next_rates = (tuple(map(float, SCHEDULE.rates(time))) for time in (0.6, 0.5))
    noisy = rates[0] * data + rates[1] * RNG.standard_normal(data.shape)
    fresh = RNG.standard_normal(data.shape)
    # Ancestral sampling draws from p(next | noisy, data): with the true data in place of a guess it is exact.
    found = np.asarray(diffusion.step(noisy, data, rates, next_rates, scatter=1.0, fresh=fresh))
    assert found.var() == pytest.approx(next_rates[0] ** 2 * 0.64 + next_rates[1] ** 2, rel=0.01)
    assert np.mean(found * data) == pytest.approx(next_rates[0] * 0.64, abs=0.01)
    slope = rates[0] / next_rates[0]
    left = noisy - slope * found  # what the noise grows by on the way back is independent of where it starts
    assert np.mean(left * found) == pytest.approx(0, abs=0.01)
    assert left.var() == pytest.approx(rates[1] ** 2 - (slope * next_rates[1]) ** 2, rel=0.01)


def test_bounds_hold_for_what_is_drawn():
    drawn = small(bounds=(-0.5, 0.25)).sample(200, seed=0, steps=3)
    assert drawn.min() >= -0.5 - 1e-6
    assert drawn.max() <= 0.25 + 1e-6


# --- The model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scatter", [0.0, 1.0])
def test_the_seed_decides_what_is_drawn(scatter):
    model = small()
    first = model.sample(1_200, seed=3, steps=4, scatter=scatter)
    assert first.shape == (1_200, 2)
    assert np.array_equal(first, model.sample(1_200, seed=3, steps=4, scatter=scatter))
    assert not np.allclose(first, model.sample(1_200, seed=4, steps=4, scatter=scatter))
    assert len(np.unique(first, axis=0)) == 1_200


def test_the_average_follows_the_weights():
    model, data = small(ema=0.2), PAIR.sample(64, RNG)
    for keep in (2 / 11, 0.2):  # in the first step it is (1 + 1) / (10 + 1), then the 0.2 asked for
        before = model.average.get_weights()
        model.fit(data, batch_size=64, verbose=0)
        for old, average, new in zip(before, model.average.get_weights(), model.network.get_weights(), strict=True):
            assert np.allclose(average, keep * old + (1 - keep) * new, atol=1e-6)


@pytest.mark.slow
def test_a_saved_and_an_interrupted_run_go_on_as_an_uninterrupted_one(tmp_path):
    data = PAIR.sample(256, RNG)

    def fit(model, first, last, callbacks=()):
        """Train from one epoch to another."""
        batches = datasets.ShuffledBatches(data, 64)
        callbacks = [batches.follow_epochs(), *callbacks]
        model.fit(batches, initial_epoch=first, epochs=last, shuffle=False, verbose=0, callbacks=callbacks)
        return model

    whole = fit(small(), 0, 2).sample(20, seed=0, steps=3)
    half = fit(small(), 0, 1)
    half.save(tmp_path / "half.keras")
    loaded = keras.saving.load_model(tmp_path / "half.keras")
    assert np.array_equal(loaded.sample(20, seed=0, steps=3), half.sample(20, seed=0, steps=3))
    assert np.array_equal(fit(loaded, 1, 2).sample(20, seed=0, steps=3), whole)
    fit(small(), 0, 1, [keras.callbacks.BackupAndRestore(tmp_path / "run", delete_checkpoint=False)])
    resumed = fit(small(), 0, 2, [keras.callbacks.BackupAndRestore(tmp_path / "run", delete_checkpoint=False)])
    assert np.array_equal(resumed.sample(20, seed=0, steps=3), whole)


def test_settings_survive_a_file(tmp_path):
    model = small(prediction="image", weighting="velocity", schedule=STEEP, bounds=(-1, 1), ema=0.9, seed=5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name in ("prediction", "weighting", "schedule", "bounds", "ema", "seed"):
        assert getattr(loaded, name) == getattr(model, name)


def unfit(outputs=2, inputs=2, statistics=False):
    """Return a network that does not serve."""
    noisy, times = keras.Input((inputs,)), keras.Input(())
    x = keras.layers.BatchNormalization()(noisy) if statistics else noisy
    return keras.Model([noisy, times], keras.layers.Dense(outputs)(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(prediction="score"), "prediction: got 'score', expected one of 'image', 'noise', 'velocity'"),
        (lambda: small(weighting="score"), "weighting: got 'score', expected one of"),
        (lambda: diffusion.target("score", 0, 0, 1, 0), "kind: got 'score', expected one of"),
        (lambda: small(ema=1.0), "ema: got 1.0, expected a finite number >= 0 and < 1"),
        (lambda: small(bounds=(1, 0)), r"bounds: got \(1.0, 0.0\), expected the smallest and"),
        (
            lambda: diffusion.Diffusion(diffusion.denoising_network(2), seed=-1),
            "seed: got -1, expected an integer >= 0",
        ),
        (lambda: diffusion.Diffusion(unfit(outputs=3)), r"network: maps .* expected \[\(None, d\), \(None,\)\] to"),
        (lambda: diffusion.Diffusion(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])), "network: maps"),
        (lambda: diffusion.Diffusion(unfit(statistics=True)), "network: got layers that keep statistics"),
        (lambda: diffusion.denoising_network(2, width=0), "width: got 0, expected an integer >= 1"),
        (lambda: diffusion.denoising_network(2, blocks=1.5), "blocks: got 1.5, expected an integer >= 1"),
        (lambda: untrained().sample(0, seed=0), "count: got 0, expected an integer >= 1"),
        (lambda: untrained().sample(1, seed=0, steps=0), "steps: got 0, expected an integer >= 1"),
        (lambda: untrained().sample(1, seed=0, scatter=2), "scatter: got 2, expected a finite number >= 0"),
        (lambda: untrained().sample(1, seed=2**32), "seed: got 4294967296, expected an integer from 0 to 4294967295"),
        (lambda: small(bounds=1), "bounds: got 1, expected a sequence of numbers"),
        (lambda: small(schedule=(1.0, 0.01)), r"schedule: got \(1.0, 0.01\), expected a Schedule"),
        (lambda: diffusion.Diffusion(None), "network: got None, expected a keras.Model"),
        (lambda: diffusion.Diffusion(keras.Sequential()), "network: maps None to None, expected"),
        (lambda: diffusion.Schedule(power=0), "power: got 0, expected a finite number > 0"),
        (lambda: diffusion.Schedule(least_signal=1), "least_signal: got 1, expected a finite number >= 0 and < 1"),
        (lambda: SCHEDULE.rates("now"), "times: got dtype <U3, expected numbers"),
        (lambda: diffusion.denoising_network(2, frequencies=1), "frequencies: got 1, expected a sequence of numbers"),
        (lambda: untrained().denoise(np.zeros((5, 3)), TIMES), r"noisy: got shape \(5, 3\), expected \(n, 2\)"),
        (lambda: untrained().denoise(np.zeros((5, 2)), 0.5), r"times: got shape \(\), expected \(5,\)"),
        (lambda: diffusion.exact_denoiser([1], SCHEDULE), r"mixture: got \[1\], expected a Mixture"),
        (lambda: diffusion.exact_denoiser(PAIR, 2.0), "schedule: got 2.0, expected a Schedule"),
        (
            lambda: EXACT(ROWS, TIMES[:1]),
            r"times: got shape \(1,\), expected \(5,\)",
        ),
    ],
)
def test_bad_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffusion.target("noise", ROWS, ROWS[:1], 1.0, 0.0), r"noise: got shape \(1, 2\), expected \(5, 2\)"),
        (
            lambda: diffusion.target("noise", ROWS, ROWS, TIMES, 0.0),
            r"signal_rate: got shape \(5,\), expected a number",
        ),
        (
            lambda: diffusion.target("noise", ROWS, ROWS, 1.0, ROWS[:2]),
            r"noise_rate: got shape \(2, 2\), expected a numb",
        ),
        (lambda: diffusion.clean_image("score", ROWS, ROWS, 1.0, 0.0), "kind: got 'score', expected one of"),
        (lambda: diffusion.clean_image("noise", ROWS[:1], ROWS, 1.0, 0.0), r"output: got shape \(1, 2\), expected"),
        (lambda: diffusion.loss_weight("score", "noise", 1.0, 0.0), "prediction: got 'score', expected one of"),
        (lambda: diffusion.loss_weight("noise", None, 1.0, 0.0), "weighting: got None, expected one of"),
        (lambda: diffusion.loss_weight("noise", "noise", 1.0, TIMES), r"noise_rate: got shape \(5,\), expected \(\)"),
        (lambda: diffusion.step(ROWS, ROWS[0], NOW, THEN), r"clean: got shape \(2,\), expected \(5, 2\)"),
        (
            lambda: diffusion.step(ROWS, ROWS, 0.5, THEN),
            "rates: got float, expected the pair that Schedule.rates returns",
        ),
        (lambda: diffusion.step(ROWS, ROWS, NOW, (TIMES, 0.1)), r"next_rates: got shape \(5,\), expected a number"),
        (lambda: diffusion.step(ROWS, ROWS, NOW, THEN, 1.5, ROWS), "scatter: got 1.5, expected a finite number >= 0"),
        (lambda: diffusion.step(ROWS, ROWS, NOW, THEN, 1.0), r"fresh: got shape \(\), expected \(5, 2\)"),
        (lambda: diffusion.walk(None, ROWS, SCHEDULE, 2, KEY), "denoise: got None, expected a function"),
        (lambda: diffusion.walk(EXACT, ROWS[0], SCHEDULE, 2, KEY), r"noise: got shape \(2,\), expected \(n, n\)"),
        (lambda: diffusion.walk(EXACT, ROWS, None, 2, KEY), "schedule: got None, expected a Schedule"),
        (lambda: diffusion.walk(EXACT, ROWS, SCHEDULE, 2, 0), r"key: got int, expected .*jax\.random\.key\(seed\)"),
        (
            lambda: diffusion.walk(EXACT, ROWS, SCHEDULE, 2, KEY, "DDPM"),
            "scatter: got 'DDPM', expected a finite number",
        ),
        (
            lambda: diffusion.walk(lambda x, t: t, ROWS, SCHEDULE, 2, KEY),
            r"denoise: got shape \(5,\), expected \(5, 2\)",
        ),
    ],
)
def test_bad_steps_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
