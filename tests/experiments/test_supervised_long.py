"""The longer runs of the supervised autoencoder: what is trained on what, and that the stored choices follow."""

import dataclasses
import json

import numpy as np
import pytest

from experiments import supervised_long as long
from experiments.harness import record


@pytest.fixture(scope="module")
def reported():
    return record.read(long.NAME)


@pytest.fixture(scope="module")
def copies():
    """Small networks, three at a time."""
    return long.Copies("few", long.REHEARSAL, 3)


def few(way, strength, seed=3):
    """Return one short run at 100 labels without weight decay."""
    return long.run("few tune", "few", 100, way, strength, seed, 1, factors=(0, 1))


@pytest.fixture(scope="module")
def trained(copies):
    """A classifier and both supervised autoencoders, and whether a network of theirs has moved."""
    copies.fit_runs([few(way, 0.5) for way in long.WAYS])
    start, _ = long.first_state("few", long.REHEARSAL, 3)
    start = dict(zip(map(id, copies.model.trainable_variables), start, strict=True))

    def moved(network):
        weights = [copies.copy_weights(network, index) for index in range(3)]
        first = [start[id(variable)] for variable in network.weights]
        return [not all(map(np.array_equal, first, own)) for own in weights]

    return copies.model, moved, copies.copy_weights(copies.model.encoder, 2)


def test_each_way_trains_its_own_networks(trained):
    model, moved, _ = trained
    assert moved(model.encoder) == [True] * 3
    assert moved(model.decoder) == [False, True, True]
    assert moved(model.classifier) == [True] * 3


def test_a_copy_does_not_depend_on_its_neighbours(copies, trained):
    copies.fit_runs([few("classifier", 0.0, 1), few("unlabelled", 0.5), few("classifier", 0.5, 2)])
    for array, again in zip(trained[2], copies.copy_weights(copies.model.encoder, 1), strict=True):
        np.testing.assert_allclose(array, again, atol=1e-6)


def test_the_plain_form_is_one_code_for_both_heads():
    model = long.build("plain", long.REHEARSAL, 0)
    images = np.random.default_rng(0).random((5, 784), dtype="float32")
    outputs, code = model(images, training=True), model.encoder(images)
    np.testing.assert_array_equal(outputs["logits"], model.classifier(code))
    np.testing.assert_array_equal(outputs["reconstruction"], model.decoder(code))


def test_a_budget_counts_every_label():
    run = long.run("few select", "few", 100, "classifier", 0.5, 0, 1)
    training, held_out = long.training_rows(run), long.held_out_rows(run)
    assert len(training) == 80
    assert set(training) | set(held_out) == set(long.chosen_rows(100, 0))
    assert not set(training) & set(held_out)
    tuned = run | {"stage": "few tune"}
    assert set(long.training_rows(tuned)) == set(long.chosen_rows(100, 0))
    assert not set(long.held_out_rows(tuned)) & set(range(long.TRAINING))


def test_all_labels_are_split_differently_by_every_seed():
    runs = [long.run("all", "all", long.ALL, "classifier", 0.0, seed, 1) for seed in (0, 1)]
    parts = [(set(long.training_rows(run)), set(long.held_out_rows(run))) for run in runs]
    assert all(training | held_out == set(range(60_000)) for training, held_out in parts)
    assert [len(held_out) for _, held_out in parts] == [12_000, 12_000]
    assert parts[0] != parts[1]


def test_the_plan_is_the_reported_one(reported):
    plan = dataclasses.asdict(long.Plan())
    assert reported["plan"] == json.loads(json.dumps(plan))
    assert not set(plan["seeds"]) & set(plan["development"])


def test_every_run_was_made(reported):
    plan = long.Plan()
    lengths, seeds = len(plan.all_lengths), len(plan.all_seeds)
    for way, strengths in (("classifier", plan.masks), ("labelled", plan.weights)):
        assert np.shape(reported["all"][way]["test_accuracy"]) == (lengths, len(strengths), seeds)
    for labels, seeds in (("100", len(plan.seeds)), ("1000", len(plan.all_seeds))):
        for found in reported["few"][labels].values():
            assert np.shape(found["test_accuracy"]) == (1, len(found["strengths"]), seeds)
    for way in ("labelled", "unlabelled"):
        found = reported["plain"][way]["test_accuracy"]
        assert np.shape(found) == (1, len(plan.plain_weights), len(plan.plain_seeds))


def test_the_tuned_pair_is_the_best_on_validation_digits(reported):
    for labels in ("100", "1000"):
        for way, found in reported["few"][labels].items():
            tried = [row for row in reported["few"]["tuning"] if row[:2] == [int(labels), way]]
            *_, strength, decay, rate, _ = max(tried, key=lambda row: row[-1])
            assert (decay, rate) == (found["weight_decay"], found["rate"])
            assert labels == "100" or [strength] == found["strengths"]


def test_the_plain_weight_is_chosen_on_validation_digits_by_other_seeds(reported):
    for way in ("labelled", "unlabelled"):
        found = reported["plain"][way]
        best = np.mean(found["development"], axis=1).argmax()
        assert found["strengths"][best] == found["chosen"]
