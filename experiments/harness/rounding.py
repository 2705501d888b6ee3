"""Round the weights of a trained network to few bits so that what its layers put out changes little."""

import keras
import numpy as np

from helpers import storage

DAMPING = 0.01  # of the mean square of the inputs; without it, pixels that are always black have no inverse


def round_network(model, inputs, stored_as):
    """Round the kernels of all dense layers of a model, layer by layer, for `storage.save_weights` with `stored_as`.

    Each layer is rounded on the inputs that the layers before it, rounded already, give it.

    Parameters
    ----------
    model : keras.Model
        Dense layers in a chain of functional models, as autoencoders are; it is changed in place.
    inputs : ndarray of shape (n, d)
        Training inputs; a list of arrays where the model has several inputs.
    stored_as : {"int8", "int7", "int6", "int5", "int4"}
        The format that the weights will be stored in, which then stores them exactly.
    """
    bits = int(stored_as.removeprefix("int"))
    for part in _parts(model):
        for layer in part.layers:
            if isinstance(layer, keras.layers.Dense):
                seen = keras.Model(part.inputs, layer.input).predict(inputs, batch_size=1000, verbose=0)
                kernel, *bias = layer.get_weights()
                layer.set_weights([round_kernel(kernel, seen, bits), *bias])
        inputs = part.predict(inputs, batch_size=1000, verbose=0)


def _parts(model):
    """Return the models that a model is a chain of, or the model itself."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]


def round_kernel(kernel, inputs, bits):
    """Round a kernel (d, units) to integers times a scale for each column, with little change of `inputs @ kernel`.

    Rounded is one row after the other; the rows that follow make up for its error as far as their inputs are correlated
    with its own. This is GPTQ, the optimal brain surgeon for all units at once.

    Parameters
    ----------
    kernel : ndarray of shape (d, units)
    inputs : ndarray of shape (n, d)
    bits : int

    Returns
    -------
    ndarray of shape (d, units), dtype float32

    References
    ----------
    E. Frantar et al., "GPTQ: accurate post-training quantization for generative pre-trained transformers", ICLR 2023.
    """
    scale, most = storage.column_scale(kernel, bits), 2 ** (bits - 1) - 1
    factor, left = _inverse_factor(inputs), kernel / scale  # (d, d), and what is still to be rounded, (d, units)
    largest = np.abs(kernel).argmax(axis=0)  # stays what it is, for the scale is read from it
    rounded = np.empty_like(left)
    for row, weights in enumerate(left):
        nearest = np.clip(np.round(weights), -most, most)
        rounded[row] = np.where(largest == row, np.sign(kernel[row]) * most, nearest)
        left[row + 1 :] -= np.outer(factor[row, row + 1 :] / factor[row, row], weights - rounded[row])
    return (rounded * scale).astype("float32")


def _inverse_factor(inputs):
    """Return the upper triangle U with UᵀU the inverse of the inputs' mean products, damped: (n, d) -> (d, d)."""
    inputs = inputs.astype("float64")
    products = inputs.T @ inputs / len(inputs)
    products += DAMPING * np.trace(products) / len(products) * np.eye(len(products))
    return np.linalg.cholesky(np.linalg.inv(products)).T.astype("float32")
