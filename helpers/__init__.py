"""Small tested helpers for the book; importing the package selects Keras's JAX backend."""

import os
import sys


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


_select_jax_backend()
