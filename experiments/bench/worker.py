"""One peer at work on one case: it makes ready, and then makes a stretch of steps each time that it is told to.

python -m experiments.bench.worker CASE PEER FORM STEPS [CORES]

It prints one JSON object when it is ready, and one a stretch, for each line that it reads.
"""

import contextlib
import dataclasses
import importlib
import json
import os
import sys
import time

from experiments.bench import cases

MODULES = {"torch": "torch_peer", "keras_torch": "keras_peer", "keras_tensorflow": "keras_peer"}
CLOCKS = (time.perf_counter, time.process_time)  # the second counts all threads


def load(peer):
    """Return the module of a peer; nothing may have imported Keras before."""
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "float32")  # as `helpers` has it; a GPU has fewer bits else
    if peer.startswith("keras_"):
        os.environ["KERAS_BACKEND"] = peer.removeprefix("keras_")
    return importlib.import_module(f"experiments.bench.{MODULES.get(peer, peer)}")


class Stretches:
    """What is told after each stretch: it writes down what the stretch cost, and waits for the word to go on."""

    def __init__(self, answers, orders):
        self.answers, self.orders, self.began = answers, orders, [clock() for clock in CLOCKS]

    def __call__(self, losses):
        """Print the seconds since the last word and the losses; raise `Finished` when there is no further word."""
        wall, cpu = (
            now - then for now, then in zip((time.perf_counter(), time.process_time()), self.began, strict=True)
        )
        print(json.dumps({"wall": wall, "cpu": cpu, "losses": losses}), file=self.answers, flush=True)
        if not self.orders.readline():
            raise cases.Finished
        self.began = [clock() for clock in CLOCKS]


def pin(cores):
    """Keep this process on some cores, where the system can do that."""
    keep = getattr(os, "sched_setaffinity", None)
    if cores and keep:
        keep(0, {int(core) for core in cores.split(",")})


def main(arguments=None):
    """Train until standard input ends."""
    name, peer, form, steps, *cores = sys.argv[1:] if arguments is None else arguments
    pin(*cores or [""])
    case = dataclasses.replace(cases.CASES[name], steps=int(steps))
    if form == "halves":
        case, form = dataclasses.replace(case, seeds=case.seeds // 2), "stack"
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    told = Stretches(answers, sys.stdin)
    with contextlib.suppress(cases.Finished):
        load(peer).train(case, form, told)


if __name__ == "__main__":
    main()
