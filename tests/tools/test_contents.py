"""The front door: the README lists the chapters as the book has them, and the edition's number is one number."""

import datetime
import re
import tomllib

import pytest
import yaml

from tools import bootstrap, contents
from tools.pages import ROOT, notebooks
from tools.sphinx_book import title

README = contents.README.read_text(encoding="utf-8")
NOISE = 20  # seconds by which two runs of a chapter may differ


def test_the_readme_lists_every_chapter_in_order():
    expected = [(title(ROOT / path), path.as_posix()) for path in notebooks()]
    assert [entry[:2] for entry in contents.listed(README)] == expected, "python -m tools.contents"


def test_the_readme_says_how_long_each_chapter_runs():
    off = {path: said - contents.seconds(path) for _, path, said in contents.listed(README)}
    assert {path: gap for path, gap in off.items() if abs(gap) > NOISE} == {}, "python -m tools.contents"


def test_the_readme_leads_to_the_chapters_as_github_can_show_them():
    branch = bootstrap.BRANCH
    assert f"[`{branch}`](../../tree/{branch})" in README  # GitHub resolves it from blob/main


def test_the_list_is_written_and_nothing_else(tmp_path, monkeypatch):
    (block,) = contents.BLOCK.findall(README)
    copy = tmp_path / "README.md"
    copy.write_text(README.replace(block, "\nold\n"), encoding="utf-8")
    monkeypatch.setattr(contents, "README", copy)
    contents.main()
    written = copy.read_text(encoding="utf-8")
    assert written == README.replace(block, contents.table())
    assert [path for _, path, _ in contents.listed(written)] == [path.as_posix() for path in notebooks()]


def test_the_edition_has_one_number_and_one_day():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(r"^## Edition (\S+), (\d{1,2} \w+ \d{4})$", changes, re.MULTILINE)
    assert heading[1] == cited["version"] == project["version"]
    day = datetime.date.fromisoformat(cited["date-released"])
    assert heading[2] == f"{day.day} {day:%B %Y}"


@pytest.mark.parametrize("key", ["title", "authors", "abstract", "keywords", "license", "type"])
def test_the_citation_is_complete(key):
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))[key]
