"""MNIST and emoji, bundled and verified, mixtures of normals, mini-batches in an order by seed and epoch alone."""

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from helpers.checks import check_array, check_choice, check_integer, check_kind, check_labels, check_number, check_shape
from helpers.emoji import load_emoji  # noqa: F401  all data sets have one door

MNIST_PATH = Path(__file__).with_name("data") / "mnist.npz"
TRAINING_SIZE = 60_000

# MD5 of each array written as a raw IDX file, as published with the data set: https://github.com/cvdfoundation/mnist
MNIST_MD5 = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}


class Mnist(NamedTuple):
    """The three parts of MNIST: images float32 of shape (n, 28, 28, 1) in [0, 1], labels int32 of shape (n,)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist(validation_size=10_000, path=MNIST_PATH):
    """Load the bundled MNIST digits, verified against their published checksums.

    Parameters
    ----------
    validation_size : int, default=10_000
        How many of the official 60,000 training images, counted from the end, to set aside for validation.
        The 10,000 official test images are never mixed with the others.
    path : str or pathlib.Path
        The ``.npz`` file with the arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``, uint8, as published.

    Returns
    -------
    Mnist
        Named tuple of six arrays: images are float32 of shape (n, 28, 28, 1), 0 = black, 1 = white; labels are int32.

    Raises
    ------
    RuntimeError
        If the file is missing, cannot be read, or does not hold the official MNIST bytes.
    ValueError
        If `validation_size` is not an integer from 0 to 59,999.

    References
    ----------
    Y. LeCun and C. Cortes, "The MNIST database of handwritten digits", CC BY-SA 3.0.
    """
    validation_size = check_integer("validation_size", validation_size, low=0, high=TRAINING_SIZE - 1)
    arrays = _read_mnist(Path(check_kind("path", path, (str, os.PathLike), "a path")), MNIST_MD5)
    images = {split: scale_pixels(arrays[f"x_{split}"]) for split in ("train", "test")}
    labels = {split: arrays[f"y_{split}"].astype("int32") for split in ("train", "test")}
    cut = TRAINING_SIZE - validation_size
    return Mnist(
        images["train"][:cut],
        labels["train"][:cut],
        images["train"][cut:],
        labels["train"][cut:],
        images["test"],
        labels["test"],
    )


def load_mnist_bytes(split, path=MNIST_PATH):
    """Load one part of the bundled MNIST digits as published: in a quarter of the memory, or less for a few digits.

    Parameters
    ----------
    split : str
        ``"train"``, the official 60,000 training images, or ``"test"``, the 10,000 test images.
    path : str or pathlib.Path
        As for `load_mnist`.

    Returns
    -------
    images : ndarray of uint8, shape (n, 28, 28)
        Grey levels, 0 to 255; `scale_pixels` scales those that are needed.
    labels : ndarray of int32, shape (n,)

    Raises
    ------
    RuntimeError
        As `load_mnist` does, for the two arrays.
    """
    check_choice("split", split, ("train", "test"))
    images, labels = f"x_{split}", f"y_{split}"
    arrays = _read_mnist(Path(check_kind("path", path, (str, os.PathLike), "a path")), (images, labels))
    return arrays[images], arrays[labels].astype("int32")


def scale_pixels(pixels):
    """Scale uint8 images (n, 28, 28) to float32 images (n, 28, 28, 1) in [0, 1].

    Parameters
    ----------
    pixels : array_like of shape (n, height, width), dtype uint8
        Grey levels, 0 to 255.

    Returns
    -------
    ndarray of shape (n, height, width, 1), dtype float32
        Grey levels divided by 255.
    """
    return (_check_bytes("pixels", pixels, (None, None, None)) / np.float32(255))[..., None]


def _check_bytes(name, array, shape):
    """Return an array of bytes, or raise a ValueError that names the argument."""
    array = check_shape(name, array, shape)
    if array.dtype != np.uint8:
        raise ValueError(f"{name}: got dtype {array.dtype}, expected uint8. Are the pixels divided by 255 already?")
    return array


def _read_mnist(path, names):
    """Return some of the four official arrays, or raise an error that says what to do."""
    mend = "Restore it with `git checkout -- helpers/data/mnist.npz`, or install the book's package again."
    try:
        # NumPy leaves a file that it opened by name open when it turns out to be damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names}
    except FileNotFoundError:
        raise RuntimeError(f"path: the MNIST file {path} is missing. {mend}") from None
    except Exception as error:  # a flipped bit makes the readers of zip files and of LZMA raise errors of many kinds
        raise RuntimeError(f"path: the MNIST file {path} cannot be read ({error}). {mend}") from error
    for name, array in arrays.items():
        found, expected = idx_md5(array), MNIST_MD5[name]
        if found != expected:
            raise RuntimeError(f"path: {name} in {path} has MD5 {found}, expected {expected}: it is not MNIST. {mend}")
    return arrays


def idx_md5(array):
    """Return the MD5 of a uint8 array written as a raw IDX file, the format MNIST is published in.

    Parameters
    ----------
    array : array_like of uint8
        Of any shape.

    Returns
    -------
    str
        32 hexadecimal digits: hash of two zero bytes, the type code 8, the number of dimensions, each dimension as
        a big-endian 32-bit integer, then the bytes.

    References
    ----------
    "The IDX file format", on the MNIST page of Y. LeCun, C. Cortes and C. Burges.
    """
    array = np.ascontiguousarray(_check_bytes("array", array, (...,)))
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    digest = hashlib.md5(header, usedforsecurity=False)
    digest.update(array.reshape(-1))  # without a copy
    return digest.hexdigest()


class _Mixture(NamedTuple):
    """The fields of `Mixture`."""

    centers: np.ndarray
    std: float


class Mixture(_Mixture):
    """Equally likely normal modes of equal spread.

    Parameters
    ----------
    centers : array_like of shape (k, d)
        Of the modes, at least one.
    std : float
        Standard deviation along each axis; with 0 the modes are points.
    """

    __slots__ = ()

    def __new__(cls, centers, std):
        check_array("centers", centers, shape=(None, None), least=1)
        return super().__new__(cls, np.asarray(centers), check_number("std", std, low=0))

    def sample(self, count, rng):
        """Draw points.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        ndarray of float32, shape (count, d)
        """
        count, rng = check_integer("count", count, low=1), _check_rng(rng)
        rows = rng.integers(len(self.centers), size=count)
        return (self.centers[rows] + self.std * rng.standard_normal((count, self.centers.shape[1]))).astype("float32")

    def standardised(self):
        """Return the mixture scaled to mean square 1 along the axes, a scale that suits networks."""
        scale = np.sqrt((self.centers**2).mean() + self.std**2)
        if not scale:
            raise ValueError("centers: got only zeros with a std of 0, expected points that can be scaled.")
        return Mixture(self.centers / scale, self.std / scale)

    def density(self, points):
        """Return the density at points (n, d): ndarray of shape (n,)."""
        dimension = self.centers.shape[1]
        check_array("points", points, shape=(None, dimension))
        check_number("std", self.std, above=0)
        squares = ((np.asarray(points, "float64")[:, None] - self.centers) ** 2).sum(axis=-1)  # (n, k)
        return np.exp(-squares / (2 * self.std**2)).mean(axis=1) / (2 * np.pi * self.std**2) ** (dimension / 2)


def _check_rng(rng):
    """Return a source of draws, or raise a ValueError."""
    return check_kind("rng", rng, np.random.Generator, "a numpy.random.Generator: np.random.default_rng(seed) is one")


def ring(modes=8, radius=1.0, std=0.01):
    """Return normal modes at equal distances on a circle.

    Parameters
    ----------
    modes : int, default=8
        How many. The angles are 2πi/modes: `numpy.linspace(0, 2π, modes)` would put the last mode on the first.
    radius, std : float
        Of the circle, and of each mode along each axis; the defaults are PacGAN's.

    Returns
    -------
    Mixture

    References
    ----------
    Lin et al. (2018), "PacGAN: The power of two samples in generative adversarial networks".
    """
    angles = 2 * np.pi * np.arange(check_integer("modes", modes, low=1)) / modes
    radius = check_number("radius", radius, above=0)
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(side=5, spacing=2.0, std=0.05):
    """Return normal modes on a square grid around the origin.

    Parameters
    ----------
    side : int, default=5
        Modes along each axis.
    spacing, std : float
        Distance of neighbouring centers, and standard deviation of each mode; the defaults are PacGAN's.

    Returns
    -------
    Mixture

    References
    ----------
    Lin et al. (2018), "PacGAN: The power of two samples in generative adversarial networks".
    """
    ticks = check_number("spacing", spacing, above=0) * (np.arange(check_integer("side", side, low=1)) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2), std)


class ShuffledBatches(keras.utils.PyDataset):
    """Mini-batches of images, in an order that depends on the seed and the epoch alone.

    Keras's own shuffling draws from a global random state, so a run that is resumed has a different order.
    Here epoch `e` always has the same order, whatever happened before it. Each epoch visits every image at most once;
    the last ``len(images) % batch_size`` of the order are left out so that all batches have one size. Of several
    processes under a ``keras.distribution.Distribution`` each gets its own rows of every batch.

    Parameters
    ----------
    images : array_like of shape (n, ...)
        The examples.
    batch_size : int
        Examples per batch, at most n.
    seed : int, default=0
        Seed of the order and of the transformation.
    labels : array_like of shape (n, ...), optional
        Targets that go with the images.
    transform : callable, optional
        ``transform(images, rng) -> images``, applied to each batch, such as `shift_images`.

    Attributes
    ----------
    epoch : int
        The epoch whose order is served; `follow_epochs` gives the callback that advances it in ``fit``.
    """

    def __init__(self, images, batch_size, seed=0, labels=None, transform=None):
        super().__init__()
        self.images = _check_rows("images", images)
        self.labels = None if labels is None else _check_rows("labels", labels, len(self.images))
        self.transform = check_kind("transform", transform, (Callable, type(None)), "transform(images, rng), or None")
        self.batch_size = check_integer("batch_size", batch_size, low=1)
        if self.batch_size > len(self.images):
            raise ValueError(
                f"batch_size: got {batch_size}, but there are only {len(self.images)} images; "
                "expected a batch no larger than the data."
            )
        self.seed = check_integer("seed", seed, low=0)
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Serve the order of `epoch`, an integer from 0."""
        self.epoch = check_integer("epoch", epoch, low=0)
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.images))

    def follow_epochs(self):
        """Return the callback that tells this data set which epoch ``fit`` is in, also after a resumed run."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.set_epoch(epoch))

    def __len__(self):
        """Return the number of whole batches in an epoch."""
        return len(self.images) // self.batch_size

    def __getitem__(self, index):
        """Return batch `index` of the current epoch: ``(images,)`` or ``(images, labels)``, as ``fit`` expects."""
        return _own_rows(self._whole(index))

    def _whole(self, index):
        """Return the whole batch `index`, of which other processes get other rows."""
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.images[rows]
        if self.transform is not None:
            images = self.transform(images, np.random.default_rng([self.seed, self.epoch, index]))
        return (images,) if self.labels is None else (images, self.labels[rows])


def _own_rows(batch):
    """Return those rows of a batch, a tuple of arrays, that this process feeds; all of them where it is the only one.

    Keras joins what the processes of a ``keras.distribution.Distribution`` feed, in their order, to one batch.
    """
    distribution = keras.distribution.distribution()
    processes = distribution.num_processes if distribution else 1
    if len(batch[0]) % processes:
        raise ValueError(f"batch_size: got {len(batch[0])}, expected a multiple of the {processes} processes.")
    return tuple(np.split(array, processes)[distribution.data_shard_id] for array in batch) if processes > 1 else batch


def _check_rows(name, rows, count=None):
    """Return rows of numbers (n, ...) as an array of their own kind, n = `count` if it is given."""
    check_array(name, rows, shape=(None, ...))
    if count is not None and len(rows) != count:
        raise ValueError(f"{name}: got {len(rows)} {name}, expected one for each of the {count} images.")
    return np.asarray(rows)


class SemiSupervisedBatches(keras.utils.PyDataset):
    """Mini-batches of some labelled and some unlabelled images, in an order that depends on seed and epoch alone.

    An epoch visits every unlabelled image at most once; the labelled images of a batch are drawn anew for each batch,
    without repetition inside it.

    Parameters
    ----------
    images : array_like of shape (n, ...)
        Labelled images.
    labels : array_like of int, shape (n,) or (n, 1)
        Their classes.
    unlabelled : array_like of shape (m, ...)
        Images without labels, of the same size.
    labelled_size, unlabelled_size : int
        Images of each kind in a batch, at most n and m.
    seed : int, default=0
        Seed of the order.
    """

    def __init__(self, images, labels, unlabelled, labelled_size, unlabelled_size, seed=0):
        super().__init__()
        self.images = _check_rows("images", images)
        self.labels = check_labels("labels", labels, count=len(self.images))
        unlabelled = _check_rows("unlabelled", unlabelled)
        check_shape("unlabelled", unlabelled, (None, *self.images.shape[1:]))
        self.labelled_size = check_integer("labelled_size", labelled_size, low=1, high=len(self.images))
        check_integer("unlabelled_size", unlabelled_size, low=1, high=len(unlabelled))
        self.seed = check_integer("seed", seed, low=0)
        self.unlabelled = ShuffledBatches(unlabelled, unlabelled_size, self.seed)

    def follow_epochs(self):
        """Return the callback that tells this data set which epoch ``fit`` is in, also after a resumed run."""
        return self.unlabelled.follow_epochs()

    def __len__(self):
        """Return the number of whole unlabelled batches in an epoch."""
        return len(self.unlabelled)

    def __getitem__(self, index):
        """Return batch `index`: images, labelled ones first, and labels, −1 where there is none."""
        (unlabelled,) = self.unlabelled._whole(index)
        rng = np.random.default_rng([self.seed, self.unlabelled.epoch, index, 1])
        rows = rng.choice(len(self.images), self.labelled_size, replace=False)
        missing = np.full(len(unlabelled), -1, self.labels.dtype)
        images = np.concatenate([self.images[rows], unlabelled])
        return _own_rows((images, np.concatenate([self.labels[rows], missing])))


def balanced_subset(labels, count, rng):
    """Choose rows at random so that every class occurs equally often.

    Parameters
    ----------
    labels : array_like of int, shape (n,) or (n, 1)
        Classes.
    count : int
        Rows to choose, a multiple of the number of classes; no class may have too few.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    ndarray of int, shape (count,)
        Row numbers, in random order.
    """
    labels, rng = check_labels("labels", labels), _check_rng(rng)
    classes, sizes = np.unique(labels, return_counts=True)
    share, rest = divmod(check_integer("count", count, low=max(len(classes), 1), high=len(labels)), len(classes))
    if rest:
        raise ValueError(f"count: got {count}, expected a multiple of the {len(classes)} classes.")
    if share > sizes.min():
        few = f"but class {classes[sizes.argmin()]} has only {sizes.min()} rows"
        raise ValueError(f"count: got {count}, {few}, expected at most {sizes.min() * len(classes)}.")
    rows = [rng.choice(np.flatnonzero(labels == label), share, replace=False) for label in classes]
    return rng.permutation(np.concatenate(rows))


def binarise(images, rng):
    """Draw binary pixels: each is 1 with a probability equal to its grey level.

    Parameters
    ----------
    images : array_like of shape (n, ...)
        Grey levels in [0, 1].
    rng : numpy.random.Generator
        Source of the draws; a fresh one every epoch is called dynamic binarisation.

    Returns
    -------
    ndarray of float32, the same shape

    References
    ----------
    Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks".
    """
    images, rng = check_array("images", images, shape=(None, ...), low=0, high=1), _check_rng(rng)
    return (rng.random(images.shape, dtype="float32") < images).astype("float32")


def first_of_each(labels):
    """Return the first row of each class.

    Parameters
    ----------
    labels : array_like of int, shape (n,) or (n, 1)
        Class numbers.

    Returns
    -------
    ndarray of int, shape (classes,)
        In the order of the class numbers.
    """
    return np.unique(check_labels("labels", labels), return_index=True)[1]


def shift_images(images, rng, reach=1):
    """Move each image by a random whole number of pixels along both axes; black comes in at the edges.

    Parameters
    ----------
    images : array_like of shape (n, height, width, channels)
        The images.
    rng : numpy.random.Generator
        Source of the shifts, uniform on −reach..+reach.
    reach : int, default=1
        Largest shift, in pixels; at most the shorter side.

    Returns
    -------
    ndarray of the same shape
    """
    check_array("images", images, shape=(None, None, None, None))
    count, height, width, _ = np.shape(images)
    reach, rng = check_integer("reach", reach, low=0, high=min(height, width)), _check_rng(rng)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    down, right = rng.integers(0, 2 * reach + 1, size=(2, count))
    rows = down[:, None] + np.arange(height)  # (n, height)
    columns = right[:, None] + np.arange(width)  # (n, width)
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
