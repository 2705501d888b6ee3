"""Importing the helpers selects JAX, or says why it cannot."""

import subprocess
import sys


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_the_import_selects_jax():
    result = run("import helpers, keras; print(keras.config.backend())", KERAS_BACKEND="tensorflow")
    assert result.stdout.strip() == "jax"


def test_a_backend_that_is_already_loaded_is_an_error():
    code = "import sys, types; k = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: 'tensorflow'));"
    result = run(code + "sys.modules['keras'] = k; import helpers")
    assert "RuntimeError: KERAS_BACKEND: Keras is already loaded with the backend 'tensorflow'" in result.stderr
    assert "Restart the kernel" in result.stderr
