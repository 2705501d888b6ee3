"""The site's extension: a small book built with it, with an address and without one."""

import re
import time
from urllib.parse import urljoin, urlsplit

import nbformat
import pytest
from docutils.core import publish_doctree
from nbformat import v4
from sphinx.application import Sphinx

from tools.bootstrap import SETTING
from tools.sphinx_site import DESCRIPTION_LENGTH, STREAM, description, mend

EXTENSIONS = ["myst_nb", "sphinx_book_theme", "tools.sphinx_site"]
TOC = "format: jb-book\nroot: index\nchapters: [{file: part/one.ipynb}]\n"
INDEX = "# The book\n\nAll about *A & B*.\n\n```{toctree}\npart/one.ipynb\n```\n"
CHAPTER = "# One\n\n- **You will do**: measure\n  a thing.\n- **You need**: nothing."
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
ADDRESS = "https://github.com/someone/a-book"
SITE = "https://someone.github.io/a-book/"

pytestmark = pytest.mark.filterwarnings("default")  # Sphinx's own


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function that builds the small book with an address or none, each once, and returns the folder of pages."""
    done = {}

    def building(address):
        """Return the folder."""
        if address not in done:
            done[address] = build(tmp_path_factory.mktemp("book"), address)
        return done[address]

    return building


def build(book, address):
    """Write the book and build its pages."""
    (book / "part").mkdir()
    (book / "_toc.yml").write_text(TOC)
    (book / "index.md").write_text(INDEX)
    (book / "part/one.md").write_text(CHAPTER)
    (book / "constraints.txt").write_text("jax==0.10.2\nkeras==3.15.1\n")
    code = v4.new_code_cell("1 + 1", metadata={"tags": ["hide-input"]})
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(CHAPTER), code], metadata=METADATA)
    nbformat.write(notebook, book / "part/one.ipynb")
    config = {"extensions": EXTENSIONS, "html_theme": "sphinx_book_theme", "html_title": "The book"}
    config |= {
        "nb_execution_mode": "off",
        "exclude_patterns": ["part/*.md", "out"],
        "source_suffix": {".md": "myst-nb", ".ipynb": "myst-nb"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, address)
        Sphinx(book, None, book / "out", book / "trees", "html", config, status=None, warning=None).build()
    return book / "out"


def links(page, kind="href"):
    """List where a page's attributes lead."""
    return re.findall(rf'<[^>]* {kind}="([^"]*)"', page.read_text(encoding="utf-8"))


@pytest.fixture(params=["", ADDRESS], ids=["no address", "address"])
def pages(request, built):
    """The pages with an address and without."""
    return built(request.param)


def test_chapter_offers_notebook_and_markdown(pages):
    offered = [link for link in links(pages / "part/one.html") if "_sources" in link]
    assert offered == ["../_sources/part/one.ipynb", "../_sources/part/one.md"]
    assert (pages / "_sources/part/one.md").read_text() == CHAPTER
    assert nbformat.read(pages / "_sources/part/one.ipynb", as_version=4).cells[-1].source == "1 + 1"


def test_buttons_open_this_repository(built):
    offered = [link for link in links(built(ADDRESS) / "part/one.html") if "mybinder" in link or "colab" in link]
    assert offered == [
        "https://mybinder.org/v2/gh/someone/a-book/colab?urlpath=lab/tree/part/one.ipynb",
        "https://colab.research.google.com/github/someone/a-book/blob/colab/part/one.ipynb",
    ]
    cells = nbformat.read(built(ADDRESS) / "_sources/part/one.ipynb", as_version=4).cells
    assert ADDRESS in cells[1].source


def test_without_an_address_nothing_leads_elsewhere(built):
    pages = built("")
    found = [
        link for page in pages.rglob("*.html") for kind in ("href", "src", "content") for link in links(page, kind)
    ]
    own = {link for link in found if re.match("https?:", link)} - {"https://jupyterbook.org"}
    assert {urlsplit(link).netloc for link in own} <= {"www.sphinx-doc.org", "pydata-sphinx-theme.readthedocs.io"}
    assert not (pages / "sitemap.xml").exists()
    assert len(nbformat.read(pages / "_sources/part/one.ipynb", as_version=4).cells) == 2


