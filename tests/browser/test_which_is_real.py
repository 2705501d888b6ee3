"""The figure of thirty clicks in a real browser: its pairs, its interval, and that it counts on the page only."""

import numpy as np
import pytest
from scipy.stats import binomtest

from helpers.widgets.which_is_real import DRAWN, GENERATORS, REAL, WhichIsReal, pack_images
from tests.browser.test_figures import call, choose, open_figure, picture, words  # noqa: F401

COUNTS = {"real": REAL, "drawn": DRAWN, "clicks": 30}
FIRST = next(iter(GENERATORS))


@pytest.fixture
def pairs(call):  # noqa: F811
    """The pairs of the first run."""
    return call(WhichIsReal, "(module, ...rest) => module.pairsOf(...rest)", 1, COUNTS)


@pytest.mark.parametrize(("right", "clicks"), [(0, 30), (15, 30), (22, 30), (30, 30), (61, 90)])
def test_interval_is_wilsons(call, right, clicks):  # noqa: F811
    found = call(WhichIsReal, "(module, ...rest) => module.wilson(...rest)", right, clicks)
    expected = binomtest(right, clicks).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_images_are_those_packed(call):  # noqa: F811
    images = np.random.default_rng(0).random((3, 784))
    code = "(module, bytes) => module.unpackLevels(new DataView(Uint8Array.from(bytes).buffer)).map((row) => [...row])"
    found = call(WhichIsReal, code, list(pack_images(images)))
    np.testing.assert_allclose(found, np.round(15 * images) / 15, atol=1e-6)


def test_pairs_repeat_no_digit_and_change_sides(pairs):
    assert len(pairs) == 30
    for kind, count in (("real", REAL), ("drawn", DRAWN)):
        chosen = [pair[kind] for pair in pairs]
        assert len(set(chosen)) == 30
        assert max(chosen) < count
    assert 8 <= sum(pair["left"] for pair in pairs) <= 22


def test_arrow_keys_answer_and_the_end_tells_how_many_were_right(open_figure, pairs):  # noqa: F811
    page = open_figure(WhichIsReal)
    assert words(page).startswith(f"Pair 1 of 30, with the {FIRST}.")
    page.locator("canvas").first.focus()
    seen = {picture(page)}
    for at, pair in enumerate(pairs):
        wrong = at < 8
        page.keyboard.press("ArrowLeft" if pair["left"] != wrong else "ArrowRight")
        seen.add(picture(page))
    assert len(seen) == 31
    low, high = binomtest(22, 30).proportion_ci(0.95, method="wilson")
    assert words(page) == (
        f"22 of 30 right with the {FIRST}: 73%, 95% interval {low:.0%} to {high:.0%}. Guessing gives 50%, which lies "
        "outside it."
    )
    end = picture(page)
    page.keyboard.press("ArrowLeft")  # no pair waits
    assert picture(page) == end


def test_a_guesser_is_told_so_and_may_start_anew(open_figure, pairs):  # noqa: F811
    page = open_figure(WhichIsReal)
    left = page.get_by_role("button", name="Left is real")
    for _ in pairs:
        left.press("Enter")
    right = sum(pair["left"] for pair in pairs)
    assert words(page).startswith(f"{right} of 30 right")
    assert "which lies inside it" in words(page)
    page.get_by_role("button", name="Start anew").press("Enter")
    assert words(page).startswith("Pair 1 of 30")
    choose(page, "Generator", "c")
    assert "Pair 1 of 30, with the collapsed GAN." in words(page)


def test_a_finger_answers_on_the_digit(open_figure):  # noqa: F811
    page = open_figure(WhichIsReal, has_touch=True, viewport={"width": 360, "height": 740})
    before = picture(page)
    page.locator("canvas").first.tap()
    assert words(page).startswith("Pair 2 of 30")
    assert picture(page) != before


def test_nothing_is_kept(open_figure):  # noqa: F811
    page = open_figure(WhichIsReal)
    page.get_by_role("button", name="Left is real").press("Enter")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.reload()
    page.wait_for_function("() => document.querySelector('.words')?.textContent")
    assert words(page).startswith("Pair 1 of 30")
