"""The figure of the source's loop: each defect held to Keras, the whole to the book's loops; by keys and fingers."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import re

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from helpers import gans
from helpers.datasets import load_mnist
from helpers.widgets import broken_loop
from helpers.widgets.broken_loop import BrokenLoop
from tests.book import source_loop
from tests.browser.test_figures import call, lists, open_figure, picture, words

DEFECTS = ("D8", "D10", "D11", "D12", "D17")  # those of the loop; D19 and D20 are in the display
RATE = 2e-4  # the source's
SIZES = {"generator": [8, 24, 16, broken_loop.SIDE**2], "discriminator": [broken_loop.SIDE**2, 32, 16, 1]}

STEPS = """(module, sizes, weights, batches, on, rate) => {
  const build = (number, last) => {
    const made = module.network(sizes[number], last);
    made.weights.forEach((weight, at) => weight.set(weights[number][at]));
    return made;
  };
  const [generator, discriminator] = [build(0, "sigmoid"), build(1, "linear")];
  const loop = new module.SourceLoop({ generator, discriminator, rate });
  const start = [generator, discriminator].map((network) => network.weights.map((weight) => weight.slice()));
  const losses = [];
  for (const batch of batches) {
    const [latents, real, fresh] = batch.map((numbers) => Float32Array.from(numbers));
    const seen = {};
    for (const line of loop.iterate({ latents, real, fresh }, new Set(on), seen));
    losses.push([seen.discriminator, seen.called, seen.generator].filter(Number.isFinite));
  }
  return {
    losses,
    weights: [generator, discriminator].map((network) => network.weights.map((array) => [...array])),
    moved: [generator, discriminator].map((network, number) => module.moved(network, start[number])),
  };
}"""


def dense(sizes, last):
    """Return a chain of Dense layers with ReLU between them."""
    hidden = [keras.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
    return keras.Sequential([keras.Input((sizes[0],)), *hidden, keras.layers.Dense(sizes[-1], activation=last)])


def pair():
    """Return a small G and D, with the same start each time."""
    keras.utils.set_random_seed(0)
    return dense(SIZES["generator"], "sigmoid"), dense(SIZES["discriminator"], None)


def make_batches(count, n=8):
    """Return latents, real images and fresh latents for so many iterations."""
    digits = np.frombuffer(broken_loop.small_digits(), "uint8").reshape(-1, n, broken_loop.SIDE**2) / np.float32(255)
    latents = np.random.default_rng(0).standard_normal((count, 2, n, SIZES["generator"][0]), dtype="float32")
    return [(first, real, fresh) for (first, fresh), real in zip(latents, digits[:count], strict=True)]


def run(call, networks, given, on, rate=RATE):
    """Return losses and weights of the figure's loop, from the start of the networks on."""
    sizes = [[network.input_shape[-1], *(layer.units for layer in network.layers)] for network in networks]
    start = [lists(network.get_weights()) for network in networks]
    return call(BrokenLoop, STEPS, sizes, start, [lists(batch) for batch in given], list(on), rate)


def same(found, networks):
    """Say by how much the figure's weights differ from those of the networks, at most."""
    weights = [weight for network in networks for weight in network.get_weights()]
    pairs = zip([array for arrays in found["weights"] for array in arrays], weights, strict=True)
    return max(np.abs(np.reshape(array, weight.shape) - weight).max() for array, weight in pairs)


def adams():
    """Return two optimisers with the source's settings."""
    return [keras.optimizers.Adam(RATE, beta_1=0.5) for _ in range(2)]


