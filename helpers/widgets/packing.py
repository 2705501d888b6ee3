"""The weights of a trained network in the form that nn.js reads."""

import keras
import numpy as np

from helpers.checks import check_array, check_choice, check_integer, check_kind
from helpers.layers import MatmulConv2DTranspose
from helpers.storage import column_scale

_ACTIVATIONS = ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "silu")
_SHAPES_ONLY = (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Reshape, keras.layers.Dropout)
FORMATS = ("int8", "float32")


def pack(network, stored_as="int8"):
    """Turn a chain of dense layers into a list and bytes, of which ``unpack`` in nn.js builds it again.

    Parameters
    ----------
    network : keras.Model
        A chain of Dense, LayerNormalization over the last axis and Activation. Layers that only change shapes are left
        out: in JavaScript an image is a row of numbers.
    stored_as : {"int8", "float32"}, default="int8"
        One byte for a number of a Dense kernel, with a scale for each of its columns as in `helpers.storage`, or four.

    Returns
    -------
    layers : list of dict
        What each layer is: its kind, its sizes and its activation.
    weights : bytes
        Their numbers, one layer after the other.

    Raises
    ------
    ValueError
        If nn.js lacks a layer or an activation of the network.
    """
    check_choice("stored_as", stored_as, FORMATS)
    check_kind("network", network, keras.Model, "a keras.Model, a chain of layers")
    packed = [_pack_layer(layer, stored_as) for layer in network.layers if not isinstance(layer, _SHAPES_ONLY)]
    return [layer for layer, _ in packed], b"".join(numbers for _, numbers in packed)


def _pack_layer(layer, stored_as):
    """Return one layer's description and its numbers."""
    arrays = [np.float32(variable) for variable in layer.get_weights()]
    activation = _activation_name(layer)
    if isinstance(layer, keras.layers.Dense):
        return _pack_dense(*arrays, activation, stored_as)
    if isinstance(layer, keras.layers.LayerNormalization):
        description = dict(kind="layer_norm", size=len(arrays[0]), epsilon=layer.epsilon)
        return description, b"".join(array.tobytes() for array in arrays)
    if isinstance(layer, keras.layers.Activation):
        return dict(kind="activation", activation=activation), b""
    raise ValueError(f"network: got a layer {type(layer).__name__}, expected Dense, LayerNormalization or Activation.")


def _activation_name(layer):
    """Return what nn.js calls a layer's activation."""
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if name not in _ACTIVATIONS:
        raise ValueError(f"network: got the activation {name!r}, expected one of {', '.join(_ACTIVATIONS)}.")
    return name


def _pack_dense(kernel, bias, activation, stored_as):
    """Return a Dense layer's description and its numbers: bias, scales if it has any, kernel."""
    description = dict(kind="dense", inputs=len(kernel), outputs=len(bias), activation=activation, stored_as=stored_as)
    if stored_as == "float32":
        return description, bias.tobytes() + kernel.tobytes()
    return description, _in_bytes(kernel, bias)


def _in_bytes(kernel, bias):
    """Return bias, scales and kernel, one byte for a number of it and a scale for each place of its last axis."""
    scale = column_scale(kernel.reshape(-1, kernel.shape[-1]))
    return bias.tobytes() + scale.tobytes() + np.round(kernel / scale).astype("int8").tobytes()


def pack_chain(*networks, stored_as="int8"):
    """Pack networks of which each takes what the one before it gives, such as an encoder and a decoder, as one chain.

    Parameters and returned values are those of `pack`, the layers of all networks in one list.
    """
    for network in networks:
        check_kind("networks", network, keras.Model, "keras.Models, chains of layers")
    packed = [pack(network, stored_as) for network in networks]
    return [layer for layers, _ in packed for layer in layers], b"".join(numbers for _, numbers in packed)


def pack_unet(network):
    """Turn a U-Net into a list and bytes, of which ``unpackUNet`` in convolution.js builds it again.

    Parameters
    ----------
    network : keras.Model
        What `helpers.convolutional.unet` returns, with its ways around the middle.

    Returns
    -------
    layers : list of dict
        What each convolution is: its kind, the side of its kernel, its stride, its channels and its activation.
    weights : bytes
        Their numbers, one layer after the other: bias, scales, and the kernel in Keras's order, one byte a number.

    Raises
    ------
    ValueError
        If convolution.js lacks a layer or an activation of the network, or nothing is joined to what is doubled.
    """
    check_kind("network", network, keras.Model, "what helpers.convolutional.unet returns")
    joins = [layer for layer in network.layers if isinstance(layer, keras.layers.Concatenate)]
    rest = [layer for layer in network.layers if not isinstance(layer, (*_SHAPES_ONLY, keras.layers.Concatenate))]
    packed = [_pack_convolution(layer) for layer in rest]
    doublings = sum(layer["kind"] == "transposed" for layer, _ in packed)
    if not len(joins) == doublings > 0:
        found = f"{doublings} transposed convolutions and {len(joins)} Concatenate"
        raise ValueError(f"network: got {found}, expected as many, at least one: a U-Net.")
    return [layer for layer, _ in packed], b"".join(numbers for _, numbers in packed)


def _pack_convolution(layer):
    """Return a convolution's description and its numbers."""
    if not isinstance(layer, (keras.layers.Conv2D, MatmulConv2DTranspose)):
        found = type(layer).__name__
        raise ValueError(f"network: got a layer {found}, expected Conv2D, MatmulConv2DTranspose or Concatenate.")
    kernel, bias = (np.float32(variable) for variable in layer.get_weights())
    kind = "transposed" if isinstance(layer, MatmulConv2DTranspose) else "convolution"
    inputs, outputs = kernel.shape[:1:-1] if kind == "transposed" else kernel.shape[2:]
    sizes = dict(side=len(kernel), stride=int(np.ravel(layer.strides)[0]), inputs=inputs, outputs=outputs)
    return dict(kind=kind, **sizes, activation=_activation_name(layer)), _in_bytes(kernel, bias)


def narrow(inputs, kernel, bias, rank, weights=1.0):
    """Return two kernels and a bias that stand for one dense layer, the nearest on these inputs.

    Parameters
    ----------
    inputs : ndarray of shape (n, a)
        What the layer is given.
    kernel, bias : ndarray of shape (a, b) and (b,)
        The layer.
    rank : int
        Numbers between the two kernels.
    weights : ndarray of shape (b,), optional
        How much an error of each output counts.

    Returns
    -------
    first, second, bias : ndarray of shape (a, rank), (rank, b) and (b,)
        The outputs' first principal components, in which ``inputs @ first @ second + bias`` is exact.
    """
    outputs = check_array("kernel", kernel, shape=(None, None), least=1).shape[1]
    check_array("inputs", inputs, shape=(None, len(kernel)), least=1)
    check_array("bias", bias, shape=(outputs,))
    rank = check_integer("rank", rank, low=1, high=outputs)
    if check_array("weights", weights, shape=(...,), low=np.finfo("float32").tiny).ndim:
        check_array("weights", weights, shape=(outputs,))
    inputs, kernel, bias, weights = map(np.asarray, (inputs, kernel, bias, weights))
    outputs = inputs @ kernel + bias
    mean = outputs.mean(axis=0)
    centered = (outputs - mean) * weights
    components = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :rank]
    first, second = (kernel * weights) @ components, components.T / np.reshape(weights, (1, -1))
    return first, second, mean + ((bias - mean) * weights) @ components @ second
