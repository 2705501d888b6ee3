"""The checks of the part Background: what they say of right answers, and of typical wrong ones."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from tests.helpers.exercises.answers import right, wrong

RANDOM = np.random.default_rng(0)


# --- A first network -------------------------------------------------------------------------------------------------


def test_weights_and_steps(capsys):
    right("first-network-count", (50_992, 600), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((50_176, 600), "Do the biases count"),
        ((50_208, 600), "one of the two layers"),
        ((50_992, 200), "the steps of one epoch"),
        (50_992, "expected 2 values"),
    ],
)
def test_other_weights_and_steps(answer, words):
    wrong("first-network-count", answer, words)


def test_the_rate_of_two_weights(capsys):
    right("first-network-rate", (0.02, 459, 0.01), capsys)
    right("first-network-rate", (0.02, 458.2, 0.01), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((0.01, 459, 0.01), "Up to which rate"),
        ((2, 459, 0.01), "the flat weight alone"),
        ((0.02, 228, 0.01), "What is half of it"),
        ((0.02, 230, 0.01), "to 10%"),
        ((0.02, 1, 0.01), "the slow one"),
        ((0.02, 459, 1), "Write down m and v"),
    ],
)
def test_other_rates(answer, words):
    wrong("first-network-rate", answer, words)


def of_network(slope, factor=2.0):
    """Return a gradient of one hidden layer of ReLU, given the activation's derivative."""

    def gradient(w, x, y):
        u = (len(w) - 1) // 3
        h = np.maximum(x @ w[None, :u] + w[u : 2 * u], 0)
        delta = factor * (h @ w[2 * u : 3 * u, None] + w[3 * u :] - y) / len(x)
        delta_s = delta @ w[None, 2 * u : 3 * u] * slope(h)
        return np.concatenate([(x * delta_s).sum(axis=0), delta_s.sum(axis=0), (h * delta).sum(axis=0), delta.sum(0)])

    return gradient


def test_the_gradient_of_relu(capsys):
    right("first-network-relu", of_network(lambda h: h > 0), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (of_network(lambda h: 1 - h**2), "What is that of ReLU"),
        (of_network(lambda h: h > 0, 64.0), "or of the sum"),
        (of_network(lambda h: h > 0, 1.0), "factor 2|factor of 2"),
        (lambda w, x, y: np.zeros((5, 5)), "the gradient: got the shape"),
        (3, "got int, expected a function"),
    ],
)
def test_other_gradients_of_relu(answer, words):
    wrong("first-network-relu", answer, words)


def test_a_curve_of_ones_own(capsys):
    targets = np.arange(20.0)[:, None]
    said = right("first-network-own-curve", (targets, targets + 1), capsys)
    assert "3% is left" in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((np.arange(20.0), np.arange(20.0)[:, None]), "an array of all pairs"),
        ((np.arange(20.0), np.arange(20.0)), "has not seen"),
        ((np.arange(20.0), np.zeros(20)), "their mean would predict"),
        ((np.ones(20), np.zeros(20)), "all targets are equal"),
        ((np.arange(20.0), np.full(20, np.nan)), "NaN or infinite"),
        ((np.arange(3.0), np.zeros(3)), "expected 10 at least"),
    ],
)
def test_other_curves(answer, words):
    wrong("first-network-own-curve", answer, words)


# --- Keras on JAX ----------------------------------------------------------------------------------------------------


def test_the_traced_calls(capsys):
    right("keras-count-traces", [1, 3, 5, 6], capsys)
    right("keras-count-traces", (6, 5, 3, 1), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([1, 2, 3, 4, 5, 6], "2 of the six calls go otherwise. Call 2: does JAX see the value"),
        ([1, 3, 4, 5, 6], "Call 4: what does JAX make of 64-bit floats"),
        ([3, 5, 6], "Call 1: can there be a program"),
        ([1, 3, 5], "Call 6: a plain 0.1 adapts"),
        (4, "got one number, expected the shape"),
        ([0, 2], "expected numbers of calls, 1 to 6"),
    ],
)
def test_other_traced_calls(answer, words):
    wrong("keras-count-traces", answer, words)


def repaired(network):
    """Return a compiled function of all that changes."""
    return jax.jit(functools.partial(network.stateless_call, training=True))


