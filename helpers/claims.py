"""Assert, print and glue the numbers a chapter claims, and report where and how long the chapter ran."""

import datetime
import importlib.metadata
import platform
import sys
import time

import numpy as np
from IPython.display import display

from helpers.checks import check_array, check_choice, check_kind, check_number, check_shapes

try:
    import resource
except ImportError:  # Windows has none
    resource = None

CLAIM_MIME = "application/vnd.book.claim+json"
RUN_MIME = "application/vnd.book.run+json"
_started = time.perf_counter()


def check(name, value, *, at_most=None, at_least=None, unit="", source=None, met=True, comparison=None):
    """Assert that a measured number keeps its bound, print a readable line and glue the number for the prose.

    Parameters
    ----------
    name : str
        The claim's name, unique in the book; the prose shows the number with ``{glue:text}`name:.3f```.
    value : float
        The measured number.
    at_most, at_least : float, optional
        Inclusive bounds, finite. With neither, the number is reported only.
    unit : str, optional
        Unit of the value, for the reader.
    source : str, optional
        Key in ``book/references.bib`` of the publication the bound comes from.
    met : bool, default=True
        False states openly that the bound is not reached; the check then fails if it *is* reached.
    comparison : dict, optional
        What `compare` records of a comparison: ``seeds``, ``standard_errors`` and ``curve``.

    Raises
    ------
    AssertionError
        If the number is on the wrong side of its bound.
    ValueError
        If it is not finite, or an argument of the wrong kind.
    """
    _check_words(name, unit, source)
    check_choice("met", met, (False, True))
    check_kind("comparison", comparison, (dict, type(None)), "what compare hands over")
    # NumPy's numbers compare to its own booleans, which JSON cannot hold.
    value, at_most, at_least = check_number(name, value), _bound("at_most", at_most), _bound("at_least", at_least)
    within = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    expected = _bounds(at_most, at_least)
    if within != met:
        raise AssertionError(
            f"{name}: got {value:.6g} {unit}, expected {expected}{'' if met else ', stated as not met'}."
        )
    line = f"{name} = {value:.6g} {unit}".rstrip() + f"   ({'' if within else 'NOT MET: '}{expected})"
    record = dict(name=name, value=value, at_most=at_most, at_least=at_least, source=source, met=within, unit=unit)
    if comparison:
        record["comparison"] = comparison
        line += f"; {comparison['seeds']} seeds, {_errors_apart(comparison['standard_errors'])}"
    display({"text/plain": line, CLAIM_MIME: record}, raw=True)
    glue(name, value)


def compare(name, ours, theirs, *, curve, ratio=True, paired=False, **options):
    """Assert a comparison of two models or settings that were each trained on several seeds.

    Parameters
    ----------
    name : str
        The claim's name, as for `check`.
    ours, theirs : array_like of shape (n,)
        One measurement per seed; the two n may differ unless `paired`.
    curve : str
        The result in ``experiments/results`` that holds the curves of these runs, for a reader to judge by.
    ratio : bool, default=True
        The value is the mean of ours over the mean of theirs; False makes it the difference of the means.
    paired : bool, default=False
        Whether entry i of both had the same seed, labels or data, so that the differences have an error of their own.
    **options
        Bounds, unit, source and met, as for `check`.

    Raises
    ------
    ValueError
        If an argument is of the wrong kind, with fewer than three seeds, or fewer than five where the means lie less
        than three standard errors apart.
    AssertionError
        As for `check`.
    """
    check_kind("curve", curve, str, "the name of a result in experiments/results")
    check_choice("ratio", ratio, (False, True))
    ours, theirs = _runs("ours", ours), _runs("theirs", theirs)
    if check_choice("paired", paired, (False, True)):
        check_shapes(ours=ours, theirs=theirs)
    if ratio and not theirs.mean():
        raise ValueError("theirs: got a mean of 0, expected another, or ratio=False for the difference.")
    value = ours.mean() / theirs.mean() if ratio else ours.mean() - theirs.mean()
    if paired:
        error = (ours - theirs).std(ddof=1) / len(ours) ** 0.5
    else:
        error = np.sqrt(sum(values.var(ddof=1) / len(values) for values in (ours, theirs)))
    apart = float(abs(ours.mean() - theirs.mean()) / error) if error else None  # None: nothing varies
    seeds = min(len(ours), len(theirs))
    least = 3 if apart is None or apart >= 3 else 5
    if seeds < least:
        raise ValueError(f"{name}: got {seeds} seeds, expected at least {least}; {_errors_apart(apart)}.")
    check(name, value, comparison=dict(seeds=seeds, standard_errors=apart, curve=curve), **options)


