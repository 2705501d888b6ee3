"""The films of the book move by keyboard, by their button, and not by themselves."""

import pytest

FILMS = ["book/gans/corrected_loop"]


@pytest.fixture(params=FILMS)
def film(request, browser, site):
    """The first film of a page, for keys and for fingers."""
    page = browser.new_page(has_touch=True)
    page.goto(f"{site}/{request.param}.html", wait_until="networkidle")
    yield page.locator(".film").first
    page.close()


def picture(film):
    return film.locator("img").get_attribute("src")


def test_it_shows_the_last_frame_and_waits(film):
    last = picture(film)
    film.page.wait_for_timeout(700)
    assert picture(film) == last
    assert film.locator("button").text_content() == "Play"


def test_arrow_keys_move_it_one_frame(film):
    slider = film.locator("input")
    slider.focus()
    shown = [picture(film)]
    for _ in range(2):
        film.page.keyboard.press("ArrowLeft")
        shown.append(picture(film))
    assert len(set(shown)) == 3
    film.page.keyboard.press("ArrowRight")
    assert picture(film) == shown[1]


def test_its_button_plays_from_the_start_and_pauses(film):
    last, button = film.locator("output").text_content(), film.locator("button")
    button.press("Enter")
    assert film.locator("output").text_content() != last
    assert button.text_content() == "Pause"
    button.press("Space")
    paused = picture(film)
    film.page.wait_for_timeout(700)
    assert picture(film) == paused
    assert button.text_content() == "Play"


def test_a_finger_moves_it_and_plays_it(film):
    last, button = picture(film), film.locator("button")
    film.locator("input").tap()  # in its middle
    middle = picture(film)
    assert middle != last
    button.tap()
    film.page.wait_for_function(
        "([root, before]) => root.querySelector('img').src !== before", arg=[film.element_handle(), middle]
    )
    button.tap()
    assert button.text_content() == "Play"