def test_a_dropout_whose_state_travels(capsys):
    right("keras-frozen-dropout", repaired, capsys)


def of_old_memory(network):
    """Return a compiled function that hands the old memory on."""
    return jax.jit(lambda weights, memory, x: (network.stateless_call(weights, memory, x, training=True)[0], memory))


def of_first_weights(network):
    """Return a compiled function that takes its weights for constants."""
    kernel = jnp.ones((8, 32))
    return jax.jit(lambda weights, memory, x: network.stateless_call([kernel], memory, x, training=True))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda network: jax.jit(lambda weights, memory, x: network(x, training=True)), "What must travel"),
        (lambda network: jax.jit(network.stateless_call), "training is not True"),
        (lambda network: functools.partial(network.stateless_call, training=True), "is the function compiled"),
        (of_old_memory, "got 1 different masks in ten calls. Does the new memory"),
        (of_first_weights, "with a kernel of zeros"),
        (lambda network: jax.jit(lambda weights, memory, x: x), "got 1 values, expected 2"),
    ],
)
def test_a_dropout_with_a_part_left_out(answer, words):
    wrong("keras-frozen-dropout", answer, words)


def shorten(gradients, longest, length=None, power=0.5):
    """Return shortened gradients; the other settings are mistakes."""
    length = length or (lambda part: sum(jnp.sum(part**2) for part in gradients) ** power)
    return [part * jnp.minimum(1, longest / length(part)) for part in gradients]


def test_a_gradient_shortened_as_a_whole(capsys):
    right("keras-clip", shorten, capsys)
    right("keras-clip", lambda gradients, c: tuple(shorten(gradients, c)), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (functools.partial(shorten, length=jnp.linalg.norm), "or of each one"),
        (functools.partial(shorten, power=1), "root of the sum of squares"),
        (lambda gradients, c: [part.clip(-c, c) for part in gradients], "the direction changes"),
        (lambda gradients, c: [part * c / 0.2 for part in gradients], "short enough must stay"),
        (lambda gradients, c: shorten(gradients, c)[:2], "got 2 values, expected 3"),
        (lambda gradients, c: [-part for part in shorten(gradients, c)], "the sign is off"),
    ],
)
def test_a_gradient_shortened_otherwise(answer, words):
    wrong("keras-clip", answer, words)


def pulls(weights, digits, biases=True):
    """Return the lengths of the gradients, one digit at a time."""

    def error(weights, digit):
        W, b, V, c = weights
        return jnp.mean((jax.nn.sigmoid(jax.nn.relu(digit @ W + b) @ V + c) - digit) ** 2)

    gradients = jax.vmap(jax.grad(error), in_axes=(None, 0))(weights, digits)
    taken = gradients if biases else gradients[::2]
    return np.sqrt(sum((part**2).reshape(len(digits), -1).sum(axis=1) for part in taken))


def test_lengths_of_gradients(capsys):
    weights = [RANDOM.normal(size=shape).astype("float32") for shape in ((20, 6), (6,), (6, 20), (20,))]
    given = dict(weights=weights, digits=RANDOM.random((10, 20), "float32"))
    lengths = pulls(**given)
    right("keras-pull", lengths, capsys, **given)
    wrong("keras-pull", lengths**2, "Is the root missing", **given)
    wrong("keras-pull", pulls(**given, biases=False), "Do the biases count", **given)
    wrong("keras-pull", lengths / 10, "a mean over the digits", **given)
    wrong("keras-pull", lengths[::-1], "their order is not", **given)
    wrong("keras-pull", lengths.mean(), r"got one number, expected the shape \(10,\)", **given)


GENERATOR = keras.random.SeedGenerator(1)


def test_noise_that_follows_the_step(capsys):
    right("keras-own-noise", lambda step: jax.random.cauchy(jax.random.key(step), (3, 4)), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda step: np.random.default_rng(0).normal(size=5), "ten steps give 1 different draws"),
        (lambda step: keras.random.normal((5,), seed=GENERATOR), "ten steps give 1 different draws"),
        (lambda step: RANDOM.normal(size=5) + step, "step 0 gives other noise without jit"),
        (lambda step: np.random.default_rng(step).normal(size=5), "raised TypeError"),
        (lambda step: keras.random.normal((5,), seed=step), "raised TypeError"),
        (lambda step: jax.random.normal(jax.random.key(step)), "got one number"),
    ],
)
def test_noise_that_freezes(answer, words):
    wrong("keras-own-noise", answer, words)


