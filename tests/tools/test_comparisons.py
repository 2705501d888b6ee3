"""What curves say of the order of two rivals, on made-up curves; and the readers of stored ones."""

import pytest

from tools import comparisons, curves
from tools.comparisons import CROSSING, MISSING, MOVING, SETTLED

STEPS = (1, 2, 4, 8)


def curve(*values, steps=STEPS):
    """Return a curve of these values."""
    return dict(zip(map(float, steps), values, strict=True))


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (curve(9, 7, 5, 4.5), curve(9, 4, 2, 1.5), SETTLED),  # 3 apart, and half a unit of change
        (curve(9, 7, 5, 2.5), curve(9, 4, 2, 1.5), MOVING),  # 1 apart after a change of 2.5
        (curve(9, 7, 5, 4.5), curve(9, 4, 2, 7.5), CROSSING),  # after the half
        (curve(1, 1, 5, 4.5), curve(9, 4, 2, 1.5), SETTLED),  # what was before the half does not count
        (curve(9, 7, 5, 5), curve(9, 7, 5, 5), CROSSING),  # a tie has no order
        (curve(5, 4.5, steps=(6, 8)), curve(2, 1.5, steps=(6, 8)), MISSING),  # no point at the half
        (curve(5, 4.5, steps=(4, 8)), curve(2, 1.5, steps=(4, 8)), SETTLED),
        (curve(5, 4.5, steps=(4, 8)), curve(2, 1.5, steps=(3, 6)), MISSING),  # no length in common
        (curve(5, 2, 4.5, steps=(4, 6, 8)), curve(3, 3, 3, steps=(4, 6, 8)), CROSSING),  # there and back again
        (curve(5, 4.5, 4.4, steps=(1, 2, 3)), curve(3, 3, 3, steps=(1, 2, 3)), SETTLED),  # the half is after 1.5
    ],
)
def test_the_order_of_two_curves(ours, theirs, found):
    assert comparisons.verdict(ours, theirs) == found
    assert comparisons.verdict(theirs, ours) == found


def test_curves_that_end_against_the_claim_do_not_settle_it():
    above, below = curve(9, 7, 5, 4.5), curve(9, 4, 2, 1.5)
    assert comparisons.verdict(above, below, sign=0.3) == SETTLED
    assert comparisons.verdict(above, below, sign=-0.3) == CROSSING


@pytest.mark.parametrize(
    ("value", "rivals", "kind"),
    [
        (1.5, curves.Rivals(lambda: curve(9, 7, 5, 4.5), lambda: curve(9, 4, 2, 1.5)), comparisons.SETTLED),
        (0.5, curves.Rivals(lambda: curve(9, 7, 5, 4.5), lambda: curve(9, 4, 2, 1.5)), comparisons.CROSSING),
        (0.5, curves.Rivals(lambda: curve(9, 7, 5, 4.5), lambda: curve(9, 4, 2, 1.5), ratio=False), SETTLED),
        (1.5, curves.Rivals(lambda: curve(9, 7, 5, 4.5), lambda: curve(9, 4, 2, 1.5), falls=True), "settled, falling"),
    ],
)
def test_a_comparison_is_judged_by_its_curves(monkeypatch, value, rivals, kind):
    monkeypatch.setitem(curves.RIVALS, "a-over-b", rivals)
    claim = {"name": "a-over-b", "value": value, "comparison": {"curve": "c"}}
    assert comparisons.judge(claim) == kind
    assert comparisons.count([claim, {"name": "other", "comparison": None}])[kind] == 1
    assert comparisons.in_words(claim) == comparisons.KINDS[kind]


@pytest.mark.parametrize(("ours", "kind"), [(0.9, comparisons.TUNED), (0.7, comparisons.CROSSING)])
def test_shorter_runs_of_the_tuning_have_the_order_or_not(monkeypatch, ours, kind):
    monkeypatch.setitem(curves.TUNED, "a-over-b", curves.Rivals(lambda: ours, lambda: 0.8, ratio=False))
    assert comparisons.judge({"name": "a-over-b", "value": 0.05}) == kind


@pytest.mark.parametrize(
    ("ours", "kind"),
    [([3.0, 3.1, 2.9], comparisons.LENGTHS), ([1.0, 1.1, 0.9], comparisons.TURNED_ROUND), ([2.0, 2.3, 1.9], "tied")],
)
def test_runs_of_half_the_length_have_the_order_or_not(monkeypatch, ours, kind):
    theirs = [2.0, 2.1, 1.9]
    monkeypatch.setitem(curves.HALVES, "a-over-b", curves.Rivals(lambda: ours, lambda: theirs))
    claim = {"name": "a-over-b", "value": 1.5}
    assert comparisons.judge(claim) == kind
    assert ("of another length" in comparisons.in_words(claim)) == (kind == "tied")
    assert comparisons.judge(claim | {"value": 0.5}) == {
        comparisons.LENGTHS: comparisons.TURNED_ROUND, comparisons.TURNED_ROUND: comparisons.LENGTHS, "tied": "tied"
    }[kind]  # fmt: skip


