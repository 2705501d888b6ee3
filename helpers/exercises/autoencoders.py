"""Checks for the exercises on autoencoders: the first one, the mathematics, and the supervised one."""

import numpy as np

from helpers.exercises.comparing import Wrong, call, choice, exercise, hinted, numbers, parts, same, that


@exercise("first-autoencoder-floor")
def _floor(answer):
    """Compare with the loss of the best reconstruction of a grey pixel, found by trying many."""
    p = np.linspace(0.001, 0.999, 999)
    gap = 0.30 - (-0.2 * np.log(p) - 0.8 * np.log1p(-p)).min() / 2
    hint = "Which pixels have an entropy, and how many are they? The logarithm is the natural one."
    same(answer, gap, rtol=0.02, what="the loss above the floor", hint=hint)


@exercise("first-autoencoder-strangers")
def _strangers(answer, autoencoder, images):
    """Compare with the share of all pairs, counted in the sorted errors."""
    both = images, images[:, ::-1]
    upright, turned = (_errors(x, autoencoder.predict(x, batch_size=1_000, verbose=0)) for x in both)
    expected = np.searchsorted(np.sort(upright), turned).mean() / len(upright)
    share = numbers(answer, shape=(), what="the share of pairs")
    that(abs(share - 1 + expected) > 0.01, "this is the share in which the upright digit has the larger error.")
    hint = "Pair any upright digit with any upside-down one, not each with its own copy."
    same(share, expected, rtol=0, atol=0.01, what="the share of pairs", hint=hint)


def _errors(images, redrawn):
    """Return the squared error of each image, summed over its pixels."""
    return np.square(images - redrawn).sum(axis=1)


def _by_pca(images, mean, bases):
    """Return the mean errors of projections on bases, with the pixels clipped and without: (2, bases)."""
    redrawn = [(images - mean) @ basis @ basis.T + mean for basis in bases]
    return [[_errors(images, one).mean() for one in kind] for kind in ([x.clip(0, 1) for x in redrawn], redrawn)]


@exercise("first-autoencoder-code-size")
def _code_size(answer, images, mean, directions):
    """Compare PCA's errors with those of projections; the autoencoder's must fall, and come near them."""
    learned, by_pca = parts(answer, "three errors of the autoencoder", "three errors of PCA")
    bases = [directions[:, -size:] for size in (8, 32, 64)]
    expected, unclipped = np.mean([_by_pca(part, mean, bases) for part in np.array_split(images, 10)], axis=0)
    by_pca = numbers(by_pca, shape=(3,), what="PCA's errors")
    that(not np.allclose(by_pca, unclipped, rtol=1e-3), "PCA's errors: these are without the clipping.")
    same(by_pca, expected, rtol=5e-3, what="PCA's errors", hint="They are those of the validation digits.")
    learned = numbers(learned, shape=(3,), what="the autoencoder's errors")
    that((np.diff(learned) < 0).all(), f"the autoencoder's errors: got {learned}. They fall with the size of the code.")
    that((learned < 1.2 * by_pca).all() and (learned > 0.2 * by_pca).all(),
         f"the autoencoder's errors: got {learned}, far from PCA's. Is each the error of a digit?")  # fmt: skip


@exercise("first-autoencoder-squared-error")
def _slopes(answer):
    """Compare the derivatives of both losses with difference quotients."""
    x, a, p = np.array([0.0, 0.3, 1.0, 1.0]), np.array([2.0, -1.0, -4.0, 0.5]), _sigmoid
    losses = {
        "cross-entropy": lambda a: -x * np.log(p(a)) - (1 - x) * np.log(1 - p(a)),
        "squared error": lambda a: (p(a) - x) ** 2,
    }
    made = parts(call(answer, x, a), *(f"the derivative of the {name}" for name in losses))
    for one, (name, loss) in zip(made, losses.items(), strict=True):
        true, one = (loss(a + 1e-5) - loss(a - 1e-5)) / 2e-5, numbers(one, shape=(4,), what=name)
        that(not np.allclose(one, true / (p(a) * (1 - p(a))), rtol=1e-3),
             f"{name}: this is the derivative with respect to p. How does p change with a?")  # fmt: skip
        same(one, true, rtol=1e-3, atol=1e-6, what=name)


