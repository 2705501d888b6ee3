"""Emoji drawn twice, in Noto's and in Twemoji's style: the bundled pictures, verified, and which of them look alike."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.checks import check_array, check_integer, check_kind, check_number

EMOJI_PATH = Path(__file__).with_name("data") / "emoji.zip"
EMOJI_SHA256 = "ee67c973ebbaa663cf7cdf487746576304241c2b0ff2cf5a7d562b97632e86c9"
SIZE, CHANNELS, COLUMNS = 32, 3, 8  # of a picture, and the pictures side by side on a stored sheet
STYLES = ("noto", "twemoji")
SHARES = (0.8, 0.1, 0.1)  # training, validation, test
LARGEST = 30  # pictures in a group that may be held out; a larger one would be most of a test
ALIKE = 0.8  # mean cosine of the outlines, in both styles, from which two emoji count as one design

# What two names may differ in although the drawing is one: gender and age, colour, side, number.
_VARIANTS = frozenset(
    (
        *("man", "men", "mans", "woman", "women", "womans", "male", "female", "person", "people", "boy", "girl"),
        *("baby", "adult", "child", "older", "bride", "prince", "princess"),
        *("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "grey", "pink"),
        *("light", "dark", "large", "medium", "small", "left", "right", "up", "down", "upper", "lower", "top"),
        *("facing", "rightwards", "leftwards", "upwards", "downwards", "clockwise", "counterclockwise"),
        *("first", "last", "quarter", "full", "new", "open", "closed", "with", "face", "a", "the", "of"),
    )
)


class Emoji(NamedTuple):
    """The pictures of one part of the emoji, each drawn in both styles; row i of all fields is one codepoint."""

    noto: np.ndarray
    twemoji: np.ndarray
    category: np.ndarray
    name: np.ndarray
    codepoint: np.ndarray
    group: np.ndarray


class EmojiParts(NamedTuple):
    """Training, validation and test emoji, and the names of the categories."""

    train: Emoji
    validation: Emoji
    test: Emoji
    categories: tuple


def load_emoji(path=EMOJI_PATH):
    """Load the bundled emoji, verified against their stored checksum and split by codepoint.

    Look-alikes (see `look_alikes`) have one group number and are in one part.

    Parameters
    ----------
    path : str or pathlib.Path
        The zip file with the sheets, WebP without loss, and ``emoji.json``.

    Returns
    -------
    EmojiParts
        ``train``, ``validation`` and ``test``, each with ``noto`` and ``twemoji``, float32 of shape (n, 32, 32, 3) in
        [0, 1] on white, ``category`` (int32, an index into ``categories``), ``name``, ``codepoint`` and ``group``.

    Raises
    ------
    RuntimeError
        If the file is missing, cannot be read, or does not hold the book's pictures.

    References
    ----------
    Noto Emoji, Google, Apache License 2.0, https://github.com/googlefonts/noto-emoji; Twemoji graphics, Twitter, Inc.
    and other contributors, CC BY 4.0, https://github.com/jdecked/twemoji; both drawn at 32 × 32 pixels.
    """
    pictures, rows = _read_emoji(Path(check_kind("path", path, (str, os.PathLike), "a path")))
    fields = {field: np.array(rows[field]) for field in ("category", "name", "codepoint", "group")}
    fields |= {field: fields[field].astype("int32") for field in ("category", "group")}
    part = np.digitize(places(fields["group"]), np.cumsum(SHARES)[:-1])  # 0, 1 or 2 for each row
    parts = []
    for number in range(len(SHARES)):
        chosen = part == number
        images = {style: pictures[style][chosen] / np.float32(255) for style in STYLES}
        parts.append(Emoji(**images, **{field: values[chosen] for field, values in fields.items()}))
    return EmojiParts(*parts, tuple(rows["categories"]))


def places(group, largest=LARGEST, seed=0):
    """Return for each row a place in [0, 1), one for a whole group; shares of the line are shares of the rows.

    The groups lie end to end in an order that is drawn once, those larger than `largest` before the others, so that
    they fall to the first part.

    Parameters
    ----------
    group : array_like of int, shape (n,)
        Groups, from 0.
    largest : int, default=30
        Rows of a group that may be held out.
    seed : int, default=0
        Of the order.

    Returns
    -------
    ndarray of shape (n,)
    """
    group = check_array("group", group, shape=(None,), low=0, least=1).astype("int64")
    largest, seed = check_integer("largest", largest, low=1), check_integer("seed", seed, low=0)
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(sizes[order] <= largest, kind="stable")]  # the large ones first
    start = np.empty(len(sizes))
    start[order] = np.cumsum(sizes[order]) - sizes[order]
    return start[group] / len(group)


def look_alikes(drawings, names, codepoints, threshold=ALIKE):
    """Return a group number for each emoji; those that show one design have the same.

    Two emoji are joined if their outlines agree, whatever the colours; if their names differ in gender, colour, side or
    number alone; or if their codepoints differ in signs for gender, hair and direction alone. Joined is what a chain
    of such pairs joins.

    Parameters
    ----------
    drawings : sequence of array_like of shape (n, height, width, 3)
        The same n emoji in each style, levels in [0, 1].
    names, codepoints : sequence of str
        n each: words joined by ``_`` or ``-``, and hexadecimal numbers joined by ``-``.
    threshold : float, default=0.8
        Mean cosine of `outlines` over the styles from which two agree.

    Returns
    -------
    ndarray of int32, shape (n,)
        0, 1, …, in the order of their first rows.
    """
    drawings = check_kind("drawings", drawings, (list, tuple), "a list of arrays, one for each style")
    seen = [_outlines(_check_levels("drawings", images)) for images in drawings]
    if len({len(rows) for rows in seen}) != 1:
        counts = " and ".join(str(len(rows)) for rows in seen) or "no"
        raise ValueError(f"drawings: got {counts} pictures, expected the same emoji in each style.")
    threshold = check_number("threshold", threshold, low=-1, high=1)
    for name, texts in dict(names=names, codepoints=codepoints).items():
        check_kind(name, texts, (list, tuple, np.ndarray), "a list of texts")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name}: got {texts!r:.60}, expected a list of texts.")
        if len(texts) != len(seen[0]):
            raise ValueError(f"{name}: got {len(texts)}, expected one for each of the {len(seen[0])} emoji.")
    close = sum(rows @ rows.T for rows in seen) / len(seen) >= threshold
    for key in ([_stem(name) for name in names], [_base(codepoint) for codepoint in codepoints]):
        _, kind = np.unique(key, return_inverse=True)
        close |= kind[:, None] == kind
    return _components(close)


def outlines(images):
    """Return where a picture changes from pixel to pixel, in any colour, as rows of length 1 around their mean.

    Parameters
    ----------
    images : array_like of shape (n, height, width, channels)
        Levels in [0, 1], n >= 2.

    Returns
    -------
    ndarray of float32, shape (n, 2·height·width)
        The products of the rows are cosines. Steps of more than half the range count as half: an outline is as strong
        on yellow as on blue. A sum over 3 × 3 pixels forgives a shift by one.
    """
    return _outlines(_check_levels("images", images))


def _check_levels(name, images):
    """Return at least two pictures as float32, or raise a ValueError that names the argument."""
    return check_array(name, images, shape=(None,) * 4, low=0, high=1, least=2)


def _outlines(images):
    """Do what `outlines` says."""
    steps = [np.abs(np.diff(images, axis=axis, append=1)).max(axis=-1) for axis in (1, 2)]
    edges = np.sqrt(np.minimum(np.stack(steps, axis=-1), 0.5))  # (n, height, width, 2)
    wide = np.pad(edges, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = images.shape[1:3]
    rows = sum(wide[:, i : i + height, j : j + width] for i in range(3) for j in range(3)).reshape(len(images), -1)
    rows -= rows.mean(axis=0)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _stem(name):
    """Return a name without what may vary, and the name itself if nothing else is left."""
    words = str(name).lower().replace("-", "_").split("_")
    stem = [word.rstrip("0123456789") for word in words if word not in _VARIANTS]
    return "_".join(word for word in stem if word) or str(name)


def _base(codepoint):
    """Return a codepoint without signs for gender, hair and direction, all people taken for one person."""
    people = dict.fromkeys(("1F468", "1F469", "1F9D1"), "person")
    signs = {"200D", "FE0F", "2640", "2642", "27A1", "1F9B0", "1F9B1", "1F9B2", "1F9B3"}
    return "-".join(people.get(part, part) for part in str(codepoint).split("-") if part not in signs)


def _components(close):
    """Return the connected components of a symmetric table of pairs, numbered by their first rows."""
    group = np.arange(len(close))
    while True:
        # each takes the smallest number among those it is joined to
        smaller = np.where(close, group, len(close)).min(axis=1)
        if (smaller == group).all():
            return np.unique(group, return_inverse=True)[1].astype("int32")
        group = np.minimum(group, smaller)


def _read_emoji(path):
    """Return the pictures of each style, (n, 32, 32, 3), and the lists about them, or say in an error what to do."""
    mend = "Restore it with `git checkout -- helpers/data/emoji.zip`, or install the book's package again."
    try:
        with zipfile.ZipFile(path) as archive:
            text, names = archive.read("emoji.json"), sorted(archive.namelist())
            rows, pictures = json.loads(text), {}
            for style in STYLES:
                sheets = [_from_sheet(archive.read(name)) for name in names if name.startswith(f"{style}_")]
                pictures[style] = np.concatenate(sheets)[: len(rows["group"])]
        found = checksum(pictures, text)
    except FileNotFoundError:
        raise RuntimeError(f"path: the emoji file {path} is missing. {mend}") from None
    except Exception as error:  # a flipped bit makes the readers of zip files and of WebP raise errors of many kinds
        raise RuntimeError(f"path: the emoji file {path} cannot be read ({error}). {mend}") from error
    if found != EMOJI_SHA256:
        raise RuntimeError(f"path: {path} has SHA-256 {found}, expected {EMOJI_SHA256}: not the book's emoji. {mend}")
    return pictures, rows


def _from_sheet(data):
    """Return the pictures of a sheet, eight side by side, in their order: WebP -> (n, 32, 32, 3)."""
    with Image.open(io.BytesIO(data)) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    tiles = pixels.reshape(-1, SIZE, COLUMNS, SIZE, CHANNELS)
    return tiles.transpose(0, 2, 1, 3, 4).reshape(-1, SIZE, SIZE, CHANNELS)


def checksum(pictures, text):
    """Return the SHA-256 of the pictures of both styles, as raw bytes, and of the text about them.

    Parameters
    ----------
    pictures : dict of str to ndarray of uint8
        One array for each style.
    text : bytes
        What ``emoji.json`` holds.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(check_kind("text", text, bytes, "the bytes of emoji.json"))
    for style in STYLES:
        digest.update(np.ascontiguousarray(pictures[style], "uint8").tobytes())
    return digest.hexdigest()
