"""Train a model so that the run shows the time left, can be stopped at any moment and goes on where it was."""

import json
import time

import keras
from tqdm import tqdm

from experiments.harness import record
from helpers.training import Backup

RUNS = record.RESULTS.parent / "runs"  # not committed


def weights_path(name, *which, kept):
    """Return where one run's weights are measured: as `record.weights_path` if they are kept, else in `RUNS`."""
    RUNS.mkdir(exist_ok=True)
    path = record.weights_path(name, *which)
    return path if kept else RUNS / path.name


def fit(name, model, batches, epochs, recipe, callbacks=()):
    """Train a compiled, built model; a second call after an interruption goes on after the last whole epoch.

    Parameters
    ----------
    name : str
        The run's name, of the folder for its unfinished state.
    model : keras.Model
        Compiled and built.
    batches : helpers.datasets.ShuffledBatches or SemiSupervisedBatches
        Training data whose order depends on seed and epoch alone.
    epochs : int
        Epochs in all.
    recipe : dict
        The settings, as JSON can hold them: an unfinished run is not continued under others.
    callbacks : sequence of keras.callbacks.Callback
        Further callbacks.

    Returns
    -------
    dict
        ``seconds``, summed over interruptions, and ``history``, name → list of one value an epoch.
    """
    log, backup = callbacks_of(name, epochs, recipe)
    # The log comes before the backup: an epoch that is saved is always in the log.
    callbacks = [batches.follow_epochs(), *callbacks, log, backup]
    # Keras's own shuffling would change the order of the batches, from a global random state that no backup holds.
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return {"seconds": log.seconds(), "history": log.history(epochs)}


def fit_gan(name, gan, data, batch_size, epochs, recipe, callbacks=()):
    """Do the same for a compiled GAN, whose ``fit`` takes images (n, ...), or a tuple of images and labels."""
    log, backup = callbacks_of(name, epochs, recipe)
    data = data if isinstance(data, tuple) else (data,)
    gan.fit(*data, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[*callbacks, log, backup])
    return {"seconds": log.seconds(), "history": log.history(epochs)}


def callbacks_of(name, epochs, recipe):
    """Return the callbacks that write a run's log and its state after each epoch, to go on from."""
    folder = RUNS / name
    _check_recipe(folder, {**recipe, "epochs": epochs})
    return RunLog(name, folder / "log.json", epochs), Backup(folder / "backup")


def _check_recipe(folder, recipe):
    """Note the recipe of a new run; raise a RuntimeError when an unfinished one had another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.json"
    text = json.dumps(recipe, indent=1, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RuntimeError(f"recipe: {folder} holds a run of another recipe: delete it, or bring the recipe back.")
    path.write_text(text, encoding="utf-8")


class RunLog(keras.callbacks.Callback):
    """A progress bar with the time left, and one line a finished epoch in a file."""

    def __init__(self, name, path, epochs):
        super().__init__()
        self.name, self.path, self.epochs = name, path, epochs
        self.rows = record.read_json(path) if path.exists() else []
        self.bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Forget what a killed run did after its last backup; note the time."""
        self.rows = self.rows[:epoch]
        if self.bar is None:
            self.bar = tqdm(total=self.epochs, initial=epoch, desc=self.name, unit="epoch")
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Add the epoch to the file and to the bar."""
        values = {key: float(value) for key, value in logs.items()}
        self.rows.append({"seconds": round(time.perf_counter() - self.start, 2), **values})
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.rows), encoding="utf-8")
        partial.replace(self.path)
        self.bar.set_postfix(values, refresh=False)
        self.bar.update()

    def seconds(self):
        """Return the seconds of all epochs, interrupted ones included once."""
        return round(sum(row["seconds"] for row in self.rows), 1)

    def history(self, epochs):
        """Return name → values of the epochs, with six significant digits."""
        names = [name for name in self.rows[0] if name != "seconds"]
        return record.rounded({name: [row[name] for row in self.rows[:epochs]] for name in names}, 6)
