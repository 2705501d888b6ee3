"""Store a network's weights in a small file, as float16 or as 8-bit integers, and read them back."""

from pathlib import Path

import numpy as np

FORMATS = ("float16", "int8")


def save_weights(path, weights, stored_as="float16"):
    """Write weights to an ``.npz`` file, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; its name ends in ``.npz``.
    weights : list of ndarray
        What ``model.get_weights()`` returns.
    stored_as : {"float16", "int8"}, default="float16"
        2 bytes a number, or 1: a matrix is then stored as integers from −127 to 127 with one scale for each of its
        columns (an output unit's weights), and anything that is no matrix as float16.
    """
    if stored_as not in FORMATS:
        raise ValueError(f"stored_as: got {stored_as!r}, expected one of {', '.join(FORMATS)}.")
    arrays = {}
    for index, weight in enumerate(map(np.asarray, weights)):
        if stored_as == "int8" and weight.ndim == 2:
            scale = _column_scale(weight)
            arrays[f"{index}_scale"] = scale
            arrays[f"{index}_int8"] = np.round(weight / scale).astype("int8")
        else:
            arrays[f"{index}_float16"] = _to_float16(index, weight)
    path = Path(path)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(path)  # a killed run leaves no half file that the next would take for whole


def _column_scale(weight):
    """Return for each column the step between two neighbouring integers, float32, never 0."""
    largest = np.abs(weight).max(axis=0)
    return np.where(largest > 0, largest / 127, 1).astype("float32")


def _to_float16(index, weight):
    """Return `weight` as float16; one that does not fit is an error."""
    with np.errstate(over="ignore"):
        halved = weight.astype("float16")
    if not np.isfinite(halved).all():
        raise ValueError(f"weights: number {index} holds values that float16 cannot, expected finite, below 65,504.")
    return halved


def load_weights(path):
    """Read what `save_weights` wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.npz`` file.

    Returns
    -------
    list of ndarray of float32
        For ``model.set_weights``.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    kinds = dict(name.split("_") for name in arrays if not name.endswith("_scale"))
    return [_restore(arrays, index, kinds[index]) for index in sorted(kinds, key=int)]


def _restore(arrays, index, kind):
    """Return one weight as float32."""
    weight = arrays[f"{index}_{kind}"].astype("float32")
    return weight * arrays[f"{index}_scale"] if kind == "int8" else weight
