"""Store a network's weights in a small file, as float16 or as integers of few bits, and read them back."""

import contextlib
import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np

from helpers.checks import check_array, check_choice

FORMATS = ("float16", "int8", "int7", "int6", "int5", "int4")
_ZEROS = "too small for the format. Keras's model.save_weights keeps it."
_MEND = "Copy it anew from where it came, or write it anew with save_weights."


def save_weights(path, weights, stored_as="float16"):
    """Write weights to an ``.npz`` file, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; its name ends in ``.npz``.
    weights : list of ndarray
        What ``model.get_weights()`` returns.
    stored_as : {"float16", "int8", "int7", "int6", "int5", "int4"}, default="float16"
        2 bytes a number, or so many bits: an array of two axes or more is then stored as integers, −127 to 127 in 8
        bits, with one scale for each index of its last axis (an output unit's weights, or an output channel's), and a
        vector or a single number as float16. Each bit less doubles the error of rounding; measure again what the
        network does.

    Raises
    ------
    OSError
        If the file cannot be written; one that was there before is whole.

    Warns
    -----
    UserWarning
        If all of an array's values are so small that it is stored as zeros.
    """
    check_choice("stored_as", stored_as, FORMATS)
    path = _check_path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path: got {str(path)!r}, expected a name that ends in .npz.")
    arrays = {}
    for index, weight in enumerate(_check_weights(weights)):
        if stored_as != "float16" and weight.ndim >= 2:
            scale = column_scale(weight, int(stored_as.removeprefix("int")))
            arrays[f"{index}_scale"] = scale
            arrays[f"{index}_int8"] = stored = np.round(weight / scale).astype("int8")
        else:
            arrays[f"{index}_float16"] = stored = _to_float16(index, weight)
        if weight.any() and not stored.any():
            largest = np.abs(weight).max()
            warnings.warn(f"weights: number {index}, at most {largest:g}, is stored as zeros: {_ZEROS}", stacklevel=2)
    with replacing(path) as partial:
        _write(partial, arrays)


def _write(path, arrays):
    """Write what `numpy.load` reads as well, each array by the method that packs it better; same arrays, same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            whole = io.BytesIO()
            np.save(whole, array)
            # Integers of fewer than 8 bits lie in whole bytes: that most values never occur, the compressor finds.
            sizes = {method: _size(whole.getvalue(), method) for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)}
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), whole.getvalue(), min(sizes, key=sizes.get))


def _size(data, method):
    """Return how many bytes a zip file with this data takes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("data", data)
    return stream.tell()


def _check_path(path):
    """Return a Path, or raise a ValueError for what is no file's name."""
    if not isinstance(path, (str, os.PathLike)) or path == "":
        raise ValueError(f"path: got {path!r:.60}, expected the name of a file, text or a pathlib.Path.")
    try:
        named = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise ValueError(f"path: got {path!r:.60}, which holds a character that no file's name can.")
    return Path(path)


def _check_weights(weights):
    """Return the weights as float32, or raise a ValueError that says which is wrong."""
    if not isinstance(weights, (list, tuple)):
        raise ValueError(f"weights: got {type(weights).__name__}, expected a list of arrays: model.get_weights().")
    if not weights:
        raise ValueError("weights: got an empty list, expected at least one array. Has the model been built?")
    if isinstance(weights[0], (int, float)):
        raise ValueError("weights: got a list of numbers, expected a list of arrays: model.get_weights().")
    checked = [check_array(f"weights: number {i}", weight, shape=(...,)) for i, weight in enumerate(weights)]
    for index, weight in enumerate(checked):
        if not weight.size:
            raise ValueError(f"weights: number {index} has shape {weight.shape}, expected at least one value.")
    return checked


def column_scale(weight, bits=8):
    """Return for each column the step between two neighbouring integers of so many bits, float32, never 0.

    All axes but the last count as rows: a convolution's kernel (h, w, in, out) is a matrix (h * w * in, out).
    """
    largest, integers = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0), 2 ** (bits - 1) - 1
    # Below the least normal number steps are so coarse that integers would leave their range.
    return np.where(largest > 0, np.maximum(largest / integers, np.finfo("float32").tiny), 1).astype("float32")


