"""A training run: callbacks that stop, film and back it up, arrays looked up by variable, many steps in one program."""

import hashlib
import inspect
import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from IPython.display import display
from jax.experimental import multihost_utils

from helpers import storage
from helpers.checks import check_choice, check_each, check_integer, check_kind, is_array

# --- Callbacks -------------------------------------------------------------------------------------------------------


def add_callbacks(callbacks, own):
    """Return what came as the argument ``callbacks`` of ``fit``, with others before it.

    Parameters
    ----------
    callbacks : None, keras.callbacks.Callback or sequence of them
        What the user gave.
    own : list of keras.callbacks.Callback
        Those to be added.

    Returns
    -------
    list of keras.callbacks.Callback
    """
    callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []
    if not is_array(callbacks) or not all(isinstance(one, keras.callbacks.Callback) for one in callbacks):
        raise ValueError(f"callbacks: got {callbacks!r}, expected one keras.callbacks.Callback or a list of them.")
    return [*own, *callbacks]


class _StepCounter(keras.callbacks.Callback):
    """Knows the training step, also in a resumed run and where one call makes several steps.

    Attributes
    ----------
    step : int
        Training steps made so far, over all calls of ``fit``; a resumed run counts those before it.
    epoch : int
        The epoch, from 0.
    """

    def __init__(self):
        super().__init__()
        self.epoch = self.step = self._start = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Note where the epoch starts."""
        if not self.step:
            self.step = epoch * (self.params.get("steps") or 0)
        self.epoch, self._start = epoch, self.step

    def on_train_batch_end(self, batch, logs=None):
        """Count up to this batch: with ``steps_per_execution`` Keras comes here only after the last of several."""
        # An epoch that is no multiple ends early, and Keras counts on.
        self.step = self._start + min(batch + 1, self.params.get("steps") or np.inf)


class StopOnNaN(_StepCounter):
    """Stop training with an error that names the step as soon as a logged number is NaN or infinite."""

    def on_train_batch_end(self, batch, logs=None):
        """Check every number of the step."""
        super().on_train_batch_end(batch, logs)
        self._check(logs, f"at step {self.step} (epoch {self.epoch + 1}, batch {batch + 1})")

    def on_epoch_end(self, epoch, logs=None):
        """Check what was measured after the epoch, such as the loss on validation data."""
        self._check(logs, f"after epoch {epoch + 1}")

    def on_train_end(self, logs=None):
        """Check the weights: what the last step did shows in no loss."""
        self._check({variable.path: variable for variable in self.model.trainable_variables}, "in the last step")

    def _check(self, logs, when):
        """Raise a RuntimeError if a number is none."""
        bad = [name for name, value in (logs or {}).items() if not np.isfinite(value).all()]
        if bad:
            raise RuntimeError(
                f"Training stopped: {', '.join(bad)} became NaN or infinite {when}. "
                "Try a smaller learning rate or a stronger penalty."
            )


class Line:
    """One line of output below a notebook's cell, which new words replace.

    Parameters
    ----------
    text : str
        Its first words.
    """

    def __init__(self, text):
        text = {"text/plain": check_kind("text", text, str, "words to show")}
        self.handle = display(text, raw=True, display_id=True)

    def say(self, text):
        """Replace the words."""
        text = {"text/plain": check_kind("text", text, str, "words to show")}
        if self.handle is None:  # outside of a notebook
            display(text, raw=True)
        else:
            self.handle.update(text, raw=True)


class Progress(keras.callbacks.Callback):
    """One line below the cell that says how far a training is; without a time, so that two runs leave the same line.

    Parameters
    ----------
    text : str, default="epoch {epoch} of {epochs}: loss {loss:.4f}"
        The line. In braces stand ``epoch``, ``epochs`` and what an epoch logs, formatted as by ``str.format``.

    Raises
    ------
    ValueError
        After the first epoch, if it logs nothing by a name in the text.
    """

    def __init__(self, text="epoch {epoch} of {epochs}: loss {loss:.4f}"):
        super().__init__()
        self.text = check_kind("text", text, str, "a text with names in braces")

    def on_train_begin(self, logs=None):
        """Show that something has begun; the first epoch takes longest."""
        self.line = Line("compiling")

    def on_epoch_end(self, epoch, logs=None):
        """Say where the training is."""
        known = {**(logs or {}), "epoch": epoch + 1, "epochs": self.params["epochs"]}
        try:
            self.line.say(self.text.format(**known))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"text: got {self.text!r}, expected names of {', '.join(known)} ({error}).") from None


class SampleFilm(_StepCounter):
    """Keep samples at the same latents as training goes on; only the network changes from frame to frame.

    Parameters
    ----------
    steps : iterable of int
        After which training steps to look; 0 is before the first.
    count : int, default=10
        Samples a frame.
    seed : int, default=0
        Seed of the latents.
    average : bool, default=True
        Look at the averaged generator.

    Attributes
    ----------
    frames : dict of int to ndarray of shape (count, ...)
        Step → samples.

    Raises
    ------
    ValueError
        When training starts, if ``steps_per_execution`` jumps over one of the steps.
    """

    def __init__(self, steps, count=10, seed=0, average=True):
        super().__init__()
        self.steps = set(check_each("steps", steps, check_integer, low=0))
        count, seed = check_integer("count", count, low=1), check_integer("seed", seed, low=0)
        self.arguments = dict(count=count, seed=seed, average=check_choice("average", average, (False, True)))
        self.frames = {}

    def on_train_begin(self, logs=None):
        """Check that Keras will come by at all steps, and that the model can draw samples."""
        if not hasattr(self.model, "sample"):
            raise ValueError(f"model: got {type(self.model).__name__}, expected one that samples, such as a GAN.")
        if "average" not in inspect.signature(self.model.sample).parameters:  # it has one set of weights to sample from
            self.arguments.pop("average", None)
        length, jump = self.params.get("steps"), self.model.steps_per_execution
        missed = [step for step in sorted(self.steps) if (step % length if length else step) % jump]
        if missed:
            raise ValueError(f"steps: got {missed[0]}, expected multiples of steps_per_execution, {jump}.")

    def on_epoch_begin(self, epoch, logs=None):
        """Look before the first step."""
        super().on_epoch_begin(epoch, logs)
        self._look()

    def on_train_batch_end(self, batch, logs=None):
        """Count the step and look if it is one of `steps`."""
        super().on_train_batch_end(batch, logs)
        self._look()

    def _look(self):
        """Take a frame if this is a step to look at."""
        if self.step in self.steps and self.step not in self.frames:
            self.model.jax_state_sync()  # during `fit` the weights live in the trainer's state, not in the model
            self.frames[self.step] = self.model.sample(**self.arguments)


class Backup(keras.callbacks.Callback):
    """Keep the state of a run after each epoch, from which the same ``fit`` goes on after a kill at any moment.

    Keras's ``BackupAndRestore`` writes weights and the number of the epoch into two files: a run that is killed between
    the two silently repeats an epoch. Here the name of the one file holds the number and a checksum, as HDF5
    would silently load flipped bits, and a file gets its name when it is whole. Of several processes the first writes
    and all read, so the folder must be one that all of them see.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of this run alone.

    Raises
    ------
    ValueError
        If `folder` is no path.
    RuntimeError
        When `fit` begins, if the newest state is damaged or of another model.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(check_kind("folder", folder, (str, os.PathLike), "a path"))

    def on_train_begin(self, logs=None):
        """Go on with the newest state, if there is one, and say so."""
        states = self._states()
        if jax.process_count() > 1:
            name = zlib.crc32("".join(state.name for state in states[-1:]).encode()) % 2**31  # fits an int32
            multihost_utils.assert_equal(name, "folder: the processes see different states; let them share one.")
        if states:
            if not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self._load(states[-1])
            done, wanted = int(states[-1].name.split("_")[1]), self.params.get("epochs")
            print(f"{states[-1]}: goes on after epoch {done} of {wanted}" + ", so nothing is left" * (done >= wanted))
            self.model._initial_epoch = done

    def on_epoch_end(self, epoch, logs=None):
        """Write the state, and forget older ones; of several processes the first does, and the others wait for it."""
        rank = jax.process_index()
        whole = self.folder / f"newest{rank or ''}.weights.h5"
        with storage.replacing(whole) as partial:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.model.save_weights(partial, overwrite=True)  # in which Keras has all processes take part
        if rank:
            whole.unlink()
        else:
            whole.replace(self.folder / f"epoch_{epoch + 1:06}_{self._checksum(whole)}.weights.h5")
            for state in self._states()[:-1]:
                state.unlink()
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("the state is written")

    def _load(self, state):
        """Put a state into the model, or raise a RuntimeError that names the file."""
        mend = f"Delete {self.folder}, and the run begins anew, or give another model's run a folder of its own."
        if self._checksum(state) not in state.name:
            raise storage.unreadable(state, "its checksum is another", mend)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # Keras only warns of an optimizer that it leaves as it is
                self.model.load_weights(state)
        except (OSError, ValueError, KeyError, RuntimeError, UserWarning) as error:
            raise storage.unreadable(state, error, mend) from error

    def _checksum(self, state):
        """Return what a changed file has otherwise."""
        with state.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    def _states(self):
        """Return the files of whole states, the newest last."""
        return sorted(self.folder.glob("epoch_*.weights.h5"))


