"""The stored generators of colour images give the reported numbers again."""

import numpy as np
import pytest

from experiments import few_pictures, few_pictures_tuned
from experiments.harness import record
from helpers import augment, convolutional, datasets, results


@pytest.fixture(scope="module")
def measures():
    return few_pictures.Measures(datasets.load_emoji())


@pytest.fixture(scope="module")
def reported():
    return record.read("few_pictures")


@pytest.fixture(scope="module")
def tuned():
    return record.read("few_pictures_tuned")


@pytest.mark.parametrize("form", ["plain", "differentiable"])
def test_the_reported_distance(form, measures, reported, tuned):
    (run,) = results.rows(tuned, kind="final", form=form, seed=0)
    recipe = tuned["recipe"]
    generator = convolutional.decoder(few_pictures.SHAPE, recipe["latent_dim"], recipe["width"])
    generator.set_weights(results.weights("few_pictures_tuned", form))
    latents = few_pictures.keras.random.normal(
        (reported["samples"], recipe["latent_dim"]), seed=reported["sample_seed"]
    )
    samples = generator.predict(latents, batch_size=500, verbose=0)
    assert np.isclose(measures.kernel_distance(samples, "test"), run["kid"], rtol=0.1)  # six bits
    assert abs(measures.copied(samples, "test") - run["copied"]) < 0.02


def test_the_settings_are_the_reported_ones(reported):
    assert reported["recipe"] == few_pictures.RECIPE
    found = {(run["form"], run["seed"]) for run in reported["runs"]}
    assert found >= set(few_pictures.ORDER)
    assert set(reported["leaks"]) == {"training images", *few_pictures.LEAKS}
    assert all(run["epochs"][-1] == few_pictures.RECIPE["epochs"] for run in reported["runs"])


def test_each_form_has_the_weight_that_validation_chose(tuned):
    assert {name: tuned[name] for name in few_pictures_tuned.SETTINGS} == few_pictures_tuned.SETTINGS
    assert next(few_pictures_tuned.jobs(tuned["runs"], None), None) is None  # nothing is missing
    for run in results.rows(tuned, kind="final"):
        assert run["gamma"] == few_pictures_tuned.chosen(tuned["runs"], run["form"])
        assert run["seed"] != few_pictures.TRY_SEED
    for run in tuned["runs"]:
        assert run["epochs"][-1] == few_pictures_tuned.EPOCHS
    for run in results.rows(tuned, kind="try"):
        assert np.isclose(run["validation_kid"], np.mean(run["curves"]["kid"][-tuned["looks"] :]))


def test_leaving_out_by_hand_gives_the_same():
    rng = np.random.default_rng(0)
    fake, real = rng.normal(size=(30, 4)), rng.normal(1, 1, size=(12, 4))
    by_hand = [few_pictures.metrics.kernel_distance(fake, np.delete(real, row, axis=0)) for row in range(12)]
    np.testing.assert_allclose(few_pictures.without_each(fake, real), by_hand, rtol=1e-9)


def test_zero_sum_kernels_see_no_level():
    flat = np.full((2, 32, 32, 3), 0.3, "float32")
    flat[1] = 0.8
    inner = few_pictures.random_features(flat, zero_sum=True, widths=(8,))
    free = few_pictures.random_features(flat, widths=(8,))
    edge = np.abs(inner[1] - inner[0]).max()  # the border of zeros is a step
    assert edge < np.abs(free[1] - free[0]).max()


def test_the_strongest_channel():
    images = np.zeros((3, 4, 4, 3), "float32")
    images[0, ..., 0], images[1, ..., 2], images[2] = 1, 1, 0.5  # red, blue, and grey, which does not count
    assert few_pictures.largest_channel(images) == [0.5, 0, 0.5]


def test_the_balanced_set_shows_every_category_equally_often():
    images, labels, names = few_pictures.balanced(datasets.load_emoji())
    assert len(images) == len(labels)
    assert len(set(np.bincount(labels))) == 1
    assert len(names) == labels.max() + 1
    assert "Component" not in names


def test_the_real_images_alone_are_rolled():
    images = np.random.default_rng(0).random((200, 4, 4, 3), dtype="float32")
    rolled = few_pictures.roll_real(images, np.random.default_rng(0))
    same = (np.abs(rolled - images).max(axis=(1, 2, 3)) < 1e-6).mean()
    assert 0.55 < same < 0.8  # two thirds


def test_the_discriminator_augments_only_where_asked():
    kinds = [type(layer) for layer in few_pictures.discriminator(("flip",), 1.0, 0).layers]
    assert kinds[0] is augment.Augment
    assert augment.Augment not in [type(layer) for layer in few_pictures.discriminator((), 0.0, 0).layers]
