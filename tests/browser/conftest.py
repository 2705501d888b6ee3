"""The built pages on a local server, a Chromium to open them, and pages of one interactive figure each."""

import contextlib
import functools
import http.server
import json
import os
import threading

import pytest
from ipywidgets.embed import embed_data
from playwright.sync_api import sync_playwright

from tools import browser as chromium
from tools.pages import ROOT

HTML = ROOT / "_build" / "html"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Leave pytest's output to pytest."""


@contextlib.contextmanager
def serve(folder):
    """Serve a folder's files; yields the address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Address of the built book, on a sub-path as on GitHub Pages."""
    if not (HTML / "index.html").exists():
        pytest.fail("No built pages in _build/html: run `make book` first.")
    room = tmp_path_factory.mktemp("site")
    (room / "the-book").symlink_to(HTML)
    with serve(room) as address:
        yield f"{address}/the-book"


@pytest.fixture(scope="session")
def browser():
    """A real Chromium; a missing one is a failure where it counts, in CI."""
    path = chromium.find()
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("No Chromium: python -m tools.browser")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium.options())
        yield running
        running.close()


# As MyST-NB writes it, but for the book around it.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>A figure</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"></head>
<body><script type="application/vnd.jupyter.widget-view+json">{view}</script>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
<script src="anywidget-static.js" defer></script></body></html>
"""


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    """A function that turns a widget, or a class with what it starts with, into a page and returns its address."""
    room = tmp_path_factory.mktemp("figures")
    loader = "anywidget-static.js"
    (room / loader).symlink_to(ROOT / "book/assets" / loader)
    with serve(room) as address:

        @functools.cache
        def publish(figure):
            """Write the page of a widget; of a class there is one for all tests."""
            widget = figure() if isinstance(figure, type) else figure
            data = embed_data([widget])
            texts = {"view": data["view_specs"][0], "state": data["manager_state"]}
            texts = {name: json.dumps(text).replace("</", "<\\/") for name, text in texts.items()}
            (room / f"{widget.model_id}.html").write_text(PAGE.format(**texts), encoding="utf-8")
            return f"{address}/{widget.model_id}.html"

        yield publish
