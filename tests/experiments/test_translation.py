"""Translation with and without pairs: what is measured, and that the results are of the settings in the experiments."""

import numpy as np
import pytest

from experiments import cycle, translation
from experiments.harness import record
from helpers import convolutional, storage

RNG = np.random.default_rng(0)
IMAGES, OTHERS = RNG.random((2, 20, 12, 12, 3)).astype("float32")


@pytest.fixture(scope="module")
def paired():
    return record.read(translation.NAME)


@pytest.fixture(scope="module")
def unpaired():
    return record.read(cycle.NAME)


def stored(name, way):
    """Return a stored generator."""
    network = convolutional.unet(width=translation.RECIPE["width"])
    network.set_weights(storage.load_weights(record.weights_path(name, way)))
    return lambda images: network.predict(images, batch_size=500, verbose=0)


# --- What is measured ------------------------------------------------------------------------------------------------


def test_retrieval_by_hand():
    assert translation.retrieval(IMAGES, IMAGES) == {"top_1": 1, "top_5": 1}
    rows = np.arange(20.0)[:, None]
    assert translation.retrieval(rows + 2.2, rows) == {"top_1": 0.05, "top_5": 1}  # up to four others are nearer
    assert translation.retrieval(rows + 8.2, rows)["top_5"] == 0.25  # the last five have few above


def test_distances_by_hand():
    expected = [[np.square(a - b).sum() for b in OTHERS] for a in IMAGES]
    np.testing.assert_allclose(translation.distances(IMAGES, OTHERS), expected, rtol=1e-4)


def test_flips_and_shifts_keep_white_and_pairs_together():
    rows = np.ones((50, 8, 8, 6), "float32")
    rows[:, 2:5, 1:3] = RNG.random((50, 3, 2, 1), dtype="float32")
    moved = translation.vary(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(moved[..., :3], moved[..., 3:])
    np.testing.assert_allclose(moved.mean(axis=(1, 2, 3)), rows.mean(axis=(1, 2, 3)), rtol=1e-5)
    assert not np.array_equal(moved, rows)
    apart = cycle.vary(rows, np.random.default_rng(0))
    assert not np.array_equal(apart[..., :3], apart[..., 3:])


def test_halves_share_nothing():
    one, other = translation.half(101)
    assert len(one) == len(other) == 50
    assert not set(one) & set(other)


def test_errors_of_a_way_there_and_back():
    forth, back = (lambda images: images / 2), (lambda images: images * 2)
    found = cycle.hidden(forth, back, IMAGES, OTHERS)
    assert found["errors"]["0"] == pytest.approx(0, abs=1e-6)
    assert found["moved"] == pytest.approx(IMAGES.mean() / 2, rel=1e-5)
    assert found["true_partner"] == pytest.approx(np.abs(IMAGES - 2 * OTHERS).mean(), rel=1e-5)
    noise = 2 * 0.1 * np.sqrt(2 / np.pi)  # the mean size of normal noise, doubled on the way back
    assert found["errors"]["0.1"] == pytest.approx(noise, rel=0.02)
    assert found["stir"] == pytest.approx(found["stir_true"], rel=1e-3)
    assert found["rounded"] <= 2 * 0.5 / 255


# --- The results -----------------------------------------------------------------------------------------------------


def test_the_settings_are_the_reported_ones(paired, unpaired):
    for module, result in ((translation, paired), (cycle, unpaired)):
        assert result["recipe"] == module.RECIPE
        assert result["rates"] == list(module.RATES)
        assert result["epochs"] == module.EPOCHS
    assert translation.TUNING_SEED not in translation.SEEDS


def test_each_form_has_its_seeds_and_curves(paired, unpaired):
    main = [run for run in paired["runs"] if (run["way"], run["share"]) == ("to_twemoji", 1.0)]
    found = sorted((run["form"], run["seed"]) for run in main)
    assert found == sorted((form, seed) for form in translation.FORMS for seed in translation.SEEDS)
    assert [run["seed"] for run in unpaired["runs"]] == list(translation.SEEDS)
    for module, result in ((translation, paired), (cycle, unpaired)):
        assert {len(run["curves"]["validation_l1"]) for run in result["runs"]} == {module.EPOCHS}
        assert {len(run["curves"]["validation_l1"]) for run in result["tries"]} == {module.TUNING_EPOCHS}


def test_the_settings_are_those_that_tuning_found_best(paired, unpaired):
    for form in translation.FORMS:
        tries = [run for run in paired["tries"] if run["form"] == form]
        best = min(tries, key=lambda run: run["curves"]["validation_score"][-1])
        runs = [run for run in paired["runs"] if run["form"] == form]
        assert {(run["rate"], run["factor"]) for run in runs} == {(best["rate"], best["factor"])}
    best = min(unpaired["tries"], key=lambda run: run["curves"]["validation_kid"][-1])
    assert {(run["kind"], run["rate"]) for run in unpaired["runs"]} == {(best["kind"], best["rate"])}


@pytest.mark.parametrize("way", ["to_twemoji", "to_noto"])
def test_stored_weights_give_the_reported_distance(paired, way):
    images, partners = translation.sides(translation.data().test, way)
    key = dict(form="both", seed=0, way=way, share=1.0)
    (run,) = [run for run in paired["runs"] if all(run[name] == value for name, value in key.items())]
    made = stored("translation", way)(images)
    assert np.abs(made - partners).mean() == pytest.approx(run["l1"], rel=5e-3)  # rounded to 8 bits
    by_pixels = translation.retrieval(made, partners)
    assert by_pixels["top_5"] == pytest.approx(run["pixels"]["top_5"], abs=0.02)


def test_stored_cycles_give_the_reported_errors(unpaired):
    test = translation.data().test
    found = cycle.hidden(stored("cycle", "to_twemoji"), stored("cycle", "to_noto"), test.noto, test.twemoji)
    reported = unpaired["runs"][0]["hidden"]
    assert found["moved"] == pytest.approx(reported["moved"], rel=1e-2)
    for name in ("0", "0.05"):
        assert found["errors"][name] == pytest.approx(reported["errors"][name], rel=2e-2)


def test_the_shown_images_are_those_of_the_chapter():
    for number in (0, 1, 3):
        images = np.load(record.weights_path("translation", "sheet", number))["images"]
        assert images.shape == (10, 32, 32, 3)
