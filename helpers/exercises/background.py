"""Checks for the exercises of the part Background."""

import jax
import jax.numpy as jnp
import numpy as np

from helpers.exercises.comparing import Wrong, call, exercise, hinted, numbers, parts, same, that

# --- A first network -------------------------------------------------------------------------------------------------


@exercise("first-network-count")
def _count(answer):
    """Count the numbers of two layers and the batches of three epochs."""
    weights, steps = parts(answer, "the weights", "the steps")
    mistakes = {
        "Do the biases count as well?": 2 * 784 * 32,
        "Each output has one bias: is one of the two layers left out?": 2 * 784 * 32 + 32,
        "That is one layer of two.": 784 * 32 + 32,
    }
    hinted(weights, 785 * 32 + 33 * 784, mistakes, rtol=0, what="the weights")
    mistakes = {"Those are the steps of one epoch.": 200, "Those are epochs times digits.": 150_000}
    hinted(steps, 600, mistakes, rtol=0, what="the steps")


@exercise("first-network-rate")
def _rate(answer):
    """Descend with both weights, and search the limit by halving."""
    limit, steps, length = parts(answer, "the highest rate", "the steps", "the length of Adam's step")
    mistakes = {
        "At that rate the steep weight is done after one step. Up to which rate does it shrink?": 0.01,
        "That is the limit of the flat weight alone.": 2,
    }
    hinted(limit, 0.02, mistakes, rtol=1e-3, what="the highest rate")
    w, count = 1.0, 0
    while w > 0.01:
        w, count = w - 0.01 * w, count + 1
    mistakes = {
        "That is at the whole rate. What is half of it?": np.ceil(np.log(0.01) / np.log(0.98)),
        "That is to 10%, not to 1%.": np.ceil(np.log(0.1) / np.log(0.99)),
        "Which of the two weights is the slow one?": 1,
    }
    hinted(steps, count, mistakes, rtol=0, atol=1, what="the steps")
    hint = "Write down m and v after one step, and divide. What is left of the gradient?"
    same(length, 0.01, rtol=1e-3, what="the length of Adam's first step", hint=hint)


@exercise("first-network-relu")
def _relu(answer):
    """Compare with JAX's gradient at random weights, and with what usual mistakes return."""
    random = np.random.default_rng(0)
    w, x, y = random.normal(size=25), random.uniform(-2, 2, (32, 1)), random.normal(size=(32, 1))

    def predicted(w, activation):
        """Return the network's outputs for all 25 weights in one vector."""
        return activation(x @ w[None, :8] + w[8:16]) @ w[16:24, None] + w[24:]

    def loss(w):
        """Return the mean squared error with ReLU units."""
        return jnp.mean((predicted(w, jax.nn.relu) - y) ** 2)

    right = np.asarray(jax.grad(loss)(jnp.asarray(w)))
    h = np.maximum(x @ w[None, :8] + w[8:16], 0)
    delta = 2 * (h @ w[16:24, None] + w[24:] - y) / len(x)
    wrong_s = delta @ w[None, 16:24] * (1 - h**2)
    through_tanh = np.concatenate([(x * wrong_s).sum(axis=0), wrong_s.sum(axis=0), right[16:]])
    mistakes = {
        "1 - h² is the derivative of tanh. What is that of ReLU?": through_tanh,
        "Is it of the mean over the points, or of the sum?": len(x) * right,
        "Where does the factor 2 come from?": right / 2,
    }
    hinted(call(answer, w, x, y), right, mistakes, rtol=1e-3, atol=1e-5, what="the gradient")


@exercise("first-network-own-curve")
def _own_curve(answer):
    """Compare the errors with those of the constant that fits the targets best."""
    targets, predictions = parts(answer, "the test targets", "the predictions")
    targets, predictions = numbers(targets, what="the targets"), numbers(predictions, what="the predictions")
    shapes = f"targets of shape {targets.shape} and predictions of shape {predictions.shape}"
    that(targets.shape == predictions.shape, f"got {shapes}. Their difference would be an array of all pairs.")
    that(targets.size >= 10, f"got {targets.size} targets, expected 10 at least.")
    finite = np.isfinite(targets).all() and np.isfinite(predictions).all()
    that(finite, "got targets or predictions that are NaN or infinite. Has the training diverged?")
    that(targets.std() > 0, "all targets are equal.")
    left = np.mean((predictions - targets) ** 2) / targets.var()
    that(left > 0, "the predictions are the targets. Are those rows that the network has not seen?")
    otherwise = f"the errors have {left:.2f} times the variance of the targets: their mean would predict as well."
    that(left < 1, f"{otherwise} Are inputs and targets scaled, is the network trained for long enough?")
    return f"Of the variance, {left:.0%} is left in the errors."


