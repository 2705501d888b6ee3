"""The interactive figures in a real browser: driven by keys and fingers, and held to Python's numbers."""

import functools
import zlib

import keras
import numpy as np
import pytest
import scipy
from playwright.sync_api import expect

from helpers import datasets, gans, metrics
from helpers.widgets import packing
from helpers.widgets.optimal_discriminator import OptimalDiscriminator
from helpers.widgets.point_gan import PointGAN
from tests.browser.test_pages import watch
from tests.tools.figure_classes import FIGURES
from tools.pages import ROOT, pages

VIEWS = 'script[type="application/vnd.jupyter.widget-view+json"]'
SIGNS = (VIEWS[13:-2], "{live-figure}")
WITH_FIGURES = [path for path in pages() if any(sign in (ROOT / path).read_text(encoding="utf-8") for sign in SIGNS)]

# Runs `code`, a function of the figure's module and of further arguments.
CALL = """async ([script, code, ...args]) => {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  return await eval(code)(await import(address), ...args);
}"""

FRAMES = "async () => { for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame); }"


def picture(page):
    """Return what all canvases show."""
    page.evaluate(FRAMES)
    return page.evaluate("() => [...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()")


@pytest.fixture
def open_figure(browser, figures):
    """A function that opens a widget's page; what went wrong on it must be nothing."""
    opened, problems = [], []

    def opening(figure, **context):
        """Return the page of a widget or of a class, ready to be used."""
        context = browser.new_context(**{"viewport": {"width": 800, "height": 900}, **context})
        opened.append(context)
        page = context.new_page()
        address = figures(figure)
        problems.append(watch(page, address.rpartition("/")[0]))
        page.goto(address)
        page.wait_for_function("() => document.querySelector('.words')?.textContent")
        return page

    yield opening
    for context in opened:
        context.close()
    assert [problem for some in problems for problem in some] == []


@pytest.fixture(scope="module")
def call(browser, figures):
    """A function that runs a piece of JavaScript on a figure's module: call(figure, "(module, a) => ...", a)."""
    page = browser.new_page()
    page.goto(figures(OptimalDiscriminator))

    def calling(figure, code, *arguments):
        """Return what the code returns."""
        return page.evaluate(CALL, [figure()._esm, code, *arguments])

    yield calling
    page.close()


INFLATE = """async (module, lists) => {
  const of = (bytes) => new DataView(Uint8Array.from(bytes).buffer);
  const traits = { title: "a", weights: of(lists[0]), named: { one: { bytes: of(lists[1]) }, count: 2 } };
  const numbers = (view) => [...new Uint8Array(view.buffer)];
  const render = ({ model, el }) => [
    el,
    model.get("title"),
    numbers(model.get("weights")),
    numbers(model.get("named").one.bytes),
    model.get("named").count,
  ];
  const model = new Map(Object.entries(traits));
  return module.inflating(["weights", "named"], render)({ model, el: "el" });
}"""


def test_bytes_come_inflated(call):
    texts = [bytes(300), b"abc"]
    found = call(OptimalDiscriminator, INFLATE, [list(zlib.compress(text)) for text in texts])
    assert found == ["el", "a", *map(list, texts), 2]


# --- Numbers: networks ---


def test_packed_network_gives_kerass_outputs(call):
    layers = keras.layers
    hidden = [layers.Dense(9, activation="leaky_relu"), layers.Dense(6), layers.LayerNormalization()]
    rest = [layers.Activation("silu"), layers.Dense(7, activation="tanh"), layers.Dense(3, activation="sigmoid")]
    chain = keras.Sequential([keras.Input((5,)), *hidden, *rest])
    rng = np.random.default_rng(0)
    chain.set_weights([rng.normal(size=weight.shape).astype("float32") for weight in chain.get_weights()])
    packed, numbers = packing.pack(chain, "float32")
    code = """(module, layers, bytes, rows) => {
      const weights = new DataView(Uint8Array.from([0, ...bytes]).buffer, 1); // a page may put it anywhere
      return [...module.unpack(layers, weights).forward(Float32Array.from(rows), 11)];
    }"""
    rows = rng.normal(size=(11, 5)).astype("float32")
    found = call(PointGAN, code, packed, list(numbers), rows.ravel().tolist())
    np.testing.assert_allclose(np.reshape(found, (11, 3)), chain(rows), atol=1e-5)


