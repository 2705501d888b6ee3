"""The page of questions: every entry is complete, every place that it names exists, every thread has a name."""

import re

import pytest

from tools.pages import ROOT, pages

PAGE = ROOT / "book" / "appendix" / "faq.md"
TEXT = PAGE.read_text(encoding="utf-8")
ENTRY = re.compile(r"^\(faq-([\w-]+)\)=\n(.+)\n((?:: .+\n)+)", re.MULTILINE)
ENTRIES = {label: (term, text) for label, term, text in ENTRY.findall(TEXT)}
SOURCE = ["what-autoencoder", "what-gan", "difference", "autoencoder-size", "gan-size", "advantages"]
ASKED = [label for label in ENTRIES if label not in SOURCE]
PLACE = re.compile(r'\{doc\}`([^`]+)`((?:(?:, | and )".+?"(?=[,;:.)]| and | \||$| \())*)', re.MULTILINE)
PLACES = [(target, re.findall(r'(?:, | and )"(.+?)"(?=, "| and "|$)', names)) for target, names in PLACE.findall(TEXT)]
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def source(target):
    """Return the .md file of a {doc} target of the page."""
    return (PAGE.parent / target).resolve().with_suffix(".md")


def test_every_anchor_stands_once_above_an_entry():
    anchors = re.findall(r"^\(faq-([\w-]+)\)=$", TEXT, re.MULTILINE)
    assert len(anchors) == len(set(anchors))
    assert anchors == list(ENTRIES)


def test_the_source_and_its_users_are_answered():
    assert list(ENTRIES)[: len(SOURCE)] == SOURCE
    assert len(ASKED) >= 25


@pytest.mark.parametrize("label", SOURCE)
def test_a_question_of_the_source_is_answered_and_shown(label):
    _, text = ENTRIES[label]
    assert re.findall(r"^: \*(\w+)\.\*", text, re.MULTILINE) == ["Answer", "Shown"]
    assert "{doc}`" in text.split("*Shown.*")[1]


@pytest.mark.parametrize("label", ASKED)
def test_a_question_of_users_has_its_six_parts(label):
    _, text = ENTRIES[label]
    parts = re.findall(r"^: \*(\w+)\.\*", text, re.MULTILINE)
    assert parts == ["Seen", "Answer", "Why", "Do", "Shown", "Asked"]
    shown, asked = text.split("*Shown.*")[1].split("*Asked.*")
    assert "{doc}`" in shown or "**not shown in this book**" in shown
    assert LINK.search(asked)
    assert re.search(r"\b20[12]\d\b", asked)


def test_every_link_is_a_named_thread():
    links = LINK.findall(TEXT)
    assert len(links) >= len(ASKED)
    assert len({url for _, url in links}) == len(links)
    for name, url in links:
        assert url.startswith("https://")
        kind, number = re.search(r"(issue|pull request|question) (\d+)$", name).groups()
        assert f"/{ {'issue': 'issues', 'pull request': 'pull', 'question': 'questions'}[kind] }/{number}" in url


def test_references_to_entries_exist():
    errata = (PAGE.parent / "errata.md").read_text(encoding="utf-8")
    named = re.findall(r"\{ref\}`[^`]*<([\w-]+)>`", TEXT)
    assert named
    assert all(f"\n({label})=\n" in TEXT + errata for label in named)


@pytest.mark.parametrize("target", sorted({target for target, _ in PLACES}))
def test_a_linked_page_is_in_the_book(target):
    assert source(target).relative_to(ROOT) in {page.with_suffix(".md") for page in pages()}


@pytest.mark.parametrize("target", sorted({target for target, _ in PLACES}))
def test_the_named_sections_exist(target):
    headings = set(re.findall(r"^##+ (.+)$", source(target).read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for place, names in PLACES for name in names if place == target}
    assert named <= headings


def test_sections_were_found():
    assert len(PLACES) == TEXT.count("{doc}`")
    assert sum(len(names) for _, names in PLACES) > 60
