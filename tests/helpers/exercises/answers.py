"""What the tests of the exercises' checks share: an answer is said to be right, or wrong in certain words."""

import pytest

from helpers import exercises


def right(name, answer, capsys, **given):
    """Assert that a check finds an answer right; return what it says."""
    exercises.check(name, answer, **given)
    said = capsys.readouterr().out
    assert f"{name}: right." in said
    return said


def wrong(name, answer, words, **given):
    """Assert that a check finds an answer wrong and says why."""
    with pytest.raises(exercises.Wrong, match=words):
        exercises.check(name, answer, **given)
