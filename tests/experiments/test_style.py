"""The stored style-based generators give the reported numbers again."""

import keras
import numpy as np
import pytest

from experiments import gan_recipes, style_gan, style_settings
from experiments.harness import record
from helpers import metrics


@pytest.mark.parametrize("seed", style_gan.STORED_SEEDS)
def test_the_reported_distance_and_mixing(seed, real_features):
    (reported,) = [run for run in record.read("style_gan")["runs"] if run["seed"] == seed]
    digits = style_gan.load(seed)
    assert np.isclose(metrics.frechet_distance(digits.seen(), real_features), reported["fdd"], rtol=1e-3)
    for measured, stored in zip(style_gan.mixing(digits), reported["mixing"], strict=True):
        assert abs(measured["kept"] - stored["kept"]) <= 2e-3
        assert np.isclose(measured["thickness"], stored["thickness"], atol=1e-3)


def test_the_reported_path_lengths():
    reported = record.read("style_gan")
    measured = style_gan.path_lengths(style_gan.load(0))
    for space, value in measured.items():
        assert np.isclose(value, reported["runs"][0]["path_length"][space], rtol=1e-2)
    dense = style_gan.dense_path_length(gan_recipes.load("improved", 0))
    assert np.isclose(dense, reported["without_mapping"][0], rtol=1e-2)


def test_the_settings_are_the_reported_ones():
    reported = record.read("style_gan")
    assert reported["recipe"] == style_gan.RECIPE
    assert reported["networks"] == style_gan.NETWORKS
    assert [run["seed"] for run in reported["runs"]] == list(style_gan.SEEDS)
    assert all(len(run["validation_curve"]) == style_gan.RECIPE["epochs"] for run in reported["runs"])


def test_a_trait_goes_all_the_way_or_none():
    start, end = np.array([0.0, 1.0, 2.0]), np.array([3.0, 0.0, 2.5])
    assert style_gan.way(start, start, end) == 0
    assert style_gan.way(start, end, end) == 1
    assert np.isclose(style_gan.way(start, (start + end) / 2, end), 0.5)


def test_the_arc_has_the_ends_lengths():
    start, end = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])
    arc = style_gan.on_arc(start, end)
    assert np.allclose(arc(np.array([[0.0]])), start)
    assert np.allclose(arc(np.array([[1.0]])), end)


def test_the_settings_tried_are_those_of_the_experiment():
    result = record.read("style_settings")
    assert result["tried"] == {name: list(values) for name, values in style_settings.TRIED.items()}
    assert result["seeds"] == list(style_settings.SEEDS)
    assert not set(result["seeds"]) & set(style_gan.SEEDS)
    kept, ends = tuple(style_settings.KEPT.values()), style_settings.ends(result["runs"])
    assert kept in ends
    for setting in ends:
        seeds = [run["seed"] for run in result["runs"] if setting == tuple(run[name] for name in style_settings.KEPT)]
        assert sorted(seeds) == result["seeds"]


def test_the_better_value_is_taken_part_by_part():
    tried = []

    def end(**setting):
        tried.append(setting)
        return abs(setting["rate"] - 4e-3) + abs(setting["style_dim"] - 10)

    best = style_settings.choose(end)
    assert (best["rate"], best["style_dim"]) == (4e-3, 10)
    assert len(tried) == sum(map(len, style_settings.TRIED.values()))


def test_a_part_of_the_variables_moves_slower():
    variables = [keras.Variable(np.ones(3, "float32")) for _ in range(2)]
    adam = style_settings.SlowerInPart(0.1, variables[:1], 0.01)
    adam.build(variables)
    adam.apply([np.ones(3, "float32")] * 2, variables)
    slow, fast = (1 - variable.numpy() for variable in variables)
    assert np.allclose(slow / fast, 0.01, rtol=1e-3)
