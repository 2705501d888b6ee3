"""The experiment on the losses of the GAN of letters: that its letters and its GAN are those of the chapter."""

import inspect

import numpy as np
import pytest

from experiments import letters
from experiments.harness import record
from tools.pages import ROOT

RESULT = record.read(letters.NAME)
CHAPTER = (ROOT / "book" / "practice" / "your_own_data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "function", [letters.face, letters.upright, letters.letter], ids=lambda function: function.__name__
)
def test_the_letters_are_those_of_the_chapter(function):
    assert inspect.getsource(function) in CHAPTER


def test_the_letters_have_three_parts_without_copies():
    train, validation, test = letters.load_parts(180)
    assert [len(part) for part in (train, validation, test)] == [108, 18, 54]
    assert train.shape[1:] == (28, 28, 1)
    assert not (train[:, None] == test[None]).all(axis=(2, 3, 4)).any()


@pytest.mark.parametrize("name", letters.ROWS)
def test_a_row_has_its_settings(name):
    row = letters.ROWS[name]
    gan = row.build(0)
    assert gan.settings["loss"] == row.loss
    assert gan.generator.count_params() == row.build(1).generator.count_params()


def test_the_two_losses_differ_in_nothing_else():
    one, other = (vars(letters.ROWS[name]) for name in ("relativistic", "non-saturating"))
    assert {key for key in one if one[key] != other[key]} == {"loss"}


def test_a_distance_of_drawn_rows_is_that_of_halves_for_real_ones():
    rows = np.random.default_rng(0).normal(size=(200, 3))
    assert letters.drawn_distance(rows, rows, 200) == pytest.approx(0, abs=1e-6)
    assert letters.floor_distance(rows, 100) > 0.001


@pytest.mark.parametrize("name", RESULT["rows"])
def test_a_row_of_the_result_has_three_seeds_and_curves(name):
    runs = RESULT["rows"][name]["runs"]
    assert [run["seed"] for run in runs] == list(letters.SEEDS)
    for run in runs:
        assert list(map(int, run["curve"])) == [*letters.LOOKS, letters.EPOCHS]
        assert run["test"].keys() == RESULT["floors"].keys() == run["curve"]["15"].keys()
