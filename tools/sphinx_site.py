"""Sphinx extension of the site: launch and download buttons, what search engines and previews read, a page for
addresses that do not exist, and the theme's faults in accessibility mended.

All that needs the site's address comes from one setting, the environment variable that `tools.bootstrap` describes.
Without it the site is whole, with no button to a host that has no copy of the book.
"""

import html
import re
import shutil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from docutils import nodes

from tools import bootstrap
from tools.pages import pages

CARD = "page.png"  # of book/assets, 1280 × 800
LAUNCH = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
# Search engines and previews cut a longer description off.
DESCRIPTION_LENGTH = 300
SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{}
</urlset>
"""
NOT_FOUND = """<h1>{heading}</h1>
<p>The address may be mistyped, or the page may have another name now. The menu of contents lists every page, and
the <a href="search.html">search</a> finds words in them. The book begins with
<a href="{first}.html">{title}</a>.</p>"""
PDF = "book.pdf"
# `tools.pdf` puts the link in the place when it has made the file, and a page built later has it at once.
PDF_PLACE = "<!-- the book as a PDF -->"
PDF_LINK = f'<p>The book on paper: <a href="../{PDF}">all chapters as one PDF</a>.</p>'
# Half of a page's weight: it draws again, as pictures, the icons that the theme's stylesheet shows from a font.
ICON_SCRIPT = "_static/scripts/fontawesome.js"
# The folds of code cells: a name that is not the text shown.
MENDED = {'<summary aria-label="Toggle hidden content">': "<summary>"}
# A formula is a box to the browser, which would begin a line with the comma after it. What stands before one is short,
# and without the limit a film's megabyte without a space takes minutes.
FORMULA = re.compile(r'[^\s<>]{0,20}<span class="math notranslate nohighlight">[^<]*</span>[^\s<]*')
# Opened by itself, a picture can be as large as the screen allows.
PICTURE = re.compile(r'<img [^>]*src="([^"]*_images/[^"]*)"[^>]*>')
STREAM = '<div class="output stream highlight-myst-ansi notranslate"><div class="highlight">'
PRINTED = re.compile(f"(?<={STREAM})<pre>(.*?)</pre>", re.DOTALL)
# A number as Python writes it, and where it stands in a sentence of a page.
NUMBER = r"(-?)([\d.,]+)(?:e([+-])0*(\d+))?"
GLUED = re.compile(f'(?<=<span class="pasted-text">){NUMBER}')


def settle(app, config):
    """Set the theme's options from the address of the repository."""
    address = bootstrap.repository()
    config.templates_path.insert(0, str(Path(__file__).with_name("templates")))
    if address:
        branch = {"repository_url": address, "repository_branch": "main"}
        config.html_theme_options.update(branch, launch_buttons=LAUNCH)
        config.html_baseurl = config.html_baseurl or bootstrap.site(address)


def description(doctree):
    """Return what a page is about in one or two sentences.

    Parameters
    ----------
    doctree : docutils.nodes.document

    Returns
    -------
    str
        What the reader will do, as a chapter says at its top; else the page's first paragraph.
    """
    paragraphs = [node.astext() for node in doctree.findall(nodes.paragraph)]
    promise = next((text for text in paragraphs if text.startswith("You will do:")), None)
    text = " ".join((promise or next(iter(paragraphs), "")).removeprefix("You will do:").split())
    text = text[:1].upper() + text[1:]
    return text if len(text) <= DESCRIPTION_LENGTH else text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"


def tags(app, pagename, title, about):
    """Return the meta tags of a page; those with addresses only where the site has one.

    Parameters
    ----------
    app : Sphinx
    pagename, title, about : str

    Returns
    -------
    str
        HTML.
    """
    named = {"description": about, "twitter:card": "summary_large_image"}
    graph = {"title": title, "description": about, "type": "article", "site_name": app.config.html_title}
    if app.config.html_baseurl:
        graph["url"] = urljoin(app.config.html_baseurl, app.builder.get_target_uri(pagename))
        graph["image"] = urljoin(app.config.html_baseurl, f"_static/{CARD}")
        graph["image:alt"] = "The first page of the book, with two rows of generated digits."
    lines = [("name", *pair) for pair in named.items()] + [("property", f"og:{k}", v) for k, v in graph.items()]
    return "\n".join(f'<meta {kind}="{name}" content="{html.escape(text)}" />' for kind, name, text in lines)


def mend(body):
    """Return a page's HTML with what MyST-NB, or a browser, would write otherwise than a printer."""
    for fault, better in MENDED.items():
        body = body.replace(fault, better)
    body = FORMULA.sub(lambda found: f'<span class="whole">{found[0]}</span>', body)
    body = PICTURE.sub(r'<a class="picture" href="\1">\g<0></a>', body)
    body = PRINTED.sub(keep_rows, body)
    return GLUED.sub(typeset, body)