def test_every_page_says_what_it_is_about(pages):
    one, index = ((pages / name).read_text(encoding="utf-8") for name in ("part/one.html", "index.html"))
    assert '<meta name="description" content="Measure a thing." />' in one
    assert '<meta property="og:title" content="One" />' in one
    assert '<meta name="description" content="All about A &amp; B." />' in index


def test_previews_and_search_engines_get_whole_addresses(built):
    pages = built(ADDRESS)
    html = (pages / "part/one.html").read_text(encoding="utf-8")
    assert f'<meta property="og:url" content="{SITE}part/one.html" />' in html
    assert f'<meta property="og:image" content="{SITE}_static/page.png" />' in html
    assert f'<link rel="canonical" href="{SITE}part/one.html" />' in html
    listed = re.findall("<loc>(.*)</loc>", (pages / "sitemap.xml").read_text())
    assert listed == [f"{SITE}index.html", f"{SITE}part/one.html"]
    assert f"Sitemap: {SITE}sitemap.xml" in (pages / "robots.txt").read_text()


def test_page_for_missing_addresses_works_at_any_depth(built):
    pages = built(ADDRESS)
    base = re.search('<base href="(.*)" />', (pages / "404.html").read_text())[1]
    assert base == urlsplit(SITE).path
    linked = [link for kind in ("href", "src") for link in links(pages / "404.html", kind) if "//" not in link]
    paths = {urlsplit(urljoin(base, link)).path for link in linked if not link.startswith(("data:", "#"))}
    found = [path for path in paths if not (pages / path.removeprefix(base)).exists()]
    assert found == []
    assert f"{base}part/one.html" in paths


def test_names_are_the_texts_shown(pages):
    html = (pages / "part/one.html").read_text(encoding="utf-8")
    assert "<summary>" in html
    assert "Toggle hidden content" not in html
    assert '<nav class="book-sidebar" aria-label="Book">' in html
    assert re.search(r'<button class="[^"]*search-button-field[^"]*">', html)


def test_long_description_ends_at_a_word():
    text = description(publish_doctree("word " * 200))
    assert len(text) <= DESCRIPTION_LENGTH + 2
    assert text.endswith("word …")
    assert description(publish_doctree("")) == ""


def test_icons_come_from_the_stylesheet_alone(built):
    static = built("") / "_static"
    assert (static / "scripts/fontawesome.js").read_bytes() == b""
    assert ".fa-bars:before" in (static / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")


FORMULA = '<span class="math notranslate nohighlight">\\(x\\)</span>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"<p>of {FORMULA}, and", f'<p>of <span class="whole">{FORMULA},</span> and'),
        (f"<p>({FORMULA}’s)</p>", f'<p><span class="whole">({FORMULA}’s)</span></p>'),
        (f"<em>{FORMULA}</em>", f'<em><span class="whole">{FORMULA}</span></em>'),
        (f"{STREAM}<pre>a 1\nb 2\nc 3\n</pre>", f'{STREAM}<pre class="rows">a 1\nb 2\nc 3\n</pre>'),
        (f"{STREAM}<pre>one\nlong line</pre>", f"{STREAM}<pre>one\nlong line</pre>"),
        (
            '<img alt="b" src="../_images/a.svg" />',
            '<a class="picture" href="../_images/a.svg"><img alt="b" src="../_images/a.svg" /></a>',
        ),
        ('<img alt="b" src="data:image/png;base64,aa" />', '<img alt="b" src="data:image/png;base64,aa" />'),
        ('<span class="pasted-text">-0.02</span>', '<span class="pasted-text">−0.02</span>'),
        ('<span class="pasted-text">4e-08</span>', '<span class="pasted-text">4 × 10<sup>−8</sup></span>'),
        ('<span class="pasted-text">-1.5e+20 s</span>', '<span class="pasted-text">−1.5 × 10<sup>20</sup> s</span>'),
        ('<span class="pasted-text">a - b</span> -1', '<span class="pasted-text">a - b</span> -1'),
    ],
)
def test_page_is_mended(before, after):
    assert mend(before) == after


def test_long_words_are_read_once():
    begun = time.perf_counter()
    assert mend("x" * 1_000_000) == "x" * 1_000_000
    assert time.perf_counter() - begun < 5