# --- Arrays by variable ----------------------------------------------------------------------------------------------


class Values:
    """The arrays of a training step, looked up by the variable they stand for."""

    def __init__(self, model, state):
        self.groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        self.arrays = {}
        for variables, arrays in zip(self.groups, state, strict=True):
            self.put(variables, arrays)

    @classmethod
    def of(cls, model):
        """Return the values that the model's variables hold."""
        groups = (model.trainable_variables, model.non_trainable_variables)
        groups += (model.optimizer.variables, model.metrics_variables)
        return cls(model, [[variable.value for variable in group] for group in groups])

    def assign(self):
        """Write the arrays into the model's variables."""
        for variable in (variable for group in self.groups for variable in group):
            variable.assign(self[variable])

    def __getitem__(self, variable):
        return self.arrays[id(variable)]

    def __setitem__(self, variable, array):
        self.arrays[id(variable)] = array

    def get(self, variables):
        """Return the arrays of `variables` as a list."""
        return [self[variable] for variable in variables]

    def put(self, variables, arrays):
        """Set the arrays of `variables`."""
        for variable, array in zip(variables, arrays, strict=True):
            self[variable] = array

    def put_noise(self, network, arrays):
        """Advance only the dropout noise of a frozen network; its weights and BatchNorm statistics stay."""
        states = {id(variable) for variable in noise_states(network)}
        for variable, array in zip(network.non_trainable_variables, arrays, strict=True):
            if id(variable) in states:
                self[variable] = array

    def items(self, variables):
        """Return (variable, array) pairs, the form ``keras.StatelessScope`` takes."""
        return [(variable, self[variable]) for variable in variables]

    def state(self):
        """Return all arrays in the order in which Keras's trainer gave them."""
        return tuple(self.get(variables) for variables in self.groups)

    def call(self, network, inputs, weights=None, updates=None):
        """Return the network's training-mode outputs and its updated non-trainable arrays; nothing is stored."""
        weights = self.get(network.trainable_variables) if weights is None else weights
        updates = self.get(network.non_trainable_variables) if updates is None else updates
        return network.stateless_call(weights, updates, inputs, training=True)

    def descend(self, network, optimizer, loss):
        """Move `network` one optimizer step down ``loss(weights) -> (value, aux)`` and return the aux."""
        weights = self.get(network.trainable_variables)
        gradients, aux = jax.grad(loss, has_aux=True)(weights)
        weights, slots = optimizer.stateless_apply(self.get(optimizer.variables), gradients, weights)
        self.put(network.trainable_variables, weights)
        self.put(optimizer.variables, slots)
        return aux

    def average(self, copy, network, keep):
        """Move the weights of a network's average towards its own, all but a share; BatchNorm statistics are copied."""
        for mean, variable in zip(copy.weights, network.weights, strict=True):
            share = keep if variable.trainable else 0.0
            self[mean] = share * self[mean] + (1 - share) * self[variable]

    def draw(self, generator, sample):
        """Return ``sample(generator)`` and advance the generator's state."""
        with keras.StatelessScope(self.items([generator.state])) as scope:
            drawn = sample(generator)
        self[generator.state] = scope.get_current_value(generator.state)
        return drawn


