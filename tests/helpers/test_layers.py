"""The tied layer shares one kernel; the noise goes on where a saved model stopped."""

import jax
import keras
import numpy as np
import pytest

from helpers.layers import (
    MatmulConv2D,
    MatmulConv2DTranspose,
    MinibatchDeviation,
    StandardNormal,
    TiedDense,
    VectorQuantiser,
)
from tests.slow import after


@pytest.fixture
def tied():
    """An autoencoder 6 → 3 → 6 with one kernel, and its first layer."""
    keras.utils.set_random_seed(0)
    dense, inputs = keras.layers.Dense(3, activation="relu"), keras.Input((6,))
    code = dense(inputs)
    return keras.Model(inputs, TiedDense(dense, "sigmoid")(code)), dense


def test_tied_dense_uses_the_transpose(tied):
    model, _ = tied
    x = np.random.default_rng(0).random((5, 6), dtype="float32")
    w, b, c = (np.asarray(weight, "float64") for weight in model.get_weights())
    expected = 1 / (1 + np.exp(-(np.maximum(x @ w + b, 0) @ w.T + c)))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)


def test_tied_dense_adds_only_a_bias(tied):
    model, dense = tied
    assert model.count_params() == 6 * 3 + 3 + 6
    assert sum(variable is dense.kernel for variable in model.trainable_variables) == 1


def test_gradients_of_both_layers_add_up_in_the_kernel(tied):
    model, dense = tied
    x = np.random.default_rng(1).random((5, 6), dtype="float32")

    def loss(up, down, bias):
        return jax.numpy.sum((jax.nn.sigmoid(jax.nn.relu(x @ up) @ down.T + bias) - x) ** 2)

    def tied_loss(weights):
        outputs, _ = model.stateless_call(weights, [], x)
        return jax.numpy.sum((outputs - x) ** 2)

    kernel = dense.kernel.value
    up, down = jax.jit(jax.grad(loss, argnums=(0, 1)))(kernel, kernel, 0.0)
    shared = jax.jit(jax.grad(tied_loss))([variable.value for variable in model.trainable_variables])[0]
    np.testing.assert_allclose(shared, up + down, rtol=1e-4, atol=1e-6)


def test_tied_dense_stays_tied_in_training(tied):
    model, _ = tied
    x = np.random.default_rng(0).random((64, 6), dtype="float32")
    model.compile("adam", "mean_squared_error")
    before = model.get_weights()[0]
    model.fit(x, x, epochs=2, verbose=0)
    assert np.any(before != model.get_weights()[0])
    test_tied_dense_uses_the_transpose(tied)


def test_penalties_of_the_tied_layer_reach_the_loss():
    keras.utils.set_random_seed(0)
    dense, inputs = keras.layers.Dense(3, activity_regularizer=keras.regularizers.L1(1.0)), keras.Input((6,))
    code = dense(inputs)
    model = keras.Model(inputs, TiedDense(dense)(code))
    x = np.random.default_rng(0).random((5, 6), dtype="float32")
    model.compile("adam", "mean_squared_error")
    error = ((model.predict(x, verbose=0) - x) ** 2).mean()
    penalty = np.abs(dense(x)).sum(axis=1).mean()
    assert model.evaluate(x, x, verbose=0) == pytest.approx(error + penalty, rel=1e-5)


def test_bad_arguments_of_the_tied_layer_are_named(tied):
    _, dense = tied
    with pytest.raises(ValueError, match="activation: got 'relux', expected a name that Keras knows"):
        TiedDense(dense, "relux")
    with pytest.raises(ValueError, match=r"inputs: got shape \(5, 6\), expected \(..., 3\)"):
        TiedDense(dense)(np.zeros((5, 6)))


@pytest.mark.parametrize("dense", [None, keras.layers.Dense(3), keras.layers.Flatten()])
def test_tied_dense_wants_a_built_dense_layer(dense):
    with pytest.raises(ValueError, match=r"^dense: got .*expected a built keras.layers.Dense"):
        TiedDense(dense)


def test_noise_is_standard_normal_and_fresh():
    noise = StandardNormal(seed=0)
    first, second = (np.asarray(noise(np.zeros((500, 20)), samples=3)) for _ in range(2))
    assert first.shape == (3, 500, 20)
    assert not np.array_equal(first, second)
    assert abs(first.mean()) < 5 / first.size**0.5
    assert abs(first.std() - 1) < 5 / first.size**0.5


def test_noise_goes_on_after_saving(tmp_path):
    model, twin = (keras.Sequential([keras.Input((4,)), StandardNormal(seed)]) for seed in (0, 7))
    model(np.zeros((2, 4)))
    model.save_weights(tmp_path / "noise.weights.h5")
    twin.load_weights(tmp_path / "noise.weights.h5")
    np.testing.assert_array_equal(model(np.zeros((2, 4))), twin(np.zeros((2, 4))))


