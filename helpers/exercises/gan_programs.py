"""Checks for the exercises of gans/broken_loop, corrected_loop, dcgan and conditional."""

import numpy as np

from helpers.exercises.comparing import Unanswered, Wrong, call, choice, exercise, numbers, parts, same, that

# gans/broken_loop


class _Images:
    """Stands in for a generator: each of its images is one grey that no real image here has."""

    def predict(self, noise, verbose=0):
        """Return one image for each row of the noise."""
        return np.full((len(noise), 784), 0.25)


class _Notes:
    """Stands in for a discriminator; ``calls`` has the images and the labels that it was handed."""

    def __init__(self):
        self.calls = []

    def train_on_batch(self, images, labels):
        """Note one call; the loss is 0."""
        self.calls.append((np.asarray(images), np.asarray(labels)))
        return 0.0


@exercise("broken-loop-mixture")
def _mixture(answer):
    """Compare the score and the loss with the best of a fine grid of scores."""
    score, loss = parts(answer, "the best score", "the mean loss there")
    grid = np.arange(1, 1000) / 1000
    losses = -0.75 * np.log(grid) - 0.25 * np.log(1 - grid)
    hint = "It is D's score for the label 1, which three steps of four give."
    same(score, grid[losses.argmin()], rtol=2e-3, what="the score", hint=hint)
    same(loss, losses.min(), rtol=2e-3, what="the loss", hint="Each label's loss counts with the label's share.")


@exercise("broken-loop-real")
def _real(answer, loop):
    """Run the corrected loop for one iteration, with stubs in place of the networks."""
    old, new = parts(answer, "the text to replace", "the text in its place")
    that(isinstance(old, str) and isinstance(new, str) and old, "expected two texts.")
    that(loop.count(old) == 1, f"{old!r} is in the loop {loop.count(old)} times, expected once.")
    notes = _Notes()
    names = {"np": np, "losses": [], "generator": _Images(), "discriminator": notes}
    names["X_train"] = np.full((20, 784), 0.75)
    try:
        exec(loop.replace(old, new).replace("10000", "4").replace("(100)", "(1)"), names)
    except Exception as error:
        raise Wrong(f"the corrected loop raised {type(error).__name__}: {error}") from error
    that(len(notes.calls) == 2, f"D is trained {len(notes.calls)} times an iteration, expected 2.")
    _compare_labels(notes.calls)


def _compare_labels(calls):
    """Raise unless blank fakes came with the label 0 and as many real images with the label 1."""
    for images, labels in calls:
        that(labels.shape == (len(images), 1), f"D gets {len(images)} images with labels of the shape {labels.shape}, "
             "expected one label for each image.")  # fmt: skip
    given = {"real" if images.mean() > 0.5 else "fake": np.unique(labels).tolist() for images, labels in calls}
    that("real" in given, "D still sees no real image; they are in `X_train`.")
    that("fake" in given, "D sees no fakes any more.")
    found = ", ".join(f"{kind} images with the labels {labels}" for kind, labels in given.items())
    that(given == {"real": [1.0], "fake": [0.0]}, f"D gets {found}.")
    that(all(images.max() in (0, 0.75) for images, _ in calls), "the cast to bytes is gone, and should be left.")
    that(len({len(images) for images, _ in calls}) == 1, "D gets more images of one kind than of the other.")


@exercise("broken-loop-thaw")
def _thaw(answer):
    """Nudge each array of a small D in turn, and see whether its loss at a blank image changes."""

    def loss(arrays):
        """Return the loss for the label 1."""
        h = np.zeros(6)
        for kernel, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
            h = np.maximum(0, h @ kernel + bias)
        return np.logaddexp(0, -(h @ arrays[-2] + arrays[-1])).sum()

    random = np.random.default_rng(0)
    arrays = [part for size in ((6, 5), (5, 4), (4, 1)) for part in (random.uniform(0.1, 1, size), 0.01)]
    found = parts(answer, *(f"{kind} {layer}" for layer in (1, 2, 3) for kind in ("kernel", "bias")))
    kinds = all(isinstance(one, (bool, np.bool_)) for one in found)
    that(kinds, "expected six times True or False, one for each array.")
    nudged = [[array + 0.001 * (one == place) for one, array in enumerate(arrays)] for place in range(6)]
    off = sum(bool(mine) != (loss(other) != loss(arrays)) for mine, other in zip(found, nudged, strict=True))
    that(off == 0, f"{off} of the six are off. A kernel's gradient is a product of the layer's input and what comes "
         "back from above; a bias needs only what comes back.")  # fmt: skip


