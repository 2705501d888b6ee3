"""Markdown that JupyterLab, Colab, GitHub and VS Code all render, made from the nodes of a page that Sphinx resolved.

The nodes hold what the page shows: links, numbers and citations are in them already, so that page and Markdown cannot
disagree. A kind of node that is not known here is an error: nothing gets lost in silence.
"""

import html
import re
from contextlib import contextmanager

from docutils import nodes

from tools.sphinx_site import typeset_text

SPECIAL = re.compile(r"[\\`*_<$~]|&(?=#?\w+;)|(?<=\])(?=[(\[])")
# What would begin a list, a heading or a quotation where a paragraph starts with it.
START = re.compile(r"^(?=[-+=#>])|^(\d+)(?=[.)]\s)")
NORM, BAR = re.compile(r"\\\|"), re.compile(r"\|")
PARENTHESES = str.maketrans("[]", "()")
ALIGNED = {"text-left": ":---", "text-center": ":---:", "text-right": "---:"}


def escape(text):
    """Return plain text so that no character of it means anything in Markdown or mathematics."""
    return SPECIAL.sub(r"\\\g<0>", text.replace("\n", " "))


def quote(text):
    """Return Markdown as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def indent(text, mark):
    """Return Markdown as the item of a list that begins with a mark."""
    first, *rest = text.splitlines()
    return "\n".join([mark + first, *(line and " " * len(mark) + line for line in rest)])


def anchor(identifiers):
    """Return, as HTML, places that links can lead to."""
    return "".join(f'<a id="{html.escape(identifier)}"></a>' for identifier in identifiers)


def fence(text, least):
    """Return a row of backticks longer than any in a text."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


