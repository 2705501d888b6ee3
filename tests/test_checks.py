"""Good arguments come back in one form; bad ones raise one error that names the argument, what came and the mend."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers import checks


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
        (np.full((1, 784), -0.1), r"digits: got values from -0.1 to -0.1, expected 0 to 1."),
        (np.full((1, 784), np.nan), r"digits: got 784 values that are NaN or infinite, the first at \(0, 0, 0, 0\)"),
    ],
)
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        checks.check_images("digits", images)


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
    ],
)
def test_bad_arrays_are_named(array, message):
    with pytest.raises(ValueError, match=message):
        checks.check_array("x", array, shape=(None,), low=0)


@pytest.mark.parametrize("array", [np.array([True, False]), jnp.array([1, 0], "bfloat16"), [1, 0]])
def test_what_counts_as_numbers(array):
    assert checks.check_array("x", array, shape=(None,)).tolist() == [1, 0]


def test_a_leading_ellipsis_stands_for_any_axes():
    for shape in [(3,), (2, 3), (4, 2, 3)]:
        assert checks.check_array("x", np.zeros(shape), shape=(..., 3)).shape == shape
    with pytest.raises(ValueError, match=r"x: got shape \(2,\), expected \(..., 3\)"):
        checks.check_array("x", np.zeros(2), shape=(..., 3))


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


@pytest.mark.parametrize("value", [1, 1.5, np.float32(2), np.int64(3), np.array(1.0), jnp.float32(2)])
def test_numbers_come_back_as_floats(value):
    assert checks.check_number("x", value, low=0) == float(value)


@pytest.mark.parametrize("value", [None, "1", True, np.nan, np.inf, 1j, [1], np.ones(1), -1, 10])
def test_bad_numbers_are_named(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected a finite number >= 0 and < 10"):
        checks.check_number("x", value, low=0, below=10)


@pytest.mark.parametrize("value", ["c", None, [1], np.zeros(3), {}])
def test_bad_choices_are_named(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected one of 'a', 'b'"):
        checks.check_choice("x", value, {"a": 1, "b": 2})


@pytest.mark.parametrize("value", [None, 1.0, True, "1", np.zeros(100), [1] * 100])
def test_bad_integers_are_named_in_one_line(value):
    with pytest.raises(ValueError, match=r"x: got .*, expected an integer >= 1") as error:
        checks.check_integer("x", value, low=1)
    assert len(str(error.value)) < 120
