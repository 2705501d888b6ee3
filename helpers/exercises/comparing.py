"""What the checks of exercises are made of: each comparison returns nothing, or raises with what is off."""

import numpy as np

CHECKS = {}  # the exercise's label → its check
# What a number may be off by for a reason, with the reason.
_FACTORS = {
    100: "is it a percentage where a share is asked for?",
    0.01: "is it a share where a percentage is asked for?",
    np.log(2): "is it in nats where bits are asked for?",
    1 / np.log(2): "is it in bits where nats are asked for?",
    2: "a factor of 2 is too much",
    0.5: "a factor of 2 is missing",
    784: "is it a sum over the pixels where their mean is asked for?",
    1 / 784: "is it a mean over the pixels where their sum is asked for?",
}


class Wrong(AssertionError):
    """An answer that is not right; Jupyter shows its one line without a traceback."""

    def _render_traceback_(self):
        """Return the lines that IPython shows."""
        return [f"Not yet. {self}"]


class Unanswered(Exception):
    """An answer that still has dots in it."""


def exercise(label):
    """Return a decorator that enters a function as the check of an exercise.

    Parameters
    ----------
    label : str
        The exercise's label in the chapter.

    Returns
    -------
    callable
        Its function takes the answer, and by name what it needs of the chapter; it raises `Wrong`, or returns None or
        a remark for the reader whose answer is right.
    """

    def enter(function):
        """Enter the function under the label."""
        if label in CHECKS:
            raise ValueError(f"label: got {label!r} twice, expected one check an exercise.")
        CHECKS[label] = function
        return function

    return enter


