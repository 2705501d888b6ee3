"""Checks for the exercises on the kinds of autoencoders, and on the variational one."""

import numpy as np
from scipy.optimize import brentq

from helpers.exercises.comparing import call, choice, exercise, hinted, numbers, parts, same, that


@exercise("variants-ties")
def _ties(answer):
    """Count the values that are not 0 and not below the second largest."""
    rows = np.array([[3, 3, 1, 3], [0, 0, 0.5, 0]])
    names, hints = ("the first code", "the second code"), ("What happens to equal values?", "Does a kept 0 count?")
    for one, row, name, hint in zip(parts(answer, *names), rows, names, hints, strict=True):
        choice(one, int(((row >= np.sort(row)[-2]) & (row != 0)).sum()), what=name, hint=hint)


@exercise("variants-clipped")
def _clipped(answer, images, noisy):
    """Compare the gain with the definition of PSNR, and the noise on black with an integral in closed form."""
    from scipy.stats import norm

    gain, energy = parts(answer, "the gain in decibels", "the noise energy on a black pixel")
    plain, clipped = (_psnr(images, spoiled) for spoiled in (noisy, noisy.clip(0, 1)))
    same(gain, clipped - plain, rtol=0, atol=0.05, what="the gain in decibels")
    below = 0.25 * (norm.cdf(2) - 0.5 - 2 * norm.pdf(2)) + norm.sf(2)
    hint = "Of the squared noise on black pixels take the mean. Clipping cuts on both sides."
    same(energy, below, rtol=0.01, what="the noise energy on a black pixel", hint=hint)


def _psnr(images, redrawn):
    """Return the mean peak signal-to-noise ratio of images in decibels."""
    return float(-10 * np.log10(np.square(images - np.asarray(redrawn), dtype="float64").mean(axis=1)).mean())


@exercise("variants-noise-levels")
def _noise_levels(answer, networks, images):
    """Compare two curves with those under another draw of the noise."""
    noise = np.random.default_rng(5).standard_normal(images.shape, "float32")

    def curve(name, clip=False):
        """Return the PSNR of a network at the seven strengths."""
        spoiled = [images + np.float32(strength) * noise for strength in (0, 0.1, 0.2, 0.3, 0.5, 0.75, 1)]
        spoiled = [each.clip(0, 1) for each in spoiled] if clip else spoiled
        return [_psnr(images, networks[name].autoencoder(each, training=False)) for each in spoiled]

    made = numbers(answer, shape=(2, 7), what="the curves")
    expected = np.array([curve("wide"), curve("denoising")])
    that(not np.allclose(made[::-1], expected, atol=0.2), "the two curves are exchanged: `wide` comes first.")
    if not np.allclose(made[0], expected[0], atol=0.2):
        clipped = np.allclose(made[0], curve("wide", clip=True), atol=0.2)
        that(not clipped, "the curves: is the noise clipped? It was not in training.")
    same(made, expected, rtol=0, atol=0.2, what="the curves", hint="Row 0 is `wide`; columns are strengths.")


@exercise("variants-back-door")
def _back_door(answer):
    """Hand a small sparse code and a decoder's kernel, and compare sums and penalty."""
    random = np.random.default_rng(0)
    codes, kernel = np.maximum(0, random.normal(size=(5, 8))), random.normal(size=(8, 12))
    new_codes, new_kernel = parts(call(answer, codes.copy(), kernel.copy()), "the codes", "the kernel")
    new_codes = numbers(new_codes, shape=codes.shape, what="the codes")
    new_kernel = numbers(new_kernel, shape=kernel.shape, what="the kernel")
    same(new_codes @ new_kernel, codes @ kernel, rtol=1e-4, atol=1e-6, what="the decoder's sums")
    share = np.abs(new_codes).sum() / np.abs(codes).sum()
    that(np.isclose(share, 0.1, rtol=1e-3), f"the penalty is {share:.3g} times what it was, not a tenth.")


