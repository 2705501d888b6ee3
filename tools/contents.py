"""Write the README's list of chapters: their titles as the table of contents orders them, and how long each runs.

Usage: python -m tools.contents      (after `make execute`; writes README.md)
"""

import re

from tools.pages import ROOT, chapters_by_part
from tools.sphinx_book import RUN, records, title

README = ROOT / "README.md"
FRAME = "<!-- chapters: made by python -m tools.contents -->\n", "<!-- end of chapters -->\n"
BLOCK = re.compile("(?<={})(.*?)(?={})".format(*map(re.escape, FRAME)), re.DOTALL)
ROW = re.compile(r"^\| .* \| \[(.+)\]\((.+)\) \| (\d+) s \|$", re.MULTILINE)


def seconds(path):
    """Return how many seconds a committed notebook ran."""
    (run,) = records(ROOT / path, RUN)
    return run["seconds"]


def table():
    """Return the list of chapters as a Markdown table, and the sum of their times in a sentence."""
    rows, total = ["| part | chapter | runs in |", "| --- | --- | --- |"], 0
    for part, paths in chapters_by_part():
        for path in paths:
            rows.append(f"| {part} | [{title(ROOT / path)}]({path.as_posix()}) | {seconds(path):.0f} s |")
            total += seconds(path)
            part = ""
    sentence = f"All {len(rows) - 2} together run in about {total / 60:.0f} minutes."
    return "\n".join(["", *rows, "", sentence, "", ""])


def listed(text):
    """List what a README says: (title, path, seconds) of each chapter."""
    return [(heading, path, int(time)) for heading, path, time in ROW.findall(text)]


def main():
    """Renew the list."""
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda _: table(), text), encoding="utf-8")


if __name__ == "__main__":
    main()
