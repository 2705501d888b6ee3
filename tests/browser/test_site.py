"""The built site: what stands around its pages, and what axe-core, which tests accessibility, finds on all of them."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.browser.test_pages import wait_for_math
from tools.bootstrap import repository
from tools.pages import ROOT, notebooks, pages

HTML = ROOT / "_build" / "html"
PAGES = [path.with_suffix(".html").as_posix() for path in pages()]
OTHERS = ["search.html", "404.html"]
# Off by default, as experimental; the rule of WCAG 2.5.3.
RULES = {"label-content-name-mismatch": {"enabled": True}}
QUICK = {"resultTypes": ["violations"], "preload": False}
COLOURS = {**QUICK, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
OTHER_RULES = {**QUICK, "rules": {**RULES, "color-contrast": {"enabled": False}}}
# Colours that are on their way from one mode to the other are no colours of the page.
SHOW = """(theme) => {
  document.documentElement.dataset.theme = theme;
  document.getAnimations().forEach((animation) => animation.finish());
}"""
# Equal tokens of code look alike, and so do formulas within a line: one of each kind is looked at; the others,
# thousands of nodes on a page, become plain text.
THIN = """() => {
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight span[class]")) {
    const kind = `${token.className} ${token.closest("[class*=highlight-], .cell_input, .cell_output")?.className}`;
    if (seen.has(kind)) token.replaceWith(...token.childNodes);
    else seen.add(kind);
  }
  const [, ...formulas] = document.querySelectorAll("span.math mjx-container");
  for (const formula of formulas) formula.textContent = formula.querySelector("mjx-assistive-mml").textContent;
}"""
# The contrast of a text depends on how it is drawn and on the grounds below it. Of those that are equal in all of that,
# in both modes, one stays.
ONE_OF_EACH = f"""() => {{
  const show = {SHOW};
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.textContent.trim()) texts.push(walker.currentNode);
  const looks = new Map(texts.map((text) => [text, ""]));
  for (const theme of ["dark", "light"]) {{
    show(theme);
    const grounds = new Map([[null, ""]]);
    const ground = (element) => {{
      if (!grounds.has(element)) {{
        const {{ backgroundColor, backgroundImage, opacity, filter, position, visibility, display, clip }} =
          getComputedStyle(element);
        const own = [backgroundColor, backgroundImage, opacity, filter, position, visibility, display, clip];
        grounds.set(element, `${{ground(element.parentElement)}} ${{own}}`);
      }}
      return grounds.get(element);
    }};
    for (const text of texts) {{
      const {{ color, fontSize, fontWeight, textShadow }} = getComputedStyle(text.parentElement);
      const look = [looks.get(text), ground(text.parentElement), color, fontSize, fontWeight, textShadow];
      looks.set(text, look.join(" "));
    }}
  }}
  const seen = new Set();
  for (const [text, look] of looks) {{
    if (seen.has(look)) text.remove();
    seen.add(look);
  }}
}}"""


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core, which a package brings along; a missing one is a failure where it counts, in CI."""
    package = find_spec("axe_playwright_python")
    if package is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("No axe-core: pip install -e '.[test]'")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(browser):
    """A page of a width at which the theme shows both sidebars."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    yield page
    page.close()


@pytest.fixture(params=PAGES)
def html(request):
    """The text of a page of the table of contents."""
    return (HTML / request.param).read_text(encoding="utf-8")


def serious(page, options):
    """Return the serious faults that axe-core finds on a page: the rule and the element."""
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    rules = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return {(rule["id"], node["html"][:200]) for rule in rules for node in rule["nodes"]}


@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
def test_axe_finds_no_serious_fault(page, site, axe, name):
    page.goto(f"{site}/{name}", wait_until="load")
    wait_for_math(page)
    page.evaluate(axe)
    page.evaluate(THIN)
    faults = serious(page, OTHER_RULES)
    page.evaluate(ONE_OF_EACH)
    for theme in ("light", "dark"):
        page.evaluate(SHOW, theme)
        faults |= {(theme, *fault) for fault in serious(page, COLOURS)}
    assert faults == set()


def test_every_page_leads_to_the_next():
    walked = [PAGES[0]]
    while link := re.search('class="right-next"\\s*href="([^"]*)"', (HTML / walked[-1]).read_text(encoding="utf-8")):
        walked.append(urljoin(walked[-1], link[1]))
    assert walked == PAGES


def test_page_has_a_title_a_description_and_an_icon(html):
    description = re.search('<meta name="description" content="([^"]{40,})" />', html)
    assert description
    assert f'<meta property="og:description" content="{description[1]}" />' in html
    assert re.search('<link rel="icon" href="[./]*_static/favicon.svg"', html)
    assert (HTML / "_static/favicon.svg").exists()


def test_descriptions_differ():
    texts = [(HTML / name).read_text(encoding="utf-8") for name in PAGES]
    assert len({re.search('name="description" content="([^"]*)"', text)[1] for text in texts}) == len(PAGES)


@pytest.mark.parametrize("name", [str(path.with_suffix("")) for path in notebooks()])
def test_chapter_has_its_buttons(name):
    html = (HTML / f"{name}.html").read_text(encoding="utf-8")
    buttons = re.findall('<a href="([^"]*)" target="_blank"', html)
    assert [urlsplit(urljoin(name, link)).path for link in buttons if "_sources" in link] == [
        f"_sources/{name}.ipynb",
        f"_sources/{name}.md",
    ]
    assert all((HTML / f"_sources/{name}{suffix}").exists() for suffix in (".ipynb", ".md"))
    elsewhere = [link for link in buttons if "mybinder.org" in link or "colab.research" in link]
    owner_and_name = urlsplit(repository() or "").path
    assert len(elsewhere) == (2 if repository() else 0)
    assert all(owner_and_name in link and link.endswith(f"{name}.ipynb") for link in elsewhere)


def test_code_can_be_copied(page, site):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/{notebooks()[0].with_suffix('.html')}", wait_until="networkidle")
    cell = page.locator(".cell_input div.highlight").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").text_content().strip()


def test_page_for_missing_addresses_leads_back(page, site):
    page.goto(f"{site}/404.html", wait_until="networkidle")
    page.locator("article a", has_text="Autoencoders and GANs").click()
    page.wait_for_url(f"{site}/{PAGES[0]}")
