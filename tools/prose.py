"""The prose of a page in MyST Markdown: its paragraphs and captions, without code, formulas, tables and headings."""

import re
from typing import NamedTuple

import yaml

# Directives whose content is prose; of all others only captions and alternative texts are read.
PROSE = {"admonition", "exercise-start", "solution-start", "note", "tip", "warning", "glossary", "dropdown"}
FENCE = re.compile(r"^\s*(`{3,}|:{3,})(?:\{([\w-]+)\})?(\w*)")
# What is no prose on a line of its own: an option, a label, a heading, a row of a table, HTML, a comment, a picture.
APART = re.compile(r"^\s*(:[\w-]+:|\([\w-]+\)=|#+ |\||<|%|!\[|```)")
ITEM = re.compile(r"^\s*([-*+]|\d+\.|:) ")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]*)`")
TARGET = re.compile(r"^(.*?)\s*<[^<>]+>$", re.DOTALL)


class Paragraph(NamedTuple):
    """A paragraph, the item of a list, or a caption."""

    line: int
    raw: str  # as it is in the source, on one line
    kind: str  # "text", "box" (the one that opens a chapter), "entry" (a line of the glossary), "caption" or "alt"


def paragraphs(text):
    """List the paragraphs of a page.

    Parameters
    ----------
    text : str
        The source of the page.

    Returns
    -------
    list of Paragraph
        In the order of the page.
    """
    found, part = [], []
    for number, line, kind in prose_lines(text):
        if kind in ("caption", "alt"):
            found.append(Paragraph(number, line, kind))
            continue
        if part and (not line or ITEM.match(line) or kind == "entry"):
            found.append(join(part))
            part = []
        if line:
            part.append((number, ITEM.sub("", line).strip(), kind))
    return found + ([join(part)] if part else [])


def join(part):
    """Return the lines of a paragraph as one."""
    number, _, kind = part[0]
    return Paragraph(number, " ".join(line for _, line, _ in part), kind)


def prose_lines(text):
    """Yield number, text and kind of each line; what is no prose is an empty line, for it ends a paragraph."""
    lines = list(enumerate(text.splitlines(), start=1))
    lines = lines[count(lines, "---") :] if text.startswith("---\n") else lines
    kind = "text"
    while lines:
        number, line = lines[0]
        opening, said, taken = FENCE.match(line), "", 1
        if opening and opening[2] in PROSE:
            kind = "entry" if opening[2] == "glossary" else "box" if "Before you start" in line else kind
        elif opening and (opening[2] or opening[3]):
            taken = count(lines, opening[1])
            yield from captions(lines[1 : taken - 1])
        elif line.strip() == "$$":
            taken = count(lines, "$$")
        elif opening:
            kind = "text"
        elif not APART.match(line) and not line.startswith("$$"):
            said = line.rstrip()
        yield number, said, kind
        lines = lines[taken:]


def count(lines, mark):
    """Return how many lines there are from the first to the one with the mark that closes it, or raise a ValueError."""
    for i, (_, line) in enumerate(lines[1:], start=2):
        if line.split()[:1] == [mark]:
            return i
    raise ValueError(f"text: got {lines[0][1].strip()!r} in line {lines[0][0]}, expected {mark!r} in a line below it.")


def captions(lines):
    """Yield the caption and the alternative text of a code cell."""
    if not lines or lines[0][1] != "---":
        return
    options = yaml.safe_load("\n".join(line for _, line in lines[1 : count(lines, "---") - 1])) or {}
    notebook = options.get("mystnb", {})
    for group, name in (("figure", "caption"), ("image", "alt")):
        said = notebook.get(group, {}).get(name)
        if said:
            yield lines[0][0], " ".join(said.split()), name


def plain(raw):
    """Return a paragraph as a reader sees it: roles as their texts, code and formulas as one word each.

    Parameters
    ----------
    raw : str
        The source of a paragraph.
    """
    text = ROLE.sub(lambda role: shown(*role.groups()), raw)
    text = re.sub(r"(`+).+?\1", "X", text)
    text = re.sub(r"\$[^$]+\$", "X", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\*+|\\(?=\W)", "", text)


def shown(role, content):
    """Return what a page shows of a role."""
    if role in ("term", "ref", "doc"):
        titled = TARGET.match(content)
        return titled[1] if titled else content if role == "term" else "X"
    return {"cite:t": "Author", "glue:text": "0"}.get(role, "" if role.startswith("cite") else "X")


def sentences(text):
    """List the sentences of a paragraph that `plain` returned."""
    return [part for part in re.split(r"(?<=[.?!])[)”\"]*\s+(?=[\"“(]?[A-Z0-9*])", text) if part]
