"""Sphinx extension of the readers' edition: a builder that writes all of it, and the notebooks that a page offers.

Both take the nodes that Sphinx resolved for the page, so what a page shows and what its notebook shows are the same.
"""

import functools
import posixpath
import shutil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import nbformat
from docutils import nodes
from pybtex.backends import plaintext
from pybtex.plugin import register_plugin
from sphinx import addnodes
from sphinx.builders import Builder

from tools import bootstrap
from tools.markdown import Markdown
from tools.readers import BUILDER, CONTENTS, Edition, contents

BINDER = "https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/{file}"
COLAB = "https://colab.research.google.com/github/{repository}/blob/{branch}/{file}"
BUTTON = " [![{text}]({picture})]({address})"
HOSTS = [
    ("Open in Colab", "https://colab.research.google.com/assets/colab-badge.svg", COLAB),
    ("Open on Binder", "https://mybinder.org/badge_logo.svg", BINDER),
]
KEPT = "readers' notebooks"


def file_of(app, page):
    """Return the file of a page in the edition; the landing page's is the list of contents."""
    if page == app.config.root_doc:
        return CONTENTS
    return page + (".ipynb" if is_notebook(app, page) else ".md")


def is_notebook(app, page):
    """Say whether a page is made from a notebook."""
    return Path(app.env.doc2path(page)).suffix == ".ipynb"


def link(app, page, address):
    """Return where a link of a page leads from the page's file in the edition.

    Parameters
    ----------
    app : Sphinx
    page, address : str
        The page's name, and the link as it stands there.

    Returns
    -------
    str or None
        An address elsewhere as it is; a page of the book where it is published, else its file; None for what has none.
    """
    if urlsplit(address).scheme:
        return address
    place = urljoin(f"{page}.html", address)
    if app.config.html_baseurl:
        return urljoin(app.config.html_baseurl, place)
    name, hash_sign, fragment = place.partition("#")
    target = name.removesuffix(".html")
    if target == page:
        return f"#{fragment}"
    if target not in app.env.found_docs:
        return None
    start = posixpath.dirname(file_of(app, page)) or "."
    return posixpath.relpath(file_of(app, target), start) + hash_sign + fragment


def number(app, page, node):
    """Return the words with which a page counts a figure or an exercise, such as ``Fig. 3``, or ""."""
    kind = app.env.get_domain("std").get_enumerable_node_type(node)
    found = app.env.toc_fignumbers.get(page, {}).get(kind, {}).get(node["ids"][0])
    return app.config.numfig_format[kind] % ".".join(map(str, found)) if found else ""


def writer(app, page):
    """Return what writes a page's nodes as Markdown."""
    return Markdown(page, functools.partial(link, app, page), functools.partial(number, app, page))


def notebook(app, page, doctree):
    """Return the readers' notebook of a page, with the cell that gets the book where its address is known."""
    path = Path(app.env.doc2path(page))
    chapter = nbformat.read(path, as_version=4)
    base = app.config.html_baseurl
    made = Edition(chapter, writer(app, page), base and urljoin(base, f"{page}.html"), app.srcdir).make(doctree)
    address = bootstrap.repository()
    return bootstrap.with_bootstrap(made, f"{page}.ipynb", address) if address else made


def text(app, page, doctree):
    """Return a page without code as Markdown."""
    return Edition(nbformat.v4.new_notebook(), writer(app, page)).text(doctree)


def first_page(app):
    """Return the list of contents: the parts in the order and under the names that the site's menu has."""
    root = app.env.get_doctree(app.config.root_doc)
    parts = [
        (tree["caption"], [(app.env.titles[page].astext(), file_of(app, page)) for _, page in tree["entries"]])
        for tree in root.findall(addnodes.toctree)
    ]
    about = writer(app, app.config.root_doc).write(next(root.findall(nodes.paragraph)))
    return contents(app.config.html_title, about, parts, buttons)


def buttons(file):
    """Return the buttons that open a notebook elsewhere, as Markdown; none where no address is known."""
    address = bootstrap.repository()
    if not address or not file.endswith(".ipynb"):
        return ""
    place = {"repository": urlsplit(address).path.strip("/"), "branch": bootstrap.BRANCH, "file": file}
    return "".join(BUTTON.format(text=name, picture=picture, address=to.format(**place)) for name, picture, to in HOSTS)


class Readers(Builder):
    """Writes the edition: the chapters as notebooks, the appendix as Markdown, and a first page."""

    name = BUILDER
    epilog = "The readers' edition is in %(outdir)s."
    supported_image_types = ("image/svg+xml", "image/png")

    def init(self):
        """Choose as the pages do, where an extension asks for the builder's name."""
        self.name = "html"

    def get_target_uri(self, docname, typ=None):
        """Return the address of a page on the site, which `link` turns into what the edition needs."""
        return f"{docname}.html"

    def get_outdated_docs(self):
        """Name all pages: each shows numbers and titles of others."""
        return self.env.found_docs

    def prepare_writing(self, docnames):
        """Do nothing: every page is made on its own."""

    def write_doc(self, docname, doctree):
        """Write a page's file; the landing page's comes last."""
        path = Path(self.outdir) / file_of(self.app, docname)
        path.parent.mkdir(parents=True, exist_ok=True)
        if docname == self.config.root_doc:
            return
        if is_notebook(self.app, docname):
            nbformat.write(notebook(self.app, docname, doctree), path)
        else:
            path.write_text(text(self.app, docname, doctree), encoding="utf-8")

    def finish(self):
        """Write the first page, and what Binder needs to make its environment from the edition alone."""
        (Path(self.outdir) / CONTENTS).write_text(first_page(self.app), encoding="utf-8")
        address = bootstrap.repository()
        if address:
            bootstrap.write_environment(self.outdir, address, self.app.srcdir)


def tidy(app, exception):
    """Leave out of the edition the styles and scripts that other extensions put beside any builder's files."""
    if isinstance(app.builder, Readers):
        shutil.rmtree(Path(app.outdir) / "_static", ignore_errors=True)


def keep(app, pagename, templatename, context, doctree):
    """Make the notebook of a page that is being written; Sphinx puts the chapter's own in its place until the end."""
    if doctree is not None and is_notebook(app, pagename):
        app.env.temp_data.setdefault(KEPT, {})[pagename] = notebook(app, pagename, doctree)


def offer(app, exception):
    """Put the notebooks where the pages' buttons find them."""
    for page, made in app.env.temp_data.pop(KEPT, {}).items() if not exception else ():
        nbformat.write(made, Path(app.outdir) / "_sources" / f"{page}.ipynb")


def setup(app):
    """Register with Sphinx."""
    app.add_builder(Readers)
    app.connect("html-page-context", keep)
    app.connect("build-finished", offer)
    app.connect("build-finished", tidy, priority=900)
    # Found at once: pybtex would ask all installed packages at every citation, a third of the time to write a page.
    register_plugin("pybtex.backends", "plaintext", plaintext.Backend, force=True)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}  # `keep` is not