def _check_words(name, unit, source):
    """Raise a ValueError unless the words of a claim are strings."""
    check_kind("name", name, str, "the claim's name")
    check_kind("unit", unit, str, "the unit's name")
    check_kind("source", source, (str, type(None)), "a key in book/references.bib")


def _bound(name, bound):
    """Return a bound as a float, or None."""
    return None if bound is None else check_number(name, bound)


def _runs(name, values):
    """Return one number per seed as float64, or raise a ValueError."""
    check_array(name, values, shape=(None,), least=2)
    return np.asarray(values, float)


def _errors_apart(standard_errors):
    """Say how far two means are apart."""
    return "no spread" if standard_errors is None else f"{standard_errors:.1f} standard errors apart"


def _bounds(at_most, at_least):
    """Say the bounds in words."""
    bounds = {"at most": at_most, "at least": at_least}
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None) or "no bound"


def glue(name, value):
    """Store a value under a name so that the chapter's prose shows the measured number rather than a typed one.

    Parameters
    ----------
    name : str
        Name used in ``{glue:text}`` roles; unique in the book.
    value : str or float
        A text, or a finite number, which can be formatted in the role, as in ``{glue:text}`name:.2f```.
    """
    check_kind("name", name, str, "the value's name")
    if not isinstance(value, str):
        check_number("value", value)
    try:
        from myst_nb import glue as myst_glue
    except ImportError:  # Colab and plain Jupyter need only the printed line: the prose is not rendered there
        return
    # The page formats a number's text, and NumPy 2 writes its numbers as "np.float64(0.5)".
    myst_glue(name, value.item() if isinstance(value, np.generic) else value, display=False)


def report():
    """Print how long the chapter ran, on which device and with which versions, for the book's status page.

    Returns
    -------
    None
        The cell's output holds the record: seconds since `helpers.claims` was imported, peak memory in GiB, device,
        versions and the date (UTC). The cell is tagged ``timing``, because its output changes from run to run.
    """
    record = run_record()
    versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
    peak = record["peak_memory_gib"]
    memory = "" if peak is None else f"peak memory {peak:.2f} GiB, "
    line = f"This chapter ran in {record['seconds']:.0f} s on {record['device']}, {memory}{record['date']} ({versions})"
    display({"text/plain": line, RUN_MIME: record}, raw=True)
    glue("running-time", f"{record['seconds']:.0f} s")


def run_record():
    """Return seconds, peak memory, device, versions and date of this process as a dictionary.

    Returns
    -------
    dict
        Keys ``seconds`` (float), ``peak_memory_gib`` (float, or None on Windows), ``device`` (str), ``versions`` (dict)
        and ``date`` (str).
    """
    import jax

    packages = {name: importlib.metadata.version(name) for name in ("keras", "jax", "numpy")}
    return {
        "seconds": round(time.perf_counter() - _started, 1),
        "peak_memory_gib": _peak_memory(),
        "device": f"{jax.device_count()} {jax.devices()[0].device_kind} device",
        "versions": {"python": platform.python_version(), **packages},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _peak_memory():
    """Return the most memory that this process has had, in GiB, or None where it is not known."""
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS and in KiB on Linux
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)
