"""The experiment on tied and untied autoencoders: its layers, its stored networks, and what its result must hold."""

import numpy as np
import pytest

from experiments import record, variants
from helpers import datasets, metrics

RESULT = record.read(variants.NAME)
KINDS = [(kind, row) for kind, rows in RESULT["kinds"].items() for row in rows]
NAMES = [f"{kind} {row['setting']}" for kind, row in KINDS]


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


@pytest.mark.parametrize("kind", variants.STORED)
def test_the_stored_networks_have_the_reported_errors(kind):
    networks = variants.load(kind)
    images = datasets.load_mnist().test_images.reshape(-1, 784)
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


def test_every_kind_was_tuned_with_the_same_effort():
    for name, group in variants.GROUPS.items():
        for kind, description in group.kinds.items():
            tried = {(trial["setting"], trial["rate"]) for trial in RESULT["trials"][name] if trial["kind"] == kind}
            assert len(tried) == 5 * len(description.settings)
