"""Sphinx extension of the book: writes claims.json from the committed notebooks, and the page at the root."""

import json
from collections import Counter
from pathlib import Path

import nbformat
from sphinx.util import logging

from tools.pages import notebooks

CLAIM = "application/vnd.book.claim+json"
RUN = "application/vnd.book.run+json"
# sphinx_external_toc would write one with neither language, title nor icon: browsers then ask the host for one.
FRONT_DOOR = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
    <link rel="icon" href="data:,">
    <meta http-equiv="refresh" content="0; url={first}.html">
  </head>
  <body><a href="{first}.html">{title}</a></body>
</html>
"""
logger = logging.getLogger(__name__)


def records(path, mime):
    """List what a notebook's outputs hold under a mime type, in the notebook's order.

    Parameters
    ----------
    path : Path
        A committed ``.ipynb``.
    mime : str
        `CLAIM` or `RUN`, as `helpers.claims` displays them.

    Returns
    -------
    list of dict
    """
    cells = nbformat.read(path, as_version=4).cells
    bundles = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [bundle[mime] for bundle in bundles if mime in bundle]


def gather(root):
    """Join each chapter's claims with its report.

    Parameters
    ----------
    root : Path
        The book's root.

    Returns
    -------
    claims : list of dict
        Sorted by chapter, then in the chapter's order.
    problems : list of str
        A claim's name used twice, a chapter without exactly one report.
    """
    claims, problems = [], []
    for path in sorted(notebooks(root)):
        reports = records(Path(root) / path, RUN)
        if len(reports) != 1:
            problems.append(f"{path}: {len(reports)} outputs of claims.report(), expected 1")
        run = {key: value for report in reports[:1] for key, value in report.items() if key != "peak_memory_gib"}
        chapter = path.with_suffix("").as_posix()
        claims += [{**claim, "chapter": chapter, **run} for claim in records(Path(root) / path, CLAIM)]
    uses = Counter(claim["name"] for claim in claims)
    problems += [f"claim {name!r} is made {count} times" for name, count in uses.items() if count > 1]
    return claims, problems


def write_claims(app):
    """Write claims.json beside the pages; a problem is a warning, which the strict build turns into an error."""
    claims, problems = gather(app.srcdir)
    for problem in problems:
        logger.warning(problem, type="book", subtype="claims")
    text = json.dumps(claims, indent=1, ensure_ascii=False, allow_nan=False)
    (Path(app.outdir) / "claims.json").write_text(text + "\n", encoding="utf-8")
    return []


def write_front_door(app):
    """Write the index.html that sends a reader on to the first page."""
    page = FRONT_DOOR.format(title=app.config.html_title, first=app.config.root_doc)
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
    return []


def setup(app):
    """Register with Sphinx; this event comes at every build, also one that finds no page changed."""
    app.connect("html-collect-pages", write_front_door)
    app.connect("html-collect-pages", write_claims)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
