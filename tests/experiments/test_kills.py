"""A run that nothing could warn ends, started again, as if nothing had happened: `experiments.kills` has 60 such."""

from experiments import kills


def test_a_killed_run_ends_like_a_whole_one():
    assert kills.kill("gan", count=1)["equal"] == 1
