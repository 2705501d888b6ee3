"""Whatever is given to a model's doors, it works, or one error says which argument is wrong, before Keras sees it."""

import inspect
import traceback
from pathlib import Path

import numpy as np
import pytest

from experiments import ladder_network
from helpers import datasets
from tests.helpers import test_fuzz as fuzz
from tests.helpers import test_guards as guards

pytestmark = pytest.mark.slow

OURS = (fuzz.FOLDER, Path(ladder_network.__file__).parent)
ROWS = 16
BATCH = dict(batch_size=8, verbose=0)
DOORS = {
    "fit": dict(epochs=1, **BATCH),
    "evaluate": BATCH,
    "predict": BATCH,
    "train_on_batch": {},
    "test_on_batch": {},
    "predict_on_batch": {},
}
NO_TARGETS = ("predict", "predict_on_batch")
BATCHES = ("fit", "evaluate")  # of a ladder network, which takes no arrays there
MAKERS = (*guards.DATA, guards.steps)
# Doors that are shut, as test_guards.py tries: a game is not judged by its losses, a ladder's paths are noisy.
SHUT = {**dict.fromkeys(guards.PLAYING, ("evaluate", "test_on_batch")), guards.steps: ("predict", "predict_on_batch")}
TRIED = [(make, door) for make in MAKERS for door in DOORS if door not in SHUT.get(make, ())]
SAME = {"x": ("images", "latents")}  # what a GAN calls the inputs that Keras calls x


def data_of(make, door):
    """Return the data that a door takes, inputs first."""
    images, labels = guards.ROWS[:ROWS], guards.LABELS[:ROWS]
    if make is guards.gan and door in NO_TARGETS:
        return (guards.RNG.normal(size=(ROWS, 4)).astype("float32"),)
    if make is guards.steps:
        return (datasets.SemiSupervisedBatches(images, labels, images, 3, 5),) if door in BATCHES else (images, labels)
    return [array[:ROWS] for array in guards.DATA[make]]


def right_call(make, model, door):
    """Return the arguments of a call that is right."""
    inputs, *targets = data_of(make, door)
    name = "images" if "images" in inspect.signature(getattr(model, door)).parameters else "x"
    return {name: inputs, **({"y": targets[0]} if targets and door not in NO_TARGETS else {}), **DOORS[door]}


def outcome(model, door, arguments):
    """Return the numbers that a call gives."""
    with fuzz.limited(door):
        result = getattr(model, door)(**arguments)
    return getattr(result, "history", result)


def assert_named(arguments, error):
    """Assert that an error was raised by helpers and begins with the name of an argument."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert isinstance(error, ValueError), repr(error)
    assert any(map(Path(last.filename).is_relative_to, OURS)), f"raised in {last.filename}: {error}"
    names = [same for name in arguments for same in (name, *SAME.get(name, ()))]
    assert str(error).startswith(tuple(f"{name}:" for name in names)), f"names nothing: {error}"


@pytest.fixture(scope="module")
def models():
    """Return one model of each kind, whose steps are not compiled where each new shape would cost a second."""
    found = {make: make() for make in MAKERS}
    for make, model in found.items():
        model.run_eagerly = make is not guards.steps  # its data set has one shape
    return found


@pytest.mark.parametrize(("make", "door"), TRIED, ids=lambda value: getattr(value, "__name__", value))
def test_wrong_values_are_named_or_harmless(models, make, door):
    right = right_call(make, models[make], door)
    outcome(models[make], door, right)
    for name in right.keys() - {"verbose"}:
        # None is Keras's word for its own size of a batch.
        for wrong in fuzz.pool(right[name], name == "batch_size", False):
            arguments = {**right, name: wrong.value}
            try:
                found = outcome(models[make], door, arguments)
            except Exception as error:
                assert_named(arguments, error)
                continue
            assert not wrong.never, f"{door} took {name} = {wrong.value!r:.200}"
            numbers = found.values() if isinstance(found, dict) else [found]
            assert all(np.isfinite(values).all() for values in numbers)
    assert all(np.isfinite(weight).all() for weight in models[make].get_weights())
