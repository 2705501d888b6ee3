"""What the checks of the part Autoencoders say of right answers and of typical wrong ones."""

import types

import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 784), "float32") ** 3
MEAN, NOISE = IMAGES.mean(axis=0), RNG.standard_normal(IMAGES.shape, "float32")
LABELS = RNG.integers(0, 10, 3_000)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.30 - 0.5004, "the loss above the floor: .*too small.* Which pixels"),
        (0.30 - 0.3610, "natural"),
        (-0.0498, "the sign is off"),
    ],
)
def test_the_loss_above_a_floor(capsys, answer, words):
    right("first-autoencoder-floor", 0.0498, capsys)
    wrong("first-autoencoder-floor", answer, words)


def predictor(images, **_):
    return np.where(np.arange(784) < 392, images, 0.3)  # draws one half well, so that upside down is another error


def test_the_share_of_pairs(capsys):
    halves = np.where(np.arange(784) < 392, 1.1, 1)  # the upper one is a little brighter
    digits = IMAGES * halves * np.linspace(0.5, 2, 40)[:, None]
    given = {"autoencoder": types.SimpleNamespace(predict=predictor), "images": digits}
    upright, turned = (((x - predictor(x)) ** 2).sum(axis=1) for x in (digits, digits[:, ::-1]))
    share = (turned[:, None] > upright).mean()
    right("first-autoencoder-strangers", share, capsys, **given)
    wrong("first-autoencoder-strangers", 100 * share, "percentage", **given)
    wrong("first-autoencoder-strangers", 1 - share, "the upright digit has the larger error", **given)
    wrong("first-autoencoder-strangers", (turned > upright).mean(), "not each with its own copy", **given)


def test_the_size_of_the_code(capsys):
    images = np.random.default_rng(1).random((300, 100), "float32") ** 3
    mean, directions = images.mean(axis=0), np.linalg.eigh(np.cov(images, rowvar=False))[1]
    raw = [(images - mean) @ (v := directions[:, -size:]) @ v.T + mean for size in (8, 32, 64)]
    unclipped, clipped = (
        [((images - x) ** 2).sum(axis=1).mean() for x in y] for y in (raw, [x.clip(0, 1) for x in raw])
    )
    given = {"images": images, "mean": mean, "directions": directions}
    learned = 0.9 * np.array(clipped)
    right("first-autoencoder-code-size", (learned, clipped), capsys, **given)
    label = "first-autoencoder-code-size"
    wrong(label, (learned, unclipped), "without the clipping", **given)
    wrong(label, (learned[::-1], clipped), "They fall with the size", **given)
    wrong(label, (learned / 784, clipped), "Is each the error of a digit", **given)
    wrong(label, (learned, np.array(clipped) / 784), "mean over the pixels where their sum", **given)
    wrong(label, learned, "got 3 values, expected 2", **given)


@pytest.mark.parametrize(
    ("slopes", "words"),
    [
        (lambda x, p: (p - x, 2 * (p - x)), "squared error: this is the derivative with respect to p"),
        (lambda x, p: ((p - x) / (p * (1 - p)), 2 * (p - x) * p * (1 - p)), "cross-entropy: this is the derivative"),
        (lambda x, p: (p - x, (p - x) * p * (1 - p)), "a factor of 2 is missing"),
        (lambda x, p: (x - p, 2 * (p - x) * p * (1 - p)), "cross-entropy: the sign is off"),
        (lambda x, p: p - x, "got 4 values, expected 2"),
    ],
)
def test_the_slopes_of_two_losses(capsys, slopes, words):
    label = "first-autoencoder-squared-error"
    right(label, lambda x, a: (sigmoid(a) - x, 2 * (p := sigmoid(a)) * (1 - p) * (p - x)), capsys)
    wrong(label, lambda x, a: slopes(x, sigmoid(a)), words)


def test_the_best_constant(capsys):
    mean = IMAGES.mean(axis=0, dtype="float64")
    given = {"mean": mean, "C": np.cov(IMAGES.T.astype("float64"), bias=True)}
    squared = IMAGES.var(axis=0, dtype="float64").sum()
    entropy = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)).mean()
    right("math-constant", (squared, entropy), capsys, **given)
    wrong("math-constant", (squared / 784, entropy), "squared error: .*mean over the pixels where their sum", **given)
    wrong("math-constant", (squared, entropy / np.log(2)), "cross-entropy: .*bits where nats", **given)
    wrong("math-constant", (entropy, squared), "squared error: got", **given)


def test_directions(capsys):
    pca = np.linalg.qr(RNG.normal(size=(50, 12)))[0]
    signs = np.where(np.arange(12) % 2, 1, -1)
    right("math-directions", signs * pca, capsys, pca=pca)
    wrong("math-directions", pca[:, ::-1], "the largest variance comes last", pca=pca[:, :12])
    wrong("math-directions", 2 * pca, "columns of length", pca=pca)
    wrong("math-directions", pca.T, "rows and columns|expected the shape", pca=pca)
    wrong("math-directions", pca @ np.linalg.qr(RNG.normal(size=(12, 12)))[0], "is not PCA's direction", pca=pca)