def noise_states(network):
    """Return the states of the seed generators of a layer: its variables that are neither weights nor metrics."""
    known = {id(variable) for variable in (*network.weights, *getattr(network, "metrics_variables", ()))}
    return [variable for variable in network.non_trainable_variables if id(variable) not in known]


# --- Several devices and processes -----------------------------------------------------------------------------------


def spread(batch):
    """Share the rows of an array that a step made itself, such as noise, out to the devices of Keras's distribution.

    Without this, every device would compute with all rows; the numbers are the same. Rows that do not divide by the
    devices stay together.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or len(batch) % distribution.num_model_replicas:
        return batch
    return keras.distribution.distribute_tensor(batch, distribution.get_data_layout(batch.shape))


# --- Many steps in one compiled loop ---------------------------------------------------------------------------------


def train_scanned(models, draw, steps, points=1, watch=None):
    """Train GANs of one recipe with many steps in one compiled loop.

    Parameters
    ----------
    models : list of `helpers.gans.AdversarialModel` or of `helpers.diffusion.Diffusion`
        Compiled alike, of the same layers; they differ in their seeds. They are trained one after the other, in place,
        and what was compiled for the first serves all.
    draw : callable
        ``draw(key) -> real batch (n, ...)``, of JAX operations only.
    steps : int
        Steps of each model, a multiple of `points`.
    points : int, default=1
        How often to come back from the compiled loop, to log and to call `watch`.
    watch : callable, optional
        ``watch(model, step)``, called after each stretch; the model holds the weights of that step.

    Returns
    -------
    list of dict
        For each model: name → ndarray of shape (points,), the means over each stretch of what ``fit`` logs.

    Raises
    ------
    RuntimeError
        If a loss stops being finite; the message names seed and step.
    """
    if check_integer("steps", steps, low=1) % check_integer("points", points, low=1):
        raise ValueError(f"steps: got {steps}, expected a multiple of points, {points}.")
    check_kind("draw", draw, Callable, "a function of a key that returns a batch")
    check_kind("watch", watch, (Callable, type(None)), "a function of a model and a step, or None")
    _check_alike(models)
    first = models[0]
    first.check_batch(draw(jax.random.key(0)))

    @jax.jit
    def stretch(state, keys):
        """Make a step for each key; the running means start anew."""
        state = (*state[:3], jax.tree.map(jnp.zeros_like, state[3]))

        def step(state, key):
            """Make a step on a batch of its own."""
            return models[0].train_step(state, jax.tree.map(spread, draw(key)))[::-1]

        state, logs = jax.lax.scan(step, state, keys)
        return state, {name: values[-1] for name, values in logs.items()}

    return [_train_stretches(model, stretch, steps // points, points, watch) for model in models]


def _check_alike(models):
    """Raise a ValueError unless models can share one compiled step, which holds what the first was made and set to."""
    check_each("models", models, _check_ready, least=1)
    first, *others = map(_recipe, models)
    for place, other in enumerate(others, start=1):
        if changed := [name for name, value in first.items() if other.get(name) != value]:
            raise ValueError(f"models: model {place} has another {changed[0]} than model 0, expected one recipe.")


def _check_ready(name, model):
    """Raise a ValueError unless this is a model with a `train_step` of the book's own, ready to train."""
    if not hasattr(model, "check_ready"):
        raise ValueError(f"{name}: got {type(model).__name__}, expected a game or a diffusion model, compiled.")
    model.check_ready()


