"""The committed book: its table of contents, its pairs, and what each executed notebook must hold."""

import functools
import re
import statistics

import nbformat
import pytest

from tools import pictures
from tools.pages import ROOT, notebooks, pages
from tools.pairs import difference
from tools.sphinx_book import RUN, gather, promises, records

NOTEBOOKS = notebooks()
BUDGET = 90  # seconds of a chapter's committed run
MEMORY = 1.3  # GiB that a chapter may take, of the 2 that Binder lends
# Not met, and stated so; none at present.
OVER_MEMORY = set()
# The claims that a chapter must make, and the loosest bounds that they may have.
REQUIRED = {
    "book/background/first_network": {
        "first-network-gradient-by-quotient": {"at_most": 1e-8},
        "first-network-keras-descent-off": {"at_most": 1e-5},
        "first-network-keras-adam-off": {"at_most": 1e-4},
        "first-network-unseen": {"at_most": 0.015},
    },
    "book/autoencoders/first_autoencoder": {
        "first-autoencoder-test-bce": {"at_most": 0.0920},
        "first-autoencoder-sse-over-pca32": {"at_most": 0.60},
        "first-autoencoder-sse-over-clipped-pca32": {"at_most": 0.67},
    },
    "book/autoencoders/math": {
        "pca-30-sse": {"at_least": 13.86, "at_most": 13.88},
        "linear-autoencoder-sse-over-pca32": {"at_most": 1.001},
    },
    "book/autoencoders/variants": {
        "deep-autoencoder-30-sse": {"at_most": 2.8},
        "best-autoencoder-30-sse": {"at_most": 2.1},
        "denoising-psnr-gain-db": {"at_least": 6},
        "tied-over-untied-sse": {"at_least": 1, "at_most": 1.1},
        "convolutional-over-dense-sse": {"at_most": 2 / 3},
        "two-layers-over-one-layer-8-sse": {"at_most": 0.5},
        "denoising-over-contractive-psnr": {"at_least": 1.5},
        "l1-over-top-50-sse": {"at_least": 2},
        "l1-over-top-50-probe": {"at_least": 0.03},
        "contractive-over-denoising-moved": {"at_most": 0.8},
        "wide-over-random-probe": {"at_most": 0},
        "l1-over-wide-probe": {"at_least": 0.05},
    },
    "book/autoencoders/supervised_autoencoder": {
        "labels-permuted-plain-autoencoder-change": {"at_most": 0},
        "labels-permuted-supervised-accuracy": {"at_most": 0.12},
        "supervised-autoencoder-gain-100-labels": {"at_least": 0},
        "supervised-autoencoder-gain-1000-labels": {"at_least": 0},
        "supervised-unlabelled-over-labelled-100": {"at_least": 0},
        "supervised-all-labels-gain": {"at_least": -0.1, "at_most": 0.1},
        "supervised-all-labels-mask-over-none": {"at_least": 0},
        "supervised-plain-labelled-untuned": {"at_most": 0},
        "ladder-error-100-labels": {"at_most": 2.0},
    },
    "book/autoencoders/variational_autoencoder": {
        "plain-decoder-mixture-fdd-over-vae": {"at_most": 1},
        "plain-decoder-ten-components-fdd-over-vae": {"at_most": 1},
        "vae-collapsed-kl": {"at_most": 1},
        "vae-nll-5000": {"at_most": 87.3},
        "iwae-5-nll-5000": {},
    },
    "book/colour/convolutional": {
        "colour-autoencoder-sse-over-pca": {},
        "colour-refined-sse-over-pca": {"at_most": 0.75},
        "colour-encoder-share-of-error": {"at_least": 0.1},
        "colour-mud-to-brown-over-red": {"at_most": 0.4},
        "colour-modes-gain-error": {"at_most": 0.05},
        "colour-networks-agree": {"at_most": 1e-4},
    },
    "book/colour/few_pictures": {
        "few-pictures-d-gap-plain": {},
        "few-pictures-d-gap-augmented": {"at_most": 0.22},
        "few-pictures-kid-augmented-over-plain": {},  # not met
        "few-pictures-copied": {"at_most": 0.10},
        "few-features-passed": {"at_least": 13},
        "few-leak-red-whole": {"at_most": 0.5},
        "few-leak-red-half": {"at_least": 0.5},
        "few-live-gap-plain": {"at_least": 1},
    },
    "book/gans/math": {
        "optimal-discriminator-max-error": {"at_most": 0.02},
        "value-minus-closed-form": {"at_most": 1e-3},
        "gan-math-reweighted-square": {"at_least": 3.45, "at_most": 3.73},
        "bilinear-radius-growth-error": {"at_most": 1e-6},
        "gan-math-alternating-determinant-error": {"at_most": 1e-12},
    },
    "book/gans/transport": {
        "transport-lp-duality-gap": {"at_most": 1e-9},
        "transport-sorting-error": {"at_most": 1e-9},
        "wasserstein-critic-gap": {"at_most": 0.05},
        "transport-overshoot-error": {"at_most": 0.03},
        "transport-two-sided-trapped": {"at_least": 5},
        "transport-clipped-boxes-over-shift": {"at_most": 1},
        "transport-pull-one-step": {"at_most": 0.7},
        "transport-scale-batch-4": {"at_most": 0.8},
    },
    "book/gans/broken_loop": {
        "broken-loop-generator-change": {"at_most": 0},
        "broken-loop-loss-from-log2": {"at_most": 2e-4},
        "broken-loop-frozen-d-change": {"at_most": 0},
        "broken-loop-thawed-d-change": {"at_least": 1e-3},
    },
    "book/gans/corrected_loop": {
        "real-fdd": {},
        "source-recipe-fdd-over-improved": {"at_least": 50},
        "improved-gan-fdd-over-real": {"at_most": 4},
        "improved-gan-smallest-class-share": {"at_least": 0.05},
        "leaky-relu-fdd-over-relu": {"at_least": 1.5},
        "hand-train-step-minus-gan-fit": {"at_most": 0.01},
        "first-gan-d-loss-from-undecided": {"at_most": 0.02},
    },
    "book/gans/dcgan": {
        "dcgan-trained-fdd-over-real": {},
        "dcgan-eight-passes-fdd-over-dense": {"at_least": 3},
        "dcgan-equal-time-fdd-over-dense": {"at_least": 3},
        "dcgan-fdd-over-narrow-dense": {"at_most": 0.5},
        "dcgan-features-accuracy-1000-labels": {},
        "dcgan-fdd-over-real": {},
        "dcgan-dense-eight-passes-fdd-over-real": {},
        "dcgan-r1-error-plain": {"at_most": 1e-5},
    },
    "book/gans/conditional": {
        "conditional-gan-accuracy": {"at_least": 0.97},
        "conditional-permuted-accuracy": {"at_most": 0.15},
        "conditional-fdd-over-real": {"at_most": 2},
        "conditional-relu-over-leaky-relu-fdd": {"at_most": 1},
        "conditional-forms-fdd": {},  # reported with errors
        "conditional-class-recall-over-real": {"at_least": 0.85},
        "conditional-half-style-accuracy": {},
    },
    "book/gans/style": {
        "style-demodulated-variance-error": {"at_most": 0.06},
        "style-mixing-class-kept": {"at_least": 0.8},
        "style-half-recall-over-whole": {"at_most": 1},
        "inversion-sse-over-autoencoder": {},
    },
    "book/gans/stability": {
        "ring-modes-min": {"at_least": 8},
        "ring-high-quality-percent": {"at_least": 98},
        "grid-modes-min": {"at_least": 25},
        "grid-high-quality-percent": {"at_least": 98},
        "grid-reverse-kl": {"at_most": 0.03},
        "grid-spread-ratio": {"at_least": 0.874, "at_most": 1.075},
        "grid-gaussian-latent-modes-min": {"at_least": 25},
        "grid-gaussian-latent-high-quality-percent": {"at_least": 94},
        "grid-nearest-gap-bits": {},  # the counts miss it: the piles are dots
        "grid-nearest-gap-gaussian-latent": {},
        "stacked-mnist-modes": {"at_least": 990},
        "stacked-mnist-legible": {"at_most": 0.5},
        "stability-r1-modes-gained": {"at_least": 1},
        "stability-falling-quality-gained": {"at_least": 5},
        "stability-fading-quality-gained": {"at_least": -2, "at_most": 2},
        "stability-fourier-quality-gained": {"at_least": 2},
        "stability-wgan-gp-modes-gained": {"at_least": 10},
        "stability-packing-modes-gained": {"at_least": 1},
        "stability-packing-falling-score-gained": {"at_most": -0.05},
        "stability-wgan-gp-falling-quality-gained": {"at_least": 5},
        "stability-critic-steps-quality-lost": {"at_least": 20},
        "stability-critic-all-steps-quality-gained": {"at_least": -5, "at_most": 5},
        "stability-spectral-falling-score-gained": {"at_least": 0.1},
        "stability-twice-spread-gained": {"at_least": 0.05},
        "stability-twice-score-gained": {"at_least": 0},
        "stability-fourier-constant-quality-gained": {"at_least": 1},
        "stability-bits-plain-score-gained": {"at_least": 0.05},
        "stability-bits-r1-score-gained": {"at_least": 0.05},
        "stability-bits-pair-score-gained": {"at_least": 0.05},
        "stability-bits-pair-constant-score-gained": {"at_most": -0.03},
    },
    "book/gans/evaluation": {
        "real-fdd-random-draws": {"at_least": 1.2, "at_most": 1.59},
        "real-fdd-random-draws-std": {"at_most": 0.16},
        "best-gan-fdd-over-real": {},  # over 1.4, and stated so
        "best-gan-precision": {"at_least": 0.95},
        "best-gan-recall": {"at_least": 0.95},
        "best-gan-density": {"at_least": 0.9},
        "best-gan-coverage": {"at_least": 0.95},
        "best-gan-copied": {"at_most": 0.08},
        "parzen-nats": {"at_least": 225},
        "evaluation-perfect-fdd-limit": {"at_most": 0.25},
        "evaluation-fdd-of-normal-twin": {"at_most": 1e-6},
        "evaluation-coverage-minus-expected": {"at_most": 0.005},
        "evaluation-noise-precision": {"at_least": 0.99},
        "evaluation-noise-recall": {"at_most": 0.001},
        "evaluation-replayed-fdd-over-held-out": {"at_most": 1},
        "evaluation-memory-1000-fdd-over-real": {"at_most": 5},
        "evaluation-copied-replayed": {"at_least": 1},
        "evaluation-parzen-real": {"at_least": 225},
        "evaluation-parzen-kmeans": {"at_least": 270},
        "evaluation-parzen-improved": {},
        "evaluation-parzen-source": {},
    },
    "book/gans/judges": {
        "evaluation-order-kept": {},  # reported
        "judges-score-entropies-error": {"at_most": 1e-9},
        "judges-score-of-deceivers": {"at_least": 9.8},
        "judges-score-of-half": {"at_least": 9.7},
        "judges-fdd-half-missing": {"at_least": 3},
        "judges-turns-from-middle": {"at_least": 0.98},
        "judges-rotations-dcgan": {"at_least": 50},
        "judges-wilson-covers": {"at_least": 0.945},
        "judges-order-by-thirty": {"at_most": 0.85},
    },
    "book/colour/translation": {
        "translation-patch-side": {"at_least": 18, "at_most": 18},
        "translation-open-step-error": {"at_most": 1e-4},
        "translation-l1-over-identity": {"at_most": 0.85},
        "translation-top-5-retrieval": {"at_least": 0.75},
        "translation-top-5-retrieval-pixels": {},
        "translation-top-5-retrieval-features": {},
        "translation-top-5-retrieval-identity-pixels": {},
        "translation-top-5-retrieval-identity-features": {},
        "cycle-l1-over-identity": {},
        "cycle-hidden-code": {},
    },
    "book/colour/discrete_codes": {
        "codes-straight-through-off": {"at_most": 1e-5},
        "codes-codebook-gradient-off": {"at_most": 1e-5},
        "codes-restart-over-loss-sse": {"at_most": 0.8},
        "codes-restart-over-loss-bits": {"at_least": 1.5},
        "codes-token-paints": {"at_least": 18, "at_most": 18},
        "codes-prior-looks-ahead": {"at_most": 1e-4},
        "codes-prior-over-token-before": {"at_most": 0.95},
        "codes-over-components-sse": {},  # reported, whichever is better
    },
    "book/practice/connections": {
        "plain-autoencoder-random-codes-fdd-over-real": {"at_least": 50},
        "vae-fdd-over-real": {"at_least": 20},
        "adversarial-autoencoder-fdd-over-real": {"at_least": 20},
        "vae-gan-fdd-over-real": {"at_least": 20},
        "gan-fdd-over-real": {"at_most": 20},
        "connections-random-codes-over-gan": {"at_least": 5},
    },
    "book/practice/your_own_data": {
        "your-own-data-leaked": {"at_least": 50},
        "your-own-data-leaked-error-ratio": {"at_most": 0.9},
        "your-own-data-autoencoder-over-pca": {"at_most": 0.5},
        "your-own-data-last-tripling": {"at_most": 0.95},
        "your-own-data-floor-100-over-400": {"at_least": 3, "at_most": 5},
        "your-own-data-gan-over-real-50": {"at_most": 1.2},
        "your-own-data-gan-over-real-675": {"at_least": 1.2},
        "your-own-data-nearest-over-test": {"at_least": 0.8},
        "your-own-data-sizes-test-over-pca-16": {"at_most": 0.5},
        "your-own-data-best-pair-over-real": {"at_least": 10},
        "your-own-data-read-exactly": {"at_most": 1e-6},
        "own-sizes-digits-100-over-pca": {"at_most": 0.9},
        "own-sizes-digits-100-changed-over-plain": {"at_most": 0.9},
        "own-sizes-emoji-dense-1500-over-pca": {"at_least": 1.2},
        "own-sizes-emoji-50-over-pca": {"at_least": 1},
        "own-sizes-emoji-1500-over-pca": {"at_most": 1},
        "own-sizes-emoji-1500-over-bare-pca": {"at_most": 1},
        "your-own-data-colour-over-pca": {"at_most": 1.3},
    },
    "book/practice/choosing_size": {
        "size-study-best-over-default": {"at_most": 0.9},
        "size-study-over-random": {},
        "size-study-same-size-over-default": {"at_most": 1},
        "size-study-transplanted-over-default": {"at_least": 1.2},
        "size-gan-best-over-default": {"at_most": 0.3},
        "size-live-trials-ended": {"at_least": 20},
    },
    "book/practice/speed_and_scale": {
        "gan-fit-over-raw-jax": {},  # not met
        "gan-fit-over-torch": {},  # not met
        "conv-gan-over-torch": {},  # not met
        "gan-share-of-ceiling": {"at_least": 0.7},
        "ten-seeds-two-cores-over-serial": {"at_most": 0.55},
        "scale-two-devices-weight-difference": {},  # not met
        "scale-two-processes-weight-difference": {},  # not met
        "scale-two-devices-others-difference": {"at_most": 1e-5},
        "scale-two-processes-others-difference": {"at_most": 1e-5},
        "scale-losses-and-samples-difference": {"at_most": 1e-5},
        "scale-rows-missing": {"at_most": 0},
        "scale-rows-twice": {"at_most": 0},
        "scale-lost-process-seconds": {"at_most": 30},
        "scale-resumed-difference": {"at_most": 0},
        "speed-live-two-devices-difference": {"at_most": 1e-5},
        "speed-counted-over-xla-deep": {"at_least": 0.95, "at_most": 1},
        "speed-state-bytes-reported": {"at_least": 0.999, "at_most": 1.001},
        "speed-donated-difference": {"at_most": 1e-6},
    },
    "book/practice/trust": {
        "pgd-accuracy-plain": {"at_most": 0.02},
        "pgd-accuracy-behind-denoiser": {},
        "pgd-accuracy-adaptive": {},
        "pgd-accuracy-adversarially-trained": {"at_least": 0.8},
        "pgd-minus-library": {"at_most": 0.01},
        "trust-found-over-random-change": {"at_least": 2},
        "trust-gradient-rank-random": {"at_most": 0.2},
        "trust-completeness-error": {"at_most": 0.05},
        "membership-auc-500-images": {"at_least": 0.7},
        "membership-auc-all-images": {"at_least": 0.45, "at_most": 0.55},
        "membership-auc-control": {"at_least": 0.45, "at_most": 0.55},
        "membership-diffusion-500": {"at_least": 0.7},
        "membership-diffusion-all": {"at_least": 0.45, "at_most": 0.55},
        "membership-diffusion-control": {"at_least": 0.45, "at_most": 0.55},
        "private-generator-sensitivity": {"at_most": 1 + 1e-5},
        "private-generator-noise-share": {"at_most": 0.2},
        "private-generator-loss-bias": {"at_most": 0.1},
        "private-generator-noise-effect": {"at_most": 0.05},
        "private-generator-fdd-epsilon-0.1-over-no-noise": {"at_least": 2},
        "dp-per-example-gradient-error": {"at_most": 1e-5},
        "dp-clipped-share": {"at_least": 0.3, "at_most": 0.7},
        "dp-keras-step-error": {"at_most": 1e-4},
        "dp-sgd-accuracy-epsilon-1.2": {"at_least": 0.95},
        "dp-sgd-accuracy-epsilon-3": {"at_least": 0.968},
        "dp-page-minus-experiment": {"at_most": 1e-3},
    },
    "book/practice/what_came_next": {
        "diffusion-fdd-over-real": {"at_most": 2.5},
        "diffusion-fdd-over-gan": {"at_least": 1},
        "what-came-next-copied-codes": {"at_most": 0.05},
        "diffusion-ring-modes-min": {},
        "diffusion-grid-modes-min": {},
        "what-came-next-grid-modes": {"at_least": 25},
        "what-came-next-grid-high-quality": {"at_least": 0.95},
        "what-came-next-steepest": {"at_least": 20},
        "what-came-next-replayed": {"at_most": 0.01},
        "what-came-next-decided-half-way": {"at_least": 0.9},
    },
}