def test_a_bad_seed_is_named():
    with pytest.raises(ValueError, match=r"^seed: got -1"):
        StandardNormal(seed=-1)
    with pytest.raises(ValueError, match=r"^seed: got 4294967296"):
        StandardNormal(seed=2**32)
    with pytest.raises(ValueError, match="samples: got 0, expected an integer >= 1"):
        StandardNormal()(np.zeros(3), samples=0)


# --- Convolutions as matrix products ---------------------------------------------------------------------------------


def compiled(ours, theirs, images):
    """Return our layer and Keras's with its weights, each compiled whole: op by op takes five times as long."""
    for layer in (ours, theirs):
        layer.build(images.shape)
    theirs.set_weights([ours.kernel.numpy(), np.arange(5.0)])
    ours.bias.assign(np.arange(5.0))
    return jax.jit(ours), jax.jit(theirs)


@pytest.mark.parametrize(("kernel_size", "strides"), [(1, 1), (3, 1), (4, 2), (5, 2), (3, 2), (5, 3)])
@pytest.mark.parametrize("size", after(1, [(7, 9), (28, 28)]))
def test_convolution_equals_keras(kernel_size, strides, size):
    images = np.random.default_rng(0).normal(size=(3, *size, 4)).astype("float32")
    ours = MatmulConv2D(5, kernel_size, strides, activation="relu")
    theirs = keras.layers.Conv2D(5, kernel_size, strides, padding="same", activation="relu")
    ours, theirs = compiled(ours, theirs, images)
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-4)


@pytest.mark.parametrize(
    ("kernel_size", "strides"), [(1, 1), (2, 1), (2, 2), (4, 2), (5, 2), (3, 2), (3, 3), (5, 3), (6, 2), (3, 1)]
)
@pytest.mark.parametrize("size", after(1, [(4, 6), (7, 7)]))
def test_transposed_convolution_equals_keras(kernel_size, strides, size):
    images = np.random.default_rng(0).normal(size=(3, *size, 4)).astype("float32")
    ours = MatmulConv2DTranspose(5, kernel_size, strides, activation="relu")
    theirs = keras.layers.Conv2DTranspose(5, kernel_size, strides, padding="same", activation="relu")
    ours, theirs = compiled(ours, theirs, images)
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-4)


@pytest.mark.parametrize("layer", [MatmulConv2D, MatmulConv2DTranspose])
def test_convolutions_survive_a_file(layer, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 2)), layer(3, 4, 2, activation="tanh", use_bias=False)])
    model.save(tmp_path / "model.keras")
    images = np.ones((2, 8, 8, 2), "float32")
    assert np.array_equal(keras.saving.load_model(tmp_path / "model.keras")(images), model(images))


@pytest.mark.parametrize("layer", [MatmulConv2D, MatmulConv2DTranspose])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strides": 3}, "strides: got 3, expected an integer from 1 to 2"),
        ({"filters": 0}, "filters: got 0, expected an integer >= 1"),
        ({"kernel_size": (2, 2)}, r"kernel_size: got \(2, 2\), expected an integer >= 1"),
        ({"activation": "relux"}, "activation: got 'relux', expected a name that Keras knows"),
        ({"use_bias": "no"}, "use_bias: got 'no', expected one of False, True"),
    ],
)
def test_bad_convolutions_are_named(layer, wrong, message):
    with pytest.raises(ValueError, match=message):
        layer(**{"filters": 4, "kernel_size": 2, **wrong})


@pytest.mark.parametrize("layer", [MatmulConv2D, MatmulConv2DTranspose])
def test_convolutions_want_images_with_their_channels(layer):
    with pytest.raises(ValueError, match=r"images: got shape \(2, 5, 3\), expected \(n, n, n, 3\)"):
        layer(4, 2)(np.zeros((2, 5, 3)))
    assert layer(4, 2)(keras.Input((None, 5, 3))).shape == (None, None, 5, 4)
    used = layer(4, 2)
    used(np.zeros((2, 5, 5, 3)))
    with pytest.raises(ValueError, match=r"images: got shape \(2, 5, 5, 1\), expected \(n, n, n, 3\)"):
        used(np.zeros((2, 5, 5, 1)))


@pytest.mark.parametrize("layer", [MatmulConv2D, MatmulConv2DTranspose])
def test_channels_first_is_refused(layer):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"image_data_format: .*'channels_first'.*set_image_data_format"):
            layer(4, 2)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_the_deviation_of_each_group_stands_beside_its_points():
    points = np.random.default_rng(0).normal(size=(12, 5)).astype("float32")
    found = np.asarray(MinibatchDeviation(4)(points))
    expected = [points[start : start + 4].astype("float64").std(axis=0).mean() for start in (0, 4, 8)]
    assert np.array_equal(found[:, :5], points)
    np.testing.assert_allclose(found[:, 5], np.repeat(expected, 4), rtol=1e-5)


def test_a_group_of_equal_points_has_no_deviation_and_a_finite_gradient():
    points = np.ones((4, 3), "float32")
    assert np.asarray(MinibatchDeviation(2)(points))[:, 3].max() < 1e-3
    gradient = jax.jit(jax.grad(lambda points: MinibatchDeviation(2)(points)[:, 3].sum()))(points)
    assert np.isfinite(gradient).all()