@pytest.mark.parametrize(("ours", "kind"), [([2.3, 1.9, 2.2], comparisons.LENGTHS), ([3.0, 2.9, 3.1], "turned")])
def test_runs_of_another_length_keep_the_bounds_of_a_claim_that_two_hardly_differ(monkeypatch, ours, kind):
    theirs = [2.0, 2.1, 1.9]
    monkeypatch.setitem(curves.TWICE, "a-minus-b", curves.Rivals(lambda: ours, lambda: theirs, ratio=False))
    claim = {"name": "a-minus-b", "value": -0.1, "at_least": -0.5, "at_most": 0.5}
    assert comparisons.judge(claim) == kind
    words = "within the same bounds" if kind == comparisons.LENGTHS else "out of these bounds"
    assert comparisons.in_words(claim) == f"{words} after twice as long a training"
    assert comparisons.judge(claim | {"at_most": None}) == comparisons.LENGTHS  # no worse than so much


def test_pairs_are_compared_seed_by_seed():
    ours, theirs = [1.0, 5.0, 9.0], [0.9, 4.8, 8.9]
    assert comparisons.of_runs(ours, theirs, 1) == comparisons.TIED
    assert comparisons.of_runs(ours, theirs, 1, paired=True) == comparisons.LENGTHS


@pytest.mark.parametrize(
    ("ours", "falls", "kind"),
    [
        ([[9, 9, 9], [5.1, 5, 4.9], [3, 3.1, 2.9]], False, comparisons.HALFWAY),
        ([[9, 9, 9], [5.1, 5, 4.9], [3, 3.1, 2.9]], True, MOVING),  # the half of a falling rate is no shorter run
        ([[9, 9, 9], [9, 5, 1], [3, 3.1, 2.9]], False, MOVING),  # not three standard errors apart
        ([9, 5, 3], False, MOVING),  # the means alone say nothing of errors
    ],
)
def test_order_halfway_at_a_constant_rate_is_that_of_shorter_runs(monkeypatch, ours, falls, kind):
    ours = curve(*ours, steps=(2, 4, 8))
    theirs = curve([8, 8, 8], [4.1, 4, 3.9], [2, 2.1, 1.9], steps=(2, 4, 8))
    monkeypatch.setitem(curves.RIVALS, "a-over-b", curves.Rivals(lambda: ours, lambda: theirs, falls=falls))
    assert comparisons.judge({"name": "a-over-b", "value": 1.5}) == kind


@pytest.mark.parametrize("name", curves.HALVES | curves.TWICE)
def test_all_seeds_of_another_length_are_stored(name):
    rivals = (curves.HALVES | curves.TWICE)[name]
    counts = [len(read()) for read in rivals[:2]]
    assert min(counts) >= 3
    assert not rivals.paired or len(set(counts)) == 1


def test_runs_of_another_length_that_are_not_stored_are_no_empty_list():
    with pytest.raises(LookupError, match=r"widths: got .*'width': 7"):
        curves.separate("widths", "validation", width=7)()


def test_the_half_of_pairs_is_compared_seed_by_seed(monkeypatch):
    ours = curve([9, 9, 9], [1, 5, 9], [1, 2, 3], steps=(2, 4, 8))
    theirs = curve([9, 9, 9], [0.9, 4.8, 8.9], [0, 1, 1.9], steps=(2, 4, 8))
    rivals = curves.Rivals(lambda: ours, lambda: theirs, paired=True)
    monkeypatch.setitem(curves.RIVALS, "a-over-b", rivals)
    assert comparisons.judge({"name": "a-over-b", "value": 1.5}) == comparisons.HALFWAY
    monkeypatch.setitem(curves.RIVALS, "a-over-b", rivals._replace(paired=False))
    assert comparisons.judge({"name": "a-over-b", "value": 1.5}) == MOVING


def test_separate_runs_come_first_and_nothing_is_known_of_the_rest():
    assert comparisons.judge({"name": "tied-over-untied-sse", "value": 1.05}) == comparisons.LENGTHS
    assert comparisons.in_words({"name": "tied-over-untied-sse", "value": 1.05}) == "40 and 80 epochs"
    turned = {"name": "stability-falling-spread-lost", "value": 0.15}
    assert comparisons.judge(turned) == comparisons.TURNED_ROUND
    assert comparisons.in_words(turned) == "the other order after 16,000 steps"
    assert comparisons.judge({"name": "a-over-c", "value": 1.5}) == MISSING
    assert comparisons.in_words({"name": comparisons.UNTRAINED[0], "value": 0.04}) == "neither is trained"


def test_a_run_that_stopped_keeps_its_last_value():
    found = curves.by_length([[4.0, 2.0], [4.0, 3.0, 2.0]])
    assert {length: list(values) for length, values in found.items()} == {1.0: [4, 4], 2.0: [2, 3], 3.0: [2, 2]}
    assert curves.by_length([[4.0, 2.0]], lengths=[10, 20]) == {10.0: [4.0], 20.0: [2.0]}


@pytest.mark.parametrize("name", curves.RIVALS)
def test_every_pair_of_curves_is_stored(name):
    ours, theirs = (read() for read in curves.RIVALS[name][:2])
    assert len(ours.keys() & theirs.keys()) >= 2


def test_curves_of_shares_end_together():
    rivals = curves.RIVALS["cycle-l1-over-pix2pix-half"]
    assert max(rivals.ours()) == max(rivals.theirs()) == 1
    assert 0.5 in rivals.ours().keys() & rivals.theirs().keys()
