"""Images come back in order, at one size, from 0 to 1; a file that cannot be used is named; no picture in two parts."""

import os
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from helpers import folders

RNG = np.random.default_rng(0)


def save(path, pixels, **options):
    """Write pixels, uint8 or uint16, as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def noise(*shape):
    """Return random pixels, uint8."""
    return RNG.integers(0, 256, shape, dtype="uint8")


@pytest.fixture
def folder(tmp_path):
    """A folder with three grey images of 8 × 8."""
    for name in ("b.png", "a.png", "sub/c.png"):
        save(tmp_path / name, noise(8, 8))
    return tmp_path


def load(folder, size=8, **options):
    return folders.load_folder(folder, size, least=1, **options)


# --- What comes back -------------------------------------------------------------------------------------------------


def test_images_come_in_the_order_of_their_names(folder):
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_bytes(b"what some systems leave beside an image")
    names = [file.relative_to(folder).as_posix() for file in folders.image_files(folder)]
    assert names == ["a.png", "b.png", "sub/c.png"]
    images = load(folder)
    assert images.shape == (3, 8, 8, 1)
    assert images.dtype == "float32"
    for name, image in zip(names, images, strict=True):
        assert np.array_equal(image[..., 0], np.asarray(Image.open(folder / name)) / np.float32(255))


def test_the_progress_bar_sees_every_file(folder):
    seen = []
    load(folder, progress=lambda files: seen.extend(files) or files)
    assert seen == folders.image_files(folder)


def test_shrinking_takes_means(tmp_path):
    pixels = noise(12, 20)
    save(tmp_path / "a.png", pixels)
    means = pixels.reshape(6, 2, 10, 2).mean(axis=(1, 3)) / 255
    assert np.allclose(load(tmp_path, (6, 10))[0, ..., 0], means, atol=1e-6)


def test_crop_keeps_the_middle_and_pad_fills_up(tmp_path):
    pixels = noise(8, 14)
    save(tmp_path / "a.png", pixels)
    cropped = load(tmp_path, fit="crop")[0, ..., 0]
    assert np.allclose(cropped, pixels[:, 3:11] / 255)
    padded = load(tmp_path, 14, fit="pad", background=0.5)[0, ..., 0]
    assert np.allclose(padded[3:11], pixels / 255)
    assert (padded[:3] == 0.5).all()
    assert (padded[11:] == 0.5).all()


def test_colour_is_converted_on_request(tmp_path):
    pixels = noise(8, 8, 3)
    save(tmp_path / "a.png", pixels)
    coloured = load(tmp_path, grey=False)
    assert np.allclose(coloured[0], pixels / 255)
    weights = [0.299, 0.587, 0.114]
    assert np.allclose(load(tmp_path, convert=True)[0, ..., 0], pixels @ weights / 255, atol=1e-6)
    save(tmp_path / "a.png", noise(8, 8))
    grey = load(tmp_path, grey=False, convert=True)
    assert (grey[..., :1] == grey).all()


def test_three_equal_channels_are_grey(tmp_path):
    pixels = noise(8, 8)
    save(tmp_path / "a.png", np.repeat(pixels[..., None], 3, axis=-1))
    assert np.allclose(load(tmp_path)[0, ..., 0], pixels / 255)


def test_transparent_pixels_lie_on_the_background(tmp_path):
    pixels = np.full((8, 8, 4), 255, "uint8")
    pixels[:4, :, 3] = 0  # white that nobody sees
    save(tmp_path / "a.png", pixels)
    assert load(tmp_path)[0, ..., 0].mean(axis=1).tolist() == [0] * 4 + [1] * 4
    assert load(tmp_path, background=0.25)[0, :4].max() == 0.25


def test_sixteen_bits_keep_their_levels(tmp_path):
    pixels = RNG.integers(0, 65536, (8, 8), dtype="uint16")
    save(tmp_path / "a.png", pixels)
    assert np.allclose(load(tmp_path)[0, ..., 0], pixels / 65535)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path, bits):
    pixels = RNG.integers(0, 2**bits, (8, 8), dtype=f"uint{bits}")
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    stored = pixels if bits == 16 else 255 - pixels  # Pillow inverts on writing what it will invert on reading
    assert np.allclose(load(tmp_path)[0, ..., 0], 1 - stored / (2**bits - 1))


def png(pixels, bits, colour, transparent):
    """Return a PNG with one transparent level or colour, written by hand: Pillow writes not all of them."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    ones = np.unpackbits(pixels.astype(">u2")[..., None].view("uint8"), axis=-1)[..., -bits:].reshape(len(pixels), -1)
    rows = np.pad(np.packbits(ones, axis=1), ((0, 0), (1, 0))).tobytes()  # each begins with 0: no filter
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tRNS", np.array(transparent, ">u2").tobytes()), (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IEND", b"")))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_level_lies_on_the_background(tmp_path, bits):
    pixels = np.repeat([[1, 0]], 8, axis=0).repeat(4, axis=1)
    (tmp_path / "a.png").write_bytes(png(pixels, bits, 0, [1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few of 16 bits are used
        image = load(tmp_path, background=0.25)[0, ..., 0]
    assert np.array_equal(image, np.where(pixels, np.float32(0.25), 0))


def test_a_transparent_colour_is_laid_on_the_background_or_named(tmp_path):
    pixels = np.repeat([[[1, 2, 3], [4, 5, 6]]], 8, axis=0).repeat(4, axis=1)
    (tmp_path / "a.png").write_bytes(png(pixels, 8, 2, [1, 2, 3]))
    image = load(tmp_path, grey=False, background=0.25)[0]
    assert np.allclose(image, np.where(pixels == [1, 2, 3], 0.25, pixels / 255))
    (tmp_path / "a.png").write_bytes(png(pixels, 16, 2, [1, 2, 3]))
    refused(tmp_path, r"path: 1 of 1 files .*\n  a\.png: marks a colour of 16 bits as transparent", grey=False)


def test_photographs_are_turned_upright(tmp_path):
    pixels = np.zeros((8, 16), "uint8")
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    save(tmp_path / "a.png", pixels, exif=exif)
    image = load(tmp_path, (16, 8))[0, ..., 0]
    assert image[:, -1].tolist() == [1] * 16


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_common_mode_is_read(mode, tmp_path):
    grey = Image.fromarray(np.kron([[0, 255], [255, 0]], np.ones((4, 4))).astype("uint8"))
    source = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
    source.save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    assert np.allclose(load(tmp_path)[0, ..., 0], np.asarray(grey) / 255)


# --- Which files count -----------------------------------------------------------------------------------------------


def names(folder):
    """Return the names of the image files below a folder, relative to it."""
    return [file.relative_to(folder).as_posix() for file in folders.image_files(folder)]


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", ".Trash", "__MACOSX", "sub/.thumbs", "@eaDir/deep"])
def test_hidden_folders_are_left_out(folder, hidden):
    save(folder / hidden / "old.png", noise(8, 8))
    assert names(folder) == ["a.png", "b.png", "sub/c.png"]
    assert len(load(folder)) == 3


def test_a_folder_that_lies_in_a_hidden_one_is_read(tmp_path):
    save(tmp_path / ".data" / "a.png", noise(8, 8))
    assert len(load(tmp_path / ".data")) == 1


def test_the_own_folder_may_be_written_as_a_tilde(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert np.array_equal(load(f"~/{folder.name}"), load(folder))


def test_linked_folders_are_followed_once_and_loops_end(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "d.png", noise(8, 8))
    for name, target in {"far": outside, "farther": outside, "a_twin": folder / "sub", "up": folder.parent}.items():
        (folder / name).symlink_to(target, target_is_directory=True)
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    assert names(folder) == ["a.png", "b.png", "far/d.png", "sub/c.png"]
    assert len(load(folder)) == 4


def test_links_to_nothing_are_named(folder):
    (folder / "bad.png").symlink_to(folder / "gone.png")
    (folder / "class").symlink_to(folder / "gone")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    with pytest.warns(UserWarning, match=r"^path: 3 files in .* are left out: 3 links to nothing; mend the links\.$"):
        assert len(load(folder)) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_no_images(folder):
    os.mkfifo(folder / "pipe.png")  # whoever opens it waits for a writer
    (folder / "link.png").symlink_to(folder / "pipe.png")
    assert names(folder) == ["a.png", "b.png", "sub/c.png"]


@pytest.mark.parametrize(
    "ending",
    ["BMP", "dib", "Gif", "jfif", "jpe", "JPEG", "jpg", "PNG", "pgm", "pnm", "ppm", "tga", "TIF", "tiff"],
)
def test_formats_that_pillow_reads_are_accepted(tmp_path, ending):
    save(tmp_path / f"a.{ending}", np.full((8, 8), 128, "uint8"))
    assert np.allclose(load(tmp_path), 128 / 255, atol=0.01)


@pytest.mark.parametrize(("ending", "codec"), [("webp", "webp"), ("avif", "avif"), ("jp2", "jpg_2000")])
def test_formats_that_some_pillows_read_are_accepted_or_named(folder, ending, codec):
    if codec in features.get_supported():
        save(folder / f"d.{ending}", np.full((8, 8), 128, "uint8"))
        assert np.allclose(load(folder)[2], 128 / 255, atol=0.02)
    else:
        (folder / f"d.{ending}").write_bytes(b"not read")
        with pytest.warns(UserWarning, match=rf"left out: 1 \.{ending}"):
            load(folder)


def test_pictures_of_other_formats_are_named_in_one_warning(folder):
    for name in ("b.svg", "c.CR2", "sub/d.nef", "sub/E.NEF", ".hidden.dng", "notes.txt", "labels.csv"):
        (folder / name).write_bytes(b"not read")
    message = rf"^path: 4 files in {re.escape(str(folder))} are left out: 1 \.cr2, 2 \.nef, 1 \.svg; convert them"
    for function in (load, folders.image_files):
        with pytest.warns(UserWarning, match=message) as caught:
            assert len(function(folder)) == 3
        assert len(caught) == 1


def test_the_warning_points_at_the_line_that_called(folder):
    (folder / "b.svg").write_bytes(b"not read")
    for function, options in ((folders.load_folder, dict(size=8, least=1)), (folders.image_files, {})):
        with pytest.warns(UserWarning, match="left out") as caught:
            function(folder, **options)
        assert caught[0].filename == __file__


def test_a_plug_in_of_pillow_counts(folder, monkeypatch):
    save(folder / "d.png", noise(8, 8)).rename(folder / "d.heic")
    monkeypatch.delitem(Image.registered_extensions(), ".heic", raising=False)
    with pytest.warns(UserWarning, match=r"1 file in .* is left out: 1 \.heic; convert them, e\.g\. to PNG"):
        assert len(load(folder)) == 3
    monkeypatch.setitem(Image.registered_extensions(), ".heic", "PNG")
    assert len(load(folder)) == 4


def test_twelve_bits_stored_in_sixteen_are_named(tmp_path):
    for number, white in enumerate([4000, 4095]):
        save(tmp_path / f"{number}.png", np.linspace(0, white, 64).reshape(8, 8).astype("uint16"))
    save(tmp_path / "c.png", noise(8, 8))  # eight bits say nothing about the others
    with pytest.warns(
        UserWarning, match=r"^path: no file of 16 bits in .*, 2 in all, has a level above 4095"
    ) as caught:
        images = load(tmp_path)
    assert len(caught) == 1
    assert np.isclose((images[1] * (65535 / 4095)).max(), 1, atol=1e-5)  # the mend that the message names
    save(tmp_path / "d.png", np.full((8, 8), 4096, "uint16"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path)


def test_sixteen_bits_of_a_portable_grey_map_keep_their_levels(tmp_path):
    pixels = RNG.integers(0, 65536, (8, 8), dtype="uint16")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 65535\n" + pixels.astype(">u2").tobytes())
    twelve = pixels // 16
    (tmp_path / "b.pgm").write_bytes(b"P5 8 8 4095\n" + twelve.astype(">u2").tobytes())
    images = load(tmp_path)[..., 0]
    assert np.allclose(images[0], pixels / 65535, atol=1e-6)
    assert np.allclose(images[1], twelve / 4095, atol=1e-5)


# --- What cannot be used ---------------------------------------------------------------------------------------------


def refused(folder, message, size=8, **options):
    """Check that loading fails with a message."""
    with pytest.raises(ValueError, match="^" + message):
        load(folder, size, **options)


def one_file(reason):
    """Return the pattern of the message about one bad file of four."""
    return re.escape(f"path: 1 of 4 files cannot be used:\n  bad.png: {reason}")


def test_a_truncated_file_is_named(folder):
    path = save(folder / "bad.png", noise(8, 8))
    path.write_bytes(path.read_bytes()[:-30])
    refused(folder, one_file("cannot be read ("))


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_is_named(folder, content):
    (folder / "bad.png").write_bytes(content)
    refused(folder, one_file("cannot be read (no image format that Pillow knows)"))


def test_a_changed_byte_is_named(folder):
    path = save(folder / "bad.png", noise(8, 8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    refused(folder, one_file("cannot be read ("))


def test_whatever_error_a_reader_raises_is_named(folder, monkeypatch):
    def fail(image):
        raise RuntimeError("Failed to decode image")  # as Pillow does for a damaged AVIF

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    refused(folder, r"path: 3 of 3 files cannot be used:\n  a\.png: cannot be read \(Failed to decode image\)")


def test_an_image_too_small_is_named(folder):
    save(folder / "bad.png", noise(7, 7))
    refused(folder, one_file("is 7 wide, 7 high, too small for 8 by 8: nothing is enlarged"))
    save(folder / "bad.png", noise(7, 20))
    refused(folder, one_file("is 20 wide, 7 high, too small for 8 by 8"), fit="crop")
    assert load(folder, fit="pad").shape == (4, 8, 8, 1)


def test_other_proportions_are_named(folder):
    save(folder / "bad.png", noise(8, 9))
    mend = 'choose fit="crop" or fit="pad"'
    refused(folder, one_file(f"is 9 wide, 8 high, other proportions than 8 to 8: {mend}"))


def test_colour_among_grey_is_named(folder):
    save(folder / "bad.png", noise(8, 8, 3))
    refused(folder, one_file("is coloured, expected grey: grey=False loads all in colour, convert=True turns it grey"))


def test_grey_among_colour_is_named(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png", noise(8, 8, 3))
    save(tmp_path / "bad.png", noise(8, 8))
    refused(tmp_path, one_file("is grey, expected coloured: convert=True gives it three equal channels"), grey=False)


def test_pixels_without_a_white_are_named(tmp_path):
    save(tmp_path / "a.tif", np.zeros((8, 8), "float32"))
    refused(tmp_path, r"path: 1 of 1 files cannot be used:\n  a.tif: has pixels of mode F, in which white")


def test_all_bad_files_are_counted_and_five_named(folder):
    for number in range(7):
        (folder / f"bad_{number}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^path: 7 of 10 files cannot be used:") as error:
        load(folder)
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines[1:-1]] == [f"  bad_{number}.png" for number in range(5)]
    assert lines[-1] == "  ... and 2 more"


def test_too_few_images_are_an_error(folder):
    with pytest.raises(ValueError, match=r"^path: got 3 images in .*, expected at least 100: see the argument least"):
        folders.load_folder(folder, 8)


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    refused(tmp_path, r"path: got no image in .* \(1 other files\), expected names in \.apng, \.bmp")
    (tmp_path / "photo.CR2").write_bytes(b"raw")
    refused(tmp_path, r"path: got no image in .* \(2 other files: convert 1 \.cr2\), expected names in")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(size=0), "size: got 0, expected an integer >= 1"),
        (dict(size=2.5), "size: got 2.5, expected an integer"),
        (dict(size=(8, 8, 1)), r"size: got \(8, 8, 1\), expected one integer or two"),
        (dict(fit="stretch"), "fit: got 'stretch', expected one of None, 'crop', 'pad'"),
        (dict(fit=True), "fit: got True, expected one of None, 'crop', 'pad'"),
        (dict(background=255), "background: got 255, expected a finite number >= 0 and <= 1"),
        (dict(background=np.nan), "background: got nan, expected a finite number >= 0 and <= 1"),
        (dict(background=(0, 0, 0)), r"background: got \(0, 0, 0\), expected a finite number"),
        (dict(size=None), "size: got None, expected an integer >= 1"),
        (dict(size="8"), "size: got '8', expected an integer >= 1"),
        (dict(size=(8, np.nan)), "size: got nan, expected an integer >= 1"),
        (dict(size=True), "size: got True, expected an integer >= 1"),
        (dict(grey="no"), "grey: got 'no', expected one of True, False"),
        (dict(grey=None), "grey: got None, expected one of True, False"),
        (dict(convert=np.zeros(2)), r"convert: got array\(\[0., 0.\]\), expected one of True, False"),
        (dict(progress=True), "progress: got True, expected a function such as tqdm.tqdm"),
    ],
)
def test_bad_arguments_are_named(folder, options, message):
    refused(folder, message, **options)


@pytest.mark.parametrize("size", [8, (8,), [8, 8], np.array([8, 8]), np.int64(8), np.array(8)])
def test_a_size_is_one_number_or_two(folder, size):
    assert load(folder, size).shape == (3, 8, 8, 1)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "path: got None, expected the name of a folder"),
        (3, "path: got 3, expected the name of a folder"),
        ("", "path: got '', expected the name of a folder"),  # pathlib takes it for the current folder
        ([Path("a")], "path: got .*, expected the name of a folder"),
        ("pictures/none", "path: got pictures/none, which is no folder: looked for it in /"),
        ("/pictures/none", r"path: got /pictures/none, which is no folder\.$"),
        ("a" * 300, "path: got a*, which is no folder"),
        ("a\0b", "path: got a\0b, which is no folder"),
        ("~nobody-of-this-name/pictures", "path: got ~nobody.*, but the home folder of this user is not known"),
    ],
)
def test_a_path_that_is_no_folder_is_named(path, message):
    for function in (load, folders.image_files):
        with pytest.raises(ValueError, match="^" + message):
            function(path)


def test_a_path_that_is_a_file_is_named(folder):
    refused(folder / "a.png", r"path: got .*a\.png, which is a file, expected a folder of images: unpack an archive")


def test_a_folder_that_cannot_be_searched_is_named(folder, monkeypatch):
    monkeypatch.setattr(Path, "iterdir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    refused(folder, r"path: cannot look into .* \(Permission denied\)")


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        (print, "progress: got a function that returns None, expected one that returns the files"),
        (lambda files: files[:2], r"progress: got None in row 2, expected .*c\.png: each file once, in order"),
        (lambda files: files[::-1], r"progress: got .*c\.png in row 0, expected .*a\.png"),
        (enumerate, r"progress: got \(0, .*a\.png.* in row 0, expected .*a\.png"),
    ],
)
def test_a_progress_bar_that_loses_files_is_named(folder, progress, message):
    refused(folder, message, progress=progress)


