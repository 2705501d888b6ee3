"""The checks for gans/broken_loop, corrected_loop, dcgan and conditional: what they say of right and wrong answers."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from helpers import exercises
from helpers.exercises import gan_programs
from tests.helpers.exercises.answers import right, wrong

LOOP = """
for epoch in range(100):
    noise = np.random.normal(size=(10000, 100))
    fakes = generator.predict(noise, verbose=0).astype("uint8")
    loss_0 = discriminator.train_on_batch(fakes, np.zeros((len(fakes), 1)))
    loss_1 = discriminator.train_on_batch(fakes, np.ones((len(fakes), 1)))
"""
SECOND = "train_on_batch(fakes, np.ones((len(fakes), 1)))"


# gans/broken_loop


def test_mixture(capsys):
    right("broken-loop-mixture", (0.75, 0.75 * np.log(4 / 3) + 0.25 * np.log(4)), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((0.25, 0.5623), "score: got 0.25, which is too small. It is D's score for the label 1"),
        ((0.5, np.log(2)), "score: got 0.5"),
        ((0.75, 0.5623 / np.log(2)), "loss: .*in bits where nats"),
        ((0.75, np.log(2)), "loss: got 0.693147, which is too large"),
        ((0.75, 0.4, 1), "got 3 values, expected 2"),
    ],
)
def test_mixture_wrong(answer, words):
    wrong("broken-loop-mixture", answer, words)


@pytest.mark.parametrize(
    "new",
    ["train_on_batch(X_train[: len(fakes)], np.ones((len(fakes), 1)))", "train_on_batch(X_train[3:7], [[1]] * 4)"],
)
def test_real_images(new, capsys):
    right("broken-loop-real", (SECOND, new), capsys, loop=LOOP)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("train_on_batch(X_train, np.ones((len(fakes), 1)))", r"20 images with labels of the shape \(4, 1\)"),
        (SECOND, "no real image"),
        ("train_on_batch(X_train[:4], np.zeros((4, 1)))", r"D gets fake images .*\[0.0\], real images .*\[0.0\]"),
        ("train_on_batch(X_train[:3], np.ones((3, 1)))", "more images of one kind"),
        ("train_on_batch(images[:4], np.ones((4, 1)))", "raised NameError: name 'images'"),
    ],
)
def test_real_images_wrong(new, words):
    wrong("broken-loop-real", (SECOND, new), words, loop=LOOP)


def test_real_images_say_what_text_is_not_there_or_changed_too_much():
    wrong("broken-loop-real", ("fakes, np.once", "X_train"), "in the loop 0 times", loop=LOOP)
    wrong("broken-loop-real", ("discriminator.", "generator."), "in the loop 2 times", loop=LOOP)
    mended = LOOP.replace(SECOND, "train_on_batch(X_train[:4], np.ones((4, 1)))")
    wrong("broken-loop-real", ('.astype("uint8")', ""), "the cast to bytes is gone", loop=mended)
    wrong("broken-loop-real", ("loss_1 = ", "pass  # "), "trained 1 times", loop=mended)


def test_thaw(capsys):
    right("broken-loop-thaw", [False, True, True, True, True, True], capsys)
    wrong("broken-loop-thaw", [True] * 6, "1 of the six are off. A kernel's gradient is a product")
    wrong("broken-loop-thaw", [False] * 5 + [True], "4 of the six are off")
    wrong("broken-loop-thaw", [0, 1, 1, 1, 1, 1], "True or False")
    wrong("broken-loop-thaw", [False, True], "expected 6 values: kernel 1, bias 1")


def learners_check(step, careful=True, counts=True):
    """Check a step as a learner may: by images of one value each."""
    seen = []

    def train_on_batch(images, labels):
        kind = float(images[0, 0])
        seen.append(kind)
        assert not careful or (labels == kind).all(), "wrong labels"

    generator = SimpleNamespace(predict=lambda noise, verbose=0: np.zeros((len(noise), 784)))
    step(generator, SimpleNamespace(train_on_batch=train_on_batch), np.ones((3, 784)))
    assert not counts or set(seen) == {0, 1}, "a kind is missing"


def test_stubs(capsys):
    right("broken-loop-stubs", learners_check, capsys)
    exercises.check("broken-loop-stubs", lambda step: ...)
    assert "no answer yet" in capsys.readouterr().out


def refuses_all(step):
    """Refuse any step."""
    step(gan_programs._Images(), gan_programs._Notes(), np.ones((2, 784)))
    raise AssertionError("no")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda step: learners_check(step, careful=False), "lets a step pass that swaps the labels\\."),
        (lambda step: learners_check(step, counts=False), "shows no real image and one that shows no fake"),
        (refuses_all, "refuses a step that is right, with the message: no"),
        (lambda step: step(None, None, np.ones(1)), "your check raised AttributeError"),
        (7, "expected a function"),
    ],
)
def test_stubs_wrong(answer, words):
    wrong("broken-loop-stubs", answer, words)


# gans/corrected_loop


def test_frozen_noise(capsys):
    right("ex-frozen-noise", (128, 1280), capsys)
    for answer in ((1, 10), (1280, 128), (1280, 1280)):
        wrong("ex-frozen-noise", answer, "with the integer: .*Count the different latents of all ten steps")
    wrong("ex-frozen-noise", (128, 128), "with the generator: got 128")


@pytest.fixture(scope="module")
def pair():
    """Return small networks, images, and the three probabilities by Keras's own loss."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    generator = keras.Sequential([keras.Input((100,)), layers.Dense(4, "sigmoid"), layers.Reshape((2, 2, 1))])
    discriminator = keras.Sequential(
        [keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(3, "relu"), layers.Dense(1)]
    )
    images = np.random.default_rng(0).uniform(size=(600, 2, 2, 1)).astype("float32")
    given = {"networks": (generator, discriminator), "images": images}
    return given, [_after(size, **given) for size in (0, -0.01, 0.01)]