def tied_gradient(x, W, b, c, terms=(1, 1), mean=True):
    """Return the gradient of a tied autoencoder, from the encoder's and from the decoder's term."""
    s = x @ W.T + b
    h = np.maximum(0, s)
    delta_a = (sigmoid(h @ W + c) - x) / (784 * (len(x) if mean else 1))
    delta_s = (delta_a @ W.T) * (s > 0)
    by_W = terms[0] * delta_s.T @ x + terms[1] * h.T @ delta_a
    return by_W, delta_s.sum(axis=0), delta_a.sum(axis=0)


def test_a_tied_gradient(capsys):
    right("math-tied-gradient", tied_gradient, capsys)
    wrong(
        "math-tied-gradient", lambda *a: tied_gradient(*a, terms=(1, 0)), "with respect to W: .*each place has a term"
    )
    wrong(
        "math-tied-gradient", lambda *a: tied_gradient(*a, mean=False), "with respect to W: every entry is off by one"
    )
    wrong("math-tied-gradient", lambda *a: tied_gradient(*a)[0].T, "got 784 values, expected 3")


def test_the_factor_of_a_round(capsys):
    values = 0.95 ** np.arange(40)
    right("math-alternating", 0.95**2 * 1.01, capsys, eigenvalues=values)
    wrong("math-alternating", 0.95, "too large", eigenvalues=values)
    wrong("math-alternating", 0.95**-2, "too large", eigenvalues=values)
    wrong("math-alternating", (0.9, 0.9), "expected one number", eigenvalues=values)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((4, 4, 1), "all weights 0: got 4, .*the other matrix as a factor"),
        ((0, 0, 1), "only V 0: got 0, .*with respect to V"),
        ((0, 4, 4), "four equal units: got 4, .*What could make two equal units differ"),
        ((0, 4), "got 2 values, expected 3"),
    ],
)
def test_what_other_starts_learn(capsys, answer, words):
    right("math-starts", [0, 4, 1], capsys)
    wrong("math-starts", answer, words)


def left(rows, k):
    values = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]
    return values[k:].sum() / values.sum()


def test_the_share_that_is_left(capsys):
    right("math-own-data", left, capsys)
    wrong("math-own-data", lambda rows, k: 1 - left(rows, k), "the share that is kept")
    wrong(
        "math-own-data",
        lambda rows, k: (v := np.linalg.eigvalsh(rows.T @ rows)[::-1])[k:].sum() / v.sum(),
        "mean of each",
    )
    wrong("math-own-data", lambda rows, k: left(rows / rows.std(axis=0), k), "entries are off")
    wrong("math-own-data", lambda rows, k: left(rows, k) * 7, "factor")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(0.03 / 784, "which way must its weight go"), (784, "this is the factor"), (0.03, "mean over the pixels")],
)
def test_the_weight_per_pixel(capsys, answer, words):
    right("supervised-per-pixel", 23.52, capsys)
    wrong("supervised-per-pixel", answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((["decoder"], ["encoder", "classifier"]), "no labels: the encoder is missing"),
        ((["encoder", "decoder"], ["encoder", "decoder", "classifier"]), "λ = 0: the decoder stays"),
        (("encoder decoder head", "encoder classifier"), "expected some of encoder, decoder, classifier"),
        ((3, 4), "got int, expected names"),
    ],
)
def test_which_networks_move(capsys, answer, words):
    right("supervised-no-labels", (["encoder", "decoder"], ["encoder", "classifier"]), capsys)
    right("supervised-no-labels", ("decoder encoder", {"classifier", "encoder"}), capsys)
    wrong("supervised-no-labels", answer, words)


def shuffled(share, labels=LABELS):
    count = round(share * 2_000)
    return np.concatenate([np.random.default_rng(0).permutation(labels[:count]), labels[count:2_000]])


def in_place(share):
    np.random.default_rng(0).shuffle(LABELS[: round(share * 2_000)])
    return LABELS[:2_000]


def drawn_anew(share):
    return np.where(np.arange(2_000) < share * 2_000, np.random.default_rng(1).integers(0, 10, 2_000), LABELS[:2_000])


def test_labels_that_are_partly_shuffled(capsys):
    right("supervised-wrong-labels", shuffled, capsys, labels=LABELS)
    before = LABELS.copy()
    wrong("supervised-wrong-labels", in_place, "shuffles `labels` itself", labels=LABELS)
    assert np.array_equal(LABELS, before)
    wrong("supervised-wrong-labels", drawn_anew, "the counts of the digits changed", labels=LABELS)
    wrong("supervised-wrong-labels", lambda share: shuffled(1 - share), "with 0 a share of 0.9", labels=LABELS)
    wrong("supervised-wrong-labels", lambda share: shuffled(share / 2), "with 0.4 only 0.1", labels=LABELS)
    wrong("supervised-wrong-labels", lambda share: shuffled(share)[:100], r"expected the shape \(2000\)", labels=LABELS)