@exercise("first-network-twins")
def _twins(answer):
    """Compare the functions of a vector and of its twin, then the twin with the one that was asked for."""
    random = np.random.default_rng(0)
    w, order, signs = random.normal(size=25), random.permutation(8), random.choice([-1, 1], 8)
    x = np.linspace(-2, 2, 50)[:, None]

    def outputs(w):
        """Return what the network of 8 units makes of 50 inputs."""
        return np.tanh(x @ w[None, :8] + w[8:16]) @ w[16:24] + w[24]

    def moved(*factors, by=order):
        """Return W, b and V in another order, each with its own factors, and c."""
        kept = zip(w[:24].reshape(3, 8), factors, strict=True)
        return np.concatenate([*(factor * part[by] for part, factor in kept), w[24:]])

    twin = numbers(call(answer, w, order, signs), shape=(25,), what="the twin")
    mistakes = {
        "Which sign must the bias have, so that tanh changes its own?": moved(signs, 1, signs),
        "The unit has changed its sign. What makes up for it?": moved(signs, signs, 1),
        "Unit order[j] becomes unit j. Is it the other way round?": moved(signs, signs, signs, by=np.argsort(order)),
        "signs[j] belongs to the twin's unit j.": moved(*3 * [signs[order]]),
    }
    hinted(twin, moved(signs, signs, signs), mistakes, rtol=1e-6, what="the twin")
    same(outputs(twin), outputs(w), rtol=1e-6, atol=1e-9, what="the twin's function")


# --- Keras on JAX ----------------------------------------------------------------------------------------------------

# For each call, what to ask of a reader who counts it wrongly.
_ABOUT_CALLS = (
    "can there be a program before the first call?",
    "does JAX see the value of a number, or only its kind?",
    "does a program for 128 images take 100?",
    "what does JAX make of 64-bit floats on the way in?",
    "is a whole number of the same kind as 0.1?",
    "a plain 0.1 adapts to its partner: does a jnp.float32 do that?",
)


@exercise("keras-count-traces")
def _count_traces(answer):
    """Compare the calls that are said to be traced with those that JAX traces."""
    traces, traced, batch = [], [], np.zeros((128, 3), "float32")
    scaled = jax.jit(lambda batch, factor: traces.append(1) or factor * batch)
    calls = [(batch, 0.1), (batch, 0.2), (batch[:100], 0.1), (batch.astype("float64"), 0.1), (batch, 1)]
    for number, inputs in enumerate([*calls, (batch, jnp.float32(0.1))], start=1):
        before = len(traces)
        scaled(*inputs)
        traced += [number] * (len(traces) > before)
    said = set(numbers(answer, shape=(None,), what="the calls that are traced").tolist())
    that(said and said <= {1, 2, 3, 4, 5, 6}, f"got {answer!r}, expected numbers of calls, 1 to 6.")
    odd = sorted(said ^ set(traced))
    question = _ABOUT_CALLS[int(odd[0]) - 1] if odd else ""
    that(not odd, f"{len(odd)} of the six calls go otherwise. Call {(odd or [0])[0]:.0f}: {question}")


class _Network:
    """A dense layer with dropout, for a reader's function: it records how it is called."""

    def __init__(self):
        self.calls = []

    def __call__(self, *inputs, **options):
        """Refuse what hides the weights."""
        raise Wrong("network(x) takes weights and counter as they are in the trace. What must travel as arguments?")

    def stateless_call(self, weights, memory, x, training=False):
        """Return the outputs and the new counter."""
        self.calls.append(training)
        key = jax.random.fold_in(jax.random.key(3), memory[0])
        return 2 * x @ weights[0] * jax.random.bernoulli(key, 0.5, (1, 32)), [memory[0] + 1]


