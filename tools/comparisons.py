"""What is known of longer runs than those behind the book's comparisons, for the status page and a test.

A comparison has seeds and a stored curve; whether its order would survive a longer training is another question. It is
answered in one of these ways; the names of claims in the lists are patterns of `fnmatch`.

- `LONGER`: separate runs, at least twice or at most half as long, have the same order. Of the runs that
  `experiments.lengths` made, of half or of twice the length, this is computed: the same order, by at least `APART`
  standard errors; or, where a claim is that two rivals hardly differ, which its bounds tell, the same bounds. Where
  there are both, those of twice the length decide, and the page shows all.
- **Settled**, computed from the curves that `tools.curves` finds, means over the seeds of what is compared: from the
  half of the training to its end the difference keeps its sign, which is that of the claim, and at the end it is larger
  than what either curve still changed since the half. So if another doubling of the length brought each rival as much
  as the last one did, the one behind would not reach where the other is now. Where the rate falls, the point at the
  half is not a run of half the length, and the last changes are those of the falling rate: this evidence is weaker, and
  counted by itself.
- **Halfway**, computed where the rate is constant, so that the point at the half is a run of half the length: there the
  order was the same, by at least `APART` standard errors.
- **Tuned**, computed too: the runs with which the settings of both rivals were chosen, of other seeds and at most half
  as long for at least one of the rivals, have the same order on validation data. There is one such seed, or three, and
  no error: weaker still.
- `UNTRAINED`: neither rival is trained, so that no length plays a part.
- `TURNED`: separate runs of another length have the other order, and the page says so; of those that
  `experiments.lengths` made, this is computed as well.
- **Tied**: these runs do not decide.
- All others hold at one length. That includes curves which keep their order from the half on but still move by more
  than they lie apart.

Unless a comparison is of the first kind, or settled or decided halfway at a constant rate, its page says in the words
of `STATED` that nothing longer was run.

It is one rule for all, and no proof of what happens at lengths that nobody has run.
"""

from fnmatch import fnmatchcase

import numpy as np

from tools import curves

# Claims whose order was found again at another length, at least twice or at most half of it, and where.
LONGER = {
    "tied-over-untied-sse": "40 and 80 epochs",
    "convolutional-over-dense-sse": "20 and 40 epochs",
    "convolutional-over-dense-80-epochs-sse": "20 and 40 epochs, the dense one 80",
    "two-layers-over-one-layer-8-sse": "40 and 80 epochs",
    "denoising-psnr-gain-db": "20 and 40 epochs",
    "denoising-over-wide-sse": "20 and 40 epochs",
    "l1-over-top-50-sse": "20 and 40 epochs",
    "top-25-over-l1-sse": "20 and 40 epochs",
    "plain-decoder-mixture-fdd-over-vae": "12 epochs, and the variational one alone 800",
    "supervised-all-labels-*": "10, 20 and 40 epochs",
    "supervised-plain-*-untuned": "480 and 960 steps",
    "supervised-plain-*-small": "480 and 960 steps",
    "dcgan-eight-passes-fdd-over-dense": "8 passes, and 16 with one seed",
    "size-study-best-over-default": "3 s, and 12 s with two seeds",
    "stability-falling-quality-gained": "8,000 and 16,000 steps",
    "stability-fading-quality-gained": "8,000 and 16,000 steps",
}
# Claims that compare features of a network before its first step with pixels: no training could be longer.
UNTRAINED = ("dcgan-features-gain-by-shape",)
# Claims whose order another length turned round, and where; the page says so.
TURNED = {
    "stability-falling-spread-lost": "the other order after 16,000 steps",
    "stability-twice-spread-gained": "the other order after 8,000 steps",
    "stability-twice-score-gained": "the other order after 8,000 steps",
    "size-gan-best-over-default": "the other order after 20 s, two seeds",
}
# Results with comparisons that neither separate runs nor curves of a constant rate have settled: the chapter that says
# so, and in which words.
STATED = {
    "connections": ("practice/connections", "which model is best *after this budget*"),
    "dcgan": ("gans/dcgan", "the autoencoder was not trained for another length"),
    "diffusion": ("practice/what_came_next", "neither of the two was trained for longer"),
    "discrete_codes": ("colour/discrete_codes", "longer runs were not made"),
    "fair_mixtures": ("gans/stability", "These runs have not converged"),
    "few_pictures": ("colour/few_pictures", "So the values are not final"),
    "few_pictures_tuned": ("colour/few_pictures", "whether the order reverses later is open"),
    "gan_ablation": ("gans/corrected_loop", "progress, not final values"),
    "mixture_remedies": ("gans/stability", "These runs have not converged"),
    "own_sizes": ("practice/your_own_data", "longer training would probably leave less"),
    "size_study": ("practice/choosing_size", "A choice is a choice *for a budget and a code size*"),
    "supervised_long": ("autoencoders/supervised_autoencoder", "longer runs were not made"),
    "translation": ("colour/translation", "a longer schedule was not tried"),
    "variants": ("autoencoders/variants", "The wide networks have not quite converged"),
}

