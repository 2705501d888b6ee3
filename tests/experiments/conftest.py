"""What the tests of several experiments share: data and features that are read or computed once a process."""

import pytest

from helpers import datasets
from tests import once


@pytest.fixture(scope="module", autouse=True)
def data_are_unpacked_once():
    """Give the experiments the digits and the emoji that the first test which asked for them has read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_mnist", once.load_mnist)
        patch.setattr(datasets, "load_emoji", once.load_emoji)
        yield


@pytest.fixture(scope="session")
def real_features():
    """The features of the test digits."""
    return once.real_features()
