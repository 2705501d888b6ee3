"""The whole book as one PDF, printed by the tests' Chromium from the built pages.

Usage: python -m tools.pdf      (after `make book`; writes book.pdf beside the pages and links it from the first one)

The pages already are what the book should look like, mathematics and highlighted code included; TeX would need its own
rendering of each, and a gigabyte of packages. What moves or folds is stilled: a figure that needs a hand is replaced by
its text alternative, exercises are unfolded, and code that does nothing but draw a figure is left out.
"""

import functools
import html
import http.server
import posixpath
import threading
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from tools import browser
from tools.pages import ROOT
from tools.sphinx_site import PDF, PDF_LINK, PDF_PLACE

HTML = ROOT / "_build" / "html"
SHEET = "book-to-print.html"
LEFT_OUT = (
    "script, .headerlink, .cell.tag_hide-input > details.above-input, summary, .film button, .film input, .film output"
)
DOCUMENT = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>{head}</head>
<body>
<section class="cover"><h1>{title}</h1><p>{author}</p><img src="/_static/recipes.png" alt="">
<p>Printed from the book's pages. There the figures move, the code that draws them can be unfolded, and every chapter
can be downloaded as a notebook.</p></section>
<section class="contents"><h1>Contents</h1>{contents}</section>
<main class="bd-content"><article class="bd-article">{chapters}</article></main>
</body></html>
"""
LINE = '<li><a href="#{slug}">{title}</a><span class="dots"></span><span class="number" data-of="{slug}">0</span></li>'
# Numbers of pages are known once the book has been printed; the second printing has them.
NUMBER = """(numbers) => document.querySelectorAll("[data-of]").forEach((span) => {
  span.textContent = numbers[span.dataset.of];
})"""
READY = """async () => {
  document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  await MathJax.startup.promise;
  await Promise.all([...document.images].map((image) => image.decode()));
  return [...document.querySelectorAll("mjx-merror")].map((error) => error.textContent);
}"""


def parts(root=ROOT):
    """List the parts of the table of contents.

    Parameters
    ----------
    root : Path
        Folder that holds ``_toc.yml``.

    Returns
    -------
    list of (str, list of str)
        A part's name, and its pages without suffix. The first part is the landing page alone.
    """
    toc = yaml.safe_load((Path(root) / "_toc.yml").read_text(encoding="utf-8"))
    rest = [
        (part["caption"], [one["file"].removesuffix(".ipynb") for one in part["chapters"]]) for part in toc["parts"]
    ]
    return [("", [toc["root"]]), *rest]


def slug(page):
    """Return the id of a page's section: its path without slashes."""
    return page.replace("/", "-")


def target(page, address, known):
    """Return where a link of a page leads in print.

    Parameters
    ----------
    page, address : str
        The page without suffix, and the link's address as it stands there.
    known : set of str
        All pages.

    Returns
    -------
    str or None
        An address elsewhere as it is, a place in the book as ``#slug--id``; None for a file that is not in print.
    """
    place = urlsplit(address)
    if place.scheme:
        return address
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), place.path)) if place.path else f"{page}.html"
    name = path.removesuffix(".html")
    if name not in known:
        return None
    return f"#{slug(name)}--{place.fragment}" if place.fragment else f"#{slug(name)}"


def chapter(page, text, known):
    """Return a page as a section of the one document, and its title.

    Parameters
    ----------
    page, text : str
        The page without suffix, and its HTML.
    known : set of str
        All pages.

    Returns
    -------
    title, section : str
        Both HTML; every id begins with the page's slug.
    """
    article = BeautifulSoup(text, "html.parser").select_one("article.bd-article")
    for node in article.select(LEFT_OUT):
        node.decompose()
    for node in article.select("noscript"):
        node.name = "p"
    for node in article.select("details"):
        node["open"] = ""
    for node in article.select("[id]"):
        node["id"] = f"{slug(page)}--{node['id']}"
    for node in article.select("img[src]"):
        if not urlsplit(node["src"]).scheme:
            node["src"] = posixpath.normpath(posixpath.join("/", posixpath.dirname(page), node["src"]))
    for node in article.select("a[href]"):
        found = target(page, node["href"], known)
        if found is None:
            node.unwrap()
        else:
            node["href"] = found
    title = html.escape(article.select_one("h1").get_text())
    return title, f'<section class="chapter" id="{slug(page)}">{article.decode_contents()}</section>'


