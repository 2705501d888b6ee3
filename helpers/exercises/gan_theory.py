"""Checks for the exercises of gans/math, transport, stability, evaluation and judges."""

import functools
import itertools

import numpy as np
from scipy.stats import wasserstein_distance

from helpers.exercises.comparing import call, choice, exercise, hinted, numbers, parts, same, that

DISTANCES = np.array([0.1, 1, 2, 4, 8])


def _js(distance):
    """Return JS of two unit normals: log 2 minus the mean of log(1 + q/p) over p, as an integral."""
    u = np.linspace(-12, 12, 2_401)
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    return np.log(2) - np.trapezoid(density * np.logaddexp(0, -(distance * u + distance**2 / 2)), u)


@exercise("gan-math-js-normals")
def _js_normals(answer):
    """Compare five divergences with a one-dimensional integral, and a distance with where that integral crosses."""
    values, reach = parts(answer, "JS at the five distances", "the distance near the ceiling")
    values = numbers(values, shape=(5,), what="JS")
    that(not np.allclose(values, DISTANCES**2 / 2, rtol=0.05), "this is KL(p ‖ q), which has no ceiling; "
         "JS compares p and q with the density in their middle.")  # fmt: skip
    that(not np.allclose(values, DISTANCES**2 / 8, rtol=0.01), "this is t²/8 itself, which holds only for small t.")
    hint = "JS is the mean of two divergences from the middle."
    same(values, [_js(t) for t in DISTANCES], rtol=5e-3, what="JS", hint=hint)
    fine = np.arange(3, 9, 0.01)
    first = fine[np.argmax([_js(t) > 0.99 * np.log(2) for t in fine])]
    same(reach, first, rtol=0, atol=0.11, what="the distance", hint="Within 1% means above 0.99 log 2.")


@exercise("gan-math-other-optima")
def _other_optima(answer):
    """Compare the best answers of three losses with a search over all answers between -3 and 3."""
    p, q = np.random.default_rng(0).uniform(0.05, 1, (2, 40))
    p += 0.05 * np.sign(p - q)  # no ties
    a = np.linspace(-3, 3, 6001)[:, None]
    terms = {
        "least squares": ((a - 1) ** 2 / 2, a**2 / 2, "log p − log q is the best answer of the cross-entropy."),
        "hinge": (np.maximum(0, 1 - a), np.maximum(0, 1 + a), "Where is a sum of two bent lines lowest?"),
        "Wasserstein": (-a, a, "The search stops at its border; which one depends on the sign of p − q."),
    }
    made = parts(call(answer, p, q), *terms)
    for (name, (on_real, on_fake, hint)), mine in zip(terms.items(), made, strict=True):
        best = a[(p * on_real + q * on_fake).argmin(axis=0), 0]
        same(mine, best, rtol=0, atol=2e-3, what=name, hint=hint)


@exercise("gan-math-label-smoothing")
def _label_smoothing(answer):
    """Compare the best D for smooth labels with a search over all probabilities."""
    p, q = np.random.default_rng(0).uniform(0.05, 1, (2, 30))
    d = np.linspace(1e-4, 1 - 1e-4, 19_999)[:, None]
    for alpha, beta in ((1, 0), (0.9, 0), (0.9, 0.1), (0.7, 0.2)):
        mine = numbers(call(answer, p, q, alpha, beta), shape=(30,), what="D")
        that(mine.min() >= 0 and mine.max() <= 1, f"got {mine.min():.3g} to {mine.max():.3g}, expected probabilities.")
        loss = -(alpha * p + beta * q) * np.log(d) - ((1 - alpha) * p + (1 - beta) * q) * np.log(1 - d)
        hint = (
            "A label α on a real point puts 1 − α on the other side."
            if beta == 0
            else "What do fakes add to each side?"
        )
        same(mine, d[loss.argmin(axis=0), 0], rtol=0, atol=2e-4, what=f"α = {alpha}, β = {beta}", hint=hint)


