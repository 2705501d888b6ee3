"""Every check of an argument: one error that names the argument, what came, what was expected and the likely mend."""

import numbers

import numpy as np

_ROUNDING = 1e-6  # share of a range by which float32 may leave it, such as a grey of red, green and blue
_LARGEST = 2**32 - 1  # no axis is longer, and JAX cuts a seed beyond it to 32 bits without a word: 2**32 would act as 0


def check_integer(name, value, *, low, high=None):
    """Return `value` as an int, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What came.
    low, high : int
        Inclusive bounds; without `high` it is 2**32 − 1.

    Returns
    -------
    int
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if high is None and whole and value > _LARGEST:
        high = _LARGEST
    if not whole or value < low or (high is not None and value > high):
        expected = f"an integer >= {low}" if high is None else f"an integer from {low} to {high}"
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
        Always finite and within the bounds, also once a network has rounded it to float32.
    """
    bounds = {">=": low, "<=": high, ">": above, "<": below}
    wanted = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None and np.isfinite(bound)]

    def fits(number):
        """Return whether a number is finite and within the bounds; NaN is not."""
        inside = low <= number <= high and (above is None or number > above) and (below is None or number < below)
        return inside and np.isfinite(number)

    number = _as_number(value)
    with np.errstate(all="ignore"):
        rounded = np.float32(number)
    if not (fits(number) and fits(rounded)):
        words = " and ".join(wanted) + " in float32" * bool(fits(number))
        raise ValueError(f"{name}: got {_shown(value)}, expected a finite number{' ' * bool(words)}{words.strip()}.")
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


def check_kind(name, value, kinds, expected):
    """Return `value`, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What came.
    kinds : type or tuple of type
        What it may be an instance of.
    expected : str
        The same in words, with the likely mend.

    Returns
    -------
    object
    """
    if not isinstance(value, kinds):
        raise ValueError(f"{name}: got {_shown(value)}, expected {expected}.")
    return value


def check_each(name, values, check, *, least=0, **bounds):
    """Return a list of what `check` makes of each value, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    values : iterable
        What came.
    check : callable
        `check_integer` or `check_number`.
    least : int, default=0
        Fewer values are an error.
    **bounds
        For `check`.

    Returns
    -------
    list
    """
    try:
        values = list(values)
    except TypeError:
        raise ValueError(f"{name}: got {_shown(values)}, expected a sequence of numbers.") from None
    if len(values) < least:
        raise ValueError(f"{name}: got {len(values)} entries, expected at least {least}.")
    return [check(name, value, **bounds) for value in values]


def check_activation(name, activation):
    """Return an activation as a function, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    activation : str, callable or None
        As Keras's layers take it.

    Returns
    -------
    callable
    """
    import keras  # here, because it takes seconds and few of the callers need it

    try:
        return keras.activations.get(activation)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: got {_shown(activation)}, expected a name that Keras knows, such as 'relu', or a function."
        ) from None


def check_shape(name, tensor, shape):
    """Return `tensor`, of a list an array, or raise a ValueError unless it has this shape and holds numbers.

    No value is looked at: this check also serves where JAX or Keras traces a function, and there costs nothing when
    the compiled function runs.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    tensor : array_like or tensor
        What came. A size that Keras does not know yet, None, fits any.
    shape : tuple
        The expected shape; None stands for any size, and an Ellipsis at one end for any further axes.

    Returns
    -------
    ndarray, tensor or number
    """
    known = hasattr(tensor, "dtype") and hasattr(tensor, "shape") and not isinstance(tensor, np.ma.MaskedArray)
    array = tensor if known else _as_array(name, tensor)
    if not _has_shape(tuple(array.shape), shape):
        raise ValueError(f"{name}: got shape {tuple(array.shape)}, expected {_say_shape(shape)}.")
    if not str(array.dtype).startswith(("float", "bfloat", "int", "uint", "bool")):
        raise ValueError(f"{name}: got dtype {array.dtype}, expected numbers.")
    return array if array.shape else tensor  # a plain number takes on the precision of what it meets, an array does not


