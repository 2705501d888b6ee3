"""Write and read the results of an experiment, with the conditions they were measured under."""

import json
import os
from pathlib import Path

from helpers.claims import run_record

RESULTS = Path(__file__).with_name("results")


def write(name, **results):
    """Write ``results/NAME.json``: the results, and versions, device, wall time and CPU count of this process.

    Parameters
    ----------
    name : str
        The experiment's name.
    **results
        Anything JSON can hold.
    """
    conditions = {**run_record(), "cpus": len(os.sched_getaffinity(0))}
    text = json.dumps({"experiment": name, "conditions": conditions, **results}, indent=1)
    partial = RESULTS / f"{name}.json.partial"
    partial.write_text(text + "\n")
    partial.replace(RESULTS / f"{name}.json")  # a killed run leaves the old file whole


def read(name):
    """Return what `write` wrote, as a dictionary."""
    return json.loads((RESULTS / f"{name}.json").read_text())
