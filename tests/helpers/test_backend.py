"""Importing the helpers selects JAX, or says why it cannot."""

import os
import subprocess
import sys

import jax
import keras
import numpy as np
import pytest

from helpers import memory
from tests.slow import after


def run(code, **environment):
    """Run code in a Python of its own; a variable that is None is taken out of its environment."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=False)


@pytest.mark.slow
def test_the_import_selects_jax():
    result = run("import helpers, keras; print(keras.config.backend())", KERAS_BACKEND="tensorflow")
    assert result.stdout.strip() == "jax"


def test_a_backend_that_is_already_loaded_is_an_error():
    code = "import sys, types; k = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: 'tensorflow'));"
    result = run(code + "sys.modules['keras'] = k; import helpers")
    assert "RuntimeError: KERAS_BACKEND: Keras is already loaded with the backend 'tensorflow'" in result.stderr
    assert "Restart the kernel" in result.stderr


SHOW_PRECISION = "; import jax; print(jax.config.jax_default_matmul_precision)"


@pytest.mark.parametrize("first", after(1, ["import helpers", "import jax, helpers"]))
def test_matrices_are_multiplied_in_float32(first):
    assert run(first + SHOW_PRECISION, JAX_DEFAULT_MATMUL_PRECISION=None).stdout.strip() == "float32"


@pytest.mark.slow
def test_another_precision_that_was_asked_for_stays():
    asked = "import jax; jax.config.update('jax_default_matmul_precision', 'bfloat16'); import helpers"
    assert run(asked + SHOW_PRECISION, JAX_DEFAULT_MATMUL_PRECISION=None).stdout.strip() == "bfloat16"
    by_environment = run("import helpers" + SHOW_PRECISION, JAX_DEFAULT_MATMUL_PRECISION="tensorfloat32")
    assert by_environment.stdout.strip() == "tensorfloat32"


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices compute otherwise, which is the point")
@pytest.mark.parametrize("layer", [keras.layers.Dense(32), keras.layers.Conv2D(32, 3)])
def test_on_a_cpu_the_precision_changes_no_bit_of_a_gradient(layer):
    images = np.random.default_rng(0).standard_normal((8, 28, 28, 16), dtype="float32")
    layer.build(images.shape)
    weights = [variable.value for variable in layer.trainable_variables]

    def loss(weights):
        """Return a sum of squares of what the layer makes of the images."""
        return (layer.stateless_call(weights, [], images)[0] ** 2).sum()

    gradients = []
    for precision in ("default", "float32"):
        with jax.default_matmul_precision(precision):
            gradients.append(jax.jit(jax.grad(loss))(weights))
    assert all(map(np.array_equal, *gradients))


def moved(run_eagerly):
    """Return how far twelve steps of training moved the weights of an autoencoder, matrix by matrix."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(size, "tanh") for size in (200, 200, 50, 200, 200)]
    model = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(784)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=run_eagerly)
    images = (np.random.default_rng(0).random((400, 784)) < 0.2).astype("float32")
    before = model.get_weights()
    model.fit(images, images, batch_size=100, epochs=3, shuffle=False, verbose=0)
    return [after - first for after, first in zip(model.get_weights(), before, strict=True)]


@pytest.mark.slow
def test_compiled_training_equals_training_step_by_step():
    """JAX 0.8.1 fails here on a CPU; 0.7.2 and 0.8.0 gave the same wrong losses as it."""
    errors = [
        np.linalg.norm(compiled - eager) / np.linalg.norm(eager)
        for compiled, eager in zip(moved(run_eagerly=False), moved(run_eagerly=True), strict=True)
    ]
    assert max(errors) < 0.01


FREED = """
import sys
from IPython.core.interactiveshell import InteractiveShell

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024

shell = InteractiveShell.instance()
if len(sys.argv) < 2:
    shell.run_cell("import helpers")
start = resident()
shell.run_cell("blocks = [bytes(1000) for _ in range(200_000)]; kept = blocks[::1000]; del blocks")
print(resident() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there does the C library keep what is freed")
def test_a_cell_of_a_notebook_gives_back_what_it_freed():
    plain = subprocess.run([sys.executable, "-c", FREED, "plain"], capture_output=True, text=True, check=True)
    with_helpers = run(FREED)
    assert float(plain.stdout) > 100  # MiB that stay
    assert float(with_helpers.stdout) < 20


ON_DISK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_cell("import helpers, jax; print(jax.config.jax_compilation_cache_dir)")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there are compiled functions dropped")
def test_a_notebook_keeps_what_it_compiled_on_disk_and_cleans_up(tmp_path):
    folder = run(ON_DISK, JAX_COMPILATION_CACHE_DIR=None).stdout.strip()
    assert "compiled-" in folder
    assert not os.path.exists(folder)
    assert run(ON_DISK, JAX_COMPILATION_CACHE_DIR=str(tmp_path)).stdout.strip() == str(tmp_path)  # the reader's own
    assert tmp_path.exists()


def test_compiled_functions_are_dropped_when_memory_has_grown(monkeypatch):
    dropped = []
    monkeypatch.setattr(jax, "clear_caches", lambda: dropped.append(1))
    keeper = memory._Keeper(trim=lambda size: None)
    for gibibytes, times in ((0.9, 0), (1.3, 1), (1.4, 1), (1.5, 2)):
        monkeypatch.setattr(memory, "_resident", lambda now=gibibytes: now)
        keeper()
        assert len(dropped) == times