def check_array(name, array, *, shape, low=None, high=None, least=0):
    """Return `array` as float32, or raise a ValueError that names the argument, what came and what was expected.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    array : array_like
        What came.
    shape : tuple
        The expected shape; None stands for any size, and an Ellipsis at one end for any further axes.
    low, high : float, optional
        Inclusive range of the values. Of a range with two ends, values outside by rounding alone become them.
    least : int, default=0
        Fewer rows are an error, and if it is not 0, so are rows without numbers.

    Returns
    -------
    ndarray of float32
    """
    array = check_shape(name, _as_array(name, array), shape)
    if least and (len(array) < least or not array.size):
        hint = "" if array.size or not len(array) else ", with numbers in them"
        raise ValueError(f"{name}: got {len(array)} rows, expected at least {least}{hint}.")
    floats, finite = _as_floats(name, array)
    if not finite.all():
        bad = np.argwhere(~finite)
        raise ValueError(
            f"{name}: got {len(bad)} values that are NaN or infinite, the first at {tuple(bad[0].tolist())}."
        )
    if None in (low, high) or not floats.size or (floats.min() >= low and floats.max() <= high):
        _check_range(name, floats, low, high)
        return floats
    slack = _ROUNDING * (high - low)
    _check_range(name, floats, low - slack, high + slack, said=(low, high))
    return floats.clip(low, high)


def check_images(name, images, *, least=0):
    """Return digit images as float32 of shape (n, 28, 28, 1), or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    images : array_like of shape (n, 28, 28, 1), (n, 28, 28) or (n, 784)
        Grey levels in [0, 1]; see `check_array` on rounding.
    least : int, default=0
        Fewer images are an error.

    Returns
    -------
    ndarray of shape (n, 28, 28, 1), dtype float32
    """
    images = _as_array(name, images)
    if images.shape[1:] not in ((28, 28, 1), (28, 28), (784,)):
        raise ValueError(f"{name}: got shape {images.shape}, expected (n, 28, 28, 1), (n, 28, 28) or (n, 784).")
    return check_array(name, images.reshape(-1, 28, 28, 1), shape=(None, 28, 28, 1), low=0, high=1, least=least)


def check_pictures(name, images):
    """Return grey or coloured images of any size as float32, or raise a ValueError that names the argument.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    images : array_like of shape (n, height, width, 1 or 3), (n, height, width) or (n, 784)
        Levels in [0, 1], n >= 1. Rows of pixels are taken for digits of 28 × 28; of others the shape is not known. With
        three axes the last, if it has at most four places, is taken for the channels of one image, which is an error:
        grey images so narrow need their channel, ``images[..., None]``.

    Returns
    -------
    ndarray of shape (n, height, width, 1 or 3), dtype float32
    """
    array = _as_array(name, images)
    pictures = array.reshape(-1, 28, 28, 1) if array.shape[1:] == (784,) else array
    pictures = pictures[..., None] if pictures.ndim == 3 and pictures.shape[-1] > 4 else pictures
    if pictures.ndim != 4 or not pictures.size or pictures.shape[-1] not in (1, 3):
        expected = "(n, height, width, 1 or 3), (n, height, width) or (n, 784)"
        raise ValueError(f"{name}: got shape {array.shape}, expected {expected}.{_picture_hint(name, array.shape)}")
    return check_array(name, pictures, shape=(None,) * 4, low=0, high=1)


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
        Inclusive range of the numbers; without `high` it is the largest int32.

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
    # float32 would round 2³¹ − 1 up, and 0.99999999 to 1.
    numbers = array if array.dtype.kind in "iu" else array.astype("float64")
    if (fractions := numbers[numbers != np.round(numbers)]).size:
        raise ValueError(f"{name}: got fractions such as {_digits(fractions[0])}, expected integers.")
    _check_range(name, numbers, low, high)
    _check_range(name, numbers, low, np.iinfo("int32").max)
    return array.astype("int32")


def check_shapes(**arrays):
    """Return arrays that go together, given by their names, or raise a ValueError unless they have one shape.

    None is broadcast, which would make a table of (n,) and (n, 1).

    Parameters
    ----------
    **arrays : array_like or tensor
        Shapes and kinds of numbers are looked at, which a compiled function knows as well.

    Returns
    -------
    list of ndarray, tensor or number
    """
    tensors = {name: check_shape(name, array, (...,)) for name, array in arrays.items()}
    (first, expected), *others = ((name, np.shape(tensor)) for name, tensor in tensors.items())
    for name, shape in others:
        if not _has_shape(shape, expected):
            raise ValueError(f"{name}: got shape {shape}, expected {expected}, the shape of {first}.")
    return list(tensors.values())


def check_broadcast(name, tensor, like):
    """Return a tensor that NumPy's rules bring to one shape with another, or raise a ValueError that names it.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    tensor : array_like or tensor
        What came; only its shape and kind are looked at.
    like : array or tensor
        The other.

    Returns
    -------
    ndarray, tensor or number
    """
    tensor, shape = check_shape(name, tensor, (...,)), tuple(np.shape(like))
    pairs = zip(reversed(np.shape(tensor)), reversed(shape), strict=False)
    if not all(one == other or {None, 1} & {one, other} for one, other in pairs):
        raise ValueError(f"{name}: got shape {np.shape(tensor)}, expected one that goes with {shape}.")
    return tensor