# --- What these models are, and why ----------------------------------------------------------------------------------


def test_the_factor_of_a_step_that_looks_ahead(capsys):
    right("what-and-why-look-ahead", lambda rate: (1 - rate**2 + rate**4) ** 0.5, capsys)
    wrong("what-and-why-look-ahead", lambda rate: 1 - rate**2 + rate**4, "factor of the squared distance")
    wrong("what-and-why-look-ahead", lambda rate: (1 + rate**2) ** 0.5, "without looking ahead")
    wrong("what-and-why-look-ahead", lambda rate: 1 + rate**2, "from the trial point")
    wrong("what-and-why-look-ahead", 0.995, "got float, expected a function")


def test_the_distance_after_smaller_steps(capsys):
    right("what-and-why-smaller-steps", 1.0025**200, capsys)
    wrong("what-and-why-smaller-steps", 1.01**100, "after 200 steps of 0.1")
    wrong("what-and-why-smaller-steps", 1.0025**100, "half as far round")
    wrong("what-and-why-smaller-steps", 1.0025**400, "the squared distance")
    wrong("what-and-why-smaller-steps", 1.5, "do they multiply")


def test_draws_of_the_score_function(capsys):
    realism, a = jnp.array([0.9, 0.8, 0.3, 0.1, 0.0]), jnp.array([0.0, 0.1, 0.3, -0.2, 0.0])

    def draw(key, baseline, factor=1.0, subtracted=True, scored=True):
        word = jax.random.categorical(key, a)
        score = jax.grad(lambda a: jax.nn.log_softmax(a)[word])(a) if scored else jnp.eye(5)[word]
        return factor * (realism[word] - baseline * subtracted) * score

    given = dict(a=a, realism=realism)
    right("what-and-why-score-function", draw, capsys, **given)
    for words, answer in {
        "mean of many draws: the sign is off": functools.partial(draw, factor=-1.0),
        "mean of many draws: .*Is a factor of the product": functools.partial(draw, scored=False),
        "variance of a draw: .*the baseline is subtracted": functools.partial(draw, subtracted=False),
    }.items():
        wrong("what-and-why-score-function", answer, words, **given)
    wrong("what-and-why-score-function", 0.1, "got float, expected a function", **given)


def test_a_cloud_for_each_digit(capsys):
    labels = RANDOM.integers(0, 10, 3_000)
    roots = [np.tril(RANDOM.normal(size=(4, 4)), -1) + np.diag([1, 2, 3, 0.5]) for _ in range(10)]
    codes = np.array([8 * np.eye(10, 4)[y] + y + roots[y] @ RANDOM.normal(size=4) for y in labels])

    def clouds(side="right", mean=True):
        for digit in range(10):
            own = codes[labels == digit]
            root = np.linalg.cholesky(np.cov(own, rowvar=False))
            normal = RANDOM.standard_normal((1_000, 4))
            drawn = {"right": normal @ root.T, "left": normal @ root, "apart": normal * own.std(axis=0)}[side]
            yield drawn + own.mean(axis=0) * mean

    given, name = dict(codes=codes, labels=labels), "what-and-why-law"
    drawn = np.concatenate([*clouds()])
    right(name, drawn, capsys, **given)
    wrong(name, drawn[::-1], "Are the digits in order", **given)
    wrong(name, np.concatenate([*clouds(mean=False)]), "is the mean added", **given)
    for side in ("left", "apart"):
        wrong(name, np.concatenate([*clouds(side)]), "their covariance is not", **given)
    wrong(name, drawn[:1_000], r"expected the shape \(10000, 4\)", **given)


class Doubles:
    """A generator of pictures of three pixels."""

    input_shape = (None, 3)

    def predict_on_batch(self, latents):
        """Return the pictures."""
        return 2 * latents


