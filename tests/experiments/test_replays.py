"""The replays of recorded runs: they end where the recorded runs end, and look at the moments they say."""

import itertools

import numpy as np
import pytest

from experiments import mixtures, replays
from experiments.harness import record
from helpers import metrics

RESULT = record.read(replays.NAME)


def key_of(run):
    """Return (kind, bits, mixture, seed)."""
    return tuple(run[name] for name in (*replays.KEY, "seed"))


KEYS = [key_of(run) for run in RESULT["runs"]]


def test_moments_begin_at_0_and_end_at_the_last_step():
    steps = replays.moments(8_000)
    assert (steps[0], steps[-1], len(steps)) == (0, 8_000, replays.MOMENTS)
    assert all(later > earlier for earlier, later in itertools.pairwise(steps))
    assert {step % replays.STRIDE for step in steps} == {0}


def test_points_beyond_the_edge_are_moved_to_it():
    edge = replays.EDGE
    found = replays.to_bytes(np.array([[0.0, edge], [-3 * edge, 3 * edge]]))
    np.testing.assert_array_equal(found, np.array([[0, 127], [-127, 127]], "int8"))


def test_all_seeds_of_a_kind_are_there():
    kinds = list(dict.fromkeys(key[:-1] for key in KEYS))
    assert [(*kind, seed) for kind in kinds for seed in replays.SEEDS] == KEYS
    assert kinds == [job for job in replays.jobs() if job in kinds]
    assert {mixture for *_, mixture in kinds} == set(mixtures.MIXTURES)
    with np.load(replays.POINTS) as arrays:
        assert arrays["points"].shape == (len(KEYS), replays.MOMENTS, replays.SHOWN, 2)
    assert replays.POINTS.stat().st_size < 250_000


@pytest.mark.parametrize("run", RESULT["runs"], ids=lambda run: str(key_of(run)))
def test_replay_ends_where_the_recorded_run_did(run):
    (recorded,) = [one for one in record.read(mixtures.NAME)["runs"] if key_of(one) == key_of(run)]
    assert run["steps"] == replays.moments(mixtures.KINDS[run["kind"]].steps)
    assert run["modes"][-1] == recorded["modes"]
    assert run["high_quality"][-1] == recorded["high_quality"]


def test_the_shown_points_are_some_of_those_counted():
    with np.load(replays.POINTS) as arrays:
        points = arrays["points"][:, -1].astype("float32") * replays.EDGE / 127
    for run, some in zip(RESULT["runs"], points, strict=True):
        found = metrics.mode_coverage(some, mixtures.MIXTURES[run["mixture"]])
        assert abs(found["high_quality"] - run["high_quality"][-1]) < 0.2  # 200 of 2,500 points, rounded
