"""Networks for points in the plane: random bits, Fourier features, packs; many seeds in one compiled loop."""

import jax
import keras
import numpy as np
import pytest

from helpers import datasets, gans, layers, training

RNG = np.random.default_rng(0)


def test_bits_are_fair_and_the_rest_passes():
    latents = RNG.normal(size=(4000, 5)).astype("float32")
    out = np.asarray(layers.RandomBits(2)(latents))
    assert set(np.unique(out[:, :2])) == {-1, 1}
    assert np.array_equal(out[:, 2:], latents[:, 2:])
    assert abs(out[:, :2].mean()) < 0.05


def test_fourier_features_by_hand():
    x = RNG.normal(size=(6, 2)).astype("float32")
    expected = np.concatenate(
        [x, np.sin(np.pi * x), np.cos(np.pi * x), np.sin(2 * np.pi * x), np.cos(2 * np.pi * x)], 1
    )
    np.testing.assert_allclose(layers.FourierFeatures((1, 2))(x), expected, atol=1e-5)


def test_a_pack_holds_neighbours_of_the_batch():
    x = np.arange(12.0).reshape(6, 2).astype("float32")
    assert np.array_equal(layers.Pack(3)(x), x.reshape(2, 6))


def build(seed=0, ema=0.9, **kinds):
    keras.utils.set_random_seed(seed)
    gan = gans.GAN(*gans.point_networks(units=(8, 8), **kinds), seed=seed)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 20, 0.5)
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), loss="relativistic", r1=schedule, ema=ema)
    return gan


DATA = datasets.ring().sample(512, RNG)


def draw(key):
    return jax.numpy.asarray(DATA)[jax.random.randint(key, (12,), 0, len(DATA))]


def weights_of(gan):
    return [np.asarray(v.value) for v in (*gan.variables, *gan.optimizer.variables)]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [{}, {"bits": 3, "frequencies": (1,)}, {"pack": 3}, {"spectral": True}, {"group": 3}])
def test_every_kind_of_network_trains(kinds):
    gan = build(**kinds)
    before = weights_of(gan)
    (log,) = gans.train_scanned([gan], draw, 10)
    assert np.isfinite(log["d_loss"]).all()
    assert sum(not np.array_equal(a, b) for a, b in zip(before, weights_of(gan), strict=True)) > 10


@pytest.mark.slow
def test_seeds_trained_together_equal_the_same_seeds_one_by_one():
    together = [build(seed) for seed in (3, 4)]
    logs = gans.train_scanned(together, draw, 12, points=3)
    for seed, gan, log in zip((3, 4), together, logs, strict=True):
        alone = build(seed)
        (alone_log,) = gans.train_scanned([alone], draw, 12, points=3)
        assert all(np.array_equal(a, b) for a, b in zip(weights_of(gan), weights_of(alone), strict=True))
        assert all(np.array_equal(log[name], alone_log[name]) for name in log)


