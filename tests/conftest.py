"""Settings of all tests: Keras on JAX, deterministic property tests."""

import hypothesis

import helpers  # noqa: F401  selects the JAX backend before any test imports keras

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")
