"""The figure in which a network learns a curve: its steps are Keras's, its batches make epochs, keys run it."""

# ruff: noqa: F401, F811 (fixtures of test_figures.py)

import keras
import numpy as np
import pytest

from helpers.widgets.learn_a_curve import LearnACurve
from tests.browser.test_figures import call, open_figure, picture, words

STEPS = """(module, x, y, settings, weights, count) => {
  const [k1, b1, k2, b2] = weights.map((numbers) => Float32Array.from(numbers));
  const layers = [new module.Dense(1, 8, "tanh", k1, b1), new module.Dense(8, 1, "linear", k2, b2)];
  const fit = new module.Fit(new module.Network(layers), x, y, settings, new module.Random(0));
  for (let i = 0; i < count; i++) fit.step();
  return { losses: fit.losses, weights: fit.network.weights.map((array) => [...array]) };
}"""
EPOCH = """(module, x) => {
  const network = module.Network.dense([1, 2, 1], "tanh", new module.Random(0));
  const settings = { rule: "descent", rate: 0.1, batch: 16 };
  const fit = new module.Fit(network, x, x, settings, new module.Random(1));
  const epochs = [];
  for (let epoch = 0; epoch < 2; epoch++) epochs.push([0, 1, 2, 3].map(() => fit.take()));
  return epochs;
}"""
OPTIMISERS = {"descent": keras.optimizers.SGD(0.1), "Adam": keras.optimizers.Adam(0.1)}


@pytest.mark.parametrize("rule", OPTIMISERS)
def test_steps_are_kerass(call, rule):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((1,)), dense(8, "tanh"), dense(1)])
    model.compile(OPTIMISERS[rule], "mean_squared_error")
    x = np.linspace(-2, 1.5, 64, dtype="float32")[:, None]  # not symmetric: Adam would enlarge rounded zeros
    y = np.sin(2 * x)
    settings = {"rule": rule, "rate": 0.1, "batch": 64, "units": 8}
    start = [np.ravel(weight).tolist() for weight in model.get_weights()]
    found = call(LearnACurve, STEPS, x.ravel().tolist(), y.ravel().tolist(), settings, start, 20)
    losses = [model.evaluate(x, y, batch_size=64, verbose=0)]
    for _ in range(20):
        model.train_on_batch(x, y)
        losses.append(model.evaluate(x, y, batch_size=64, verbose=0))
    np.testing.assert_allclose(found["losses"], list(enumerate(losses)), rtol=1e-4)
    for ours, theirs in zip(found["weights"], model.get_weights(), strict=True):
        np.testing.assert_allclose(np.reshape(ours, theirs.shape), theirs, atol=1e-5)


def test_an_epoch_has_each_point_once_in_an_order_of_its_own(call):
    first, second = call(LearnACurve, EPOCH, list(range(64)))
    assert [len(batch) for batch in first] == [16] * 4
    assert sorted(np.ravel(first)) == sorted(np.ravel(second)) == list(range(64))
    assert first != second


def test_network_learns_by_keys(open_figure):
    page = open_figure(LearnACurve)
    start = picture(page)
    assert words(page).startswith("Steps 0, epochs 0.0; 16 of 64 points a step. Loss over all points: ")
    for _ in range(4):
        page.get_by_role("button", name="Step").press("Enter")
    assert picture(page) != start
    assert words(page).startswith("Steps 4, epochs 1.0;")
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => +document.querySelector('.words').textContent.match(/all points: (.*)\\.$/)[1] < 0.2")
    page.get_by_role("button", name="Pause").press("Enter")
    page.get_by_role("button", name="Start anew").press("Enter")
    assert words(page).startswith("Steps 0,")
    assert picture(page) != start  # other first weights


def test_a_rate_that_is_too_high_ends_the_run_in_words(open_figure):
    page = open_figure(LearnACurve(start={"rule": "descent", "rate": 1, "batch": 64, "units": 32}))
    page.get_by_label("Steps a second").press("End")
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => document.querySelector('.words').textContent.includes('choose a lower rate')")
    page.get_by_role("button", name="Play").wait_for()