STEPS = """(module, settings, weights, real, latents) => {
  const arrays = weights.map((list) => list.map((numbers) => Float32Array.from(numbers)));
  const build = (sizes, [k1, b1, k2, b2, k3, b3]) => new module.Network([
    new module.Dense(sizes[0], 64, "relu", k1, b1),
    new module.Dense(64, 64, "relu", k2, b2),
    new module.Dense(64, sizes[1], "linear", k3, b3),
  ]);
  const networks = { generator: build([2, 2], arrays[0]), discriminator: build([2, 1], arrays[1]) };
  const gan = new module.Gan({ ...settings, ...networks });
  for (const adam of Object.values(gan.adams)) adam.epsilon = settings.epsilon;
  const losses = [];
  for (let i = 0; i < latents.length; i += 2) {
    losses.push(gan.stepDiscriminator(Float32Array.from(real), Float32Array.from(latents[i])));
    losses.push(gan.stepGenerator(Float32Array.from(latents[i + 1]), Float32Array.from(real)));
  }
  return { losses, weights: [gan.generator, gan.discriminator].map((net) => net.weights.map((array) => [...array])) };
}"""
# Some gradients cancel: with epsilon 1e-7, Adam would turn their rounding into steps that are compared
EPSILON = 1e-5
PENALTIES = {"none": {}, "R1": {"r1": 0.1}, "R1 + R2": {"r1": 0.1, "r2": 0.1}}


def lists(weights):
    """Return arrays as flat lists."""
    return [np.ravel(weight).tolist() for weight in weights]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", gans.LOSSES)
def test_training_steps_are_those_of_the_books_gan(call, loss, penalty):
    keras.utils.set_random_seed(0)
    gan = gans.GAN(*gans.point_networks(units=(64, 64)), seed=3)
    adams = [keras.optimizers.Adam(1e-3, beta_1=0, beta_2=0.99, epsilon=EPSILON) for _ in range(2)]
    gan.compile(*adams, loss=loss, **PENALTIES[penalty], run_eagerly=True)
    start = [lists(gan.generator.get_weights()), lists(gan.discriminator.get_weights())]
    real = datasets.ring().standardised().sample(128, np.random.default_rng(1))
    noise = keras.random.SeedGenerator(gan.seed)  # as the model draws it
    latents = lists(keras.random.normal((128, 2), seed=noise) for _ in range(6))
    settings = {"loss": loss, "penalty": penalty, "gamma": 0.1, "rate": 1e-3, "epsilon": EPSILON}
    for _ in range(3):
        log = gan.train_on_batch(real, return_dict=True)
    found = call(PointGAN, STEPS, settings, start, real.ravel().tolist(), latents)
    np.testing.assert_allclose(found["losses"][-2:], [log["d_loss"], log["g_loss"]], atol=1e-5)  # of the last step
    for network, weights in zip((gan.generator, gan.discriminator), found["weights"], strict=True):
        pairs = zip(weights, network.get_weights(), strict=True)
        assert max(np.abs(np.reshape(a, b.shape) - b).max() for a, b in pairs) <= 1e-5


HANDED = """({ Training, train }) => {
  const settings = { loss: "relativistic", penalty: "R1 + R2", gamma: 0.1, rate: 1e-3 };
  const common = { settings, mixture: { centers: [[0, 1], [1, 0]], std: 0.1 }, who: "both", milliseconds: 1e5 };
  const whole = new Training(settings, 5);
  for (let i = 0; i < 5; i++) whole.step(common.mixture, common.who);
  let { state } = new Training(settings, 5);
  for (const steps of [2, 0, 3]) state = structuredClone(train({ ...common, state, steps }));
  return [whole.state, state].map((one) => JSON.stringify(one));
}"""


def test_training_handed_to_a_thread_and_back_is_the_same(call):
    whole, in_slices = call(PointGAN, HANDED)
    assert in_slices == whole
    assert '"steps":{"discriminator":5,"generator":5}' in whole


def test_coverage_is_the_books(call):
    mixture = datasets.grid().standardised()
    rng = np.random.default_rng(0)
    some = np.concatenate([mixture.sample(300, rng), rng.uniform(-2, 2, size=(300, 2)).astype("float32")])
    target = {"centers": mixture.centers.tolist(), "std": float(mixture.std)}
    found = call(PointGAN, "(module, ...rest) => module.coverage(...rest)", some.ravel().tolist(), target)
    expected = metrics.mode_coverage(some, mixture)
    assert found["modes"] == expected["modes"]
    assert np.isclose(found["quality"], expected["high_quality"])


# --- Numbers: densities ---

MIXTURES = [
    ({"means": [-2, 1.5], "widths": [0.8, 0.8], "share": 0.4}, {"means": [0, 3], "widths": [1, 0.3], "share": 0.9}),
    ({"means": [-5, -3], "widths": [0.2, 0.2], "share": 1}, {"means": [5, 3], "widths": [0.2, 2], "share": 1}),
]


