"""Keeps a notebook small, as Binder lends 2 GiB: what is freed goes back, and compiled code is dropped in time."""

import atexit
import ctypes
import gc
import os
import shutil
import sys
import tempfile

# Above the first many GiB, JAX's compiled functions are dropped whenever memory has grown by the second since the last
# time. A long chapter compiles hundreds. What is called again is read from JAX's cache on disk.
CEILING, GROWTH = 1.05, 0.15
_WORTH_IT = 0.02  # GiB; a trim takes some hundredths of a second
_CACHE = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,  # small ones are many
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def give_back_after_each_cell():
    """Hand freed memory back to the system after each cell of a notebook, where its C library keeps it: on Linux.

    A chapter holds on to up to 0.3 GiB otherwise, and its compiled functions to as much again.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if shell is not None and trim is not None:
        _keep_compiled_functions_on_disk()
        shell.events.register("post_run_cell", _Keeper(trim))


def _keep_compiled_functions_on_disk():
    """Give JAX a cache in a folder that is deleted at the end, unless the reader has given it one."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = {"jax_compilation_cache_dir": folder, **_CACHE}
    if "jax" in sys.modules:
        for name, value in settings.items():
            sys.modules["jax"].config.update(name, value)
    else:  # it reads them when it is imported
        os.environ.update({name.upper(): str(value) for name, value in settings.items()})


class _Keeper:
    """What IPython calls after each cell."""

    def __init__(self, trim):
        self.trim, self.least = trim, CEILING  # GiB, from which compiled functions are dropped
        self.kept = 0.0  # GiB, after the last trim

    def __call__(self, result=None):
        """Give memory back if it has grown; at times drop the compiled functions too."""
        if _resident() < self.kept + _WORTH_IT:
            return
        self.trim(0)
        if _resident() > self.least and "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
            gc.collect()
            self.trim(0)
            self.least = max(CEILING, _resident() + GROWTH)
        self.kept = _resident()


def _resident():
    """Return the memory of this process in GiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30
