"""What a check says of answers that are right, wrong in a known way, or not written yet."""

import numpy as np
import pytest

from helpers import exercises
from helpers.exercises import comparing


@pytest.fixture
def check(monkeypatch):
    """Return a function that checks an answer by one comparison."""

    def of(comparison):
        monkeypatch.setitem(exercises.CHECKS, "one", comparison)
        return lambda answer: exercises.check("one", answer)

    return of


def test_dots_are_no_answer_and_no_error(check, capsys):
    check(lambda answer: comparing.same(answer, 1))(...)
    check(lambda answer: comparing.same(answer, 1))((1, ...))
    check(lambda answer: comparing.call(answer, 3))(lambda x: None)
    assert capsys.readouterr().out.count("no answer yet") == 3


def test_a_right_answer_is_said_to_be_right_with_its_remark(check, capsys):
    check(lambda answer: comparing.same(answer, 1) or "It is one.")(1.0)
    assert capsys.readouterr().out == "one: right. It is one.\n"


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (-2.5, 2.5, "the sign is off"),
        (40.0, 0.4, "percentage"),
        (0.004, 0.4, "share"),
        (np.log(2), 1, "nats"),
        (7.0, 14.0, "factor of 2 is missing"),
        (784.0, 1, "sum over the pixels"),
        (9.0, 8.0, "got 9, which is too large"),
        (7.0, 8.0, "got 7, which is too small"),
        (np.nan, 1, "NaN"),
        ("seven", 7, "got str, expected numbers"),
        ([1.0], 1, r"got the shape \(1,\), expected one number"),
        (np.ones((2, 3)), np.ones((3, 2)), "rows and columns exchanged"),
        (np.ones(6), np.ones((3, 2)), "their shape is not"),
        ([2, 1, 3], [1, 2, 3], "their order is not"),
        ([3, 6, 9], [1, 2, 3], "one and the same factor"),
        ([1, 2, 4], [1, 2, 3], r"1 of 3 entries are off, the first at \(2,\)"),
    ],
)
def test_a_wrong_answer_hears_what_is_off(check, answer, expected, words):
    with pytest.raises(exercises.Wrong, match=words):
        check(lambda answer: comparing.same(answer, expected))(answer)


def test_no_message_of_a_number_tells_the_solution(check):
    for answer in (9.0, 7.0, -8.0, 800.0, np.inf):
        with pytest.raises(exercises.Wrong) as error:
            check(lambda answer: comparing.same(answer, 8.125))(answer)
        assert "8.125" not in str(error.value)


def test_a_function_that_fails_is_told_from_a_wrong_one(check):
    with pytest.raises(exercises.Wrong, match=r"your function raised TypeError"):
        check(lambda answer: comparing.call(answer, 3))(lambda: 3)
    with pytest.raises(exercises.Wrong, match=r"got int, expected a function"):
        check(lambda answer: comparing.call(answer, 3))(3)


def test_words_and_truth_values_are_not_taken_for_each_other(check):
    for answer, expected in ((1, True), (True, 1), ("left", "right"), (2, 3), (np.ones(2), 1)):
        with pytest.raises(exercises.Wrong):
            check(lambda answer, expected=expected: comparing.choice(answer, expected))(answer)
    comparing.choice(np.bool_(True), True)


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="name: got 'none', expected one of the"):
        exercises.check("none", 1)


def test_one_exercise_has_one_check():
    comparing.exercise("twice")(print)
    try:
        with pytest.raises(ValueError, match="label: got 'twice' twice"):
            comparing.exercise("twice")(print)
    finally:
        del exercises.CHECKS["twice"]


def test_jupyter_shows_one_line():
    assert exercises.Wrong("one: the sign is off.")._render_traceback_() == ["Not yet. one: the sign is off."]


JUNK = [0, -1.5, np.nan, "", "yes", [], {}, np.zeros((2, 2)), object(), print, (0, 0), (1,) * 3]
# The others need data of the chapter, and are tried beside it.
OF_AN_ANSWER_ALONE = [name for name, check in sorted(exercises.CHECKS.items()) if check.__code__.co_argcount == 1]


@pytest.mark.parametrize("name", OF_AN_ANSWER_ALONE)
def test_no_check_takes_junk(name):
    for junk in JUNK:
        with pytest.raises((exercises.Wrong, comparing.Unanswered)):
            exercises.CHECKS[name](junk)
