"""Keeps a notebook small, as Binder lends 2 GiB: what is freed goes back, and compiled code is dropped in time."""

import ctypes
import gc
import os
import sys

# Above the first many GiB, JAX's compiled functions are dropped whenever memory has grown by the second since the last
# time: what is called again is compiled again, in a tenth of a second to a second. A long chapter compiles hundreds.
CEILING, GROWTH = 1.0, 0.1


def give_back_after_each_cell():
    """Hand freed memory back to the system after each cell of a notebook, where its C library keeps it: on Linux.

    A chapter holds on to up to 0.3 GiB otherwise, and its compiled functions to as much again.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if shell is not None and trim is not None:
        shell.events.register("post_run_cell", _Keeper(trim))


class _Keeper:
    """What IPython calls after each cell."""

    def __init__(self, trim):
        self.trim, self.least = trim, CEILING  # GiB, from which compiled functions are dropped

    def __call__(self, result=None):
        """Give memory back, which takes milliseconds; at times the compiled functions too."""
        self.trim(0)
        if _resident() > self.least and "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
            gc.collect()
            self.trim(0)
            self.least = max(CEILING, _resident() + GROWTH)


def _resident():
    """Return the memory of this process in GiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30