@exercise("broken-loop-stubs")
def _stubs(answer):
    """Hand a learner's check two steps that are right and four that are wrong."""
    that(callable(answer), f"got {type(answer).__name__}, expected a function.")
    asked = []
    wrong = {
        "swaps the labels": [("fake", 1), ("real", 0)],
        "hands the fakes over with both labels": [("fake", 0), ("fake", 1)],
        "shows no real image": [("fake", 0)],
        "shows no fake": [("real", 1)],
    }
    passed = [fault for fault, shown in wrong.items() if _passes(answer, shown, asked)[0]]
    if not asked:
        raise Unanswered
    that(not passed, f"your check lets a step pass that {' and one that '.join(passed)}.")
    for shown in ([("fake", 0), ("real", 1)], [("real", 1), ("fake", 0)]):
        fine, error = _passes(answer, shown, asked)
        that(fine, f"your check refuses a step that is right, with the message: {error}")


def _passes(check, shown, asked):
    """Return whether a learner's check accepts a step that shows these pairs (kind, label), and what it said."""

    def step(generator, discriminator, real):
        """Hand the pairs over, and note that the check asked for it."""
        asked.append(shown)
        sets = {"real": real, "fake": generator.predict(np.zeros((len(real), 100)), verbose=0)}
        for kind, label in shown:
            discriminator.train_on_batch(sets[kind], np.full((len(sets[kind]), 1), float(label)))

    try:
        check(step)
    except AssertionError as error:
        return False, error
    except Exception as error:
        raise Wrong(f"your check raised {type(error).__name__}: {error}") from error
    return True, ""


@exercise("broken-loop-guard")
def _guard(answer):
    """Hand over right arrays, then faulty ones."""
    that(callable(answer), f"got {type(answer).__name__}, expected a function.")
    rows = np.random.default_rng(0).random((50, 64)) ** 2
    rows[:, 0] = 0  # a border that is always black
    sound = {"fractions": rows, "32-bit fractions": np.float32(rows), "rather dark ones": 0.6 * rows, "few": rows[:2]}
    for name, array in sound.items():
        refused = _refuses(answer, array)
        that(refused is None, f"your function refuses sound rows ({name}): {refused}")
    unknown = rows.copy()
    unknown[3, 5] = np.nan
    faulty = {
        "levels from 0 to 255": 255 * rows,
        "bytes": np.uint8(255 * rows),
        "fractions that were cast to bytes": np.uint8(rows),
        "fractions divided by 255 once more": rows / 255,
        "levels from -1 to 1": 2 * rows - 1,
        "a NaN": unknown,
        "the same row over and over": np.repeat(rows[:1], 50, axis=0),
        "images that are not rows": rows.reshape(50, 8, 8),
    }
    accepted = [name for name, array in faulty.items() if _refuses(answer, array) is None]
    if len(accepted) == len(faulty):
        raise Unanswered
    that(not accepted, f"your function accepts faulty rows: {'; '.join(accepted)}.")
    return f"It accepts {len(sound)} sound arrays and refuses {len(faulty)} faulty ones."


def _refuses(guard, rows):
    """Return the text of the ValueError that a guard raises, or None."""
    given = rows.copy()
    try:
        guard(given)
    except ValueError as error:
        return str(error)
    except Exception as error:
        raise Wrong(f"your function raised {type(error).__name__}: {error}. Expected a ValueError.") from error
    that(np.array_equal(given, rows, equal_nan=rows.dtype.kind == "f"), "your function changes the rows.")
    return None


# gans/corrected_loop


@exercise("ex-frozen-noise")
def _frozen_noise(answer):
    """Compare two counts with the different rows that Keras draws in ten steps."""
    import keras

    found = parts(answer, "with the integer seed", "with the SeedGenerator")
    for mine, seed, what in zip(found, (0, keras.random.SeedGenerator(0)), ("integer", "generator"), strict=True):
        batches = [np.asarray(keras.random.normal((128, 100), seed=seed)) for _ in range(10)]
        hint = "Count the different latents of all ten steps; a step has 128."
        choice(mine, len({row.tobytes() for row in np.concatenate(batches)}), what=f"with the {what}", hint=hint)


