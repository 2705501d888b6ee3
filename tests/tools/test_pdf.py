"""The book as one document: what becomes of links, ids, pictures and folds of two small pages."""

import re

import pytest

from tools.pdf import chapter, document, link, parts, target
from tools.sphinx_site import PDF_LINK, PDF_PLACE

TOC = "root: book/index\nparts: [{caption: First, chapters: [{file: book/a/one.ipynb}]}]\n"
HEAD = """<head><link rel="stylesheet" href="../_static/x.css"><link rel="icon" href="../_static/i.svg">
<script>window.MathJax = {}</script><script defer src="../_static/mathjax/tex.js"></script></head>"""
PAGE = """<html>{head}<body><p>Around</p><article class="bd-article"><section id="top">
<h1>{title}<a class="headerlink" href="#top">#</a></h1>{rest}</section></article></body></html>"""
INDEX = '<a href="a/one.html#place">One</a> <a href="#top">up</a> <a href="https://example.org">else</a>'
ONE = """<img src="../../_images/p.png" alt="p"><a id="place" href="../../_sources/one.ipynb">file</a>
<div class="cell tag_hide-input"><details class="above-input"><summary>Show</summary>plot()</details></div>
<details><summary>Solution</summary><p>42</p></details><script>move()</script><noscript>A map.</noscript>"""
KNOWN = {"book/index", "book/a/one"}


@pytest.fixture
def book(tmp_path):
    """A book of a landing page and a chapter, as if it were built."""
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "_config.yml").write_text("title: A & B\nauthor: Someone\n")
    (tmp_path / "book/a").mkdir(parents=True)
    (tmp_path / "book/index.html").write_text(PAGE.format(head=HEAD, title="Start", rest=INDEX))
    (tmp_path / "book/a/one.html").write_text(PAGE.format(head="", title="One", rest=ONE))
    return tmp_path


def test_parts_are_those_of_the_contents(book):
    assert parts(book) == [("", ["book/index"]), ("First", ["book/a/one"])]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("#here", "#book-a-one--here"),
        ("../index.html", "#book-index"),
        ("../index.html#top", "#book-index--top"),
        ("https://example.org/x.html", "https://example.org/x.html"),
        ("../../_sources/one.ipynb", None),
    ],
)
def test_links_stay_in_the_document(address, place):
    assert target("book/a/one", address, KNOWN) == place


def test_chapter_is_stilled_and_unfolded():
    title, section = chapter("book/a/one", PAGE.format(head="", title="One", rest=ONE), KNOWN)
    assert title == "One"
    assert 'src="/_images/p.png"' in section
    assert "<p>A map.</p>" in section
    assert '<details open="">' in section
    assert not re.search("Around|Show|Solution|plot|move|script|headerlink|_sources", section)


def test_every_link_of_the_document_has_its_place(book):
    text = document(book, book)
    places = set(re.findall(' id="([^"]*)"', text))
    linked = set(re.findall('href="#([^"]*)"', text))
    assert linked >= {"book-index", "book-a-one", "book-index--top"}
    assert linked - places == {"book-a-one--place"}  # it was the link to a file, which is not in print
    assert text.index("window.MathJax") < text.index("/_static/mathjax/tex.js")
    assert '<link href="/_static/x.css" rel="stylesheet"/>' in text
    assert "<title>A &amp; B</title>" in text


def test_first_page_gets_the_link_once(tmp_path):
    page = tmp_path / "index.html"
    page.write_text(f"<p>Text.</p>{PDF_PLACE}")
    for _ in range(2):
        link(page)
        assert page.read_text() == f"<p>Text.</p>{PDF_LINK}"