@exercise("variants-uphill")
def _uphill(answer, train, spoiled, denoiser):
    """Compare three distances with those to means over all training digits, weighted one by one."""
    ends = np.zeros_like(spoiled), np.tile(train.mean(axis=0), (len(spoiled), 1)), denoiser(spoiled, training=False)
    goals = []
    for image in spoiled:
        distances = np.square(train - image, dtype="float64").sum(axis=1)
        weights = np.exp((distances.min() - distances) / (2 * 0.5**2))
        goals.append(weights @ train / weights.sum())
    expected = [np.square(goals - np.asarray(end)).sum(axis=1).mean() for end in ends]
    made = numbers(answer, shape=(3,), what="the distances")
    that(not np.allclose(made**2, expected, rtol=0.05), "the distances: these are roots. Squared ones are asked for.")
    same(made, expected, rtol=0.02, what="the distances", hint="Each is summed over pixels.")


@exercise("variants-own-noise")
def _own_noise(answer):
    """Spoil equal images: the results must differ, follow the generator alone, and leave the images as they were."""
    images = np.tile(np.linspace(0, 1, 784, dtype="float32") ** 4, (6, 1))
    given = images.copy()
    first, again, other = (
        numbers(call(answer, given, np.random.default_rng(seed)), shape=images.shape) for seed in (0, 0, 1)
    )
    that(np.array_equal(given, images), "your function changes the images that it is handed. Work on a copy.")
    that(np.isfinite(first).all(), "got values that are NaN or infinite.")
    that(not np.array_equal(first, images), "nothing was spoiled.")
    that(np.array_equal(first, again), "the same generator gives another result. Draw from `rng` alone.")
    that(not np.array_equal(first, other), "another generator gives the same result. Draw from `rng`.")
    that(not np.array_equal(first[0], first[1]), "two equal images are spoiled alike. Draw for each image anew.")


@exercise("variants-two-points")
def _two_points(answer):
    """Find the largest fixed point by a search for the change of sign, for five strengths of noise."""
    for sigma in (0.3, 0.6, 0.8, 0.95, 1.5):
        right, other = (_largest_fixed(factor) for factor in (sigma**-2, 1 / sigma))
        mistakes = {"Is σ squared in the denoiser?": other}
        what = f"the largest fixed point for σ = {sigma}"
        hinted(call(answer, sigma), right, mistakes, rtol=0, atol=2e-3, what=what)


def _largest_fixed(factor):
    """Return the largest x with tanh(factor · x) = x."""
    return brentq(lambda x: np.tanh(factor * x) - x, 1e-3, 1.5) if factor > 1 else 0.0


@exercise("ex-vae-price")
def _price(answer):
    """Compare two divergences with sums over a fine grid."""
    z, names = np.linspace(-12, 12, 240_001), ("with a deviation of 0.1", "with a deviation of 0.01")
    for one, name, deviation in zip(parts(answer, *names), names, (0.1, 0.01), strict=True):
        same(one, _divergence(z, 1, deviation, 0, 1), rtol=5e-3, what=name, hint="Which σ² is it?")