def _recipe(model):
    """Return what a compiled step takes from a model beside its numbers, by name."""
    settings = ("prediction", "weighting", "schedule", "bounds", "ema")
    return {
        "class": type(model),
        "shape of weights": [(variable.shape, variable.trainable) for variable in model.variables],
        "compile": _nameless(model.get_compile_config()),
        **{name: getattr(model, name, None) for name in settings},
    }


def _nameless(config):
    """Return a description without names, of which Keras gives every optimizer another."""
    if isinstance(config, (list, tuple)):
        return [_nameless(entry) for entry in config]
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return config


def _train_stretches(model, stretch, length, points, watch):
    """Train one model in stretches of `length` steps and return its log."""
    keys = jax.random.split(jax.random.key(model.seed), (points, length))
    log = []
    for point in range(points):
        # Read anew each time: Keras's predict, which `watch` may call, gives the arrays it was handed away.
        state, logs = stretch(Values.of(model).state(), keys[point])
        Values(model, state).assign()
        log.append({name: float(value) for name, value in logs.items()})
        if not all(map(np.isfinite, log[-1].values())):
            raise RuntimeError(
                f"Training stopped: seed {model.seed} has NaN or infinity by step {length * (point + 1)}."
            )
        if watch:
            watch(model, length * (point + 1))
    return {name: np.array([entry[name] for entry in log]) for name in log[0]}
