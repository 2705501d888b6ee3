"""Checks for the exercises of the part Practice."""

from itertools import pairwise

import keras
import numpy as np
from scipy.stats import norm

from helpers import metrics
from helpers.datasets import Mixture, ring
from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, same, that

# --- Where the two models meet ---------------------------------------------------------------------------------------


@exercise("ex-connections-ring")
def _ring(answer):
    """Measure 8,000 draws: where they lie, and how far from the nearest of the eight centres."""
    seed, mixture = keras.random.SeedGenerator(5), ring(radius=3.0, std=0.4)
    drawn = numbers(call(answer, 8_000, seed), shape=(8_000, 2), what="8,000 draws")
    place, distance = metrics.nearest_neighbours(drawn, mixture.centers)
    shares = np.bincount(place, minlength=8) / len(drawn)
    that(shares.max() < 0.5, "nearly all draws are in one cloud: is one angle drawn for all of them?")
    empty = (shares < 0.03).sum()
    that(not empty, f"{empty} of the eight clouds are all but empty. Which is the largest whole number that comes?")
    radius = np.linalg.norm([drawn[place == cloud].mean(axis=0) for cloud in range(8)], axis=1).mean()
    same(radius, 3, rtol=0.02, what="the distance of the clouds from the middle")
    off = np.abs(shares - 1 / 8).max()
    that(off < 0.02, "the eight clouds are not equally likely.")
    spread = np.sqrt((distance**2).mean() / 2)
    hints = {"Is 0.4 taken for the variance?": 0.4**0.5, "Is 0.4 squared?": 0.16}
    hint = next((hint for hint, wrong in hints.items() if abs(spread - wrong) < 0.04), "Is each a normal cloud?")
    that(abs(spread - 0.4) < 0.03, f"the deviation within a cloud is {spread:.2f}. {hint}")
    that(not np.array_equal(drawn, call(answer, 8_000, seed)), "two calls give the same draws: is the seed used?")


@exercise("ex-connections-afterwards")
def _afterwards(answer, model, images):
    """Compare the draws with the codes: mean, covariance, and the shares of 144 cells of the plane."""
    names = "5,000 codes of one normal distribution", "5,000 codes of the mixture"
    codes = numbers(model.encode(images))
    root = np.linalg.cholesky(np.cov(codes, rowvar=False))
    apart = []
    for name, part in zip(names, parts(answer, *names), strict=True):
        drawn = numbers(part, shape=(5_000, 2), what=name)
        copied = np.isin(drawn[:, 0].astype("float32"), codes[:, 0].astype("float32")).mean()
        that(copied < 0.5, f"{name}: these are codes of the training digits, not new samples.")
        standard = np.linalg.solve(root, (drawn - codes.mean(axis=0)).T)
        that(np.abs(standard.mean(axis=1)).max() < 0.15, f"{name}: their mean is not that of the codes.")
        off = np.abs(np.cov(standard) - np.eye(2)).max()
        that(off < 0.2, f"{name}: their mean is that of the codes, their covariance is not.")
        apart.append(_difference_of_cells(codes, drawn))
    that(apart[1] < 1.2 * apart[0], "the mixture is worse than the normal distribution. Are the two exchanged?")
    that(apart[1] < 0.8 * apart[0], "the mixture's codes lie no better than those of one normal distribution.")
    return "Of the probability, {:.0%} lies in wrong places with one, {:.0%} with the mixture.".format(*apart)


def _difference_of_cells(codes, drawn, count=12):
    """Return half the sum of the differences of the shares in cells of the plane."""
    edges = [np.quantile(codes[:, axis], np.linspace(0, 1, count + 1)[1:-1]) for axis in range(2)]

    def shares(rows):
        """Return the share of rows in each cell."""
        places = [np.searchsorted(edges[axis], rows[:, axis]) for axis in range(2)]
        return np.bincount(count * places[0] + places[1], minlength=count**2) / len(rows)

    return np.abs(shares(codes) - shares(drawn)).sum() / 2


