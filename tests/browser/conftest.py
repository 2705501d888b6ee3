"""The built pages on a local server, and a Chromium to open them."""

import functools
import http.server
import os
import threading

import pytest
from playwright.sync_api import sync_playwright

from tools import browser as chromium
from tools.pages import ROOT

HTML = ROOT / "_build" / "html"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Leave pytest's output to pytest."""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Address of the built book, on a sub-path as on GitHub Pages."""
    if not (HTML / "index.html").exists():
        pytest.fail("No built pages in _build/html: run `make book` first.")
    room = tmp_path_factory.mktemp("site")
    (room / "the-book").symlink_to(HTML)
    handler = functools.partial(QuietHandler, directory=str(room))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/the-book"
        server.shutdown()


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
