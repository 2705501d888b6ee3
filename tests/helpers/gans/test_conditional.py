"""Pairs of image and label, and the networks that make and judge them."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from experiments import conditional_forms as forms
from helpers import gans
from helpers.gans import conditional
from tests.slow import after

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(40, 28, 28, 1)).astype("float32")
LABELS = np.arange(40) % 10


def test_a_pair_splits_into_what_it_was_made_of():
    images, labels = conditional.split(conditional.pair(IMAGES, LABELS))
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


def test_normal_numbers_choose_each_class_equally_often():
    layer = conditional.OneHotOfLargest()
    rows = np.asarray(layer(RNG.normal(size=(20_000, 10)).astype("float32")))
    assert (rows.sum(axis=1) == 1).all()
    assert np.abs(rows.mean(axis=0) - 0.1).max() < 0.01
    assert np.array_equal(layer(rows), rows)


def test_the_generator_draws_what_it_is_asked_for():
    generator, _ = conditional.conditional_networks(style_dim=4, generator_units=(8,))
    latents = conditional.ask(LABELS, generator.input_shape[-1], seed=1)
    images, labels = conditional.split(generator.predict(latents, verbose=0))
    assert np.array_equal(labels, LABELS)
    assert 0 < images.min() < images.max() < 1
    assert np.array_equal(latents, conditional.ask(LABELS, 14, seed=1))
    assert not np.array_equal(latents, conditional.ask(LABELS, 14, seed=2))


@pytest.mark.slow
def test_the_discriminator_reads_the_label_without_a_slope():
    _, discriminator = conditional.conditional_networks(discriminator_units=(8,))
    rows = conditional.pair(IMAGES, LABELS)
    others = conditional.pair(IMAGES, (LABELS + 1) % 10)
    assert not np.allclose(discriminator(rows), discriminator(others))
    slope = jax.jit(jax.grad(lambda x: jnp.sum(discriminator(x))))(jnp.asarray(rows))
    assert np.array_equal(slope[:, 784:], np.zeros((40, 10)))
    assert np.abs(slope[:, :784]).max() > 0


def test_both_networks_have_the_activation_asked_for():
    def activations(network):
        layers = [layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")]
        return set(layers) - {"linear", "sigmoid"}

    for arguments, name in (({}, "leaky_relu"), ({"activation": "relu"}, "relu")):
        assert [activations(network) for network in conditional.conditional_networks(**arguments)] == [{name}] * 2


@pytest.mark.slow
def test_pairs_train_and_survive_a_file(tmp_path):
    keras.utils.set_random_seed(0)
    gan = compiled(conditional.ConditionalGAN(*conditional.conditional_networks(4, (8,), (8,))))
    gan.fit(IMAGES, LABELS, batch_size=8, epochs=1, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    for model in (gan, loaded):
        model.fit(IMAGES, LABELS, batch_size=8, epochs=2, initial_epoch=1, verbose=0)
    assert np.array_equal(gan.sample(5, seed=3), loaded.sample(5, seed=3))


def compiled(gan):
    """Return a GAN, compiled."""
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), loss="relativistic", r1=0.3, r2=0.3)
    return gan


@pytest.mark.slow
def test_images_with_labels_are_what_an_ordinary_gan_of_pairs_sees():
    models = []
    for make in (gans.GAN, conditional.ConditionalGAN):
        keras.utils.set_random_seed(0)
        models.append(compiled(make(*conditional.conditional_networks(4, (8,), (8,)))))
    plain, own = models
    plain.fit(conditional.pair(IMAGES, LABELS), batch_size=8, verbose=0)
    own.fit(IMAGES, LABELS, batch_size=8, verbose=0)
    assert np.array_equal(own.sample(5, seed=3), conditional.split(plain.sample(5, seed=3))[0])


@pytest.mark.slow
def test_other_images_and_classes(tmp_path):
    networks = conditional.conditional_networks(4, (8,), (8,), classes=3, image_shape=(4, 6, 3))
    gan = compiled(conditional.ConditionalGAN(*networks, image_shape=(4, 6, 3)))
    images, labels = RNG.uniform(size=(16, 4, 6, 3)).astype("float32"), np.arange(16) % 3
    gan.fit(images, labels, batch_size=8, verbose=0)
    assert gan.classes == 3
    assert gan.sample(5, seed=0).shape == (5, 4, 6, 3)
    wanted = gan.sample(6, seed=0, labels=[0, 1, 2, 0, 1, 2])
    latents = conditional.ask([0, 1, 2, 0, 1, 2], 7, seed=0, classes=3)
    made, drawn = conditional.split(gan.predict(latents, verbose=0), (4, 6, 3))
    assert np.array_equal(wanted, made)
    assert np.array_equal(drawn, [0, 1, 2, 0, 1, 2])
    assert np.array_equal(gan.sample(2, seed=0, labels=1), gan.sample(2, seed=0, labels=[1, 1]))


FORMS = [(into, by) for into in forms.INTO_GENERATOR for by in forms.INTO_DISCRIMINATOR]


def small_form(*form):
    """Return small networks of two inputs that get the label in these ways."""
    sizes = dict(style_dim=4, generator_units=(8, 6), discriminator_units=(7, 5))
    return forms.two_input_networks(*form, **sizes)


def three_classes(into, by):
    """Put networks for three classes side by side for ten; without `into`, the generator is for ten."""
    generator = forms.two_input_networks(into, by, classes=3)[0] if into else small_form(*FORMS[0])[0]
    return conditional.side_by_side(generator, forms.two_input_networks("concatenation", by, classes=3)[1])


@pytest.mark.parametrize("form", after(2, [*FORMS[::3], *FORMS[1:3]]))
def test_rows_are_the_two_inputs_side_by_side(form):
    generator, discriminator = small_form(*form)
    of_rows, judge_of_rows = conditional.side_by_side(generator, discriminator)
    latents = conditional.ask(LABELS, 14, seed=1)
    images, labels = conditional.split(of_rows.predict(latents, verbose=0))
    assert np.array_equal(labels, LABELS)
    assert np.allclose(images, generator.predict([latents[:, 10:], LABELS], verbose=0), atol=1e-6)
    rows = conditional.pair(IMAGES, LABELS)
    assert np.allclose(judge_of_rows(rows), discriminator.predict([IMAGES, LABELS], verbose=0), atol=1e-5)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(judge_of_rows(x))))(jnp.asarray(rows))
    assert np.array_equal(slope[:, 784:], np.zeros((40, 10)))
    assert np.abs(slope[:, :784]).max() > 0


def test_each_form_puts_the_label_where_it_says():
    def count(*form):
        return [network.count_params() for network in small_form(*form)]

    plain, others = count("concatenation", "concatenation"), count("normalisation", "projection")
    assert plain[0] - others[0] == 10 * 8 - (10 - 1) * 2 * (8 + 6)  # a one-hot row; nine more scales and shifts
    assert plain[1] - others[1] == 10 * 7 - 10 * 5  # a one-hot row; a vector for each class


def test_conditional_normalisation_scales_and_shifts_by_class():
    generator, _ = small_form("normalisation", "projection")
    tables = [layer for layer in generator.layers if isinstance(layer, keras.layers.Embedding)]
    assert [layer.embeddings.shape for layer in tables] == [(10, 8), (10, 8), (10, 6), (10, 6)]
    z, changed = RNG.normal(size=(2, 4)).astype("float32"), RNG.normal(size=(10, 6))
    same = generator.predict([z, np.array([3, 3])], verbose=0)
    assert np.array_equal(
        same, generator.predict([z, np.array([5, 5])], verbose=0)
    )  # before training all classes agree
    tables[2].set_weights([changed])
    assert not np.allclose(same, generator.predict([z, np.array([5, 5])], verbose=0))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_networks_of_two_inputs_train_and_survive_a_file(form, tmp_path):
    keras.utils.set_random_seed(0)
    networks = small_form(*form)
    before = [network.get_weights() for network in networks]
    gan = compiled(conditional.ConditionalGAN(*conditional.side_by_side(*networks)))
    gan.fit(IMAGES, LABELS, batch_size=8, epochs=1, verbose=0)
    for network, old in zip(networks, before, strict=True):
        both = zip(network.get_weights(), old, strict=True)
        assert all(np.abs(new - was).max() > 0 for new, was in both if new.ndim == 2)  # D's last bias has no gradient
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    for model in (gan, loaded):
        model.fit(IMAGES, LABELS, batch_size=8, epochs=2, initial_epoch=1, verbose=0)
    assert np.array_equal(gan.sample(5, seed=3, labels=4), loaded.sample(5, seed=3, labels=4))


@functools.cache
def small_networks():
    """Return a pair that no test trains."""
    return conditional.conditional_networks(4, (8,), (8,))


def wrong_gan(**changes):
    """Return a conditional GAN of small networks, made with changed arguments."""
    return conditional.ConditionalGAN(*small_networks(), **changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conditional.pair(IMAGES, LABELS[:3]), "labels: got 3 labels, expected one for each of the 40 images"),
        (lambda: conditional.pair(IMAGES, LABELS + 1), "labels: got values from 1 to 10, expected 0 to 9"),
        (lambda: conditional.pair(IMAGES, LABELS + 0.5), "labels: got fractions such as 0.5"),
        (lambda: conditional.pair(IMAGES, np.eye(10)[LABELS]), r"labels: got shape \(40, 10\).*argmax"),
        (lambda: conditional.pair(IMAGES * 255, LABELS), "images: got values from"),
        (lambda: conditional.split(np.zeros((3, 784))), r"rows: got shape \(3, 784\), expected \(n, 784 pixels"),
        (lambda: conditional.split(np.zeros((3, 794))), "rows: the numbers behind the pixels are not one-hot"),
        (
            lambda: conditional.pair(IMAGES[..., :14, :], LABELS),
            r"images: got shape \(40, 28, 14, 1\), expected",
        ),
        (lambda: conditional.pair(IMAGES, LABELS, classes=5), "labels: got values from 0 to 9, expected 0 to 4"),
        (lambda: wrong_gan(image_shape=(28, 28, 3)), "image_shape: got .* leaves -1558 of the 794"),
        (
            lambda: wrong_gan().sample(2, seed=0, labels=[1, 2, 3]),
            "labels: got 3 labels, expected one for each",
        ),
        (lambda: wrong_gan().sample(2, seed=0, labels=10), "labels: got values from 10 to 10, expected 0 to 9"),
        (lambda: compiled(wrong_gan()).fit(IMAGES), "labels: got"),
        (lambda: conditional.split(255 * conditional.pair(IMAGES, LABELS)), "rows: got values from 0 to 25"),
        (lambda: conditional.one_hot([1, 2], 2.0), "count: got 2.0, expected an integer >= 0"),
        (lambda: conditional.ask(LABELS, 10, seed=0), "latent_dim: got 10, expected an integer >= 11"),
        (lambda: conditional.ask(3, 11, seed=0), r"labels: got shape \(\), expected \(n,\) or \(n, 1\)"),
        (lambda: conditional.conditional_networks(0), "style_dim: got 0, expected an integer >= 1"),
        (lambda: conditional.conditional_networks(1, 8), "generator_units: got 8, expected a sequence"),
        (
            lambda: conditional.conditional_networks(1, (8,), ()),
            "discriminator_units: got 0 entries, expected at least",
        ),
        (lambda: conditional.conditional_networks(1, (8,), (8,), "relux"), "activation: got 'relux', expected a name"),
        (lambda: forms.two_input_networks("projection", "projection"), "into_generator: got 'projection'"),
        (lambda: forms.two_input_networks("concatenation", "normalisation"), "into_discriminator: got 'norm"),
        (lambda: conditional.side_by_side(*conditional.conditional_networks()), "generator: got .*of two inputs"),
        (lambda: conditional.side_by_side(keras.Model(), keras.Model()), "generator: got Model, .*of two inputs"),
        (
            lambda: conditional.side_by_side(small_form(*FORMS[0])[0], conditional.conditional_networks()[1]),
            "discriminator: got .*of two inputs",
        ),
        (
            lambda: conditional.side_by_side(
                small_form(*FORMS[0])[0], forms.two_input_networks(*FORMS[0], image_shape=(4, 4, 1))[1]
            ),
            r"discriminator: its images have shape \(4, 4, 1\), but the generator makes \(28, 28, 1\)",
        ),
        *(
            (lambda into=into: three_classes(into, "projection"), f"classes: got 10, but {layer}.* of the generator")
            for into, layer in (("concatenation", "category_encoding"), ("normalisation", "embedding"))
        ),
        *(
            (
                lambda by=by: three_classes(None, by),
                f"classes: got 10, but {layer}.* of the discriminator was built for 3",
            )
            for by, layer in (("concatenation", "category_encoding"), ("projection", "embedding"))
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_in_one_column_are_class_numbers():
    assert np.array_equal(conditional.pair(IMAGES, LABELS[:, None]), conditional.pair(IMAGES, LABELS))
    assert np.array_equal(conditional.ask(LABELS[:, None], 11, 0), conditional.ask(LABELS, 11, 0))
