"""Every claim that one model or setting beats another says on how many seeds, by how much, and with which curve."""

import re
from fnmatch import fnmatchcase

import pytest

from experiments.harness import record
from tools import comparisons, curves
from tools.pages import ROOT
from tools.sphinx_book import gather

LEAST_SEEDS, SEEDS_OF_CLOSE_ONES, CLOSE = 3, 5, 3  # closer than CLOSE standard errors asks for more seeds

# A name that says "this one against that one".
WORDS = (
    "over against beats than versus minus gain gains gained lead leads lost loses cost costs price saves saved buys "
    "better worse wins times ratio more less fewer faster slower halves doubles improvement advantage"
)
COMPARATIVE = re.compile(rf"-(?:{'|'.join(WORDS.split())})(?=-|$)")

# What numbers by epoch or by length are called in the results.
CURVE = re.compile("curve|history|validation|epoch|length|losses")

SAME = "two computations of one number, or a number and its formula"
FLOOR = "one model to the floor of real digits or to real data, no second model"
TARGET = "one model to the known distribution that it learns"
DATA = "two sets of data or of samples: nothing that differs was trained"
PART = "two uses of one trained model, or two estimates of one number"
BASELINE = "one model to a baseline that is computed, not trained"
FAULT = "a fault put in on purpose, beside the same seed and data without it"
LESSON = "one live run, and the text speaks of this run only"
LINEAR = "models to the computed optimum of linear ones, which longer training only leaves further behind"
SHORT = "two settings at a number of epochs that the sentence names, with five live seeds and their standard errors"

TIMES = "the running times of two forms of one step: nothing that differs was trained"
EXACT = "a trained critic's estimate to the exact value, on several problems"
GAME = "one game with 1 and with 25 steps of the critic for a move of G, five live runs each, its best course known"

