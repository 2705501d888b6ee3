"""The networks behind the drawn digit and the code size: what is stored gives the reported numbers again."""

import numpy as np
import pytest

from experiments import sketch as experiment
from experiments.harness import record
from helpers.widgets import stored

SIZES = (1, 8, 64)


@pytest.mark.parametrize("name", stored.NETWORKS)
def test_the_reported_numbers_of_the_sketch_networks(name, mnist):
    reported = record.read("sketch")["runs"][name]
    measured = experiment.measure(name, stored.load_network(name), mnist.test_images, mnist.test_labels, SIZES)
    if name == "classes":
        assert abs(measured["error_percent"] - reported["error_percent"]) <= 0.02  # two digits, for another CPU
    else:
        errors = reported["sse"] if name == "codes" else [reported["sse"][size - 1] for size in SIZES]
        np.testing.assert_allclose(measured["sse"], errors, rtol=1e-3)


def test_the_sketch_networks_recipes_are_the_reported_ones():
    reported = record.read("sketch")
    assert reported["recipes"] == experiment.RECIPES
    assert (reported["batch_size"], reported["seed"]) == (experiment.BATCH_SIZE, experiment.SEED)


@pytest.mark.parametrize("name", ["ordered", "components"])
def test_longer_codes_have_smaller_errors(name):
    errors = record.read("sketch")["runs"][name]["sse"]
    assert len(errors) == stored.CODE
    assert errors[0] > errors[7] > errors[31] > errors[63]


def test_components_are_those_of_the_singular_values():
    rows = np.random.default_rng(0).normal(size=(50, 6)).astype("float32") * np.arange(1, 7, dtype="float32")
    components, mean = stored.principal_components(rows, 4)
    _, _, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.abs((components * vectors[:4]).sum(axis=1)), 1, atol=1e-5)


def test_stored_components_are_nearly_orthonormal():
    components, _ = stored.load_network("components").get_weights()
    np.testing.assert_allclose(components @ components.T, np.eye(stored.CODE), atol=5e-3)


def test_cut_batches_keep_the_first_numbers_of_codes(mnist):
    batches = experiment.CutPairs(mnist.validation_images, 200)
    (rows, masks), targets = batches[0]
    assert rows is targets
    assert rows.shape == (200, 784)
    kept = masks.sum(axis=1).astype(int)
    assert (kept.min(), kept.max()) == (1, 64)
    np.testing.assert_array_equal(masks, experiment.first_of_code(kept[:, None]))
    np.testing.assert_array_equal(masks, batches[0][0][1])  # of seed, epoch and index alone


def test_an_unknown_number_of_components_is_an_error():
    with pytest.raises(ValueError, match="count: got 7, expected an integer from 1 to 6"):
        stored.principal_components(np.zeros((9, 6), "float32"), 7)
