"""The appendix: a small book built with the extension for the bibliography and the glossary."""

import re
import warnings

import pytest
from pybtex.database import parse_string
from sphinx.application import Sphinx

from tools.sphinx_appendix import author_year

EXTENSIONS = ["myst_parser", "sphinxcontrib.bibtex", "tools.sphinx_appendix"]
BIB = r"""
@book{knuth1968, author = {Knuth, Donald}, title = {Art}, publisher = {A}, year = {1968}}
@book{cent1970, author = {{\v{C}}ent, A. and van der Berg, B.}, title = {Two}, publisher = {A}, year = {1970}}
@book{three1980, author = {One, A. and Two, B. and Three, C.}, title = {Three}, publisher = {A}, year = {1980}}
@book{unread1990, author = {Nobody, A.}, title = {Never cited}, publisher = {A}, year = {1990}}
"""
PAGES = {
    "index": "# First page\n\n{cite}`knuth1968` and {cite}`knuth1968`\n\n```{toctree}\nlast\nsecond\nwords\n```\n",
    "second": "# Second page\n\n{cite:t}`three1980,cent1970`\n",
    "last": "# Works\n\n```{bibliography}\n```\n",
    "words": "# Words\n\n```{glossary}\ncode\n编码\n  A *word*.\n\nloss\n  Another.\n```\n",
}


def build(book):
    """Build the pages; return the HTML of each."""
    config = {"extensions": EXTENSIONS, "bibtex_bibfiles": ["references.bib"], "bibtex_cite_id": "{key}"}
    out = book / "_build"
    Sphinx(book, None, out, out / "doctrees", "html", config, status=None, warning=None).build()
    return {name: (out / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of four pages."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "references.bib").write_text(BIB, encoding="utf-8")
    for name, text in PAGES.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def html(book):
    """The pages as they were first built."""
    with warnings.catch_warnings(action="ignore"):  # Sphinx's own
        return build(book)


def test_a_work_leads_to_the_first_place_of_each_page_that_cites_it(html):
    cited = dict(re.findall(r'<dt id="(\w+)">.*?<p class="cited-in">(.+?)</p>', html["last"], re.DOTALL))
    assert set(cited) == {"knuth1968", "three1980", "cent1970"}
    first = re.search(r'class="bibtex-citation" id="(\w+)"', html["index"])[1]
    assert re.findall(r'href="([^"]+)">([^<]+)</a>', cited["knuth1968"]) == [(f"index.html#{first}", "First page")]
    assert "Second page" in cited["three1980"]
    assert 'href="last.html#three1980"' in html["second"]


def test_the_bibliography_is_a_list_of_definitions_and_of_nothing_else(html):
    listing = re.search(r'<dl class="[^"]*bibliography.*?</dl>', html["last"], re.DOTALL)[0]
    assert "role=" not in listing
    assert re.findall(r"<(dl|dt|dd)\b", listing) == ["dl", *["dt", "dd", "dd"] * 3]
    assert "Art" in listing
    assert "Never cited" not in listing


def test_chinese_terms_are_marked_as_chinese(html):
    assert re.findall(r'<dt id="term-[^"]*"( lang="zh")?>([^<]+)', html["words"]) == [
        ("", "code"),
        (' lang="zh"', "编码"),
        ("", "loss"),
    ]


@pytest.mark.filterwarnings("default")
def test_the_bibliography_follows_a_page_that_cites_more(book, html):
    (book / "second.md").write_text(PAGES["second"] + "\n{cite}`knuth1968`\n", encoding="utf-8")
    links = r"First page</a>; <a [^>]+>Second page</a>"
    assert not re.search(links, html["last"])
    assert re.search(links, build(book)["last"])


@pytest.mark.parametrize(
    ("key", "name"),
    [("knuth1968", "Knuth, 1968"), ("cent1970", "Čent and van der Berg, 1970"), ("three1980", "One et al., 1980")],
)
def test_works_are_named_as_in_the_text(key, name):
    assert author_year(parse_string(BIB, "bibtex").entries[key]) == name
