"""The emoji are the book's own or an error; what looks alike is in one part."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers import datasets, emoji


@pytest.fixture(scope="module")
def parts():
    return datasets.load_emoji()


@pytest.fixture(scope="module")
def whole(parts):
    """Return each field of all parts, one after the other."""
    return {field: np.concatenate([getattr(part, field) for part in parts[:3]]) for field in emoji.Emoji._fields}


def test_shapes_ranges_and_categories(parts):
    assert [len(part.name) for part in parts[:3]] == [1529, 191, 191]
    assert len(parts.categories) == 10
    for part in parts[:3]:
        for images in (part.noto, part.twemoji):
            assert images.shape == (len(part.name), 32, 32, 3)
            assert (images.dtype, images.min(), images.max()) == ("float32", 0, 1)
        assert {len(field) for field in part} == {len(part.name)}
        assert part.category.dtype == part.group.dtype == "int32"
        assert part.category.max() < len(parts.categories)


def test_rows_of_both_styles_show_one_thing(parts):
    """A codepoint's partner in the other style is nearer, on average, than any other picture's."""
    left, right = (images.reshape(len(images), -1) for images in (parts.test.noto, parts.test.twemoji))
    squares = [(rows**2).sum(axis=1) for rows in (left, right)]
    distances = (squares[0][:, None] + squares[1] - 2 * left @ right.T) / left.shape[1]
    assert np.diag(distances).mean() < 0.5 * distances.mean()


def test_a_codepoint_and_a_group_are_in_one_part(parts, whole):
    assert len(set(whole["codepoint"])) == len(whole["codepoint"]) == 1911
    codepoints, groups = ([set(getattr(part, field)) for part in parts[:3]] for field in ("codepoint", "group"))
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not codepoints[first] & codepoints[second]
        assert not groups[first] & groups[second]


def test_known_look_alikes_are_in_one_part(whole, parts):
    part = np.repeat(range(3), [len(each.name) for each in parts[:3]])

    def of(*names):
        return set(part[np.isin(whole["name"], names)])

    clocks = [name for name in whole["name"] if name.startswith("clock") and name[5:].isdigit()]
    assert len(clocks) == 24
    assert len(of(*clocks)) == 1
    assert len(of("red_circle", "large_blue_circle", "large_green_circle")) == 1
    assert len(of("fr", "it", "flag-ie", "flag-be")) == 1
    assert len(of("arrow_up", "arrow_right", "arrow_down", "arrow_left")) == 1
    assert len(of("female-cook", "male-cook", "cook")) == 1


@pytest.mark.slow
def test_the_stored_groups_are_found_again(whole):
    order = np.argsort(whole["codepoint"])  # the groups do not depend on the order of the rows
    drawings = [whole[style][order] for style in emoji.STYLES]
    found = emoji.look_alikes(drawings, whole["name"][order], whole["codepoint"][order])
    stored = whole["group"][order]
    pairs = set(zip(found.tolist(), stored.tolist(), strict=True))
    # a cosine beside the threshold may fall to its other side on another machine
    assert len(pairs) <= len(set(found)) + 3
    assert len(pairs) <= len(set(stored)) + 3


@pytest.mark.slow
def test_no_outline_of_a_held_out_emoji_is_in_training(parts):
    """Whatever two emoji of different parts have in common, it is less than the threshold in one style at least."""
    images = [np.concatenate([getattr(part, style) for part in parts[:3]]) for style in emoji.STYLES]
    cosines = sum(rows @ rows.T for rows in map(emoji.outlines, images)) / 2
    part = np.repeat(range(3), [len(each.name) for each in parts[:3]])
    assert cosines[part[:, None] != part].max() < emoji.ALIKE + 1e-3


def test_groups_by_each_of_the_three_signs():
    rng = np.random.default_rng(0)
    shapes = (rng.random((4, 8, 8, 1)) > 0.5).astype("float32")
    red, blue = (1 - shapes * np.array(ink, "float32") for ink in ([0, 1, 1], [1, 1, 0]))
    same = np.concatenate([red, blue[:1]])
    names, codes = ["a1", "b2", "c3", "d4", "e5"], ["1", "2", "3", "4", "5"]
    # the outline alone: the first shape in other ink
    assert emoji.look_alikes([same], names, codes).tolist() == [0, 1, 2, 3, 0]
    other = [np.concatenate([red, rng.random((1, 8, 8, 3))])]
    assert emoji.look_alikes(other, [*names[:4], "large_blue_a7"], codes).tolist() == [0, 1, 2, 3, 0]
    assert emoji.look_alikes(other, names, ["1F468-200D-1F33E", "2", "3", "4", "1F469-200D-1F33E"]).tolist() == [
        *(0, 1, 2, 3, 0)
    ]
    assert emoji.look_alikes(other, names, codes).tolist() == [0, 1, 2, 3, 4]


def test_chains_are_one_group():
    close = np.eye(5, dtype=bool)
    for pair in ((0, 4), (4, 2), (1, 3)):
        close[pair] = close[pair[::-1]] = True
    assert emoji._components(close).tolist() == [0, 1, 0, 1, 0]


def test_places_are_one_for_a_group_and_large_groups_come_first():
    group = np.repeat(range(20), [40, *[1] * 18, 2])
    found = emoji.places(group, largest=30)
    assert set(found[group == 0]) == {0.0}
    assert found[group == 19][0] == found[group == 19][1]
    assert len(set(found)) == 20
    assert found.max() < 1
    assert (emoji.places(group, seed=1) != found).any()


@pytest.mark.parametrize("images", [np.zeros((3, 8, 8)), np.full((3, 8, 8, 3), 2.0), np.zeros((1, 8, 8, 3))])
def test_outlines_check_the_images(images):
    with pytest.raises(ValueError, match=r"^images: got"):
        emoji.outlines(images)


def test_unpaired_names_are_an_error():
    with pytest.raises(ValueError, match=r"^names: got 2, expected one for each of the 3 emoji"):
        emoji.look_alikes([np.zeros((3, 8, 8, 3))], ["a", "b"], ["1", "2", "3"])


def test_styles_of_other_lengths_are_an_error():
    drawings = [np.zeros((3, 8, 8, 3)), np.zeros((2, 8, 8, 3))]
    with pytest.raises(ValueError, match=r"^drawings: got 3 and 2 pictures, expected the same emoji in each style"):
        emoji.look_alikes(drawings, ["a", "b", "c"], ["1", "2", "3"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"emoji.zip is missing\. Restore it"):
        datasets.load_emoji(tmp_path / "emoji.zip")


def test_a_damaged_file_is_an_error(tmp_path):
    data, path = bytearray(emoji.EMOJI_PATH.read_bytes()), tmp_path / "emoji.zip"
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=r"^path: .* (cannot be read|has SHA-256)"):
        datasets.load_emoji(path)


def test_other_pictures_are_not_the_emoji(tmp_path):
    stream, path = io.BytesIO(), tmp_path / "emoji.zip"
    Image.new("RGB", (256, 32)).save(stream, "webp", lossless=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("emoji.json", json.dumps({"group": [0] * 8}))
        for style in emoji.STYLES:
            archive.writestr(f"{style}_00.webp", stream.getvalue())
    with pytest.raises(RuntimeError, match=r"has SHA-256 .*, expected .*: not the book's emoji"):
        datasets.load_emoji(path)


@pytest.mark.parametrize("path", [None, 3, [1]])
def test_the_path_is_checked(path):
    with pytest.raises(ValueError, match=r"^path: got"):
        datasets.load_emoji(path)