def log_density(x, mixture):
    """Return the logarithm of the density of a mixture of two normals."""
    shares = np.array([mixture["share"], 1 - mixture["share"]])
    parts = scipy.stats.norm(mixture["means"], mixture["widths"]).logpdf(x[:, None])
    return scipy.special.logsumexp(parts, axis=1, b=shares)


@pytest.mark.parametrize(("p", "q"), MIXTURES)
def test_divergence_and_pushes_are_their_integrals(call, p, q):
    x = np.linspace(-15, 15, 300_001)
    log_p, log_q = log_density(x, p), log_density(x, q)
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    integral = functools.partial(np.trapezoid, x=x)
    js = integral(np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)) / 2
    slope, best = np.gradient(log_p - log_q, x), scipy.special.expit(log_p - log_q)
    found = call(OptimalDiscriminator, "(module, p, q) => module.measure(p, q)", p, q)
    assert np.isclose(found["js"], js, atol=1e-5)
    assert np.isclose(found["value"], 2 * js - np.log(4), atol=1e-5)
    assert np.isclose(found["saturating"], integral(np.exp(log_q) * best * slope), atol=1e-5)
    assert np.isclose(found["other"], integral(np.exp(log_q) * (1 - best) * slope), atol=1e-5)


# --- Keys, fingers, light and dark ---


def words(page):
    """Return what the figure says, once the picture is drawn."""
    picture(page)
    return page.locator(".words").text_content()


def steps_made(page):
    """Return the steps of D, which the figure counts in words."""
    return int(words(page).split()[3].strip(",").replace(",", ""))