def test_least_is_checked(folder):
    with pytest.raises(ValueError, match=r"^least: got 0, expected an integer >= 1"):
        folders.load_folder(folder, 8, least=0)


# --- Parts -----------------------------------------------------------------------------------------------------------


def test_copies_are_found_whatever_the_format(folder):
    first = folders.image_files(folder)[0]
    Image.open(first).save(folder / "copy.bmp")
    images = load(folder)
    assert folders.duplicates(images) == [[0, 2]]
    assert folders.duplicates(images[:2]) == []


@given(pictures=st.lists(st.integers(0, 9), min_size=6, max_size=60), seed=st.integers(0, 5))
def test_no_picture_is_in_two_parts(pictures, seed):
    images = np.array(pictures, "float32")[:, None]
    try:
        parts = folders.split(images, (0.5, 0.3, 0.2), seed)
    except ValueError:
        reject()  # too few different pictures for three parts
    assert sorted(np.concatenate(parts)) == list(range(len(images)))
    values = [set(images[rows, 0]) for rows in parts]
    assert not values[0] & values[1] | values[0] & values[2] | values[1] & values[2]


@pytest.mark.parametrize("count", [10, 99, 1000])
def test_parts_have_the_sizes_asked_for(count):
    parts = folders.split(np.arange(count), (0.8, 0.1, 0.1))
    assert [len(rows) for rows in parts] == np.diff(np.round([0, 0.8 * count, 0.9 * count, count])).tolist()


