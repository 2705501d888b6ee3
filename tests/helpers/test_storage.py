"""Stored weights come back as they were, to the precision that was asked for."""

import errno
import os
import warnings

import numpy as np
import pytest

from helpers import storage

WEIGHTS = [
    np.random.default_rng(0).normal(size=(20, 7)).astype("float32"),
    np.linspace(-3, 3, 7, dtype="float32"),
    np.float32(2.5),
]

STEPS = {"float16": 1024, "int8": 127, "int7": 63, "int6": 31, "int5": 15, "int4": 7}  # from 0 to the largest number


@pytest.mark.parametrize("stored_as", storage.FORMATS)
def test_weights_come_back(tmp_path, stored_as):
    path = tmp_path / "weights.npz"
    storage.save_weights(path, WEIGHTS, stored_as)
    back = storage.load_weights(path)
    assert [weight.shape for weight in back] == [(20, 7), (7,), ()]
    assert all(weight.dtype == np.float32 for weight in back)
    np.testing.assert_allclose(back[1], WEIGHTS[1], rtol=1e-3)
    assert float(back[2]) == 2.5
    step = np.abs(WEIGHTS[0]).max(axis=0) / STEPS[stored_as]
    assert (np.abs(back[0] - WEIGHTS[0]) <= step / 2 + 1e-7).all()


@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (4, 5, 7), (1, 60, 1)])
def test_a_kernel_of_any_rank_is_stored_as_its_matrix_is(tmp_path, shape):
    kernel = np.random.default_rng(1).normal(size=shape).astype("float32")
    arrays = []
    for stored_as in storage.FORMATS:
        storage.save_weights(tmp_path / "x.npz", [kernel, kernel.reshape(-1, shape[-1])], stored_as)
        back, matrix = storage.load_weights(tmp_path / "x.npz")
        assert (back.shape, back.dtype) == (shape, np.float32)
        np.testing.assert_array_equal(back.reshape(matrix.shape), matrix)
        storage.save_weights(tmp_path / "x.npz", [kernel], stored_as)
        arrays.append(len(storage.read_arrays(tmp_path / "x.npz")))
    assert arrays == [1, 2, 2, 2, 2, 2]  # float16 alone, or integers with their scales


def test_order_is_kept_beyond_ten_weights(tmp_path):
    storage.save_weights(tmp_path / "many.npz", [np.float32(i) for i in range(12)])
    assert [float(weight) for weight in storage.load_weights(tmp_path / "many.npz")] == list(range(12))


def test_a_column_of_zeros(tmp_path):
    storage.save_weights(tmp_path / "zeros.npz", [np.zeros((3, 2))], "int8")
    assert (storage.load_weights(tmp_path / "zeros.npz")[0] == 0).all()


def test_a_column_of_the_least_numbers_leaves_no_other_out_of_range(tmp_path):
    least = np.float32([[1e-45, 2e-43, 1e-37, 1], [0, -2e-43, -1e-37, -0.5]])
    with np.errstate(all="raise", under="ignore"):
        storage.save_weights(tmp_path / "x.npz", [least], "int8")
    np.testing.assert_allclose(storage.load_weights(tmp_path / "x.npz")[0], least, rtol=0.05, atol=6e-39)


def test_fewer_bits_take_less_room(tmp_path):
    weights, sizes = [np.random.default_rng(0).normal(size=(200, 300))], []
    for stored_as in storage.FORMATS:
        storage.save_weights(tmp_path / "x.npz", weights, stored_as)
        sizes.append((tmp_path / "x.npz").stat().st_size)
    assert (np.diff(sizes) < -0.9 * 200 * 300 / 8).all()  # nearly a bit a weight and more


def test_the_same_weights_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        storage.save_weights(tmp_path / name, WEIGHTS, "int7")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_the_former_packing_are_read(tmp_path, save):
    kernel, scale, bias = np.int8([[127, -5], [3, 0]]), np.float32([0.5, 2]), np.float16([1, 2])
    save(tmp_path / "x.npz", **{"0_scale": scale, "0_int8": kernel, "1_float16": bias})
    np.testing.assert_equal(storage.load_weights(tmp_path / "x.npz"), [kernel * scale, bias.astype("float32")])


def test_kernels_of_convolutions_from_before_they_were_integers_are_read(tmp_path):
    kernel = np.arange(54, dtype="float16").reshape(3, 3, 2, 3)
    np.savez(tmp_path / "x.npz", **{"0_float16": kernel, "1_int8": np.int8([[1, 2]]), "1_scale": np.float32([1, 2])})
    np.testing.assert_equal(storage.load_weights(tmp_path / "x.npz"), [kernel.astype("float32"), np.float32([[1, 4]])])


def test_numpy_reads_the_file_as_well(tmp_path):
    storage.save_weights(tmp_path / "x.npz", WEIGHTS, "int6")
    with np.load(tmp_path / "x.npz") as stored:
        assert np.abs(stored["0_int8"]).max() == 31
        found = stored["0_int8"] * stored["0_scale"]
    np.testing.assert_array_equal(found, storage.load_weights(tmp_path / "x.npz")[0])


