"""Small tested helpers for the book; importing the package selects Keras's JAX backend and full float32 products, and
keeps a notebook's memory low."""

import os
import sys

from helpers import memory


def _select_jax_backend():
    """Set ``KERAS_BACKEND`` to ``jax``, or raise when Keras already runs on another backend."""
    if "keras" in sys.modules:
        loaded = sys.modules["keras"].config.backend()
        if loaded != "jax":
            raise RuntimeError(
                f"KERAS_BACKEND: Keras is already loaded with the backend {loaded!r}, but this book needs 'jax'. "
                "Restart the kernel (or the Python process) and import `helpers` before `keras`."
            )
    os.environ["KERAS_BACKEND"] = "jax"


def _multiply_in_float32():
    """Make JAX multiply float32 matrices in float32 on every device, unless the reader has asked for another precision.

    By default JAX uses TF32 on recent GPUs, whose factors have ten bits of mantissa; the chapters check to 1e-4 and
    less. On a CPU it changes no bit (tests/helpers/test_backend.py).
    """
    name, precision = "JAX_DEFAULT_MATMUL_PRECISION", "float32"
    if name not in os.environ:
        os.environ[name] = precision  # read when JAX is imported
        jax = sys.modules.get("jax")
        if jax is not None and jax.config.jax_default_matmul_precision is None:
            jax.config.update("jax_default_matmul_precision", precision)


_select_jax_backend()
_multiply_in_float32()
memory.give_back_after_each_cell()
