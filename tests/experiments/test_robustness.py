"""The attacks stay in their box and do harm, and the stored networks withstand what the result says."""

import jax
import keras
import numpy as np
import pytest

from experiments import robustness, robustness_library
from experiments.harness import record
from helpers import datasets

BY_HAND = "run by hand where experiments/robustness_requirements.txt is installed"


@pytest.fixture(scope="module")
def reported():
    return record.read(robustness.NAME)


@pytest.fixture(scope="module")
def known():
    return robustness.targets()


@pytest.fixture(scope="module")
def few():
    images, labels = robustness.test_set(datasets.load_mnist())
    return images[:100], labels[:100]


def test_the_settings_are_the_reported_ones(reported):
    assert record.runs(robustness.NAME, [], **robustness.SETTINGS) == reported["runs"]
    trained = sorted((run["kind"], run["seed"]) for run in reported["runs"])
    assert trained == sorted((kind, seed) for kind in robustness.KINDS for seed in robustness.SEEDS)
    first = {(noise, robustness.TUNING["seed"]) for noise in robustness.NOISES}
    tried = [(run["noise"], run["seed"]) for run in reported["denoisers"]]
    assert sorted(tried) == sorted(first.union(robustness.LATER))
    assert {(run["noise"], run["seed"]) for run in reported["denoisers"] if "later" not in run} == first
    assert all(len(curve) == len(robustness.EPSILONS) for curve in reported["curves"].values())
    asked = [(row["target"], row["epsilon"], row["restarts"]) for row in reported["library"]["rows"]]
    assert asked == robustness_library.ROWS


def test_attacked_images_stay_in_the_box(known, few):
    for moved in (
        robustness.examples(known["plain"], *few, 0.1, steps=3),
        np.asarray(robustness.fgsm(known["plain"], known["plain"].weights, *few, np.float32(0.1))),
    ):
        assert np.abs(moved - few[0]).max() <= 0.1 + 1e-6
        assert (moved.min(), moved.max()) == (0, 1)


def test_the_stored_networks_withstand_what_the_result_says(reported, known, few):
    at = reported["epsilons"].index(0.2)
    for name, curve in (("plain", "plain"), ("hardened", "adversarial")):
        share = robustness.survivors(known[name], *few, 0.2, restarts=1, steps=20).mean()
        assert abs(share - reported["curves"][curve][at]) < 0.12


def test_the_mean_gradient_of_a_model_without_noise_is_its_gradient(known, few):
    images, labels = few[0][:8], few[1][:8]
    target, size = known["hardened"], np.float32(0.1)
    first, second = (
        robustness.pgd(target, target.weights, images, labels, np.float32(0.2), jax.random.key(0), 2, size, draws=draws)
        for draws in (1, 2)
    )
    # A gradient of nearly 0 can change its sign by rounding.
    assert (np.abs(np.asarray(first - second)) < 1e-6).mean() > 0.99


def test_losses_of_known_logits():
    logits, labels = np.log(np.array([[0.7, 0.2, 0.1] + [1e-9] * 7])), np.array([1])
    assert robustness.cross_entropy(logits, labels)[0] == pytest.approx(-np.log(0.2), abs=1e-4)
    assert robustness.margin(logits, labels)[0] == pytest.approx(np.log(0.7 / 0.2), abs=1e-4)


def test_pytorch_computes_what_keras_does(known, few):
    torch = pytest.importorskip("torch", reason=BY_HAND)
    for target in known.values():
        images = torch.tensor(few[0]).permute(0, 3, 1, 2)
        logits = robustness_library.torch_network(*target.networks)(images).numpy()
        assert np.allclose(logits, target.logits(target.weights, few[0], None), atol=1e-3)


def test_foolbox_finds_the_same_accuracy(known, few):
    pytest.importorskip("foolbox", reason=BY_HAND)
    both = [way(known["plain"], *few, 0.05, 1) for way in (robustness_library.ours, robustness_library.accuracy)]
    assert abs(both[0] - both[1]) <= 0.03


def test_a_training_step_lowers_the_loss():
    mnist = datasets.load_mnist()
    mnist = mnist._replace(train_images=mnist.train_images[:1280], train_labels=mnist.train_labels[:1280])
    network, done = robustness.train(0, mnist, 2, {"epsilon": 0.05, "steps": 1, "ramp": 0.5})
    assert isinstance(network, keras.Model)
    assert done["curve"]["loss"][1] < done["curve"]["loss"][0]
