"""Train copies of a model side by side, with other seeds and learning rates, as one program: `jax.vmap` over them."""

import functools
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments.harness import training
from helpers import storage
from helpers.training import Values

SAVE_AFTER = 60  # seconds of training that a killed run may lose


class Stack:
    """Copies of one compiled Keras model, each with its own weights, optimizer state, noise and learning rate.

    A copy whose loss becomes NaN stays NaN and does not touch the others.

    Parameters
    ----------
    models : list of keras.Model
        Built and compiled alike, of the same layers, with constant learning rates; they differ in seeds and rates.

    Attributes
    ----------
    states : tuple of lists of array
        What Keras's trainer calls the state, each array with the copies along its first axis.
    history : list of dict
        One entry an epoch: name → array (copies,), what the model logs.
    """

    def __init__(self, models):
        self.models, self.model = models, models[0]
        each = [Values.of(model).state() for model in models]
        self.states = jax.tree.map(lambda *arrays: jnp.stack(arrays), *each)
        names = [variable.name for variable in self.model.optimizer.variables]
        self.rates = {i: self.states[2][i] for i, name in enumerate(names) if name == "learning_rate"}
        self.history = []

    def fit(
        self, data, batch_size, epochs, last=0.0, watch=None, seed=0, title="", prepare=None, shared=True, name=None
    ):
        """Train every copy for `epochs` passes over the data, each in an order of its own, at a rate that falls.

        Parameters
        ----------
        data : pytree of ndarray, each (n, ...)
            What ``train_step`` gets batches of, such as ``(images, images)`` or ``images``.
        batch_size, epochs : int
            As for ``keras.Model.fit``; the last n % batch_size of each epoch's order are left out.
        last : float, default=0.0
            The learning rate at the end over that at the start; between, half a cosine. 1 keeps it constant.
        watch : callable, optional
            ``watch(epoch)``, called after each epoch, 1 to `epochs`.
        seed : int, default=0
            Of the orders of the data.
        title : str, default=""
            Of the progress bar.
        prepare : callable, optional
            ``prepare(key, batch) -> batch``, applied to each batch on its way, such as noise or shifts.
        shared : bool, default=True
            Whether all copies see the same data; False takes data (copies, n, ...), a set for each copy.
        name : str, optional
            Of a file for the unfinished state, with which a killed run goes on after its last saved epoch; the same
            numbers come out. `watch` is not called again for the epochs before.

        Returns
        -------
        Stack
            Itself.
        """
        data = jax.tree.map(jnp.asarray, data)
        count = jax.tree.leaves(data)[0].shape[0 if shared else 1]
        length = count // batch_size
        epoch_of = jax.jit(functools.partial(self._epoch, (length, batch_size), epochs * length, last, prepare, shared))
        keys = jax.random.split(jax.random.key(seed), epochs)
        path = name and training.RUNS / "stacked" / f"{name}.npz"
        done, saved = self._load(path), time.perf_counter()
        for epoch in tqdm(range(done, epochs), initial=done, total=epochs, desc=title, unit="epoch"):
            each = jax.random.split(keys[epoch], len(self.models))
            self.states, logs = epoch_of(self.states, data, each, epoch * length)
            self.history.append({name: np.asarray(values) for name, values in logs.items()})
            if watch:
                watch(epoch + 1)
            if path and time.perf_counter() > saved + SAVE_AFTER:
                self._save(path)
                saved = time.perf_counter()
        return self

    def _save(self, path):
        """Write the state and the history to a file; a kill while it writes leaves the old file whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        history = [{name: values.tolist() for name, values in logs.items()} for logs in self.history]
        leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(self.states))}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, history=json.dumps(history), **leaves)
        partial.replace(path)

    def _load(self, path):
        """Read back what `_save` wrote, if there is a file; return how many epochs it holds."""
        if not (path and path.exists()):
            return 0
        leaves, structure = jax.tree.flatten(self.states)
        stored = storage.read_arrays(path, mend="Delete it, and the run begins anew.")
        history = json.loads(str(stored.pop("history", "[]")))
        loaded = [jnp.asarray(stored[name]) for name in sorted(stored, key=int)]
        if not history or [leaf.shape for leaf in loaded] != [leaf.shape for leaf in leaves]:
            raise RuntimeError(f"name: {path} holds a run of other models: delete it.")
        self.states = jax.tree.unflatten(structure, loaded)
        self.history = [{name: np.array(values, "float32") for name, values in logs.items()} for logs in history]
        return len(history)

    def _epoch(self, sizes, steps, last, prepare, shared, states, data, keys, start):
        """Run one epoch of all copies, `sizes` being its steps and their batch; a pure function, to be compiled."""
        length, batch_size = sizes

        def one(state, rates, key, data):
            """Run the epoch of one copy."""
            order = jax.random.permutation(key, len(jax.tree.leaves(data)[0]))[: length * batch_size]
            fresh = [jnp.zeros_like(array) for array in state[3]]  # the running means start anew

            def step(state, numbered):
                """Make a step at this step's learning rate."""
                number, rows = numbered
                factor = last + (1 - last) * 0.5 * (1 + jnp.cos(jnp.pi * (start + number) / steps))
                slots = list(state[2])
                for index, rate in rates.items():
                    slots[index] = rate * factor
                batch = jax.tree.map(lambda array: array[rows], data)
                if prepare:
                    batch = prepare(jax.random.fold_in(key, number), batch)
                logs, state = self.model.train_step((state[0], state[1], slots, state[3]), batch)
                return tuple(map(list, state)), logs

            numbered = (jnp.arange(length), order.reshape(length, batch_size))
            state, logs = jax.lax.scan(step, (*map(list, state[:3]), fresh), numbered)
            return state, jax.tree.map(lambda values: values[-1], logs)

        return jax.vmap(one, in_axes=(0, 0, 0, None if shared else 0))(states, self.rates, keys, data)

    def apply(self, network, inputs, block=1000):
        """Return the outputs of a network for all copies, (copies, n, ...), in evaluation mode.

        Parameters
        ----------
        network : keras.Model
            A part of the first model, or that model itself; its variables say which of the stacked arrays are meant.
        inputs : ndarray of shape (n, ...)
            The same for all copies, or of shape (copies, n, ...) with one set each: see `apply_each`.
        """
        inputs = jnp.asarray(inputs)
        parts = [self._call(network, inputs[i : i + block], None) for i in range(0, len(inputs), block)]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *parts)

    def apply_each(self, network, inputs, block=1000):
        """Do the same for inputs (copies, n, ...), a set for each copy."""
        parts = [self._call(network, inputs[:, i : i + block], 0) for i in range(0, inputs.shape[1], block)]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *parts)

    def _call(self, network, inputs, axis):
        """Run a network for one block of inputs."""
        return jax.tree.map(np.asarray, self._compiled(network, axis)(*self._weights(network), inputs))

    @functools.cache  # noqa: B019  a stack lives as long as its experiment
    def _compiled(self, network, axis):
        """Return the compiled call of a network for all copies."""

        def call(trainable, other, inputs):
            """Return the outputs of one copy."""
            return network.stateless_call(trainable, other, inputs, training=False)[0]

        return jax.jit(jax.vmap(call, in_axes=(0, 0, axis)))

    def _weights(self, network):
        """Return the stacked arrays of a network's variables."""
        values = Values(self.model, self.states)
        return values.get(network.trainable_variables), values.get(network.non_trainable_variables)

    def copy_weights(self, network, index):
        """Return the weights of a network of one copy, in the order of ``network.get_weights()``."""
        values = Values(self.model, self.states)
        return [np.asarray(values[variable][index]) for variable in network.weights]

    def assign(self):
        """Write what was trained into the models."""
        for index, model in enumerate(self.models):
            Values(model, jax.tree.map(lambda array, index=index: array[index], self.states)).assign()
        return self.models