@exercise("ex-connections-three-codes")
def _three_codes(answer):
    """Compare information and mismatch with those of the chapter's three codes."""
    codes = numbers(answer, shape=(3, 2), what="the codes")
    that((codes[:, 1] > 0).all(), "the second number of a pair is a deviation, and is above 0.")
    that(
        (codes[:, 1] > 0.02).all() and np.abs(codes).max() < 6,
        "take deviations above 0.02, and means between −6 and 6.",
    )
    information, mismatch = _information(codes)
    usual, gap = _information(np.array([(-1.3, 0.4), (0.1, 0.5), (1.2, 0.3)]))
    came = f"information {information:.3f} nats, mismatch {mismatch:.3f}."
    that(information > usual, f"{came} Too little is known: which of the three overlap?")
    that(mismatch < gap / 2, f"{came} The codes as a whole are too far from N(0, 1): do they leave gaps, or reach out?")
    return came[0].upper() + came[1:]


def _information(codes):
    """Return mutual information and mismatch: the Kullback-Leibler divergence paid has a closed form."""
    z = np.linspace(-9, 9, 20_001)
    density = np.mean([norm.pdf(z, mean, deviation) for mean, deviation in codes], axis=0) + 1e-300
    mismatch = np.trapezoid(density * (np.log(density) - norm.logpdf(z)), z)
    mean, deviation = codes.T
    paid = ((mean**2 + deviation**2 - 1) / 2 - np.log(deviation)).mean()
    return paid - mismatch, mismatch


@exercise("ex-connections-inverse")
def _inverse(answer):
    """Follow exponential points there and back, and compare the codes with the quantiles of a normal distribution."""
    encode, generate = parts(answer, "the encoder", "the generator")
    shares = (np.arange(2_000) + 0.5) / 2_000
    x, z = -np.log1p(-shares), norm.ppf(shares)
    codes = numbers(call(encode, x, what="the encoder"), shape=x.shape, what="the codes")
    that(np.isfinite(codes).all(), "the codes: got NaN or infinite for points of the distribution.")
    hint = "Which function makes a uniform number of an exponential one, and which a normal one of that?"
    same(np.sort(codes), z, rtol=0, atol=0.02, what="the codes of 2,000 points, sorted", hint=hint)
    drawn = numbers(call(generate, z, what="the generator"), shape=z.shape, what="the generated points")
    same(np.sort(drawn), x, rtol=0.01, atol=0.01, what="the points of 2,000 latents, sorted")
    again = call(generate, codes, what="the generator")
    same(again, x, rtol=1e-3, atol=1e-3, what="G(E(x))", hint="Both distributions are right. Is G the inverse of E?")


# --- Your own images -------------------------------------------------------------------------------------------------


@exercise("your-own-data-near-copies")
def _near_copies(answer):
    """Hide near copies among new rows, in light and in dark images."""
    random = np.random.default_rng(0)
    for light in (1.0, 0.02):
        train, test = light * random.random((60, 50)), light * random.random((40, 50))
        new = light * random.uniform(-1, 2, (12, 50))
        copied = np.arange(12) % 3 == 0
        new[copied] = train[[41, 3, 20, 8]] + 0.01 * light * random.standard_normal((4, 50))
        found = numbers(call(answer, new, train, test), what="what your function returns")
        that(found.shape == (12,), f"got the shape {found.shape} for 12 new rows, expected one truth value for each.")
        that(np.isin(found, (0, 1)).all(), "got numbers, expected True or False for each new row.")
        missed, wrong = (copied & (found == 0)).sum(), (~copied & (found == 1)).sum()
        where = "" if light == 1 else " in dark images: does the threshold come from the test images?"
        that(not np.array_equal(found, ~copied), f"True and False are exchanged{where}.")
        that(not missed and not wrong, f"{missed} of 4 near copies are missed, {wrong} of 8 others are taken for one"
             f"{where or '.'}")  # fmt: skip


