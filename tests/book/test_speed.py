"""The record of the run on a GPU is as practice/speed_and_scale says: some claims are retired, no page is as it was."""

import re

from experiments.harness import record
from tools import gpu
from tools.pages import ROOT, notebooks
from tools.sphinx_book import gather

TEXT = (ROOT / "book/practice/speed_and_scale.md").read_text(encoding="utf-8")
RAN = record.read("gpu")["chapters"]


def test_the_retired_claims_are_named():
    (named,) = re.findall(r"^retired = \{(.*?)^\}", TEXT, re.MULTILINE | re.DOTALL)
    made = {claim["name"] for claim in gather(ROOT)[0]}
    ran = {name for page in RAN.values() for name in [*page["claims"], *(claim["name"] for claim in page["failed"])]}
    assert set(re.findall(r'"([\w-]+)"', named)) == ran - made


def test_every_page_that_ran_has_been_edited_since():
    same = [page for page, found in RAN.items() if found["source"] == gpu.digest(ROOT / page)]
    assert ("Every page in it has been edited since." in TEXT) == (not same)


def test_later_pages_have_not_run():
    later = {path.with_suffix("").as_posix() for path in notebooks()} - RAN.keys()
    assert "book/practice/speed_and_scale" in later
    assert not any(page.startswith("book/colour") for page in RAN)
