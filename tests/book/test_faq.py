"""The page of questions: every entry is complete, every place that it names exists, every thread has a name."""

import re

import pytest

from tests.book import appendix

TEXT = appendix.text("faq")
ENTRIES = appendix.entries("faq")
SOURCE = ["what-autoencoder", "what-gan", "difference", "autoencoder-size", "gan-size", "advantages"]
ASKED = [label for label in ENTRIES if label not in SOURCE]
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


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
    texts = [TEXT, appendix.text("errata"), appendix.source("../gans/broken_loop").read_text(encoding="utf-8")]
    named = re.findall(r"\{ref\}`[^`]*<([\w-]+)>`", TEXT)
    assert named
    assert all(f"\n({label})=\n" in "\n".join(texts) for label in named)