# Claims that are comparative by name and compare no two trained models. Each has a reason.
EXCEPTIONS = {
    "adversarial-autoencoder-fdd-over-real": FLOOR,
    "best-gan-fdd-over-real": FLOOR,
    "colour-16-numbers-sse-over-pca": BASELINE,
    "colour-256-numbers-sse-over-pca": BASELINE,
    "colour-64-numbers-sse-over-pca": BASELINE,
    "colour-autoencoder-sse-over-pca": BASELINE,
    "colour-category-code-minus-pca": BASELINE,
    "colour-category-code-minus-pixels": BASELINE,
    "colour-least-chroma-over-luma-left": PART,
    "colour-modes-gain-error": SAME,
    "colour-mud-to-brown-over-red": DATA,
    "colour-refined-sse-over-pca": BASELINE,
    "colour-short-run-over-pca": LESSON,
    "colour-stored-over-measured": PART,
    "colour-train-sse-over-pca": BASELINE,
    "codes-over-components-sse": BASELINE,
    "conditional-class-recall-over-real": FLOOR,
    "conditional-class-spread-over-real": FLOOR,
    "conditional-fdd-over-real": FLOOR,
    "conditional-second-epoch-fdd-over-first": LESSON,
    "connections-cloud-over-plain": LESSON,
    "connections-js-bound-plain-over": LESSON,
    "conv-gan-over-torch": TIMES,
    "corrected-loop-fit-over-way-from-hand": SAME,
    "corrected-loop-rounding-over-way": SAME,
    "cycle-l1-over-identity": BASELINE,
    "cycle-stir-over-true-partner": PART,
    "dcgan-dense-eight-passes-fdd-over-real": FLOOR,
    "dcgan-dense-fdd-over-real": FLOOR,
    "dcgan-fdd-over-real": FLOOR,
    "dcgan-trained-fdd-over-real": FLOOR,
    "diffusion-fdd-over-real": FLOOR,
    "evaluation-bias-times-n": SAME,
    "evaluation-blur-parzen-gain": DATA,
    "evaluation-coverage-minus-expected": SAME,
    "evaluation-density-minus-expected": SAME,
    "evaluation-fdd-500-over-10000": DATA,
    "evaluation-file-order-ratio": DATA,
    "evaluation-improved-density-lost": FLOOR,
    "evaluation-memory-1000-fdd-over-real": DATA,
    "evaluation-memory-5000-fdd-over-real": DATA,
    "evaluation-normal-twin-radius-ratio": DATA,
    "evaluation-parzen-gain-explained": SAME,
    "evaluation-replayed-fdd-over-held-out": DATA,
    "evaluation-source-precision-gain": FLOOR,
    "first-autoencoder-sse-over-clipped-pca32": BASELINE,
    "first-autoencoder-sse-over-pca32": BASELINE,
    "gan-fdd-over-real": FLOOR,
    "gan-fit-over-raw-jax": TIMES,
    "gan-fit-over-torch": TIMES,
    "grid-spread-ratio": TARGET,
    "hand-train-step-minus-gan-fit": SAME,
    "improved-gan-fdd-over-real": FLOOR,
    "improved-short-run-fdd-over-real": FLOOR,
    "inversion-sse-over-autoencoder": "three generators to the one stored autoencoder, reported without a bound",
    "keras-fit-minus-hand": SAME,
    "keras-frozen-noise-error-ratio": FAULT,
    "keras-frozen-noise-loss-ratio": FAULT,
    "keras-lost-averages-error-ratio": FAULT,
    "keras-lost-averages-loss-change": FAULT,
    "keras-own-step-minus-fit": SAME,
    "linear-autoencoder-sse-over-pca32": SAME,
    "math-batch-noise-over-formula": SAME,
    "math-covariance-training-over-optimum": SAME,
    "math-linear-loss-over-optimum": SAME,
    "math-tied-loss-over-optimum": SAME,
    "plain-autoencoder-random-codes-fdd-over-real": FLOOR,
    "scale-lost-process-seconds": "how soon the loss of a process is seen: no model is compared",
    "speed-batches-over-loop": TIMES,
    "speed-conv-gan-over-fit": TIMES,
    "speed-conv-gan-over-own-layers": TIMES,
    "speed-conv-gan-r1-over-fit": TIMES,
    "speed-conv-gan-r1-over-own-layers": TIMES,
    "speed-conv-scan-over-step": TIMES,
    "speed-counted-over-xla-deep": SAME,
    "speed-counted-over-xla-small": SAME,
    "speed-eager-over-loop": TIMES,
    "speed-example-1024-over-256": TIMES,
    "speed-example-alone-over-256": TIMES,
    "speed-large-over-small-products": TIMES,
    "speed-mixed-over-float32": TIMES,
    "speed-stack-over-serial": TIMES,
    "style-live-fdd-over-untrained": LESSON,
    "supervised-balance-largest-after-over-before": "the same models before and after training, three live seeds",
    "ten-seeds-two-cores-over-serial": TIMES,
    "translation-l1-over-identity": BASELINE,
    "translation-live-l1-over-identity": BASELINE,
    "translation-median-l1-over-mean": "two constant images, computed and not trained",
    "transport-built-largest-ratio": EXACT,
    "transport-clipped-boxes-over-shift": EXACT,
    "transport-past-one-over-25": GAME,
    "transport-relu-mixture-ratio": EXACT,
    "transport-sorted-mean-ratio": EXACT,
    "vae-bound-50-minus-bound-1": PART,
    "vae-elbo-plus-kl-minus-evidence": SAME,
    "vae-fdd-over-real": FLOOR,
    "vae-gan-fdd-over-real": FLOOR,
    "vae-loss-minus-helpers": SAME,
    "vae-rounding-cost": PART,
    "vae-score-over-reparameterised-variance": PART,
    "value-minus-closed-form": SAME,
    "variants-retrieval-gain": BASELINE,
    "variants-tangent-lead": BASELINE,
    "what-and-why-generator-over-real": FLOOR,
    "what-and-why-mixture-over-real": FLOOR,
    "what-and-why-moved-over-redrawn-pixels": DATA,
    "what-and-why-random-codes-over-real": FLOOR,
    "what-and-why-reconstructions-over-real": FLOOR,
    "what-and-why-redrawn-over-moved-features": DATA,
    "your-own-data-autoencoder-over-pca": LESSON,
    "your-own-data-best-pair-over-real": FLOOR,
    "your-own-data-colour-over-pca": LESSON,
    "your-own-data-floor-100-over-400": DATA,
    "your-own-data-gan-over-real-50": FLOOR,
    "your-own-data-gan-over-real-675": FLOOR,
    "your-own-data-leaked-error-ratio": LESSON,
    "your-own-data-nearest-over-test": FLOOR,
    "your-own-data-sizes-test-over-pca-16": LINEAR,
    "pgd-minus-library": SAME,
    "trust-found-over-random-change": PART,
    "trust-seconds-ratio": TIMES,
    "trust-hole-code-minus-pca": BASELINE,
    "dp-page-minus-experiment": SAME,
}