class Statement:
    """The same loop in Keras and JAX."""

    def __init__(self, generator, discriminator, on):
        self.generator, self.discriminator, self.on = generator, discriminator, on
        self.own, self.joined = adams()

    def score(self, d, images, label):
        """Mean cross-entropy of D with these weights."""
        logits, _ = self.discriminator.stateless_call(d, [], images)
        return jnp.mean(jax.nn.softplus((1 - 2 * label) * logits))

    def descend(self, loss, variables, optimizer):
        """Move the variables one step down the loss; return it."""
        value, gradients = jax.value_and_grad(loss)([variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return float(value)

    def iterate(self, latents, real, fresh):
        """Make the lines of one iteration; return their losses."""
        d, fakes = self.discriminator.trainable_variables, np.array(self.generator(latents))
        if "D10" in self.on:
            fakes = fakes.astype("uint8").astype("float32")
        if "D8" in self.on:
            losses = [self.descend(lambda d: self.score(d, fakes, 0), d, self.own)]
        else:
            losses = [self.descend(lambda d: self.score(d, fakes, 0) + self.score(d, real, 1), d, self.own) / 2]
        if "D11" in self.on:
            losses.append(self.descend(lambda d: self.score(d, fakes, 1), d, self.own))
        if "D12" not in self.on:
            losses.append(self.train_generator(fresh))
        return losses

    def train_generator(self, fresh):
        """Train the joined model noise → G → D with the label 1, D's weights too unless it is frozen."""
        g, d = self.generator.trainable_variables, self.discriminator.trainable_variables
        count, held = len(g), [variable.value for variable in d]

        def loss(weights):
            made, _ = self.generator.stateless_call(weights[:count], [], fresh)
            return self.score(weights[count:] or held, made, 1)

        return self.descend(loss, [*g, *d] if "D17" in self.on else g, self.joined)


SETTINGS = [(), DEFECTS, *((one,) for one in DEFECTS), *(tuple(set(DEFECTS) - {one}) for one in DEFECTS)]


@pytest.mark.parametrize("on", SETTINGS, ids=lambda on: "+".join(sorted(on)) or "none")
def test_iterations_with_each_defect_are_those_of_keras(call, on):
    networks, given = pair(), make_batches(2)
    found = run(call, networks, given, on)
    statement = Statement(*networks, on)
    expected = [statement.iterate(*batch) for batch in given]
    np.testing.assert_allclose(found["losses"], expected, rtol=0, atol=1e-5)
    assert same(found, networks) <= 1e-5
    still = [moved == 0 for moved in found["moved"]]
    assert still == ["D12" in on, False]


def test_all_defects_give_the_sources_program(call):
    real = np.random.default_rng(1).uniform(size=(60, 28, 28)).astype("float32")
    names = source_loop.run(*source_loop.CRASHES, X_train=real)
    networks = names["generator"], names["network"]
    after = [network.get_weights() for network in networks]
    for network, weights in zip(networks, names["initial"], strict=True):
        network.set_weights(weights)
    sizes = [[100, 16, 16, 784], [784, 16, 16, 1]]
    start = [lists(weights) for weights in names["initial"]]
    blank = [lists([np.ones((8, 100)), np.ones((8, 784)), np.ones((8, 100))])] * len(names["losses"])
    found = call(BrokenLoop, STEPS, sizes, start, blank, list(DEFECTS), RATE)
    np.testing.assert_allclose(found["losses"], names["losses"], rtol=0, atol=1e-5)
    for network, weights in zip(networks, after, strict=True):
        network.set_weights(weights)
    assert same(found, networks) <= 1e-5
    assert found["moved"][0] == 0


def test_no_defect_gives_the_corrected_loop(call):
    networks, given = pair(), make_batches(3)
    gan = gans.GAN(*networks, seed=3)
    noise = keras.random.SeedGenerator(gan.seed)  # as the model draws it
    latents = [np.array(keras.random.normal(given[0][0].shape, seed=noise)) for _ in range(6)]
    reals = [real for _, real, _ in given]
    found = run(call, networks, list(zip(latents[::2], reals, latents[1::2], strict=True)), ())
    gan.compile(*adams(), loss="non_saturating", run_eagerly=True)
    for real in reals:
        log = gan.train_on_batch(real, return_dict=True)
    np.testing.assert_allclose(found["losses"][-1], [log["d_loss"] / 2, log["g_loss"]], rtol=0, atol=1e-5)
    assert same(found, networks) <= 1e-5


# --- Keys and fingers ---


def moves(page):
    """Return by how many percent of their norm the weights of D and G have moved, as the figure says."""
    return [float(number) for number in re.search(r"moved: D ([\d.]+)%, G ([\d.]+)%", words(page)).groups()]


def iterations(page):
    """Return how many iterations were made."""
    return int(words(page).split()[1].strip(",").replace(",", ""))


def test_step_by_keys_with_all_defects_and_with_none(open_figure):
    page = open_figure(BrokenLoop)
    shown, step = [picture(page)], page.get_by_role("button", name="Step")
    assert "7 defects are on" in words(page)
    assert moves(page) == [0, 0]
    for _ in range(3):
        step.press("Enter")
    assert iterations(page) == 3
    assert re.search(r"Loss of D 0\.69., “G’s step” 0\.69. \(log 2 is 0\.693\)", words(page))
    assert "Spread of the samples 0.00" in words(page)
    moved = moves(page)
    assert 0 < moved[0] < 0.1
    assert moved[1] == 0
    page.get_by_role("button", name="No defect").press("Enter")
    shown.append(picture(page))
    step.press("Enter")
    shown.append(picture(page))
    assert iterations(page) == 4
    assert re.search(r"Loss of D [\d.]+, G [\d.]+ \(log 2", words(page))
    assert min(moves(page)) > 0.1
    page.get_by_role("button", name="Start anew").press("Enter")
    shown.append(picture(page))
    assert iterations(page) == 0
    assert moves(page) == [0, 0]
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("name", [*DEFECTS, "D19", "D20"])
def test_each_defect_is_switched_by_a_key(open_figure, name):
    page = open_figure(BrokenLoop)
    page.get_by_role("checkbox", name=f"{name}:").focus()
    page.keyboard.press("Space")
    assert "6 defects are on" in words(page)
    page.get_by_role("button", name="Step").press("Enter")
    moved = moves(page)
    assert moved[0] > 0
    assert (moved[1] > 0) == (name == "D12")
    assert ("“G’s step”" in words(page)) == (name != "D11")
    assert ("Spread of the samples 0.00" in words(page)) == (name != "D19")


def test_defect_switched_off_acts_in_the_running_loop_by_touch(open_figure):
    page = open_figure(BrokenLoop, has_touch=True, viewport={"width": 360, "height": 1400})
    before = picture(page)
    page.get_by_role("button", name="Play").tap()
    page.wait_for_function("() => parseInt(document.querySelector('.words').textContent.split(' ')[1]) >= 5")
    moved = moves(page)
    assert moved[0] > 0
    assert moved[1] == 0
    page.get_by_role("button", name="No defect").tap()
    page.wait_for_function("() => !document.querySelector('.words').textContent.includes('G 0%')")
    page.get_by_role("button", name="Pause").tap()
    still = picture(page)
    assert still != before
    assert min(moves(page)) > 0
    page.wait_for_timeout(300)
    assert picture(page) == still


def test_small_digits_are_mnists():
    digits = np.frombuffer(broken_loop.small_digits(), "uint8").reshape(-1, broken_loop.SIDE**2)
    assert len(digits) == broken_loop.COUNT
    assert len(np.unique(digits, axis=0)) == broken_loop.COUNT
    assert np.isclose(digits.mean() / 255, load_mnist().train_images.mean(), atol=0.005)
