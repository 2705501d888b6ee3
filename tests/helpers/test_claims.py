"""A claim is asserted, shown and glued, or raises."""

import importlib.util
import json
import sys

import myst_nb
import numpy as np
import pytest

from helpers import claims


@pytest.fixture
def shown(monkeypatch):
    """Collect what a claim displays and glues."""
    seen = {"outputs": [], "glued": {}}
    monkeypatch.setattr(claims, "display", lambda data, raw: seen["outputs"].append(data))
    monkeypatch.setattr(claims, "glue", lambda name, value: seen["glued"].update({name: value}))
    return seen


def test_a_kept_bound_is_shown_and_glued(shown):
    claims.check("error", 0.5, at_most=1, unit="nats", source="hinton2006")
    (output,) = shown["outputs"]
    assert output["text/plain"] == "error = 0.5 nats   (at most 1)"
    assert output[claims.CLAIM_MIME] == {
        "name": "error",
        "value": 0.5,
        "at_most": 1,
        "at_least": None,
        "source": "hinton2006",
        "met": True,
        "unit": "nats",
    }
    assert shown["glued"] == {"error": 0.5}


@pytest.mark.parametrize("bounds", [{"at_most": 1}, {"at_least": 3}, {"at_least": 0, "at_most": 1.99}])
def test_a_broken_bound_raises_and_glues_nothing(shown, bounds):
    with pytest.raises(AssertionError, match="error: got 2 , expected at"):
        claims.check("error", 2, **bounds)
    assert shown == {"outputs": [], "glued": {}}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("met", [True, False])
def test_numbers_that_are_not_finite_never_pass(shown, value, met):
    with pytest.raises(ValueError, match=r"error: got .*, expected a finite number"):
        claims.check("error", value, at_most=1, met=met)


def test_a_claim_stated_as_not_met_shows_it_and_fails_once_it_is_met(shown):
    claims.check("error", 2, at_most=1, met=False)
    assert "NOT MET: at most 1" in shown["outputs"][0]["text/plain"]
    assert shown["outputs"][0][claims.CLAIM_MIME]["met"] is False
    with pytest.raises(AssertionError, match="stated as not met"):
        claims.check("error", 0.5, at_most=1, met=False)


def test_without_bounds_a_number_is_reported(shown):
    claims.check("floor", 0.7)
    assert shown["outputs"][0]["text/plain"].endswith("(no bound)")


def test_a_comparison_records_seeds_and_standard_errors(shown):
    ours, theirs = [1.0, 2.0, 3.0], [6.0, 7.0, 8.0]
    claims.compare("ours-over-theirs", ours, theirs, curve="runs", at_most=0.3)
    assert shown["glued"] == {"ours-over-theirs": 2 / 7}
    (output,) = shown["outputs"]
    comparison = output[claims.CLAIM_MIME]["comparison"]
    assert (comparison["seeds"], comparison["curve"]) == (3, "runs")
    assert np.isclose(comparison["standard_errors"], 5 / np.sqrt(1 / 3 + 1 / 3))
    assert output["text/plain"].endswith("(at most 0.3); 3 seeds, 6.1 standard errors apart")


def test_a_paired_comparison_uses_the_differences(shown):
    ours, theirs = [1.0, 5.0, 9.0], [2.0, 6.1, 9.9]
    claims.compare("gain", ours, theirs, curve="runs", ratio=False, paired=True)
    assert shown["glued"]["gain"] == pytest.approx(-1)
    errors = shown["outputs"][0][claims.CLAIM_MIME]["comparison"]["standard_errors"]
    assert np.isclose(errors, 1 / (np.std([1, 1.1, 0.9], ddof=1) / 3**0.5))


def test_a_comparison_of_equal_runs_has_no_spread(shown):
    claims.compare("same", [1, 1, 1], [2, 2, 2], curve="runs")
    assert shown["outputs"][0][claims.CLAIM_MIME]["comparison"]["standard_errors"] is None


