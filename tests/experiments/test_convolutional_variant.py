"""The experiment on the convolutional autoencoder: its layer of tiles, its stored network, what its result holds."""

import keras
import numpy as np
import pytest

from experiments import convolutional_variant, variants
from experiments.harness import record
from helpers import metrics

RESULT = record.read(convolutional_variant.NAME)


def test_the_tiled_network_computes_what_keras_computes():
    keras.utils.set_random_seed(0)
    tiled, plain = convolutional_variant.tiled(), convolutional_variant.convolutional()
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.3, weight.shape).astype("float32") for weight in plain.model.get_weights()]
    images = rng.random((5, 784), dtype="float32")
    for networks in (tiled, plain):
        networks.model.set_weights(weights)
    codes = [np.asarray(tiled.encoder(convolutional_variant.to_tiles(images))), np.asarray(plain.encoder(images))]
    assert np.allclose(*codes, rtol=1e-4, atol=1e-4)
    drawn = np.asarray(tiled.decoder(codes[1]))
    assert np.allclose(drawn, convolutional_variant.to_tiles(np.asarray(plain.decoder(codes[1]))), atol=1e-5)


def test_tiles_are_blocks_of_the_image():
    image = np.arange(784).reshape(1, 28, 28)
    tiles = convolutional_variant.to_tiles(image).reshape(7, 7, 4, 4)
    assert (tiles[2, 5] == image[0, 8:12, 20:24]).all()


def test_a_run_is_made_once_and_loaded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(convolutional_variant, "RUNS", tmp_path)
    digits, log = variants.Digits.load(300), convolutional_variant.open_log()
    trainer = convolutional_variant.Trainer("dense", digits)
    for _ in range(2):
        convolutional_variant.run_missing(trainer, log, 0.01, 0, 2)
    (run,) = convolutional_variant.open_log().runs
    networks = convolutional_variant.load_run("dense", 0.01, 0, 2)
    redrawn = variants.run(networks.model, digits.validation)
    assert metrics.squared_error(digits.validation, redrawn).mean() == pytest.approx(run["curve"][-1], rel=1e-4)


@pytest.mark.parametrize("kind", convolutional_variant.TRAINED)
def test_both_kinds_got_the_same_treatment(kind):
    row = RESULT["kinds"][kind]
    assert [trial["rate"] for trial in row["trials"]] == list(convolutional_variant.RATES)
    assert {len(trial["curve"]) for trial in row["trials"]} == {convolutional_variant.TRIAL}
    assert row["rate"] == min(row["trials"], key=lambda trial: trial["curve"][-1])["rate"]
    for epochs, curves in row["curves"].items():
        assert np.shape(curves) == (len(convolutional_variant.SEEDS), int(epochs))
    assert str(row["epochs"]) == min(row["objectives"], key=row["objectives"].get)
    assert len(row["seeds"]) == len(row["accuracies"]["1000"]) == len(convolutional_variant.SEEDS)


def test_the_result_has_two_lengths():
    assert RESULT["lengths"] == list(convolutional_variant.LENGTHS)


def test_the_stored_network_has_the_reported_error(mnist):
    networks, images = convolutional_variant.load(), mnist.test_images.reshape(-1, 784)
    error = metrics.squared_error(images, variants.run(networks.model, images)).mean()
    assert error == pytest.approx(RESULT["stored_test_sse"], rel=1e-3)
    first = RESULT["kinds"]["convolutional"]["seeds"][0]["test_sse"]
    assert RESULT["stored_test_sse"] == pytest.approx(first, rel=0.03)  # the weights are rounded to seven bits