@exercise("your-own-data-own-classifier")
def _own_classifier(answer, pictures, labels):
    """Count how often the reader's classifier is right."""
    letters = call(answer, pictures)
    that(
        np.asarray(letters).dtype.kind in "if", "got no numbers: answer with the place of a letter in LETTERS, 0 to 8."
    )
    letters = numbers(letters, shape=(len(pictures),), what="the letters read")
    that(np.isin(letters, np.arange(9)).all(), "got numbers that are not whole ones from 0 to 8.")
    right = (letters == labels).mean()
    chance = " That is no better than chance: are the labels in the order of the images it learned from?"
    that(right > 0.9, f"{right:.1%} of the validation letters are read right.{chance if right < 0.2 else ''}")
    return f"{right:.1%} of the validation letters are read right."


@exercise("your-own-data-without-bias")
def _without_bias(answer, taken, by_count):
    """Accept what lies between the heights of a line fitted to relative and one to absolute errors."""
    parts(answer, "real against real", "samples")
    design = np.stack([np.ones(len(taken) - 2), 1 / np.array(taken[2:], "float64")], axis=1)
    for name, height in zip(("real letters", "samples"), answer, strict=True):
        values = np.array(by_count[name][2:], "float64")
        fits = [np.linalg.lstsq(design / w[:, None], values / w, rcond=None)[0] for w in (values, np.ones(len(values)))]
        low, high = np.sort([fit[0] for fit in fits]) + np.array([-1, 1]) * 0.02 * values[-1]
        what = f"the limit of {name}"
        height = float(numbers(height, shape=(), what=what))
        slope = min(fit[1] for fit in fits)
        hint = "Is that the slope b?" if height > slope / 2 else "The line is one in 1/n, from 200 images on."
        that(
            low <= height <= high, f"{what}: got {height:.4g}, which is too {'low' if height < low else 'high'}. {hint}"
        )


@exercise("your-own-data-own-fault")
def _own_fault(answer, pictures, features):
    """Apply the fault to one half, and measure its distance from the other half by each kind of features."""
    before = np.array(pictures)
    faulty = call(answer, pictures)
    that(np.array_equal(before, pictures), "your function changes the images that it gets: work on a copy.")
    faulty = numbers(faulty, shape=before.shape, what="the faulty images").astype("float32")
    that(np.isfinite(faulty).all() and faulty.min() >= 0 and faulty.max() <= 1, "the faulty images: got grey levels "
         f"from {faulty.min():.3g} to {faulty.max():.3g}, expected 0 to 1. Does clip(0, 1) help?")  # fmt: skip
    that(np.abs(faulty - before).max() > 1e-3, "the images are unchanged.")
    order = np.random.default_rng(11).permutation(len(before))
    half, other = np.array_split(order, 2)
    seen = {}
    for name, function in features.items():
        real, goal, made = (np.float64(function(x)) for x in (before[half], before[other], faulty[half]))
        seen[name] = metrics.frechet_distance(made, goal) / metrics.frechet_distance(real, goal)
    ratios = ", ".join(f"{name} {value:.1f}" for name, value in seen.items())
    return f"Distance over real: {ratios}. Seen best by: {max(seen, key=seen.get)}."


@exercise("your-own-data-sources")
def _sources(answer):
    """Split images of forty writers, and count what lies in two parts."""
    random = np.random.default_rng(0)
    sources = random.permutation(np.repeat([f"writer {number}" for number in range(40)], random.integers(1, 100, 40)))
    wanted, found = np.array([0.6, 0.1, 0.3]), []
    for seed in (0, 0, 1):
        parts_of = call(answer, sources.copy(), np.random.default_rng(seed))
        parts_of = numbers(parts_of, shape=sources.shape, what="the parts")
        that(np.isin(parts_of, (0, 1, 2)).all(), "the parts: expected 0, 1 or 2 for each image.")
        torn = [name for name in np.unique(sources) if len(set(parts_of[sources == name])) > 1]
        that(not torn, f"{len(torn)} of 40 writers have images in more than one part.")
        shares = np.bincount(parts_of.astype(int), minlength=3) / len(sources)
        off = np.abs(shares - wanted).max()
        otherwise = f"the parts have {shares[0]:.0%}, {shares[1]:.0%} and {shares[2]:.0%} of the images."
        that(off < 0.06, f"{otherwise} The shares of writers are not those of images.")
        found.append(parts_of)
    that(np.array_equal(*found[:2]), "the same seed gives another split.")
    that(not np.array_equal(*found[1:]), "another seed gives the same split. Is the order of the writers random?")
    return f"Of the images, {shares[0]:.0%}, {shares[1]:.0%} and {shares[2]:.0%} are in the three parts."