def test_a_split_depends_on_its_seed_alone():
    images = np.arange(50)
    first, again, other = (folders.split(images, (0.5, 0.5), seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_groups_stay_together_in_a_split():
    groups = np.arange(60) // 3
    parts = folders.split(np.arange(60), (0.5, 0.3, 0.2), groups=np.random.default_rng(0).permutation(groups))
    shuffled = np.random.default_rng(0).permutation(groups)
    assert [len(rows) for rows in parts] == [30, 18, 12]
    of_part = [set(shuffled[rows]) for rows in parts]
    assert sum(map(len, of_part)) == 20
    copies = np.zeros(60)  # equal images, of which the groups say that they may part
    assert [len(rows) for rows in folders.split(copies, (0.5, 0.5), groups=groups)] == [30, 30]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(9, int), "groups: got 9 labels, expected one for each of the 10 images"),
        (np.arange(10) / 2, "groups: got fractions such as 0.5, expected integers"),
        (np.arange(-1, 9), "groups: got values from -1 to 8"),
        (np.zeros(10, int), "fractions: part 2 of 10 images is empty"),
    ],
)
def test_bad_groups_are_named(groups, message):
    with pytest.raises(ValueError, match="^" + message):
        folders.split(np.arange(10), (0.8, 0.2), groups=groups)


