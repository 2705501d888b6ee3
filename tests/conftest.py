"""Settings of all tests: Keras on JAX, deterministic property tests."""

import gc
import os
import tempfile

import hypothesis
import pytest

# Many tests compile the same small model: what one compiled, the next finds, also in another process and in those that
# tests start. Gone with the run, so that a test never meets the code of another version; `make check` names a folder
# that stays, beside the packages that its entries were compiled by.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="jax-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Tests compile far more than they compute: a compiler that optimises little needs a fifth of the time. The notebooks
# are validated with the full one, as a reader has it.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"

import helpers  # noqa: F401  selects the JAX backend before any test imports keras

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_finish():
    """Leave all modules and tests out of the search for garbage."""
    gc.freeze()


@pytest.fixture(scope="session")
def mnist():
    """The digits, which no test can change."""
    from tests import once  # imports Keras, which not every process needs

    return once.load_mnist()