ONE_RUN = "one run of each, and the text says so"
TWO_SEEDS = "two seeds of each, and the text says so"
IN_A_COMPARISON = "three seeds or more of each, in a comparison of another name on the same page"

# Claims that do compare trained models, under names that do not say so.
OTHER_NAMES = {
    "dcgan-trained-fdd-over-real": IN_A_COMPARISON,
    "few-pictures-d-gap-augmented": "three seeds of each, the gap of D in training and not a quality",
    "iwae-5-nll-5000": ONE_RUN,
    "size-gan-longer": TWO_SEEDS,
    "vae-free-bits-bound-below": ONE_RUN,
    "variants-contraction-selects": ONE_RUN,
}

CLAIMS = {claim["name"]: claim for claim in gather(ROOT)[0]}
COMPARED = sorted(name for name, claim in CLAIMS.items() if claim.get("comparison"))
BY_NAME = sorted(name for name in CLAIMS if COMPARATIVE.search(name))


def is_curve(values):
    """Say whether these are three or more numbers, or points of numbers."""
    points = [value if isinstance(value, list) else [value] for value in values]
    return len(points) >= 3 and all(isinstance(x, int | float) for point in points for x in point)


def holds_a_curve(result, named=False):
    """Say whether a result has three or more numbers below a name that stands for a curve."""
    if not isinstance(result, dict | list):
        return False
    items = result.items() if isinstance(result, dict) else [("", value) for value in result]
    if named and is_curve([value for _, value in items]):
        return True
    return any(holds_a_curve(value, named or bool(CURVE.search(key))) for key, value in items)


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - EXCEPTIONS.keys()))
def test_a_comparative_claim_is_made_as_a_comparison(name):
    assert name in COMPARED, f"{name} ({CLAIMS[name]['chapter']}): use claims.compare, or say why it compares no models"


@pytest.mark.parametrize("name", COMPARED)
def test_a_comparison_has_seeds_and_a_curve(name):
    comparison = CLAIMS[name]["comparison"]
    apart = comparison["standard_errors"]
    close = apart is not None and apart < CLOSE
    assert comparison["seeds"] >= (SEEDS_OF_CLOSE_ONES if close else LEAST_SEEDS)
    assert holds_a_curve(record.read(comparison["curve"])), f"{comparison['curve']}.json holds no curve"


@pytest.mark.parametrize("name", COMPARED)
def test_a_comparison_has_a_bound(name):
    assert not (CLAIMS[name]["at_most"] is None and CLAIMS[name]["at_least"] is None)


def test_exceptions_are_claims_of_the_book_and_have_a_reason():
    assert sorted(EXCEPTIONS.keys() - set(BY_NAME)) == []
    assert all(reason.strip() for reason in EXCEPTIONS.values())
    assert sorted(EXCEPTIONS.keys() & set(COMPARED)) == []


def test_comparisons_under_other_names_are_claims_with_a_reason():
    assert OTHER_NAMES.keys() <= CLAIMS.keys()
    assert not OTHER_NAMES.keys() & set(COMPARED)
    assert all(reason.strip() for reason in OTHER_NAMES.values())