@pytest.mark.parametrize("ours", [[1.0, 2.0], [1.0, 5.0, 9.0, 12.0]])
def test_a_comparison_of_too_few_seeds_is_refused(shown, ours):
    with pytest.raises(ValueError, match=rf"ratio: got {len(ours)} seeds, expected at least"):
        claims.compare("ratio", ours, np.add(ours, 1), curve="runs")


def test_the_report_holds_what_the_status_page_needs(shown):
    claims.report()
    record = shown["outputs"][0][claims.RUN_MIME]
    assert record["seconds"] >= 0
    assert 0 < record["peak_memory_gib"] < 64
    assert set(record["versions"]) == {"python", "keras", "jax", "numpy"}
    assert len(record["date"]) == 10
    assert shown["glued"]["running-time"].endswith(" s")


def test_without_a_measure_of_memory_the_report_leaves_it_out(shown, monkeypatch):
    monkeypatch.setattr(claims, "resource", None)
    claims.report()
    (output,) = shown["outputs"]
    assert output[claims.RUN_MIME]["peak_memory_gib"] is None
    assert "memory" not in output["text/plain"]


def test_it_is_imported_where_python_cannot_measure_memory(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # what an import finds on Windows
    spec = importlib.util.spec_from_file_location("claims_on_windows", claims.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.run_record()["peak_memory_gib"] is None


def test_numpy_numbers_are_glued_as_plain_ones(monkeypatch):
    glued = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: glued.update({name: value}))
    claims.glue("share", np.float64(0.5))
    assert type(glued["share"]) is float


def test_bounds_may_be_numbers_of_numpy(shown):
    claims.check("np", np.float64(1), at_most=np.float32(2), at_least=np.int64(0))
    assert json.loads(json.dumps(shown["outputs"]))[0][claims.CLAIM_MIME]["met"] is True


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": 3}, "name: got 3, expected the claim's name"),
        ({"value": "0.5"}, "error: got '0.5', expected a finite number"),
        ({"value": [0.5]}, r"error: got \[0.5\], expected a finite number"),
        ({"value": None}, "error: got None, expected a finite number"),
        ({"unit": None}, "unit: got None, expected the unit's name"),
        ({"source": 2006}, "source: got 2006, expected a key in book/references.bib"),
        ({"comparison": 3}, "comparison: got 3, expected what compare hands over"),
        ({"at_most": np.nan, "met": False}, "at_most: got nan, expected a finite number"),
        ({"at_least": [0]}, r"at_least: got \[0\], expected a finite number"),
        ({"met": "no"}, "met: got 'no', expected one of False, True"),
    ],
)
def test_bad_claims_are_named(shown, wrong, message):
    with pytest.raises(ValueError, match=message):
        claims.check(**{"name": "error", "value": 2, "at_most": 1, **wrong})
    assert shown == {"outputs": [], "glued": {}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ours": [1, np.nan, 3]}, "ours: got 1 values that are NaN"),
        ({"ours": 1.0}, r"ours: got shape \(\), expected \(n,\)"),
        ({"theirs": [2.0]}, "theirs: got 1 rows, expected at least 2"),
        ({"theirs": [-1, 0, 1]}, "theirs: got a mean of 0, expected another, or ratio=False"),
        ({"theirs": [1, 2, 3, 4], "paired": True}, r"theirs: got shape \(4,\), expected \(3,\)"),
        ({"paired": 2}, "paired: got 2, expected one of False, True"),
        ({"ratio": None}, "ratio: got None, expected one of False, True"),
        ({"curve": None}, "curve: got None, expected the name of a result"),
    ],
)
def test_bad_comparisons_are_named(shown, wrong, message):
    with pytest.raises(ValueError, match=message):
        claims.compare(**{"name": "ratio", "ours": [1, 2, 3], "theirs": [6, 7, 8], "curve": "runs", **wrong})
    assert shown == {"outputs": [], "glued": {}}


@pytest.mark.parametrize("value", [None, np.nan, np.inf, [1, 2], np.zeros(3), True])
def test_only_texts_and_finite_numbers_are_glued(value):
    with pytest.raises(ValueError, match=r"value: got .*, expected a finite number"):
        claims.glue("share", value)
