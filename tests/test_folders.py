"""Images come back in order, at one size, from 0 to 1; a file that cannot be used is named; no picture in two parts."""

import re

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from PIL import Image

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


def test_an_image_too_small_is_named(folder):
    save(folder / "bad.png", noise(7, 7))
    refused(folder, one_file("is 7 wide, 7 high, too small for 8 by 8: nothing is enlarged"))
    save(folder / "bad.png", noise(7, 20))
    refused(folder, one_file("is 20 wide, 7 high, too small for 8 by 8"), fit="crop")
    assert load(folder, fit="pad").shape == (4, 8, 8, 1)


def test_other_proportions_are_named(folder):
    save(folder / "bad.png", noise(8, 9))
    refused(folder, one_file("is 9 wide, 8 high, other proportions than 8 to 8: see fit"))


def test_colour_among_grey_is_named(folder):
    save(folder / "bad.png", noise(8, 8, 3))
    refused(
        folder, one_file("is coloured, expected grey: convert=True would turn it grey; grey=False loads all in colour")
    )


def test_grey_among_colour_is_named(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png", noise(8, 8, 3))
    save(tmp_path / "bad.png", noise(8, 8))
    refused(tmp_path, one_file("is grey, expected coloured: convert=True would turn it coloured"), grey=False)


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
    refused(tmp_path, r"path: got no image in .* \(1 other files\), expected names in \.bmp, \.gif")
    refused(tmp_path / "none", "path: got .*, which is no folder")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(size=0), "size: got 0, expected an integer >= 1"),
        (dict(size=2.5), "size: got 2.5, expected an integer"),
        (dict(size=(8, 8, 1)), r"size: got \(8, 8, 1\), expected one integer or two"),
        (dict(fit="stretch"), "fit: got 'stretch', expected one of None, 'crop', 'pad'"),
        (dict(background=255), "background: got values from 255 to 255, expected 0 to 1"),
    ],
)
def test_bad_arguments_are_named(folder, options, message):
    refused(folder, message, **options)


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


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.5, 0.4), "fractions: got a sum of 0.9, expected 1"),
        ((1.5, -0.5), "fractions: got values from -0.5 to 1.5, expected 0 to 1"),
        ((0.99, 0.01), "fractions: part 2 of 10 images is empty, expected at least one"),
        (0.5, r"fractions: got shape \(\), expected \(n\)"),
    ],
)
def test_bad_fractions_are_named(fractions, message):
    with pytest.raises(ValueError, match="^" + message):
        folders.split(np.arange(10), fractions)