@exercise("keras-frozen-dropout")
def _frozen_dropout(answer):
    """Call the compiled function ten times, then with other weights."""
    network, weights, memory, x = _Network(), [jnp.ones((8, 32))], [jnp.int32(0)], jnp.ones((1, 8))
    function, masks = call(answer, network), []
    for _ in range(10):
        made = call(function, weights, memory, x, what="the function that yours returns")
        outputs, memory = parts(made, "the outputs", "the new memory")
        masks.append(numbers(outputs, shape=(1, 32), what="the outputs") == 0)
    that(network.calls and all(network.calls), "training is not True, so dropout does nothing.")
    that(len(network.calls) < 10, "the network's Python code ran at each of ten calls: is the function compiled?")
    different = len(np.unique(masks, axis=0))
    that(different == 10, f"got {different} different masks in ten calls. Does the new memory come out?")
    zeros, _ = function([0 * weights[0]], memory, x)
    that(not np.any(zeros), "with a kernel of zeros the outputs are not zero: does it use the weights that it gets?")


@exercise("keras-clip")
def _clip(answer):
    """Shorten gradients of three lengths, and compare with the formula, array by array."""
    random, shapes = np.random.default_rng(0), ((4, 3), (3,), (3, 5))
    for length, limit in ((0.2, 0.5), (3.0, 0.5), (40.0, 1.5)):
        gradients = [random.normal(size=shape) for shape in shapes]
        factor = length / np.sqrt(sum((part**2).sum() for part in gradients))
        gradients = [factor * part for part in gradients]
        made = call(answer, [jnp.asarray(part) for part in gradients], limit)
        made = parts(made, *(f"an array of shape {shape}" for shape in shapes))
        for part, came in zip(gradients, made, strict=True):
            what = f"an array {part.shape} of a gradient of length {length:g}, to be at most {limit:g} long"
            hinted(came, part * min(1, limit / length), _clipped_wrongly(part, length, limit), rtol=1e-4, what=what)


def _clipped_wrongly(part, length, limit):
    """Return what four mistakes make of an array."""
    return {
        "Is the length that of all arrays together, or of each one?": part * min(1, limit / np.linalg.norm(part)),
        "A gradient that is short enough must stay as it is.": part * limit / length,
        "Is each number cut off? Then the direction changes too.": part.clip(-limit, limit),
        "Is the root of the sum of squares missing?": part * min(1, limit / length**2),
    }


@exercise("keras-pull")
def _pull(answer, weights, digits):
    """Compare the lengths with the formula for two dense layers: the gradient of each is a product of two vectors."""
    W, b, V, c = (np.asarray(array, "float64") for array in weights)
    x = np.asarray(digits, "float64")
    h = np.maximum(x @ W + b, 0)
    drawn = 1 / (1 + np.exp(-(h @ V + c)))
    at_outputs = 2 / x.shape[1] * (drawn - x) * drawn * (1 - drawn)  # (n, pixels)
    at_hidden = at_outputs @ V.T * (h > 0)
    terms = [((at**2).sum(axis=1), (into**2).sum(axis=1)) for at, into in ((at_outputs, h), (at_hidden, x))]
    squares = sum(delta * (1 + inputs) for delta, inputs in terms)
    mistakes = {
        "Is the root missing?": squares,
        "Do the biases count as well?": np.sqrt(sum(delta * inputs for delta, inputs in terms)),
        "Does a mean over the digits come in?": np.sqrt(squares) / len(x),
    }
    hinted(answer, np.sqrt(squares), mistakes, rtol=2e-3, what="the lengths")


@exercise("keras-own-noise")
def _own_noise(answer):
    """Compile the function, and draw for ten steps, twice."""
    first = numbers(call(answer, 0), what="the noise")
    that(first.size > 1, "got one number, expected an array of noise.")
    compiled = jax.jit(answer)
    draws, again = ([numbers(call(compiled, step), what="the noise") for step in range(10)] for _ in range(2))
    different = len(np.unique([draw.ravel() for draw in draws], axis=0))
    that(different == 10, f"compiled, ten steps give {different} different draws. Does the step reach the key?")
    that(np.array_equal(draws, again), "the same step gives other noise when it is called again.")
    foreign = "step 0 gives other noise without jit than with it. Are all the random numbers JAX's?"
    that(np.allclose(first, draws[0], atol=1e-5), foreign)
    return f"Ten steps, ten draws; mean {np.mean(draws):.2f}, deviation {np.std(draws):.2f}."