@exercise("ex-sign")
def _sign(answer, networks, images):
    """Repeat both steps, with a loss written with the probability of the right answer."""
    import jax
    import jax.numpy as jnp
    import keras

    generator, discriminator = networks
    batch = jnp.concatenate([images[:512], generator(keras.random.normal((512, 100), seed=3))])

    def right(weights):
        """Return the probability of the right answer for each of the 1,024 images."""
        p = jax.nn.sigmoid(discriminator.stateless_call(weights, [], batch)[0][:, 0])
        return jnp.where(jnp.arange(1024) < 512, p, 1 - p)

    @jax.jit
    def after(weights):
        """Return its mean with the weights as they are, after a step down and after one up."""
        slopes = jax.grad(lambda weights: -2 * jnp.mean(jnp.log(right(weights))))(weights)
        steps = [[w + size * g for w, g in zip(weights, slopes, strict=True)] for size in (0, -0.01, 0.01)]
        return [jnp.mean(right(step)) for step in steps]

    expected = after([jnp.array(variable.value) for variable in discriminator.trainable_variables])
    names = {"before": "It is a mean over real images and fakes.", "down": "A step down goes against the gradient."}
    names["up"] = names["down"]
    found = parts(answer, "before", "after the step down", "after the step up")
    for mine, (what, hint), value in zip(found, names.items(), expected, strict=True):
        same(mine, value, rtol=0.01, what=what, hint=hint)


@exercise("ex-two-d-steps")
def _two_d_steps(answer):
    """Hand a learner's loop stubs for the two steps, and see what it hands them."""
    steps = _Steps()
    images = np.broadcast_to(np.arange(1024.0)[:, None, None, None], (1024, 28, 28, 1))
    try:
        made = call(answer, images, 3, steps.d_step, steps.g_step, ((100, 100), (0, 0)))
    except Unanswered:
        that(not steps.order, "your function returns nothing, expected the losses, G's weights and D's weights.")
        raise
    that(steps.order == 3 * "DDG", f"for three steps of G your loop takes the steps {steps.order or 'none'} (by the "
         "network that moves), expected two of D before each of G.")  # fmt: skip
    seen = np.concatenate(steps.images).reshape(-1, 784)[:, 0]
    that(len(np.unique(seen)) == len(seen), "some images come twice: each step of D should see a batch of its own.")
    noise = np.concatenate([np.asarray(z) for z in steps.noise])
    that(len(np.unique(noise, axis=0)) == len(noise), "the same noise comes twice: draw new noise for each half step.")
    losses, *weights = parts(made, "losses", "G's weights", "D's weights")
    last = all(isinstance(one, int) for one in weights) and weights == [103, 6]
    that(last, "the weights that come back are not those of the last steps, G's first, then D's.")
    numbers(losses, shape=(3, 2), what="the losses")


class _Steps:
    """Stands in for the two half steps: weights and slots are counters, and each step adds 1 to its network's."""

    def __init__(self):
        self.order, self.images, self.noise, self.newest = "", [], [], {"D": 0, "G": 100}

    def _move(self, who, z, **given):
        """Note a step; raise unless all that was given is the newest."""
        self.order += who
        for name, value in given.items():
            old = not isinstance(value, int) or value != self.newest[name[0].upper()]
            that(not old, f"step {len(self.order)}, one of {who}, gets {name} that are not the newest: start with "
                 "`first`, and keep what each step returns.")  # fmt: skip
        self.noise.append(z)
        self.newest[who] += 1
        return 0.5, self.newest[who], self.newest[who]

    def d_step(self, d_weights, d_slots, g_weights, real, z):
        """Stand in for a step of D."""
        that(len(real) == len(z), f"D gets {len(real)} real images and {len(z)} latents, expected as many.")
        self.images.append(real)
        return self._move("D", z, d_weights=d_weights, d_slots=d_slots, g_weights=g_weights)

    def g_step(self, g_weights, g_slots, d_weights, z):
        """Stand in for a step of G."""
        return self._move("G", z, g_weights=g_weights, g_slots=g_slots, d_weights=d_weights)


