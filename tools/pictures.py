"""Make the two pictures that stand outside the notebooks: the landing page's and the README's.

Usage: python -m tools.pictures      (after `make book`, whose page it takes the README's from)
"""

import base64

import nbformat
from playwright.sync_api import sync_playwright

from tools import browser
from tools.pages import ROOT

CHAPTER = ROOT / "book/gans/corrected_loop"
ASSETS = ROOT / "book/assets"


def first_figure(path):
    """Return the PNG bytes of a committed notebook's first figure."""
    cells = nbformat.read(path, as_version=4).cells
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return base64.b64decode(next(bundle["image/png"] for bundle in bundles if "image/png" in bundle))


def screenshot(page_path, anchor):
    """Return a PNG of a built page, scrolled to the heading `anchor`."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.options())
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{page_path.as_uri()}#{anchor}", wait_until="networkidle")
        page.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise }")
        page.locator(f"#{anchor}").scroll_into_view_if_needed()
        return page.screenshot()


def main():
    """Write both pictures."""
    (ASSETS / "recipes.png").write_bytes(first_figure(CHAPTER.with_suffix(".ipynb")))
    built = ROOT / "_build/html/book/gans/corrected_loop.html"
    (ASSETS / "page.png").write_bytes(screenshot(built, "the-changes-that-make-it-work"))


if __name__ == "__main__":
    main()
