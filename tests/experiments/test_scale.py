"""Two devices and two processes train what one device trains; a lost process is an error, and the run goes on."""

import keras
import numpy as np
import pytest

from experiments import scale
from helpers import datasets

SETTINGS = dict(images=128, width=2)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Run every form, and lose a process."""
    return scale.measure(tmp_path_factory.mktemp("forms"), **SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["two devices", "two processes"])
def test_weights_losses_and_outputs_are_those_of_one_device(found, form):
    for name, differences in found["differences"][form].items():
        for kind in ("weight", "loss", "outputs"):
            assert differences[kind] <= 1e-5, (name, kind)


@pytest.mark.slow
def test_every_process_finds_the_state_it_is_in(found):
    for form in ("two devices", "two processes"):
        assert {differences["state"] for differences in found["differences"][form].values()} <= {0.0, None}


@pytest.mark.slow
def test_rows_are_shared_out_and_none_is_repeated(found):
    assert found["rows"] == {"missing": 0, "twice": 0}
    for share in found["operations"].values():
        assert share < 0.6  # with every device at work on all noise it was 0.77


@pytest.mark.slow
def test_a_lost_process_ends_the_other_and_the_run_goes_on(found):
    lost = found["lost"]
    assert lost["code"] != 0
    assert lost["seconds"] < scale.LIMIT
    assert lost["resumed"] == 0.0


class Processes:
    """A distribution of three processes, of which this is one."""

    num_processes = 3

    def __init__(self, number):
        self.data_shard_id = number


def test_each_process_gets_its_own_rows_of_every_batch(monkeypatch):
    images, labels = np.random.default_rng(0).random((24, 2)), np.arange(24)
    batches = datasets.ShuffledBatches(images, 12, labels=labels)
    whole = batches[0]
    shares = []
    for number in range(3):
        monkeypatch.setattr(keras.distribution, "distribution", lambda number=number: Processes(number))
        shares.append(batches[0])
    for place in range(2):
        assert np.array_equal(np.concatenate([share[place] for share in shares]), whole[place])
    with pytest.raises(ValueError, match=r"batch_size: got 10, expected a multiple of the 3 processes"):
        datasets.ShuffledBatches(images, 10)[0]


def test_labelled_and_unlabelled_rows_are_split_once(monkeypatch):
    images = np.arange(48.0).reshape(24, 2)
    batches = datasets.SemiSupervisedBatches(images[:8], np.arange(8) % 2, images[8:], 4, 8)
    whole = batches[0]
    monkeypatch.setattr(keras.distribution, "distribution", lambda: Processes(2))
    assert np.array_equal(batches[0][0], whole[0][8:])
    assert np.array_equal(batches[0][1], whole[1][8:])


def test_a_log_says_why_a_process_ended():
    log = "epochs: 3\nValueError: UNKNOWN: Gloo AllGather failed: Connection reset by peer\nmore\n"
    assert "Gloo AllGather failed" in scale.reason(log)
    assert scale.reason("nothing known") == "nothing known"