def _sigmoid(a):
    """Return 1 / (1 + exp(-a))."""
    return 1 / (1 + np.exp(-a))


@exercise("first-autoencoder-curved")
def _curved(answer):
    """Look for jumps on a fine grid, then measure what two principal directions leave."""
    t = np.linspace(0, 1, 2_001)
    signals = numbers(call(answer, t), shape=(len(t), 64), what="the signals of 2,001 values of t")
    that(np.isfinite(signals).all(), "the signals: got values that are NaN or infinite.")
    centred = signals - signals.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=1).mean())
    that(size > 0, "all signals are equal.")
    jump = np.sqrt((np.diff(signals, axis=0) ** 2).sum(axis=1)).max() / size
    otherwise = f"between t and t + 0.0005 a signal changes by {jump:.2f} of the typical distance from the mean."
    that(jump < 0.1, f"{otherwise} They must not jump.")
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    left = 1 - variances[:2].sum() / variances.sum()
    that(left > 0.5, f"two directions leave {left:.0%} of the variance. Do the signals bend enough as t grows?")
    return f"Two principal directions leave {left:.0%} of the variance."


@exercise("math-constant")
def _constant(answer, mean, C):
    """Compare the two losses of the best constant image with the pixels' variances and entropies."""
    squared, cross = parts(answer, "squared error a digit", "cross-entropy a pixel")
    same(squared, np.trace(C), rtol=5e-3, what="squared error", hint="It is the sum over a digit's pixels.")
    inner = mean[(mean > 0) & (mean < 1)]
    entropy = -(inner * np.log(inner) + (1 - inner) * np.log1p(-inner)).sum() / mean.size
    same(cross, entropy, rtol=5e-3, what="cross-entropy", hint="It is the mean over the pixels, in nats.")


@exercise("math-directions")
def _directions(answer, pca):
    """Compare the first eight columns with PCA's, up to the sign."""
    columns = numbers(answer, shape=(len(pca), None), what="the directions")
    that(columns.shape[1] >= 8, f"got {columns.shape[1]} columns, expected at least 8.")
    lengths = np.linalg.norm(columns[:, :8], axis=0)
    that(np.allclose(lengths, 1, atol=1e-3), f"got columns of length {lengths.round(3)}, expected 1.")
    cosines = np.abs((columns[:, :8] * pca[:, :8]).sum(axis=0))
    reverse = np.abs((columns[:, ::-1][:, :8] * pca[:, :8]).sum(axis=0))
    that(reverse.min() < 0.99, "the directions are right; the largest variance comes last, and should come first.")
    that(cosines.min() > 0.99, f"column {int(cosines.argmin())} is not PCA's direction: the cosine is "
         f"{cosines.min():.3f}. Do your columns diagonalise the covariance within the learned space?")  # fmt: skip


@exercise("math-tied-gradient")
def _tied_gradient(answer):
    """Compare a gradient on a small random autoencoder with JAX's."""
    import jax
    import jax.numpy as jnp

    def loss(W, b, c):
        """Return the mean cross-entropy over pixels and digits, for ReLU units."""
        a = jax.nn.relu(x @ W.T + b) @ W + c
        return jnp.mean(jnp.logaddexp(0.0, a) - x * a)

    random = np.random.default_rng(0)
    x, W = random.random((5, 784)), random.normal(size=(3, 784))
    b, c = random.normal(size=3), random.normal(size=784)
    expected = jax.grad(loss, (0, 1, 2))(W, b, c)
    names = [f"the gradient with respect to {name}" for name in "Wbc"]
    made = parts(call(answer, x, W, b, c), *names)
    hint = "W stands in the encoder and in the decoder, and each place has a term."
    for name, one, true in zip(names, made, expected, strict=True):
        same(one, true, rtol=1e-3, atol=1e-7, what=name, hint=hint if name.endswith("W") else "")


