"""A folder of anybody's images as one array, cut into parts that share no image."""

import hashlib
import os
import struct
import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from helpers.checks import check_array, check_choice, check_integer, check_labels, check_number

_SUFFIXES = (".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
_SUFFIXES += (".pbm", ".pgm", ".pnm", ".ppm", ".qoi", ".tga")
_SUFFIXES += (".avif", ".heic", ".heif", ".hif", ".j2k", ".jp2", ".webp")  # which some Pillows read, and others do not
# What cameras store raw, what has no pixels, layers of which Pillow may see none.
_FOREIGN = (".arw", ".cr2", ".cr3", ".dng", ".jxl", ".jxr", ".nef", ".orf", ".raf", ".raw", ".rw2")
_FOREIGN += (".ai", ".eps", ".exr", ".psd", ".svg", ".xcf")
_ASIDE = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # folders that systems add unasked, like hidden ones
_BROKEN = "links to nothing"
_FITS = (None, "crop", "pad")
# Pillow promises one kind of error for a damaged file; its readers of the many formats let others through.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, struct.error, zlib.error)
_UNREADABLE += (Image.DecompressionBombError,)
_LUMA = np.array([0.299, 0.587, 0.114], "float32")  # shares of red, green and blue in the grey of ITU-R BT.601
NAMED = 5  # unusable files that an error names
_TWELVE_BITS = 4095  # white of many scientific and medical cameras, whose files have 16 bits
_PHOTOMETRIC = 262  # the tag of a TIFF that is 0 where 0 is white
# Pillow brings grey levels of 1, 2 and 4 bits in a PNG to 8, but not (that of 1 bit: before version 12) the transparent
# one among them.
STEPS = {"1": 255, "L;2": 85, "L;4": 17}


class _Wish(NamedTuple):
    """What every image is converted into."""

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
        The folder; its subfolders are searched too. `image_files` says which files count and gives them in the order
        of the rows. Of a file with several pages or frames, the first is read.
    size : int or tuple of int
        Height and width of the images returned; one number for both.
    grey : bool, default=True
        One channel, or three: red, green and blue.
    convert : bool, default=False
        Turn coloured images grey, or grey ones into three equal channels. Otherwise such a file is an error.
        ``grey=False`` alone keeps the colour.
    fit : {None, "crop", "pad"}, default=None
        What to do with an image of another shape: an error, cut off what sticks out, equally on both sides, or fill up
        with `background`.
    background : float, default=0.0
        Grey level from 0 (black) to 1.
    least : int, default=100
        Fewer images are an error.
    progress : callable, optional
        Wraps the list of files, as ``tqdm.tqdm`` does; it hands on each file once, in order.

    Returns
    -------
    ndarray of shape (n, height, width, channels), dtype float32
        Levels from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is wrong, the folder holds too few images, or files cannot be used; the message says how many,
        and names the first five with the reason.

    Warns
    -----
    UserWarning
        If there are images of formats that cannot be read, or links to nothing, which are left out; if no 16-bit file
        uses more than 12.
    """
    wish, least = _check_wish(size, grey, convert, fit, background), check_integer("least", least, low=1)
    _check_progress(progress)
    folder = _check_folder(path)
    files, left_out = _find(folder)
    _warn(_say_left_out(left_out, folder))
    if len(files) < least:
        raise ValueError(
            f"path: got {len(files)} images in {folder}, expected at least {least}: see the argument least."
        )
    images = np.empty((len(files), wish.height, wish.width, 1 if wish.grey else 3), "float32")
    problems, peaks = {}, []
    for row, file in _watched(files, progress):
        try:
            images[row], peak = _read(file, wish)
            peaks.append(peak)
        except _Unusable as problem:
            problems[file.relative_to(folder).as_posix()] = str(problem)
    if problems:
        raise ValueError(_summary(problems, len(files)))
    _warn(_say_dark([peak for peak in peaks if peak is not None], folder))
    return images


def image_files(path):
    """Return the image files below a folder, sorted by their names relative to it.

    A file is known by its name's ending, in small letters or capitals: those of images that Pillow can read. Hidden
    files and folders are left out, for some systems put a file beside each image, or a folder of old ones. Linked
    folders are searched like others, each folder once and under its own name if it has one here; a link to a folder
    that `path` lies in is not followed.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder; ``~`` stands for the user's own.

    Returns
    -------
    list of pathlib.Path
        At least one.

    Warns
    -----
    UserWarning
        If there are images of formats that cannot be read, and links that lead nowhere; one warning counts all.
    """
    folder = _check_folder(path)
    files, left_out = _find(folder)
    _warn(_say_left_out(left_out, folder))
    return files


def class_labels(path):
    """Return the names of the classes, which are the subfolders of a folder, and the class of each image.

    Parameters
    ----------
    path : str or pathlib.Path
        As for `image_files`; each of its subfolders holds the images of one class, at any depth.

    Returns
    -------
    names : list of str
        Sorted.
    labels : ndarray of int32, shape (n,)
        Places in `names`, in the order of `load_folder`.

    Raises
    ------
    ValueError
        If an image is in no subfolder, or a subfolder has no image.
    """
    folder = _check_folder(path)
    files, _ = _find(folder)
    of_file = [file.relative_to(folder).parts[0] for file in files]
    if loose := [file.name for file in files if file.parent == folder]:
        raise ValueError(f"path: {len(loose)} images in {folder} are in no subfolder, such as {loose[0]}.")
    if empty := sorted({entry.name for entry in _entries(folder) if os.path.isdir(entry)} - set(of_file)):
        raise ValueError(f"path: no image in {len(empty)} of the subfolders of {folder}, such as {empty[0]}.")
    names, labels = np.unique(of_file, return_inverse=True)
    return names.tolist(), labels.astype("int32")


def duplicates(images):
    """Find images that are equal in every pixel.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        What `load_folder` returned: two files of one image are found, whatever their names and formats without loss.

    Returns
    -------
    list of list of int
        The row numbers of each image that occurs more than once.
    """
    return [rows for rows in _same(_check_rows(images)) if len(rows) > 1]


def split(images, fractions=(0.8, 0.1, 0.1), seed=0, groups=None):
    """Draw the rows of each part at random; all copies of an image go to one part.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The images.
    fractions : sequence of float, default=(0.8, 0.1, 0.1)
        Size of each part; they sum to 1. Copies can move a border by a few images.
    seed : int, default=0
        Seed of the draw.
    groups : array_like of int, shape (n,), optional
        Numbers from 0; images with the same number go to one part, instead of equal images.

    Returns
    -------
    list of ndarray of int
        Row numbers of each part, ascending, good for the images, their files and their labels alike.
    """
    images = _check_rows(images)
    fractions = check_array("fractions", fractions, shape=(None,), low=0, high=1)
    if not np.isclose(fractions.sum(), 1, atol=1e-4):
        raise ValueError(f"fractions: got a sum of {fractions.sum():g}, expected 1.")
    groups = _same(images if groups is None else check_labels("groups", groups, count=len(images)))
    order = np.random.default_rng(check_integer("seed", seed, low=0)).permutation(len(groups))
    starts = np.cumsum([0, *(len(groups[group]) for group in order[:-1])])  # images before each group
    ends = np.round(np.cumsum(fractions.astype("float64")) * len(images))
    part = np.searchsorted(ends[:-1], starts, side="right")
    parts = [[row for group in order[part == number] for row in groups[group]] for number in range(len(fractions))]
    if empty := [number for number, rows in enumerate(parts, start=1) if not rows]:
        raise ValueError(f"fractions: part {empty[0]} of {len(images)} images is empty, expected at least one.")
    return [np.sort(rows) for rows in parts]


def _same(images):
    """Return row numbers by image, in the order in which the images first occur."""
    groups = defaultdict(list)
    for row, image in enumerate(images):
        groups[hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()].append(row)
    return list(groups.values())


def _check_rows(images):
    """Return images as an array (n, ...) of their own kind, or raise a ValueError that names the argument."""
    check_array("images", images, shape=(...,))
    images = np.asarray(images)
    if not images.ndim or not len(images):
        raise ValueError(f"images: got shape {images.shape}, expected (n, ...) with at least one image.")
    return images


def _check_wish(size, grey, convert, fit, background):
    """Return the arguments of `load_folder` about one image, or raise a ValueError that names the bad one."""
    sides = size.tolist() if isinstance(size, np.ndarray) else size
    sides = list(sides) if isinstance(sides, list | tuple) else [sides]
    if len(sides) not in (1, 2):
        raise ValueError(f"size: got {size!r}, expected one integer or two, height and width.")
    height, width = (check_integer("size", side, low=1) for side in (sides[0], sides[-1]))
    grey, convert = (bool(check_choice(*named, (True, False))) for named in (("grey", grey), ("convert", convert)))
    background = check_number("background", background, low=0, high=1)
    return _Wish(height, width, grey, convert, check_choice("fit", fit, _FITS), background)


def _check_progress(progress):
    """Raise a ValueError unless the argument is a function or None."""
    if progress is not None and not callable(progress):
        raise ValueError(f"progress: got {progress!r}, expected a function such as tqdm.tqdm.")


def _check_folder(path):
    """Return the folder of this name, or raise a ValueError that says what the name stands for."""
    if not isinstance(path, str | os.PathLike) or path == "":
        raise ValueError(f"path: got {path!r:.60}, expected the name of a folder.")
    try:
        folder = Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"path: got {path}, but the home folder of this user is not known.") from None
    if os.path.isfile(folder):
        raise ValueError(f"path: got {path}, which is a file, expected a folder of images: unpack an archive first.")
    if not os.path.isdir(folder):
        seen = "" if folder.is_absolute() else f": looked for it in {Path.cwd()}"
        raise ValueError(f"path: got {path}, which is no folder{seen}.")
    return folder


def _find(folder):
    """Return the image files below a folder in order, and how many images of each ending are left out."""
    readable, found = _readable(), [(file, _kind(file)) for file in _walk(folder)]
    images = [file for file, kind in found if kind in readable]
    rest = Counter(kind for _, kind in found if kind not in readable)
    left_out = {kind: count for kind, count in sorted(rest.items()) if kind}
    if not images:
        others = f"{rest.total()} other files{': convert ' * bool(left_out)}{_count(left_out)}"
        raise ValueError(f"path: got no image in {folder} ({others}), expected names in {', '.join(readable)}.")
    return sorted(images, key=lambda file: file.relative_to(folder).as_posix()), left_out


def _readable():
    """Return the endings of images that Pillow can read here, those of its plug-ins included."""
    formats = Image.registered_extensions()
    able = [ending for ending in _SUFFIXES if formats.get(ending) in Image.OPEN]
    # Pillow registers this format even where it was built without the library that reads it.
    return [ending for ending in able if formats[ending] != "JPEG2000" or features.check("jpg_2000")]


def _walk(folder):
    """Yield the files below a folder, but for hidden ones; linked folders come last, and no folder twice.

    Links to nothing are yielded, pipes and devices are not: reading a pipe waits for somebody to write into it.
    """
    seen, own, linked = set(folder.resolve().parents), [folder], []
    while own or linked:
        here = (own or linked).pop(0)
        if (place := here.resolve()) in seen:
            continue
        seen.add(place)
        for entry in sorted(_entries(here)):
            if os.path.isdir(entry):  # unlike pathlib's, these tests say no of a place where one may not look
                (linked if os.path.islink(entry) else own).append(entry)
            elif os.path.isfile(entry) or not os.path.exists(entry):
                yield entry


def _entries(folder):
    """Return what lies in a folder and is not hidden, or raise a ValueError that names the folder."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in _ASIDE]
    except OSError as error:
        raise ValueError(f"path: cannot look into {folder} ({error.strerror}).") from None


def _kind(file):
    """Return as what a file is counted: a link to nothing, the ending of an image, or nothing."""
    if not os.path.exists(file):
        return _BROKEN
    return file.suffix.lower() if file.suffix.lower() in _SUFFIXES + _FOREIGN else ""


def _count(left_out):
    """Return the files left out in words."""
    return ", ".join(f"{count} {kind}" for kind, count in left_out.items())


def _say_left_out(left_out, folder):
    """Return the warning about images that are left out, if any are."""
    if not left_out:
        return None
    total = sum(left_out.values())
    files, verb = ("1 file", "is") if total == 1 else (f"{total} files", "are")
    mend = "mend the links" if set(left_out) == {_BROKEN} else "convert them, e.g. to PNG"
    return f"path: {files} in {folder} {verb} left out: {_count(left_out)}; {mend}."


def _say_dark(peaks, folder):
    """Return the warning about 16-bit files that use 12 bits at most, if all of them do."""
    if not peaks or max(peaks) > _TWELVE_BITS:
        return None
    return (
        f"path: no file of 16 bits in {folder}, {len(peaks)} in all, has a level above {max(peaks)}, which is "
        f"{max(peaks) / 65535:.3f} of white. If their white is {_TWELVE_BITS}, that of 12 bits, multiply their rows by "
        f"65535 / {_TWELVE_BITS}."
    )


def _warn(message):
    """Show a warning, if there is one, at the line that called the public function."""
    if message:
        warnings.warn(message, stacklevel=3)


def _watched(files, progress):
    """Yield the row and the file of each, through the function that shows how far it is."""
    if progress is None:
        yield from enumerate(files)
        return
    shown = progress(files)
    if not isinstance(shown, Iterable):
        raise ValueError(f"progress: got a function that returns {shown!r}, expected one that returns the files.")
    for row, (file, same) in enumerate(zip_longest(files, shown)):
        # A file passed over would leave its row as the memory was, and one out of order would get another's.
        if same != file:
            raise ValueError(f"progress: got {same} in row {row}, expected {file}: each file once, in order.")
        yield row, file


def _summary(problems, count):
    """Return the message for files that cannot be used."""
    named = [f"  {name}: {problem}" for name, problem in list(problems.items())[:NAMED]]
    rest = [f"  ... and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
    return "\n".join([f"path: {len(problems)} of {count} files cannot be used:", *named, *rest])


def _read(file, wish):
    """Return one image (height, width, channels) as wished, and the largest level in it if it has 16 bits."""
    image = _open(file)
    peak = int(np.asarray(image).max()) if image.mode.startswith("I;16") else None
    pixels = _channels(_levels(image, wish.background), wish)
    return _shrink(_reshape(pixels, wish), wish), peak


def _open(file):
    """Return a file as a Pillow image, upright; in RGB or RGBA where white has a fixed value."""
    try:
        with Image.open(file) as image:
            _scale_transparent(image)
            upright = ImageOps.exif_transpose(image)
            if image.format in ("PNG", "PPM") and image.mode == "I":  # 16 bits (of a PNG: in Pillow 10)
                return upright.convert("I;16")
            if (
                image.mode == "I;16" and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
            ):  # Pillow turns 8 bits alone
                return Image.fromarray(65535 - np.asarray(upright))
            if upright.mode[0] in "IF":
                return upright
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except UnidentifiedImageError:
        raise _Unusable("cannot be read (no image format that Pillow knows)") from None
    except _UNREADABLE as error:
        raise _Unusable(f"cannot be read ({error})") from error


def _scale_transparent(image):
    """Bring the one transparent level of a PNG that is not read yet to the scale of its pixels."""
    if image.format != "PNG" or "transparency" not in image.info or not image.tile:
        return
    coding = image.tile[0][3]
    if coding == "RGB;16B":  # Pillow keeps 8 bits of each pixel: others may look like the transparent ones
        raise _Unusable("marks a colour of 16 bits as transparent, expected an alpha channel: save it with one")
    if coding in STEPS:
        image.info["transparency"] = min(255, image.info["transparency"] * STEPS[coding])


def _levels(image, background):
    """Return red, green and blue from 0 to 1: (height, width, 3)."""
    if image.mode in ("I", "F"):
        raise _Unusable(f"has pixels of mode {image.mode}, in which white is not defined, expected 8 or 16 bits each")
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would cut all above 255
        levels = np.asarray(image, "float32") / 65535
        if "transparency" in image.info:  # one level of a PNG
            levels = np.where(np.asarray(image) == image.info["transparency"], np.float32(background), levels)
        return np.repeat(levels[..., None], 3, axis=-1)  # (h, w) -> (h, w, 3)
    pixels = np.asarray(image, "float32") / 255  # (h, w, 3 or 4)
    if pixels.shape[-1] == 3:
        return pixels
    opaque = pixels[..., 3:]
    return opaque * pixels[..., :3] + (1 - opaque) * np.float32(background)


def _channels(pixels, wish):
    """Return the channels wished for: (h, w, 3) -> (h, w, 1 or 3)."""
    # A grey picture may be stored with three equal channels.
    coloured = bool((pixels[..., 1:] != pixels[..., :1]).any())
    if coloured and wish.grey and not wish.convert:
        raise _Unusable("is coloured, expected grey: grey=False loads all in colour, convert=True turns it grey")
    if not coloured and not wish.grey and not wish.convert:
        raise _Unusable("is grey, expected coloured: convert=True gives it three equal channels")
    if not wish.grey:
        return pixels
    return (pixels @ _LUMA)[..., None] if coloured else pixels[..., :1]


def _reshape(pixels, wish):
    """Crop or pad to the proportions of the size wished for."""
    height, width = pixels.shape[:2]
    if wish.fit is None and abs(height * wish.width / width - wish.height) >= 0.5:
        raise _Unusable(
            f"is {width} wide, {height} high, other proportions than {wish.width} to {wish.height}: "
            'choose fit="crop" or fit="pad"'
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
