"""All peers of the benchmark train the same thing: from equal weights, batches and latents their losses are equal."""

import ast
import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench import accelerator, book, cases, ceiling, raw_jax, run, serial
from experiments.harness import record
from experiments.harness.stacked import Stack
from helpers import gans

pytestmark = pytest.mark.slow

SMALL = {name: cases.small(case) for name, case in cases.CASES.items()}
NAMES = [name for name, case in cases.CASES.items() if case.seeds == 1]
NEEDS = {"torch": "torch", "keras_torch": "torch", "keras_tensorflow": "tensorflow"}
PEERS = [(name, peer, form) for name in NAMES for peer in NEEDS for form in cases.FORMS[name][peer]]
# Keras has the backend that it was first imported with, so its peers are asked in a process of their own.
ASK = """
import sys, numpy
from experiments.bench import cases, worker
name, peer, form, latents = sys.argv[1:]
def tell(losses):
    print(losses)
    raise cases.Finished
latents = numpy.load(latents) if latents else None
try:
    worker.load(peer).train(cases.small(cases.CASES[name]), form, tell, latents)
except cases.Finished:
    pass
"""


def losses_of(train, case, form, latents=None, stretches=1):
    """Return what a peer tells after its last stretch."""
    told = []

    def tell(losses):
        told.append(losses)
        if len(told) == stretches:
            raise cases.Finished

    with pytest.raises(cases.Finished):
        train(case, form, tell, latents)
    return told[-1]


@pytest.fixture(scope="module")
def reference():
    """Return a function: case → the losses of the book's `fit`, and the latents that it drew."""
    found = {}

    def of(name):
        if name not in found:
            case = SMALL[name]
            latents = None if "autoencoder" in case.networks else np.asarray(book.latents_of(case))
            form = "fit matmul" if name.startswith("conv") else "fit"
            found[name] = losses_of(book.train, case, form), latents
        return found[name]

    return of


@pytest.mark.parametrize("form", ["fit mixed", "fit keras"])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("conv")])
def test_other_convolutions_lose_as_the_books_own_do(reference, name, form):
    assert losses_of(book.train, SMALL[name], form) == pytest.approx(reference(name)[0], abs=1e-4)


@pytest.mark.parametrize("name", ["mlp_gan", "conv_gan", "points_1"])  # the last one with R1
def test_the_compiled_loop_loses_as_fit_does_on_the_same_batches(reference, name):
    case = SMALL[name]
    model, batches = book.model(case), jnp.asarray(case.data()[case.rows()])
    (keys,) = jax.random.key_data(jax.random.split(jax.random.key(model.seed), (1, case.steps)))

    def draw(key):
        """Return the batch of the step that this is the key of."""
        return batches[jnp.argmax((keys == jax.random.key_data(key)).all(axis=-1))]

    (logs,) = gans.train_scanned([model], draw, case.steps)
    losses = {key: values[-1] for key, values in logs.items() if key.endswith("loss")}
    assert losses == pytest.approx(reference(name)[0], abs=1e-4)


def in_the_order_of_fit(case, copies):
    """Return data (copies, n, ...), so arranged that each copy of a stack gets the batches that `fit` makes of it."""
    key = jax.random.split(jax.random.key(0), 1)[0]
    orders = [jax.random.permutation(each, case.steps * case.batch) for each in jax.random.split(key, copies)]
    arranged = np.empty((copies, *case.data().shape), "float32")
    for copy, order in enumerate(orders):
        arranged[copy, np.asarray(order)] = case.data()[case.rows().ravel()]
    return arranged


@pytest.mark.parametrize(("name", "copies"), [("autoencoder", 1), ("points_10", 2)])
def test_stacked_copies_lose_as_fit_does_on_the_same_batches(name, copies):
    case = SMALL[name]
    data = in_the_order_of_fit(case, copies)
    paired = {"labels": case.data()} if name == "autoencoder" else {}
    stack = Stack([book.model(case, seed=seed) for seed in range(copies)])
    stack.fit((data, data) if paired else data, case.batch, 1, last=1.0, shared=False)
    for seed in range(copies):
        batches = book.datasets.ShuffledBatches(case.data(), case.batch, **paired)
        options = {"shuffle": False} if paired else {}
        history = book.model(case, seed=seed).fit(batches, epochs=1, verbose=0, **options).history
        expected = {key: values[-1] for key, values in history.items() if key.endswith("loss")}
        found = {key: float(values[seed]) for key, values in stack.history[0].items() if key.endswith("loss")}
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_raw_jax_loses_as_the_book_does(reference, name):
    expected, latents = reference(name)
    assert losses_of(raw_jax.train, SMALL[name], "scan", latents) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("name", "peer", "form"), PEERS)