def _after(size, networks, images):
    """Return the mean probability of the right answer after a step, for a D of one hidden layer, in NumPy."""
    generator, discriminator = networks
    x = np.concatenate([images[:512], generator(keras.random.normal((512, 100), seed=3))]).reshape(1024, 4)
    is_real = np.arange(1024)[:, None] < 512
    w1, b1, w2, b2 = (w.astype("float64") for w in discriminator.get_weights())
    h = np.maximum(x @ w1 + b1, 0)
    of_logit = (1 / (1 + np.exp(-(h @ w2 + b2))) - is_real) / 512
    of_hidden = (of_logit @ w2.T) * (h > 0)
    slopes = x.T @ of_hidden, of_hidden.sum(axis=0), h.T @ of_logit, of_logit.sum(axis=0)
    w1, b1, w2, b2 = (w + size * slope for w, slope in zip((w1, b1, w2, b2), slopes, strict=True))
    p = 1 / (1 + np.exp(-(np.maximum(x @ w1 + b1, 0) @ w2 + b2)))
    return np.where(is_real, p, 1 - p).mean()


def test_sign(pair, capsys):
    given, expected = pair
    right("ex-sign", expected, capsys, **given)


def test_sign_wrong(pair):
    given, (before, down, up) = pair
    wrong("ex-sign", (2 * before, down, up), "before: .*factor of 2 is too much", **given)
    wrong("ex-sign", (before, up - 0.05, down), "down: .*A step down goes against the gradient", **given)
    wrong("ex-sign", (before, down), "expected 3 values", **given)


def loop_of(images, steps, d_step, g_step, first, times=2, fresh=True, keep=True, same_noise=False):
    """Train as a learner may, right by default, or with a mistake."""
    (g, g_slots), (d, d_slots) = first
    random, losses = np.random.default_rng(0), []
    for step in range(steps):
        for one in range(times):
            at = 8 * (step * times + one if fresh else step)
            z = random.normal(size=(8, 100))
            loss, d_new, slots = d_step(d, d_slots, g, images[at : at + 8], z)
            d, d_slots = (d_new, slots) if keep else (d, d_slots)
        z = z if same_noise else random.normal(size=(8, 100))
        loss_g, g, g_slots = g_step(g, g_slots, d, z)
        losses.append((loss, loss_g))
    return np.array(losses), g, d