def is_open(answer):
    """Return whether an answer is, or has in it, the dots that stand for one."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    return answer is ... or (isinstance(answer, (list, tuple)) and any(map(is_open, answer)))


def that(condition, otherwise):
    """Raise `Wrong` with a sentence unless a condition holds.

    Parameters
    ----------
    condition : bool
        What must hold of the answer.
    otherwise : str
        What came, and what is off.
    """
    if not condition:
        raise Wrong(otherwise)


def parts(answer, *names):
    """Return the parts of an answer that consists of several.

    Parameters
    ----------
    answer : tuple or list
        What came.
    *names : str
        What each part is, for the message.

    Returns
    -------
    tuple
    """
    wanted = f"expected {len(names)} values: {', '.join(names)}"
    try:
        found = tuple(answer)
    except TypeError:
        raise Wrong(f"got {type(answer).__name__}, {wanted}.") from None
    that(len(found) == len(names), f"got {len(found)} values, {wanted}.")
    return found


def call(function, *inputs, what="your function"):
    """Return what a learner's function makes of inputs.

    Parameters
    ----------
    function : callable
        The answer.
    *inputs : object
        What it is handed.
    what : str
        What to call it in the message.

    Returns
    -------
    object
        What it returned; the dots of an empty function count as no answer.
    """
    that(callable(function), f"got {type(function).__name__}, expected a function.")
    try:
        made = function(*inputs)
    except (AssertionError, Unanswered):  # what a stub saw
        raise
    except Exception as error:
        raise Wrong(f"{what} raised {type(error).__name__}: {error}") from error
    if made is None or is_open(made):
        raise Unanswered
    return made


def numbers(answer, *, shape=None, what="the answer"):
    """Return numbers as an array of float64.

    Parameters
    ----------
    answer : array_like
        What came.
    shape : tuple, optional
        The shape that they must have; None in it stands for any size.
    what : str
        What to call it in the message.

    Returns
    -------
    ndarray
    """
    try:
        array = np.asarray(answer, "float64")
    except (TypeError, ValueError):
        raise Wrong(f"{what}: got {type(answer).__name__}, expected numbers.") from None
    if shape is not None:
        fits = array.ndim == len(shape) and all(w in (None, g) for w, g in zip(shape, array.shape, strict=True))
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        swapped = " Are rows and columns exchanged?" if array.ndim == 2 and array.shape[::-1] == shape else ""
        that(fits, f"{what}: got {_shape(array)}, expected the shape ({wanted}).{swapped}")
    return array


def choice(answer, expected, *, what="the answer", hint=""):
    """Compare a word, a truth value or a whole number.

    Parameters
    ----------
    answer, expected : object
        What came, and what is right.
    what : str
        What to call it in the message.
    hint : str
        A sentence for whoever is wrong.
    """
    kind = type(expected)
    alike = isinstance(answer, (bool, np.bool_)) == isinstance(expected, bool)
    that(alike and np.ndim(answer) == 0, f"{what}: got {answer!r}, expected one {kind.__name__}.")
    that(answer == expected, f"{what}: got {answer!r}, which is not it. {hint}".rstrip())


def same(answer, expected, *, rtol=1e-3, atol=0.0, what="the answer", hint=""):
    """Compare a number or an array with the expected one.

    Parameters
    ----------
    answer, expected : array_like
        What came, and what is right.
    rtol, atol : float
        How far an entry may be off: atol + rtol × |expected|.
    what : str
        What to call it in the message.
    hint : str
        A sentence for whoever is wrong.
    """
    expected = np.asarray(expected, "float64")
    answer = numbers(answer, what=what)
    _check_shape(answer, expected, what)
    that(
        np.isfinite(answer).all(),
        f"{what}: got {np.size(answer) - np.isfinite(answer).sum()} values that are NaN or infinite.",
    )
    close = np.abs(answer - expected) <= atol + rtol * np.abs(expected)
    if not close.all():
        raise Wrong(f"{what}: {_difference(answer, expected, close, rtol, atol)} {hint}".rstrip())


def hinted(answer, expected, mistakes, *, rtol=1e-3, atol=1e-9, **options):
    """Compare as `same` does; to an answer that a known mistake would give, add the mistake's sentence.

    Parameters
    ----------
    answer, expected : array_like
        What came, and what is right.
    mistakes : dict
        Sentence → what the answer would then be.
    rtol, atol, **options
        As of `same`; a mistake is recognised within the same tolerance.
    """
    came = numbers(answer, what=options.get("what", "the answer"))
    made = (sentence for sentence, wrong in mistakes.items()
            if came.shape == np.shape(wrong) and np.allclose(came, wrong, rtol, atol))  # fmt: skip
    same(came, expected, rtol=rtol, atol=atol, hint=next(made, ""), **options)


def _check_shape(answer, expected, what):
    """Raise unless the shapes agree; say so if axes are exchanged or only the form differs."""
    if answer.shape == expected.shape:
        return
    hint = ""
    if answer.shape == expected.shape[::-1]:
        hint = " Are rows and columns exchanged?"
    elif answer.size == expected.size:
        hint = " The count of numbers is right, their shape is not."
    wanted = "one number" if expected.shape == () else f"the shape {expected.shape}"
    raise Wrong(f"{what}: got {_shape(answer)}, expected {wanted}.{hint}")


def _shape(array):
    """Say what came."""
    return "one number" if array.shape == () else f"the shape {array.shape}"


def _difference(answer, expected, close, rtol, atol):
    """Say what is off: sign, a known factor, order, or which entries; of a number, on which side it lies."""

    def agrees(other):
        """Return whether the answer, changed in one way, would be right."""
        return np.allclose(other, expected, rtol=max(rtol, 1e-6), atol=atol)

    if agrees(-answer):
        return "the sign is off."
    reason = next((words for factor, words in _FACTORS.items() if agrees(answer / factor)), None)
    if reason:
        return f"the form is right, {reason}{'' if reason.endswith('?') else '.'}"
    if answer.shape == ():
        return f"got {answer:.6g}, which is too {'large' if answer > expected else 'small'}."
    if agrees(_in_order_of(answer, expected)):
        return "the numbers are right, their order is not."
    if np.any(expected) and agrees(answer * (np.vdot(answer, expected) / max(np.vdot(answer, answer), 1e-300))):
        return "every entry is off by one and the same factor."
    first = tuple(np.argwhere(~close)[0].tolist())
    return f"{(~close).sum()} of {close.size} entries are off, the first at {first}, where {answer[first]:.6g} came."


def _in_order_of(answer, expected):
    """Return the answer's numbers in the order that the expected ones have."""
    places = np.argsort(np.argsort(expected, axis=None))
    return np.sort(answer, axis=None)[places].reshape(expected.shape)
