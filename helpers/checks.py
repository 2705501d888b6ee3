"""Every check of an argument: one error that names the argument, what came, what was expected and the likely mend."""

import numbers

import numpy as np


def check_integer(name, value, *, low, high=None):
    """Return `value` as an int, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What came.
    low, high : int
        Inclusive bounds; `high` may be None.

    Returns
    -------
    int
    """
    expected = f"an integer >= {low}" if high is None else f"an integer from {low} to {high}"
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        raise ValueError(f"{name}: got {_shown(value)}, expected {expected}.")
    return int(value)


def check_number(name, value, *, low=-np.inf, high=np.inf, above=None, below=None):
    """Return `value` as a float, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What came.
    low, high : float, optional
        Inclusive bounds.
    above, below : float, optional
        Bounds that are left out themselves.

    Returns
    -------
    float
        Always finite.
    """
    bounds = {">=": low, "<=": high, ">": above, "<": below}
    wanted = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None and np.isfinite(bound)]
    number = float(value) if _is_real(value) else np.nan
    fits = low <= number <= high and (above is None or number > above) and (below is None or number < below)
    if not (np.isfinite(number) and fits):
        raise ValueError(
            f"{name}: got {_shown(value)}, expected a finite number{' ' * bool(wanted)}{' and '.join(wanted)}."
        )
    return number


def check_choice(name, value, choices):
    """Return `value`, or raise a ValueError that lists the choices.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What came.
    choices : sequence
        What may come.

    Returns
    -------
    object
    """
    try:
        known = value in choices
    except (TypeError, ValueError):  # something that cannot be hashed, or an array
        known = False
    if not known:
        raise ValueError(f"{name}: got {_shown(value)}, expected one of {', '.join(map(repr, choices))}.")
    return value


def check_array(name, array, *, shape, low=None, high=None):
    """Return `array` as float32, or raise a ValueError that names the argument, what came and what was expected.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    array : array_like
        What came.
    shape : tuple
        The expected shape; None stands for any size, and a leading Ellipsis for any further axes before.
    low, high : float, optional
        Inclusive range of the values.

    Returns
    -------
    ndarray of float32
    """
    array = _as_array(name, array)
    if not _has_shape(array.shape, shape):
        raise ValueError(f"{name}: got shape {array.shape}, expected {_say_shape(shape)}.")
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: got dtype {array.dtype}, expected numbers.")
    # Halves and the like overflow nothing here; a double beyond float32 becomes infinite and is named below.
    with np.errstate(over="ignore"):
        floats = array.astype("float32", copy=False)
    finite = np.isfinite(floats)
    if not finite.all():
        bad = np.argwhere(~finite)
        raise ValueError(
            f"{name}: got {len(bad)} values that are NaN or infinite, the first at {tuple(bad[0].tolist())}."
        )
    _check_range(name, floats, low, high)
    return floats


def check_images(name, images):
    """Return digit images as float32 of shape (n, 28, 28, 1), or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1].

    Returns
    -------
    ndarray of shape (n, 28, 28, 1), dtype float32
    """
    images = _as_array(name, images)
    if images.shape[1:] not in ((28, 28, 1), (28, 28), (784,)):
        raise ValueError(f"{name}: got shape {images.shape}, expected (n, 28, 28, 1), (n, 28, 28) or (n, 784).")
    return check_array(name, images.reshape(-1, 28, 28, 1), shape=(None, 28, 28, 1), low=0, high=1)


def check_labels(name, labels, *, count=None, low=0, high=None):
    """Return class numbers as int32 of shape (n,), or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    labels : array_like of int, shape (n,) or (n, 1)
        What came; whole numbers stored as floats are taken as what they are.
    count : int, optional
        How many are expected: one for each image.
    low, high : int
        Inclusive range of the numbers; `high` may be None.

    Returns
    -------
    ndarray of int32, shape (n,)
    """
    array = _as_array(name, labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        hint = " From one-hot rows, labels.argmax(axis=1) makes them." if array.ndim == 2 else ""
        raise ValueError(f"{name}: got shape {array.shape}, expected (n,) or (n, 1), one class number an image.{hint}")
    floats = check_array(name, array, shape=(None,))
    if count is not None and len(floats) != count:
        raise ValueError(f"{name}: got {len(floats)} labels, expected one for each of the {count} images.")
    if (floats != np.round(floats)).any():
        raise ValueError(f"{name}: got fractions such as {floats[floats != np.round(floats)][0]:g}, expected integers.")
    _check_range(name, floats, low, high)
    return array.astype("int32")


def _as_array(name, value):
    """Return what came as an array, or raise a ValueError that names the argument."""
    if value is None:
        raise ValueError(f"{name}: got None, expected an array.")
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: got {type(value).__name__} that makes no array ({error}).") from None


def _has_shape(shape, wanted):
    """Return whether a shape is as wanted; None stands for any size, a leading Ellipsis for any axes."""
    if wanted[:1] == (...,):
        wanted = wanted[1:]
        shape = shape[len(shape) - len(wanted) :] if len(shape) >= len(wanted) else ()
    return len(shape) == len(wanted) and all(want in (None, got) for want, got in zip(wanted, shape, strict=True))


def _say_shape(shape):
    """Return an expected shape in words."""
    names = ["..." if size is ... else "n" if size is None else str(size) for size in shape]
    return f"({', '.join(names)}{',' * (len(names) == 1)})"


def _check_range(name, array, low, high):
    """Raise a ValueError when values lie outside [low, high]; either may be None."""
    if not array.size:
        return
    smallest, largest = float(array.min()), float(array.max())
    if (low is not None and smallest < low) or (high is not None and largest > high):
        hint = " Were the pixels divided by 255?" if high == 1 and largest > 1 else ""
        wanted = f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} to {high:g}"
        raise ValueError(f"{name}: got values from {smallest:g} to {largest:g}, expected {wanted}.{hint}")


def _is_real(value):
    """Return whether a value is one real number."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return np.shape(value) == () and np.asarray(value).dtype.kind in "fiu"
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _shown(value):
    """Return a value for a message: in full where it is short, else its kind and shape."""
    text = repr(value)
    if len(text) <= 60:
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