@exercise("gan-math-averaging")
def _averaging(answer):
    """Compare the distance of a mean position with the geometric sum of the step's matrix."""
    found = parts(answer, "alternating", "simultaneous")
    for name, value, corner in zip(("alternating", "simultaneous"), found, (1 - 0.1**2, 1.0), strict=True):
        step = np.array([[1, -0.1], [0.1, corner]])
        after = {n: np.linalg.matrix_power(step, n)[:, 0] for n in (4_000, 4_001)}
        mean = {n: np.linalg.solve(np.eye(2) - step, [1, 0] - end) / n for n, end in after.items()}
        value = numbers(value, shape=(), what=name)
        that(not np.isclose(value, np.hypot(*after[4_000]), rtol=0.01), f"{name}: this is the distance of the last "
             "position, not of the mean.")  # fmt: skip
        that(not np.isclose(value, np.hypot(*mean[4_001]), rtol=5e-4), f"{name}: one position too many.")
        hint = "Average the positions first, then take the distance."
        same(value, np.hypot(*mean[4_000]), rtol=2e-3, what=name, hint=hint)


@exercise("gan-math-two-speeds")
def _two_speeds(answer):
    """Compare a ratio with the first one at which all eigenvalues of the scaled matrix are real."""
    ratios = np.arange(0.5, 40, 0.01)
    matrices = np.array([[[0, 0.5], [-0.5 * r, -0.5 * r]] for r in ratios])
    circles = np.abs(np.linalg.eigvals(matrices).imag).max(axis=1) > 1e-6
    hint = "Only the steps of D are larger: multiply one row of A. When are both eigenvalues real?"
    same(answer, ratios[np.flatnonzero(circles)[-1] + 1], rtol=0.01, what="the ratio", hint=hint)


