"""Around a training step: data are checked, a loss that is no number ends it, and arrays are found by variable."""

import copy
import hashlib
import inspect
import itertools
import os
import warnings
from pathlib import Path

import jax
import keras
import numpy as np

from helpers import storage
from helpers.checks import check_choice, check_each, check_integer, check_kind, check_number
from helpers.ranges import output_range, saturates

# --- Data ------------------------------------------------------------------------------------------------------------


class CheckedPredictions:
    """What a Keras model computes of checked inputs; to be inherited before ``keras.Model``, with `check_inputs`."""

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Compute outputs as ``keras.Model.predict`` does, of checked inputs."""
        check_sizes(batch_size=batch_size, steps=steps)
        return super().predict(checked_inputs(x, self.check_inputs), batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x):
        """Compute outputs as ``keras.Model.predict_on_batch`` does, of checked inputs."""
        return super().predict_on_batch(self.check_inputs(x))


class Guarded(CheckedPredictions):
    """A Keras model whose data are checked when they are given, and whose training stops at the first NaN.

    To be inherited before ``keras.Model``. A subclass says in `check_inputs` and `check_targets` what its data must be;
    both are called once for arrays, and for each batch of a ``PyDataset`` or a generator. Data sets of other libraries
    pass unchecked.
    """

    def check_inputs(self, x):
        """Return inputs as the model takes them, or raise a ValueError that names ``x``."""
        return x

    def check_targets(self, x, y):
        """Return the targets of checked inputs, or raise a ValueError that names ``y``."""
        return y

    def refuse(self, **settings):
        """Raise a ValueError for arguments that are given and would not be used."""

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        **kwargs,
    ):
        """Train as ``keras.Model.fit`` does, on checked data, until a loss is NaN or infinite: a RuntimeError."""
        check_fit(batch_size=batch_size, epochs=epochs, validation_split=validation_split, **kwargs)
        self.refuse(class_weight=class_weight, sample_weight=sample_weight)
        followed = [x.follow_epochs()] if hasattr(x, "follow_epochs") else []
        x, y = self._checked(x, y)
        if isinstance(validation_data, (tuple, list)):
            validation_data = self._checked_batch(tuple(validation_data))
        elif validation_data is not None:
            validation_data, _ = self._checked(validation_data, None)
        callbacks = add_callbacks(callbacks, [*followed, StopOnNaN()])
        data = (batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle)
        return super().fit(x, y, *data, class_weight=class_weight, sample_weight=sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, **kwargs):
        """Measure as ``keras.Model.evaluate`` does, on checked data."""
        if not kwargs.get("_use_cached_eval_dataset"):  # those `fit` has checked
            check_sizes(batch_size=batch_size, steps=steps)
            self.refuse(sample_weight=sample_weight)
            x, y = self._checked(x, y)
        return super().evaluate(x, y, batch_size, verbose, sample_weight, steps, **kwargs)

    def compile_from_config(self, config):
        """Compile from what Keras noted of ``compile``, for ``.keras`` files."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        """Make a step as ``keras.Model.train_on_batch`` does, on checked data."""
        self.refuse(class_weight=class_weight, sample_weight=sample_weight)
        return super().train_on_batch(*self._checked_arrays(x, y), sample_weight, class_weight, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Measure a batch as ``keras.Model.test_on_batch`` does, on checked data."""
        self.refuse(sample_weight=sample_weight)
        return super().test_on_batch(*self._checked_arrays(x, y), sample_weight, **kwargs)

    def _checked(self, x, y):
        """Return the data of ``fit``, every array checked, at once or batch by batch."""
        if not gives_batches(x):
            return self._checked_arrays(x, y)
        if y is not None:
            raise ValueError(f"y: got {type(y).__name__} beside {type(x).__name__}, whose batches bring their targets.")
        return check_each_batch(x, self._checked_batch), None

    def _checked_arrays(self, x, y):
        """Return arrays of inputs and targets, checked."""
        x = self.check_inputs(x)
        return x, self.check_targets(x, y)

    def _checked_batch(self, batch):
        """Return a batch, x or a tuple (x,), (x, y) or (x, y, sample_weight), with its arrays checked."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        self.refuse(sample_weight=weights)
        x = self.check_inputs(x)
        y = self.check_targets(x, y)
        return (x,) if y is None else (x, y) if weights is None else (x, y, weights)


class OwnLoss(Guarded):
    """A guarded model that brings its own loss: what Keras would add to it is refused, not left out in silence."""

    def refuse(self, **settings):
        """Raise a ValueError for arguments that are given and would not be used."""
        for name, value in settings.items():
            if value is not None:
                raise ValueError(
                    f"{name}: got {type(value).__name__}, expected none: {type(self).__name__} brings its own loss. "
                    "To leave rows out, index the arrays; to measure something else, use a callback."
                )

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **kwargs):
        """Choose the optimizer; its variables are made at once, so that the model can be saved before it is trained.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer or str
            As for ``keras.Model.compile``.
        loss, loss_weights, metrics, weighted_metrics : None
            The model brings its own; anything else is an error.
        **kwargs
            Passed to ``keras.Model.compile``, such as ``run_eagerly``.
        """
        self.refuse(loss=loss, loss_weights=loss_weights, metrics=metrics, weighted_metrics=weighted_metrics)
        super().compile(optimizer=check_optimizer("optimizer", optimizer), **kwargs)
        self.optimizer.build(self.trainable_variables)
        self.trained = trained_by(self)

    def fit(self, *args, **kwargs):
        """Train as ``keras.Model.fit`` does, on checked data, until a loss is NaN or infinite: a RuntimeError."""
        self.check_ready()
        return super().fit(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """Make a step as ``keras.Model.train_on_batch`` does, on checked data."""
        self.check_ready()
        return super().train_on_batch(*args, **kwargs)

    def check_ready(self):
        """Raise a ValueError unless the weights to train are those that ``compile`` gave to the optimizer."""
        check_trained(self)


def trained_by(model):
    """Return what tells one choice of weights to train from another."""
    return tuple(id(variable) for variable in model.trainable_variables)


def check_trained(model, hint=""):
    """Raise a ValueError unless a model is compiled, for the weights that it is to train now."""
    if getattr(model, "trained", None) is None:
        raise ValueError(f"compile: expected to be called on this {type(model).__name__} before it is trained.")
    if model.trained != trained_by(model):
        raise ValueError(
            f"trainable: was changed after compile. {hint}Set it back, or compile again with a new optimizer for each."
        )


def check_optimizer(name, given):
    """Return an optimizer, made from its name or its description where need be, or raise a ValueError."""
    optimizer = known(keras.optimizers, given)
    if optimizer is None:
        raise ValueError(f"{name}: got {given!r:.200}, expected a keras.optimizers.Optimizer or the name of one.")
    return optimizer


def check_loss(name, given):
    """Return a loss, or the name of one, or raise a ValueError."""
    if not callable(known(keras.losses, given)):
        expected = "expected a keras.losses.Loss, a function or a name, such as 'mse' or 'binary_crossentropy'"
        raise ValueError(f"{name}: got {given!r:.200}, {expected}.")
    return given


def known(kind, given):
    """Return what a module such as ``keras.losses`` knows by a name or a description, None if it knows nothing."""
    try:
        return kind.get(given)
    except Exception:  # Keras raises errors of many kinds
        return None


def only_inputs(x, y):
    """Raise a ValueError for targets ``y`` other than the inputs ``x``, for a model that only redraws its inputs."""
    if y is not None and not (np.shape(y) == np.shape(x) and np.array_equal(y, x)):
        raise ValueError(
            f"y: got {type(y).__name__}, expected none: this model learns to redraw x, and would not use y."
        )


def serialize_each(**networks):
    """Return descriptions of networks, by name, for a model's configuration."""
    return {name: keras.saving.serialize_keras_object(network) for name, network in networks.items()}


