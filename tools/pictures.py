"""Make the two images outside the notebooks: the landing page's and README's, and the card of links to the book.

Usage: python -m tools.pictures      (after `make book`, whose first page is on the card)
"""

import base64

import nbformat
from playwright.sync_api import sync_playwright

from helpers import formats
from tools import browser
from tools.pages import ROOT

CHAPTER = ROOT / "book/gans/corrected_loop"
ASSETS = ROOT / "book/assets"


def first_figure(path):
    """Return the PNG bytes of a committed notebook's first figure."""
    cells = nbformat.read(path, as_version=4).cells
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return base64.b64decode(next(bundle["image/png"] for bundle in bundles if "image/png" in bundle))


def screenshot(built):
    """Return a PNG of the top of a built page."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.options())
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(built.as_uri(), wait_until="networkidle")
        return page.screenshot()


def main():
    """Write both pictures."""
    (ASSETS / "recipes.png").write_bytes(first_figure(CHAPTER.with_suffix(".ipynb")))
    (ASSETS / "page.png").write_bytes(formats.with_palette(screenshot(ROOT / "_build/html/book/index.html")))


if __name__ == "__main__":
    main()
