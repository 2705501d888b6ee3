"""Stored weights come back as they were, to the precision that was asked for."""

import numpy as np
import pytest

from helpers import storage

WEIGHTS = [
    np.random.default_rng(0).normal(size=(20, 7)).astype("float32"),
    np.linspace(-3, 3, 7, dtype="float32"),
    np.float32(2.5),
]


@pytest.mark.parametrize("stored_as", storage.FORMATS)
def test_weights_come_back(tmp_path, stored_as):
    path = tmp_path / "weights.npz"
    storage.save_weights(path, WEIGHTS, stored_as)
    back = storage.load_weights(path)
    assert [weight.shape for weight in back] == [(20, 7), (7,), ()]
    assert all(weight.dtype == np.float32 for weight in back)
    np.testing.assert_allclose(back[1], WEIGHTS[1], rtol=1e-3)
    assert float(back[2]) == 2.5
    step = np.abs(WEIGHTS[0]).max(axis=0) / (127 if stored_as == "int8" else 1024)
    assert (np.abs(back[0] - WEIGHTS[0]) <= step / 2 + 1e-7).all()


def test_order_is_kept_beyond_ten_weights(tmp_path):
    storage.save_weights(tmp_path / "many.npz", [np.float32(i) for i in range(12)])
    assert [float(weight) for weight in storage.load_weights(tmp_path / "many.npz")] == list(range(12))


def test_a_column_of_zeros(tmp_path):
    storage.save_weights(tmp_path / "zeros.npz", [np.zeros((3, 2))], "int8")
    assert (storage.load_weights(tmp_path / "zeros.npz")[0] == 0).all()


def test_a_killed_writer_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.npz"
    storage.save_weights(path, WEIGHTS)

    def killed(file, **arrays):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", killed)
    with pytest.raises(KeyboardInterrupt):
        storage.save_weights(path, WEIGHTS[:1])
    assert len(storage.load_weights(path)) == 3


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="stored_as: got 'int4'"):
        storage.save_weights(tmp_path / "x.npz", WEIGHTS, "int4")
    with pytest.raises(ValueError, match="weights: number 0"):
        storage.save_weights(tmp_path / "x.npz", [np.float32([1e9])])