def deserialize_each(config):
    """Return a configuration with its descriptions of networks made networks again."""
    return {
        name: keras.saving.deserialize_keras_object(value)
        if isinstance(value, dict) and "class_name" in value
        else value
        for name, value in config.items()
    }


class CheckedBatches(keras.utils.PyDataset):
    """Another data set, each of whose batches is checked when it is asked for.

    Parameters
    ----------
    batches : keras.utils.PyDataset
        The data set.
    check : callable
        ``check(batch) -> batch``.
    """

    def __init__(self, batches, check):
        threads = dict(workers=batches.workers, use_multiprocessing=batches.use_multiprocessing)
        super().__init__(**threads, max_queue_size=batches.max_queue_size)
        self.batches, self.check = batches, check

    @property
    def num_batches(self):
        """Number of batches, None for endless ones."""
        return self.batches.num_batches

    def __getitem__(self, index):
        """Return a checked batch."""
        return self.check(self.batches[index])

    def on_epoch_begin(self):
        """Hand on what Keras says."""
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        """Hand on what Keras says."""
        self.batches.on_epoch_end()


def check_each_batch(data, check_batch):
    """Return a data set whose batches are checked when they are asked for: a ``PyDataset`` or a generator."""
    if isinstance(data, keras.utils.PyDataset):
        return CheckedBatches(data, check_batch)
    return (check_batch(batch) for batch in data) if inspect.isgenerator(data) else data


