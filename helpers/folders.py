"""A folder of anybody's images as one array, cut into parts that share no picture."""

import hashlib
import struct
import zlib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.checks import check_array, check_integer

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FITS = (None, "crop", "pad")
# Pillow promises one kind of error for a damaged file; its readers of the many formats let others through.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
LUMA = np.array([0.299, 0.587, 0.114], "float32")  # shares of red, green and blue in the grey of ITU-R BT.601
NAMED = 5  # unusable files that an error names


class _Wish(NamedTuple):
    """What every image shall be made into."""

    height: int
    width: int
    grey: bool
    convert: bool
    fit: str | None
    background: float


class _Unusable(Exception):
    """Why one file cannot be used; `load_folder` puts its name before it."""


def load_folder(path, size, *, grey=True, convert=False, fit=None, background=0.0, least=100, progress=None):
    """Load all images below a folder, in the order of their names, at one size.

    Photographs are turned upright as their camera noted, transparent pixels are laid on `background`, and larger images
    are shrunk so that each new pixel is the mean of the old ones it covers. Nothing is enlarged.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder; its subfolders are searched too. `image_files` gives the files in the order of the rows.
    size : int or tuple of int
        Height and width of the images returned; one number for both.
    grey : bool, default=True
        One channel, or three: red, green and blue.
    convert : bool, default=False
        Turn coloured images grey, or grey ones into three equal channels. Otherwise such a file is an error.
    fit : {None, "crop", "pad"}, default=None
        What to do with an image of another shape: an error, cut off what sticks out, equally on both sides, or fill up
        with `background`.
    background : float, default=0.0
        Grey level from 0 (black) to 1.
    least : int, default=100
        Fewer images are an error.
    progress : callable, optional
        Wraps the list of files, as ``tqdm.tqdm`` does.

    Returns
    -------
    ndarray of shape (n, height, width, channels), dtype float32
        Levels from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is wrong, the folder holds too few images, or files cannot be used; the message says how many,
        and names the first five with the reason.
    """
    wish = _check_wish(size, grey, convert, fit, background)
    least, files = check_integer("least", least, low=1), image_files(path)
    if len(files) < least:
        raise ValueError(f"path: got {len(files)} images in {path}, expected at least {least}: see the argument least.")
    images = np.empty((len(files), wish.height, wish.width, 1 if grey else 3), "float32")
    problems = {}
    for row, file in enumerate(progress(files) if progress else files):
        try:
            images[row] = _read(file, wish)
        except _Unusable as problem:
            problems[file.relative_to(path).as_posix()] = str(problem)
    if problems:
        raise ValueError(_summary(problems, len(files)))
    return images