@exercise("math-alternating")
def _alternating(answer, eigenvalues):
    """Compare the factor a round with the ratio of the two eigenvalues on either side of the code's size."""
    same(answer, (eigenvalues[32] / eigenvalues[31]) ** 2, rtol=0.03, what="the factor a round",
         hint="Compare two losses above the optimum, once the start is forgotten.")  # fmt: skip


@exercise("math-starts")
def _starts(answer):
    """Compare with the rank that gradient descent on a small diagonal covariance reaches from the same starts."""
    tiny, C = 1e-3 * np.random.default_rng(0).normal(size=(4, 6)), np.diag(np.arange(6.0, 0, -1))
    equal = np.tile(tiny[:1], (4, 1))
    starts = {
        "all weights 0": (0 * tiny, 0 * tiny.T, "Both gradients have the other matrix as a factor."),
        "only V 0": (tiny, 0 * tiny.T, "Look at the gradient with respect to V: is it 0 as well?"),
        "four equal units": (equal, equal.T, "What could make two equal units differ after a step?"),
    }
    for found, (name, (W, V, hint)) in zip(parts(answer, *starts), starts.items(), strict=True):
        for _ in range(1_000):
            rest = (np.eye(6) - V @ W) @ C
            W, V = W + 0.02 * V.T @ rest, V + 0.02 * rest @ W.T
        choice(found, int(np.linalg.matrix_rank(V @ W, tol=0.1)), what=name, hint=hint)


@exercise("math-own-data")
def _own_data(answer):
    """Compare the share of the variance that is left with singular values, for small data off the origin."""
    rows = np.random.default_rng(0).normal(3, (5, 2, 1, 0.5), size=(40, 4))
    shares = {}
    for name, data in {"right": rows - rows.mean(axis=0), "not centred": rows}.items():
        squares = np.linalg.svd(data, compute_uv=False) ** 2
        shares[name] = np.array([squares[k:].sum() / squares.sum() for k in range(5)])
    made = np.array([numbers(call(answer, rows, k), shape=(), what=f"with {k} numbers") for k in range(5)])
    that(not np.allclose(made, shares["not centred"], atol=1e-6), "is the mean of each column taken off first?")
    that(not np.allclose(made, 1 - shares["right"], atol=1e-6), "this is the share that is kept. Which is lost?")
    same(made, shares["right"], rtol=1e-4, atol=1e-6, what="the shares that 0 to 4 numbers leave")


@exercise("math-noisy-code")
def _noisy_code(answer):
    """Find the best map by a regression on the noisy data's covariance, cut to its rank, for three cases."""
    random = np.random.default_rng(0)
    for sigma, k in ((0.5, 2), (2.0, 4), (1.0, 0)):
        eigenvalues = np.sort(random.gamma(1.0, 2.0, size=6))[::-1]
        noisy = eigenvalues + sigma**2
        best = np.where(np.arange(6) < k, eigenvalues / noisy, 0)  # a factor for each direction
        loss = ((1 - best) ** 2 * eigenvalues + best**2 * sigma**2).sum()
        mistakes = {
            "That is the loss without noise.": eigenvalues[k:].sum(),
            "Is a factor of 1 the best one for a direction that is kept?": eigenvalues[k:].sum() + k * sigma**2,
            "That is with as many units as directions.": (eigenvalues * sigma**2 / noisy).sum(),
            "Is it the variance of the noise, or its standard deviation?": eigenvalues[k:].sum()
            + (eigenvalues * sigma / (eigenvalues + sigma))[:k].sum(),
        }
        mistakes = mistakes if k else {}
        what = f"the lowest loss for σ = {sigma} and a code of size {k}"
        hinted(call(answer, eigenvalues, sigma, k), loss, mistakes, rtol=1e-4, what=what)