@exercise("your-own-data-ground")
def _ground(answer):
    """Lay random pixels of every opacity on several colours, in bytes as Pillow stores them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6, 5, 4), dtype="uint8")
    for ground in (np.zeros(3), np.ones(3), np.array([0.2, 0.5, 0.9])):
        found = numbers(call(answer, pixels.copy(), ground), shape=(6, 5, 3), what="the image")
        opaque = pixels[..., 3:].astype("float64") / 255
        right = ground + opaque * (pixels[..., :3].astype("float64") / 255 - ground)
        mistakes = {
            "the levels go from 0 to 255, expected 0 to 1.": 255 * right,
            "every pixel is opaque: what does the fourth channel say?": pixels[..., :3] / 255,
            "the ground shines through where the image is opaque: are the two weights exchanged?": ground * opaque
            + (1 - opaque) * pixels[..., :3] / 255,
            "what is transparent is black on every ground: add the ground's share.": opaque * pixels[..., :3] / 255,
        }
        hinted(found, right, mistakes, rtol=1e-4, atol=1e-4, what="the image")


# --- What came next --------------------------------------------------------------------------------------------------


def _behind(noisy, angle, mixture):
    """Return the mean of the data behind points at an angle of the arc, from the densities of the modes."""
    signal, noise = np.cos(angle), np.sin(angle)
    variance = (signal * mixture.std) ** 2 + noise**2
    gaps = noisy[:, None] - signal * np.asarray(mixture.centers, "float64")  # (n, modes, d)
    squares = (gaps**2).sum(axis=2)
    shares = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * variance))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", shares, mixture.centers + signal * mixture.std**2 / variance * gaps)


@exercise("ex-next-straight")
def _straight(answer, grid):
    """Compare the means behind samples of the straight line with the formula, at four times."""
    random, largest = np.random.default_rng(0), np.arccos(0.01)
    for time in (0.2, 0.4, 0.6, 0.9):
        data = grid.sample(40, random)
        noisy = ((1 - time) * data + time * random.standard_normal(data.shape)).astype("float32")
        found = numbers(call(answer, noisy, time), shape=noisy.shape, what="the means")
        length, angle = np.hypot(1 - time, time), np.arctan2(time, 1 - time)
        mistakes = {
            "Is the sample divided by the root of (1 − t)² + t²?": _behind(noisy, angle, grid),
            "Does the arc's denoiser get t itself as its time?": _behind(noisy / length, largest * time, grid),
            "Does the arc's denoiser get an angle where its time goes from 0 to 1?": _behind(
                noisy / length, largest * angle, grid
            ),
        }
        what = f"the means at t = {time}"
        hinted(found, _behind(noisy / length, angle, grid), mistakes, rtol=0, atol=0.02, what=what)


@exercise("ex-next-guidance")
def _guidance(answer):
    """Walk 1,000 quantiles of the start in small steps, with both guesses as formulas."""
    came = parts(answer, "the mean", "the deviation")
    known = {weight: _guided(weight) for weight in (3.0, 1.0, 4.0, -3.0)}
    hints = {
        1.0: "That is the class without guidance.",
        4.0: "With w = 1 the formula must give the class itself: is the weight 1 + w?",
        -3.0: "Which guess is subtracted from which?",
    }
    for name, one, right, number in zip(("the mean", "the deviation"), came, known[3.0], (0, 1), strict=True):
        mistakes = {hint: known[weight][number] for weight, hint in hints.items()}
        hinted(one, right, mistakes, rtol=0, atol=0.05, what=name)


def _guided(weight, steps=500):
    """Return mean and deviation of the ends of guided walks towards the class at 1."""
    x = norm.ppf((np.arange(1_000) + 0.5) / 1_000)
    angles = np.arccos(0.01) * np.linspace(1, 0, steps + 1)
    for now, then in pairwise(angles):
        signal, noise = np.cos(now), np.sin(now)
        right, left = (signal * x + noise**2 * side for side in (1, -1))
        share = 1 / (1 + np.exp(-2 * signal * x))  # of the class at 1, given x
        blind = share * right + (1 - share) * left
        clean = blind + weight * (right - blind)
        x = np.cos(then) * clean + np.sin(then) * (x - signal * clean) / noise
    return x.mean(), x.std()


@exercise("ex-next-half")
def _half(answer):
    """Compare with the time at which cosine and sine are equal."""
    for power in (1.0, 2.0, 0.5):
        share = np.pi / 4 / np.arccos(0.01)
        mistakes = {
            "The angle at time 1 is arccos 0.01, a little less than a right angle.": 0.5 ** (1 / power),
            "The time is raised to the power, so the share has to be taken to 1 / power.": share**power,
            "That is the angle. Which time has it?": np.pi / 4,
        }
        mistakes = {words: value for words, value in mistakes.items() if abs(value / share ** (1 / power) - 1) > 2e-3}
        found = numbers(call(answer, power), shape=(), what="the time")
        hinted(found, share ** (1 / power), mistakes, what=f"the time for power {power:g}")


@exercise("ex-next-order")
def _order(answer):
    """Multiply the factors of the steps, for 200 and for 400 of them."""

    def error(steps, s=0.5):
        """Return how far the product of the steps' factors is from s."""
        angles = np.pi / 2 * np.linspace(1, 0, steps + 1)
        signal, noise = np.cos(angles), np.sin(angles)
        guess = signal * s**2 / (signal**2 * s**2 + noise**2)  # of the clean datum, a sample
        factors = signal[1:] * guess[:-1] + noise[1:] * (1 - signal[:-1] * guess[:-1]) / noise[:-1]
        return abs(np.prod(factors) - s)

    factor = error(400) / error(200)
    mistakes = {
        "That is the factor of half as many steps.": 1 / factor,
        "Is that the exponent? The factor is 2 to its power.": np.log2(factor),
    }
    hinted(answer, factor, mistakes, rtol=0.06, atol=0, what="the factor")