class Markdown:
    """Writes the nodes of one page.

    Parameters
    ----------
    page : str
        The page's name, for errors.
    link : callable
        Takes an address as it stands on the page, and returns the one to write, or None for no link.
    number : callable
        Takes a node that the page counts, a figure or an exercise, and returns words such as ``Fig. 3``, or "".
    """

    def __init__(self, page, link, number):
        self.page, self.link, self.number = page, link, number
        self.depth = 0  # of lists, quotations and tables, in which a formula keeps to one line
        self.in_table = self.in_title = False

    def write(self, node):
        """Return a node as Markdown.

        Raises
        ------
        ValueError
            If the node is of a kind that is not known here.
        """
        for kind in type(node).__mro__:
            method = getattr(self, f"write_{kind.__name__}", None)
            if method:
                return method(node)
        raise self.unknown(type(node).__name__, node)

    def unknown(self, kind, node):
        """Return the error for what cannot be written."""
        return ValueError(
            f"{self.page}: no Markdown is known for {kind!r}, in {' '.join(node.astext().split())[:60]!r}"
        )

    def inline(self, node):
        """Return a node's children, one after the other."""
        return "".join(map(self.write, node.children))

    def blocks(self, children):
        """Return blocks with empty lines between them."""
        return "\n\n".join(filter(None, map(self.write, children)))

    @contextmanager
    def inside(self, **changes):
        """Write what is inside a list or a quotation, or, by name, a table or a title."""
        before = dict(vars(self))
        vars(self).update(changes, depth=self.depth + 1)
        yield
        vars(self).update(before)

    def nothing(self, node):
        """Return nothing: the page does not show such a node."""
        return ""

    write_comment = write_index = write_target = nothing

    # Within a line

    def write_Text(self, node):
        """Return text that means nothing else."""
        text = escape(node.astext())
        return text.replace("|", r"\|") if self.in_table else text

    def write_emphasis(self, node):
        """Return emphasis."""
        return f"*{self.inline(node)}*"

    def write_strong(self, node):
        """Return strong emphasis; a title is strong as a whole."""
        return self.inline(node) if self.in_title else f"**{self.inline(node)}**"

    def write_literal(self, node):
        """Return code, between more backticks than it holds."""
        text = node.astext().replace("\n", " ")
        ticks, space = fence(text, 1), " " * (text.startswith("`") or text.endswith("`"))
        text = text.replace("|", r"\|") if self.in_table else text
        return f"{ticks}{space}{text}{space}{ticks}"

    def formula(self, node):
        """Return TeX in which nothing looks like HTML or like the border of a table's cell."""
        text = node.astext().replace("<", r"\lt ").replace(">", r"\gt ")
        return BAR.sub(r"\\vert ", NORM.sub(r"\\Vert ", text)) if self.in_table else text

    def write_math(self, node):
        """Return a formula in a line."""
        return f"${' '.join(self.formula(node).split())}$"

    def write_inline(self, node):
        """Return a number as the page sets it, a citation with parentheses, or what a link shows."""
        if "pasted-text" in node["classes"]:
            return typeset_text(escape(node.astext()))
        if "bibtex-citation" in node["classes"]:
            parts = [self.write(child) for child in node]
            texts = [isinstance(child, nodes.Text) for child in node]
            return "".join(
                part.translate(PARENTHESES) if text else part for part, text in zip(parts, texts, strict=True)
            )
        return self.inline(node)

    def write_reference(self, node):
        """Return a link."""
        text = self.inline(node)
        address = None if self.in_title else self.link(node.get("refuri") or f"#{node['refid']}")
        return f"[{text}]({address.replace('(', '%28').replace(')', '%29')})" if address else text

    def write_raw(self, node):
        """Return HTML with its links; what needs a script has no place in Markdown."""
        text = node.astext()
        if node["format"] != "html" or "<script" in text:
            raise self.unknown(f"raw {node['format']}", node)
        return re.sub(r' href="([^"]*)"', lambda found: attribute("href", self.link(found[1])), text)

    # Blocks

    def write_paragraph(self, node):
        """Return a paragraph that begins no other kind of block."""
        return START.sub(r"\1\\", self.inline(node))

    def write_math_block(self, node):
        """Return a formula on lines of its own, with its number, broken as the page does it."""
        text = self.formula(node).strip()
        if "\\\\" in text and not node.get("nowrap"):
            text = f"\\begin{{split}}\n{text}\n\\end{{split}}"
        if node.get("label"):
            text += f" \\tag{{{node['number']}}}"
        return f"$$ {' '.join(text.split())} $$" if self.depth else f"$$\n{text}\n$$"

    def write_literal_block(self, node):
        """Return a block of code."""
        text, language = node.astext(), node.get("language", "")
        ticks = fence(text, 3)
        return f"{ticks}{'' if language in ('default', 'none') else language}\n{text}\n{ticks}"

    def write_block_quote(self, node):
        """Return a quotation."""
        return self.quoted(node.children)

    def write_bullet_list(self, node):
        """Return a list."""
        return self.listing(node, ["- "] * len(node))

    def write_enumerated_list(self, node):
        """Return a numbered list."""
        first = node.get("start", 1)
        return self.listing(node, [f"{number}. " for number in range(first, first + len(node))])

    def listing(self, node, marks):
        """Return the items of a list, close together if each is one paragraph."""
        with self.inside():
            items = [indent(self.blocks(item.children), mark) for item, mark in zip(node, marks, strict=True)]
        return ("\n" if all(len(item) == 1 for item in node) else "\n\n").join(items)

    def write_definition_list(self, node):
        """Return a list of terms, each in bold above what is said of it."""
        with self.inside():
            items = [indent(self.definition(item), "- ") for item in node]
        return "\n\n".join(filter(None, [anchor(node["ids"]), *items]))

    def definition(self, item):
        """Return the terms of an item and their definitions."""
        terms = [node for node in item if isinstance(node, nodes.term)]
        names = " · ".join(anchor(term["ids"]) + f"**{self.title(term)}**" for term in terms)
        said = [self.blocks(node.children) for node in item if isinstance(node, nodes.definition)]
        return "\n\n".join([names, *said])

    def write_glossary(self, node):
        """Return the terms of a glossary."""
        return self.blocks(node.children)

    def title(self, node):
        """Return what stands in bold or in a heading, without links."""
        with self.inside(in_title=True):
            return self.inline(node).strip()

    def summary(self, node):
        """Return a title as HTML, for what folds: there Markdown means nothing."""
        if isinstance(node, nodes.Text):
            return html.escape(node.astext(), quote=False)
        if isinstance(node, nodes.math):
            return self.write_math(node)
        text = "".join(map(self.summary, node.children))
        return f"<code>{text}</code>" if isinstance(node, nodes.literal) else text

    def write_admonition(self, node):
        """Return a quotation under a title in bold."""
        return self.quoted(node[1:], f"**{self.title(node[0])}**")

    def write_exercise_enumerable_node(self, node):
        """Return an exercise without code as a quotation under its title."""
        return self.quoted(node[1].children, self.exercise_title(node))

    def exercise_title(self, node):
        """Return the title of an exercise, numbered as on the page."""
        return f"{anchor(node['ids'])}**{self.number(node)} {self.title(node[0])}**"

    def quoted(self, children, *before):
        """Return blocks as a quotation, below some that are Markdown already."""
        with self.inside():
            return quote("\n\n".join(filter(None, [*before, self.blocks(children)])))

    def write_caption(self, node):
        """Return a figure's number and caption."""
        return f"**{self.number(node.parent)}** {self.inline(node)}"

    def write_table(self, node):
        """Return a table."""
        rows = list(node.findall(nodes.row))
        with self.inside(in_table=True):
            first, *lines = [f"| {' | '.join(map(self.entry, row))} |" for row in rows]
        sides = [next((ALIGNED[name] for name in entry["classes"] if name in ALIGNED), "---") for entry in rows[0]]
        return "\n".join([first, f"| {' | '.join(sides)} |", *lines])

    def entry(self, node):
        """Return a cell of a table, on one line."""
        return "<br>".join(" ".join(self.write(child).splitlines()) for child in node)


def attribute(name, text):
    """Return an attribute of an HTML element, or "" where it has no text."""
    return f' {name}="{html.escape(text)}"' if text else ""