def head(text, page):
    """Return the styles and the mathematics of a built page, for a document at the site's root."""
    soup = BeautifulSoup(text, "html.parser")
    kept = soup.select("link[rel=stylesheet], script[src*=mathjax]")
    for node in kept:
        key = "href" if node.name == "link" else "src"
        node[key] = posixpath.normpath(posixpath.join("/", posixpath.dirname(page), node[key]))
    settings = [node for node in soup.select("script") if (node.string or "").startswith("window.MathJax")]
    return "".join(map(str, [*settings, *kept])) + '<link rel="stylesheet" href="/_static/print.css">'


def document(built=HTML, root=ROOT):
    """Return the book as the HTML of one document.

    Parameters
    ----------
    built, root : Path
        The folder of built pages, and the one of ``_toc.yml`` and ``_config.yml``.

    Returns
    -------
    str
    """
    settings = yaml.safe_load((Path(root) / "_config.yml").read_text(encoding="utf-8"))
    known = {page for _, group in parts(root) for page in group}
    texts = {page: (Path(built) / f"{page}.html").read_text(encoding="utf-8") for page in known}
    sections, contents = [], []
    for name, group in parts(root):
        printed = [chapter(page, texts[page], known) for page in group]
        lines = "".join(
            LINE.format(slug=slug(page), title=title) for page, (title, _) in zip(group, printed, strict=True)
        )
        contents.append(f"<p><strong>{html.escape(name)}</strong></p><ol>{lines}</ol>")
        sections += [section for _, section in printed]
    # A page with mathematics carries everything that a page may need.
    model = next(page for page in texts if "window.MathJax" in texts[page])
    words = {"title": html.escape(settings["title"]), "author": html.escape(settings["author"])}
    rest = {"contents": "".join(contents), "chapters": "".join(sections)}
    return DOCUMENT.format(**words, head=head(texts[model], model), **rest)


def page_numbers(path):
    """Return the number of the page, counted from 1, on which each linked place of a PDF stands."""
    reader = PdfReader(path)
    places = reader.named_destinations.items()
    return {name.lstrip("/"): reader.get_destination_page_number(place) + 1 for name, place in places}


def printed(page, address, path):
    """Print a document at an address twice: the second time its contents have the numbers of pages.

    Raises
    ------
    RuntimeError
        If mathematics in it is wrong.
    """
    page.goto(address, wait_until="load", timeout=300_000)
    errors = page.evaluate(READY)
    if errors:
        raise RuntimeError(f"mathematics that cannot be set: {errors}")
    for _ in range(2):
        page.pdf(path=path, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        page.evaluate(NUMBER, page_numbers(path))


def link(page):
    """Put the link to the PDF in its place on a built page; one that has it stays as it is."""
    page.write_text(page.read_text(encoding="utf-8").replace(PDF_PLACE, PDF_LINK), encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *_):
        """Say nothing."""


def make(built=HTML, root=ROOT):
    """Write book.pdf beside the built pages, and link it from the first one; return its path."""
    path, sheet = Path(built) / PDF, Path(built) / SHEET
    sheet.write_text(document(built, root), encoding="utf-8")
    handler = functools.partial(Quiet, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.options())
        printed(chromium.new_page(), f"http://127.0.0.1:{server.server_port}/{SHEET}", path)
        server.shutdown()
    sheet.unlink()
    link(Path(built) / f"{parts(root)[0][1][0]}.html")
    return path


if __name__ == "__main__":
    made = make()
    print(f"{made.relative_to(ROOT)}: {len(PdfReader(made).pages)} pages, {made.stat().st_size / 1e6:.1f} MB")