def test_the_classes_are_the_subfolders(tmp_path):
    for name in ("dogs/1.png", "cats/old/2.png", "dogs/3.png"):
        save(tmp_path / name, noise(8, 8))
    (tmp_path / "dogs" / ".hidden").mkdir()
    names, labels = folders.class_labels(tmp_path)
    assert names == ["cats", "dogs"]
    assert labels.tolist() == [0, 1, 1]
    assert [file.parts[len(tmp_path.parts)] for file in folders.image_files(tmp_path)] == ["cats", "dogs", "dogs"]


def test_an_empty_class_and_an_image_of_none_are_named(tmp_path):
    save(tmp_path / "dogs" / "1.png", noise(8, 8))
    (tmp_path / "wolves").mkdir()
    (tmp_path / "wolves" / "notes.txt").write_text("no image", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^path: no image in 1 of the subfolders of .*, such as wolves"):
        folders.class_labels(tmp_path)
    save(tmp_path / "2.png", noise(8, 8))
    with pytest.raises(ValueError, match=r"^path: 1 images in .* are in no subfolder, such as 2\.png"):
        folders.class_labels(tmp_path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "images: got None, expected an array"),
        (3.5, "images: got shape \\(\\), expected \\(n, ...\\)"),
        (np.array(["a.png", "b.png"]), "images: got dtype <U5, expected numbers"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "images: got list that makes no array"),
        (np.full((2, 2), np.nan), "images: got 4 values that are NaN or infinite"),
    ],
)
def test_images_that_are_none_are_named(images, message):
    for function in (folders.duplicates, folders.split):
        with pytest.raises(ValueError, match="^" + message):
            function(images)


@pytest.mark.parametrize("seed", [-1, 0.5, None, np.nan])
def test_bad_seeds_are_named(seed):
    with pytest.raises(ValueError, match=r"^seed: got .*, expected an integer >= 0"):
        folders.split(np.arange(100), seed=seed)


def test_images_of_two_kinds_of_numbers_are_told_apart_by_their_own_digits():
    images = np.array([[1.0], [1 + 1e-12], [1.0]])
    assert folders.duplicates(images) == [[0, 2]]  # in single precision all three are equal


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.5, 0.4), "fractions: got a sum of 0.9, expected 1"),
        ((1.5, -0.5), "fractions: got values from -0.5 to 1.5, expected 0 to 1"),
        ((0.99, 0.01), "fractions: part 2 of 10 images is empty, expected at least one"),
        (0.5, r"fractions: got shape \(\), expected \(n,\)"),
    ],
)
def test_bad_fractions_are_named(fractions, message):
    with pytest.raises(ValueError, match="^" + message):
        folders.split(np.arange(10), fractions)