@exercise("keras-one-trace")
def _one_trace(answer):
    """Fill batches up with large numbers, and compare loss and gradient with those of the real rows alone."""
    random, traces = np.random.default_rng(0), []
    w = random.normal(size=5)

    def counted(*inputs):
        """Call the answer, and count how often JAX traces it."""
        traces.append(1)
        return answer(*inputs)

    call(answer, w, np.ones((2, 5)), np.ones(2), np.ones(2))  # dots count as no answer
    step = jax.jit(jax.value_and_grad(counted))
    for real in (8, 3, 1):
        marks = np.arange(8) < real
        filled = np.where(marks, 1, 1_000)  # rows that are not real have large numbers
        rows, targets = random.normal(size=(8, 5)) * filled[:, None], random.normal(size=8) * filled
        errors = (rows @ w - targets) * marks
        made = call(step, w, rows, targets, marks.astype("float64"))
        loss, gradient = parts(made, "the loss", "its gradient")
        what, right = f"the loss of {real} real rows of 8", (errors**2).sum() / real
        mistakes = {
            "The mean must be over the real rows. By what is the sum divided?": (errors**2).mean(),
            "Rows that are not real count as well.": ((rows @ w - targets) ** 2).mean(),
        }
        hinted(loss, right, mistakes if real < 8 else {}, rtol=1e-4, what=what)
        expected = 2 * rows.T @ errors / real
        same(gradient, expected, rtol=1e-3, atol=1e-4, what=f"the gradient with {real} real rows of 8")
    that(len(traces) == 1, f"JAX traced the loss {len(traces)} times for three batches of one shape.")


# --- What these models are, and why ----------------------------------------------------------------------------------


@exercise("what-and-why-look-ahead")
def _look_ahead(answer):
    """Play one step with the trial step from a random place, for three step sizes."""
    for rate in (0.1, 0.3, 0.7):
        place = np.random.default_rng(0).normal(size=2)
        slopes = np.array([[0, -1], [1, 0]])  # the players' steps at (x, y), for a rate of 1
        trial = place + rate * slopes @ place
        factor = np.linalg.norm(place + rate * slopes @ trial) / np.linalg.norm(place)
        mistakes = {
            "Is it the factor of the squared distance?": factor**2,
            "That is the factor without looking ahead.": np.sqrt(1 + rate**2),
            "Do the players move from where they are, or from the trial point?": np.linalg.norm(
                trial + rate * slopes @ trial
            )
            / np.linalg.norm(place),
        }
        hinted(call(answer, rate), factor, mistakes, rtol=1e-4, what=f"the factor for a step size of {rate}")


@exercise("what-and-why-score-function")
def _score_function(answer, a, realism):
    """Compare mean and variance of many draws with the sums over all words, for two baselines."""
    a, r = np.asarray(a, "float64"), np.asarray(realism, "float64")
    p = np.exp(a - a.max()) / np.exp(a - a.max()).sum()
    exact, scores = p * (r - p @ r), np.eye(len(p)) - p
    that(callable(answer), f"got {type(answer).__name__}, expected a function.")
    keys = jax.random.split(jax.random.key(17), 20_000)
    many = jax.jit(jax.vmap(answer, in_axes=(0, None)))
    for baseline in (0.0, float(p @ r)):
        what = f"with the baseline {baseline:.2g}, "
        draws = call(many, keys, baseline)
        draws = numbers(draws, shape=(len(keys), len(p)), what=what + "20,000 draws")
        hint = "Is a factor of the product r · ∇ log p missing?"
        same(draws.mean(axis=0), exact, rtol=0, atol=0.01, what=what + "the mean of many draws", hint=hint)
        variance = p @ ((r - baseline) ** 2 * (scores**2).sum(axis=1)) - exact @ exact
        hint = "Each draw is of one word, and the baseline is subtracted from its verdict."
        same(draws.var(axis=0).sum(), variance, rtol=0.05, what=what + "the variance of a draw", hint=hint)


@exercise("what-and-why-law")
def _law(answer, codes, labels):
    """Let the clouds' own means and covariances make each cloud standard, and see whether it is."""
    size = np.shape(codes)[1]
    drawn = numbers(answer, shape=(10_000, size), what="the codes").reshape(10, 1_000, size)
    for digit in range(10):
        own = np.asarray(codes, "float64")[np.asarray(labels)[: len(codes)] == digit]
        root = np.linalg.cholesky(np.cov(own, rowvar=False))
        standard = np.linalg.solve(root, (drawn[digit] - own.mean(axis=0)).T)
        whose = f"the codes {1_000 * digit} to {1_000 * digit + 999}, of the digit {digit}"
        off = np.abs(standard.mean(axis=1)).max()
        that(
            off < 0.25, f"{whose}: their mean is {off:.1f} deviations off. Are the digits in order, is the mean added?"
        )
        off = np.abs(np.cov(standard) - np.eye(size)).max()
        hint = "Do all numbers of a code go together, and on which side does the root of the covariance stand?"
        that(off < 0.35, f"{whose}: their mean is right, their covariance is not. {hint}")


