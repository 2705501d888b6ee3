"""Write and read the results of an experiment, with the conditions they were measured under."""

import json
import os

from helpers import results, storage
from helpers.claims import run_record

RESULTS = results.RESULTS
WIDTH = 120  # columns of a line that holds more than an innermost list


def write(name, **results):
    """Write ``results/NAME.json``: the results, and versions, device, wall time and CPU count of this process.

    Parameters
    ----------
    name : str
        The experiment's name.
    **results
        Anything JSON can hold.
    """
    conditions = {**run_record(), "cpus": len(cores())}
    rewrite(name, {"experiment": name, "conditions": conditions, **results})


def cores():
    """List the numbers of the cores that this process may use, which only Linux knows, or else those of all cores."""
    known = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count()))
    return sorted(known(0))


def rewrite(name, result):
    """Write a whole result, its old conditions included, as one that something measured elsewhere was added to."""
    partial = RESULTS / f"{name}.json.partial"
    partial.write_text(lines(result) + "\n", encoding="utf-8")
    partial.replace(RESULTS / f"{name}.json")  # a killed run leaves the old file whole


def lines(value, indent=0):
    """Return JSON that is light and that a diff shows well: on one line what fits, and any innermost list or object."""
    line, nested = _compact(value), value.values() if isinstance(value, dict) else value
    if len(line) + indent <= WIDTH or not any(isinstance(part, (dict, list, tuple)) for part in nested):
        return line
    keys = [_compact({key: 0})[1:-2] for key in value] if isinstance(value, dict) else [""] * len(value)
    inner = [key + lines(part, indent + 1) for key, part in zip(keys, nested, strict=True)]
    start, end = "{}" if isinstance(value, dict) else "[]"
    pad = "\n" + " " * indent
    return start + ",".join(f"{pad} {part}" for part in inner) + pad + end


def rounded(value, digits):
    """Return a number, or all numbers of a dictionary or list, with so many significant digits."""
    if isinstance(value, dict):
        return {name: rounded(one, digits) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one, digits) for one in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _compact(value):
    """Return JSON in one line, without spaces."""
    return json.dumps(value, separators=(",", ":"))


def read(name):
    """Return what `write` wrote, as a dictionary; what has not been written yet is a FileNotFoundError."""
    if not (file := RESULTS / f"{name}.json").exists():
        raise FileNotFoundError(f"name: got {name!r}, expected a result, but there is no {file}.")
    return results.read(name, folder=RESULTS)


def read_json(path):
    """Return what a file of an unfinished run holds, or raise a RuntimeError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise storage.unreadable(path, error, f"Delete {path.parent}, and the run begins anew.") from error


def runs(name, start, **settings):
    """Return the recorded runs of an experiment.

    Parameters
    ----------
    name : str
        The experiment's name.
    start : list or dict
        What to return when nothing is recorded yet.
    **settings
        What the runs must have been made with, under the names that `write` got.

    Returns
    -------
    list or dict

    Raises
    ------
    RuntimeError
        When the settings have changed since.
    """
    try:
        old = read(name)
    except FileNotFoundError:
        return start
    changed = [key for key, value in json.loads(json.dumps(settings)).items() if old[key] != value]
    if changed:
        raise RuntimeError(f"{', '.join(changed)}: changed since {name}.json was written: delete it and its weights.")
    return old["runs"]


def weights_path(name, *which):
    """Return where the trained weights of one run are stored, as in ``results/ladder_0.npz``."""
    return RESULTS / ("_".join(map(str, (name, *which))) + ".npz")


class Log:
    """Finished runs, one JSON line each; the first line holds the settings, which must not change between them."""

    def __init__(self, path, settings):
        self.path, self.runs = path, []
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
        first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
        if first != json.dumps(settings):
            raise RuntimeError(f"settings: {path} holds runs of others: delete it, or bring the settings back.")
        for line in lines:
            try:
                self.runs.append(json.loads(line))
            except json.JSONDecodeError:  # the run was killed while it wrote
                continue

    def find(self, **key):
        """Return the finished run with this key, or None."""
        return next((run for run in self.runs if all(run[name] == value for name, value in key.items())), None)

    def add(self, measured, **key):
        """Write one run down."""
        self.runs.append({**key, **measured})
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(self.runs[-1]))
