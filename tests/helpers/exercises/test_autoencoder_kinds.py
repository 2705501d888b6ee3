"""What the checks on the kinds of autoencoders say of right answers and of typical wrong ones."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong
from tests.helpers.exercises.test_autoencoders import IMAGES, MEAN, NOISE

BLACK = np.where(IMAGES < 0.3, 0, IMAGES).repeat(25, axis=0)  # 1,000 images, many pixels of them black
NOISY = BLACK + 0.5 * np.random.default_rng(1).standard_normal(BLACK.shape, dtype="float32")


def psnr(images, redrawn):
    return float(-10 * np.log10(((images - redrawn) ** 2).mean(axis=1)).mean())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((2, 1), "the first code: got 2, .*equal values"),
        ((3, 2), "the second code: got 2, .*kept 0"),
        ((3,), "got 1 values, expected 2"),
    ],
)
def test_how_many_values_are_left(capsys, answer, words):
    right("variants-ties", [3, 1], capsys)
    wrong("variants-ties", answer, words)


def test_what_clipping_gains(capsys):
    clipped, given = NOISY.clip(0, 1), {"images": BLACK, "noisy": NOISY}
    gain = psnr(BLACK, clipped) - psnr(BLACK, NOISY)
    energy = (clipped[BLACK == 0] ** 2).mean()
    right("variants-clipped", (gain, energy), capsys, **given)
    wrong("variants-clipped", (-gain, energy), "the sign is off", **given)
    wrong("variants-clipped", (psnr(BLACK, clipped), energy), "the gain in decibels: got", **given)
    wrong("variants-clipped", (gain, 0.125), "Clipping cuts on both sides", **given)
    wrong("variants-clipped", (gain, energy**0.5), "take the mean", **given)


def test_two_curves_over_the_noise(capsys):
    networks = {
        "wide": types.SimpleNamespace(autoencoder=lambda x, training: 0.9 * x + 0.01),
        "denoising": types.SimpleNamespace(autoencoder=lambda x, training: 0.4 * x + 0.1),
    }
    given = {"networks": networks, "images": IMAGES}

    def curves(clip=False):
        """Return what a reader measures with another draw of the noise."""
        spoiled = [IMAGES + strength * NOISE for strength in (0, 0.1, 0.2, 0.3, 0.5, 0.75, 1)]
        spoiled = [x.clip(0, 1) for x in spoiled] if clip else spoiled
        return np.array([[psnr(IMAGES, networks[n].autoencoder(x, False)) for x in spoiled] for n in networks])

    right("variants-noise-levels", curves(), capsys, **given)
    wrong("variants-noise-levels", curves()[::-1], "the two curves are exchanged", **given)
    wrong("variants-noise-levels", curves(clip=True), "is the noise clipped", **given)
    wrong("variants-noise-levels", curves().T, "rows and columns", **given)
    wrong("variants-noise-levels", -curves(), "the sign is off", **given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h, V: (h / 10, V), "the decoder's sums"),
        (lambda h, V: (10 * h, V / 10), "the penalty is 10 times"),
        (lambda h, V: (h / 2, 2 * V), "the penalty is 0.5 times"),
        (lambda h, V: (h.T / 10, 10 * V), r"the codes: .*Are rows and columns exchanged"),
        (lambda h, V: h / 10, "got 5 values, expected 2"),
    ],
)
def test_the_back_door(capsys, change, words):
    right("variants-back-door", lambda h, V: (h / 10, 10 * V), capsys)
    wrong("variants-back-door", change, words)


def test_the_ends_of_steps(capsys):
    train = 0.1 * IMAGES  # near each other, so that many may lie behind a spoiled one
    spoiled = train[:5] + 0.5 * NOISE[:5]
    given = {"train": train, "spoiled": spoiled, "denoiser": lambda x, training: 0.5 * x}
    exponents = -((spoiled[:, None] - train) ** 2).sum(axis=2) / 0.5
    goals = jax.nn.softmax(exponents, axis=1) @ train
    ends = 0 * spoiled, np.tile(0.1 * MEAN, (5, 1)), 0.5 * spoiled
    distances = np.array([((goals - end) ** 2).sum(axis=1).mean() for end in ends])
    right("variants-uphill", distances, capsys, **given)
    wrong("variants-uphill", distances**0.5, "these are roots", **given)
    wrong("variants-uphill", distances / 784, "mean over the pixels", **given)
    wrong("variants-uphill", distances[::-1], "their order is not", **given)
    from_clean = [((train[:5] - end) ** 2).sum(axis=1).mean() for end in ends]
    wrong("variants-uphill", from_clean, "Each is summed over pixels", **given)


def overwrite(images, rng):
    images += rng.normal(size=images.shape)
    return images


@pytest.mark.parametrize(
    ("corrupt", "words"),
    [
        (overwrite, "changes the images that it is handed"),
        (lambda x, rng: x + NOISE[0], "another generator gives the same"),
        (lambda x, rng: x + np.random.default_rng().normal(size=x.shape), "Draw from `rng` alone"),
        (lambda x, rng: x + rng.normal(size=784), "two equal images are spoiled alike"),
        (lambda x, rng: x.copy(), "nothing was spoiled"),
        (lambda x, rng: x / (rng.random(x.shape) > 0.5), "NaN or infinite"),
        (lambda x, rng: x[0], "expected the shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_noise_of_a_readers_own(capsys, corrupt, words):
    right("variants-own-noise", lambda x, rng: np.where(rng.random(x.shape) < 0.2, 0, x), capsys)
    wrong("variants-own-noise", corrupt, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((4.6152, 9.2104), "a factor of 2 is too much"),
        ((0.5 * (0.1 - np.log(0.1)), 4.6052), "with a deviation of 0.1: got .* Which σ²"),
        ((2.3076 / np.log(2), 4.6052), "bits where nats"),
        ((2.3076, -4.6052), "with a deviation of 0.01: the sign is off"),
    ],
)
def test_the_price_of_a_bit(capsys, answer, words):
    right("ex-vae-price", (2.3076, 4.6052), capsys)
    wrong("ex-vae-price", answer, words)


def divergence(m1, s1, m2, s2):
    return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (lambda m1, s1, m2, s2: divergence(m2, s2, m1, s1), "of the second from the first"),
        (lambda *case: divergence(*case) + 0.5, "too large, by ½"),
        (lambda m1, s1, m2, s2: divergence(m1, s1**0.5, m2, s2**0.5), "deviations, not variances"),
        (lambda *case: -divergence(*case), "the sign is off"),
        (lambda m1, s1: 0, "raised TypeError"),
    ],
)
def test_the_divergence_of_two_normal_distributions(capsys, formula, words):
    right("ex-vae-two-gaussians", divergence, capsys)
    wrong("ex-vae-two-gaussians", formula, words)


def estimates(mean, scale, u):
    noise = np.log(u / (1 - u))
    z = mean + scale * noise
    return 2 * z.mean(), 2 * (z * noise).mean()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda m, s, u: (estimates(m, s, u)[0] / 2, 0), "with respect to μ: .*2"),
        (lambda m, s, u: (estimates(m, s, u)[0], estimates(m, 1, u)[1]), "with respect to s: got .*depends on both"),
        (lambda m, s, u: (2 * (m + s * np.log(u / (1 - u))), 0), "got 50000 values, expected their mean"),
        (lambda m, s, u: estimates(m, s, u)[0], "got|expected 2"),
    ],
)
def test_estimates_through_logistic_noise(capsys, function, words):
    right("ex-vae-logistic", estimates, capsys)
    right("ex-vae-logistic", lambda m, s, u: jnp.array(estimates(m, s, u)), capsys)
    wrong("ex-vae-logistic", function, words)


def test_the_best_variance(capsys):
    given = {"images": IMAGES, "redrawn": IMAGES + 0.1 * NOISE}
    e = ((0.1 * NOISE) ** 2).mean()
    nats = -392 * (np.log(2 * np.pi * e) + 1)
    right("ex-vae-variance", (e, nats), capsys, **given)
    wrong("ex-vae-variance", (e**0.5, nats), "this is its root", **given)
    wrong("ex-vae-variance", (784 * e, nats), "sum over the pixels where their mean", **given)
    wrong("ex-vae-variance", (e, nats / 784), "nats a digit: .*mean over the pixels", **given)
    wrong("ex-vae-variance", (e, -nats), "nats a digit: the sign is off", **given)
    wrong("ex-vae-variance", (e, nats + 392 * np.log(2 * np.pi)), "nats a digit: got", **given)


def test_what_becomes_of_the_signal(capsys):
    right("ex-vae-signal", ["falls", "grows"], capsys)
    wrong("ex-vae-signal", ("grows", "grows"), "encoder: got 'grows', which is not it")
    wrong("ex-vae-signal", ("falls", "falls"), "decoder: got 'falls', which is not it")
    wrong("ex-vae-signal", (0.4, 1.2), "encoder: got 0.4")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (lambda epoch: min((epoch - 1) / 2, 1), "Keras calls 0: .*counts epochs from 0"),
        (lambda epoch: epoch / 2, "Keras calls 3: .*It stays at 1"),
        (lambda epoch: min(epoch, 1), "Keras calls 1: .*too"),
    ],
)
def test_a_warm_up(capsys, schedule, words):
    right("ex-vae-warm-up", lambda epoch: min(epoch / 2, 1), capsys)
    wrong("ex-vae-warm-up", schedule, words)


def evidence(frequencies, image, *, prior=True, step=0.01):
    z = np.arange(-8, 8, 0.01)
    logits = 3 * np.sin(np.outer(z, frequencies))
    joint = logits @ image - np.logaddexp(0, logits).sum(axis=1)
    return np.log((np.exp(joint - prior * (z**2 / 2 + np.log(2 * np.pi) / 2))).sum() * step)


def test_a_tiny_model_of_a_readers_own(capsys):
    right("ex-vae-own-tiny", evidence, capsys)
    wrong("ex-vae-own-tiny", lambda w, x: evidence(w, x, prior=False), "of all images add up to 16")
    wrong("ex-vae-own-tiny", lambda w, x: evidence(w, x, step=1), "of all images add up to 100")
    wrong("ex-vae-own-tiny", lambda w, x: evidence(2 * w, x), r"log p\(x\): . of . entries are off")
    wrong("ex-vae-own-tiny", lambda w, x: np.exp(evidence(w, x)), "add up to")


def test_two_points(capsys):
    def largest(sigma, power=2, steps=2_000):
        x = 1.0
        for _ in range(steps):
            x = np.tanh(x / sigma**power)
        return x

    right("variants-two-points", largest, capsys)
    wrong("variants-two-points", lambda sigma: largest(sigma, power=1), "squared")
    wrong("variants-two-points", lambda sigma: 1.0, "too large")
    wrong("variants-two-points", lambda sigma: 0.0, "too small")
