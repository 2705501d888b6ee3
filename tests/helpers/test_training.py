"""A long run that is stopped goes on where it was, to the last bit."""

import json

import keras
import numpy as np
import pytest

from experiments.harness import training
from helpers import autoencoders, datasets
from helpers import training as book_training
from helpers.training import Backup


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Keep unfinished runs out of the repository."""
    monkeypatch.setattr(training, "RUNS", tmp_path)
    return tmp_path


class Stop(keras.callbacks.Callback):
    """Stop with an error in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.stop_at, self.epoch = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.stop_at:
            raise KeyboardInterrupt


def train(name, epochs=4, callbacks=(), recipe=None):
    """Train a small variational autoencoder, whose noise must go on too; return it and the run."""
    images = np.random.default_rng(0).random((30, 12), dtype="float32")
    keras.utils.set_random_seed(0)
    model = autoencoders.VariationalAutoencoder(*autoencoders.vae_networks(2, 8, images, 12))
    batches = datasets.ShuffledBatches(images, 10, transform=datasets.binarise)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 12)))
    return model, training.fit(name, model, batches, epochs, recipe or {}, callbacks)


@pytest.mark.slow
def test_an_interrupted_run_ends_like_an_uninterrupted_one():
    whole, run = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("stopped", callbacks=[Stop(epoch=2)])
    resumed, resumed_run = train("stopped")
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    assert resumed_run["history"] == run["history"]
    assert len(run["history"]["loss"]) == 4
    assert run["seconds"] > 0


def test_a_finished_run_is_not_trained_again():
    first, run = train("run")
    again, same = train("run")
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True))
    assert same == run


def test_an_edited_recipe_does_not_continue_the_old_run():
    train("run", recipe={"rate": 1})
    with pytest.raises(RuntimeError, match=r"^recipe: .* another recipe"):
        train("run", recipe={"rate": 2})


def test_the_log_names_every_epoch(runs):
    train("run", epochs=2)
    rows = json.loads((runs / "run" / "log.json").read_text())
    assert [row.keys() >= {"seconds", "loss", "kl"} for row in rows] == [True, True]


def test_a_state_that_is_half_written_is_not_taken(runs):
    whole, _ = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("stopped", callbacks=[Stop(epoch=2)])
    states = runs / "stopped" / "backup"
    assert [state.name[:13] for state in states.iterdir()] == ["epoch_000002_"]
    (states / "partial.weights.h5").write_bytes(b"half")
    resumed, _ = train("stopped")
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


def test_a_backup_asks_for_a_folder():
    with pytest.raises(ValueError, match="folder: got None, expected a path"):
        Backup(None)


@pytest.mark.parametrize("damage", ["cut", "a bit", "other units"])
def test_a_damaged_or_foreign_backup_is_named(damage, tmp_path):
    def fit(units=3, epochs=1):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
        model.compile("adam", "mse")
        model.fit(np.ones((4, 2)), np.ones((4, units)), epochs=epochs, verbose=0, callbacks=[Backup(tmp_path)])

    fit()
    (state,) = tmp_path.iterdir()
    raw = bytearray(state.read_bytes())
    raw[100] ^= 255
    state.write_bytes({"cut": raw[: len(raw) // 2], "a bit": raw, "other units": state.read_bytes()}[damage])
    with pytest.raises(RuntimeError, match=r"(?s)epoch_000001.*cannot be used .*\. Delete .*, and the run begins anew"):
        fit(4 if damage == "other units" else 3, epochs=2)


def test_progress_shows_each_epoch_in_one_line(monkeypatch):
    said = []
    monkeypatch.setattr(book_training, "display", lambda data, **options: said.append(data) or Handle(said))
    model = autoencoders.dense_autoencoder(2, 4).autoencoder
    model.compile("adam", "mse")
    rows = np.zeros((8, 4), "float32")
    model.fit(rows, rows, epochs=2, verbose=0, callbacks=[book_training.Progress("{epoch} of {epochs}, {loss:.1f}")])
    assert [line["text/plain"] for line in said] == ["compiling", "1 of 2, 0.2", "2 of 2, 0.2"]


class Handle:
    """What IPython's display gives for a line that is to change."""

    def __init__(self, said):
        self.said = said

    def update(self, data, raw):
        """Note the new words."""
        self.said.append(data)


def test_progress_names_what_an_epoch_does_not_log():
    model = autoencoders.dense_autoencoder(2, 4).autoencoder
    model.compile("adam", "mse")
    rows = np.zeros((8, 4), "float32")
    with pytest.raises(ValueError, match=r"text: got '\{accuracy\}', expected names of loss, epoch, epochs"):
        model.fit(rows, rows, verbose=0, callbacks=[book_training.Progress("{accuracy}")])


def test_a_line_outside_of_a_notebook_is_printed(capsys):
    book_training.Line("compiling").say("step 1")
    assert "step 1" in capsys.readouterr().out