@exercise("what-and-why-inversion")
def _inversion(answer, generator, targets, generated):
    """Draw the latents, and compare with the digits and with the best of the random draws."""
    targets = np.asarray(targets).reshape(len(targets), -1)
    found = numbers(answer, shape=(len(targets), generator.input_shape[-1]), what="the latents").astype("float32")
    drawn = np.asarray(generator.predict_on_batch(found)).reshape(targets.shape)
    error = ((drawn - targets) ** 2).sum(axis=1)
    others = np.asarray(generated).reshape(len(generated), -1)
    start = np.min([((others - target) ** 2).sum(axis=1) for target in targets], axis=1)
    came = (
        f"the mean squared error is {error.mean():.1f}, at the best of {len(others):,} draws it is {start.mean():.1f}."
    )
    that(error.mean() < start.mean(), f"{came} Do the steps go downhill, and is row i the latent of digit i?")
    that(error.mean() < start.mean() / 2, f"{came} A longer search gets it below half of that.")
    return f"The mean squared error is {error.mean():.1f}, {error.mean() / start.mean():.2f} of the start's."


@exercise("what-and-why-circle")
def _circle(answer):
    """Hand over five random encoders, and compare the codes of the two opposite points."""
    random, waves = np.random.default_rng(0), np.arange(1, 5)
    for _ in range(5):
        weights, turns = random.normal(size=4), random.uniform(0, 2 * np.pi, 4)

        def encode(angle, weights=weights, turns=turns):
            """Return the code of a point, given its angle: a sum of four waves."""
            return np.cos(np.multiply.outer(angle, waves) + turns) @ weights

        angle = numbers(call(answer, encode), shape=(), what="the angle")
        codes = encode(angle), encode(angle + np.pi)
        came = f"at the angle {angle:.4f} the code is {codes[0]:.4f}, at the opposite point {codes[1]:.4f}."
        hint = "Where does their difference change its sign?"
        that(abs(codes[0] - codes[1]) < 1e-5, f"{came} {hint}")


@exercise("what-and-why-smaller-steps")
def _smaller_steps(answer):
    """Play the game in complex numbers: at once both players multiply x + iy by 1 + iη."""
    mistakes = {
        "That is the squared distance, or about the one after 200 steps of 0.1.": abs((1 + 0.05j) ** 400) ** 2,
        "That is the distance after 200 steps of 0.05: they go half as far round.": abs((1 + 0.05j) ** 200),
        "Each step has its own factor: do they multiply?": 400 * (abs(1 + 0.05j) - 1) + 1,
    }
    hinted(answer, abs((1 + 0.05j) ** 400), mistakes, rtol=5e-3, what="the distance")


@exercise("what-and-why-own-picture")
def _own_picture(answer, autoencoder, test):
    """Redraw the image and the test digits, and count those with a larger error."""
    picture, share = parts(answer, "the picture", "the share of test digits")
    picture = numbers(picture, what="the picture")
    that(picture.shape in ((28, 28), (28, 28, 1)), f"the image: got the shape {picture.shape}, expected (28, 28, 1).")
    levels = f"got grey levels from {picture.min():g} to {picture.max():g}"
    that(picture.min() >= 0 and picture.max() <= 1, f"the image: {levels}, expected them from 0 to 1.")
    that(picture.min() < picture.max(), "the image is an even grey.")
    digits = np.concatenate([picture.reshape(1, 784), np.asarray(test).reshape(-1, 784)]).astype("float32")
    that(((digits[1:] - digits[0]) ** 2).sum(axis=1).min() > 1e-3, "the picture is one of the test digits.")
    drawn = autoencoder.predict(digits.reshape(-1, 28, 28, 1), batch_size=1_000, verbose=0).reshape(-1, 784)
    error = ((drawn - digits) ** 2).sum(axis=1)
    larger = (error[1:] > error[0]).mean()
    mistakes = {"Is it the share of digits with a smaller error?": 1 - larger} if abs(larger - 0.5) > 0.01 else {}
    hinted(share, larger, mistakes, rtol=0, atol=2e-3, what="the share of test digits with a larger error")
    return f"Its error is {error[0]:.1f}, the test digits' mean {error[1:].mean():.1f}."