def test_two_d_steps(capsys):
    right("ex-two-d-steps", loop_of, capsys)
    exercises.check("ex-two-d-steps", lambda images, steps, d_step, g_step, first: ...)
    assert "no answer yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"times": 1}, "takes the steps DGDGDG"),
        ({"fresh": False}, "some images come twice"),
        ({"keep": False}, "step 2, one of D, gets d_weights that are not the newest"),
        ({"same_noise": True}, "the same noise comes twice"),
    ],
)
def test_two_d_steps_wrong(mistake, words):
    wrong("ex-two-d-steps", lambda *inputs: loop_of(*inputs, **mistake), words)


def test_two_d_steps_look_at_what_comes_back():
    wrong("ex-two-d-steps", lambda *inputs: loop_of(*inputs)[::-1], "weights that come back")
    wrong("ex-two-d-steps", lambda *inputs: loop_of(*inputs)[1:], "got 2 values, expected 3")
    wrong("ex-two-d-steps", lambda *inputs: print(loop_of(*inputs)), "returns nothing")
    wrong("ex-two-d-steps", lambda *inputs: loop_of(*inputs[:4], (([0], [0]), ([0], [0]))), "start with `first`")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(0.542, "what was learned since"), (0.999, "too large"), (45.8, "percentage"), ([0.458], "expected the shape")],
)
def test_average(answer, words, capsys):
    optimizer = keras.optimizers.Adam()
    optimizer.iterations.assign(781)
    gan = SimpleNamespace(generator_optimizer=optimizer, settings={"ema": 0.999})
    wrong("ex-average", answer, words, gan=gan)
    right("ex-average", 0.999**781, capsys, gan=gan)


def test_saturation(capsys):
    small = 1 / (1 + np.exp(8))
    right("ex-saturation", (-small, small - 1), capsys)
    wrong("ex-saturation", (small, small - 1), "minimax loss: the sign is off")
    wrong("ex-saturation", (small - 1, -small), "minimax loss: got")
    wrong("ex-saturation", (-small, 1 - small), "non-saturating loss: the sign is off")


@pytest.mark.parametrize("loss", [lambda a: (a - 1) ** 2 / 2, lambda a: -a, lambda a: np.logaddexp(0, 3 - 2 * a)])
def test_own_loss(loss, capsys):
    right("ex-own-loss", loss, capsys)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda a: -np.logaddexp(0, a), "it saturates"),
        (lambda a: 3 * np.logaddexp(0, -a) + 1, "this is the non-saturating loss"),
        (lambda a: a**2 / 2 + a, "at a = 0.0 the loss does not fall"),
        (lambda a: 0.0, "does not fall"),
        (lambda a: float("nan"), "NaN"),
    ],
)
def test_own_loss_wrong(loss, words):
    wrong("ex-own-loss", loss, words)


# gans/dcgan


def test_field(capsys):
    right("ex-field", np.int64(10), capsys)
    for answer, words in (
        (100, "in the square"),
        (16, "lie two pixels apart"),
        (8, "got 8"),
        ([10], "expected one int"),
    ):
        wrong("ex-field", answer, words)


def product(images, kernel, start=0):
    """Return the convolution as one matrix product, right by default."""
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))[:, start:, start:]
    h, w = np.array(images.shape[1:3]) // 2
    met = [padded[:, i : i + 2 * h : 2, j : j + 2 * w : 2] for i in range(4) for j in range(4)]
    return np.concatenate(met, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def test_matrix_product(capsys):
    right("ex-matrix-product", product, capsys)
    for answer, words in (
        (lambda images, kernel: product(images, kernel[::-1, ::-1]), "turned round"),
        (lambda images, kernel: product(images, kernel.swapaxes(0, 1)), "rows and columns"),
        (lambda images, kernel: product(images, kernel, start=1), "meets the padded pixels"),
        (lambda images, kernel: product(images, kernel)[:, :2], r"got the shape \(2, 2, 4, 5\)"),
    ):
        wrong("ex-matrix-product", answer, words)


def test_sum_length(capsys):
    right("ex-sum-length", np.int64(3), capsys)
    wrong("ex-sum-length", 1, "variances of three add up")
    wrong("ex-sum-length", 9, "variance of a mean")
    wrong("ex-sum-length", [3], "expected one int")


def test_resize(capsys):
    axis = np.array([2, *[3] * 12, 2])
    counts = np.outer(axis, axis)
    right("ex-resize", counts, capsys)
    wrong("ex-resize", 9, r"got one number, expected the shape \(14, 14\)")
    wrong("ex-resize", counts[:7, :7], r"got the shape \(7, 7\)")
    wrong("ex-resize", np.full((14, 14), 9), "52 of 196 entries are off")


def test_overlap(capsys):
    for answer in ((7, 3, [2, 3]), (9, 4, (3, 2, 2.0)), (5, 3, [1, 2])):
        right("ex-overlap", answer, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((6, 3, [2]), "the overlap is even"),
        ((5, 2, [2, 3]), "a stride of 3 or more"),
        ((7, 3, [4, 6, 9]), "both axes together"),
        ((7, 3, [2]), r"got the counts \[2.0\], which are not it. Patches of 7 pixels start every 3"),
        ((7, 3, 2), "the counts: got one number"),
    ],
)
def test_overlap_wrong(answer, words):
    wrong("ex-overlap", answer, words)