@exercise("ex-average")
def _average(answer, gan):
    """Compare with an average that is followed step by step, from 1 at the start and 0 after it."""
    share, decay = 1.0, gan.settings["ema"]
    for _ in range(int(gan.generator_optimizer.iterations)):
        share = decay * share + (1 - decay) * 0.0
    mine = float(numbers(answer, shape=()))
    hint = "this is the share of what was learned since; the start's share is asked for."
    that(abs(mine - share) < 0.01 or abs(mine - 1 + share) > 0.01, hint)
    same(mine, share, rtol=0.01, what="the share", hint="Each step of G multiplies it by one and the same factor.")


@exercise("ex-saturation")
def _saturation(answer):
    """Compare two derivatives with difference quotients."""
    losses = {
        "the minimax loss": lambda a: -np.logaddexp(0, a),  # log(1 - σ(a))
        "the non-saturating loss": lambda a: np.logaddexp(0, -a),
    }
    found = parts(answer, *losses)
    for mine, (name, loss) in zip(found, losses.items(), strict=True):
        slope = (loss(-8 + 1e-4) - loss(-8 - 1e-4)) / 2e-4
        same(mine, slope, rtol=0.01, what=name, hint="It is the slope with respect to the logit, at a = −8.")


@exercise("ex-own-loss")
def _own_loss(answer):
    """Look at the derivatives of a learner's loss between a = −8 and a = 0."""
    logits = np.linspace(-8, 0, 17)
    values = [[float(numbers(call(answer, a + step), shape=())) for step in (-0.01, 0.01)] for a in logits]
    slopes = np.diff(values, axis=1)[:, 0] / 0.02
    that(np.isfinite(slopes).all(), "got a loss that is NaN or infinite somewhere between a = −8 and a = 0.")
    that(slopes.max() < 0, f"at a = {logits[slopes.argmax()]:.1f} the loss does not fall as the logit grows: G would "
         "learn nothing there, or to look less real.")  # fmt: skip
    that(slopes[0] < 0.5 * slopes[-1], "it saturates: at a = −8 the derivative is less than half as large as at a = 0.")
    relative = slopes * (1 + np.exp(logits))  # the non-saturating loss has the slope −1 / (1 + e^a)
    that(np.ptp(relative) > 0.02 * np.abs(relative).max(), "this is the non-saturating loss, up to a factor and a "
         "constant; write another one.")  # fmt: skip


# gans/dcgan


@exercise("ex-table-rows")
def _table_rows(answer):
    """Scale a table with awkward columns there and back, its own rows and new ones beyond its range."""
    random = np.random.default_rng(0)

    def table(count, factor):
        """Return rows with a skewed column, a negative one, a tiny one and a constant one."""
        columns = random.lognormal(size=count), -50 * random.random(count), 1e-6 * random.normal(size=count)
        return np.stack([*(factor * column for column in columns), np.full(count, 3.0)], axis=1)

    known, new = table(60, 1), table(20, 2)
    there, back = parts(call(answer, known), "the function there", "the function back")
    scaled = numbers(call(there, known, what="the function there"), shape=known.shape, what="the scaled rows")
    that(np.isfinite(scaled).all(), "the scaled rows: got NaN or infinite. Is a column constant?")
    levels = f"got values from {scaled.min():.3g} to {scaled.max():.3g}"
    that(
        scaled.min() >= -1e-9 and scaled.max() <= 1 + 1e-9, f"the rows that it was made from: {levels}, not in [0, 1]."
    )
    width = np.ptp(scaled[:, :3], axis=0).min()
    otherwise = f"a column takes up only {width:.2g} of the range from 0 to 1."
    that(width >= 0.5, f"{otherwise} Does each column have a scale of its own?")
    for name, rows in {"the rows that it was made from": known, "new rows": new}.items():
        made = numbers(call(there, rows, what="the function there"), shape=rows.shape, what=name)
        again = call(back, made, what="the function back")
        hint = "Is anything cut off?" if rows is new else "Is it the inverse?"
        scale = np.abs(rows).max(axis=0)
        same(numbers(again) / scale, rows / scale, rtol=0, atol=1e-6, what=f"{name}, there and back", hint=hint)
    drawn = numbers(call(back, random.random((5, 4)), what="the function back"), what="rows of a generator")
    that(np.isfinite(drawn).all(), "a generator's rows come back as NaN or infinite.")


@exercise("ex-field")
def _field(answer):
    """Compare with a walk from one number back to the pixels."""
    places = {0}
    for _ in range(2):
        places = {2 * place + tap for place in places for tap in range(4)}
    along = np.ndim(answer) == 0 and answer == len(places) ** 2
    that(not along, "this is their number in the square; along one axis is asked for.")
    hint = "Neighbours in the first layer lie two pixels apart, and each of them sees four pixels."
    choice(answer, len(places), what="the pixels", hint=hint)