def checked_inputs(data, check):
    """Return the data of ``predict``, every array checked, at once or batch by batch, of which only inputs are kept."""
    if not gives_batches(data):
        return check(data)
    return check_each_batch(data, lambda batch: (check(keras.utils.unpack_x_y_sample_weight(batch)[0]),))


def gives_batches(data):
    """Return whether data are what Keras takes batches from; all else must be an array."""
    kinds = {kind.__module__.partition(".")[0] for kind in type(data).__mro__}
    loader = kinds & {"tensorflow", "torch", "grain"} and not hasattr(data, "__array__")
    return isinstance(data, keras.utils.PyDataset) or inspect.isgenerator(data) or bool(loader)


def check_fit(batch_size=None, epochs=1, validation_split=0.0, initial_epoch=0, steps_per_epoch=None, **others):
    """Raise a ValueError for numbers that Keras's ``fit`` would stumble over, or take for others; 0 is one for None."""
    check_integer("epochs", epochs, low=0)
    check_integer("initial_epoch", initial_epoch, low=0)
    check_number("validation_split", validation_split, low=0, below=1)
    sizes = {name: others.get(name) for name in ("validation_steps", "validation_batch_size", "validation_freq")}
    if is_array(sizes["validation_freq"]):
        sizes.pop("validation_freq")
    check_sizes(batch_size=batch_size, steps_per_epoch=steps_per_epoch, **sizes)


def check_sizes(**sizes):
    """Raise a ValueError unless each of these counts is a positive integer, or None."""
    for name, value in sizes.items():
        if value is not None:
            check_integer(name, value, low=1)


def is_array(data):
    """Return whether data are an array, or a list that NumPy makes one of."""
    return isinstance(data, (list, tuple)) or hasattr(data, "__array__")


# --- Networks --------------------------------------------------------------------------------------------------------


def check_network(name, network, inputs=None, outputs=None):
    """Raise a ValueError unless a network is built, with one input and one output.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    network : keras.Model
        What came.
    inputs, outputs : tuple, optional
        The shapes expected, of one example.
    """
    if not isinstance(network, keras.Model):
        raise ValueError(f"{name}: got {type(network).__name__}, expected a keras.Model.")
    try:
        shapes = network.input_shape, network.output_shape
    except AttributeError:
        raise ValueError(
            f"{name}: its shapes are not known, expected a keras.Sequential that begins with keras.Input, or a "
            "functional model, keras.Model(inputs, outputs)."
        ) from None
    for kind, shape, expected in zip(("input", "output"), shapes, (inputs, outputs), strict=True):
        if not isinstance(shape, tuple):
            raise ValueError(f"{name}: has several {kind}s, of shapes {shape}, expected one.")
        if expected is not None and shape[1:] != tuple(expected):
            raise ValueError(f"{name}: got {kind} shape {shape[1:]}, expected {tuple(expected)}.")