def _picture_hint(name, shape):
    """Return the likely remedy for a shape that is not one of images."""
    if 0 in shape:
        return " It contains no image."
    if len(shape) == 4 and shape[1] in (1, 3):
        return f" Channels come last: {name}.transpose(0, 2, 3, 1)."
    if len(shape) == 4 and shape[3] in (2, 4):
        return f" Without transparency: {name}[..., :{shape[3] - 1}]."
    if len(shape) == 3 and shape[2] in (2, 4):
        one = f"one picture without transparency is {name}[None, ..., :{shape[2] - 1}]"
        return f" A stack of one: {one}. Grey images {shape[2]} wide: {name}[..., None]."
    if len(shape) == 3 or (len(shape) == 2 and shape[0] == shape[1]):
        return f" A single image is a stack of one: {name}[None]."
    sides = {channels: round((shape[1] / channels) ** 0.5) for channels in (1, 3)} if len(shape) == 2 else {}
    fits = [f"{side}, {side}, {channels}" for channels, side in sides.items() if channels * side**2 == shape[1]]
    return f" Rows need their shape: {name}.reshape(-1, {(fits or ['height, width, channels'])[0]})." if sides else ""


def _as_array(name, value):
    """Return what came as an array, or raise a ValueError that names the argument."""
    if value is None:
        raise ValueError(f"{name}: got None, expected an array.")
    _refuse_masked(name, value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: got {type(value).__name__} that makes no array ({error}).") from None


def _refuse_masked(name, value):
    """Raise a ValueError if an array, or one of a list, has masked values, which NumPy's functions would show."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    masked = sum(np.ma.count_masked(part) for part in parts if isinstance(part, np.ma.MaskedArray))
    if masked:
        raise ValueError(f"{name}: got {masked} masked values, expected none: leave them out, or give .filled(...).")


def _as_floats(name, array):
    """Return an array as float32 and which of its values are finite; a double beyond float32 becomes infinite."""
    try:
        with np.errstate(over="ignore"):
            floats = array.astype("float32", copy=False)
        return floats, np.isfinite(floats)
    except MemoryError:
        raise ValueError(f"{name}: got shape {array.shape}, expected one that fits into memory.") from None


def _has_shape(shape, wanted):
    """Return whether a shape is as wanted; None stands for any size, an Ellipsis at one end for any axes."""
    if ... in wanted:
        from_end, wanted = wanted[0] is ..., tuple(size for size in wanted if size is not ...)
        known = len(wanted)
        shape = shape[max(len(shape) - known, 0) :] if from_end else shape[:known]
    return len(shape) == len(wanted) and all(
        None in (want, got) or want == got for want, got in zip(wanted, shape, strict=True)
    )


def _say_shape(shape):
    """Return an expected shape in words."""
    names = ["..." if size is ... else "n" if size is None else str(size) for size in shape]
    return f"({', '.join(names)}{',' * (len(names) == 1)})"


def _check_range(name, array, low, high, said=None):
    """Raise a ValueError when values lie outside [low, high]; either may be None. `said` is the range to name."""
    if not array.size:
        return
    smallest, largest = array.min().item(), array.max().item()
    if (low is not None and smallest < low) or (high is not None and largest > high):
        low, high = said or (low, high)
        hint = " Were the pixels divided by 255?" if high == 1 and largest > 1 else ""
        ends = [None if bound is None else _digits(bound) for bound in (low, high)]
        wanted = f">= {ends[0]}" if high is None else f"<= {ends[1]}" if low is None else " to ".join(ends)
        found = " to ".join(_digits(value, ends) for value in (smallest, largest))
        raise ValueError(f"{name}: got values from {found}, expected {wanted}.{hint}")


def _digits(number, ends=()):
    """Return a number in six digits, or in more where it would read as a bound or an integer; integers in full."""
    if float(number).is_integer():
        return f"{number:.0f}" if abs(number) < 1e15 else f"{number:g}"
    texts = [f"{number:.{digits}g}" for digits in (6, 9, 17)]
    return next((text for text in texts if text not in ends and not float(text).is_integer()), texts[-1])


def _as_number(value):
    """Return one real number as a float, and NaN for anything else."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        real = np.shape(value) == () and np.asarray(value).dtype.kind in "fiu" and not np.ma.is_masked(value)
    else:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return float(value) if real else np.nan
    except OverflowError:  # an integer of more than 308 digits
        return np.inf


def _shown(value):
    """Return a value for a message: in full where it is short, else its kind and shape."""
    text = repr(value)
    if len(text) <= 60:
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def is_array(data):
    """Return whether data are an array, or a list that NumPy makes one of."""
    return isinstance(data, (list, tuple)) or hasattr(data, "__array__")