@exercise("supervised-per-pixel")
def _per_pixel(answer):
    """Compare with the ratio of a summed and an averaged error of noise."""
    squares = np.random.default_rng(0).random((5, 784)) ** 2
    ratio = squares.sum(axis=1).mean() / squares.mean()
    weight = numbers(answer, shape=(), what="the weight")
    that(not np.isclose(weight, 0.03 / ratio, rtol=0.01), "the mean is smaller, so which way must its weight go?")
    that(not np.isclose(weight, ratio, rtol=0.01), "this is the factor. What does it make of our weight?")
    same(weight, 0.03 * ratio, rtol=0.01, what="the weight")


@exercise("supervised-no-labels")
def _no_labels(answer):
    """Compare with the parts that the loss of a small linear model depends on."""

    def loss(parts, known, weight):
        """Return the loss of one input whose label is known or not."""
        code = np.ones(3) @ parts["encoder"]
        logits = code @ parts["classifier"]
        entropy = np.logaddexp.reduce(logits) - logits[0]
        return known * entropy + weight * np.sum((1 - code @ parts["decoder"]) ** 2)

    random, shapes = np.random.default_rng(0), {"encoder": (3, 2), "decoder": (2, 3), "classifier": (2, 4)}
    start = {name: random.normal(size=shape) for name, shape in shapes.items()}
    cases = {"no labels": (0.0, 0.03), "λ = 0": (1.0, 0.0)}
    for found, (name, settings) in zip(parts(answer, *cases), cases.items(), strict=True):
        changed = {part: loss({**start, part: random.normal(size=shapes[part])}, *settings) for part in shapes}
        _same_names(found, {part for part in shapes if changed[part] != loss(start, *settings)}, shapes, name)


def _same_names(found, expected, known, what):
    """Compare names, in any order."""
    try:
        found = set(found.split() if isinstance(found, str) else found)
    except TypeError:
        raise Wrong(f"{what}: got {type(found).__name__}, expected names.") from None
    that(found <= set(known), f"{what}: got {sorted(map(str, found))}, expected some of {', '.join(known)}.")
    for name in known:
        that(name in found or name not in expected, f"{what}: the {name} is missing. A loss that counts reaches it.")
        that(name in expected or name not in found, f"{what}: the {name} stays. Which loss would have to move it?")


@exercise("supervised-wrong-labels")
def _wrong_labels(answer, labels):
    """Look at labels of which a share is shuffled: their counts, and how many changed."""
    true, before = labels[:2_000].copy(), labels.copy()
    for share in (0, 0.4, 0.8):
        made = numbers(call(answer, share), shape=(2_000,), what=f"the labels for {share}")
        touched = bool((labels != before).any())
        if touched:
            labels[:] = before
        that(not touched, "your function shuffles `labels` itself. Shuffle a copy.")
        changed = (made != true).mean()
        that(np.array_equal(np.sort(made), np.sort(true)),
             f"with {share} the counts of the digits changed: shuffle the labels among themselves.")  # fmt: skip
        that(changed <= share, f"with {share} a share of {changed:.2f} of the labels changed.")
        that(changed >= 0.8 * share, f"with {share} only {changed:.2f} of the labels changed; is it the share to keep?")


@exercise("supervised-cheating")
def _cheating(answer, few, whole):
    """Compare two premiums with sums over the seeds, one seed after the other."""
    names = "100 labels", "all labels"
    for one, name, found in zip(parts(answer, *names), names, (few["100"], whole), strict=True):
        measured = (found["classifier"][key][-1] for key in ("held_out_cross_entropy", "test_accuracy"))
        by_seed = zip(*(np.transpose(values) for values in measured), strict=True)
        premiums = [tested.max() - tested[held.argmin()] for held, tested in by_seed]
        same(one, 100 * np.mean(premiums), rtol=0.01, atol=0.005, what=f"the premium with {name}",
             hint="Each seed chooses for itself, both times, and the premiums are averaged.")  # fmt: skip