def test_a_comparison_is_known_at_other_lengths_or_its_page_says_that_it_is_not():
    one_length = comparisons.to_state(CLAIMS.values())
    for claim in one_length:
        chapter, words = comparisons.STATED[claim["comparison"]["curve"]]
        assert claim["chapter"] == f"book/{chapter}", claim["name"]
        assert words in (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8"), f"{chapter}: {words}"
    assert comparisons.STATED.keys() == {claim["comparison"]["curve"] for claim in one_length}


def test_what_is_known_of_other_lengths_is_of_comparisons():
    named = [*curves.RIVALS, *curves.TUNED, *comparisons.TURNED, *comparisons.UNTRAINED]
    assert set(named) <= set(COMPARED)
    kinds = comparisons.count(CLAIMS.values())
    assert sum(kinds.values()) == len(COMPARED)
    assert len(COMPARED) - sum(kinds[kind] for kind in comparisons.FIRM) == len(comparisons.to_state(CLAIMS.values()))


UNDECIDED = {"l1-over-contractive-probe-1000", "two-layers-8-over-contractive-probe-100"}
# What a page says of its curves or of its tuning: the words, the claims and the kind that this asks of them.
SAID = [
    (
        "autoencoders/supervised_autoencoder",
        "Five of them are at least",
        [
            "supervised-autoencoder-gain-100-labels",
            "supervised-unlabelled-over-labelled-100",
            "supervised-autoencoder-gain-1000-labels",
            "supervised-labelled-gain-1000",
            "supervised-unlabelled-over-labelled-1000",
        ],
        comparisons.LENGTHS,
    ),
    (
        "autoencoders/supervised_autoencoder",
        "The gain from reconstructing 100 labelled digits is again not shown",
        ["supervised-labelled-gain-100"],
        comparisons.TIED,
    ),
    (
        "gans/corrected_loop",
        "is larger after eight epochs than anything that either curve changed since the fourth",
        [f"ablation-only-{change}-fdd-over-source" for change in ("penalty", "betas", "normalisation")],
        comparisons.SETTLED,
    ),
    (
        "gans/dcgan",
        "neither of these two curves changes by as much as they lie apart at the end",
        ["dcgan-fdd-over-narrow-dense"],
        comparisons.SETTLED,
    ),
    (
        "gans/conditional",
        "After the first of the three epochs, projection was still ahead of normalisation",
        ["conditional-normalisation-minus-projection-accuracy"],
        comparisons.CROSSING,
    ),
    (
        "gans/stability",
        "by more than the means still change in the second half",
        [f"stability-{kind}-modes-gained" for kind in ("r1", "packing", "matching")],
        comparisons.SETTLED_FALLING,
    ),
    (
        "gans/stability",
        "At the end, both are the other way round",
        ["stability-matching-quality-lost", "stability-fourier-constant-quality-gained"],
        comparisons.CROSSING,
    ),
    (
        "practice/connections",
        "at the end they lie further apart than any of them still moved",
        [
            "connections-sampled-adversarial-over-gan",
            "connections-sampled-vae-gan-over-adversarial",
            "connections-sampled-autoencoder-over-vae-gan",
        ],
        comparisons.SETTLED_FALLING,
    ),
    (
        "practice/connections",
        "Others three seeds do not decide at this length",
        [
            "connections-sampled-adversarial-over-gan",
            "connections-price-of-normal-codes",
            "connections-best-squared-error-over-next",
            "connections-best-density-over-next",
            "connections-redrawn-adversarial-over-vae-gan",
        ],
        comparisons.TIED,
    ),
    (
        "practice/connections",
        "One is the other way round",
        ["connections-best-coverage-over-next"],
        comparisons.TURNED_ROUND,
    ),
    (
        "autoencoders/variational_autoencoder",
        "have the same order in every comparison of this section, and of the four values of β",
        [name for name in curves.HALVES if CLAIMS[name]["comparison"]["curve"] == "code_distributions"],
        comparisons.LENGTHS,
    ),
    (
        "autoencoders/variants",
        "have the same sign there and are larger than three standard errors",
        [name for name in curves.HALVES if CLAIMS[name]["comparison"]["curve"] == "variants" and name not in UNDECIDED],
        comparisons.LENGTHS,
    ),
    (
        "autoencoders/variants",
        "which these runs do not decide",
        sorted(UNDECIDED),
        comparisons.TIED,
    ),
    (
        "gans/stability",
        "With the factor 0.1 WGAN-GP keeps",
        [f"stability-{name}-gained" for name in ("wgan-gp-modes", "bits-pair-tuned-quality", "fourier-quality")],
        comparisons.LENGTHS,
    ),
    (
        "gans/stability",
        "The other two are smaller than three standard errors",
        ["stability-bits-r1-tuned-quality-gained", "stability-spectral-falling-score-gained"],
        comparisons.TIED,
    ),
    (
        "gans/conditional",
        "Both differences last",
        [
            "conditional-projection-over-concatenation-fdd",
            "conditional-normalisation-minus-projection-accuracy",
        ],
        comparisons.LENGTHS,
    ),
    (
        "gans/corrected_loop",
        "The order is the same, by far more than three",
        ["source-recipe-fdd-over-improved"],
        comparisons.LENGTHS,
    ),
    (
        "gans/corrected_loop",
        "the averaged generator is nearer to the validation digits, too",
        ["last-weights-fdd-over-averaged"],
        comparisons.LENGTHS,
    ),
    (
        "gans/dcgan",
        "After two passes in place of four",
        ["dcgan-features-gain-by-training"],
        comparisons.LENGTHS,
    ),
    (
        "practice/trust",
        "generators that were trained for half of the steps",
        ["private-generator-fdd-epsilon-0.1-over-no-noise"],
        comparisons.LENGTHS,
    ),
    (
        "practice/choosing_size",
        "The last two differences are the same way round",
        ["size-study-same-size-over-default", "size-study-transplanted-over-default"],
        comparisons.LENGTHS,
    ),
    (
        "practice/choosing_size",
        "TPE's lead over random search is not decided there",
        ["size-study-over-random"],
        comparisons.TIED,
    ),
    (
        "practice/choosing_size",
        "After twice as many steps they are still nearer",
        ["size-gan-transplanted-over-default"],
        comparisons.LENGTHS,
    ),
    (
        "gans/conditional",
        "runs of half as many",
        ["conditional-relu-over-leaky-relu-fdd"],
        comparisons.LENGTHS,
    ),
    (
        "gans/conditional",
        "distance and spread change in the same directions",
        ["conditional-half-style-fdd-over-whole", "conditional-half-style-spread-over-whole"],
        comparisons.LENGTHS,
    ),
    (
        "gans/style",
        "With half of the passes for all of them",
        ["style-path-length-z-over-dense"],
        comparisons.LENGTHS,
    ),
    (
        "gans/style",
        "After half of the passes recall falls as well",
        ["style-half-recall-over-whole"],
        comparisons.LENGTHS,
    ),
    (
        "practice/trust",
        "After two epochs instead of five",
        ["trust-clean-price"],
        comparisons.LENGTHS,
    ),
    (
        "colour/translation",
        "three seeds show neither this difference nor that in distance",
        ["translation-both-l1-over-l1-alone", "translation-both-sharpness-over-l1-alone"],
        comparisons.TIED,
    ),
    (
        "colour/translation",
        "this difference and that to the CycleGAN have the same sign",
        ["cycle-l1-over-pix2pix-half", "translation-half-l1-over-all"],
        comparisons.LENGTHS,
    ),
    (
        "colour/discrete_codes",
        "by more than their errors still fall",
        ["codes-restart-over-loss-sse", "codes-unit-over-loss-sse"],
        comparisons.SETTLED_FALLING,
    ),
    (
        "colour/discrete_codes",
        "the smaller error on the test images, more rows in use and longer files, as here",
        [f"codes-restart-over-loss-{what}" for what in ("sse", "used", "bits")],
        comparisons.LENGTHS,
    ),
    (
        "colour/discrete_codes",
        "the codebook in the loss three seeds do not decide at this length",
        ["codes-unit-over-loss-sse"],
        comparisons.TIED,
    ),
    (
        "colour/discrete_codes",
        "it needs fewer bits than the tables and uses the labels, too",
        ["codes-prior-over-token-before", "codes-other-labels-bits"],
        comparisons.LENGTHS,
    ),
]


@pytest.mark.parametrize(("chapter", "words", "names", "kind"), SAID)
def test_what_a_page_says_of_longer_runs_follows_from_its_curves(chapter, words, names, kind):
    assert words in (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")
    for name in names:
        assert kind in (comparisons.judge(CLAIMS[name]), comparisons.by_curves(CLAIMS[name])), name


@pytest.mark.parametrize("pattern", comparisons.LONGER)
def test_every_pattern_of_longer_runs_is_that_of_a_comparison(pattern):
    found = [name for name in COMPARED if fnmatchcase(name, pattern)]
    assert found
    assert comparisons.lengths({"name": found[0]}) == comparisons.LONGER[pattern]


@pytest.mark.parametrize("name", ["a-fdd-over-b", "tied-price", "a-gain-100-labels", "b-ratio", "x-minus-y"])
def test_names_that_compare(name):
    assert COMPARATIVE.search(name)


@pytest.mark.parametrize("name", ["over-real", "rover-speed", "gainsay", "vae-nll-5000", "best-gan-density"])
def test_names_that_do_not(name):
    assert not COMPARATIVE.search(name)


def test_a_curve_is_three_numbers_under_a_name():
    assert holds_a_curve({"runs": {"0": {"history": {"loss": [3.0, 2.0, 1.0]}}}})
    assert holds_a_curve({"runs": [{"curve": [[1, 9.0], [2, 5.0], [4, 3.0]]}]})
    assert holds_a_curve({"fdd_by_epochs": {"10": 9.0, "20": 5.0, "40": 3.0}})
    assert not holds_a_curve({"runs": [1.0, 2.0, 3.0], "history": {"loss": [1.0]}})
