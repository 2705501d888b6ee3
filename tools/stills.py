"""Make a picture of each interactive figure, which the readers' edition shows where no widget can run, as on GitHub.

Usage: python -m tools.stills      (after `make book`, whose pages it takes them from; writes book/assets/figures)
"""

import io
import json
import zlib

import nbformat
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

from tools import browser
from tools.pages import ROOT, notebooks
from tools.readers import PICTURES, WIDGET_STATE, figure_name

HTML = ROOT / "_build" / "html"
VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]'
COLOURS = 64  # enough for a drawing, at a third of its bytes
DRAWN_BY = "drawn by"  # name of the note in a picture that holds its figure's `signature`


def signature(model):
    """Return a checksum of what draws a figure, its script and its style, from its saved model."""
    return f"{zlib.crc32((model['state']['_esm'] + model['state']['_css']).encode()):08x}"


def shots(page, path):
    """Yield, for each interactive figure of a chapter's page, its saved model and its picture as PNG bytes."""
    models = nbformat.read(ROOT / path, as_version=4).metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    if not models:
        return
    page.goto((HTML / path).with_suffix(".html").as_uri(), wait_until="networkidle")
    for view in page.locator(VIEW).all():
        model = models[json.loads(view.text_content())["model_id"]]
        yield model, view.locator("xpath=following-sibling::*[1]").screenshot()


def light(png, drawn_by):
    """Return the bytes of a PNG with few colours, and with a note of what has drawn it."""
    buffer, note = io.BytesIO(), PngInfo()
    note.add_text(DRAWN_BY, drawn_by)
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True, pnginfo=note)
    return buffer.getvalue()


def main():
    """Write the pictures."""
    folder = ROOT / PICTURES
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.options())
        page = chromium.new_page(viewport={"width": 1200, "height": 1000}, reduced_motion="reduce")
        for path in notebooks():
            for model, png in shots(page, path):
                (folder / f"{figure_name(model)}.png").write_bytes(light(png, signature(model)))


if __name__ == "__main__":
    main()
