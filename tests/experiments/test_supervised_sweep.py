"""The sweep over the reconstruction weight: its parts, its aggregates, and one stored run measured again."""

import json

import numpy as np
import pytest

from experiments import supervised_sweep as sweep
from experiments.harness import record

SHORT = sweep.Form(widths=(16, 8), steps=3)


@pytest.fixture(scope="module")
def reported():
    return record.read(sweep.NAME)


@pytest.fixture(scope="module")
def digits():
    """300 rows of 784 grey levels and their labels, 30 of each class."""
    rng = np.random.default_rng(0)
    return rng.random((300, 784), dtype="float32"), rng.permutation(np.repeat(np.arange(10, dtype="int32"), 30))


def test_every_run_was_made(reported):
    keys = {(run["labels"], run["way"], run["strength"], run["seed"], run["part"]) for run in reported["runs"]}
    assert len(keys) == len(reported["runs"])
    for labels in sweep.LABELS:
        for way in sweep.ways(labels):
            for seed in sweep.SEEDS:
                tried = {key[2] for key in keys if (key[0], key[1], key[3], key[4]) == (labels, way, seed, "select")}
                assert tried == set(sweep.STRENGTHS[way])


def test_the_settings_are_the_reported_ones(reported):
    assert reported["settings"] == json.loads(json.dumps(sweep.settings()))
    assert reported["variant_settings"] == json.loads(json.dumps(sweep.variant_settings()))


def test_the_strength_is_chosen_on_the_held_out_labels_alone(reported):
    for run in reported["runs"]:
        if run["part"] == "full":
            assert run["strength"] == sweep.choose(reported["runs"], run["labels"], run["way"], run["seed"])
            assert "validation_cross_entropy" not in run


def test_the_aggregates(reported):
    again = json.loads(json.dumps(sweep.summary(reported["runs"])))
    assert again.keys() == reported["summary"].keys()
    for name, values in again.items():
        stored = reported["summary"][name]
        assert values.pop("chosen") == stored.pop("chosen")
        assert values == pytest.approx(stored)
    accuracies = {
        way: np.array([r["test_accuracy"] for r in reported["runs"] if key(r) == (100, way, "full")])
        for way in ("unlabelled", "classifier")
    }
    gain = 100 * (accuracies["unlabelled"] - accuracies["classifier"])
    assert gain.mean() == pytest.approx(reported["summary"]["100 unlabelled"]["gain"])
    assert np.std(gain, ddof=1) / np.sqrt(5) == pytest.approx(reported["summary"]["100 unlabelled"]["gain_error"])


def key(run):
    """Return budget, way and part of a run."""
    return run["labels"], run["way"], run["part"]


def test_every_variant_was_made(reported):
    made = {(run["variant"], run["way"], run["seed"]) for run in reported["variants"]}
    ways = ("classifier", "labelled", "unlabelled")
    assert made == {(name, way, seed) for name in sweep.VARIANTS for way in ways for seed in sweep.DEVELOPMENT_SEEDS}
    assert not set(sweep.DEVELOPMENT_SEEDS) & set(sweep.SEEDS)


def test_a_stored_network_run_comes_out_again(reported):
    (stored,) = [
        run
        for run in reported["runs"]
        if key(run) == (100, "labelled", "select") and run["seed"] == 0 and run["strength"] == pytest.approx(0.1)
    ]
    measured = sweep.network_run(sweep.Trainer(), 100, "labelled", stored["strength"], 0, "select")
    assert measured["test_accuracy"] == pytest.approx(stored["test_accuracy"], abs=0.01)  # another CPU rounds otherwise
    assert measured["test_squared_error"] == pytest.approx(stored["test_squared_error"], rel=0.02)
    assert measured["validation_cross_entropy"] == pytest.approx(stored["validation_cross_entropy"], abs=0.05)


@pytest.mark.parametrize("part", ["select", "full"])
def test_a_stored_baseline_comes_out_again(reported, part):
    stored = next(run for run in reported["runs"] if key(run) == (100, "pixels", part))
    measured = sweep.linear_run(None, 100, "pixels", stored["strength"], stored["seed"], part)
    assert measured["test_accuracy"] == pytest.approx(stored["test_accuracy"], abs=0.002)


def test_a_budget_is_balanced_and_so_is_its_training_part(digits):
    labels = digits[1]
    rows = sweep.choose_rows(labels, 100, seed=1)
    assert len(set(rows)) == 100
    assert (np.bincount(labels[rows]) == 10).all()
    assert (np.bincount(labels[rows[:80]]) == 8).all()
    assert np.array_equal(rows, sweep.choose_rows(labels, 100, seed=1))
    assert not np.array_equal(rows, sweep.choose_rows(labels, 100, seed=2))
    assert sorted(sweep.choose_rows(labels, 300, seed=1)) == list(range(300))


def weights_after(trainer, *arguments, **settings):
    """Train and return all weights."""
    trainer.train(*arguments, **settings)
    return trainer.model.get_weights()


def test_a_trainer_that_was_used_equals_a_new_one(digits):
    images, labels = digits
    run = ("unlabelled", 0.1, 3, images[:100], labels[:100], images)
    used = sweep.Trainer(SHORT)
    used.train("classifier", 0.5, 1, images, labels, weight_decay=0.1)
    used.train_autoencoder(2, images)
    for ours, theirs in zip(weights_after(used, *run), weights_after(sweep.Trainer(SHORT), *run), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_ways_train_what_they_should(digits):
    images, labels = digits
    trainer = sweep.Trainer(SHORT)
    start = SHORT.build(0)
    trainer.train("classifier", 0.5, 0, images, labels)
    assert same(trainer.model.decoder, start.decoder)
    assert not same(trainer.model.encoder, start.encoder)
    trainer.train_autoencoder(0, images)
    assert same(trainer.model.classifier, start.classifier)
    assert not same(trainer.model.decoder, start.decoder)
    trainer.train("labelled", 0.1, 0, images, labels)
    assert not any(
        same(getattr(trainer.model, part), getattr(start, part)) for part in ("encoder", "decoder", "classifier")
    )


def same(ours, theirs):
    """Say whether two networks have the same weights."""
    return all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True))


def test_masking_keeps_the_mean(digits):
    masked = np.asarray(SHORT.build(0).masked(digits[0], 0.75))
    assert (masked == 0).mean() == pytest.approx(0.75, abs=0.01)
    assert masked.mean() == pytest.approx(digits[0].mean(), rel=0.02)
    np.testing.assert_array_equal(SHORT.build(0).masked(digits[0], 0.0), digits[0])


def test_nothing_is_masked_after_training(digits):
    model = SHORT.build(0)
    model.decoder_mask.assign(0.9)
    outputs = model(digits[0])
    np.testing.assert_array_equal(outputs["reconstruction"], model.decoder(model.encoder(digits[0])))


def test_a_log_is_resumed_and_refuses_other_settings(tmp_path):
    path = tmp_path / "log.jsonl"
    log = sweep.Log(path, {"steps": 1})
    log.add({"accuracy": 0.5}, seed=0)
    path.write_text(path.read_text() + '\n{"seed": 1, "accu')  # killed while it wrote
    again = sweep.Log(path, {"steps": 1})
    assert again.find(seed=0) == {"seed": 0, "accuracy": 0.5}
    assert again.find(seed=1) is None
    again.add({"accuracy": 0.6}, seed=1)
    assert sweep.Log(path, {"steps": 1}).find(seed=1)["accuracy"] == 0.6
    with pytest.raises(RuntimeError, match=r"^settings: .* holds runs of others"):
        sweep.Log(path, {"steps": 2})
