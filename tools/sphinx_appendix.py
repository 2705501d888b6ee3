"""Sphinx extension of the appendix: the language of the glossary's terms, and a bibliography with ways back."""

import re
from itertools import groupby

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinxcontrib.bibtex.domain import get_docnames

HAN = re.compile(r"[\u4e00-\u9fff]")


def author_year(entry):
    """Name a work as the text of the book does.

    Parameters
    ----------
    entry : pybtex.database.Entry

    Returns
    -------
    str
        ``Kingma and Ba, 2015``, or ``Goodfellow et al., 2014`` from three authors on.
    """
    parts = [person.rich_prelast_names + person.rich_last_names for person in entry.persons["author"]]
    names = [" ".join(map(str, name)) for name in parts]
    authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{authors}, {entry.fields['year']}"


class ChineseTerms(SphinxTransform):
    """Say of the glossary's Chinese terms that they are Chinese: for fonts, and for those who listen to the page."""

    default_priority = 900  # after the transform that knows no quotation marks for Chinese

    def apply(self):
        """Mark each term with a Chinese character; docutils writes the class as an attribute ``lang``."""
        for term in self.document.findall(nodes.term):
            if HAN.search(term.astext()):
                term["classes"].append("language-zh")


class Bibliography(SphinxPostTransform):
    """Write the bibliography as a list of definitions, which says of each work on which pages it is cited.

    sphinxcontrib-bibtex writes a list whose items have a role that no list may hold, and no ways back to other pages.
    """

    default_priority = 6  # its own list is made at 5, and links are resolved at 10

    def run(self):
        """Replace each list; the addresses of its entries stay."""
        citations = list(self.document.findall(nodes.citation))
        works = {citation.citation_id: citation for citation in self.env.get_domain("cite").citations}
        for parent, group in groupby(citations, key=lambda node: node.parent):
            items = [self.item(node, works[node["ids"][0]]) for node in group]
            parent.replace_self(nodes.definition_list("", *items, classes=["bibliography"]))

    def item(self, node, work):
        """Return a work as a term with two definitions: its data, and where it is cited."""
        term = nodes.term("", author_year(work.entry), ids=node["ids"])
        data = nodes.definition("", *node.findall(nodes.paragraph))
        return nodes.definition_list_item("", term, data, nodes.definition("", self.cited_in(work.key)))

    def cited_in(self, key):
        """Return a line of links, in reading order, each to the first place of a page that cites the work."""
        cited = {}
        for place in self.env.get_domain("cite").citation_refs:
            if key in {target.key for target in place.targets}:
                cited.setdefault(place.docname, place.citation_ref_id)
        links = [self.link(name, cited[name]) for name in get_docnames(self.env) if name in cited]
        separated = [node for link in links for node in (nodes.Text("; "), link)][1:]
        return nodes.paragraph("", "Cited in ", *separated, nodes.Text("."), classes=["cited-in"])

    def link(self, docname, place):
        """Return a link to a place of a page under the page's title."""
        address = self.app.builder.get_relative_uri(self.env.docname, docname)
        return nodes.reference("", self.env.titles[docname].astext(), refuri=f"{address}#{place}", internal=True)


def bibliographies(app, env):
    """Name the pages to be written anew at every build, because their content stands on others."""
    return {key.docname for key in env.get_domain("cite").bibliographies}


def setup(app):
    """Register with Sphinx."""
    app.add_transform(ChineseTerms)
    app.add_post_transform(Bibliography)
    app.connect("env-updated", bibliographies)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
