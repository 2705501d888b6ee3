"""The helpers' autoencoders against their definitions, and the chapter that writes the dense one out."""

import jupytext
import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats

from helpers.autoencoders import (
    SupervisedAutoencoder,
    VariationalAutoencoder,
    bernoulli_log_likelihood,
    deep_autoencoder,
    dense_autoencoder,
    gaussian_kl,
    log_mean_exp,
    normal_log_density,
    residual_autoencoder,
    vae_networks,
)
from tests.slow import after
from tools.pages import ROOT

CHAPTER = ROOT / "book/autoencoders/first_autoencoder.md"


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


def error_of_mean(images):
    """Return the squared error per image of the best constant reconstruction."""
    return ((images - images.mean(axis=0)) ** 2).sum(axis=1).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "weights"),
    [
        (lambda: deep_autoencoder((16, 8), 3, 20), (20 * 16 + 16 * 8 + 8 * 3) * 2 + 2 * (3 * 16 + 3 * 8) + 3 + 20),
        (lambda: residual_autoencoder(16, 2, 3, 20), (20 * 16 + 4 * 256 + 16 * 3) * 2 + 2 * (5 * 16 + 3 * 32) + 3 + 20),
    ],
    ids=["deep", "residual"],
)
def test_deep_autoencoders(build, weights):
    images = np.random.default_rng(0).random((64, 20), dtype="float32")
    encoder, decoder, autoencoder = seeded(build)
    assert autoencoder.count_params() == weights
    assert (encoder.output_shape, decoder.output_shape) == ((None, 3), (None, 20))
    np.testing.assert_allclose(
        decoder.predict(encoder.predict(images, verbose=0), verbose=0),
        autoencoder.predict(images, verbose=0),
        atol=1e-5,
    )
    autoencoder.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
    loss = autoencoder.fit(images, images, batch_size=64, epochs=150, verbose=0).history["loss"][-1]
    assert loss * 20 < 0.8 * error_of_mean(images)


@pytest.mark.slow
def test_the_published_deep_autoencoder():
    """Hinton and Salakhutdinov's widths: 2,837,314 weights in dense layers; the normalisations add two a unit."""
    model = deep_autoencoder().autoencoder
    assert model.count_params() - 2 * 2 * (1000 + 500 + 250) == 2_837_314


@pytest.mark.parametrize(
    "build", [lambda: deep_autoencoder((16, 0)), lambda: residual_autoencoder(0), lambda: residual_autoencoder(8, 0)]
)
def test_bad_deep_sizes_are_named(build):
    with pytest.raises(ValueError, match=r"^(widths|width|blocks): got 0, expected an integer >= 1"):
        build()


def supervised(**weights):
    """Build a small supervised autoencoder from a fixed seed: 784 → 6 → 784 and 10 classes."""
    keras.utils.set_random_seed(0)
    encoder, decoder, _ = dense_autoencoder(6)
    classifier = keras.Sequential([keras.Input((6,)), keras.layers.Dense(10)])
    model = SupervisedAutoencoder(encoder, decoder, classifier, **weights)
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.fixture
def labels():
    """64 labels, a quarter of them not known."""
    labels = np.random.default_rng(1).integers(0, 10, 64)
    labels[::4] = -1
    return labels


def test_supervised_loss_by_hand(images, labels):
    model = supervised(reconstruction_weight=0.5, prediction_weight=2.0)
    outputs = model.predict(images, verbose=0)
    known = labels >= 0
    logits = outputs["logits"][known].astype("float64")
    entropies = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(known.sum()), labels[known]]
    squares = ((images - outputs["reconstruction"]) ** 2).sum(axis=1)
    loss = model.compute_loss(images, labels, outputs)
    assert float(loss) == pytest.approx(2 * entropies.mean() + 0.5 * squares.mean(), rel=1e-5)
    accuracy = (logits.argmax(axis=1) == labels[known]).mean()
    assert float(model.trackers[2].result()) == pytest.approx(accuracy)


def test_without_reconstruction_it_is_the_classifier(images, labels):
    known = labels >= 0
    model, twin = supervised(reconstruction_weight=0), supervised(reconstruction_weight=0)
    plain = keras.Sequential([twin.encoder, twin.classifier])
    plain.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    decoder = model.decoder.get_weights()
    for trained in (model, plain):
        trained.fit(images[known], labels[known], batch_size=16, epochs=3, shuffle=False, verbose=0)
    for ours, theirs in zip(model.encoder.get_weights(), twin.encoder.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(decoder, model.decoder.get_weights(), strict=True))


