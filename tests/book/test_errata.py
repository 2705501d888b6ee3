"""The page of errata: every defect, reference and promise has its entry, and every place that it names exists."""

import re

import pytest

from tests.book import appendix
from tools.pages import ROOT, pages

TEXT = appendix.text("errata")
COUNTS = {"a": 12, "b": 12, "c": 10, "d": 21, "e": 7, "f": 5}
DEFECTS = [f"{group}{number}" for group, count in COUNTS.items() for number in range(1, count + 1)]
ENTRIES = appendix.entries("errata")


def test_every_defect_has_its_entry_in_order():
    assert [label for label in ENTRIES if re.fullmatch(r"[a-f]\d+", label)] == DEFECTS


@pytest.mark.parametrize("label", DEFECTS)
def test_a_defect_says_what_why_what_instead_and_where(label):
    term, text = ENTRIES[label]
    assert term.startswith(f"{label.upper()}. ")
    assert re.findall(r"^: \*(\w+)\.\*", text, re.MULTILINE) == ["Said", "But", "Right", "Shown"]
    shown = text.split("*Shown.*")[1]
    assert "{doc}`" in shown or "**Argued, not demonstrated**" in shown


def test_all_27_references_are_corrected():
    references = {label: entry for label, entry in ENTRIES.items() if label.startswith("ref-")}
    assert list(references) == [f"ref-{number}" for number in range(1, 28)]
    for label, (term, text) in references.items():
        assert term.startswith(f"[{label.removeprefix('ref-')}] ")
        assert re.findall(r"^: \*(\w+)\.\*", text, re.MULTILINE) == ["Printed", "Right"]


PROMISES = re.findall(r"^\| P(\d+) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)


def test_there_are_41_promises():
    assert [int(number) for number, _, _ in PROMISES] == list(range(1, 42))


@pytest.mark.parametrize(("number", "place"), [(number, place) for number, _, place in PROMISES])
def test_a_promise_is_kept_at_its_place(number, place):
    listed = {path.with_suffix("").as_posix() for path in pages()}
    for target, sections in appendix.PLACE.findall(place):
        source = appendix.source(target)
        assert source.with_suffix("").relative_to(ROOT).as_posix() in listed
        assert set(appendix.NAMED.findall(sections)) <= appendix.sections(target)
    assert "{doc}`" in place


def test_errors_of_others_are_dated_or_cited_and_checked():
    public = {label: text for label, (_, text) in ENTRIES.items() if label.startswith("public-")}
    assert len(public) >= 5
    for text in public.values():
        assert re.search(r"\b20\d\d\b|\{cite:t\}", text)
        assert "\n: *Check.* " in text


def test_the_named_tests_exist():
    named = re.findall(r"[Tt]he test \*([^*]+)\* in `(tests/[\w/]+\.py)`", TEXT)
    assert len(named) == len(re.findall(r"`tests/[\w/]+\.py`", TEXT)) - 1  # the one more is that of D1 to D15
    for words, file in named:
        name = "test_" + words.replace(" ", "_")
        assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), name


def test_the_loops_defects_have_their_tests():
    text = (ROOT / "tests/book/test_broken_loop.py").read_text(encoding="utf-8")
    assert all(f"\ndef test_d{number:02}_" in text for number in range(1, 16))
