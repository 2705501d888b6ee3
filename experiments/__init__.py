"""Long runs: ``python -m experiments.NAME`` writes ``experiments/results/NAME.json`` and the weights beside it."""

import helpers  # noqa: F401  selects the JAX backend before any experiment imports Keras
