"""Checks for the exercises on privacy in practice/trust."""

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, that


@exercise("ex-trust-bound")
def _bound(answer):
    """Compare with the lower of two lines, for small and for large shares."""
    for epsilon, delta, share in ((1.2, 1e-5, 0.01), (0.5, 0.01, 0.6), (2.0, 0.0, 0.3), (0.0, 0.0, 0.2)):
        first, second = np.exp(epsilon) * share + delta, 1 - np.exp(-epsilon) * (1 - delta - share)
        mistakes = {
            "This uses the inequality once. Use it for the complement, too, with the data sets exchanged.": first,
            "Is δ forgotten?": min(np.exp(epsilon) * share, 1 - np.exp(-epsilon) * (1 - share)),
            "This is the bound for large shares alone.": second,
        }
        mistakes = {words: value for words, value in mistakes.items() if abs(value - min(first, second)) > 1e-6}
        found = numbers(call(answer, epsilon, delta, share), shape=(), what="the largest share of members")
        hinted(found, min(first, second), mistakes, what=f"the largest share at ε = {epsilon}, share {share}")


@exercise("ex-trust-response")
def _response(answer):
    """Answer as a crowd would, and compare the estimate and ε."""
    for truth, honest in ((0.3, 0.75), (0.8, 0.6)):
        said = truth * honest + (1 - truth) * (1 - honest)
        found = call(answer, said, honest)
        estimate, epsilon = (numbers(part, shape=()) for part in parts(found, "the estimate", "ε"))
        mistakes = {"This is the share that was said; it is drawn towards one half.": said}
        hinted(estimate, truth, mistakes, what="the estimate")
        mistakes = {
            "This is the ratio of the probabilities; ε is its logarithm.": honest / (1 - honest),
            "Compare the probabilities of one answer under the two truths.": np.log(honest),
        }
        hinted(epsilon, np.log(honest / (1 - honest)), mistakes, what="ε")


@exercise("ex-trust-budget")
def _budget(answer):
    """Compute ε again, the Rényi divergences by integration."""
    names = "the number of examples", "the batch", "the epochs", "σ"
    count, batch, epochs, sigma = (float(numbers(part, shape=())) for part in parts(answer, *names))
    that(count >= 100 and 1 <= batch < count and epochs > 0 and sigma > 0.3, "take 100 examples or more, a batch below"
         " that number, some epochs, and a σ above 0.3.")  # fmt: skip
    steps, delta = epochs * count / batch, 1 / (10 * count)
    epsilon = min(_spent(batch / count, sigma, steps, order, delta) for order in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48))
    that(epsilon <= 3.1, f"ε is {epsilon:.2f}. More noise, fewer epochs or smaller batches make it smaller.")
    that(epsilon > 2, f"ε is {epsilon:.2f}: you could do with less noise.")
    return f"ε is {epsilon:.2f} at δ = {delta:.1e}."


def _spent(share, sigma, steps, order, delta):
    """Return ε by one order of the Rényi divergence, scaled so that the integrand stays below 1."""

    def log_ratio(x):
        """Return the log of the integrand."""
        gain = np.logaddexp(np.log1p(-share), np.log(share) + (2 * x - 1) / (2 * sigma**2))
        return order * gain + norm.logpdf(x, scale=sigma)

    reach = np.linspace(-10 * sigma, order + 10 * sigma, 2_001)
    top = log_ratio(reach).max()
    area, _ = quad(lambda x: np.exp(log_ratio(x) - top), reach[0], reach[-1], limit=200)
    divergence = max(0.0, (np.log(area) + top) / (order - 1))
    return steps * divergence + np.log1p(-1 / order) - np.log(delta * order) / (order - 1)


@exercise("ex-trust-pixels")
def _pixels(answer):
    """Expect what softmax layers on pixels reach with this noise, over several seeds."""
    share = numbers(answer, shape=(), what="the share of the test digits")
    that(share <= 1, "expected a share from 0 to 1.")
    that(share < 0.94, "so much is reached with the fixed features. Train on the pixels.")
    that(share > 0.8, "too few. Is each image of length 1, and are the weights of the second half averaged?")