def test_without_prediction_labels_do_not_matter(images, labels):
    model, other = supervised(prediction_weight=0), supervised(prediction_weight=0)
    model.fit(images, labels, epochs=2, shuffle=False, verbose=0)
    other.fit(images, labels[::-1].copy(), epochs=2, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def test_a_batch_without_labels_has_no_cross_entropy(images):
    model = supervised(reconstruction_weight=0)
    assert float(model.compute_loss(images, np.full(64, -1), model.predict(images, verbose=0))) == 0


@pytest.mark.parametrize("name", ["reconstruction_weight", "prediction_weight"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_bad_loss_weights_are_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: got .*expected a finite number >= 0"):
        supervised(**{name: value})


def test_gaussian_kl_is_the_integral():
    z = np.linspace(-15, 15, 20_001)
    for mean, log_variance in ((0, 0), (1.5, 0.3), (-2, -3)):
        q = np.exp(-0.5 * (z - mean) ** 2 / np.exp(log_variance)) / np.sqrt(2 * np.pi * np.exp(log_variance))
        log_ratio = -0.5 * (z - mean) ** 2 / np.exp(log_variance) - 0.5 * log_variance + 0.5 * z**2
        integral = np.trapezoid(q * log_ratio, z)
        assert float(gaussian_kl(np.float32([mean]), np.float32([log_variance]))) == pytest.approx(integral, abs=1e-4)


def test_densities_are_scipys():
    rng = np.random.default_rng(0)
    z, mean, log_variance = rng.normal(size=(3, 5, 4)).astype("float32")
    expected = scipy.stats.norm.logpdf(z, mean, np.exp(log_variance / 2)).sum(axis=1)
    np.testing.assert_allclose(normal_log_density(z, mean, log_variance), expected, rtol=1e-4)
    np.testing.assert_allclose(normal_log_density(z), scipy.stats.norm.logpdf(z).sum(axis=1), rtol=1e-4)
    x = (rng.random((5, 4)) < 0.5).astype("float32")
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(z)).sum(axis=1)
    np.testing.assert_allclose(bernoulli_log_likelihood(x, z), expected, rtol=1e-4)


def test_log_mean_exp_neither_overflows_nor_underflows():
    values = np.float32([[-1000, 500, 0], [-1001, 501, 0]])
    expected = scipy.special.logsumexp(values.astype("float64"), axis=0) - np.log(2)
    np.testing.assert_allclose(log_mean_exp(values), expected, rtol=1e-6)


def small_vae(**settings):
    """Build a variational autoencoder of 12 pixels and 2 latents from a fixed seed."""
    keras.utils.set_random_seed(0)
    return VariationalAutoencoder(*vae_networks(2, 8, input_dim=12), **settings)


@pytest.fixture
def binary():
    return (np.random.default_rng(0).random((40, 12)) < np.linspace(0.1, 0.9, 12)).astype("float32")


def test_vae_loss_is_minus_the_bound(binary):
    model = small_vae()
    outputs = {name: np.asarray(value, "float64") for name, value in model(binary, training=True).items()}
    kl = 0.5 * (outputs["mean"] ** 2 + np.exp(outputs["log_variance"]) - 1 - outputs["log_variance"]).sum(axis=1)
    likelihood = scipy.stats.bernoulli.logpmf(binary, scipy.special.expit(outputs["logits"][0])).sum(axis=1)
    single = {name: value.astype("float32") for name, value in outputs.items()}
    assert float(model.compute_loss(binary, None, single)) == pytest.approx((kl - likelihood).mean(), rel=1e-5)


def test_importance_weighted_loss_by_hand(binary):
    model = small_vae(samples=7)
    outputs = {name: np.asarray(value, "float64") for name, value in model(binary, training=True).items()}
    assert outputs["latents"].shape == (7, 40, 2)
    likelihood = scipy.stats.bernoulli.logpmf(binary, scipy.special.expit(outputs["logits"])).sum(axis=2)
    deviation = np.exp(outputs["log_variance"] / 2)
    posterior = scipy.stats.norm.logpdf(outputs["latents"], outputs["mean"], deviation).sum(axis=2)
    weights = likelihood + scipy.stats.norm.logpdf(outputs["latents"]).sum(axis=2) - posterior
    bound = (scipy.special.logsumexp(weights, axis=0) - np.log(7)).mean()
    single = {name: value.astype("float32") for name, value in outputs.items()}
    assert float(model.compute_loss(binary, None, single)) == pytest.approx(-bound, rel=1e-5)


@pytest.mark.parametrize("samples", after(1, [5, 1]))
def test_evaluate_measures_the_bound_that_fit_trains(binary, samples):
    model = small_vae(samples=samples)
    model.compile(keras.optimizers.SGD(0.0))  # training that changes nothing
    many = np.repeat(binary, 500, axis=0)
    trained = model.fit(many, batch_size=1000, verbose=0).history["loss"][0]
    assert model.evaluate(many, batch_size=1000, verbose=0, return_dict=True)["loss"] == pytest.approx(
        trained, abs=0.05
    )


def test_vae_noise_is_fresh_in_training_and_absent_otherwise(binary):
    model = small_vae()
    first, second = (np.asarray(model(binary, training=True)["latents"]) for _ in range(2))
    assert not np.array_equal(first, second)
    outputs = model(binary)
    assert np.array_equal(outputs["latents"], outputs["mean"])


@pytest.mark.parametrize("samples", after(1, [5, 1]))
def test_vae_learns(binary, samples):
    model = small_vae(samples=samples)
    model.compile(keras.optimizers.Adam(0.02))
    losses = model.fit(binary, batch_size=40, epochs=150, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 1
    assert model.sample(3).shape == (3, 12)


def test_output_biases_start_at_the_pixels_log_odds(binary):
    _, decoder = vae_networks(2, 8, binary, 12)
    white = scipy.special.expit(decoder.layers[-1].bias.numpy())
    np.testing.assert_allclose(white, binary.mean(axis=0), atol=1 / 40)
    assert np.isfinite(vae_networks(2, 8, np.zeros((3, 12)), 12)[1].layers[-1].bias.numpy()).all()


def test_bad_vae_settings_are_named():
    with pytest.raises(ValueError, match=r"^samples: got 0"):
        small_vae(samples=0)
    with pytest.raises(ValueError, match=r"^kl_weight: got 0.5 with 2 samples"):
        small_vae(samples=2, kl_weight=0.5)
    with pytest.raises(ValueError, match=r"^latent_dim: got 0"):
        vae_networks(0)