@exercise("supervised-paired")
def _paired(answer, ours, theirs):
    """Compare with the variances of two independent means, and with the one of the differences."""
    error, needed = parts(answer, "the unpaired standard error", "the number of seeds")
    n, variances = len(ours), [np.var(values, ddof=1) for values in (ours, theirs, ours - theirs)]
    same(error, ((variances[0] + variances[1]) / n) ** 0.5, rtol=0.01, what="the unpaired standard error",
         hint="The errors of independent means add up in squares.")  # fmt: skip
    same(needed, n * (variances[0] + variances[1]) / variances[2], rtol=0, atol=1.01, what="the number of seeds",
         hint="An error falls with the square root of the number of seeds.")  # fmt: skip


@exercise("supervised-own-labels")
def _own_labels(answer, images):
    """Ask for the same images once more, in another order and in part: the labels must go with them."""
    made = numbers(call(answer, images), shape=(len(images),), what="the labels")
    that(np.isin(made, np.arange(10)).all(), "the labels: got others than the whole numbers 0 to 9.")
    order, half = np.random.default_rng(0).permutation(len(images)), len(images) // 2
    that(np.array_equal(call(answer, images[order]), made[order]),
         "in another order the same images get other labels. A label must come from its image alone.")  # fmt: skip
    that(np.array_equal(call(answer, images[:half]), made[:half]),
         "among fewer images the same image gets another label. Is a threshold computed in each call?")  # fmt: skip
    counts = np.unique(made, return_counts=True)[1]
    that(counts.max() < 0.8 * len(images), f"{counts.max() / len(images):.0%} of the images have the same label.")
    return f"It has {len(counts)} classes; always naming the commonest is right in {counts.max() / len(images):.0%}."


@exercise("supervised-blind-code")
def _blind_code(answer):
    """Try every threshold on the first principal component, and a logistic regression on the points."""
    points, labels = parts(answer, "the points", "the labels")
    points, labels = numbers(points, shape=(None, 2), what="the points"), numbers(labels, what="the labels")
    that(labels.shape == (len(points),), f"got {len(points)} points and labels of shape {labels.shape}.")
    that(set(labels.tolist()) == {0, 1}, f"the labels: got the values {sorted(set(labels.tolist()))[:5]}, not 0 and 1.")
    counts = (labels == 0).sum(), (labels == 1).sum()
    that(min(counts) >= 200, f"got {counts[0]} and {counts[1]} points, expected 200 of each label at least.")
    rows = points - points.mean(axis=0)
    scale, directions = np.linalg.svd(rows, full_matrices=False)[1:]
    that(scale[1] > 1e-9 * scale[0], "the points lie on a line.")
    sure = labels[np.argsort(rows @ directions[0], kind="stable")]
    right = (np.cumsum(sure == 0) + (sure == 1).sum() - np.cumsum(sure == 1)) / len(sure)
    best = max(right.max(), 1 - right.min())
    otherwise = f"a threshold on the code is right on {best:.0%} of the points."
    that(best <= 0.6, f"{otherwise} In which direction do the points vary most?")
    white = rows @ directions.T / scale * np.sqrt(len(rows))
    straight = ((_straight_line(white, labels) > 0) == (labels == 1)).mean()
    that(straight >= 0.95, f"a straight line separates only {straight:.0%} of the points.")
    return f"Right by the code: {best:.0%}, by a straight line: {straight:.0%}."


def _straight_line(points, labels):
    """Return the logits of a logistic regression on points of variance 1, by Newton's method."""
    rows, w = np.column_stack([points, np.ones(len(points))]), np.zeros(3)
    for _ in range(30):
        share = 1 / (1 + np.exp(-np.clip(rows @ w, -30, 30)))
        curvature = (rows * (share * (1 - share))[:, None]).T @ rows + 0.01 * np.eye(3)
        w -= np.linalg.solve(curvature, rows.T @ (share - labels) + 0.01 * w)
    return rows @ w
