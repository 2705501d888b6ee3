"""The errata and the questions: each label stands once, every place that they name exists."""

import re

import pytest

from tests.book import appendix
from tools.pages import ROOT, pages

LEAST = {"errata": 100, "faq": 60}  # links to sections that the pattern must have found
TARGETS = sorted({(name, target) for name in LEAST for target, _ in appendix.places(name)})


@pytest.mark.parametrize("name", LEAST)
def test_every_anchor_stands_once_above_an_entry(name):
    anchors = re.findall(rf"^\({name}-([\w-]+)\)=$", appendix.text(name), re.MULTILINE)
    assert len(anchors) == len(set(anchors))
    assert anchors == list(appendix.entries(name))


@pytest.mark.parametrize("name", LEAST)
def test_sections_were_found(name):
    places = appendix.places(name)
    assert len(places) == appendix.text(name).count("{doc}`")
    assert sum(len(names) for _, names in places) > LEAST[name]


@pytest.mark.parametrize("name", LEAST)
def test_no_section_is_named_by_a_typed_heading(name):
    assert not re.search(r'\{doc\}`[^`]+`,? (?:section )?"', appendix.text(name))


@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_a_linked_page_is_in_the_book_and_has_the_named_sections(name, target):
    path = appendix.source(target)
    assert path.relative_to(ROOT) in {page.with_suffix(".md") for page in pages()}
    named = {label for place, labels in appendix.places(name) for label in labels if place == target}
    assert named <= appendix.sections(target)