def judge(*norm):
    """Return a small discriminator with a normalisation, or none."""
    keras.utils.set_random_seed(0)
    k = keras.layers
    layers = [k.Conv2D(4, 4, 4, activation="leaky_relu"), k.Conv2D(4, 4, 3), *norm]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers, k.Activation("leaky_relu"), k.Flatten(), k.Dense(1)])


def test_layer_norm(capsys):
    real = np.random.default_rng(0).uniform(size=(6, 28, 28, 1)).astype("float32")
    whole = judge(keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5))
    right("ex-layer-norm", (whole, True, False), capsys, real=real)
    wrong("ex-layer-norm", (whole, False, False), "only other images of the batch", real=real)
    wrong("ex-layer-norm", (whole, True, True), "the contrast: .*division by σ", real=real)
    wrong("ex-layer-norm", (whole, "yes", False), "expected one bool", real=real)
    batch = judge(keras.layers.BatchNormalization(epsilon=1e-5))
    wrong("ex-layer-norm", (batch, False, False), "BatchNormalization.*expected a LayerNormalization", real=real)
    part = judge(keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=0.002))
    wrong("ex-layer-norm", (part, True, False), "in part only", real=real)


def patterns(digits, mean=lambda values: np.sqrt(np.square(values).mean(axis=1)), total=np.mean):
    """Return the three patterns, right by default."""
    signs = np.tile([1, -1], 14)
    grids = signs[:, None] + 0 * signs, signs + 0 * signs[:, None], np.outer(signs, signs)
    return mean([[total(one[..., 0] * grid) for one in digits] for grid in grids])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": lambda values: np.abs(values).mean(axis=1)}, "means over the images"),
        ({"mean": lambda values: np.square(values).mean(axis=1)}, "take the root"),
        ({"total": np.sum}, "sum over the pixels"),
        ({"mean": lambda values: np.array(values)}, r"got the shape \(3, 20\)"),
    ],
)
def test_checkerboard(change, words, capsys):
    right("ex-checkerboard", patterns, capsys)
    wrong("ex-checkerboard", lambda digits: patterns(digits, **change), words)
    wrong("ex-checkerboard", lambda digits: patterns(digits)[[1, 0, 2]], "order is not")


# gans/conditional


def test_do_not_ask(capsys):
    shares = np.linspace(0.09, 0.11, 10)
    right("ex-conditional-do-not-ask", (shares, 0.985), capsys, accuracy=0.98)
    wrong("ex-conditional-do-not-ask", (2_000 * shares, 0.98), "shares: .*Count the labels", accuracy=0.98)
    wrong("ex-conditional-do-not-ask", (100 * shares, 0.98), "shares: .*percentage", accuracy=0.98)
    wrong("ex-conditional-do-not-ask", (shares, 0.1), "agreement: .*label that came beside it", accuracy=0.98)


def test_own_number(capsys):
    shares = np.linspace(0.95, 1, 10)
    number, expected = [1, 2, 0, 4, 2, 9, 1, 0], 0.95**2 * np.prod(shares[[1, 2, 4, 2, 9, 1]])
    right("ex-conditional-own-number", (number, expected + 0.03), capsys, shares=shares)
    for answer, words in (
        ((number, shares[number].mean()), "share of single digits. A drawing counts only if all"),
        ((number, 0.5), "got 0.500, which is too small"),
        ((number, 100 * expected), "a share between 0 and 1"),
        ((number[:3], 0.9), "eight or more digits"),
        ((12042910, 0.9), "the number: got one number"),
    ):
        wrong("ex-conditional-own-number", answer, words, shares=shares)


