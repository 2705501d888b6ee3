"""Good arguments come back in one form; bad ones raise one error that names the argument, what came and the mend."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers import checks


@settings(max_examples=40)
@given(
    hnp.arrays(
        st.sampled_from(["float32", "float64", "int32", "uint8"]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements=st.integers(0, 1),
    )
)
def test_good_arrays_come_back_as_float32(array):
    checked = checks.check_array("x", array, shape=(None,) * array.ndim, low=0, high=1)
    assert checked.dtype == "float32"
    assert np.array_equal(checked, array)


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 28, 28, 1), (0, 28, 28)])
def test_images_come_back_in_one_shape(shape):
    assert checks.check_images("images", np.zeros(shape)).shape == (shape[0], 28, 28, 1)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 783)), r"digits: got shape \(3, 783\), expected \(n, 28, 28, 1\), \(n, 28, 28\) or \(n, 784\)"),
        (np.zeros((28, 28)), r"digits: got shape \(28, 28\)"),
        (np.zeros(784), r"digits: got shape \(784,\)"),
        (np.full((1, 784), 255), r"digits: got values from 255 to 255, expected 0 to 1. Were the pixels divided"),
        (np.full((1, 784), 1 + 2e-6), r"digits: got values from 1\.00000203 to 1\.00000203, expected 0 to 1\. Were"),
        (np.full((1, 784), -0.1), r"digits: got values from -0.1 to -0.1, expected 0 to 1."),
        (np.full((1, 784), np.nan), r"digits: got 784 values that are NaN or infinite, the first at \(0, 0, 0, 0\)"),
    ],
)
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        checks.check_images("digits", images)


def test_rounding_beyond_the_ends_of_a_range_is_cut_off():
    levels = np.float32([-1e-7, 0.5, 1 + 9.6e-7])
    assert checks.check_array("x", levels, shape=(None,), low=0, high=1).tolist() == [0, 0.5, 1]
    assert levels[2] > 1  # not the caller's own
    assert checks.check_images("x", np.full((1, 784), 1 + 1e-6)).max() == 1
    with pytest.raises(ValueError, match="expected >= 0"):
        checks.check_array("x", levels, shape=(None,), low=0)


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3])),
    st.sampled_from(["float32", "float64", "uint8"]),
)
def test_pictures_of_any_size_come_back_as_they_are(shape, dtype):
    images = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    checked = checks.check_pictures("images", images)
    assert checked.dtype == "float32"
    assert np.array_equal(checked, images)


@pytest.mark.parametrize(("shape", "size"), [((2, 784), (28, 28)), ((2, 28, 28), (28, 28)), ((1, 5, 7), (5, 7))])
def test_grey_pictures_get_their_channel(shape, size):
    images = np.random.default_rng(0).uniform(size=shape).astype("float32")
    checked = checks.check_pictures("images", images)
    assert checked.shape == (shape[0], *size, 1)
    assert np.array_equal(checked.ravel(), images.ravel())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 12288)), r"got shape \(2, 12288\), expected .* Rows need .*: photos.reshape\(-1, 64, 64, 3\)\.$"),
        (np.zeros((2, 3136)), r"got shape \(2, 3136\), expected .* photos.reshape\(-1, 56, 56, 1\)\.$"),
        (np.zeros((2, 299)), r"got shape \(2, 299\), expected .* photos.reshape\(-1, height, width, channels\)\.$"),
        (np.zeros((64, 64)), r"got shape \(64, 64\), expected .* A single image .*: photos\[None\]\.$"),
        (np.zeros((64, 48, 3)), r"got shape \(64, 48, 3\), expected .*: photos\[None\]\.$"),
        (np.zeros((28, 28, 4)), r"got .* is photos\[None, ..., :3\]\. Grey images 4 wide: photos\[..., None\]\.$"),
        (np.zeros((28, 28, 2)), r"got .* is photos\[None, ..., :1\]\. Grey images 2 wide: photos\[..., None\]\.$"),
        (np.zeros((28, 28, 1)), r"got shape \(28, 28, 1\), expected .*: photos\[None\]\.$"),
        (np.zeros((2, 3, 64, 48)), r"got shape \(2, 3, 64, 48\), .* last: photos.transpose\(0, 2, 3, 1\)\.$"),
        (np.zeros((2, 8, 8, 4)), r"got shape \(2, 8, 8, 4\), expected .*: photos\[..., :3\]\.$"),
        (np.zeros((2, 8, 8, 5)), r"got shape \(2, 8, 8, 5\), expected \(n, height, width, 1 or 3\), .*784\)\.$"),
        (np.zeros((0, 28, 28)), r"got shape \(0, 28, 28\), expected .* It contains no image\.$"),
        (np.zeros(784), r"got shape \(784,\), expected"),
        (0.5, r"got shape \(\), expected"),
        (None, "got None, expected an array"),
        (np.full((1, 8, 8, 3), 255, "uint8"), "got values from 255 to 255, expected 0 to 1. Were the pixels divided"),
        (np.full((1, 8, 8, 3), -1.0), "got values from -1 to -1, expected 0 to 1"),
        (np.full((1, 8, 8), np.nan), "got 64 values that are NaN or infinite"),
        (np.full((1, 8, 8), "a"), "got dtype <U1, expected numbers"),
    ],
)
def test_bad_pictures_are_named(images, message):
    with pytest.raises(ValueError, match="^photos: " + message):
        checks.check_pictures("photos", images)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (None, "x: got None, expected an array"),
        ([[1, 2], [3]], "x: got list that makes no array"),
        (np.zeros((2, 3)), r"x: got shape \(2, 3\), expected \(n,\)"),
        (np.array(["a"]), "x: got dtype <U1, expected numbers"),
        (np.array([1j]), "x: got dtype complex128, expected numbers"),
        (np.array([object()]), "x: got dtype object, expected numbers"),
        (np.array([1.0, 1e300]), r"x: got 1 values that are NaN or infinite, the first at \(1,\)"),
        ([-1.0, 2.0], "x: got values from -1 to 2, expected >= 0"),
        (np.ma.masked_less([1.0, -9.0, -9.0], 0), r"x: got 2 masked values, expected none: leave them out, or give"),
        ([1.0, np.ma.masked], "x: got 1 masked values"),
    ],
)
def test_bad_arrays_are_named(array, message):
    with pytest.raises(ValueError, match=message):
        checks.check_array("x", array, shape=(None,), low=0)


def test_masked_numbers_are_refused_everywhere():
    masked = np.ma.masked_less(np.array([1.0, -9.0]), 0)
    assert checks.check_array("x", masked[:1], shape=(None,)).tolist() == [1]
    for check in (checks.check_labels, functools.partial(checks.check_shape, shape=(None,))):
        with pytest.raises(ValueError, match="x: got 1 masked values"):
            check("x", masked)
    with pytest.raises(ValueError, match="x: got masked, expected a finite number"):
        checks.check_number("x", np.ma.masked)


@pytest.mark.parametrize("array", [np.array([True, False]), jnp.array([1, 0], "bfloat16"), [1, 0]])
def test_what_counts_as_numbers(array):
    assert checks.check_array("x", array, shape=(None,)).tolist() == [1, 0]


def test_an_ellipsis_stands_for_any_axes():
    for shape in [(3,), (2, 3), (4, 2, 3)]:
        assert checks.check_array("x", np.zeros(shape), shape=(..., 3)).shape == shape
        assert checks.check_array("x", np.zeros(shape[::-1]), shape=(3, ...)).shape == shape[::-1]
    for shape in [(2,), (), (2, 2)]:
        for wanted, words in (((..., 3), r"\(..., 3\)"), ((3, ...), r"\(3, ...\)")):
            with pytest.raises(ValueError, match=rf"x: got shape .*, expected {words}"):
                checks.check_array("x", np.zeros(shape), shape=wanted)
    assert checks.check_array("x", 1.5, shape=(...,)) == 1.5


def test_an_array_that_does_not_fit_into_memory_is_named():
    with pytest.raises(ValueError, match=r"x: got shape \(1125899906842624,\), expected one that fits into memory"):
        checks.check_array("x", np.broadcast_to(np.float32(0), 2**50), shape=(None,))


def test_too_few_rows_are_named():
    assert len(checks.check_array("x", np.zeros((2, 3)), shape=(None, 3), least=2)) == 2
    with pytest.raises(ValueError, match=r"x: got 0 rows, expected at least 1\."):
        checks.check_array("x", np.zeros((0, 3)), shape=(None, 3), least=1)
    with pytest.raises(ValueError, match="x: got 2 rows, expected at least 1, with numbers in them"):
        checks.check_array("x", np.zeros((2, 0)), shape=(None, None), least=1)
    with pytest.raises(ValueError, match=r"x: got 1 rows, expected at least 2\."):
        checks.check_images("x", np.zeros((1, 784)), least=2)


def test_the_shape_of_what_is_traced_is_checked():
    def double(x):
        checks.check_shape("x", x, (None, 3))
        return 2 * x

    assert jax.jit(double)(np.ones((2, 3))).tolist() == [[2, 2, 2]] * 2
    with pytest.raises(ValueError, match=r"x: got shape \(3,\), expected \(n, 3\)"):
        jax.jit(double)(np.ones(3))
    checks.check_shape("x", keras.Input((3,)), (None, 3))
    checks.check_shape("x", keras.Input((3,)), (7, 3))  # a size not known yet fits any


def test_a_plain_number_keeps_its_weak_precision():
    assert checks.check_shape("x", 0.1, ()) == 0.1
    assert (np.ones(2, "float32") * checks.check_shape("x", 0.1, ())).dtype == "float32"
    assert checks.check_shape("x", [1, 2], (None,)).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (dict(x=np.zeros(3), y=np.zeros((3, 1))), r"y: got shape \(3, 1\), expected \(3,\), the shape of x"),
        (dict(x=np.zeros(3), y=np.full(3, "a")), "y: got dtype <U1, expected numbers"),
        (dict(x=[[1], [2, 3]], y=0), "x: got list that makes no array"),
    ],
)
def test_arrays_that_do_not_go_together_are_named(arrays, message):
    assert [len(x) for x in checks.check_shapes(x=[1, 2], y=np.zeros(2))] == [2, 2]
    with pytest.raises(ValueError, match=message):
        checks.check_shapes(**arrays)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (None, "x: got None, expected an array"),
        ("a", r"x: got shape \(\), expected \(n, 3\)"),
        ([[1, 2], [3]], "x: got list that makes no array"),
        (np.full((2, 3), "a"), "x: got dtype <U1, expected numbers"),
        (np.full((2, 3), None), "x: got dtype object, expected numbers"),
        (jax.random.split(jax.random.key(0), (2, 3)), "x: got dtype key<fry>, expected numbers"),
    ],
)
def test_what_is_no_tensor_is_named(tensor, message):
    with pytest.raises(ValueError, match=message):
        checks.check_shape("x", tensor, (None, 3))


def test_a_value_of_another_kind_is_named():
    assert checks.check_kind("path", "a", (str, bytes), "a path") == "a"
    with pytest.raises(ValueError, match="path: got 1, expected a path"):
        checks.check_kind("path", 1, (str, bytes), "a path")


def test_each_of_several_numbers_is_checked():
    assert checks.check_each("widths", (3, np.int64(2)), checks.check_integer, low=1) == [3, 2]
    assert checks.check_each("rates", iter([0.5, 1]), checks.check_number, low=0) == [0.5, 1.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "widths: got None, expected a sequence of numbers"),
        (3, "widths: got 3, expected a sequence of numbers"),
        (np.array(3), "widths: got array\\(3\\), expected a sequence of numbers"),
        ("12", "widths: got '1', expected an integer >= 1"),
        ([2, 0], "widths: got 0, expected an integer >= 1"),
        ([[2, 1]], r"widths: got \[2, 1\], expected an integer >= 1"),
        ([], "widths: got 0 entries, expected at least 1"),
    ],
)
def test_bad_sequences_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        checks.check_each("widths", values, checks.check_integer, least=1, low=1)


def test_activations_come_back_as_functions():
    assert checks.check_activation("activation", "relu") is keras.activations.relu
    assert checks.check_activation("activation", np.tanh) is np.tanh
    assert checks.check_activation("activation", None) is keras.activations.linear


@pytest.mark.parametrize("activation", ["relux", 3, np.zeros(2), ["relu"], {}])
def test_bad_activations_are_named(activation):
    with pytest.raises(ValueError, match=r"activation: got .*, expected a name that Keras knows"):
        checks.check_activation("activation", activation)


@pytest.mark.parametrize("labels", [[1, 0, 2], [[1], [0], [2]], np.array([1.0, 0.0, 2.0]), jnp.array([[1], [0], [2]])])
def test_labels_come_back_in_one_shape(labels):
    checked = checks.check_labels("labels", labels, count=3, high=2)
    assert checked.dtype == "int32"
    assert checked.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels: got None"),
        (np.eye(3), r"labels: got shape \(3, 3\).*argmax\(axis=1\)"),
        ([0, 1], "labels: got 2 labels, expected one for each of the 3 images"),
        ([0, 1, 3], "labels: got values from 0 to 3, expected 0 to 2"),
        ([0, -1, 2], "labels: got values from -1 to 2, expected 0 to 2"),
        ([0, 0.5, 2], "labels: got fractions such as 0.5"),
        ([0, np.nan, 2], "labels: got 1 values that are NaN"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        checks.check_labels("labels", labels, count=3, high=2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([2**32, 0, 2**33 + 1], "labels: got values from 0 to 8589934593, expected 0 to 2147483647"),
        (np.float64([0, 2**31]), "labels: got values from 0 to 2147483648, expected 0 to 2147483647"),
        (np.array([2**64 - 1], "uint64"), "labels: got values from .*, expected 0 to 2147483647"),
        ([0, 1 - 1e-9], "labels: got fractions such as 0.999999999, expected integers"),
    ],
)
def test_labels_that_would_become_others_are_named(labels, message):
    assert checks.check_labels("labels", [2**31 - 1, 2**24 + 1]).tolist() == [2**31 - 1, 2**24 + 1]
    with pytest.raises(ValueError, match=message):
        checks.check_labels("labels", labels)


@pytest.mark.parametrize("value", [1, 1.5, np.float32(2), np.int64(3), np.array(1.0), jnp.float32(2)])
def test_numbers_come_back_as_floats(value):
    assert checks.check_number("x", value, low=0) == float(value)


@pytest.mark.parametrize("value", [None, "1", True, np.nan, np.inf, 1j, [1], np.ones(1), -1, 10])
def test_bad_numbers_are_named(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected a finite number >= 0 and < 10"):
        checks.check_number("x", value, low=0, below=10)


@pytest.mark.parametrize(
    ("value", "bounds", "words"),
    [
        (1e300, {}, "a finite number in float32"),
        (1e-300, {"above": 0}, "a finite number > 0 in float32"),
        (1 - 1e-12, {"below": 1}, "a finite number < 1 in float32"),
        (10**400, {}, "a finite number"),
    ],
)
def test_numbers_that_float32_cannot_tell_from_wrong_ones_are_named(value, bounds, words):
    with pytest.raises(ValueError, match=rf"x: got .*, expected {words}\."):
        checks.check_number("x", value, **bounds)


@pytest.mark.parametrize("value", ["c", None, [1], np.zeros(3), {}])
def test_bad_choices_are_named(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected one of 'a', 'b'"):
        checks.check_choice("x", value, {"a": 1, "b": 2})


@pytest.mark.parametrize("value", [None, 1.0, True, "1", np.zeros(100), [1] * 100])
def test_bad_integers_are_named_in_one_line(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected an integer >= 1") as error:
        checks.check_integer("x", value, low=1)
    assert len(str(error.value)) < 120


def test_integers_beyond_32_bits_are_refused():
    assert checks.check_integer("seed", 2**32 - 1, low=0) == 2**32 - 1
    assert checks.check_integer("bytes", 2**40, low=0, high=2**41) == 2**40
    with pytest.raises(ValueError, match="seed: got 4294967296, expected an integer from 0 to 4294967295"):
        checks.check_integer("seed", 2**32, low=0)
    # What the bound is for: JAX takes such a seed for another.
    keys = [jax.random.key_data(jax.random.key(seed)).tolist() for seed in (0, 2**32)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("value", [0.5, np.zeros(3), np.zeros((4, 1)), np.zeros((5, 4, 3)), [[1]]])
def test_what_numpy_would_broadcast_comes_back(value):
    assert np.shape(checks.check_broadcast("x", value, np.zeros((4, 3)))) == np.shape(value)


@pytest.mark.parametrize("value", [np.zeros(4), np.zeros((3, 3)), None, "a", [[1, 2], [3]]])
def test_what_goes_with_nothing_is_named(value):
    with pytest.raises(ValueError, match=r"^x: got"):
        checks.check_broadcast("x", value, np.zeros((4, 3)))
