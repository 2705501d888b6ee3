"""The exercises of the chapters: their checks, and the kinds that each chapter must have."""

import re
from collections import Counter

import pytest

from helpers import exercises
from tools import sphinx_book
from tools.pages import ROOT, notebooks

# Each chapter has an exercise of each of these kinds; of these two kinds are a fifth of all exercises.
IN_EACH_CHAPTER = {"five-minutes", "own-experiment", "own-data", "off-mnist"}
HARDER, SHARE_OF_HARDER = {"proof", "design"}, 1 / 5
EXERCISE = re.compile(r"```\{exercise-start\} *(.*)\n((?:.*\n)*?)```\{exercise-end\}")
SOLUTION = re.compile(r"```\{solution-start\} *(\S+)\n((?:.*\n)*?)```\{solution-end\}")
CALL = re.compile(r'exercises\.check\(\s*"([^"]+)"')
TEXTS = {path: (ROOT / path).with_suffix(".md").read_text(encoding="utf-8") for path in notebooks()}
# Their results depend on the reader's own training run or on a choice that is theirs, and the solution explains them.
WITHOUT_CHECK = {"first-autoencoder-activation", "evaluation-only-the-best", "ex-connections-weight"}


def asked(text):
    """Return label → body of each exercise of a chapter."""
    return {re.search(r":label: (\S+)", body)[1]: body for _, body in EXERCISE.findall(text)}


def kinds(body):
    """Return the kinds of an exercise."""
    return {kind for line in re.findall(r"^:class: (.*)", body, re.MULTILINE) for kind in line.split()}


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
    bodies = {label: body for text in TEXTS.values() for label, body in asked(text).items()}
    unchecked = bodies.keys() - exercises.CHECKS.keys()
    assert exercises.CHECKS.keys() <= bodies.keys()
    assert unchecked >= WITHOUT_CHECK
    assert [label for label in unchecked - WITHOUT_CHECK if not kinds(bodies[label]) & HARDER] == []


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_a_chapter_has_an_exercise_of_each_kind(path):
    found = set().union(*map(kinds, asked(TEXTS[path]).values()))
    assert found <= sphinx_book.KINDS.keys()
    assert found >= IN_EACH_CHAPTER


def test_a_fifth_of_the_exercises_ask_for_a_proof_or_a_design():
    found = [kinds(body) for text in TEXTS.values() for body in asked(text).values()]
    harder = [kind for kind in found if kind & HARDER]
    assert len(harder) >= SHARE_OF_HARDER * len(found)


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_an_exercise_that_leaves_mnist_does_not_name_it(path):
    solutions = dict(SOLUTION.findall(TEXTS[path]))
    for label, body in asked(TEXTS[path]).items():
        named = "mnist" in (body.replace("off-mnist", "") + solutions[label]).lower()
        assert not (named and "off-mnist" in kinds(body)), label