def test_shares(capsys):
    labels = np.repeat(np.arange(10), np.arange(20, 40, 2))
    p = np.bincount(labels) / len(labels)
    m = (p + 0.1) / 2
    gain = (p * np.log(p / m) + 0.1 * np.log(0.1 / m)).sum()
    right("ex-conditional-shares", gain, capsys, labels=labels)
    for answer, words in (
        (gain / 2, "factor of 2 is missing"),
        (gain / np.log(2), "in bits"),
        (gain - np.log(4), "value itself"),
        ((p * np.log(p / 0.1)).sum(), "the gain: "),
    ):
        wrong("ex-conditional-shares", answer, words, labels=labels)


def test_split(capsys):
    v = np.array([[-1, -1.5 + np.log(1.5)], [0, np.log(0.9)], [-1, 2.5 + np.log(0.6)]])
    relative = v - v[0]
    right("ex-conditional-split", relative, capsys)
    for answer, words in (
        (v, "take the first class off"),
        (relative.T, "rows and columns exchanged"),
        (relative[:, ::-1], "the slope should come first"),
        (-relative, "the sign is off"),
        (relative - [[0, 0], [0, np.log(0.6)], [0, np.log(0.4)]], "shares of the classes"),
    ):
        wrong("ex-conditional-split", answer, words)


@pytest.fixture(scope="module")
def digits():
    """Return ten clusters of images in the form of the digits, with training and test part."""
    random = np.random.default_rng(0)
    centres = random.uniform(size=(10, 28, 28, 1))

    def part(count):
        labels = random.integers(10, size=count)
        return centres[labels] + 0.8 * random.normal(size=(count, 28, 28, 1)), labels

    (train_images, train_labels), (test_images, test_labels) = part(400), part(500)
    return SimpleNamespace(
        train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels
    )


def nearest(rows, questions):
    """Return for each question the place of the nearest row."""
    rows, questions = rows.reshape(len(rows), -1), questions.reshape(len(questions), -1)
    return (np.square(rows).sum(axis=1) - 2 * questions @ rows.T).argmin(axis=1)


def test_teach(digits, capsys):
    def lesson(images, labels):
        return (labels[nearest(images, digits.test_images[:400])] == digits.test_labels[:400]).mean()

    def swapped(images, labels):
        return (labels == digits.test_labels[nearest(digits.test_images, images)]).mean()

    right("ex-conditional-teach", lesson, capsys, mnist=digits)
    wrong("ex-conditional-teach", swapped, "Each test digit looks for its nearest", mnist=digits)
    wrong("ex-conditional-teach", lambda *rest: 1 - lesson(*rest), "gets the label of the nearest", mnist=digits)
    wrong("ex-conditional-teach", lambda *rest: 100 * lesson(*rest), "a share between 0 and 1", mnist=digits)


def within(count, radius):
    """Return normal styles no longer than the radius, by throwing away the others."""
    random, kept = np.random.default_rng(1), []
    while sum(map(len, kept)) < count:
        many = random.normal(size=(50_000, 16))
        kept.append(many[np.square(many).sum(axis=1) <= radius**2])
    return np.concatenate(kept)[:count]


def on_the_ball(count, radius):
    """Return normal styles, the long ones brought back to the radius."""
    styles = np.random.default_rng(1).normal(size=(count, 16))
    return styles * np.minimum(1, radius / np.linalg.norm(styles, axis=1, keepdims=True))


def uniform_lengths(count, radius):
    """Return styles of all directions whose lengths are uniform."""
    styles = np.random.default_rng(1).normal(size=(count, 16))
    lengths = np.random.default_rng(2).uniform(0, radius, (count, 1))
    return lengths * styles / np.linalg.norm(styles, axis=1, keepdims=True)


def mostly_along_an_axis(count, radius):
    """Return styles of the right lengths that prefer one axis."""
    styles = within(count, radius)
    preferred = styles * np.where(np.arange(16) == 0, 2, 1)
    lengths = [np.linalg.norm(one, axis=1, keepdims=True) for one in (styles, preferred)]
    return preferred * lengths[0] / lengths[1]


