"""The experiment on kinds of autoencoders: its layers, its stored networks, and what its result must hold."""

import numpy as np
import pytest

from experiments import autoencoder_codes, variants
from experiments.harness import record
from helpers import metrics, storage

RESULT = record.read(variants.NAME)
KINDS = [(kind, row) for kind, rows in RESULT["kinds"].items() for row in rows]
NAMES = [f"{kind} {row['setting']}" for kind, row in KINDS]
GROUP_OF = {kind: name for name, group in variants.GROUPS.items() for kind in group.kinds}


def trials_of(kind, setting):
    """Return the trials of a kind at one setting."""
    trials = RESULT["trials"][GROUP_OF[kind]]
    return [trial for trial in trials if (trial["kind"], trial["setting"]) == (kind, setting)]


def test_mask_keeps_the_first_numbers():
    assert np.asarray(variants.Mask(2)(np.ones((1, 4), "float32"))).tolist() == [[1, 1, 0, 0]]


def test_the_penalty_reaches_the_loss():
    networks = variants.sparse(0.5)
    images = np.random.default_rng(0).random((4, 784), dtype="float32")
    networks.model(images)
    codes = np.asarray(networks.encoder(images))
    assert np.isclose(float(sum(networks.model.losses)), 0.5 * codes.sum(axis=1).mean(), rtol=1e-4)


def test_a_bench_trains_other_lengths_and_copies_as_a_new_one_would():
    rows = np.random.default_rng(0).random((200, 784), dtype="float32")
    copies = [variants.Copy("one layer", None, rate, seed) for rate, seed in ((0.01, 0), (0.001, 1))]
    stacks = [[variants.compiled(variants.narrow, copy).model for copy in copies] for _ in range(3)]
    used = variants.Bench(stacks[0]).fit(rows, 1, lambda epoch: None)
    again = used.restart(stacks[1]).fit(rows, 2, lambda epoch: None)
    fresh = variants.Bench(stacks[2]).fit(rows, 2, lambda epoch: None)
    for ours, theirs in zip(again.states[0], fresh.states[0], strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", variants.SMALL)
def test_the_stored_networks_have_the_reported_errors(kind, mnist):
    networks = variants.load(kind)
    images = mnist.test_images.reshape(-1, 784)
    redrawn = variants.run(networks.decoder, variants.run(networks.encoder, images))
    reported = RESULT["kinds"][kind][0]["seeds"][0]
    assert np.isclose(metrics.squared_error(images, redrawn).mean(), reported["test_sse"], rtol=1e-3)


@pytest.mark.parametrize(("kind", "row"), KINDS, ids=NAMES)
def test_every_kind_has_five_seeds_and_curves_of_two_lengths(kind, row):
    assert len(row["seeds"]) == len(row["accuracies"]["1000"]) == 5
    half, full = sorted(map(int, row["curves"]))
    assert full == 2 * half
    for epochs, curves in row["curves"].items():
        assert np.shape(curves["clean"]) == (5, int(epochs))
        assert np.isfinite(curves["clean"]).all()


def test_every_kind_was_run():
    assert RESULT["kinds"].keys() == GROUP_OF.keys()
    assert RESULT["trials"].keys() == RESULT["groups"].keys() == variants.GROUPS.keys()


@pytest.mark.parametrize("kind", sorted(GROUP_OF))
def test_every_kind_was_tuned_with_the_same_effort(kind):
    group = variants.GROUPS[GROUP_OF[kind]]
    for setting in group.kinds[kind].settings:
        trials = trials_of(kind, setting)
        assert [trial["rate"] for trial in trials] == list(group.rates)
        assert {trial["seed"] for trial in trials} == {variants.TUNING_SEED}
        assert {len(trial["curve"]) for trial in trials} == {group.lengths[0]}


@pytest.mark.parametrize(("kind", "row"), KINDS, ids=NAMES)
def test_the_rate_and_the_length_are_the_best_on_validation_digits(kind, row):
    best = min(trials_of(kind, row["setting"]), key=lambda trial: trial["objective"])
    assert row["rate"] == best["rate"]
    assert tuple(map(int, row["objectives"])) == variants.GROUPS[GROUP_OF[kind]].lengths
    assert row["epochs"] == int(min(row["objectives"], key=row["objectives"].get))


@pytest.mark.parametrize("kind", RESULT["kinds"])
def test_the_settings_are_those_of_the_program_and_one_is_chosen(kind):
    rows, description = RESULT["kinds"][kind], variants.GROUPS[GROUP_OF[kind]].kinds[kind]
    (chosen,) = [row for row in rows if row["best"]]
    assert chosen["probe"]["1000"]["accuracy"] == max(row["probe"]["1000"]["accuracy"] for row in rows)
    settings = [row["setting"] for row in rows]
    assert set(settings) <= set(description.settings)
    assert settings == list(description.settings) or not description.all_settings


@pytest.mark.parametrize(("kind", "row"), KINDS, ids=NAMES)
def test_every_probe_has_a_tuned_strength(kind, row):
    assert {int(labels) for labels in row["probe"]} == set(variants.LABELS)
    assert all(tuned["C"] in variants.STRENGTHS for tuned in row["probe"].values())
    assert np.isfinite(list(row["accuracies"].values())).all()


def test_codes_that_were_not_trained_here_are_probed_alike():
    names = {"raw pixels", "PCA-32", "random, 32", "random, 800", *autoencoder_codes.RECIPES}
    assert RESULT["baselines"].keys() == names
    for found in RESULT["baselines"].values():
        assert all(found["probe"][labels]["C"] in variants.STRENGTHS for labels in found["accuracies"])
        assert np.shape(list(found["accuracies"].values())) == (len(variants.LABELS), len(variants.SEEDS))


def test_every_image_is_of_a_row_of_the_result():
    stored = storage.load_weights(record.weights_path(variants.NAME, "pictures"))
    assert len(stored) == len(RESULT["pictures"])
    of = {(image["kind"], image["setting"]) for image in RESULT["pictures"]}
    assert of == {(kind, row["setting"]) for kind, row in KINDS}
    sizes = {"first": 8, "parts": 9, "cleaned": 10}
    for about, images in zip(RESULT["pictures"], stored, strict=True):
        assert images.shape == (784, sizes[about["part"]])
        assert about["part"] != "cleaned" or (images.min() >= -0.01 and images.max() <= 1.01)


def test_top_k_has_the_asked_number_of_active_units():
    for row in RESULT["kinds"]["sparse, top-k"]:
        assert np.allclose([seed["active"] for seed in row["seeds"]], row["setting"], rtol=0.01)
