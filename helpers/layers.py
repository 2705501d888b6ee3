"""Layers that Keras lacks: a dense layer tied to another, and Gaussian noise that a resumed run goes on with."""

import keras
from keras import ops

from helpers.datasets import check_integer


class TiedDense(keras.layers.Layer):
    """A dense layer that uses the transpose of another's kernel, and has a bias of its own.

    There is one kernel, not two that are kept equal: the gradients of both layers add up in it.

    Parameters
    ----------
    dense : keras.layers.Dense
        The layer whose kernel (input_dim, units) is shared; it must be built.
    activation : str or callable, optional
        Activation of the output.

    Notes
    -----
    Maps (n, units) to (n, input_dim) by ``activation(x @ dense.kernel.T + bias)``.
    """

    def __init__(self, dense, activation=None, **kwargs):
        if not isinstance(dense, keras.layers.Dense) or not dense.built:
            raise ValueError(f"dense: got {dense!r}, expected a built keras.layers.Dense.")
        super().__init__(**kwargs)
        # The kernel alone: as a part of this layer, the other would have its own losses cleared at every call.
        self.kernel = dense.kernel
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Create the bias; the kernel is the other layer's."""
        self.bias = self.add_weight(shape=(self.kernel.shape[0],), initializer="zeros", name="bias")

    def call(self, inputs):
        """Return (n, input_dim) for inputs (n, units)."""
        return self.activation(ops.matmul(inputs, ops.transpose(self.kernel)) + self.bias)


class StandardNormal(keras.layers.Layer):
    """Standard normal noise, fresh at every call; its state is saved with the weights.

    Keras's weight files leave the state of a ``SeedGenerator`` out, so that a run resumed from one would see its old
    noise again. This layer stores it.

    Parameters
    ----------
    seed : int, default=0
        Seed of the noise.
    """

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(check_integer("seed", seed, low=0))
        self.built = True

    def call(self, inputs, samples=1):
        """Return float32 noise (samples, ...) for inputs (...), of which only the shape is used."""
        return keras.random.normal((samples, *ops.shape(inputs)), seed=self.generator)

    def save_own_variables(self, store):
        """Write the state of the noise into a Keras weight file."""
        store["noise_state"] = self.generator.state.numpy()

    def load_own_variables(self, store):
        """Read it back."""
        self.generator.state.assign(store["noise_state"])
