"""Guards of Keras models: what a model is made of, compiled with and given is checked, with one clear error a fault."""

import copy
import inspect
import itertools

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helpers.checks import check_integer, check_number, is_array
from helpers.ranges import output_range, saturates
from helpers.training import StopOnNaN, add_callbacks

# --- Data ------------------------------------------------------------------------------------------------------------


class CheckedPredictions:
    """What a Keras model computes of checked inputs; to be inherited before ``keras.Model``, with `check_inputs`."""

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Compute outputs as ``keras.Model.predict`` does, of checked inputs; arrays as the function `predict` does."""
        _check_sizes(batch_size=batch_size, steps=steps)
        x = _checked_inputs(x, self.check_inputs)
        if keras.distribution.distribution() and is_array(x):
            return predict(self, x, batch_size or 32)
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x):
        """Compute outputs as ``keras.Model.predict_on_batch`` does, of checked inputs."""
        return super().predict_on_batch(self.check_inputs(x))


def predict(network, inputs, batch_size=1000):
    """Compute outputs as ``keras.Model.predict`` does; under a distribution by this process alone, for any rows.

    There, Keras's own ``predict`` shares the rows out. It fails where they do not divide by the devices, and where
    another process holds some of the outputs. The network's weights must be the same on all devices.
    """
    if keras.distribution.distribution() is None:
        return network.predict(inputs, batch_size=batch_size, verbose=0)
    groups = (network.trainable_variables, network.non_trainable_variables)
    weights = [[jnp.asarray(np.asarray(variable.value)) for variable in group] for group in groups]
    blocks = [inputs[start : start + batch_size] for start in range(0, len(inputs), batch_size)]
    parts = [network.stateless_call(*weights, block, training=False)[0] for block in blocks]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


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
            validation_data = self.check_batch(tuple(validation_data))
        elif validation_data is not None:
            validation_data, _ = self._checked(validation_data, None)
        callbacks = add_callbacks(callbacks, [*followed, StopOnNaN()])
        data = (batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle)
        return super().fit(x, y, *data, class_weight=class_weight, sample_weight=sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, **kwargs):
        """Measure as ``keras.Model.evaluate`` does, on checked data."""
        if not kwargs.get("_use_cached_eval_dataset"):  # those `fit` has checked
            _check_sizes(batch_size=batch_size, steps=steps)
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
        return _check_each_batch(x, self.check_batch), None

    def _checked_arrays(self, x, y):
        """Return arrays of inputs and targets, checked."""
        x = self.check_inputs(x)
        return x, self.check_targets(x, y)

    def check_batch(self, batch):
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


def _check_each_batch(data, check_batch):
    """Return a data set whose batches are checked when they are asked for: a ``PyDataset`` or a generator."""
    if isinstance(data, keras.utils.PyDataset):
        return CheckedBatches(data, check_batch)
    return (check_batch(batch) for batch in data) if inspect.isgenerator(data) else data


def _checked_inputs(data, check):
    """Return the data of ``predict``, every array checked, at once or batch by batch, of which only inputs are kept."""
    if not gives_batches(data):
        return check(data)
    return _check_each_batch(data, lambda batch: (check(keras.utils.unpack_x_y_sample_weight(batch)[0]),))


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
    _check_sizes(batch_size=batch_size, steps_per_epoch=steps_per_epoch, **sizes)


def _check_sizes(**sizes):
    """Raise a ValueError unless each of these counts is a positive integer, or None."""
    for name, value in sizes.items():
        if value is not None:
            check_integer(name, value, low=1)


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
    """Raise a ValueError if a layer of a network computes in float16: small gradients would silently vanish."""
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
