"""The three forms of conditional GANs: the result is of the settings in the experiment, and of nothing else."""

import pytest

from experiments import conditional_forms as forms
from experiments.harness import record


@pytest.fixture(scope="module")
def result():
    return record.read(forms.NAME)


def test_the_settings_are_the_reported_ones(result):
    assert result["recipe"] == forms.RECIPE
    assert result["networks"] == forms.NETWORKS
    assert result["rates"] == list(forms.RATES)
    assert result["samples"] == forms.SAMPLES
    assert {form: tuple(ways) for form, ways in result["forms"].items()} == forms.FORMS
    assert result["weights"] == {form: forms.weights_of(form) for form in forms.FORMS}


def test_each_form_got_the_same_effort(result):
    tried = [(run["form"], run["rate"]) for run in result["tries"]]
    assert sorted(tried) == sorted((form, rate) for form in forms.FORMS for rate in forms.RATES)
    assert all(len(run["validation"]["fdd"]) == forms.RECIPE["tuning_epochs"] for run in result["tries"])
    trained = [(run["form"], run["seed"]) for run in result["runs"]]
    assert sorted(trained) == sorted((form, seed) for form in forms.FORMS for seed in forms.SEEDS)
    assert all(len(run["validation"]["fdd"]) == forms.RECIPE["epochs"] for run in result["runs"])
    assert forms.TUNING_SEED not in forms.SEEDS


def test_the_rates_are_those_that_tuning_found_best(result):
    chosen = forms.choose(result["tries"])
    assert all(run["rate"] == chosen[run["form"]] for run in result["runs"])


def test_from_form_to_form_one_network_changes():
    first, second, third = forms.FORMS.values()
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, False]
    assert [one == other for one, other in zip(second, third, strict=True)] == [False, True]
