"""The door to stored results: it opens from anywhere, and says what is wrong with a file and how to get it back."""

import io
import itertools
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from experiments.harness import record
from helpers import results, storage

WAY_BACK = r"`git checkout -- experiments/results/{}` brings back the book's own"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of results with three files, which the door opens to."""
    for name in ("ladder.json", "ladder_0.npz", "replays.npz"):
        shutil.copy(results.RESULTS / name, tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def test_results_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert results.read("ladder")["experiment"] == "ladder"
    assert results.read("ladder")["runs"] == record.read("ladder")["runs"]
    (tmp_path / "dotted_0.10.2.json").write_text('{"experiment": "dotted_0.10.2"}', encoding="utf-8")
    assert results.read("dotted_0.10.2", folder=tmp_path)["experiment"] == "dotted_0.10.2"


def test_weights_are_those_of_the_file():
    with np.load(results.RESULTS / "gan_recipes_improved_0.npz") as stored:
        kernel, bias = stored["0_int8"].astype("float32") * stored["0_scale"], stored["1_float16"]
    weights = results.weights("gan_recipes", "improved", np.int64(0))
    np.testing.assert_array_equal(weights[0], kernel)
    np.testing.assert_array_equal(weights[1], bias)
    assert {weight.dtype for weight in weights} == {np.dtype("float32")}


def test_arrays_are_those_of_the_file():
    found = results.arrays("replays", keys=["points"])
    with np.load(results.path("replays")) as stored:
        assert found.keys() == set(stored.files)
        np.testing.assert_array_equal(found["points"], stored["points"])


@pytest.mark.parametrize(
    "name", ["../ladder", "results/ladder", "ladder.json", "ladder_0.npz", "", None, Path("ladder")]
)
def test_what_is_no_name_is_an_error(name):
    for call in (results.read, results.weights, results.path):
        with pytest.raises(ValueError, match=r"name: got .*, expected the name of an experiment such as 'ladder'"):
            call(name)
    with pytest.raises(ValueError, match=r"name: got "):
        results.weights("ladder", name)


# --- Numbers ---------------------------------------------------------------------------------------------------------


def cut(data):
    """Return the first half of a file."""
    return data[: len(data) // 2]


BAD_JSON = {
    "cut": cut,
    "empty": lambda data: b"",
    "no JSON": lambda data: b"<html>",
    "a list": lambda data: b"[1, 2]",
    "another's": lambda data: data.replace(b'"ladder"', b'"sizes"'),
    "flipped": lambda data: data[:20] + bytes([data[20] ^ 0x80]) + data[21:],
    "nested": lambda data: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", BAD_JSON.values(), ids=BAD_JSON)
def test_a_bad_result_is_named_with_the_way_back(folder, damage):
    file = folder / "ladder.json"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RuntimeError, match=rf"ladder\.json: cannot be used \(.*\)\. {WAY_BACK.format('ladder.json')}"):
        results.read("ladder")


def test_a_missing_result_is_named_with_the_way_back_and_what_there_is(folder):
    with pytest.raises(RuntimeError) as error:
        results.read("lader")
    assert str(error.value) == (
        f"{folder / 'lader.json'}: is missing. There is ladder.json. "
        "`git checkout -- experiments/results/lader.json` brings back the book's own."
    )


@pytest.mark.parametrize("name", ["ladder", "mixtures_tuning"])
def test_only_an_experiment_that_there_is_is_called_for(folder, name):
    (folder / f"{name}.json").unlink(missing_ok=True)
    with pytest.raises(RuntimeError, match="is missing") as error:
        results.read(name)
    named = f"`python -m experiments.{name}` makes it anew" in str(error.value)
    assert named == (Path(record.__file__).parents[1] / f"{name}.py").exists() == (name == "ladder")


def test_an_installed_book_is_installed_again(folder, monkeypatch):
    monkeypatch.setattr(results, "INSTALLED", folder)
    (folder / "ladder_0.npz").unlink()
    with pytest.raises(RuntimeError, match=r"is missing\..* Install the book's package again, with pip") as error:
        results.weights("ladder", 0)
    assert "git" not in str(error.value)


def test_without_any_results_the_book_is_to_be_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    with pytest.raises(RuntimeError, match=r"ladder\.json: is missing\. This copy of helpers came without the results"):
        results.read("ladder")


def test_experiments_tell_what_is_not_written_yet_from_what_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"name: got 'run', .* there is no .*run\.json"):
        record.read("run")
    (tmp_path / "run.json").write_text('{"experiment": "run", ')
    with pytest.raises(RuntimeError, match=r"run\.json: cannot be used"):
        record.runs("run", [])


# --- Runs ------------------------------------------------------------------------------------------------------------

RUNS = [{"kind": "a", "seed": 0, "fdd": 1.5}, {"kind": "b", "seed": 0}, {"kind": "a", "seed": 1, "fdd": 2.5}]


@pytest.mark.parametrize("record", [{"experiment": "x", "runs": RUNS}, RUNS, tuple(RUNS)])
def test_runs_are_chosen_by_their_fields_in_order(record):
    assert results.rows(record) == RUNS
    assert [run["seed"] for run in results.rows(record, kind="a")] == [0, 1]
    assert results.rows(record, kind="a", seed=1) == [RUNS[2]]
    assert results.rows(record, fdd=1.5) == [RUNS[0]]  # the second has no such field


def test_rows_of_a_stored_result():
    (run,) = results.rows(results.read("gan_recipes"), recipe="improved", seed=2)
    assert (run["recipe"], run["seed"]) == ("improved", 2)


@pytest.mark.parametrize(
    ("record", "filters", "message"),
    [
        (RUNS, {"sede": 0}, "^filters: got 'sede', expected fields that a run has: kind, seed, fdd.$"),
        (RUNS, {"kind": "c"}, r"^filters: got {'kind': 'c'}, which no run has, .* {'kind': \['a', 'b'\]}"),
        (RUNS, {"kind": "b", "seed": 1}, "^filters: got {'kind': 'b', 'seed': 1}, which no run has"),
        (None, {}, "^record: got a NoneType, expected what results.read returned"),
        ([], {}, "^record: got a list, expected .* not empty"),
        ([1], {}, "^record: got a list, expected"),
        ({"runs": {"a": RUNS[0]}}, {}, "^record: got one with dict as its runs, expected"),
        ({"experiment": "x"}, {}, "^record: got one with NoneType as its runs, expected"),
    ],
)
def test_runs_that_are_not_there_are_named(record, filters, message):
    with pytest.raises(ValueError, match=message):
        results.rows(record, **filters)


# --- Weights and other arrays ----------------------------------------------------------------------------------------


class Trap:
    """Would leave a file behind if it were unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def zipped(**members):
    """Return the bytes of a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def npz(**arrays):
    """Return the bytes of an .npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array):
    """Return the bytes of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


BAD_NPZ = {
    "cut": cut,
    "empty": lambda data: b"",
    "text": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "flipped": lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
    "one array": lambda data: npy(np.zeros(3)),
    "no arrays": lambda data: zipped(),
    "foreign zip": lambda data: zipped(**{"0_float16.npy": b"no array"}),
    "zip in zip": lambda data: zipped(**{"0_float16.npy": npz(a=np.zeros(3))}),
}
BAD_WEIGHTS = {
    "other names": npz(points=np.zeros(3)),
    "a gap": npz(**{"0_float16": np.zeros(3, "float16"), "2_float16": np.zeros(3, "float16")}),
    "more than weights": npz(**{"0_float16": np.zeros(3, "float16"), "note": np.zeros(1)}),
    "no scale": npz(**{"0_int8": np.zeros((3, 2), "int8")}),
    "wrong scale": npz(**{"0_int8": np.zeros((3, 2), "int8"), "0_scale": np.zeros(3, "float32")}),
    "other numbers": npz(**{"0_float16": np.zeros(3, "float64")}),
    "twice": npz(**{"0_float16": np.zeros(3, "float16"), "0_int8": np.zeros((3, 2), "int8")}),
}


@pytest.mark.parametrize("damage", BAD_NPZ.values(), ids=BAD_NPZ)
@pytest.mark.parametrize("door", [results.weights, results.arrays])
def test_a_bad_file_is_named_with_the_way_back(folder, damage, door):
    file = folder / "ladder_0.npz"
    file.write_bytes(damage(file.read_bytes()))
    problem = rf"ladder_0\.npz: cannot be used \(.+\)\. {WAY_BACK.format('ladder_0.npz')}"
    with pytest.raises(RuntimeError, match=problem):
        door("ladder", 0)


@pytest.mark.parametrize("data", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_arrays_that_are_no_weights_are_named(folder, data):
    (folder / "ladder_0.npz").write_bytes(data)
    problem = r"ladder_0\.npz: cannot be used \(got arrays named \w.*, expected weights: \d_float16, or \d_int8 with"
    with pytest.raises(RuntimeError, match=problem):
        results.weights("ladder", 0)


def test_a_folder_or_nothing_in_the_file_s_place(folder):
    (folder / "ladder_0.npz").unlink()
    with pytest.raises(RuntimeError, match=r"ladder_0\.npz: is missing\."):
        results.weights("ladder", 0)
    (folder / "ladder_0.npz").mkdir()
    with pytest.raises(RuntimeError, match=r"ladder_0\.npz: cannot be used"):
        results.weights("ladder", 0)


def test_an_expected_array_is_missed():
    with pytest.raises(RuntimeError, match=r"replays\.npz: cannot be used \(got arrays named points, expected 'paths'"):
        results.arrays("replays", keys=["points", "paths"])


@pytest.mark.parametrize("form", ["member", "whole", "json"])
def test_nothing_is_unpickled(folder, tmp_path, form):
    mark = tmp_path / "unpickled"
    pickled = pickle.dumps(Trap(mark))
    pickle.loads(pickled)
    assert mark.exists()  # the trap works
    mark.unlink()
    member = npz(**{"0_float16": np.array([Trap(mark)], dtype=object)})
    (folder / "ladder_0.npz").write_bytes(member if form == "member" else pickled)
    (folder / "ladder.json").write_bytes(pickled)
    with pytest.raises(RuntimeError, match=r"ladder.*: cannot be used"):
        results.read("ladder") if form == "json" else results.weights("ladder", 0)
    assert not mark.exists()


def test_a_flipped_bit_gives_the_same_weights_or_the_error(folder):
    file = folder / "small_0.npz"
    storage.save_weights(file, [np.arange(-6, 6).reshape(4, 3), np.ones(3)], "int8")
    whole, expected, messages = file.read_bytes(), results.weights("small", 0), []
    for place, bit in itertools.product(range(len(whole)), (0, 7)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        try:
            np.testing.assert_equal(results.weights("small", 0), expected)
        except RuntimeError as error:
            messages.append(str(error))
    assert len(messages) > len(whole)  # the others are bits of dates and the like
    assert all(message.startswith(f"{file}: cannot be used (") for message in messages)


@pytest.mark.slow
def test_every_committed_file_opens():
    for file in results.RESULTS.glob("*.json"):
        assert json.loads(file.read_text(encoding="utf-8")) == results.read(file.stem)
    arrays = {file.stem: results.arrays(file.stem) for file in results.RESULTS.glob("*.npz")}
    others = {name for name, stored in arrays.items() if not any(key[0].isdigit() for key in stored)}
    assert others >= {"replays", "code_distributions_redrawn", "gan_recipes_samples"}
    assert all(results.weights(name) for name in arrays.keys() - others)