def test_the_deviation_survives_a_file_and_names_a_batch_of_another_size(tmp_path):
    model = keras.Sequential([keras.Input((2,)), MinibatchDeviation(3), keras.layers.Dense(1)])
    assert model.layers[0].output.shape == (None, 3)
    model.save(tmp_path / "model.keras")
    points = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded(points), model(points))
    with pytest.raises(ValueError, match="points: got 4 rows, expected a multiple of the 3 in a group"):
        MinibatchDeviation(3)(np.zeros((4, 2)))


# --- The layer with a codebook ---------------------------------------------------------------------------------------


def quantiser(update="loss", unit=False, codes=5, dim=3):
    """Return a built layer."""
    keras.utils.set_random_seed(0)
    layer = VectorQuantiser(codes, update, unit)
    layer.build((None, 2, 2, dim))
    return layer


VECTORS = np.random.default_rng(3).normal(size=(6, 2, 2, 3)).astype("float32")


def follow(layer, vectors, steps):
    """Show a layer the same vectors in some steps of training, compiled into one loop."""

    def step(_, state):
        _, state = layer.stateless_call([], state, vectors, training=True)
        return state

    state = [variable.value for variable in layer.non_trainable_variables]
    state = jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state))(state)
    for variable, value in zip(layer.non_trainable_variables, state, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("unit", [False, True])
def test_quantiser_takes_the_nearest_row(unit):
    layer = quantiser(unit=unit)
    rows, vectors = np.asarray(layer.codebook), VECTORS
    if unit:
        rows, vectors = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (rows, vectors))
    tokens = np.linalg.norm(vectors[..., None, :] - rows, axis=-1).argmin(axis=-1)
    assert np.array_equal(layer.tokens(VECTORS), tokens)
    np.testing.assert_allclose(layer.look_up(tokens), rows[tokens], atol=1e-6)
    np.testing.assert_allclose(layer(VECTORS), rows[tokens], atol=1e-6)


def test_quantiser_passes_the_gradient_and_parts_the_two_distances():
    layer, pull = quantiser(), np.random.default_rng(4).normal(size=VECTORS.shape).astype("float32")
    book = layer.codebook.value

    def loss(book, vectors, weight):
        (outputs, _, losses) = layer.stateless_call([book], [], vectors, return_losses=True)
        return jax.numpy.sum(pull * outputs) + weight * sum(losses)

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))
    to_book, to_vectors = gradients(book, VECTORS, 0.0)
    assert not np.any(to_book)
    np.testing.assert_allclose(to_vectors, pull, atol=1e-6)
    to_book, to_vectors = (np.asarray(each) for each in gradients(book, VECTORS, 1.0))
    tokens, off = layer.tokens(VECTORS), VECTORS - layer.look_up(layer.tokens(VECTORS))
    np.testing.assert_allclose(to_vectors - pull, 0.25 * 2 * off / len(VECTORS), atol=1e-6)
    expected = [-2 * off[tokens == code].sum(axis=0) / len(VECTORS) for code in range(5)]
    np.testing.assert_allclose(to_book, expected, atol=1e-5)


def test_quantiser_follows_the_means():
    layer = quantiser("average")
    follow(layer, VECTORS, 1500)
    tokens = layer.tokens(VECTORS)
    for code in np.unique(tokens):
        np.testing.assert_allclose(layer.codebook[int(code)], VECTORS[tokens == code].mean(axis=0), atol=1e-3)


def test_quantiser_restarts_rows_that_nobody_chooses():
    far = VECTORS + 50
    used = {}
    for update in ("average", "restart"):
        layer = quantiser(update)
        follow(layer, far, 300)
        used[update] = len(np.unique(layer.tokens(far)))
    assert used["average"] == 1
    assert used["restart"] >= 4


def test_quantiser_is_still_when_it_is_not_trained():
    layer = quantiser("restart")
    before = [np.array(weight) for weight in layer.get_weights()]
    layer(VECTORS)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))


@pytest.mark.parametrize("update", after(1, ["loss", "average", "restart"]))
def test_quantiser_trains_in_a_model_and_is_saved(update, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2, 2, 3))
    model = keras.Model(inputs, VectorQuantiser(4, update)(keras.layers.Dense(3)(inputs)))
    model.compile("adam", "mse")
    model.fit(VECTORS, VECTORS, batch_size=3, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(VECTORS, verbose=0), model.predict(VECTORS, verbose=0), atol=1e-6)


def test_bad_arguments_of_the_quantiser_are_named():
    with pytest.raises(ValueError, match="update: got 'average' with unit=True, expected 'loss'"):
        VectorQuantiser(4, "average", unit=True)
    with pytest.raises(ValueError, match=r"vectors: got shape \(6, 2\), expected \(..., 3\)"):
        quantiser()(VECTORS[:, 0, 0, :2])
    with pytest.raises(ValueError, match="tokens: "):
        quantiser().look_up([[0, 5]])