def test_truncate(capsys):
    right("ex-conditional-truncate", within, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda count, r: np.random.default_rng(0).normal(size=(count, 16)), "with the radius 2.5 a style of length"),
        (on_the_ball, "do not clip"),
        (uniform_lengths, "the lengths: .*shape of the normal"),
        (lambda count, r: np.abs(within(count, r)), "the mean: .*Any direction"),
        (mostly_along_an_axis, "the directions: .*Any direction"),
        (lambda count, r: np.tile(within(1, r), (count, 1)), "more than once"),
        (lambda count, r: within(count, r).T, "rows and columns exchanged"),
    ],
)
def test_truncate_wrong(answer, words):
    wrong("ex-conditional-truncate", answer, words)


def guard(rows, leave_out=()):
    """Refuse what is no array of rows from 0 to 1; some tests can be left out."""
    tests = {
        "kind": rows.dtype.kind == "f",
        "shape": rows.ndim == 2,
        "finite": np.isfinite(rows).all(),
        "low": rows.min() >= 0,
        "high": rows.max() <= 1,
        "used": rows.max() > 0.1,
        "different": len(rows) < 2 or np.ptp(rows, axis=0).max() > 0,
    }
    failed = [name for name, passed in tests.items() if not passed and name not in leave_out]
    if failed:
        raise ValueError(f"rows: {failed}")


def test_guard(capsys):
    assert "refuses 8 faulty ones" in right("broken-loop-guard", guard, capsys)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (("high",), "levels from 0 to 255"),
        (("kind", "used", "different"), "fractions that were cast"),
        (("used",), "once more"),
        (("low",), "-1 to 1"),
        (("finite", "low", "high", "used"), "a NaN|levels"),
        (("different",), "over and over"),
        (("shape",), "not rows"),
    ],
)
def test_guard_wrong(left_out, words):
    wrong("broken-loop-guard", lambda rows: guard(rows, left_out), words)


def test_guard_that_refuses_or_changes(capsys):
    def strict(rows):
        if rows.dtype != "float64" or rows.max() < 0.9:
            raise ValueError("dark")

    def clipping(rows):
        guard(rows)
        rows += 1

    def stops(rows):
        raise TypeError("rows")

    wrong("broken-loop-guard", strict, "refuses sound rows")
    wrong("broken-loop-guard", clipping, "changes the rows")
    wrong("broken-loop-guard", stops, "Expected a ValueError")
    wrong("broken-loop-guard", 3, "expected a function")
    exercises.check("broken-loop-guard", lambda rows: None)
    assert "no answer yet" in capsys.readouterr().out


def scaled(known, width=None, cut=False):
    low, high = known.min(axis=0), known.max(axis=0)
    wide = np.where(high > low, high - low, 1) if width is None else width(known)

    def there(rows):
        made = (rows - low) / wide
        return made.clip(0, 1) if cut else made

    return there, lambda rows: low + wide * rows


def test_table_rows(capsys):
    right("ex-table-rows", scaled, capsys)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda known: scaled(known, cut=True), "Is anything cut off"),
        (lambda known: scaled(known, lambda rows: np.ptp(rows, axis=0)), "Is a column constant"),
        (lambda known: scaled(known, lambda rows: np.ptp(rows)), "a scale of its own"),
        (lambda known: scaled(known, lambda rows: rows.std(axis=0) + 1e-12), r"not in \[0, 1\]"),
        (lambda known: (scaled(known)[0], lambda rows: rows), "Is it the inverse"),
        (lambda known: scaled(known)[0], "expected 2 values"),
    ],
)
def test_table_rows_wrong(answer, words):
    wrong("ex-table-rows", answer, words)


def test_shift(capsys):
    right("ex-shift", [0, 4, 8], capsys)
    right("ex-shift", [8, 4, 0], capsys)
    wrong("ex-shift", [0, 2, 4, 6, 8], "right for one layer")
    wrong("ex-shift", list(range(9)), "a stride of 1")
    wrong("ex-shift", [4, 8], "by 0")
    wrong("ex-shift", [0, 3], "Not these")
    wrong("ex-shift", [0, 12], "the shifts 0 to 8")