def test_a_scanned_step_is_a_training_step():
    scanned, by_hand = build(), build()
    (log,) = gans.train_scanned([scanned], draw, 1)
    key = jax.random.split(jax.random.key(0), (1, 1))[0, 0]
    values = training.Values.of(by_hand)
    logs, state = jax.jit(by_hand.train_step)(values.state(), draw(key))
    training.Values(by_hand, state).assign()
    assert np.isclose(log["d_loss"][0], logs["d_loss"], rtol=1e-6)
    for a, b in zip(weights_of(scanned), weights_of(by_hand), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_watch_sees_the_weights_of_its_step():
    seen = []
    gan = build()
    gans.train_scanned([gan], draw, 6, points=2, watch=lambda model, step: seen.append((step, model.sample(4, seed=1))))
    assert [step for step, _ in seen] == [3, 6]
    assert not np.array_equal(seen[0][1], seen[1][1])
    assert np.array_equal(seen[1][1], gan.sample(4, seed=1))


def test_the_weight_of_a_penalty_follows_its_schedule():
    gan = build()
    values = training.Values.of(gan)
    for step in (0, 20, 40):
        values[gan.discriminator_optimizer.iterations] = step
        assert np.isclose(gan._gamma(values, "r1"), 0.1 * 0.5 ** (step / 20))


@pytest.mark.slow
def test_networks_and_schedule_survive_a_file(tmp_path):
    gan = build(bits=2, frequencies=(1, 2), pack=2, spectral=True)
    gans.train_scanned([gan], draw, 4)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(gan.sample(5, seed=3), loaded.sample(5, seed=3))
    for model in (gan, loaded):
        gans.train_scanned([model], draw, 4)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(gan), weights_of(loaded), strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.RandomBits(3)(np.zeros((4, 2))), "latents: got 2 numbers a row, expected at least the 3 bits"),
        (lambda: layers.RandomBits(1)(np.zeros(4)), r"latents: got shape \(4,\), expected \(n, n\)"),
        (lambda: layers.FourierFeatures(2), "frequencies: got 2, expected a sequence of numbers"),
        (lambda: layers.FourierFeatures(["1"]), "frequencies: got '1', expected a finite number"),
        (lambda: layers.FourierFeatures((1,))(np.zeros(4)), r"points: got shape \(4,\), expected \(n, n\)"),
        (lambda: layers.Pack(3)(np.zeros((4, 2))), "points: got 4 rows, expected a multiple of the 3 in a pack"),
        (lambda: gans.point_networks(normals=0), "normals: got 0, expected an integer >= 1"),
        (lambda: gans.point_networks(bits=1.5), "bits: got 1.5, expected an integer >= 0"),
        (lambda: gans.point_networks(units=8), "units: got 8, expected a sequence of numbers"),
        (lambda: gans.point_networks(pack=0), "pack: got 0, expected an integer >= 1"),
        (lambda: gans.point_networks(group=0), "group: got 0, expected an integer >= 1"),
        (lambda: gans.point_networks(spectral="no"), "spectral: got 'no', expected one of False, True"),
        (lambda: gans.point_networks(dimension=None), "dimension: got None, expected an integer >= 1"),
    ],
)
def test_bad_networks_and_inputs_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_frequencies_may_be_an_array():
    _, discriminator = gans.point_networks(units=(4,), frequencies=np.array([1.0, 2.0]))
    assert discriminator.layers[0].frequencies == (1, 2)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="steps: got 10, expected a multiple of points, 3"):
        gans.train_scanned([build()], draw, 10, points=3)
    with pytest.raises(ValueError, match="bits: got -1, expected an integer >= 0"):
        layers.RandomBits(-1)
    with pytest.raises(ValueError, match="r1: got -1, expected a finite number >= 0"):
        build().compile(keras.optimizers.Adam(), keras.optimizers.Adam(), r1=-1)


def test_a_run_that_turns_nan_names_its_seed():
    gan = build(seed=7)
    gan.discriminator_optimizer.learning_rate = np.inf
    with pytest.raises(RuntimeError, match=r"seed 7 has NaN or infinity by step 2"):
        gans.train_scanned([gan], draw, 2)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([], "models: got 0 entries, expected at least 1"),
        ([dict(loss="hinge")], "models: model 1 has another compile than model 0"),
        ([dict(ema=0.0)], "models: model 1 has another compile than model 0"),
        ([dict(generator_units=(8, 9))], "models: model 1 has another shape of weights than model 0"),
    ],
)
def test_models_that_cannot_share_a_step_are_named(others, message):
    def one(seed, loss="relativistic", ema=0.9, generator_units=(8, 8)):
        parts = gans.dense_networks(2, generator_units, (8,), "relu", image_shape=(2,))
        gan = gans.GAN(*parts, seed=seed)
        gan.compile("adam", "adam", loss=loss, ema=ema)
        return gan

    models = [one(seed, **settings) for seed, settings in enumerate([{}, *others])] if others else []
    with pytest.raises(ValueError, match=message):
        gans.train_scanned(models, lambda key: jax.random.uniform(key, (4, 2)), 2)


def test_draws_that_no_generator_could_make_are_named():
    with pytest.raises(ValueError, match=r"images: got .* NaN"):
        gans.train_scanned([build()], lambda key: draw(key) * np.nan, 2)
