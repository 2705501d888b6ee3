"""Every page of the built book in a real browser: whole, silent and on its own."""

import functools
import gzip
import re
from types import SimpleNamespace

import pytest

from tools.pages import ROOT, notebooks, pages
from tools.sphinx_book import gather

TITLE = "Autoencoders and GANs, Measured"
LOADED = "() => [...document.images].every(image => image.complete)"


def heading(path):
    """Return the first heading of a page's source: the Markdown one of a pair."""
    text = (ROOT / path).with_suffix(".md").read_text(encoding="utf-8")
    return re.search(r"^# (.+)$", text, flags=re.MULTILINE).group(1).strip()


def watch(page, site):
    """Return a list that fills with whatever goes wrong while `page` loads."""
    problems = []

    def note(event, line, wrong=lambda _: True):
        page.on(event, lambda seen: problems.append(line(seen)) if wrong(seen) else None)

    note("console", lambda entry: f"{entry.text} {entry.location}", lambda entry: entry.type in ("error", "warning"))
    note("pageerror", str)
    note("requestfailed", lambda request: f"failed: {request.url}")
    # From 400 on: 304 is the browser's own cache at work.
    note("response", lambda reply: f"{reply.status}: {reply.url}", lambda reply: reply.status >= 400)
    own = (f"{site}/", "data:", "blob:")
    note("request", lambda request: f"foreign: {request.url}", lambda request: not request.url.startswith(own))
    return problems


def wait_for_math(page):
    """Wait until formulas are drawn; on a busy machine their script may come after the network's silence."""
    page.wait_for_function("() => !window.MathJax || MathJax.startup?.promise")
    page.evaluate("() => window.MathJax?.startup.promise.then(() => true)")


@pytest.fixture(scope="module", params=pages(), ids=str)
def visit(request, browser, site):
    """A page of the table of contents, loaded once for all its tests."""
    page = browser.new_page()
    problems, replies = watch(page, site), {}
    page.on("response", lambda reply: replies.setdefault(reply.url, reply))
    page.goto(f"{site}/{request.param.with_suffix('.html')}", wait_until="networkidle")
    wait_for_math(page)
    page.wait_for_function(LOADED)
    weight = sum(wire_bytes(reply.body()) for url, reply in list(replies.items()) if url.startswith(site))
    yield SimpleNamespace(page=page, problems=problems, path=request.param, weight=weight)
    page.close()


@functools.lru_cache(maxsize=64)  # most files of a page belong to all pages
def wire_bytes(body):
    """Return the bytes of a file as a host sends it: compressed by gzip where that is shorter."""
    return min(len(body), len(gzip.compress(body, 6)))


def test_page_logs_no_error_and_asks_only_its_own_site(visit):
    assert visit.problems == []


def test_page_is_light(visit):
    assert visit.weight <= 1_500_000


def test_title_is_the_heading(visit):
    shown = visit.page.locator("article h1").first.evaluate("h => h.firstChild.textContent.trim()")
    assert heading(visit.path).replace("*", "").replace("`", "") == shown
    assert visit.page.title() in (TITLE, f"{shown} — {TITLE}")


def test_images_are_loaded_and_have_alt_text(visit):
    # a button that has a label says what the image in it shows
    found = visit.page.locator("article img:not(button[aria-label] img)")
    images = found.evaluate_all("all => all.map(i => [i.src, i.naturalWidth, i.alt])")
    assert [image for image in images if not (image[1] and image[2].strip())] == []


def test_math_is_rendered(visit):
    math = visit.page.locator("article .math")
    assert math.count() == visit.page.locator("article .math:has(mjx-container)").count()
    assert visit.page.locator("mjx-merror").count() == 0


def test_tables_are_tables(visit):
    rule = re.compile(r"\|\s*(—|---)\s*\|")  # what Markdown has below a table's head
    assert visit.page.locator("article p", has_text=rule).count() == 0


def test_page_fits_a_telephone(visit):
    wide = visit.page.viewport_size
    visit.page.set_viewport_size({"width": 320, "height": 740})  # what WCAG asks for; with wide fonts, too, 360 fits
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320
    visit.page.set_viewport_size(wide)


def test_no_button_points_at_another_repository(visit):
    targets = visit.page.locator(".article-header-buttons a").evaluate_all("all => all.map(a => a.href)")
    assert [target for target in targets if "executablebooks" in target] == []


def test_notebooks_can_be_downloaded(visit, site):
    if visit.path in notebooks():
        assert visit.page.request.get(f"{site}/_sources/{visit.path}").ok


def test_root_leads_to_the_first_page(browser, site):
    page = browser.new_page()
    problems = watch(page, site)
    page.goto(f"{site}/")
    page.wait_for_url(f"{site}/{pages()[0].with_suffix('.html')}", wait_until="networkidle")
    assert problems == []


def test_search_finds_a_page(browser, site):
    page = browser.new_page()
    problems = watch(page, site)
    page.goto(f"{site}/{pages()[0].with_suffix('.html')}", wait_until="networkidle")
    page.keyboard.press("Control+k")
    page.keyboard.type("autoencoders")
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li a", has_text=TITLE).count() > 0
    assert problems == []


def test_site_holds_every_claim(browser, site):
    answer = browser.new_page().request.get(f"{site}/claims.json")
    assert answer.json() == gather(ROOT)[0]