def test_a_search_for_latents(capsys):
    targets, generated = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(20, 3))
    given, name = dict(generator=Doubles(), targets=targets, generated=generated), "what-and-why-inversion"
    best = generated[((generated[:, None] - targets) ** 2).sum(axis=2).argmin(axis=0)]
    right(name, targets / 2 + 0.01, capsys, **given)
    wrong(name, 0.9 * best / 2 + 0.1 * targets / 2, "A longer search", **given)
    wrong(name, targets, "Do the steps go downhill", **given)
    wrong(name, targets[::-1] / 2, "is row i the latent of digit i", **given)
    wrong(name, targets.T / 2, "Are rows and columns exchanged", **given)


class Blurs:
    """An autoencoder that returns half of the light."""

    def predict(self, images, **options):
        """Return the pictures."""
        return images / 2


def test_a_picture_of_ones_own(capsys):
    test = RANDOM.random((200, 28, 28, 1), "float32") * RANDOM.random((200, 1, 1, 1), "float32")
    picture = np.linspace(0, 0.6, 784).reshape(28, 28, 1)
    share = ((test**2).sum(axis=(1, 2, 3)) > (picture**2).sum()).mean()
    given, name = dict(autoencoder=Blurs(), test=test), "what-and-why-own-picture"
    right(name, (picture, share), capsys, **given)
    wrong(name, (picture, 1 - share), "with a smaller error", **given)
    wrong(name, (picture, 100 * share), "percentage", **given)
    wrong(name, (255 * picture, share), "expected them from 0 to 1", **given)
    wrong(name, (picture.ravel(), share), r"got the shape \(784,\)", **given)
    wrong(name, (test[3], share), "one of the test digits", **given)
    wrong(name, (picture,), "got 1 values, expected 2", **given)


def twin(w, order, signs, factors="WbV", by=None):
    """Return the twin of a weight vector, all three parts of a unit with its sign by default."""
    parts = zip("WbV", np.split(w[:-1], 3), strict=True)
    by = order if by is None else by(order)
    return np.concatenate([*((signs if name in factors else 1) * part[by] for name, part in parts), w[-1:]])


def test_twins(capsys):
    right("first-network-twins", twin, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (functools.partial(twin, factors="WV"), "the bias"),
        (functools.partial(twin, factors="Wb"), "makes up for it"),
        (functools.partial(twin, by=np.argsort), "the other way round"),
        (lambda w, order, signs: twin(w, order, signs[order]), "the twin's unit j"),
        (lambda w, order, signs: w, "entries are off"),
        (lambda w, order, signs: w[:-1], "expected the shape"),
    ],
)
def test_other_twins(answer, words):
    wrong("first-network-twins", answer, words)


def masked(w, rows, targets, marks):
    return jnp.sum(marks * (rows @ w - targets) ** 2) / jnp.sum(marks)


def test_one_trace(capsys):
    right("keras-one-trace", masked, capsys)
    right("keras-one-trace", lambda w, x, y, m: jnp.mean((m * (x @ w - y)) ** 2) * m.size / m.sum(), capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, x, y, m: jnp.mean(m * (x @ w - y) ** 2), "By what is the sum divided"),
        (lambda w, x, y, m: jnp.mean((x @ w - y) ** 2), "count as well"),
        (lambda w, x, y, m: masked(w, x[: int(m.sum())], y, m), "your function raised"),
        (lambda w, x, y, m: masked(jax.lax.stop_gradient(w), x, y, m), "the gradient with 8"),
    ],
)
def test_other_losses_of_marked_rows(answer, words):
    wrong("keras-one-trace", answer, words)


def opposite(encode, steps=60):
    low, high = 0.0, np.pi
    sign = np.sign(encode(low) - encode(low + np.pi))
    for _ in range(steps):
        middle = (low + high) / 2
        same = np.sign(encode(middle) - encode(middle + np.pi)) == sign
        low, high = (middle, high) if same else (low, middle)
    return low


def test_opposite_points(capsys):
    right("what-and-why-circle", opposite, capsys)
    wrong("what-and-why-circle", lambda encode: opposite(encode, 3), "change its sign")
    wrong("what-and-why-circle", lambda encode: 0.0, "at the opposite point")
    wrong("what-and-why-circle", lambda encode: (1.0, 2.0), "expected the shape")