def test_what_cheating_pays(capsys):
    runs = {"held_out_cross_entropy": RNG.random((1, 5, 6)), "test_accuracy": 0.9 + 0.05 * RNG.random((1, 5, 6))}
    given = {"few": {"100": {"classifier": runs}}, "whole": {"classifier": runs}}
    entropy, accuracy = runs["held_out_cross_entropy"][0], 100 * runs["test_accuracy"][0]
    premium = np.mean(accuracy.max(axis=0) - accuracy[entropy.argmin(axis=0), np.arange(6)])
    one_for_all = accuracy.mean(axis=1).max() - accuracy[entropy.mean(axis=1).argmin()].mean()
    right("supervised-cheating", (premium, premium), capsys, **given)
    wrong("supervised-cheating", (premium / 100, premium), "100 labels: .*share where a percentage", **given)
    wrong("supervised-cheating", (premium, -premium), "all labels: the sign is off", **given)
    wrong("supervised-cheating", (one_for_all, premium), "Each seed chooses for itself", **given)


def test_the_seeds_of_an_unpaired_comparison(capsys):
    theirs = 80 + RNG.normal(size=10)
    ours = theirs + 3 + 0.3 * RNG.normal(size=10)
    errors = [values.std(ddof=1) / 10**0.5 for values in (ours, theirs, ours - theirs)]
    error, given = np.hypot(*errors[:2]), {"ours": ours, "theirs": theirs}
    needed = int(np.ceil(10 * (error / errors[2]) ** 2))
    right("supervised-paired", (error, needed), capsys, **given)
    wrong("supervised-paired", (sum(errors[:2]), needed), "add up in squares", **given)
    wrong("supervised-paired", (error, int(10 * error / errors[2])), "square root of the number of seeds", **given)
    wrong("supervised-paired", (errors[2], needed), "the unpaired standard error: got", **given)


def test_labels_of_a_readers_own(capsys):
    edges = np.quantile(IMAGES.mean(axis=1), (0.25, 0.5, 0.75))

    def ink(images, edges=edges):
        return np.digitize(images.mean(axis=1), edges)

    said = right("supervised-own-labels", ink, capsys, images=IMAGES)
    assert "4 classes" in said
    assert "25%" in said
    label, given = "supervised-own-labels", {"images": IMAGES}
    wrong(label, lambda x: ink(x, np.quantile(x[: len(x) // 2].mean(axis=1), (0.3, 0.6))), "in another order", **given)
    wrong(label, lambda x: ink(x, [x.mean() if len(x) > 30 else 0]), "among fewer images", **given)
    wrong(label, lambda x: np.arange(len(x)) % 10, "in another order", **given)
    wrong(label, lambda x: x.mean(axis=1), "whole numbers 0 to 9", **given)
    wrong(label, lambda x: np.zeros(len(x)), "100% of the images have the same label", **given)


def bumps(t, width=2.0):
    return np.exp(-((np.arange(64) - 8 - 48 * t[:, None]) ** 2) / (2 * width**2))


def test_curved(capsys):
    assert "directions leave" in right("first-autoencoder-curved", bumps, capsys)
    label = "first-autoencoder-curved"
    a, b, c = np.random.default_rng(0).normal(size=(3, 64))
    wrong(label, lambda t: a + t[:, None] * b + t[:, None] ** 2 * c, "leave 0% of the variance")
    wrong(label, lambda t: np.eye(64)[np.int64(63 * t)], "must not jump")
    wrong(label, lambda t: bumps(t).T, "rows and columns")
    wrong(label, lambda t: np.ones((len(t), 64)), "all signals are equal")
    wrong(label, lambda t: np.full((len(t), 64), np.nan), "NaN")


def test_noisy_code(capsys):
    def lowest(eigenvalues, sigma, k):
        kept, lost = eigenvalues[:k], eigenvalues[k:]
        return (kept * sigma**2 / (kept + sigma**2)).sum() + lost.sum()

    label = "math-noisy-code"
    right(label, lowest, capsys)
    wrong(label, lambda e, sigma, k: e[k:].sum(), "without noise")
    wrong(label, lambda e, sigma, k: e[k:].sum() + k * sigma**2, "a factor of 1")
    wrong(label, lambda e, sigma, k: lowest(e, sigma, len(e)), "as many units as directions")
    wrong(label, lambda e, sigma, k: lowest(e, sigma**0.5, k), "its standard deviation")


def test_blind_code(capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    points = np.stack([5 * rng.normal(size=600), labels + 0.1 * rng.normal(size=600)], axis=1)
    label = "supervised-blind-code"
    assert "by a straight line: 100%" in right(label, (points, labels), capsys)
    wrong(label, (points * [0.01, 1], labels), "a threshold on the code is right on 100%")
    wrong(label, (points, rng.permutation(labels)), "a straight line separates only")
    wrong(label, (points[:100], labels[:100]), "the values")
    wrong(label, (points[250:350], labels[250:350]), "200 of each")
    wrong(label, (points[:, :1], labels), "expected the shape")
    wrong(label, (points * [1, 0], labels), "lie on a line")
    wrong(label, (points, labels[:, None]), "labels of shape")
