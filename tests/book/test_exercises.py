"""The exercises of the chapters: their checks, and the kinds that each chapter must have."""

import re
from collections import Counter

import pytest

from helpers import exercises
from tools import sphinx_book
from tools.pages import ROOT, notebooks

KINDS = set(sphinx_book.KINDS)
EXERCISE = re.compile(r"```\{exercise-start\} *(.*)\n((?:.*\n)*?)```\{exercise-end\}")
SOLUTION = re.compile(r"```\{solution-start\} *(\S+)\n((?:.*\n)*?)```\{solution-end\}")
CALL = re.compile(r'exercises\.check\(\s*"([^"]+)"')
TEXTS = {path: (ROOT / path).with_suffix(".md").read_text(encoding="utf-8") for path in notebooks()}
# Their results depend on the reader's own training run or on a choice that is theirs, and the solution explains them.
WITHOUT_CHECK = {"first-autoencoder-activation", "evaluation-only-the-best", "ex-connections-weight"}


def asked(text):
    """Return label → body of each exercise of a chapter."""
    return {re.search(r":label: (\S+)", body)[1]: body for _, body in EXERCISE.findall(text)}


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_the_solution_of_an_exercise_passes_its_check(path):
    bodies, solutions = asked(TEXTS[path]), dict(SOLUTION.findall(TEXTS[path]))
    assert bodies.keys() == solutions.keys()
    for label, body in bodies.items():
        called, solved = CALL.findall(body), CALL.findall(solutions[label])
        assert set(called) == set(solved), f"{label}: asks {called}, solves {solved}"
        assert set(called) <= {label}, f"{label}: calls {called}"
        assert (label in exercises.CHECKS) == bool(called), label
        assert ("..." in body) == bool(called), f"{label}: the answer is to be written in the place of dots"


def test_every_exercise_with_a_checkable_result_has_a_check():
    labels = [label for text in TEXTS.values() for label in asked(text)]
    assert max(Counter(labels).values()) == 1
    assert exercises.CHECKS.keys() == set(labels) - WITHOUT_CHECK


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_a_chapter_has_an_exercise_of_each_kind(path):
    kinds = Counter(kind for body in asked(TEXTS[path]).values() for kind in re.findall(r":class: (.*)", body))
    found = {kind for line in kinds for kind in line.split()}
    assert found >= KINDS
