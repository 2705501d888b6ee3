"""The glossary: in order, each term explained by a page, and linked where the book uses it."""

import re

import pytest

from tests.book import appendix
from tools.pages import ROOT, pages

TEXT = appendix.text("glossary")
BLOCK = re.compile(r"^```\{glossary\}\n(.+?)^```$", re.MULTILINE | re.DOTALL)
ENTRIES = [entry for block in BLOCK.findall(TEXT) for entry in block.strip().split("\n\n")]
TERMS = [[line for line in entry.splitlines() if not line.startswith("  ")] for entry in ENTRIES]
SOURCES = {page: (ROOT / page).with_suffix(".md").read_text(encoding="utf-8") for page in pages()}
GLOSSARY = next(page for page in SOURCES if page.stem == "glossary")


def targets(text):
    """List the terms that a page's {term} roles name."""
    roles = re.findall(r"\{term\}`([^`]+)`", text)
    return [re.sub(r"^.*<(.+)>$", r"\1", role, flags=re.DOTALL) for role in roles]


LINKED = {target.casefold() for page, text in SOURCES.items() if page != GLOSSARY for target in targets(text)}


def test_entries_stand_once_and_in_order():
    first = [terms[0].replace("é", "e").casefold() for terms in TERMS]
    assert first == sorted(set(first))
    assert [letter.upper() for letter in dict.fromkeys(term[0] for term in first)] == re.findall(
        r"^## (.)$", TEXT, re.MULTILINE
    )


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: terms[0])
def test_a_term_is_linked_from_a_page_that_uses_it(terms):
    assert {term.casefold() for term in terms} & LINKED


@pytest.mark.parametrize("page", SOURCES, ids=str)
def test_links_name_terms_of_the_glossary(page):
    known = {term.casefold() for terms in TERMS for term in terms}
    assert [target for target in targets(SOURCES[page]) if target.casefold() not in known] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.splitlines()[0])
def test_an_entry_names_the_page_that_explains_it(entry):
    (target,) = re.findall(r"See \{doc\}`([^`]+)`\.$", entry)
    assert appendix.source(target).relative_to(ROOT) in {page.with_suffix(".md") for page in SOURCES}
