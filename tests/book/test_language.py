"""The language of the pages, as far as a machine sees it: bounds on what reads as translated, and links of terms."""

import pytest

from tools.language import counts, sources

TEXTS = sources()


class Found(dict):
    """What was found on each page, which is looked at when a test asks for it: all pages take five seconds."""

    def __missing__(self, page):
        return self.setdefault(page, counts(page, TEXTS))


FOUND = Found()


def places(habit, pages=TEXTS):
    """List page, line and words of each place with a habit."""
    return [(page, *place) for page in pages for place in FOUND[page][habit]]


@pytest.mark.parametrize("page", TEXTS)
def test_derivatives_are_taken_with_respect_to_something(page):
    assert FOUND[page]["by"] == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_paragraph_is_long(page):
    assert FOUND[page]["long"] == []


@pytest.mark.parametrize("page", TEXTS)
def test_a_chapter_links_or_defines_a_term_where_it_first_uses_it(page):
    assert FOUND[page]["terms"] == []


@pytest.mark.parametrize("page", [page for page in TEXTS if page != "appendix/errata"])  # which quotes old pages
def test_a_page_has_the_words_of_the_field(page):
    assert {word: FOUND[page][word] for word in ("law", "pile", "judge") if FOUND[page][word]} == {}


@pytest.mark.parametrize("page", TEXTS)
def test_few_sentences_are_fragments(page):
    assert len(FOUND[page]["fragment"]) <= 5, FOUND[page]["fragment"]


def test_and_no_is_rare():
    assert len(places("and no")) <= 3, places("and no")


def test_the_source_is_named_in_the_errata():
    elsewhere = places("source", [page for page in TEXTS if page != "appendix/errata"])
    assert len(elsewhere) <= 5, elsewhere
