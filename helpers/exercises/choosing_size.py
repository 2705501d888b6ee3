"""Checks for the exercises of practice/choosing_size."""

from itertools import combinations

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from helpers.exercises.comparing import call, exercise, hinted, numbers, parts, same, that


@exercise("ex-size-top-share")
def _top_share(answer):
    """Count up to the number of trials, and sum the chances of a first hit."""
    trials, chance = parts(answer, "the number of trials", "the probability")
    needed = next(n for n in range(1, 1000) if 0.95**n <= 0.05)
    mistakes = {
        "One trial fewer is not enough: round up.": needed - 1,
        "This many trials find one of the best 5% on average; that is not a probability of 95%.": 20,
    }
    trials = numbers(trials, shape=(), what="the number of trials")
    hinted(trials, needed, mistakes, rtol=0, what="the number of trials")
    hits = sum(0.1 * 0.9**n for n in range(16))
    mistakes = {
        "This is the probability that none of them is.": 1 - hits,
        "Probabilities of events that can occur together do not add up.": 1.6,
    }
    hinted(numbers(chance, shape=(), what="the probability"), hits, mistakes, what="the probability")


@exercise("ex-size-expected-best")
def _expected_best(answer):
    """Average over all subsets."""
    errors = np.array([5.0, 2.0, 8.0, 3.0, 9.0, 4.0, 7.5])
    for n in (1, 3, 6, 7):
        subsets = list(combinations(errors, n))
        expected = np.mean([min(subset) for subset in subsets])
        ranks = np.arange(len(errors), dtype=float)
        places = ((len(errors) - ranks) / len(errors)) ** n - ((len(errors) - ranks - 1) / len(errors)) ** n
        mistakes = {
            "No trial is drawn twice; this is the mean if it can be.": places @ np.sort(errors),
            "This is the largest, expected is the lowest.": np.mean(
                [max(subset) for subset in combinations(errors, n)]
            ),
            "This is the lowest of the first n.": errors[:n].min(),
        }
        made = numbers(call(answer, errors, n), shape=(), what=f"the expected best of {n}")
        hinted(made, expected, mistakes, what=f"the expected best of {n} of {len(errors)}")


@exercise("ex-size-rule")
def _rule(answer, studies):
    """Stop the trials of each study by the rule, and compare time and best error with those of all trials."""
    spent, lost, stopped = [], [], 0
    for trials in studies:
        curves = np.array([trial["curve"] for trial in trials])  # (trials, rungs)
        errors = np.array([trial["validation"] for trial in trials])
        rungs, seen, times, left = curves.shape[1], [], [], []
        for curve, error in zip(curves, errors, strict=True):
            ends = next((r for r in range(rungs) if _stops(answer, r, curve, seen)), rungs)
            seen.append(curve[: min(ends + 1, rungs)])
            times.append((ends + 1) / (rungs + 1))
            left.append(error if ends == rungs else np.inf)
            stopped += ends < rungs
        that(np.isfinite(left).any(), "your rule stops every trial of a study.")
        spent.append(np.mean(times))
        lost.append(min(left) / errors.min())
    came = f"{1 - np.mean(spent):.0%} of the time saved, best error {np.mean(lost):.3f} times as large."
    that(stopped, "your rule stops no trial.")
    that(np.mean(spent) <= 0.75, f"{came} Save at least a quarter of the time.")
    that(np.mean(lost) <= 1.02, f"{came} Lose at most 2%.")
    return came


def _stops(rule, rung, curve, seen):
    """Return what a rule says at a rung of a trial, given the errors there of the trials that came so far."""
    before = np.array([other[rung] for other in seen if len(other) > rung])
    made = call(rule, rung, float(curve[rung]), before, what="your rule")
    that(isinstance(made, (bool, np.bool_)), f"your rule returned {made!r}, expected True or False.")
    return bool(made)


@exercise("ex-size-own-study")
def _own_study(answer):
    """Look at the trials of a study."""
    that(hasattr(answer, "trials") and hasattr(answer, "direction"), f"got {type(answer).__name__}, expected a study.")
    whole = [trial for trial in answer.trials if trial.state.name == "COMPLETE"]
    that(len(whole) >= 20, f"the study has {len(whole)} complete trials, expected at least 20.")
    knobs = {name for trial in whole for name in trial.params}
    that(len(knobs) >= 2, f"the study has {len(knobs)} parameter, expected at least two.")
    values = np.array([trial.value for trial in whole])
    that(np.isfinite(values).all(), "some trials returned NaN or infinity.")
    that(np.unique(values).size > len(values) / 2, "most trials have the same value: does it depend on the parameters?")
    sign = -1 if answer.direction.name == "MAXIMIZE" else 1
    best, first = (sign * values).min(), np.median(sign * values[:5])
    that(best < first, "the best trial is no better than the median of the first five.")
    found = f"best {sign * best:.4g}, median of the first five {sign * first:.4g}"
    return f"{len(whole)} trials of {', '.join(sorted(knobs))}: {found}."


@exercise("ex-size-luck")
def _luck(answer):
    """Integrate the mean of the lowest of n normal numbers, and split it by the shares of the two variances."""
    for n, spread, noise in ((2, 1.0, 1.0), (16, 2.0, 0.5), (40, 0.3, 1.2)):
        lowest = -quad(lambda z, n=n: z * n * norm.pdf(z) * norm.cdf(z) ** (n - 1), -12, 12)[0]
        total = np.hypot(spread, noise)
        shown, worth = parts(call(answer, n, spread, noise), "what the winner shows", "what it is worth")
        same(shown, lowest * total, rtol=0.01, what=f"what the winner of {n} shows",
             hint="Which deviation does a measured error have?")  # fmt: skip
        mistakes = {
            "The winner was chosen by noisy errors.": lowest * spread,
            "Part of what it shows is noise.": lowest * total,
            "This is the noise's part.": lowest * noise**2 / total,
        }
        hinted(worth, lowest * spread**2 / total, mistakes, rtol=0.01, what=f"what the winner of {n} is worth")
