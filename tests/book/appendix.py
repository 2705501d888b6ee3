"""What the tests of the appendix's pages read off a page: its labelled entries, and the places that it names."""

import re

from tools.pages import ROOT

FOLDER = ROOT / "book" / "appendix"
PLACE = re.compile(r'\{doc\}`([^`]+)`((?:(?:, | and )".+?"(?=[,;:.)]| and | \||$| \())*)', re.MULTILINE)
NAMED = re.compile(r'(?:, | and )"(.+?)"(?=, "| and "|$)')


def text(name):
    """Return the source of a page of the appendix."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def entries(name):
    """Return label → (term, text) of a page's entries, whose labels begin with its name."""
    entry = re.compile(rf"^\({name}-([\w-]+)\)=\n(.+)\n((?:: .+\n)+)", re.MULTILINE)
    return {label: (term, parts) for label, term, parts in entry.findall(text(name))}


def places(name):
    """Return (target, section headings) of each {doc} link of a page."""
    return [(target, NAMED.findall(names)) for target, names in PLACE.findall(text(name))]


def source(target):
    """Return the .md file of a {doc} target."""
    return (FOLDER / target).resolve().with_suffix(".md")
