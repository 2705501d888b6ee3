"""The readers' edition says what the built pages say, in Markdown that needs no extension."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tools.pages import ROOT, notebooks

HTML = ROOT / "_build" / "html"
# What Markdown looks like that only MyST knows.
MYST = re.compile(r"\{[\w:+-]+\}`|^[ >]*(`{3,}|:{3,})\{", re.MULTILINE)
RENDERER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
# Of a page, what is no prose, and of a notebook, what a page has no need of.
NO_PROSE = ".cell_input, .cell_output, .headerlink, .math, details.hide, script, noscript, style"
ONLY_HERE = re.compile(r"In the cells below\.|Use it on the page\.")


@pytest.fixture(scope="module", params=notebooks(), ids=str)
def chapter(request):
    """The path of a chapter, and its readers' notebook, as its page offers it."""
    return request.param, nbformat.read(HTML / "_sources" / request.param, as_version=4)


def texts(notebook):
    """List the sources of a notebook's Markdown cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def words(soup):
    """List the words of some HTML without its formulas, and with numbers as they are shown."""
    return re.sub(r"\s+|(?<=×) ", " ", soup.get_text()).split()


def said_on_page(path):
    """List the words of a page's prose, in which a citation has brackets."""
    soup = BeautifulSoup((HTML / path).with_suffix(".html").read_text(encoding="utf-8"), "html.parser")
    article = soup.select_one("article.bd-article")
    for cell in article.select(".cell"):
        cell.replace_with(*cell.select("figcaption"))
    for node in article.select(NO_PROSE):
        node.replace_with("¤" if "math" in node.get("class", []) else "")
    for node in article.select(".bibtex-citation"):
        for text in node.find_all(string=re.compile(r"[\[\]]")):
            text.replace_with(text.translate(str.maketrans("[]", "()")))
    return words(article)


def said_in_notebook(notebook):
    """List the words of a notebook's prose."""
    soup = BeautifulSoup("\n".join(map(RENDERER.render, texts(notebook))), "html.parser")
    for node in soup.select(".math"):
        node.replace_with("¤")
    for node in soup.select("summary"):
        if node.get_text().endswith(", continued"):
            node.decompose()
    for text in soup.find_all(string=ONLY_HERE):
        text.replace_with(ONLY_HERE.sub("", text))
    return words(soup)


def test_no_role_and_no_directive_is_left(chapter):
    assert [found[0] for text in texts(chapter[1]) for found in MYST.finditer(text)] == []


def test_prose_and_its_numbers_are_the_pages(chapter):
    path, notebook = chapter
    assert said_in_notebook(notebook) == said_on_page(path)