def test_an_array_that_would_be_lost_is_named(tmp_path):
    tiny = np.float32([1e-9, 0])
    with pytest.warns(UserWarning, match=r"^weights: number 1, at most 1e-09, is stored as zeros: .*save_weights"):
        storage.save_weights(tmp_path / "x.npz", [WEIGHTS[0], tiny])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        storage.save_weights(tmp_path / "x.npz", [np.append(tiny, 1), np.zeros(2)])  # rounding as usual
        storage.save_weights(tmp_path / "x.npz", [tiny[None]], "int8")
    np.testing.assert_allclose(storage.load_weights(tmp_path / "x.npz")[0], tiny[None])


def test_a_killed_writer_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.npz"
    storage.save_weights(path, WEIGHTS)

    def killed(file, arrays):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        storage.save_weights(path, WEIGHTS[:1])
    assert len(storage.load_weights(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_failing_disk_leaves_the_old_file_and_names_it(tmp_path, monkeypatch, code):
    path = tmp_path / "weights.npz"
    storage.save_weights(path, WEIGHTS)

    def fail(file, arrays):
        file.write_bytes(b"half")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(storage, "_write", fail)
    with pytest.raises(OSError, match=rf"path: .*weights\.npz cannot be written \({os.strerror(code)}\), expected"):
        storage.save_weights(path, WEIGHTS[:1])
    assert len(storage.load_weights(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match=r"path: .*nowhere/x\.npz cannot be written"):
        storage.save_weights(tmp_path / "nowhere" / "x.npz", WEIGHTS)


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(OSError, match=r"^path: .*aaa\.npz cannot be written \(File name too long\), expected a folder"):
        storage.save_weights(tmp_path / ("a" * 300 + ".npz"), WEIGHTS)


def write_half(path, error):
    """Write a part of a file, and fail."""
    with storage.replacing(path) as partial:
        partial.write_text("half")
        raise error


def test_any_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.weights.h5"
    for text in ("old", "new"):
        with storage.replacing(path) as partial:
            assert partial.parent == tmp_path
            assert partial.name.endswith(".weights.h5")  # which Keras asks for
            partial.write_text(text)
    reasons = {errno.ENOSPC: "No space left on device", errno.EROFS: "Read-only file system", errno.ENOENT: "No such f"}
    for code, reason in reasons.items():
        with pytest.raises(OSError, match=rf"^path: .*a\.weights\.h5 cannot be written \({reason}"):
            write_half(path, OSError(code, "all that a library knows of the file"))
    with pytest.raises(OSError, match=r"cannot be written \(HDF5's own words\)"):
        write_half(path, OSError("HDF5's own words"))
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"x\.npz cannot be written \(Permission denied\)"):
        storage.save_weights(tmp_path / "x.npz", WEIGHTS)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x.h5", "path: got 'x.h5', expected a name that ends in .npz"),
        ("x", "path: got 'x', expected a name that ends in .npz"),
        (None, "path: got None, expected the name of a file"),
        (3, "path: got 3, expected the name of a file"),
        ("a\0b.npz", r"path: got 'a\\x00b\.npz', which holds a character that no file's name can"),
        ("a\ud800.npz", r"path: got 'a\\ud800\.npz', which holds a character that no file's name can"),
    ],
)
def test_bad_paths_are_named(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        storage.save_weights(path, WEIGHTS)
    assert list(tmp_path.iterdir()) == []
    if not isinstance(path, str) or not path.startswith("x"):
        for function in (storage.load_weights, storage.read_arrays, storage.replacing):
            with pytest.raises(ValueError, match=message):
                function(path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, "weights: got NoneType, expected a list of arrays"),
        (WEIGHTS[0], "weights: got ndarray, expected a list of arrays"),
        ({"kernel": WEIGHTS[0]}, "weights: got dict, expected a list of arrays"),
        ([], "weights: got an empty list, expected at least one array"),
        ([WEIGHTS[0], None], "weights: number 1: got None, expected an array"),
        ([np.array([object()])], "weights: number 0: got dtype object, expected numbers"),
        ([np.zeros((0, 3))], r"weights: number 0 has shape \(0, 3\), expected at least one value"),
        ([np.float32([[1, np.nan]])], "weights: number 0: got 1 values that are NaN or infinite"),
        ([np.float32([1e9])], "weights: number 0 holds values that float16 cannot"),
    ],
)
@pytest.mark.parametrize("stored_as", storage.FORMATS)
def test_bad_weights_are_named(tmp_path, weights, message, stored_as):
    with pytest.raises(ValueError, match=message):
        storage.save_weights(tmp_path / "x.npz", weights, stored_as)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_format_is_named(tmp_path):
    with pytest.raises(ValueError, match="stored_as: got 'int3', expected one of 'float16', 'int8', 'int7'"):
        storage.save_weights(tmp_path / "x.npz", WEIGHTS, "int3")


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.raises(RuntimeError, match=r"x\.npz: is missing\. Copy it anew from where it came, or write it anew"):
        storage.load_weights(path)
    path.write_bytes(b"no zip")
    with pytest.raises(RuntimeError, match=r"x\.npz: cannot be used \(File is not a zip file\)\. Copy it anew"):
        storage.load_weights(path)
    with pytest.raises(ValueError, match="path: got None, expected the name of a file"):
        storage.load_weights(None)
