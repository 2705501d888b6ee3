"""The one door to what the experiments stored: numbers, trained weights and other arrays."""

import difflib
import json
import numbers
import os
import re
from pathlib import Path

from helpers import storage
from helpers.checks import check_kind

# An installed package carries the results inside it, where pyproject.toml puts them; a clone has them beside it.
INSTALLED = Path(__file__).with_name("stored")
_CLONED = Path(__file__).parents[1] / "experiments" / "results"
RESULTS = INSTALLED if INSTALLED.is_dir() else _CLONED
PART = re.compile(r"[\w.-]+(?<!\.json)(?<!\.npz)")


def read(name, *, folder=None):
    """Return the result of an experiment.

    Parameters
    ----------
    name : str
        The result's name, such as ``"gan_recipes"``.
    folder : pathlib.Path, default=RESULTS
        Where to look instead.

    Returns
    -------
    dict
        What `experiments.record.write` wrote: the numbers, and the conditions they were measured under.

    Raises
    ------
    RuntimeError
        If the file is missing, damaged or another one; the message says how to get it back.
    """
    folder = Path(check_kind("folder", RESULTS if folder is None else folder, (str, os.PathLike), "a folder"))
    file = _file(folder, ".json", name)
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # one that is no UTF-8, or no JSON, is a ValueError
        raise storage.unreadable(file, error, _mend(file, name)) from error
    if not isinstance(result, dict) or result.get("experiment") != name:
        raise storage.unreadable(file, f'expected a result with "experiment": "{name}"', _mend(file, name))
    return result


def rows(record, **filters):
    """Return the runs of a result that have given values, in their order.

    Parameters
    ----------
    record : dict or list of dict
        What `read` returned, whose ``"runs"`` are meant, or such a list itself.
    **filters
        Fields of a run and the values they must have, as in ``rows(record, recipe="improved", seed=0)``; a run that
        lacks one of them is left out.

    Returns
    -------
    list of dict
        At least one.

    Raises
    ------
    ValueError
        If no run has one of the fields, or none has all of these values.
    """
    runs = _runs(record)
    known = list(dict.fromkeys(field for run in runs for field in run))
    if unknown := [field for field in filters if field not in known]:
        raise ValueError(f"filters: got {unknown[0]!r:.60}, expected fields that a run has: {', '.join(known):.300}.")
    found = [run for run in runs if all(field in run and run[field] == value for field, value in filters.items())]
    if not found:
        values = {field: list(dict.fromkeys(str(run.get(field)) for run in runs)) for field in filters}
        raise ValueError(f"filters: got {filters!r:.100}, which no run has, expected some of {values!r:.300}.")
    return found


def _runs(record):
    """Return the list of runs of a result, or raise a ValueError for what holds none."""
    runs = record.get("runs") if isinstance(record, dict) else record
    if isinstance(runs, (list, tuple)) and runs and all(isinstance(run, dict) for run in runs):
        return runs
    kind = f"a {type(record).__name__}" if runs is record else f"one with {type(runs).__name__} as its runs"
    raise ValueError(f"record: got {kind}, expected what results.read returned, or its list of runs, not empty.")


def weights(name, *which):
    """Return the trained weights of one network, for ``model.set_weights``.

    Parameters
    ----------
    name : str
        The experiment's name.
    *which : str or int
        Which of its networks, as in ``weights("gan_recipes", "improved", 0)``; nothing where it has one.

    Returns
    -------
    list of ndarray of float32

    Raises
    ------
    RuntimeError
        As `read` does.
    """
    file = path(name, *which)
    return storage.load_weights(file, mend=_mend(file, name))


def arrays(name, *which, keys=()):
    """Return stored arrays that are no weights.

    Parameters
    ----------
    name, *which
        As for `weights`.
    keys : sequence of str, optional
        Names that must be among them.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    RuntimeError
        As `read` does.
    """
    if not isinstance(keys, (list, tuple)):
        raise ValueError(f"keys: got {type(keys).__name__}, expected a list of names.")
    file = path(name, *which)
    found = storage.read_arrays(file, mend=_mend(file, name))
    if missing := [key for key in keys if key not in found]:
        problem = f"got arrays named {', '.join(found)[:80]}, expected {missing[0]!r} among them"
        raise storage.unreadable(file, problem, _mend(file, name))
    return found


def path(name, *which):
    """Return the file of weights or arrays, whether it is there or not; `name` and `which` are those of `weights`."""
    return _file(RESULTS, ".npz", name, *which)


def _file(folder, suffix, *parts):
    """Return FOLDER/NAME_WHICH.SUFFIX, or raise a ValueError for what is no part of such a name."""
    for index, part in enumerate(parts):
        if not isinstance(part, (str, numbers.Integral) if index else str) or not PART.fullmatch(str(part)):
            raise ValueError(
                f"name: got {part!r}, expected the name of an experiment such as 'ladder', and which of its networks, "
                "such as 0: no folder before it, no ending behind it."
            )
    return folder / ("_".join(map(str, parts)) + suffix)


def _mend(file, name):
    """Say how to get a file back."""
    if not file.parent.is_dir():
        return "This copy of helpers came without the results: clone the book's repository, or install it."
    there = [] if file.exists() else [other.name for other in file.parent.glob(f"*{file.suffix}")]
    like = difflib.get_close_matches(file.name, there)
    hint = f"There is {', '.join(like)}. " if like else ""
    if file.parent == INSTALLED:
        return hint + "Install the book's package again, with pip's --force-reinstall --no-deps."
    again = f"; `python -m experiments.{name}` makes it anew" if (_CLONED.parent / f"{name}.py").is_file() else ""
    return f"{hint}`git checkout -- experiments/results/{file.name}` brings back the book's own{again}."
