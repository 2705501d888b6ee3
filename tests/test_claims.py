"""A claim is asserted, shown and glued, or raises."""

import json

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
    assert claims.check("error", 0.5, at_most=1, unit="nats", source="hinton2006") == 0.5
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
    with pytest.raises(AssertionError, match="expected a finite number"):
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


def test_the_report_holds_what_the_status_page_needs(shown):
    claims.report()
    record = shown["outputs"][0][claims.RUN_MIME]
    assert record["seconds"] >= 0
    assert 0 < record["peak_memory_gib"] < 64
    assert set(record["versions"]) == {"python", "keras", "jax", "numpy"}
    assert len(record["date"]) == 10
    assert shown["glued"]["running-time"].endswith(" s")


def test_numpy_numbers_are_glued_as_plain_ones(monkeypatch):
    glued = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: glued.update({name: value}))
    claims.glue("share", np.float64(0.5))
    assert type(glued["share"]) is float


def test_bounds_may_be_numbers_of_numpy(shown):
    claims.check("np", np.float64(1), at_most=np.float32(2), at_least=np.int64(0))
    assert json.loads(json.dumps(shown["outputs"]))[0][claims.CLAIM_MIME]["met"] is True