def swipe(page, start, end):
    """Draw a finger over the page."""
    session = page.context.new_cdp_session(page)
    for share in np.linspace(0, 1, 8):
        x, y = (1 - share) * np.array(start) + share * np.array(end)
        kind = "touchMove" if share else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figure_fits_a_telephone_and_has_names(open_figure, figure, scheme):
    page = open_figure(figure, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    controls = page.locator("button, input, select, canvas")
    boxes = controls.evaluate_all(
        """all => all.filter((one) => one.checkVisibility()).map((one) => {
          const box = (one.type === "checkbox" ? one.parentElement : one).getBoundingClientRect();
          return [one.ariaLabel || (one.labels?.[0] ?? one).textContent.trim(), box.right, box.height];
        })"""
    )
    assert [box for box in boxes if not box[0] or box[1] > 360 or box[2] < 17] == []


def ground(page):
    """Return the colour behind the figure."""
    return page.locator(".book-figure").evaluate("root => getComputedStyle(root).backgroundColor")


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_follows_the_theme(open_figure, figure):
    page = open_figure(figure, color_scheme="light")
    light = picture(page)
    assert ground(page) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    assert picture(page) != light
    assert ground(page) != "rgb(255, 255, 255)"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert picture(page) == light


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_by_itself(open_figure, figure, motion):
    page = open_figure(figure, reduced_motion=motion)
    before = picture(page)
    page.wait_for_timeout(400)
    assert picture(page) == before


@pytest.mark.parametrize("figure", FIGURES)
def test_every_control_is_reached_by_the_tab_key(open_figure, figure):
    page = open_figure(figure)
    visible = "all => all.filter((one) => one.checkVisibility()).length"
    count = page.locator("button, input, select").evaluate_all(visible)
    met = set()
    for _ in range(count):
        page.keyboard.press("Tab")
        met.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        # JupyterLab leaves the keys to it: else an arrow folds a heading, and a digit makes one of the cell.
        assert page.evaluate("document.activeElement.hasAttribute('data-lm-suppress-shortcuts')")
    assert len(met) == count
    assert page.evaluate("document.activeElement.closest('.controls') !== null")


def test_densities_move_by_keys(open_figure):
    page = open_figure(OptimalDiscriminator)
    before = picture(page)
    page.get_by_label("Mean of mode 1").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert picture(page) != before
    x, (p, q) = np.linspace(-15, 15, 30_001), MIXTURES[0]
    log_p, log_q = log_density(x, p), log_density(x, {**q, "means": [0.15, 3], "widths": [1, 1], "share": 1})
    best = scipy.special.expit(log_p - log_q)
    value = np.trapezoid(np.exp(log_p) * np.log(best) + np.exp(log_q) * np.log1p(-best), x)
    assert f"Value of the game at D*: −{-value:.3f}" in words(page)


def test_densities_move_by_a_finger(open_figure):
    page = open_figure(OptimalDiscriminator, has_touch=True, viewport={"width": 360, "height": 740})
    box = page.locator("canvas").first.bounding_box()
    top, height, width = 1.15 * 0.4, box["height"] - 28, box["width"] - 48  # inside the margins of the axes
    peak = box["x"] + 40 + width / 2, box["y"] + 8 + (1 - 0.3989 / top) * height
    before = picture(page)
    swipe(page, peak, (peak[0] + width / 4, peak[1]))
    assert picture(page) != before
    assert page.get_by_label("Mean of mode 1").evaluate("slider => slider.value") == "3"


def choose(page, label, key):
    """Choose an option by its first letter."""
    page.get_by_role("combobox", name=label).focus()
    page.keyboard.type(key)


def test_players_learn_one_at_a_time_by_keys(open_figure):
    page = open_figure(PointGAN)
    for label in ("Map of D", "Pull on fakes"):
        page.get_by_label(label).focus()
        page.keyboard.press("Space")
    fakes = [picture(page)]
    for who in ("D", "g", "b"):
        choose(page, "Who learns", "G only" if who == "g" else who)
        page.get_by_role("button", name="Step").press("Enter")
        fakes.append(picture(page))
    assert fakes[1] == fakes[0]  # D does not move the fakes
    assert len(set(fakes)) == 3
    assert words(page).startswith("Steps of D 2, of G 2.")


def test_step_made_ahead_is_the_step_made_at_once(open_figure):
    page = open_figure(PointGAN)
    step = page.get_by_role("button", name="Step")
    ends = []
    for wait in (0, 500):
        for _ in range(6):
            step.press("Enter")
            page.wait_for_timeout(wait)
        ends.append((words(page), picture(page)))
        page.reload()
        page.wait_for_function("() => document.querySelector('.words')?.textContent")
    assert ends[0] == ends[1]
    assert ends[0][0].startswith("Steps of D 6, of G 6.")


def test_gan_starts_anew_while_it_plays(open_figure):
    page = open_figure(PointGAN)
    start = picture(page)
    play = page.get_by_role("button", name="Play")
    play.press("Enter")
    page.wait_for_function("() => !document.querySelector('.words').textContent.startsWith('Steps of D 0')")
    assert picture(page) != start
    page.get_by_role("button", name="Start anew").press("Enter")
    play.press("Enter")  # the answer to the task of the first game is still to come
    page.get_by_role("button", name="Pause").press("Enter")
    made = words(page)
    page.wait_for_timeout(300)
    assert words(page) == made
    assert steps_made(page) < 40


RENDER = """(module, state) => {
  const el = document.body.appendChild(document.createElement("div"));
  window.end = module.default.render({ model: new Map(Object.entries(state)), el });
  el.querySelector("button").click();
}"""


def test_thread_ends_with_its_figure(open_figure):
    page, figure = open_figure(OptimalDiscriminator), PointGAN()
    state = {name: getattr(figure, name) for name in ("title", "alt", "_esm", "start", "mixtures")}
    with page.expect_event("worker"):
        page.evaluate(CALL, [figure._esm, RENDER, state])
    page.evaluate("window.end()")
    page.wait_for_timeout(500)
    assert page.workers == []


def test_gan_learns_a_drawing_made_with_a_finger_and_with_keys(open_figure):
    page = open_figure(PointGAN, has_touch=True, viewport={"width": 360, "height": 740})
    choose(page, "Real points", "d")
    assert "Draw some real points first." in words(page)
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    start = np.array([box["x"] + 60, box["y"] + 60])
    empty = picture(page)
    swipe(page, start, start + 100)
    drawn = picture(page)
    assert drawn != empty
    canvas.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert picture(page) != drawn
    page.get_by_role("button", name="Step").tap()
    assert "Steps of D 1, of G 1." in words(page)
    assert "near a drawn one" in words(page)
    page.get_by_role("button", name="Clear").tap()
    assert "Draw some real points first." in words(page)


@pytest.mark.parametrize("path", WITH_FIGURES, ids=str)
def test_page_of_the_book_shows_its_figures(browser, site, path):
    page = browser.new_page()
    page.goto(f"{site}/{path.with_suffix('.html')}", wait_until="networkidle")
    views = page.locator(VIEWS).count()
    assert views > 0
    expect(page.locator(".book-figure .words:not(:empty)")).to_have_count(views)
    page.close()


def test_colours_are_read_again_where_a_frame_came_while_the_figure_was_outside_the_document(open_figure):
    page = open_figure(OptimalDiscriminator)
    before = picture(page)
    page.evaluate("""async () => {
      const figure = document.querySelector('canvas').closest('.screen').parentElement;
      const place = figure.parentElement;
      figure.remove();
      document.documentElement.setAttribute('data-theme', 'light');  // makes the figure forget its colours
      for (let i = 0; i < 5; i++) await new Promise(requestAnimationFrame);
      place.append(figure);
      for (let i = 0; i < 5; i++) await new Promise(requestAnimationFrame);
    }""")
    assert picture(page) == before
