"""The stacked GANs of the plane: a copy takes the steps that a GAN compiled on its own takes."""

import jax
import keras
import numpy as np
import pytest

from experiments import fair_mixtures
from helpers import gans, training

ON_ITS_OWN = {
    "non-saturating": dict(loss="non_saturating"),
    "WGAN-GP, factor 0.1": dict(loss="wasserstein", gradient_penalty=0.1),
    "RpGAN + R1 + R2": dict(loss="relativistic", r1=0.1, r2=0.1),
}
STRENGTH = {"non-saturating": 0.0, "WGAN-GP, factor 0.1": 0.1, "RpGAN + R1 + R2": 0.1}


def trained(program, name, steps):
    """Return the generator's weights of a copy after some steps, and the real batches that it got."""
    games = fair_mixtures.Games(program)
    copy = fair_mixtures.Copy(name, "ring", 100, True, STRENGTH[name], 1e-3)
    games.train([copy], steps)
    return games.copy_weights(games.model.generator, 0)


def on_its_own(program, name, steps):
    """Return the same of a `gans.GAN` whose rate falls by a schedule of Keras, step by step."""
    keras.utils.set_random_seed(100)
    gan = gans.GAN(*gans.point_networks(), seed=100)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    adams = [keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    gan.compile(*adams, **ON_ITS_OWN[name])
    state, data = training.Values.of(gan).state(), fair_mixtures.training_points()[0]
    for number in range(steps):
        key = jax.random.fold_in(jax.random.key(100), number)
        rows = jax.random.randint(key, (128,), 0, len(data))
        _, state = gan.train_step(state, data[np.asarray(rows)])
    training.Values(gan, state).assign()
    return gan.generator.get_weights()


@pytest.mark.parametrize("name", ON_ITS_OWN)
def test_a_copy_takes_the_steps_of_a_gan_on_its_own(name, monkeypatch):
    monkeypatch.setattr(fair_mixtures, "STRETCH", 3)
    kinds = next(program.kinds for program in fair_mixtures.PROGRAMS.values() if name in program.kinds)
    program = fair_mixtures.Program(kinds, seeds=(), tuning_seeds=(100,))
    for found, expected in zip(trained(program, name, 3), on_its_own(program, name, 3), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_rivals_get_as_many_tries():
    tries = {name: len(set(kind.tries)) for name, kind in fair_mixtures.KINDS.items()}
    assert tries["non-saturating"] == tries["R1"] == 3
    assert tries["RpGAN + R1 + R2"] == tries["fading penalty"] == 5
    for program in fair_mixtures.PROGRAMS.values():
        assert set(program.tuning_seeds).isdisjoint(program.seeds)


def test_the_score_rewards_neither_shrunken_nor_lost_modes():
    whole = {"modes": 25, "high_quality": 0.989, "spread": fair_mixtures.SPREAD}
    assert fair_mixtures.score(whole, "grid") == pytest.approx(0.989)
    for change in ({"modes": 20}, {"spread": 0.5 * fair_mixtures.SPREAD}, {"spread": 2 * fair_mixtures.SPREAD}):
        assert fair_mixtures.score({**whole, **change}, "grid") < 0.9 * fair_mixtures.score(whole, "grid")
    assert fair_mixtures.score({"modes": 0, "high_quality": 0.0, "spread": None}, "grid") == 0


def test_a_copy_that_is_no_longer_finite_covers_nothing():
    assert fair_mixtures.coverage(np.full((5, 2), np.nan), "ring")["modes"] == 0