LENGTHS, SETTLED, HALFWAY, NO_LENGTH = "lengths", "settled", "halfway", "untrained"
SETTLED_FALLING, TUNED = "settled, falling", "tuned"
MOVING, CROSSING, TURNED_ROUND, TIED, MISSING = "moving", "crossing", "turned", "tied", "missing"
APART = 3  # standard errors, as `claims.compare` asks of three seeds
FIRM = (LENGTHS, SETTLED, HALFWAY, NO_LENGTH)
KNOWN = (*FIRM, SETTLED_FALLING, TUNED)
KINDS = {  # what the status page says behind a curve
    LENGTHS: "two lengths",
    SETTLED: "settled by the curves",
    HALFWAY: "the same order halfway, at a constant rate",
    NO_LENGTH: "neither is trained",
    SETTLED_FALLING: "settled by the curves, of a falling rate",
    TUNED: "the same order in shorter runs of the tuning",
    MOVING: "the same order from the half on, but still moving",
    CROSSING: "the curves cross",
    TURNED_ROUND: "another order at another length",
    TIED: "not decided in runs of another length",
    MISSING: "one length",
}


def verdict(ours, theirs, sign=None):
    """Say what two curves tell of their order: `SETTLED`, `CROSSING`, `MOVING` or `MISSING`.

    Parameters
    ----------
    ours, theirs : dict
        Length of training → values of all seeds, or their mean; only the lengths that both have are compared.
    sign : float, optional
        Of the claim: positive if ours is larger. Curves that end the other way count as crossing.
    """
    lengths = sorted(ours.keys() & theirs.keys())
    late = [length for length in lengths if 2 * length > lengths[-1]]
    if len(late) == len(lengths):
        return MISSING  # no point at the half or before it
    points = [lengths[-len(late) - 1], *late]
    one, other = (np.array([np.mean(curve[length]) for length in points]) for curve in (ours, theirs))
    apart = one - other
    if np.any(apart * (apart[-1] if sign is None else sign) <= 0):
        return CROSSING
    still = max(abs(curve[-1] - curve[0]) for curve in (one, other))
    return SETTLED if abs(apart[-1]) > still else MOVING


def lengths(claim):
    """Return at which lengths the order of a comparison was found by separate runs, or ""."""
    return next((where for pattern, where in LONGER.items() if fnmatchcase(claim["name"], pattern)), "")


def judge(claim):
    """Return what is known of longer runs than those of a comparison, one of `KINDS`."""
    name = claim["name"]
    if name in UNTRAINED:
        return NO_LENGTH
    if name in TURNED:
        return TURNED_ROUND
    if lengths(claim):
        return LENGTHS
    if rivals := curves.TWICE.get(name) or curves.HALVES.get(name):
        return by_runs(claim, rivals)
    return by_curves(claim)


def by_runs(claim, rivals):
    """Return what runs of another length tell of a comparison; of a claim whose bounds admit a tie, of the bounds."""
    both = rivals.ours(), rivals.theirs()
    if not admits_tie(claim, rivals):
        return of_runs(*both, sign_of(claim, rivals), rivals.paired)
    (low, high), (ours, theirs) = bounds_of(claim), map(np.mean, both)
    return LENGTHS if low <= (ours / theirs if rivals.ratio else ours - theirs) <= high else TURNED_ROUND


def admits_tie(claim, rivals):
    """Say whether the bounds of a claim leave room on both sides of no difference: it says that two hardly differ."""
    low, high = bounds_of(claim)
    return (low, high) != (-np.inf, np.inf) and low < (1 if rivals.ratio else 0) < high


def bounds_of(claim):
    """Return the least and the largest value that a claim allows."""
    given = claim.get("at_least"), claim.get("at_most")
    return [bound if bound is not None else far for bound, far in zip(given, (-np.inf, np.inf), strict=True)]


