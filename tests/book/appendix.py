"""What the tests of the appendix's pages read off a page: its labelled entries, and the places that it names."""

import re

from tools.pages import ROOT

FOLDER = ROOT / "book" / "appendix"
PLACE = re.compile(r"\{doc\}`([^`]+)`((?:(?:, | and )\{ref\}`[\w-]+`)*)")
NAMED = re.compile(r"\{ref\}`([\w-]+)`")


def text(name):
    """Return the source of a page of the appendix."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def entries(name):
    """Return label → (term, text) of a page's entries, whose labels begin with its name."""
    entry = re.compile(rf"^\({name}-([\w-]+)\)=\n(.+)\n((?:: .+\n)+)", re.MULTILINE)
    return {label: (term, parts) for label, term, parts in entry.findall(text(name))}


def places(name):
    """Return (target, labels of sections) of each {doc} link of a page and the {ref} links right after it."""
    return [(target, NAMED.findall(names)) for target, names in PLACE.findall(text(name))]


def sections(target):
    """Return the labels of the sections of a {doc} target."""
    return set(re.findall(r"^\(([\w-]+)\)=\n#+ ", source(target).read_text(encoding="utf-8"), re.MULTILINE))


def source(target):
    """Return the .md file of a {doc} target."""
    return (FOLDER / target).resolve().with_suffix(".md")