@exercise("ex-next-velocity")
def _velocity(answer):
    """Regress the velocity on the point, for normal data, by the covariances of the two."""
    for time in (0.0, 0.25, 0.5, 0.9):
        mix, difference = np.array([1 - time, time]), np.array([-1, 1])  # of x and of the noise
        right = difference @ difference - (difference @ mix) ** 2 / (mix @ mix)
        mistakes = {
            "That is the variance of the velocity, without a look at the point.": 2.0,
            "Is it the variance of the point?": mix @ mix,
            "A flow is fixed, and yet the loss is not 0: many pairs pass through one point.": 0.0,
        }
        hinted(call(answer, time), right, mistakes, rtol=1e-4, what=f"the lowest loss at t = {time}")


@exercise("ex-next-own-points")
def _own_points(answer):
    """See whether the walks reach all of the reader's own clouds."""
    mixture, points = parts(answer, "the mixture", "the points drawn")
    that(isinstance(mixture, Mixture), f"the mixture: got {type(mixture).__name__}, expected a datasets.Mixture.")
    centers = np.asarray(mixture.centers, "float64")
    count = len(centers)
    that(
        count >= 6 and centers.shape[1] == 2,
        f"the mixture: got the centres' shape {centers.shape}, expected at least 6 in the plane.",
    )
    points = numbers(points, shape=(None, 2), what="the points drawn")
    that(len(points) >= 500, f"got {len(points)} points, expected at least 500.")
    that(mixture.std > 0.002, "take a spread above 0.002.")
    found = metrics.mode_coverage(points, mixture)
    quality = f"{found['modes']} of {count} clouds, {found['high_quality']:.0%} of the points near one."
    that(
        found["modes"] == count and found["high_quality"] > 0.9,
        f"{quality} Is the mixture scaled to mean square 1? Do more steps help?",
    )
    return quality