@exercise("ex-matrix-product")
def _matrix_product(answer):
    """Compare with the weighted sums at each stop, one by one."""
    random = np.random.default_rng(0)
    images, kernel = random.normal(size=(2, 6, 8, 3)).astype("float32"), random.normal(size=(4, 4, 3, 5))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def at_each_stop(kernel):
        """Return the sums, (2, 3, 4, 5)."""
        found = np.empty((2, 3, 4, 5))
        for row, column in np.ndindex(3, 4):
            found[:, row, column] = np.tensordot(padded[:, 2 * row :, 2 * column :][:, :4, :4], kernel, axes=3)
        return found

    made = numbers(call(answer, images, kernel.astype("float32")), shape=(2, 3, 4, 5), what="the sums")
    turned = np.allclose(made, at_each_stop(kernel[::-1, ::-1]), atol=1e-3)
    that(not turned, "the kernel is turned round: a layer's convolution multiplies it as it lies.")
    swapped = np.allclose(made, at_each_stop(kernel.transpose(1, 0, 2, 3)), atol=1e-3)
    that(not swapped, "rows and columns of the kernel are exchanged.")
    hint = "The place (i, j) of the kernel meets the padded pixels i, i + 2, ... and j, j + 2, ..."
    same(made, at_each_stop(kernel), rtol=1e-3, atol=1e-3, what="the sums", hint=hint)


@exercise("ex-shift")
def _shift(answer):
    """Compare the list with the multiples of both strides' product."""
    found = sorted(numbers(answer, shape=(None,), what="the shifts").tolist())
    that(set(found) <= set(range(9)), f"got {answer!r}, expected some of the shifts 0 to 8.")
    hints = {
        (0, 2, 4, 6, 8): "That is right for one layer. What does the second one see of a shift by 2?",
        (4, 8): "What does a shift by 0 do?",
        (0,): "Which shifts let each layer visit the same pixels again?",
        tuple(range(9)): "That is so with a stride of 1.",
    }
    that(found == [0, 4, 8], f"got {answer!r}. {hints.get(tuple(map(int, found)), 'Not these.')}")


@exercise("ex-sum-length")
def _sum_length(answer):
    """Find the k whose means of normal numbers, two added and one subtracted, have the variance 1."""
    variances = {k: sum(sign**2 / k for sign in (1, -1, 1)) for k in range(1, 31)}
    right = next(k for k, variance in variances.items() if np.isclose(variance, 1))
    that(np.ndim(answer) or answer != 1, "with single latents the variances of three add up.")
    choice(answer, right, what="k", hint="What is the variance of a mean of k, and of a difference?")


@exercise("ex-resize")
def _resize(answer):
    """Compare with the patches of 3 × 3 laid one by one over the 14 × 14 pixels."""
    cover = np.zeros((16, 16))
    for row, column in np.ndindex(14, 14):
        cover[row : row + 3, column : column + 3] += 1
    hint = "Double the image first: each pixel of 7 × 7 is written four times, then the stride is 1."
    same(answer, cover[1:-1, 1:-1], rtol=0, atol=1e-3, what="the counts", hint=hint)


@exercise("ex-overlap")
def _overlap(answer):
    """Lay the patches of a learner's kernel along a line and count."""
    size, stride, counts = parts(answer, "the kernel's size", "the stride", "the counts")
    whole = all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in (size, stride))
    that(whole and 3 <= stride <= size <= 100, f"got size {size!r} and stride {stride!r}, expected whole numbers, a "
         "stride of 3 or more and a kernel at least as large.")  # fmt: skip
    that(size % stride, "with these the overlap is even; find two for which it is not.")
    cover = np.zeros(5 * size * stride)
    for place in range(0, 4 * size * stride, stride):
        cover[place : place + size] += 1
    expected = set(cover[size : 4 * size * stride - size].tolist())
    mine = set(numbers(counts, shape=(None,), what="the counts").tolist())
    squares = {one * other for one in expected for other in expected}
    that(mine == expected or mine != squares, "these are the counts on both axes together, expected those along one.")
    hint = f"Patches of {size} pixels start every {stride} pixels: how many lie over one pixel, far from the border?"
    that(mine == expected, f"got the counts {sorted(mine)}, which are not it. {hint}")


