"""Results are written so that a diff shows what changed, and come back as they were."""

import json

import pytest

from experiments.harness import record
from helpers import results

VALUES = [
    {},
    [],
    "a",
    {"b": [1.5, None, True, 1e-9], "c": {"d": []}, "ü": "\n"},
    {"runs": [{"seed": seed, "curve": [0.1] * 50, "of": {"a": 1}} for seed in range(3)]},
    {1: [[0.5] * 30] * 3, 'quoted "key"': ((1, 2), (3,))},
]


@pytest.mark.parametrize("value", VALUES)
def test_lines_hold_what_json_holds(value):
    assert json.loads(record.lines(value)) == json.loads(json.dumps(value))


def test_what_fits_and_what_is_innermost_is_one_line():
    row = {"seed": 0, "fdd": 1.5, "of": {"modes": 25}}
    curve = [0.125] * 100
    assert record.lines(row) == '{"seed":0,"fdd":1.5,"of":{"modes":25}}'
    assert record.lines({"rows": [row] * 4, "curve": curve}).splitlines() == [
        "{",
        ' "rows":[',
        *(f"  {record.lines(row)}{comma}" for comma in (",", ",", ",", "")),
        " ],",
        f' "curve":{record.lines(curve)}',
        "}",
    ]


def test_numbers_are_rounded_wherever_they_stand():
    value = {"a": [1.23456789, 3], "b": {"c": "text", "d": None, "e": 1.23456e-7}}
    assert record.rounded(value, 5) == {"a": [1.2346, 3], "b": {"c": "text", "d": None, "e": 1.2346e-7}}


def test_the_committed_results_are_written_so():
    for file in results.RESULTS.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert text == record.lines(json.loads(text)) + "\n", f"{file.name} was written by other means"