def image_files(path):
    """Return the image files below a folder, sorted by their names relative to it.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder. Hidden files are left out: some systems put one beside each image.

    Returns
    -------
    list of pathlib.Path
        At least one.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"path: got {path}, which is no folder.")
    files = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not images:
        endings = ", ".join(SUFFIXES)
        raise ValueError(f"path: got no image in {path} ({len(files)} other files), expected names in {endings}.")
    return sorted(images, key=lambda file: file.relative_to(path).as_posix())


def duplicates(images):
    """Find images that are equal in every pixel.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        What `load_folder` returned: two files of one picture are found, whatever their names and formats without loss.

    Returns
    -------
    list of list of int
        The row numbers of each picture that occurs more than once.
    """
    return [rows for rows in _same(images) if len(rows) > 1]


def split(images, fractions=(0.8, 0.1, 0.1), seed=0):
    """Draw the rows of each part at random; all copies of a picture go to one part.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The images.
    fractions : sequence of float, default=(0.8, 0.1, 0.1)
        Size of each part; they sum to 1. Copies can move a border by a few images.
    seed : int, default=0
        Seed of the draw.

    Returns
    -------
    list of ndarray of int
        Row numbers of each part, ascending, good for the images, their files and their labels alike.
    """
    fractions = check_array("fractions", fractions, shape=(None,), low=0, high=1)
    if not np.isclose(fractions.sum(), 1, atol=1e-4):
        raise ValueError(f"fractions: got a sum of {fractions.sum():g}, expected 1.")
    groups = _same(images)
    order = np.random.default_rng(check_integer("seed", seed, low=0)).permutation(len(groups))
    starts = np.cumsum([0, *(len(groups[group]) for group in order[:-1])])  # images before each group
    ends = np.round(np.cumsum(fractions.astype("float64")) * len(images))
    part = np.searchsorted(ends[:-1], starts, side="right")
    parts = [[row for group in order[part == number] for row in groups[group]] for number in range(len(fractions))]
    if empty := [number for number, rows in enumerate(parts, start=1) if not rows]:
        raise ValueError(f"fractions: part {empty[0]} of {len(images)} images is empty, expected at least one.")
    return [np.sort(rows) for rows in parts]


def _same(images):
    """Return row numbers by picture, in the order in which the pictures first occur."""
    groups = defaultdict(list)
    for row, image in enumerate(images):
        groups[hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()].append(row)
    return list(groups.values())


def _check_wish(size, grey, convert, fit, background):
    """Return the arguments of `load_folder` about one image, or raise a ValueError that names the bad one."""
    sides = np.ravel(size).tolist()
    if len(sides) not in (1, 2):
        raise ValueError(f"size: got {size!r}, expected one integer or two, height and width.")
    height, width = (check_integer("size", side, low=1) for side in (sides[0], sides[-1]))
    if fit not in FITS:
        raise ValueError(f"fit: got {fit!r}, expected one of {', '.join(map(repr, FITS))}.")
    background = float(check_array("background", background, shape=(), low=0, high=1))
    return _Wish(height, width, grey, convert, fit, background)


def _summary(problems, count):
    """Return the message for files that cannot be used."""
    named = [f"  {name}: {problem}" for name, problem in list(problems.items())[:NAMED]]
    rest = [f"  ... and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
    return "\n".join([f"path: {len(problems)} of {count} files cannot be used:", *named, *rest])


def _read(file, wish):
    """Return one image (height, width, channels) as wished."""
    pixels = _channels(_levels(_open(file), wish.background), wish)
    return _shrink(_reshape(pixels, wish), wish)


def _open(file):
    """Return a file as a Pillow image, upright; in RGB or RGBA where white has a fixed value."""
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode[0] in "IF":
                return upright
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except UnidentifiedImageError:
        raise _Unusable("cannot be read (no image format that Pillow knows)") from None
    except UNREADABLE as error:
        raise _Unusable(f"cannot be read ({error})") from error


def _levels(image, background):
    """Return red, green and blue from 0 to 1: (height, width, 3)."""
    if image.mode in ("I", "F"):
        raise _Unusable(f"has pixels of mode {image.mode}, in which white is not defined, expected 8 or 16 bits each")
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would cut all above 255
        return np.repeat(np.asarray(image, "float32")[..., None] / 65535, 3, axis=-1)  # (h, w) -> (h, w, 3)
    pixels = np.asarray(image, "float32") / 255  # (h, w, 3 or 4)
    if pixels.shape[-1] == 3:
        return pixels
    opaque = pixels[..., 3:]
    return opaque * pixels[..., :3] + (1 - opaque) * np.float32(background)


def _channels(pixels, wish):
    """Return the channels wished for: (h, w, 3) -> (h, w, 1 or 3)."""
    # A grey picture may be stored with three equal channels.
    coloured = bool((pixels[..., 1:] != pixels[..., :1]).any())
    if coloured == wish.grey and not wish.convert:
        came, expected = ("coloured", "grey") if coloured else ("grey", "coloured")
        keep = "; grey=False loads all in colour" if coloured else ""
        raise _Unusable(f"is {came}, expected {expected}: convert=True would turn it {expected}{keep}")
    if not wish.grey:
        return pixels
    return (pixels @ LUMA)[..., None] if coloured else pixels[..., :1]


def _reshape(pixels, wish):
    """Crop or pad to the proportions of the size wished for."""
    height, width = pixels.shape[:2]
    if wish.fit is None and abs(height * wish.width / width - wish.height) >= 0.5:
        raise _Unusable(
            f"is {width} wide, {height} high, other proportions than {wish.width} to {wish.height}: see fit"
        )
    if wish.fit is not None:
        choose = min if wish.fit == "crop" else max
        scale = choose(height / wish.height, width / wish.width)
        pixels = _centre(pixels, round(wish.height * scale), round(wish.width * scale), wish.background)
    if pixels.shape[0] < wish.height or pixels.shape[1] < wish.width:
        raise _Unusable(
            f"is {width} wide, {height} high, too small for {wish.width} by {wish.height}: nothing is enlarged"
        )
    return pixels


def _centre(pixels, height, width, background):
    """Return the middle (height, width) of an image, filled up where it does not reach."""
    for axis, length in enumerate((height, width)):
        before = abs(pixels.shape[axis] - length) // 2
        if pixels.shape[axis] > length:
            pixels = pixels.take(range(before, before + length), axis=axis)
        else:
            margin = [(0, 0)] * 3
            margin[axis] = before, length - pixels.shape[axis] - before
            pixels = np.pad(pixels, margin, constant_values=background)
    return pixels


def _shrink(pixels, wish):
    """Return means over boxes: (h, w, c) -> (height, width, c)."""
    size, box = (wish.width, wish.height), Image.Resampling.BOX
    channels = [np.ascontiguousarray(pixels[..., channel]) for channel in range(pixels.shape[-1])]
    shrunk = np.stack([Image.fromarray(channel).resize(size, box) for channel in channels], axis=-1)
    return shrunk.clip(0, 1)