@exercise("ex-layer-norm")
def _layer_norm(answer, real):
    """Try out the learner's D: change the other images of the batch, then the brightness of all."""
    judge, alone, sees = parts(answer, "D", "does the sum give each image's own gradient", "does D see the contrast")
    kinds = [type(layer).__name__ for layer in getattr(judge, "layers", [])]
    that("LayerNormalization" in kinds and "BatchNormalization" not in kinds, f"D has the layers {kinds}, expected a "
         "LayerNormalization in the place of the batch normalisation.")  # fmt: skip

    def logits(batch):
        """Return the logits in training, (n,)."""
        return np.asarray(judge(batch, training=True))[:, 0]

    first = logits(real)
    seen = np.abs(first - logits(real / 2)).mean() / np.abs(first).mean()
    that(not 0.02 < seen < 0.3, "your layer takes the brightness out in part only: normalise each image as a whole, "
         "with axis=(1, 2, 3) and epsilon=1e-5.")  # fmt: skip
    others = logits(np.concatenate([real[:1], 1 - real[1:]]))
    hint = "Does a logit of yours change when only other images of the batch do?"
    choice(alone, bool(np.isclose(others[0], first[0], rtol=1e-4)), what="each image's own gradient", hint=hint)
    hint = "Half the brightness gives half of every hidden value. What does the division by σ make of it?"
    choice(sees, bool(seen > 0.3), what="the contrast", hint=hint)


@exercise("ex-checkerboard")
def _checkerboard(answer):
    """Compare the patterns of random images with their Fourier sums at the highest frequency."""
    random = np.random.default_rng(0)
    digits = random.uniform(size=(20, 28, 28, 1))
    digits[:, ::2] += 0.3 * random.uniform(size=(20, 1, 1, 1))
    sums = np.abs(np.fft.fft2(digits[..., 0]))[:, [14, 0, 14], [0, 14, 14]] / 784
    made = numbers(call(answer, digits), shape=(3,), what="the patterns")
    right, mean = np.sqrt((sums**2).mean(axis=0)), sums.mean(axis=0)
    that(not np.allclose(made, mean, rtol=1e-3), "these are means over the images, expected root mean squares.")
    that(not np.allclose(made, right**2, rtol=1e-3), "these are mean squares; take the root.")
    hint = "For each image and pattern take the mean of their product, then the root mean square over the images."
    same(made, right, rtol=1e-3, what="the patterns", hint=hint)


# gans/conditional


@exercise("ex-conditional-do-not-ask")
def _do_not_ask(answer, accuracy):
    """Compare the shares with those that symmetry gives, and the agreement with the accuracy."""
    shares, agree = parts(answer, "the ten shares", "the agreement")
    even = np.full(10, 0.1)
    same(shares, even, rtol=0, atol=0.03, what="the shares", hint="Count the labels that the generator returns.")
    hint = "Compare the digit seen with the label that came beside it."
    _near(agree, accuracy, 0.02, what="the agreement", hint=hint)


def _near(answer, expected, slack, *, what, hint):
    """Compare a measured share with the expected one; the slack is too wide for a guess at what factor is off."""
    mine = float(numbers(answer, shape=(), what=what))
    that(0 <= mine <= 1, f"{what}: got {mine:.4g}, expected a share between 0 and 1.")
    side = "large" if mine > expected else "small"
    that(abs(mine - expected) <= slack, f"{what}: got {mine:.3f}, which is too {side}. {hint}")


@exercise("ex-conditional-own-number")
def _own_number(answer, shares):
    """Compare the share of numbers read rightly with the product of the shares of their digits."""
    number, share = parts(answer, "the digits of your number", "the share of the drawings")
    number = numbers(number, shape=(None,), what="the number")
    that(np.isin(number, range(10)).all() and len(number) >= 8, "the number: expected eight or more digits, 0 to 9.")
    single, share = np.asarray(shares)[number.astype(int)], numbers(share, what="the share")
    hint = "A drawing counts only if all its digits are read as asked."
    alone = single.prod() < single.mean() - 0.03 and np.allclose(share, single.mean(), rtol=0, atol=0.01)
    that(not alone, f"this is the share of single digits. {hint}")
    slack = 0.01 + 5 * np.sqrt(single.prod() * (1 - single.prod()) / 500)
    _near(share, single.prod(), slack, what="the share", hint=hint)


