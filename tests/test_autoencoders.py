"""The dense autoencoder of the helpers, and the chapter that writes the same model out."""

from pathlib import Path

import jupytext
import keras
import numpy as np
import pytest

from helpers.autoencoders import dense_autoencoder

CHAPTER = Path(__file__).resolve().parents[1] / "book/autoencoders/first_autoencoder.md"


@pytest.fixture
def images():
    """64 rows of 784 grey levels."""
    return np.random.default_rng(0).random((64, 784), dtype="float32")


def chapter_function(name):
    """Execute the cell of the chapter that defines a function, and return the function."""
    cells = [cell.source for cell in jupytext.read(CHAPTER, fmt="md:myst").cells if cell.cell_type == "code"]
    (source,) = [cell for cell in cells if f"def {name}(" in cell]
    namespace = {"keras": keras, "np": np}
    exec(source, namespace)
    return namespace[name]


def seeded(build, *arguments):
    """Build a model from a fixed seed."""
    keras.utils.set_random_seed(0)
    return build(*arguments)


def test_shapes(images):
    encoder, decoder, autoencoder = dense_autoencoder()
    codes = encoder.predict(images, verbose=0)
    assert codes.shape == (64, 32)
    assert decoder.predict(codes, verbose=0).shape == (64, 784)
    assert autoencoder.predict(images, verbose=0).shape == (64, 784)


def test_other_sizes():
    models = dense_autoencoder(code_dim=3, input_dim=5)
    assert models.encoder.output_shape == (None, 3)
    assert models.autoencoder.output_shape == (None, 5)
    assert models.autoencoder.count_params() == 2 * 3 * 5 + 3 + 5


def test_has_50992_weights():
    assert dense_autoencoder().autoencoder.count_params() == 50_992


def test_computes_relu_and_sigmoid(images):
    models = dense_autoencoder()
    w, b, v, c = (np.asarray(weight, "float64") for weight in models.autoencoder.get_weights())
    codes = np.maximum(images @ w + b, 0)
    np.testing.assert_allclose(models.encoder.predict(images, verbose=0), codes, atol=1e-5)
    reconstructions = 1 / (1 + np.exp(-(codes @ v + c)))
    np.testing.assert_allclose(models.autoencoder.predict(images, verbose=0), reconstructions, atol=1e-5)


def test_decoding_a_code_equals_the_joined_model(images):
    encoder, decoder, autoencoder = dense_autoencoder()
    decoded = decoder.predict(encoder.predict(images, verbose=0), verbose=0)
    np.testing.assert_allclose(decoded, autoencoder.predict(images, verbose=0), atol=1e-6)


def test_encoder_and_decoder_share_weights_with_the_joined_model(images):
    models = dense_autoencoder()
    parts = [*models.encoder.trainable_variables, *models.decoder.trainable_variables]
    assert [id(v) for v in parts] == [id(v) for v in models.autoencoder.trainable_variables]
    before = [np.array(v) for v in parts]
    models.autoencoder.compile("adam", "binary_crossentropy")
    models.autoencoder.fit(images, images, epochs=1, verbose=0)
    after = [*models.encoder.get_weights(), *models.decoder.get_weights()]
    assert all(np.any(old != new) for old, new in zip(before, after, strict=True))


def test_weights_are_not_tied():
    w, _, v, _ = dense_autoencoder().autoencoder.get_weights()
    assert not np.allclose(w, v.T)


@pytest.mark.parametrize("name", ["code_dim", "input_dim"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "32", None, True])
def test_bad_sizes_are_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: got .*expected an integer >= 1"):
        dense_autoencoder(**{name: value})


def test_chapter_builds_and_trains_the_same_model(images):
    outputs = []
    for build in (chapter_function("build_autoencoder"), dense_autoencoder):
        encoder, _, autoencoder = seeded(build)
        autoencoder.compile(keras.optimizers.Adam(0.001), "binary_crossentropy")
        losses = autoencoder.fit(images, images, batch_size=16, epochs=2, verbose=0).history["loss"]
        outputs.append((losses, encoder.predict(images, verbose=0), autoencoder.predict(images, verbose=0)))
    for chapter, helper in zip(*outputs, strict=True):
        np.testing.assert_array_equal(chapter, helper)


def test_chapter_floor_is_the_lowest_cross_entropy(images):
    images[:, :100] = 0
    images[:, -100:] = 1
    floor = chapter_function("floor")(images)
    near = np.clip(images.astype("float64"), 1e-12, 1 - 1e-12)
    assert floor == pytest.approx(-(images * np.log(near) + (1 - images) * np.log(1 - near)).mean(), abs=1e-9)
    for shift in (-0.01, 0.01):
        other = np.clip(images + np.float32(shift), 0, 1)
        assert keras.losses.binary_crossentropy(images, other).mean() > floor
    assert chapter_function("floor")(np.full((2, 784), 0.5)) == pytest.approx(np.log(2))