@pytest.fixture(params=NOTEBOOKS, ids=str)
def path(request):
    """A notebook of the table of contents, relative to the root."""
    return request.param


@functools.cache
def read(path):
    """Return a notebook's cells; to read and validate one takes a while, and many tests look at each."""
    return nbformat.read(ROOT / path, as_version=4).cells


@pytest.fixture
def code(path):
    """The notebook's code cells."""
    return [cell for cell in read(path) if cell.cell_type == "code"]


def tags(cell):
    """Return a cell's tags."""
    return cell.metadata.get("tags", [])


def committed(suffix):
    """List the files of a suffix under book/, relative to the root."""
    files = (ROOT / "book").rglob(f"*{suffix}")
    return {file.relative_to(ROOT) for file in files if ".ipynb_checkpoints" not in file.parts}


def test_table_of_contents_lists_every_page_once():
    pairs = {path.with_suffix(".md") for path in committed(".ipynb")}
    existing = committed(".ipynb") | (committed(".md") - pairs)
    assert len(pages()) == len(set(pages()))
    assert {"missing": existing - set(pages()), "dangling": set(pages()) - existing} == {
        "missing": set(),
        "dangling": set(),
    }


def test_pair_is_in_step(path):
    assert difference(path) is None


def test_notebook_was_executed_from_top_to_bottom(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_only_cells_that_should_fail_failed(code):
    failed = {cell.id for cell in code if any(output.output_type == "error" for output in cell.outputs)}
    assert failed == {cell.id for cell in code if "raises-exception" in tags(cell)}


def test_helpers_come_before_keras(code):
    lines = [line for cell in code for line in cell.source.splitlines()]
    imports = [re.match(r"(?:import|from) (helpers|keras)\b", line) for line in lines]
    assert next((found[1] for found in imports if found), "helpers") == "helpers"


def test_code_cells_are_short(code):
    lengths = [len(cell.source.splitlines()) for cell in code]
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 5


def test_no_compared_cell_hides_its_value_with_a_semicolon(code):
    # nbval runs without the history in which IPython looks for the semicolon: it would print the value.
    compared = [cell for cell in code if "nbval-check-output" in tags(cell)]
    assert not [cell.source for cell in compared if cell.source.rstrip().endswith(";")]


def test_every_figure_has_alt_text(code):
    kinds = {cell.id: {kind for output in cell.outputs for kind in output.get("data", {})} for cell in code}
    with_image = [cell for cell in code if kinds[cell.id] & {"image/png", "image/svg+xml"}]
    alt = {cell.id: cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "") for cell in with_image}
    assert [cell for cell, text in alt.items() if not text.strip()] == []