def keep_rows(printed):
    """Return an output, as `PRINTED` finds it, marked as a table if it has rows: then none is folded on a telephone."""
    lines = re.sub("<[^>]*>", "", printed[1]).splitlines()
    return printed[0].replace("<pre>", '<pre class="rows">', 1) if len(lines) > 2 else printed[0]


def typeset(number):
    """Return a number, as `NUMBER` finds it, with signs of minus and powers of ten."""
    minus, digits, sign, power = number.groups()
    exponent = f" × 10<sup>{'−' * (sign == '-')}{power}</sup>" if power else ""
    return "−" * bool(minus) + digits + exponent


def typeset_text(text):
    """Return what a chapter glued, with the number that it begins with, if it does, set as the page sets it."""
    return re.sub(f"^{NUMBER}", typeset, text)


def add_tags(app, pagename, templatename, context, doctree):
    """Add the meta tags and the place of the PDF, and mend what MyST-NB wrote."""
    context["metatags"] = context.get("metatags", "")
    if doctree is not None:
        title = re.sub("<[^>]*>", "", context["title"])
        context["metatags"] += "\n" + tags(app, pagename, html.unescape(title), description(doctree))
    context["body"] = mend(context.get("body", ""))
    if pagename == app.config.root_doc:
        context["body"] += PDF_LINK if (Path(app.outdir) / PDF).exists() else PDF_PLACE


def add_buttons(app, pagename, templatename, context, doctree):
    """Offer a notebook's Markdown beside it, and open Colab and Binder with the readers' edition."""
    if not context.get("sourcename", "").endswith(".ipynb"):
        return
    groups = {group["label"]: group["buttons"] for group in context["header_buttons"] if group["type"] == "group"}
    ipynb = groups["download-buttons"][0]
    groups["download-buttons"].insert(1, {**ipynb, "url": markdown(ipynb["url"]), "text": ".md"})
    for button in groups.get("launch-buttons", []):
        for before, after in (("/blob/main/", "/blob/{}/"), ("/main?urlpath=", "/{}?urlpath=")):
            button["url"] = button["url"].replace(before, after.format(bootstrap.BRANCH))


def markdown(address):
    """Return the address or path of a notebook's Markdown."""
    return address.removesuffix(".ipynb") + ".md"


def write_sources(app, exception):
    """Put a chapter's Markdown, which a button offers, beside its notebook; that is `tools.sphinx_readers`' matter."""
    sources = Path(app.outdir) / "_sources"
    if exception or not sources.is_dir():  # as with other builders
        return
    for path in (path for path in pages(app.srcdir) if path.suffix == ".ipynb"):
        shutil.copyfile(Path(app.srcdir) / markdown(str(path)), sources / markdown(str(path)))


def drop_icon_script(app, exception):
    """Leave the theme's icon script empty."""
    script = Path(app.outdir) / ICON_SCRIPT
    if not exception and script.exists():
        script.write_text("", encoding="utf-8")


def write_sitemap(app):
    """Write sitemap.xml and robots.txt, which must name whole addresses, where the site has one."""
    base = app.config.html_baseurl
    if base:
        found = [urljoin(base, app.builder.get_target_uri(str(path.with_suffix("")))) for path in pages(app.srcdir)]
        lines = "\n".join(f"<url><loc>{html.escape(address)}</loc></url>" for address in found)
        (Path(app.outdir) / "sitemap.xml").write_text(SITEMAP.format(lines), encoding="utf-8")
        robots = f"User-agent: *\nAllow: /\nSitemap: {urljoin(base, 'sitemap.xml')}\n"
        (Path(app.outdir) / "robots.txt").write_text(robots, encoding="utf-8")
    return []


def not_found(app):
    """Yield 404.html, which a host shows at any address: its links start from the site's own folder."""
    title = "There is no such page"
    names = {"first": app.config.root_doc, "title": html.escape(app.config.html_title)}
    body = NOT_FOUND.format(heading=title, **names)
    base = f'<base href="{urlsplit(app.config.html_baseurl).path}" />' if app.config.html_baseurl else ""
    yield "404", {"title": title, "pagetitle": title, "body": body, "metatags": base, "sourcename": ""}, "page.html"


def setup(app):
    """Register with Sphinx; after the theme, whose buttons come at priority 501."""
    app.setup_extension("tools.sphinx_readers")
    app.connect("config-inited", settle)
    app.connect("html-page-context", add_tags)
    app.connect("html-page-context", add_buttons, priority=600)
    app.connect("html-collect-pages", write_sitemap)
    app.connect("html-collect-pages", not_found)
    app.connect("build-finished", write_sources)
    app.connect("build-finished", drop_icon_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