@exercise("ex-conditional-shares")
def _shares(answer, labels):
    """Compare with the value of the game for the best D, a function of the class alone."""
    p, q = np.bincount(labels, minlength=10) / len(labels), 0.1
    value = (p * np.log(p / (p + q)) + q * np.log(q / (p + q))).sum()
    mine = float(numbers(answer, shape=(), what="the gain"))
    that(abs(mine - value) > 1e-4, "this is the value itself; the gain is how far it lies above −log 4.")
    same(mine, value + np.log(4), rtol=0.01, what="the gain", hint="JS compares each of the two with their mean.")


@exercise("ex-conditional-split")
def _split(answer):
    """Compare with Bayes's rule for labels at x = 0 and x = 1."""
    x = np.array([0.0, 1.0])[:, None]

    def of_label(shares, means):
        """Return the probabilities of the three labels, (2, 3)."""
        joint = np.array(shares) * np.exp(-((x - np.array(means)) ** 2) / 2)
        return joint / joint.sum(axis=1, keepdims=True)

    fit = np.log(of_label([0.5, 0.3, 0.2], [-2, 0, 2]) / of_label([1 / 3] * 3, [-1, 0, 3]))
    relative = fit - fit[:, :1]
    expected = np.stack([relative[1] - relative[0], relative[0]], axis=1)
    mine = numbers(answer, shape=(3, 2), what="v")
    shifted = np.allclose(mine - mine[0], expected, atol=1e-3) and not np.allclose(mine[0], 0, atol=1e-3)
    that(not shifted, "it is right up to a function of x alone: take the first class off.")
    that(not np.allclose(mine[:, ::-1], expected, atol=1e-3), "the slope should come first, then the constant.")
    same(mine, expected, atol=1e-3, what="v", hint="The shares of the classes count too, in the constant.")


@exercise("ex-conditional-teach")
def _teach(answer, mnist):
    """Let a learner's function teach all ten digits, then zeros and ones alone; count neighbours anew."""
    questions, truth = (np.asarray(part) for part in (mnist.test_images.reshape(-1, 784), mnist.test_labels))
    hints = {
        range(10): "The test digit gets the label of the nearest example.",
        (0, 1): "Each test digit looks for its nearest example, not each example for its nearest test digit.",
    }
    for taught, hint in hints.items():
        rows = np.flatnonzero(np.isin(mnist.train_labels, taught))[:200]
        images, labels = mnist.train_images[rows], mnist.train_labels[rows]
        examples = images.reshape(-1, 784)
        nearest = (np.square(examples).sum(axis=1) - 2 * questions @ examples.T).argmin(axis=1)
        expected = (labels[nearest] == truth).mean()
        what = f"taught {len(rows)} examples of the digits {taught[0]} to {taught[-1]}"
        _near(call(answer, images, labels), expected, 0.05, what=what, hint=hint)


@exercise("ex-conditional-truncate")
def _truncate(answer):
    """Compare the lengths with those of normal vectors inside the ball, whose squares are chi-squared."""
    from scipy import stats

    chi2 = stats.chi2(16)
    for radius in (2.5, 4.5):
        made = numbers(call(answer, 4_000, radius), shape=(4_000, 16), what="the styles")
        lengths = np.linalg.norm(made, axis=1)
        that(
            lengths.max() <= radius * (1 + 1e-6),
            f"with the radius {radius} a style of length {lengths.max():.2f} came.",
        )
        that(np.mean(lengths > 0.9999 * radius) < 0.02, "many lengths equal the radius: do not clip, draw again.")
        that(len(np.unique(made[:, 0])) > 3_900, "styles occur more than once: draw each independently.")
        shares = chi2.cdf(lengths**2) / chi2.cdf(radius**2)  # uniform, if right
        hint = "Inside the ball the density keeps the shape of the normal one; the direction has no say in the length."
        same(np.sort(shares), np.arange(1, 4_001) / 4_001, rtol=0, atol=0.04, what="the lengths", hint=hint)
        same(
            made.mean(axis=0),
            np.zeros(16),
            rtol=0,
            atol=0.08 * radius / 4,
            what="the mean",
            hint="Any direction is as likely.",
        )
        spread = (made / lengths[:, None]).var(axis=0)
        same(spread, np.full(16, 1 / 16), rtol=0.12, what="the directions", hint="Any direction is as likely.")