def test_caption_belongs_to_one_picture(code):
    shown = {cell.id: [o for o in cell.outputs if o.output_type in ("display_data", "execute_result")] for cell in code}
    captioned = [cell for cell in code if "figure" in cell.metadata.get("mystnb", {})]
    assert [cell.source[:60] for cell in captioned if len(shown[cell.id]) > 1] == []  # each would get the caption


def test_box_at_the_top_says_what_a_reader_will_do_and_learn(path):
    assert promises((ROOT / path).with_suffix(".md").read_text(encoding="utf-8")).keys() >= {"do", "learn"}


def test_last_cell_reports_the_run(path, code):
    assert code[-1].source.rstrip(";") == "claims.report()"
    assert "timing" in tags(code[-1])
    (run,) = records(ROOT / path, RUN)
    chapter, peak = path.with_suffix("").as_posix(), run["peak_memory_gib"] or 0  # None: executed on Windows
    assert (peak > MEMORY) == (chapter in OVER_MEMORY)
    assert peak <= 2
    assert run["seconds"] <= BUDGET


def test_outputs_name_no_folder_of_a_machine(code):
    outputs = [
        {**output, "data": {**output.get("data", {}), "image/png": ""}} for cell in code for output in cell.outputs
    ]
    assert re.findall(r"/(?:home|root|tmp|Users|work)/[\w./-]*", str(outputs)) == []


def test_claims_are_made_once_and_reported():
    claims, problems = gather(ROOT)
    assert problems == []
    assert all({"name", "value", "met", "versions", "device", "seconds", "date"} <= claim.keys() for claim in claims)


@pytest.mark.parametrize("path", [name for name in NOTEBOOKS if name.with_suffix("").as_posix() in REQUIRED], ids=str)
def test_chapter_makes_its_claims_within_bounds(path):
    chapter = path.with_suffix("").as_posix()
    made = {claim["name"]: claim for claim in gather(ROOT)[0] if claim["chapter"] == chapter}
    assert REQUIRED[chapter].keys() <= made.keys()
    for name, bounds in REQUIRED[chapter].items():
        assert made[name]["value"] <= bounds.get("at_most", float("inf")), name
        assert made[name]["value"] >= bounds.get("at_least", float("-inf")), name


def test_the_landing_page_shows_the_chapters_own_figure():
    assert (pictures.ASSETS / "recipes.png").read_bytes() == pictures.first_figure(
        pictures.CHAPTER.with_suffix(".ipynb")
    )
