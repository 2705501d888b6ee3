"""Settings of all tests: Keras on JAX, deterministic property tests."""

import tempfile

import hypothesis
import jax

import helpers  # noqa: F401  selects the JAX backend before any test imports keras

# Many tests compile the same small model: what one compiled, the next finds. Gone with the run, so that a test never
# meets the code of another version.
_cache = tempfile.TemporaryDirectory(prefix="jax-")
jax.config.update("jax_compilation_cache_dir", _cache.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")