def by_curves(claim):
    """Return what the stored curves of a comparison tell, and the runs of its tuning; `MISSING` if there are none."""
    name, found = claim["name"], MISSING
    if rivals := curves.RIVALS.get(name):
        both, sign = (rivals.ours(), rivals.theirs()), sign_of(claim, rivals)
        found = verdict(*both, sign)
        if found == SETTLED:
            return SETTLED_FALLING if rivals.falls else SETTLED
        if not rivals.falls and found != MISSING and halfway(*both, sign, rivals.paired) == LENGTHS:
            return HALFWAY
    if rivals := curves.TUNED.get(name):
        found = TUNED if (rivals.ours() - rivals.theirs()) * sign_of(claim, rivals) > 0 else CROSSING
    return found


def halfway(ours, theirs, sign, paired=False):
    """Say what two curves tell at the half, as `of_runs` does; `TIED` where fewer than three seeds are stored."""
    lengths = sorted(ours.keys() & theirs.keys())
    half = max(length for length in lengths if 2 * length <= lengths[-1])
    both = [np.atleast_1d(curve[half]) for curve in (ours, theirs)]
    return of_runs(*both, sign, paired) if min(map(len, both)) > 2 else TIED


def of_runs(ours, theirs, sign, paired=False):
    """Say what the values of all seeds in runs of another length tell: `LENGTHS`, `TIED` or `TURNED_ROUND`."""
    apart = np.mean(ours) - np.mean(theirs)
    spread = [np.subtract(ours, theirs)] if paired else [ours, theirs]
    if abs(apart) < APART * np.sqrt(sum(np.var(values, ddof=1) / len(values) for values in spread)):
        return TIED
    return LENGTHS if apart * sign > 0 else TURNED_ROUND


def sign_of(claim, rivals):
    """Return a number that is positive if the claim says that ours is larger."""
    return claim["value"] - (1 if rivals.ratio else 0)


def in_words(claim):
    """Return what stands behind a comparison's curve on the status page."""
    name, kind = claim["name"], judge(claim)
    rivals = curves.TWICE.get(name) or curves.HALVES.get(name)
    if rivals and kind in (LENGTHS, TURNED_ROUND):
        words = {LENGTHS: "the same order", TURNED_ROUND: "the other order"}
        if admits_tie(claim, rivals):
            words = {LENGTHS: "within the same bounds", TURNED_ROUND: "out of these bounds"}
        return f"{words[kind]} after {'twice as long a' if name in curves.TWICE else 'half of the'} training"
    return TURNED.get(name) or lengths(claim) or KINDS[kind]


def count(claims):
    """Return how many of the comparisons among the claims are of each of `KINDS`."""
    found = [judge(claim) for claim in claims if claim.get("comparison")]
    return {kind: found.count(kind) for kind in KINDS}


def to_state(claims):
    """Return the comparisons among the claims whose page has to say that they hold at one length."""
    return [claim for claim in claims if claim.get("comparison") and judge(claim) not in FIRM]


def summary(claims):
    """Say in words what is known of longer runs than those behind the comparisons among the claims."""
    kinds = count(claims)
    known, open_ones = (sum(kinds[kind] for kind in some) for some in (FIRM, kinds.keys() - set(KNOWN)))
    weaker = {
        SETTLED_FALLING: "more the curves say as much where a learning rate falls",
        TUNED: "more the shorter runs of the tuning have the same order, with other seeds",
    }
    none = f"In **{kinds[NO_LENGTH]}** neither rival is trained. " if kinds[NO_LENGTH] else ""
    weak = "".join(
        f"In **{kinds[kind]}** {what}; this is weaker evidence. " for kind, what in weaker.items() if kinds[kind]
    )
    return (
        f"Comparisons of trained models: **{sum(kinds.values())}**, each with at least three seeds and a stored curve. "
        f"What is known of their order after a longer training stands in brackets behind the curve. Separate runs of "
        f"another length, twice the length where there are several, have the same order in **{kinds[LENGTHS]}**. "
        f"**{kinds[SETTLED]}** are settled by their curves: from the half of the training on the order stays, and in "
        f"the end the difference is larger than what either curve still changed since the half. In "
        f"**{kinds[HALFWAY]}** the order was the same halfway, at a constant rate. {none}That makes **{known}**; the "
        f"aim was all. {weak}"
        f"The other **{open_ones}** hold at one length: in **{kinds[MOVING]}** the order stays from the half on, but a "
        f"curve changed by more than the difference, in **{kinds[CROSSING]}** the curves cross, in "
        f"**{kinds[TURNED_ROUND]}** runs of another length have another order, in **{kinds[TIED]}** runs of another "
        f"length do not decide, and in **{kinds[MISSING]}** no curve of what is compared is stored for both rivals."
    )