@exercise("gan-math-own-mixture")
def _own_mixture(answer, modes):
    """Compare two predicted numbers of valleys with those of the divergences, integrated for this mixture."""
    found = parts(answer, "the valleys of 2 JS", "the valleys of 2 KL(m ‖ p)")
    rows = numbers(modes, shape=(None, 3), what="your modes")
    that(rows[:, [0, 2]].min() > 0 and np.isclose(rows[:, 0].sum(), 1), "your modes: expected shares that add up to 1, "
         "and positive standard deviations.")  # fmt: skip
    x, theta = np.linspace(-20, 20, 4001), np.linspace(-8, 8, 161)
    p = sum(share * np.exp(-(((x - mean) / s) ** 2) / 2) / s for share, mean, s in rows) / np.sqrt(2 * np.pi)
    p, q = p + 1e-300, np.exp(-((x - theta[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi) + 1e-300  # (161, 4001)
    m = (p + q) / 2
    curves = {
        "2 JS": np.trapezoid(p * np.log(p / m) + q * np.log(q / m), x),
        "2 KL(m ‖ p)": np.trapezoid(2 * m * np.log(m / p), x),
    }
    for (name, curve), count in zip(curves.items(), found, strict=True):
        choice(count, _valleys(curve), what=f"valleys of {name}", hint="Draw the curve over θ from −8 to 8.")


def _valleys(curve):
    """Return how often a curve turns from falling to rising; a slope that rounding could make counts as none."""
    turns = np.sign(np.diff(curve)[np.abs(np.diff(curve)) > 1e-6])
    return int(np.sum((turns[:-1] < 0) & (turns[1:] > 0)))


@exercise("transport-far-away")
def _far_away(answer):
    """Compare three distances of two sets with sums over the two places, where one percent lies 1,000 away."""
    names = "W1", "total variation", "JS"
    moved, varied, js = (numbers(value, shape=(), what=name)
                         for name, value in zip(names, parts(answer, *names), strict=True))  # fmt: skip
    same(moved, 1_000 / 100, what="W1", hint="How much mass moves, and how far?")
    that(not np.isclose(varied, 0.02), "total variation: got 0.02; the mass that is missing here is the mass that is "
         "too much there, and counts once.")  # fmt: skip
    same(varied, 1 / 100, what="total variation")
    p, q = np.array([1, 1e-300]), np.array([99, 1]) / 100
    logs = [one @ (np.log(one) - np.log((p + q) / 2)) for one in (p, q)]
    same(js, sum(logs) / 2, rtol=5e-3, what="JS", hint="JS is the mean of two divergences from the middle.")


@exercise("transport-roots")
def _roots(answer):
    """Compare the smallest cost with that of every pairing, for costs that are convex and costs that are not."""
    rng = np.random.default_rng(0)
    for count, a in ((2, 0.5), (4, 0.3), (5, 1.0), (5, 2.0), (6, 0.7)):
        x, y = rng.normal(size=(2, count)) * 2
        costs = [np.mean(np.abs(x - y[list(order)]) ** a) for order in itertools.permutations(range(count))]
        mine = numbers(call(answer, x, y, a), shape=(), what=f"{count} points, a = {a}")
        ordered = np.mean(np.abs(np.sort(x) - np.sort(y)) ** a)
        that(np.isclose(min(costs), ordered) or not np.isclose(mine, ordered), f"{count} points, a = {a}: this is the "
             "cost of the sorted pairing, and another is cheaper.")  # fmt: skip
        same(mine, min(costs), what=f"{count} points, a = {a}", hint="It is the mean over the pairs.")


@exercise("transport-bends")
def _bends(answer):
    """Compare a training result with the range of such runs, and a derivative with that of steps."""
    ratio, derivative = parts(answer, "mean over the formula's value", "largest derivative by a bias")
    ratio = numbers(ratio, shape=(), what="mean over the formula's value")
    derivative = numbers(derivative, shape=(), what="largest derivative by a bias")
    that(not 0.97 < ratio < 1.03, f"mean over the formula's value: got {ratio:.3g}: that is what a smooth activation "
         "reaches. Is it leaky ReLU, and λ = 1?")  # fmt: skip
    that(0.84 <= ratio <= 0.97, f"mean over the formula's value: got {ratio:.3g}, expected a number below 1 and not "
         "far below. Divide the ratio by `expected[1]`; leave out the penalty below 1.")  # fmt: skip
    that(abs(derivative) < 1e-5, f"largest derivative by a bias: got {derivative:.3g}. Take the penalty alone, without "
         "the means of the scores.")  # fmt: skip


@exercise("transport-zero-centred")
def _zero_centred(answer):
    """Compare an estimate with a search over the slope."""
    for t, factor in ((1, 1), (3, 2), (0.5, 10)):
        trial = np.linspace(0, 4 * t / factor, 200_001)
        best = trial[np.argmax(t * trial - factor * trial**2)]
        mine = numbers(call(answer, t, factor), shape=(), what=f"t = {t}, λ = {factor}")
        that(not np.isclose(mine, best, rtol=1e-3) or np.isclose(t, 1), f"t = {t}, λ = {factor}: this is the slope.")
        that(not np.isclose(mine, t * best - factor * best**2, rtol=1e-3), f"t = {t}, λ = {factor}: this is the "
             "objective, with the penalty taken off; the estimate is the difference of the means.")  # fmt: skip
        that(not np.isclose(mine, t + t * best, rtol=1e-3), f"t = {t}, λ = {factor}: this belongs to the penalty "
             "around a slope of 1.")  # fmt: skip
        same(mine, t * best, what=f"t = {t}, λ = {factor}")


@exercise("transport-own-sets")
def _own_sets(answer, sets):
    """Compare W1 of two lists with the mean distance of quantiles at steps that suit both lengths."""
    one, other = (np.sort(numbers(values, shape=(None,), what="your lists")) for values in parts(sets, "one", "other"))
    that(len(one) > 0 and len(other) > 0, "your lists: one of them is empty.")
    count = np.lcm(len(one), len(other))
    apart = np.abs(np.repeat(one, count // len(one)) - np.repeat(other, count // len(other))).mean()
    answer = numbers(answer, shape=(), what="W1")
    means = abs(one.mean() - other.mean())
    that(np.isclose(apart, means) or not np.isclose(answer, means), "W1: this is the difference of the means; mass "
         "that moves to the left does not pay for mass that moves to the right.")  # fmt: skip
    same(answer, apart, what="W1", hint="Each list has the mass 1 in all, however long it is.")


@exercise("ex-stability-packing")
def _packing(answer):
    """Compare a distance between packs with the sum over all packs, one at a time."""
    for covered, modes, size in ((3, 5, 1), (3, 5, 2), (2, 5, 3), (4, 4, 2)):
        packs = list(itertools.product(range(modes), repeat=size))
        fakes = np.array([max(pack) < covered for pack in packs]) / covered**size
        expected = np.abs(fakes - 1 / len(packs)).sum() / 2
        value = numbers(call(answer, covered, modes, size), shape=(), what="the distance")
        missing, what = 1 - covered / modes, f"{covered} of {modes} modes, {size} at once"
        if size > 1 and missing:
            that(not np.isclose(value, missing), f"{what}: the same as for single points.")
            that(not np.isclose(value, missing**size), f"{what}: one point that gives the collapse away is enough.")
            that(not np.isclose(value, missing * size), f"{what}: chances do not add up; several points would pass 1.")
        same(value, expected, rtol=1e-6, atol=1e-9, what=what)


@functools.cache
def _stored():
    """Return the stored generator of the grid with eight bits, seed 0."""
    from helpers import gans, results

    generator, _ = gans.point_networks(bits=8, frequencies=(1, 2))
    generator.set_weights(results.weights("mixtures", "bits", "grid", 0))
    return generator


def _from_bits(normals):
    """Return what the stored generator makes of each of its 256 patterns of bits, with given normals (256, n, 2)."""
    patterns = np.array(list(itertools.product((-1, 1), repeat=8)))[:, None].repeat(normals.shape[1], axis=1)
    latents = np.concatenate([patterns, normals], axis=2).reshape(-1, 10)
    return np.asarray(_stored()(latents.astype("float32")), "float64").reshape(*normals.shape)


def _modes_of(points, mixture):
    """Return the nearest center of each point and the distance to it, (..., 2) -> (...) each."""
    distances = np.linalg.norm(points[..., None, :] - mixture.centers, axis=-1)
    return distances.argmin(axis=-1), distances.min(axis=-1)


@exercise("ex-stability-pieces")
def _pieces(answer, mixture):
    """Compare pieces a mode with where the middle of each piece goes, and loyalty with a sample of its own."""
    counts, loyal = parts(answer, "pieces a mode", "share of loyal pieces")
    counts = numbers(counts, shape=(len(mixture.centers),), what="pieces a mode")
    that(counts.sum() == 256, f"pieces a mode: got {counts.sum():g} in all, expected 256: each piece counts once.")
    homes, _ = _modes_of(_from_bits(np.zeros((256, 1, 2)))[:, 0], mixture)
    off = np.abs(counts - np.bincount(homes, minlength=len(counts))).sum() / 2
    that(off <= 3, f"pieces a mode: {off:g} pieces are counted for another mode. Is the order that of the centers?")
    around, _ = _modes_of(_from_bits(np.random.default_rng(1).normal(size=(256, 40, 2))), mixture)
    same(loyal, np.mean((around == homes[:, None]).mean(axis=1) > 0.99), rtol=0, atol=0.03, what="loyal pieces",
         hint="A piece is loyal if more than 99% of its points are nearest to one and the same center.")  # fmt: skip


@exercise("ex-stability-silent")
def _silent(answer, mixture):
    """Compare the counts of a generator without its normal numbers with those of its 256 points."""
    modes, quality, points = parts(answer, "modes", "share of high quality", "different points")
    made = _from_bits(np.zeros((256, 1, 2)))[:, 0]
    nearest, distances = _modes_of(made, mixture)
    good = distances < 3 * mixture.std
    choice(modes, len(set(nearest[good])), what="modes")
    same(quality, good.mean(), rtol=0, atol=0.01, what="high quality")
    same(points, len(np.unique(made.round(4), axis=0)), rtol=0, atol=3, what="different points",
         hint="How many different latents are left? (Round to four decimals before you count.)")  # fmt: skip


@exercise("ex-stability-bits")
def _bits(answer):
    """Compare the smallest divergences with a search over all ways to deal the pieces out."""
    values, enough = parts(answer, "the divergence for 5 to 10 bits", "the smallest number of bits")
    expected = [_dealt(2**bits) for bits in range(5, 11)]
    hint = "With whole pieces the modes cannot all have the same share; deal as evenly as you can."
    same(values, expected, rtol=0.01, atol=1e-6, what="the divergence", hint=hint)
    choice(enough, 5 + int(np.argmax(np.array(expected) <= 0.03)), what="the bits")


def _dealt(pieces, modes=25):
    """Return the smallest reverse KL divergence, mode by mode, over every number of pieces for each of them."""
    share = np.arange(pieces + 1) / pieces
    cost = np.where(share > 0, share * np.log(np.maximum(modes * share, 1e-300)), 0)
    few = 2 * (pieces // modes + 1)  # more for one mode is never better than that
    best = np.where(np.arange(pieces + 1) > 0, np.inf, 0)
    for _ in range(modes):
        shifted = [np.concatenate([np.full(n, np.inf), best[: len(best) - n]]) + cost[n] for n in range(few)]
        best = np.min(shifted, axis=0)
    return float(best[-1])


@exercise("ex-stability-luck")
def _luck(answer, kinds, values):
    """Compare the chance of a lucky best of five with a count of all draws of five out of the ten seeds."""
    perfect = np.array([values(kind, "ring", False, "modes") == 8 for kind in kinds])  # (kinds, 10)
    answer = numbers(answer, shape=(len(kinds),), what="the chances")
    share, five = perfect.mean(axis=1), np.indices((10,) * 5).reshape(5, -1)
    expected = [one[five].any(axis=0).mean() for one in perfect]
    for wrong, words in (
        (share**5, "this is the chance that all five seeds succeed"),
        ((1 - share) ** 5, "this is the chance that all five seeds fail"),
        (5 * share, "chances of several seeds do not add up: they would exceed 1"),
        (share, "this is the chance of one seed"),
    ):
        that(not np.allclose(answer, wrong, atol=1e-3), f"the chances: {words}.")
    same(answer, expected, rtol=0, atol=2e-3, what="the chances",
         hint="Each of the five seeds is a new one: it succeeds with the share that you measured.")  # fmt: skip


@exercise("ex-stability-own-shares")
def _own_shares(answer, shares):
    """Compare an expected number of modes, and a number of samples, with the chances of each mode to be missed."""
    covered, enough = parts(answer, "modes that 100 samples cover", "samples")
    shares = numbers(shares, shape=(None,), what="your shares")
    that(shares.min() > 0 and np.isclose(shares.sum(), 1), "your shares: expected positive numbers that add up to 1.")
    missed = np.prod(np.repeat(1 - shares[None], 100, axis=0), axis=0)  # of 100 samples, one after the other
    hint = "A mode is missed if each of the samples misses it; add up the chances of all modes."
    same(covered, len(shares) - missed.sum(), rtol=2e-3, what="modes", hint=hint)
    needed, chance = 0, 1.0
    while chance >= 0.01:
        needed, chance = needed + 1, chance * (1 - shares.min())
    choice(enough, needed, what="samples", hint="The chance that n samples all miss the rarest mode is below 1% from "
           "some n on; the answer is that whole number.")  # fmt: skip


@exercise("ex-stability-memory")
def _memory(answer):
    """Average a point on the unit circle until the start is forgotten, and measure how far the mean circles."""
    for beta, angle in ((0.9, 0.1), (0.99, 0.3), (0.5, 2.0)):
        mean = 0j
        for point in np.exp(1j * angle * np.arange(3_000)):
            mean = beta * mean + (1 - beta) * point
        right = abs(mean)
        mistakes = {
            "That is the square.": right**2,
            "That is the factor for the variance of noise.": (1 - beta) / (1 + beta),
            "That is its root, the factor for the deviation of noise.": np.sqrt((1 - beta) / (1 + beta)),
        }
        what = f"the radius for β = {beta} and φ = {angle}"
        hinted(call(answer, beta, angle), right, mistakes, rtol=1e-3, what=what)


@exercise("evaluation-infinity")
def _infinity(answer, runs, counts):
    """Compare slopes and predictions with a least-squares fit to the means of the repeats."""
    that(isinstance(answer, dict) and set(answer) >= set(runs), f"expected a dict with the keys {', '.join(runs)}.")
    columns = np.stack([np.ones(len(counts)), 1 / np.asarray(counts)], axis=1)
    for name, run in runs.items():
        slope, predicted = parts(answer[name], f"{name}: slope b", "prediction at 10,000")
        fits = [np.linalg.lstsq(columns[:last], run.mean(axis=0)[:last], rcond=None)[0] for last in (-1, None)]
        slope = numbers(slope, shape=(), what=f"{name}: slope b")
        that(np.isclose(slope, fits[0][1], rtol=1e-3) or not np.isclose(slope, fits[1][1], rtol=1e-4),
             f"{name}: slope b: this fit has seen the distance at 10,000, which it is to predict.")  # fmt: skip
        same(slope, fits[0][1], rtol=2e-3, what=f"{name}: slope b", hint="Is the line fitted over 1/n?")
        same(predicted, fits[0] @ columns[-1], rtol=2e-3, what=f"{name}: prediction at 10,000")


@exercise("evaluation-missing-digit")
def _missing_digit(answer, features, labels, real):
    """Compare a Fréchet distance with the eigenvalues' formula, and a prediction with what the balls say."""
    distance, falls = parts(answer, "the Fréchet distance", "the measures that fall")
    rows = features[labels != 4].astype("float64")
    covariances = np.cov(rows, rowvar=False), np.cov(real.astype("float64"), rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0)).sum()
    means = np.square(rows.mean(axis=0) - real.mean(axis=0, dtype="float64")).sum()
    expected = means + sum(np.trace(one) for one in covariances) - 2 * roots
    same(distance, expected, rtol=0.02, what="the Fréchet distance", hint="Compare the held-out digits that are "
         "left with all rows of `real`.")  # fmt: skip
    that(isinstance(falls, (set, list, tuple)), f"the measures that fall: got {falls!r}, expected a set of names.")
    for name, asks in (("precision", False), ("recall", True), ("density", False), ("coverage", True)):
        about = "a real four that no sample is near" if asks else "whether what is drawn is near real digits"
        that((name in falls) == asks, f"{name}: what you predict does not come. It asks about {about}.")
    that(len(set(falls)) == 2, f"got {falls!r}, expected names of the four measures alone.")


@exercise("evaluation-ties")
def _ties(answer):
    """Compare five predictions with a count of who lies in whose ball, of 200 rows in eight dimensions."""
    names = "the radius", "recall under <", "recall under <=", "density under <", "density under <="
    rows, k = np.random.default_rng(0).normal(size=(200, 8)), 5
    copies = rows[:20].repeat(10, axis=0)
    between = [np.linalg.norm(a[:, None] - b, axis=2) for a, b in ((copies, copies), (rows, copies), (rows, rows))]
    radii, own = (np.sort(matrix, axis=1)[:, k] for matrix in (between[0], between[2]))
    rules = np.less, np.less_equal
    recalls = [rule(between[1], radii).any(axis=1).mean() for rule in rules]
    densities = [rule(between[2], own[:, None]).sum() / (k * len(rows)) for rule in rules]
    for name, mine, true in zip(names, parts(answer, *names), (radii[0], *recalls, *densities), strict=True):
        mine = numbers(mine, shape=(), what=name)
        that(np.isclose(mine, true, rtol=0.005, atol=0.002), f"{name}: got {mine:g}, which is not it. Who lies in "
             "the ball, its own centre among them, and who on its surface?")  # fmt: skip


@exercise("evaluation-blur")
def _blur(answer, images, judged):
    """Compare two gains of the Parzen score with those on 300 of the digits that are judged."""
    from scipy.ndimage import gaussian_filter

    def noisy():
        """Return the images with fresh noise, made in place: a copy would be large."""
        noise = np.random.default_rng(0).standard_normal(images.shape, dtype="float32")
        noise *= 0.1
        noise += images
        return noise.clip(0, 1, out=noise)

    blurring, rough = parts(answer, "gain by blurring", "gain by noise")
    before = _parzen(images, judged[:300])
    hint = "Blur along the two axes of a digit, not from one digit to the next."
    expected = _parzen(gaussian_filter(images, (0, 0.7, 0.7, 0)), judged[:300]) - before
    same(blurring, expected, rtol=0.05, atol=4, what="gain by blurring", hint=hint)
    expected = _parzen(noisy(), judged[:300]) - before
    same(rough, expected, rtol=0.05, atol=4, what="gain by noise", hint="Noise of 0.1; clip it to 0 to 1.")


def _parzen(images, points):
    """Return the mean log-density of points under windows on images, at the best of ten widths."""
    centres = images.reshape(len(images), -1)
    squares = (-2 * points) @ centres.T
    squares += np.einsum("ij,ij->i", points, points)[:, None]
    squares += np.einsum("ij,ij->i", centres, centres)
    nearest, scores = squares.min(axis=1, keepdims=True), []
    for width in np.logspace(-1, 0, 10):
        sums = np.log(np.exp((nearest - squares) / np.float32(2 * width**2)).mean(axis=1))
        logs = sums - nearest[:, 0] / (2 * width**2)
        scores.append(logs.mean() - points.shape[1] * np.log(width * np.sqrt(2 * np.pi)))
    return float(max(scores))


@exercise("evaluation-own-digits")
def _own_digits(answer, digits):
    """Compare digits in effect with the product of the shares, each to its own power."""
    digits = numbers(digits, shape=(None,), what="your digits")
    that(len(digits) > 1 and set(digits) <= set(range(10)), "your digits: expected several numbers from 0 to 9.")
    counts = np.array([np.sum(digits == digit) for digit in sorted(set(digits))])
    shares = counts / counts.sum()
    expected = 1 / np.prod(shares**shares)
    answer = numbers(answer, shape=(), what="digits in effect")
    for wrong, words in (
        (len(counts), "this is how many different digits there are; one that comes seldom counts less"),
        (np.log(expected), "this is the entropy H itself"),
        (expected ** np.log(2), "this is 2 to the power of H in nats; the base must be that of the logarithm"),
    ):
        that(np.isclose(expected, wrong) or not np.isclose(answer, wrong, rtol=1e-3), f"digits in effect: {words}.")
    same(answer, expected, rtol=5e-3, what="digits in effect")


@exercise("evaluation-blind-kernel")
def _blind_kernel(answer):
    """Compare three moments, then the distributions."""
    sets = []
    for name, part in zip(("the first", "the second"), parts(answer, "the first", "the second"), strict=True):
        places, shares = parts(part, f"the points of {name}", f"the shares of {name}")
        places = numbers(places, shape=(None,), what=f"the points of {name}")
        shares = numbers(shares, shape=(len(places),), what=f"the shares of {name}")
        total = f"the shares of {name}: got {np.round(shares, 4)}"
        that(shares.min() >= 0 and abs(shares.sum() - 1) < 1e-6, f"{total}, expected none below 0 and the sum 1.")
        sets.append((places, shares))
    (x, p), (y, q) = sets
    scale = max(np.abs(x).max(), np.abs(y).max())
    for power, name in enumerate(("mean", "second moment", "third moment"), start=1):
        one, other = p @ x**power, q @ y**power
        otherwise = f"the {name} of the first is {one:.6g}, that of the second {other:.6g}: the kernel sees it."
        that(abs(one - other) < 1e-6 * max(scale, 1e-12) ** power, otherwise)
    apart = wasserstein_distance(x, y, p, q) / max(scale, 1e-12)
    that(apart > 0.01, "the two distributions are the same.")


@exercise("judges-score-by-hand")
def _score_by_hand(answer):
    """Compare two scores with the divergence of each image's probabilities from their mean."""
    found = parts(answer, "the score with doubt", "the score without")
    for name, value, second in zip(("with doubt", "without doubt"), found, ((0.5, 0.5), (0, 1)), strict=True):
        rows = np.array([(1, 0), second], "float64")
        ratios = np.where(rows > 0, rows, 1) / np.where(rows > 0, rows.mean(axis=0), 1)
        information = (rows * np.log(ratios)).sum(axis=1).mean()
        value = numbers(value, shape=(), what=name)
        shares = rows.mean(axis=0)
        for wrong, words in (
            (information, "this is the mutual information itself; the score is its exponential"),
            (np.exp(-(shares * np.log(shares)).sum()), "this leaves out the doubt about single images"),
        ):
            off = np.isclose(wrong, np.exp(information)) or not np.isclose(value, wrong, rtol=1e-3)
            that(off, f"{name}: {words}.")
        same(value, np.exp(information), rtol=5e-3, what=name, hint="What is the mean of the two rows?")


@exercise("judges-own-clicks")
def _own_clicks(answer, right, clicks):
    """Compare intervals with the shares from which the counts are 1.96 of the shares' own standard errors away."""
    right = numbers(right, shape=(None,), what="your counts")
    that(right.min() >= 0 and right.max() <= clicks, f"your counts: expected numbers from 0 to {clicks}.")
    square, shares = 1.959964**2 / clicks, right / clicks
    found = parts(answer, *(f"the interval for {count:.0f}" for count in right))
    for count, share, mine in zip(right, shares, found, strict=True):
        what = f"the interval for {count:.0f} of {clicks}"
        ends = np.sort(np.roots([1 + square, -2 * share - square, share**2]).real)
        mine = numbers(mine, shape=(2,), what=what)
        half = np.sqrt(square * share * (1 - share))
        that(np.allclose(ends, share + np.array([-half, half]), atol=2e-3)
             or not np.allclose(mine, share + np.array([-half, half]), atol=1e-3),
             f"{what}: this takes the standard error of the measured share, not that of each true one.")  # fmt: skip
        same(mine, ends, rtol=0, atol=5e-3, what=what, hint="Low end first; both are shares, with z = 1.96.")


@exercise("judges-shift")
def _shift(answer, images, test, looking):
    """Compare an order with how far a shift of one pixel takes 4,000 digits, over where they were."""
    from helpers import metrics

    names = "classifier", "pixels", "rotations"
    answer = [str(name) for name in parts(answer, "the least disturbed", "the next", "the most disturbed")]
    that(sorted(answer) == sorted(names), f"got {', '.join(answer)}, expected {', '.join(names)} in an order.")
    pixels = test[:2_000].reshape(len(test[:2_000]), -1)
    directions = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:64]
    views = metrics.features, lambda rows: rows.reshape(len(rows), -1) @ directions.T, looking
    moved, times = np.roll(images[:4_000], 1, axis=2), {}
    for name, view in zip(names, views, strict=True):
        sets = (np.array_split(rows, 4) for rows in (test[:4_000], images[:4_000], moved))  # a fourth of the memory
        reference, before, after = (np.float64(np.concatenate([view(part) for part in split])) for split in sets)
        near, far = (metrics.frechet_distance(rows, reference) for rows in (before, after))
        times[name] = far / near
    for one, other in itertools.pairwise(answer):
        that(times[one] < 1.1 * times[other], f"{other}: a shift disturbs it less than {one}. Features may tell "
             "what an answer ignores.")  # fmt: skip