def test_other_peers_lose_as_the_book_does(reference, tmp_path, name, peer, form):
    pytest.importorskip(NEEDS[peer], reason="run by hand in .venv-bench")
    expected, latents = reference(name)
    if latents is not None:
        np.save(tmp_path / "latents.npy", latents)
    words = [sys.executable, "-c", ASK, name, peer, form, "" if latents is None else str(tmp_path / "latents.npy")]
    shown = subprocess.run(words, cwd=record.RESULTS.parents[1], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr[-3000:]
    losses = ast.literal_eval(shown.stdout.splitlines()[-1])
    assert {key: losses[key] for key in expected} == pytest.approx(expected, abs=1e-4)


def test_copies_side_by_side_lose_alike_in_both_frameworks():
    pytest.importorskip("torch", reason="run by hand in .venv-bench")
    from experiments.bench import torch_peer

    case = dataclasses.replace(SMALL["points_10"], seeds=3)
    latents = np.random.default_rng(0).standard_normal((case.steps, 3, 2, case.batch, 2)).astype("float32")
    expected = losses_of(raw_jax.train, case, "scan", latents)
    assert losses_of(torch_peer.train, case, "vmap", latents) == pytest.approx(expected, abs=1e-4)


def test_the_orders_are_those_of_the_book():
    case, batches = SMALL["mlp_gan"], book.datasets.ShuffledBatches(np.arange(24.0), 8)
    assert np.array_equal(case.rows(), [batches[index][0] for index in range(3)])


def test_a_small_step_has_the_operations_that_pencil_and_paper_give():
    case = dataclasses.replace(cases.CASES["autoencoder"], steps=1, batch=2)
    step, arguments = ceiling.step_of(case)
    found = ceiling.products(step, *arguments)
    # Forward both layers, backward both kernels, and back through the second one alone.
    assert ceiling.operations(found) == 5 * 2 * 2 * 784 * 32
    assert ceiling.operations(found) <= ceiling.counted_by_xla(step, *arguments)


def test_most_operations_of_a_gan_step_are_matrix_products():
    step, arguments = ceiling.step_of(dataclasses.replace(cases.CASES["mlp_gan"], steps=1))
    counted = ceiling.counted_by_xla(step, *arguments)
    assert 0.9 * counted <= ceiling.operations(ceiling.products(step, *arguments)) <= counted


@pytest.fixture
def nobody_works(monkeypatch, tmp_path):
    """Replace the processes by a worker that answers at once, and keep the files out of the repository."""
    asked = []

    class Worker:
        """Answers at once; PyTorch is missing."""

        def __init__(self, case, peer, form, steps):
            if peer == "torch":
                raise RuntimeError("no torch")
            self.row, self.ready = (case, peer, form), {"wall": 1.0}

        def measure(self):
            """Return a made-up answer."""
            asked.append(self.row)
            if len(asked) == stop_at[0]:
                raise KeyboardInterrupt
            return {"wall": float(len(asked)), "cpu": 2.0, "losses": {"loss": 0.5}}

        def end(self):
            """Do nothing."""

    stop_at = [0]
    monkeypatch.setattr(run, "Worker", Worker)
    monkeypatch.setattr(run, "REST", 0)
    monkeypatch.setattr(run.training, "RUNS", tmp_path)
    monkeypatch.setattr(run.ceiling, "shares", dict)
    monkeypatch.setattr(run.serial, "in_a_row", dict)
    written = {}
    monkeypatch.setattr(run.record, "write", lambda name, **result: written.update(result))
    return asked, stop_at, written


def test_peers_take_turns_and_a_killed_run_goes_on(nobody_works):
    asked, stop_at, written = nobody_works
    stop_at[0] = 8
    words = ["--cases", "autoencoder", "--rounds", "3"]
    with pytest.raises(KeyboardInterrupt):
        run.main(words)
    run.main(words)
    rows = asked[:5]
    assert len(set(rows)) == 5
    assert asked[5:7] == rows[:2]
    assert len(asked) == 16  # the one that was killed is asked again, and nothing else is
    fit = written["rows"]["autoencoder"]["book"]["fit"]
    assert fit["rounds"] == 3
    assert fit["wall"]["median"] == pytest.approx(6 / cases.CASES["autoencoder"].steps)
    assert "no torch" in written["rows"]["autoencoder"]["torch"]["eager"]["failed"]


def test_on_an_accelerator_the_rows_take_turns(nobody_works):
    asked, _, _ = nobody_works
    found = accelerator.measure(["autoencoder", "points_10"], rounds=2)
    first = asked[: len(asked) // 2]
    assert asked == [*first, *first]
    assert {row[0] for row in first} == {"autoencoder", "points_10"}
    assert ("points_10", "book", "halves") not in first
    fit = found["autoencoder"]["book"]["fit"]
    assert (fit["rounds"], fit["steps"]) == (2, cases.CASES["autoencoder"].steps)


def test_on_an_accelerator_nothing_is_begun_after_the_limit(nobody_works):
    asked, _, _ = nobody_works
    assert accelerator.measure(["autoencoder"], deadline=0) == {}
    assert asked == []


def test_on_an_accelerator_a_peer_that_is_not_there_is_left_out(monkeypatch):
    monkeypatch.setattr(accelerator.importlib.util, "find_spec", lambda name: name == "jax" or None)
    assert {peer for _, peer, _ in accelerator.rows(["mlp_gan"])} == {"book"}


def test_trainings_in_a_row_are_timed_after_the_first_stretch():
    times = iter([5.0, 6.0, 7.0, 9.0, 10.0, 11.0])  # two trainings of three stretches; the second begins slowly
    case = cases.small(cases.CASES["points_1"])
    found = serial.measure(case, seeds=2, steps=3, points=3, clock=lambda: next(times))
    assert found == {"stretch": 1.0, "all": 6.0, "stretches": 5, "ratio": 1.2}