def _divergence(z, m1, s1, m2, s2):
    """Return the divergence of one normal distribution from another, summed over a grid."""
    log_q, log_p = (-0.5 * ((z - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi) for m, s in ((m1, s1), (m2, s2)))
    return float(np.exp(log_q) @ (log_q - log_p) * (z[1] - z[0]))


@exercise("ex-vae-two-gaussians")
def _two_gaussians(answer):
    """Compare a formula with sums over a fine grid."""
    z = np.linspace(-40, 40, 200_001)
    for case in ((0.5, 0.3, -0.2, 1.2), (-0.2, 1.2, 0.5, 0.3), (1, 2, 1, 2), (0, 1, 3, 1)):
        made, true = numbers(call(answer, *case), shape=(), what=f"for {case}"), _divergence(z, *case)
        swapped = _divergence(z, *case[2:], *case[:2])
        that(np.isclose(true, swapped) or not np.isclose(made, swapped, rtol=1e-3),
             "this is the divergence of the second from the first. Over which of them is the mean taken?")  # fmt: skip
        that(not np.isclose(made - true, 0.5, atol=1e-3), f"for {case}: too large, by ½. What is 𝔼(z − μ₁)² / 2σ₁²?")
        same(made, true, rtol=1e-3, atol=1e-6, what=f"for {case}", hint="The arguments are deviations, not variances.")


@exercise("ex-vae-logistic")
def _logistic(answer):
    """Compare two estimates with the derivatives of the exact mean, within five standard errors."""
    uniform = np.random.default_rng(0).uniform(1e-6, 1 - 1e-6, 50_000)
    mean, scale = -0.3, 0.6
    draws = np.log(uniform / (1 - uniform))
    z = mean + scale * draws
    made = parts(call(answer, mean, scale, uniform), "with respect to μ", "with respect to s")
    exact = {"μ": (2 * mean, 2 * z), "s": (2 * scale * np.pi**2 / 3, 2 * z * draws)}
    for one, (name, (true, each)) in zip(made, exact.items(), strict=True):
        that(np.size(one) == 1, f"with respect to {name}: got {np.size(one)} values, expected their mean.")
        same(np.squeeze(one), true, rtol=0, atol=5 * each.std() / len(z) ** 0.5, what=f"with respect to {name}",
             hint="Differentiate z², and z depends on both parameters.")  # fmt: skip


@exercise("ex-vae-variance")
def _variance(answer, images, redrawn):
    """Compare with the densities of SciPy's normal distribution, pixel by pixel."""
    from scipy.stats import norm

    variance, nats = parts(answer, "the best variance", "nats a digit")
    difference = np.asarray(images, "float64") - redrawn
    best = np.square(difference).mean()
    that(not np.isclose(float(numbers(variance, shape=(), what="the best variance")), best**0.5, rtol=0.01),
         "the best variance: this is its root, the deviation.")  # fmt: skip
    same(variance, best, rtol=0.01, what="the best variance", hint="It is a mean over digits and pixels.")
    same(nats, norm.logpdf(difference, scale=best**0.5).sum(axis=1).mean(), rtol=0.01, what="nats a digit",
         hint="Sum over the pixels, average over the digits; a log-density may be positive.")  # fmt: skip


@exercise("ex-vae-signal")
def _signal(answer):
    """Compare with a model of one latent and one normal pixel, where both gradients are known."""
    ratios = []
    for k in (1, 100):
        noise = np.random.default_rng(0).standard_normal((4_000, k))
        z = 0.5 + 0.35 + 0.7 * noise  # the posterior of the pixel 1 has mean 0.5 and deviation 0.7
        log_w = -(z**2) / 2 - (1 - z) ** 2 / 2 + noise**2 / 2
        w = np.exp(log_w - log_w.max(axis=1, keepdims=True))
        w /= w.sum(axis=1, keepdims=True)
        slopes = [(w * each).sum(axis=1) for each in (1 - 2 * z, 1 - z)]  # with respect to the shift, and to the bias
        ratios.append([abs(slope.mean()) / slope.std() for slope in slopes])
    names = "encoder", "decoder"
    for one, name, (small, large) in zip(parts(answer, *names), names, np.transpose(ratios), strict=True):
        choice(one, "grows" if large > small else "falls", what=name, hint="With many weights, who still matters?")


@exercise("ex-vae-warm-up")
def _warm_up(answer):
    """Compare the weight of each of four epochs with the text."""
    for epoch, weight in enumerate((0, 0.5, 1, 1)):
        hint = "Keras counts epochs from 0." if epoch < 3 else "It stays at 1."
        same(call(answer, epoch), weight, atol=1e-6, what=f"β in the epoch that Keras calls {epoch}", hint=hint)


@exercise("ex-vae-own-tiny")
def _own_tiny(answer):
    """Compare with Gauss-Hermite quadrature, after a look at the sum over all images."""
    t, shares = np.polynomial.hermite_e.hermegauss(120)
    for frequencies in ([0.5, 1, 1.5], [0.3, 2]):
        pictures = np.stack(np.meshgrid(*[[0, 1]] * len(frequencies)), axis=-1).reshape(-1, len(frequencies))
        made = [call(answer, np.array(frequencies), picture) for picture in pictures]
        made = numbers(made, shape=(len(pictures),), what="log p(x)")
        total = np.exp(made).sum()
        that(np.isclose(total, 1, atol=1e-3), f"the probabilities of all images add up to {total:.4g}.")
        logits = 3 * np.sin(np.outer(t, frequencies))  # (120, d)
        likelihood = np.exp(logits @ pictures.T - np.logaddexp(0, logits).sum(axis=1)[:, None])
        same(made, np.log(shares @ likelihood / shares.sum()), rtol=1e-3, what="log p(x)")
