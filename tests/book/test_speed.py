"""The records of `tools.gpu` are as practice/speed_and_scale says: of an older book, or of the whole of this one."""

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


def test_the_run_on_a_gpu_is_of_an_older_book():
    same = [page for page, found in RAN.items() if found["source"] == gpu.digest(ROOT / page)]
    assert ("The run on a GPU is of an older book." in TEXT) == (not same)
    assert ("nor has the benchmark" in TEXT) == ("benchmark" not in record.read("gpu"))


def test_the_rehearsal_knows_all_pages():
    rehearsal = record.read("gpu_rehearsal")
    assert {*rehearsal["chapters"], *rehearsal["not_finished"]} == {
        path.with_suffix("").as_posix() for path in notebooks()
    }
    assert rehearsal["conditions"]["device"].endswith("cpu device")


def test_later_pages_have_not_run():
    later = {path.with_suffix("").as_posix() for path in notebooks()} - RAN.keys()
    assert "book/practice/speed_and_scale" in later
    assert not any(page.startswith("book/colour") for page in RAN)
