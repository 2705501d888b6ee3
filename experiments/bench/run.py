"""Measure all peers on all cases in one interleaved run, and write ``experiments/results/bench.json``.

python -m experiments.bench.run                        measures what is missing; a killed run goes on
python -m experiments.bench.run --cases mlp_gan ...    some cases only
python -m experiments.bench.run --rehearse             few steps, one round, and no result

Each peer is a process of its own. For a case all peers make ready, which is not counted but written down; then they
take turns, one stretch of steps each in every round, while the others wait.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from experiments.bench import cases, ceiling, serial
from experiments.harness import record, training

NAME = "bench"
ROUNDS = 7
REST = 0.5  # seconds before a stretch, in which the threads of the peer before fall asleep
PACKAGES = ("jax", "jaxlib", "keras", "numpy", "optax", "tensorflow", "torch")


class Worker:
    """The processes of one peer and form on a case: one, or two that share the seeds and the cores."""

    def __init__(self, case, peer, form, steps):
        cores = record.cores()
        sets = [""] if form != "halves" else [cores[: len(cores) // 2], cores[len(cores) // 2 :]]
        command = [sys.executable, "-m", "experiments.bench.worker", case, peer, form, str(steps)]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=record.RESULTS.parents[1])
        path = training.RUNS / NAME / f"{case} {peer} {form}.log"
        self.log = path.open("w", encoding="utf-8")
        self.each = [subprocess.Popen([*command, ",".join(map(str, part))], stderr=self.log, **pipes) for part in sets]
        self.ready = self.read()

    def measure(self):
        """Return what one stretch costs and the losses it ends with."""
        for process in self.each:
            process.stdin.write("go\n")
            process.stdin.flush()
        return self.read()

    def read(self):
        """Return the answer: of several processes the longest time and the sum of their processor times."""
        answers = [process.stdout.readline() for process in self.each]
        if not all(answers):
            raise RuntimeError(f"{self.log.name}: the process has ended; the file says why.")
        found = [json.loads(answer) for answer in answers]
        return {
            "wall": max(one["wall"] for one in found),
            "cpu": sum(one["cpu"] for one in found),
            "losses": found[0]["losses"],
        }

    def end(self):
        """Let the processes end."""
        for process in self.each:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()


def measure_case(name, rounds, steps, log):
    """Let all forms of all peers that lack rounds take turns on a case, and write each stretch down."""
    rows = [(peer, form) for peer, forms in cases.FORMS[name].items() for form in forms]
    done = {row: counted(log, name, *row) for row in rows}
    workers = {row: start(name, *row, steps, log) for row in rows if done[row] < rounds}
    workers = {row: one for row, one in workers.items() if one}
    try:
        left = [(turn, row) for turn in range(rounds) for row in workers if done[row] <= turn]
        for turn, row in tqdm(left, desc=name, unit="stretch"):
            time.sleep(REST)
            log.add({**workers[row].measure(), "steps": steps}, **key(name, *row), round=turn)
    finally:
        for one in workers.values():
            one.end()


def key(case, peer, form):
    """Return the key of a row in the log."""
    return {"case": case, "peer": peer, "form": form}


def counted(log, *row):
    """Return how many rounds of a row are in the log."""
    return sum(1 for run in log.runs if matches(run, *row) and "round" in run)


def matches(run, *row):
    """Return whether a line of the log is of a row."""
    return all(run[name] == value for name, value in key(*row).items())


def start(name, peer, form, steps, log):
    """Return a worker that is ready, or None for one that cannot do the case, which is written down."""
    try:
        one = Worker(name, peer, form, steps)
    except RuntimeError as error:
        log.add({"failed": str(error)}, **key(name, peer, form))
        print(error, flush=True)
        return None
    log.add({"ready": one.ready["wall"]}, **key(name, peer, form))
    return one


def summary(log):
    """Return by case, peer and form the median and the range of seconds a step, wall and processor, and the rest."""
    found = {}
    for (case, peer, form), group in grouped(log):
        runs = list(group)
        stretches = [run for run in runs if "round" in run]
        if not stretches:
            found.setdefault(case, {}).setdefault(peer, {})[form] = {"failed": runs[-1].get("failed")}
            continue
        row = {kind: spread([run[kind] / run["steps"] for run in stretches]) for kind in ("wall", "cpu")}
        ready = next((round(run["ready"], 1) for run in runs if "ready" in run), None)
        losses = {name: round(value, 4) for name, value in stretches[-1]["losses"].items()}
        row |= {"steps": stretches[-1]["steps"], "rounds": len(stretches), "ready": ready, "losses": losses}
        found.setdefault(case, {}).setdefault(peer, {})[form] = row
    return found


def grouped(log):
    """Return the lines of the log by case, peer and form."""
    rows = sorted(log.runs, key=lambda run: (run["case"], run["peer"], run["form"]))
    return itertools.groupby(rows, key=lambda run: (run["case"], run["peer"], run["form"]))


def spread(seconds):
    """Return the median and the range of some times."""
    found = {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def machine():
    """Return what the times depend on: processor, cores, system, versions and the day."""
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    day = datetime.date.today().isoformat()
    return {"processor": processor(), "cores": len(record.cores()), "versions": versions, "date": day}


def processor():
    """Return the processor's name."""
    with contextlib.suppress(OSError, StopIteration):  # only Linux has this file, and not on every processor the line
        lines = Path(os.sep, "proc", "cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def main(arguments=None):
    """Measure what is missing, and write the result unless it is a rehearsal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=cases.CASES, default=list(cases.CASES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rehearse", action="store_true", help="two steps a stretch, one round; writes no result")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    name = f"{NAME}_rehearsal" if options.rehearse else NAME
    (training.RUNS / NAME).mkdir(parents=True, exist_ok=True)
    log = record.Log(training.RUNS / f"{name}.jsonl", machine() | {"date": None})
    for case in options.cases:
        steps, rounds = (2, 1) if options.rehearse else (cases.CASES[case].steps, options.rounds)
        measure_case(case, rounds, steps, log)
    if options.rehearse:
        print(json.dumps(summary(log), indent=1))
        return
    apart = {"ceiling": ceiling.shares(), "serial": serial.in_a_row()}
    record.write(NAME, machine=machine(), rows=summary(log), **apart)


if __name__ == "__main__":
    main()