def check_latents(name, network):
    """Return how many numbers a latent vector of a network has, or raise a ValueError unless that is its one input."""
    check_network(name, network)
    if len(network.input_shape) != 2 or network.input_shape[1] is None:
        shape = network.input_shape[1:]
        raise ValueError(f"{name}: got input shape {shape}, expected (latent_dim,): let it begin with a Reshape layer.")
    return network.input_shape[1]


def check_unregularised(name, network):
    """Raise a ValueError if a layer of a network adds to the loss, for a model that would leave it out."""
    places = [variable.path for variable in network.variables if getattr(variable, "regularizer", None) is not None]
    places += [layer.name for layer in network._flatten_layers() if layer.activity_regularizer is not None]
    if places or network.losses:
        raise ValueError(
            f"{name}: has a regularizer at {places[0] if places else 'a layer'}, expected none: this model brings its "
            "own loss, and would leave it out. An optimizer's weight_decay keeps weights small."
        )


def check_separate(**networks):
    """Raise a ValueError if two networks, given by their names, share variables."""
    for (name, one), (second, other) in itertools.combinations(networks.items(), 2):
        if {id(v) for v in one.variables} & {id(v) for v in other.variables}:
            raise ValueError(f"{second}: got variables of the {name}, expected two separate networks.")


def check_logits(name, network):
    """Raise a ValueError if something bounds a network's outputs, such as a sigmoid, wherever it hides."""
    low, high = output_range(network)
    if np.isfinite([low, high]).any():
        raise ValueError(
            f"{name}: its outputs lie between {low:g} and {high:g}, expected logits, which nothing bounds (no sigmoid, "
            "softmax, tanh or ReLU at its end)."
        )
    if saturates(network):
        raise ValueError(
            f"{name}: its outputs stop growing when its last weights grow, expected logits, which nothing bounds (no "
            "softsign, ELU or SiLU at its end)."
        )


def check_float32(name, network):
    """Raise a ValueError if a layer of a network computes in float16: small gradients would vanish without a word."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            check_float32(name, layer)
        elif layer.compute_dtype == "float16":
            raise ValueError(
                f"{name}: its layer {layer.name} computes in float16, in which small gradients become 0, expected "
                "float32 or bfloat16: keras.config.set_dtype_policy('mixed_bfloat16')."
            )


def copy_network(name, network):
    """Return a copy of a network that shares nothing with it, or raise a ValueError that names it."""
    try:
        twin = keras.models.clone_model(network)
    except ValueError:  # Keras clones from a description, and does not trust one with a Lambda layer
        try:
            twin = copy.deepcopy(network)
        except Exception as error:
            raise ValueError(f"{name}: cannot be copied for its average ({error}).") from error
    twin.set_weights(network.get_weights())
    return twin


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


class StepCounter(keras.callbacks.Callback):
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


class StopOnNaN(StepCounter):
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


class SampleFilm(StepCounter):
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
    the two repeats an epoch, and says nothing. Here the name of the one file holds the number and a checksum, as HDF5
    would load flipped bits without a word, and a file gets its name when it is whole.

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
        if states := self._states():
            if not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self._load(states[-1])
            done, wanted = int(states[-1].name.split("_")[1]), self.params.get("epochs")
            print(f"{states[-1]}: goes on after epoch {done} of {wanted}" + ", so nothing is left" * (done >= wanted))
            self.model._initial_epoch = done

    def on_epoch_end(self, epoch, logs=None):
        """Write the state, and forget older ones."""
        whole = self.folder / "newest.weights.h5"
        with storage.replacing(whole) as partial:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.model.save_weights(partial, overwrite=True)
        whole.replace(self.folder / f"epoch_{epoch + 1:06}_{self._checksum(whole)}.weights.h5")
        for state in self._states()[:-1]:
            state.unlink()

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
