"""Runs of half the length: how long they are, that they can be taken up again, and what was stored of them."""

import numpy as np
import pytest

from experiments import lengths
from experiments.harness import record


def test_numbers_keep_five_digits():
    assert lengths.rounded({"a": [1.23456789, 3], "b": "text"}) == {"a": [1.2346, 3], "b": "text"}


def test_what_is_in_the_log_is_not_made_again(tmp_path):
    made, log = [], record.Log(tmp_path / "log.jsonl", {"name": "lengths"})
    jobs = {name: lambda name=name: [{"made": made.append(name) or len(made)}] for name in "abc"}
    assert lengths.make("part", jobs, log, limit=2) == 0
    lengths.make("part", jobs, record.Log(tmp_path / "log.jsonl", {"name": "lengths"}))
    assert made == ["a", "b", "c"]


@pytest.mark.parametrize("model", ["autoencoder", "variational", "adversarial", "vae_gan", "gan"])
def test_each_run_of_connections_made_half_of_the_steps(model):
    whole, half = (
        {run["seed"]: run["steps"] for run in record.read(name)[part] if run["model"] == model}
        for name, part in (("connections", "runs"), ("lengths", "connections"))
    )
    assert whole.keys() == half.keys() == {0, 1, 2}
    assert np.allclose([half[seed] / whole[seed] for seed in whole], 0.5, atol=0.01)


def test_each_distribution_of_codes_is_there_with_three_seeds():
    runs = {(run["kind"], run["seed"]) for run in record.read("lengths")["code_distributions"]}
    assert runs == {(run["kind"], run["seed"]) for run in record.read("code_distributions")["runs"]}
