"""The replay of recorded runs in a real browser: it shows the recorded points and numbers, by keys and by fingers."""

import numpy as np
import pytest

from helpers import results
from helpers.widgets.point_replay import PointReplay
from tests.browser.test_figures import call, choose, open_figure, picture, words  # noqa: F401

RUNS = results.read("replays")["runs"]
FULL = {"ring": 8, "grid": 25}


def says(run, moment):
    """Return the recorded numbers of a moment, in the figure's words."""
    return (
        f"After step {run['steps'][moment]:,}: {run['modes'][moment]} of {FULL[run['mixture']]} modes covered; "
        f"{100 * run['high_quality'][moment]:.1f}% of high quality, counted over 2,500 points."
    )


def find(**key):
    """Return a recorded run."""
    return next(run for run in RUNS if key.items() <= run.items())


def test_points_are_those_recorded(call):  # noqa: F811
    figure = PointReplay()
    at = {"run": 1, "moment": 7, "moments": len(RUNS[1]["steps"]), "shown": figure.shown, "edge": figure.edge}
    code = "(module, bytes, at) => [...module.recorded(new DataView(Uint8Array.from(bytes).buffer), at)]"
    found = call(PointReplay, code, list(figure.points), at)
    expected = results.arrays("replays")["points"][1, 7] * figure.edge / 127
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-6)


def test_keys_move_through_a_run(open_figure):  # noqa: F811
    page = open_figure(PointReplay)
    slider, run = page.get_by_role("slider", name="Moment"), RUNS[0]
    slider.focus()
    shown = {picture(page)}
    assert words(page) == says(run, -1)
    for moment in (-2, -3):
        page.keyboard.press("ArrowLeft")
        shown.add(picture(page))
        assert words(page) == says(run, moment)
    page.keyboard.press("Home")
    shown.add(picture(page))
    assert words(page) == says(run, 0)
    assert slider.get_attribute("aria-valuetext") == "step 0"
    assert len(shown) == 4


def test_keys_choose_the_run(open_figure):  # noqa: F811
    page = open_figure(PointReplay)
    pictures = [picture(page)]
    for label, key, run in (
        ("Run", "r", find(mixture="ring", seed=0)),
        ("Seed", "1", find(mixture="ring", seed=1)),
    ):
        choose(page, label, key)
        pictures.append(picture(page))
        assert words(page) == says(run, -1)
    assert len(set(pictures)) == 3


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_it_plays_from_the_start_and_pauses_by_keys(open_figure, motion):  # noqa: F811
    page = open_figure(PointReplay, reduced_motion=motion)
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => !/step (0|8,000):/.test(document.querySelector('.words').textContent)")
    page.get_by_role("button", name="Pause").press("Enter")
    paused = picture(page)
    page.wait_for_timeout(400)
    assert picture(page) == paused
    assert words(page) in [says(RUNS[0], moment) for moment in range(1, 23)]


def test_a_finger_moves_it(open_figure):  # noqa: F811
    page = open_figure(PointReplay, has_touch=True, viewport={"width": 360, "height": 740})
    last = picture(page)
    page.get_by_role("slider", name="Moment").tap()  # in its middle
    assert picture(page) != last
    assert words(page) in [says(RUNS[0], moment) for moment in range(8, 16)]
    page.get_by_role("button", name="Play").tap()
    page.get_by_role("button", name="Pause").tap()