def _to_float16(index, weight):
    """Return `weight` as float16; one that does not fit is an error."""
    with np.errstate(over="ignore"):
        halved = weight.astype("float16")
    if not np.isfinite(halved).all():
        raise ValueError(f"weights: number {index} holds values that float16 cannot, expected finite, below 65,504.")
    return halved


def replacing(path):
    """Write a file whole or not at all: under another name first, so that a killed run leaves no half file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    context manager
        ``with replacing(path) as partial:`` gives the other name, which lies beside `path` and has its endings. What
        was written there takes the place of `path` when the block ends, and is deleted when it fails.

    Raises
    ------
    OSError
        If the file cannot be written, which an OSError in the block means too; one that was there before is whole.
    """
    return _replacing(_check_path(path))


@contextlib.contextmanager
def _replacing(path):
    """Do what `replacing` says."""
    partial = path.parent / f".partial.{path.name}"
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # HDF5 says in strerror all it knows of the file
        raise OSError(
            f"path: {path} cannot be written ({reason}), expected a folder that exists and can be "
            "written to, with space left. A file that was there before is as it was."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was written, or the name is too long to ask
            partial.unlink()


def load_weights(path, *, mend=_MEND):
    """Read what `save_weights` wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.npz`` file.
    mend : str, optional
        The remedy that the error names.

    Returns
    -------
    list of ndarray of float32
        For ``model.set_weights``.

    Raises
    ------
    RuntimeError
        If the file is missing, damaged or another one.
    """
    arrays = read_arrays(path, mend=mend)
    names, weights = sorted(arrays), []
    while arrays:
        weight = _restore(arrays, len(weights))
        if weight is None:
            expected = f"{len(weights)}_float16, or {len(weights)}_int8 with its {len(weights)}_scale"
            raise unreadable(path, f"got arrays named {', '.join(names)[:80]}, expected weights: {expected}", mend)
        weights.append(weight)
    return weights


def _restore(arrays, index):
    """Take one weight out of the arrays and return it as float32, or None if it is not there as it was written."""
    weight, kernel, scale = (arrays.pop(f"{index}_{kind}", np.empty(0)) for kind in ("float16", "int8", "scale"))
    if (weight.dtype, kernel.size, scale.size) == ("float16", 0, 0):
        return weight.astype("float32")
    if (kernel.dtype, scale.dtype, kernel.shape[-1:], weight.size) == ("int8", "float32", scale.shape, 0):
        return kernel.astype("float32") * scale
    return None


def read_arrays(path, *, mend=_MEND):
    """Read a whole ``.npz`` file, and nothing that would have to be unpickled.

    Parameters
    ----------
    path, mend
        As for `load_weights`.

    Returns
    -------
    dict of str to ndarray
        At least one.

    Raises
    ------
    RuntimeError
        If the file is missing or damaged, or is no such file.
    """
    path = _check_path(path)
    try:
        arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in _members(path).items()}
    except Exception as error:  # a flipped bit makes the readers of zip files raise errors of many kinds
        raise unreadable(path, error, mend) from error
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise unreadable(path, "holds no arrays", mend)
    return arrays


def _members(path):
    """Return the files in a zip file by their names without ``.npy``, each as its bytes, held to its checksum."""
    whole = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    # One flipped bit can hide an entry in the comment of the one before; their count stands 12 bytes before the end.
    if len(members) != int.from_bytes(whole[-12:-10], "little"):
        raise ValueError(f"{len(members)} arrays, and not as many as were written")
    return members


def unreadable(path, problem, mend):
    """Return the error for a stored file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    problem : Exception or str
        What is wrong with it.
    mend : str
        What one can do.

    Returns
    -------
    RuntimeError
    """
    said = str(problem) or type(problem).__name__
    what = "is missing" if isinstance(problem, FileNotFoundError) else f"cannot be used ({said})"
    return RuntimeError(f"{path}: {what}. {mend}")
