"""Where the curves are that comparisons of the book rest on, and runs of another length, for `tools.comparisons`.

A curve is length of training → what is compared, and not another measure: an array of all seeds, or their mean where
that alone is stored. The results hold curves on validation data; of methods on mixtures, where the truth is known, on
samples.
"""

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from helpers import results


class Rivals(NamedTuple):
    """Where the curves, or the ends, of both rivals of a comparison are: each is read from a result by a function."""

    ours: Callable
    theirs: Callable
    falls: bool = False  # whether the learning rate of one of them fell
    ratio: bool = True  # whether the claim is a ratio, as for `helpers.claims.compare`
    paired: bool = False  # whether it is made seed by seed, as there


@functools.cache
def stored(name):
    """Return a result, read once."""
    return results.read(name)


def by_length(curves, lengths=None):
    """Return the curve of some runs, one a seed; a run that stopped early keeps its last value."""
    most = max(map(len, curves))
    padded = [[*curve, *[curve[-1]] * (most - len(curve))] for curve in curves]
    lengths = range(1, most + 1) if lengths is None else lengths
    return dict(zip(map(float, lengths), np.transpose(padded), strict=True))


def runs(name, *path, part="runs", at=None, shares=False, **key):
    """Return a reader of the curve of the runs that have these values.

    Parameters
    ----------
    name : str
        Of the result.
    *path : str
        Leads to the curve in a run.
    part : str, default="runs"
        Of the result, where the runs are.
    at : str, optional
        Where a run has the lengths of the curve's points; by default they are 1, 2, 3 ...
    shares : bool, default=False
        Whether lengths are shares of the training, for rivals that were trained for different lengths.
    **key
        What the runs must have.
    """

    def read():
        """Read it."""
        found = [run for run in stored(name)[part] if key.items() <= run.items()]
        curves = [functools.reduce(lambda value, step: value[step], path, run) for run in found]
        lengths = found[0][at] if at else range(1, max(map(len, curves)) + 1)
        return by_length(curves, [length / max(lengths) for length in lengths] if shares else lengths)

    return read


def ablation(row):
    """Return a reader of a row of the ablation: FDD on validation digits by epoch, at the row's best rate."""

    def read():
        """Read it."""
        found = stored("gan_ablation")["rows"][row]
        best = [run["curve"] for run in found["runs"] if run["rate"] == found["best_rate"] and run["seed"] < 100]
        return by_length([list(curve.values()) for curve in best], map(float, best[0]))

    return read


def mixture(kind, measure, falling=True, averaged=False, name=None):
    """Return a reader of a kind's curve on the grid of 25 modes, by tenths of the training; its means are stored."""

    def read():
        """Read it."""
        names = [name] if name else ["mixture_remedies", "fair_mixtures"]
        key = {"kind": kind, "falling": falling, "mixture": "grid"}
        found = next(curve for each in names for curve in stored(each)["curves"] if key.items() <= curve.items())
        return by_length([found[f"{'averaged' if averaged else 'last'}_{measure}"]])

    return read


def connection(model):
    """Return a reader of the FDD of a model's samples on validation digits, by sixths of its minute."""

    def read():
        """Read it."""
        found = [run["curve"] for run in stored("connections")["runs"] if run["model"] == model]
        return by_length([[point["validation_fdd"] for point in curve] for curve in found])

    return read


def folder(data, count, kind="convolutional", changes=False):
    """Return a reader of the least validation error so far, by checks.

    A run that stopped because its error fell no further keeps it to the last check; PCA needs no training.
    """

    def read():
        """Read it."""
        key, recipe = {"data": data, "count": count, "kind": kind, "changes": changes}, stored("own_sizes")["recipe"]
        found = [run for run in stored("own_sizes")["runs"] if key.items() <= run.items()]
        curves = [np.minimum.accumulate(run.get("curve", [run["validation"]])) for run in found]
        checks = recipe["steps"][data] // recipe["check"]
        return by_length([[*curve, *[curve[-1]] * (checks - len(curve))] for curve in curves])

    return read


# --- Readers of runs of another length ------------------------------------------------------------------------------


def probe(kind, labels=1_000, setting=None):
    """Return a reader of a linear probe's accuracy in the tuning: one seed, two draws of labels, validation digits."""

    def read():
        """Read it."""
        result = stored("variants")
        if kind in result["baselines"]:
            return result["baselines"][kind]["probe"][str(labels)]["accuracy"]
        (found,) = [run for run in result["kinds"][kind] if (run["setting"] == setting if setting else run["best"])]
        return found["probe"][str(labels)]["accuracy"]

    return read


def labelled(count, way):
    """Return a reader of the best validation accuracy of a way in the tuning with few labels: three seeds."""
    return lambda: max(row[-1] for row in stored("supervised_long")["few"]["tuning"] if row[:2] == [count, way])


def decoder(kind, codes=None):
    """Return a reader of the FDD of decoded codes in the tuning: one seed; without `codes`, of the best mixture."""

    def read():
        """Read it."""
        found = stored("code_distributions")["tuning"]["sampled"][kind]
        return found[codes] if codes else min(found[count] for count in found if count.isdigit())

    return read


def separate(part, *path, **key):
    """Return a reader of the values of all seeds in runs of another length, from the result `lengths`."""

    def read():
        """Read them."""
        if not (found := [run for run in stored("lengths")[part] if key.items() <= run.items()]):
            raise LookupError(f"{part}: got {key}, expected what some of its runs have.")
        return np.ravel([functools.reduce(lambda value, step: value[step], path, run) for run in found])

    return read


def halved_variant(kind, measure, labels=1_000):
    """Return a reader of the values of all seeds of a network of `variants`, trained for half of its epochs."""

    def read():
        """Read them."""
        parts = (stored("lengths")[part] for part in ("variants", "wide_variants", "sigmoid_variants"))
        (found,) = [run for part in parts for run in part if run["kind"] == kind]
        if measure == "probe":
            return np.array(found["accuracies"][str(labels)])
        return np.array([seed[measure] for seed in found["seeds"]])

    return read


def untrained(kind):
    """Return a reader of the accuracies of a linear probe on a code that needs no training."""
    return lambda: np.array(stored("variants")["baselines"][kind]["accuracies"]["1000"])


def whole(model, *path):
    """Return the mean of a measure of `connections`, whose two best models by it are compared."""
    found = [run for run in stored("connections")["runs"] if run["model"] == model]
    return np.mean([functools.reduce(lambda value, step: value[step], path, run) for run in found])


# --- The comparisons --------------------------------------------------------------------------------------------------


def of_ablation():
    """Return the comparisons of the ablation, at a constant rate with averaged weights."""
    left_out = {
        "no-penalty": "R1 and R2",
        "usual-betas": "Adam's betas",
        "large-d": "small D and batch",
        "no-normalisation": "layer normalisation",
        "100-latents": "16 latents",
        "no-pairing": "relativistic pairing",
    }
    alone = dict(
        zip(("penalty", "betas", "small-d", "normalisation", "16-latents", "pairing"), left_out.values(), strict=True)
    )
    recipe, source = ablation("recipe"), ablation("source")
    found = {f"ablation-{n}-fdd-over-recipe": Rivals(ablation(f"without {row}"), recipe) for n, row in left_out.items()}
    found |= {f"ablation-only-{n}-fdd-over-source": Rivals(ablation(f"only {row}"), source) for n, row in alone.items()}
    return found | {"leaky-relu-fdd-over-relu": Rivals(ablation("with leaky ReLU"), recipe)}


def of_mixtures():
    """Return the comparisons of methods on the grid of 25 modes."""
    pair, critic, plain, deviation = (
        "RpGAN + R1 + R2",
        "WGAN-GP, factor 0.1",
        "non-saturating",
        "minibatch standard deviation",
    )

    def gained(measure, ours, theirs, constant=False):
        """Compare two kinds: the averaged generators at a constant rate, or the last ones at a falling rate."""
        course = dict(falling=not constant, averaged=constant)
        return Rivals(mixture(ours, measure, **course), mixture(theirs, measure, **course), not constant, ratio=False)

    untuned = mixture(critic, "high_quality", falling=False, averaged=True, name="fair_mixtures")
    falling, staying = (mixture("packing", "high_quality", falling=falls) for falls in (True, False))
    found = {
        "r1-modes-gained": gained("modes", "R1", plain),
        "packing-modes-gained": gained("modes", "packing", plain),
        "packing-over-points-modes": gained("modes", "packing", f"{plain}, 256 points"),
        "matching-modes-gained": gained("modes", "feature matching", plain),
        "deviation-modes-gained": gained("modes", deviation, plain),
        "deviation-128-over-4-modes": gained("modes", f"{deviation}, 128 points", deviation),
        "wgan-gp-quality-over-pair": gained("high_quality", critic, pair),
        "wgan-gp-falling-quality-gained": Rivals(mixture(critic, "high_quality"), untuned, falls=True, ratio=False),
        "packing-falling-quality-gained": Rivals(falling, staying, falls=True, ratio=False),
        "critic-steps-quality-lost": gained("high_quality", critic, "WGAN-GP, five critic steps"),
        "critic-all-steps-quality-gained": gained("high_quality", "WGAN-GP, five times the steps", critic),
        "matching-quality-lost": gained("high_quality", plain, "feature matching", constant=True),
        "fourier-constant-quality-gained": gained("high_quality", "Fourier features", pair, constant=True),
    }
    for kind, label in ((plain, "plain"), ("R1", "r1"), (pair, "pair")):
        found[f"bits-{label}-quality-gained"] = gained("high_quality", f"{kind}, bits", kind)
    return {f"stability-{name}": rivals for name, rivals in found.items()}


def of_connections():
    """Return the comparisons of samples after a minute, at a falling rate."""
    return {name: Rivals(*map(connection, pair), falls=True) for name, pair in sampled().items()}


def sampled():
    """Return the pairs of models whose samples are compared, the one further from real digits first."""
    ranks = ("gan", "adversarial", "vae_gan", "autoencoder"), ("adversarial", "variational", "autoencoder")
    pairs = {"connections-random-codes-over-gan": ("autoencoder", "gan")}
    return pairs | {named("sampled", *pair): pair for rank in ranks for pair in reversed_pairs(rank)}


def named(what, further, nearer):
    """Return the name of a comparison of `connections`."""
    return f"connections-{what}-{further}-over-{nearer}".replace("_", "-")


def reversed_pairs(rank):
    """Return each model of a rank before the one that precedes it."""
    return [(further, nearer) for nearer, further in pairwise(rank)]


def of_folders():
    """Return the comparisons on a reader's folders, at a constant rate with averaged weights, stopped by validation."""
    copies, linear = {"changes": True}, {"kind": "pca", "changes": True}
    found = {}
    for name, data, count, ours, theirs in (
        ("digits-100-over-pca", "digits", 100, copies, linear),
        ("digits-100-changed-over-plain", "digits", 100, copies, {}),
        ("digits-100-plain-over-pca", "digits", 100, {}, linear),
        ("digits-10000-over-pca", "digits", 10_000, {}, linear),
        ("digits-10000-changed-over-plain", "digits", 10_000, copies, {}),
        ("emoji-50-over-pca", "emoji", 50, copies, linear),
        ("emoji-1500-over-pca", "emoji", 1_500, {}, linear),
        ("emoji-1500-over-bare-pca", "emoji", 1_500, {}, {"kind": "pca"}),
        ("emoji-dense-1500-over-pca", "emoji", 1_500, {"kind": "dense"}, linear),
        ("emoji-50-copies-over-none", "emoji", 50, linear, {"kind": "pca"}),
        ("emoji-1500-copies-over-none", "emoji", 1_500, linear, {"kind": "pca"}),
    ):
        found[f"own-sizes-{name}"] = Rivals(folder(data, count, **ours), folder(data, count, **theirs))
    return found


def of_colour():
    """Return the comparisons of the chapters on colour."""
    found = {}
    for name, form, what in (
        ("restart-over-loss-sse", "restart", "sse"),
        ("restart-over-loss-used", "restart", "used"),
        ("unit-over-loss-sse", "unit", "sse"),
    ):
        readers = (runs("discrete_codes", "validation", what, form=each) for each in (form, "loss"))
        found[f"codes-{name}"] = Rivals(*readers, falls=True)
    for name, result, key in (
        ("few-short", "few_pictures", {}),
        ("few-pictures", "few_pictures_tuned", {"kind": "final"}),
    ):
        forms = ("differentiable", "plain")
        readers = (runs(result, "curves", "kid", at="epochs", form=form, **key) for form in forms)
        found[f"{name}-kid-augmented-over-plain"] = Rivals(*readers)
    for name, form in (("plain", "plain"), ("augmented", "differentiable")):
        kid = functools.partial(runs, at="epochs", shares=True, form=form)
        readers = kid("few_pictures_tuned", "curves", "kid", kind="final"), kid("few_pictures", "curves", "kid")
        found[f"few-tuned-over-short-kid-{name}"] = Rivals(*readers, paired=True)
    path, way = ("curves", "validation_l1"), {"way": "to_twemoji", "share": 1}
    both, alone = (runs("translation", *path, form=form, **way) for form in ("both", "L1 alone"))
    half = runs("translation", *path, form="both", **way | {"share": 0.5})
    found["translation-both-l1-over-l1-alone"] = Rivals(both, alone, falls=True)
    found["translation-half-l1-over-all"] = Rivals(half, both, falls=True)
    cycle = runs("cycle", *path, shares=True)
    half = runs("translation", *path, shares=True, form="both", **way | {"share": 0.5})
    return found | {"cycle-l1-over-pix2pix-half": Rivals(cycle, half, falls=True)}


def at_equal_time():
    """Return the curve of the convolutional pair of `dcgan`, by passes of the dense one in the same time.

    The page rounds the passes up, in its favour.
    """
    curves, cost = [run["curve"] for run in stored("dcgan")["runs"]], stored("dcgan")["seconds_a_step"]
    passes = [int(np.ceil(each * cost["dense"] / cost["convolutional"])) for each in range(1, 9)]
    return by_length([[curve[each - 1] for each in passes] for curve in curves])


def of_digits():
    """Return the comparisons of other chapters."""
    form = functools.partial(runs, "conditional_forms", "validation")
    projection, concatenation = (form("fdd", form=each) for each in ("projection", "concatenation"))
    normalisation, other = (form("accuracy", form=each) for each in ("normalisation", "projection"))
    wide, narrow = runs("dcgan", "curve"), runs("dcgan", "curve", part="narrow", at="at")
    plain, hardened = (runs("robustness", "curve", "clean", kind=kind) for kind in ("plain", "adversarial"))
    return {
        "conditional-projection-over-concatenation-fdd": Rivals(projection, concatenation, falls=True),
        "conditional-normalisation-minus-projection-accuracy": Rivals(normalisation, other, falls=True, ratio=False),
        "dcgan-fdd-over-narrow-dense": Rivals(wide, narrow),
        "dcgan-equal-time-fdd-over-dense": Rivals(
            at_equal_time, runs("gan_recipes", "validation_curve", recipe="improved")
        ),
        "trust-clean-price": Rivals(plain, hardened, falls=True, ratio=False),
    }


def of_tuning():
    """Return the comparisons whose rivals were tuned with runs of at most half of the length."""
    decoders = {
        "plain-decoder-ten-components-fdd-over-vae": Rivals(decoder("plain", "10"), decoder("vae", "normal")),
        "vae-random-codes-fdd-over-prior": Rivals(decoder("plain", "normal"), decoder("vae", "normal")),
        "vae-mixture-fdd-over-prior": Rivals(decoder("vae"), decoder("vae", "normal")),
    }
    l1, contractive, few = "sparse, L1", "contractive", 100
    probes = {
        "l1-over-top-50-probe": (probe(l1), probe("sparse, top-k", setting=50)),
        "l1-over-top-25-probe": (probe(l1), probe("sparse, top-k", setting=25)),
        "strong-l1-over-top-25-probe": (probe(l1, setting=1.0), probe("sparse, top-k", setting=25)),
        "wide-over-random-probe": (probe("wide"), probe("random, 800")),
        "l1-over-wide-probe": (probe(l1), probe("wide")),
        "denoising-over-wide-probe": (probe("denoising"), probe("wide")),
        "top-k-over-wide-probe": (probe("sparse, top-k"), probe("wide")),
        "kl-over-sigmoid-probe": (probe("sparse, KL"), probe("sigmoid")),
        "contractive-over-sigmoid-probe": (probe(contractive), probe("sigmoid")),
        "l1-over-contractive-probe-1000": (probe(l1), probe(contractive)),
        "contractive-over-l1-probe-100": (probe(contractive, few), probe(l1, few)),
        "two-layers-8-over-contractive-probe-100": (probe("two layers, 8", few), probe(contractive, few)),
        "two-layers-8-over-pixels-probe": (probe("two layers, 8"), probe("raw pixels")),
        "one-layer-over-pixels-probe": (probe("one layer"), probe("raw pixels")),
    }
    for count in (few, 1_000):
        ways = {way: labelled(count, way) for way in ("classifier", "labelled", "unlabelled")}
        probes |= {
            f"supervised-autoencoder-gain-{count}-labels": (ways["unlabelled"], ways["classifier"]),
            f"supervised-labelled-gain-{count}": (ways["labelled"], ways["classifier"]),
            f"supervised-unlabelled-over-labelled-{count}": (ways["unlabelled"], ways["labelled"]),
        }
    return decoders | {name: Rivals(*pair, ratio=False) for name, pair in probes.items()}


def of_halves():
    """Return the comparisons of which separate runs of half the length exist."""
    model = lambda name, *path: separate("connections", *path, model=name)  # noqa: E731
    distances = {name: [model(each, "samples", "fdd") for each in pair] for name, pair in sampled().items()}
    for pair in reversed_pairs(("autoencoder", "vae_gan", "adversarial", "variational")):
        distances[named("redrawn", *pair)] = [model(each, "reconstruction_fdd") for each in pair]
    distances["connections-price-of-normal-codes"] = [model(n, "squared_error") for n in ("adversarial", "autoencoder")]
    encoding = ("autoencoder", "variational", "adversarial", "vae_gan")
    measures = {name: (("samples", name), (*encoding, "gan")) for name in ("precision", "density", "coverage")}
    measures |= {name: ((name,), encoding) for name in ("squared_error", "probe_accuracy")}
    for name, (path, models) in measures.items():
        best = sorted(models, key=lambda each: whole(each, *path), reverse=name != "squared_error")[:2]
        distances[f"connections-best-{name.replace('_', '-')}-over-next"] = [model(each, *path) for each in best]
    ratios = {name: Rivals(*pair) for name, pair in distances.items()}
    groups = of_halved_codes, of_halved_variants, of_halved_labels, of_halved_codebooks
    groups += of_halved_digits, of_halved_styles, of_halved_emoji
    return {name: rivals for found in (ratios, *(group() for group in groups)) for name, rivals in found.items()}


def of_halved_codes():
    """Return those of the distributions of codes."""
    kind = lambda name, *path: separate("code_distributions", *path, kind=name)  # noqa: E731
    found, prior = {}, kind("vae", "fdd", "normal")
    for name, codes in (("vae-random-codes", "normal"), ("vae-fitted-codes", "1")):
        found[f"{name}-fdd-over-prior"] = Rivals(kind("plain", "fdd", codes), prior)
    components = str(stored("code_distributions")["components"]["vae"])
    found["vae-mixture-fdd-over-prior"] = Rivals(kind("vae", "fdd", components), prior)
    errors = (kind(each, "squared_error") for each in ("plain", "vae"))
    found["plain-decoder-ten-components-fdd-over-vae"] = Rivals(kind("plain", "fdd", "10"), prior)
    found["vae-plain-over-variational-sse"] = Rivals(*errors)
    for more, less in (("1", "quarter"), ("4", "1"), ("16", "4")):
        pair = (kind(NAMES_OF_WEIGHTS[weight], "used") for weight in (more, less))
        found[f"vae-used-at-{more}-minus-at-{less}"] = Rivals(*pair, ratio=False)
    for other in ("quarter", "4"):
        found[f"vae-nats-at-1-over-{other}"] = Rivals(total(kind, "1"), total(kind, other))
    return found


def of_halved_variants():
    """Return those of the networks of `variants`; the probes are compared draw by draw of the labels."""
    moved = {
        "tied-over-untied": ("tied", "one layer"),
        "strong-l1-over-top-25": ("strong L1", "top-25"),
        "denoising-over-wide": ("denoising", "wide"),
        "contractive-over-sigmoid": ("contractive", "sigmoid"),
        "contractive-over-denoising": ("contractive", "denoising"),
    }
    found = {f"{name}-moved": Rivals(*(halved_variant(kind, "moved") for kind in pair)) for name, pair in moved.items()}
    psnr = (halved_variant(kind, "psnr") for kind in ("denoising", "contractive"))
    found["denoising-over-contractive-psnr"] = Rivals(*psnr, ratio=False)
    probes = {
        "l1-over-top-50-probe": ("sparse, L1", "top-50"),
        "l1-over-top-25-probe": ("sparse, L1", "top-25"),
        "strong-l1-over-top-25-probe": ("strong L1", "top-25"),
        "l1-over-wide-probe": ("sparse, L1", "wide"),
        "denoising-over-wide-probe": ("denoising", "wide"),
        "top-k-over-wide-probe": ("top-25", "wide"),
        "kl-over-sigmoid-probe": ("sparse, KL", "sigmoid"),
        "contractive-over-sigmoid-probe": ("contractive", "sigmoid"),
        "l1-over-contractive-probe-1000": ("sparse, L1", "contractive"),
        "contractive-over-l1-probe-100": ("contractive", "sparse, L1"),
        "two-layers-8-over-contractive-probe-100": ("two layers, 8", "contractive"),
    }
    for name, pair in probes.items():
        readers = [halved_variant(kind, "probe", 100 if name.endswith("-100") else 1_000) for kind in pair]
        found[name] = Rivals(*readers, ratio=False, paired=True)
    for name, kind, other in (
        ("two-layers-8-over-pixels-probe", "two layers, 8", "raw pixels"),
        ("one-layer-over-pixels-probe", "one layer", "raw pixels"),
        ("wide-over-random-probe", "wide", "random, 800"),
    ):
        found[name] = Rivals(halved_variant(kind, "probe"), untrained(other), ratio=False, paired=True)
    return found


def of_longer_mixtures():
    """Return the comparisons on the grid of 25 modes of which runs of twice the length exist, in the claims' units."""
    pair, critic, plain, matching = "RpGAN + R1 + R2", "WGAN-GP, factor 0.1", "non-saturating", "feature matching"
    five, all_steps, group = (
        "WGAN-GP, five critic steps",
        "WGAN-GP, five times the steps",
        "minibatch standard deviation",
    )
    falling = {
        "r1-modes-gained": ("modes", "R1", plain),
        "packing-modes-gained": ("modes", "packing", plain),
        "packing-over-points-modes": ("modes", "packing", f"{plain}, 256 points"),
        "matching-modes-gained": ("modes", matching, plain),
        "matching-unevenness-over-r1": ("reverse_kl", matching, "R1"),
        "deviation-modes-gained": ("modes", group, plain),
        "deviation-128-over-4-modes": ("modes", f"{group}, 128 points", group),
        "wgan-gp-quality-over-pair": ("high_quality", critic, pair),
        "critic-steps-quality-lost": ("high_quality", critic, five),
        "critic-all-steps-quality-gained": ("high_quality", all_steps, critic),
        "critic-all-steps-score-gained": ("score", all_steps, critic),
        "bits-penalty-score-gained": ("score", f"{pair}, bits", f"{plain}, bits"),
    }
    for kind, label in ((plain, "plain"), ("R1", "r1"), (pair, "pair")):
        for measure, short in (("high_quality", "quality"), ("score", "score")):
            falling[f"bits-{label}-{short}-gained"] = (measure, f"{kind}, bits", kind)
    constant = {
        "matching-quality-lost": ("averaged_high_quality", plain, matching),
        "fourier-constant-quality-gained": ("averaged_high_quality", "Fourier features", pair),
        "bits-pair-constant-score-gained": ("score", f"{pair}, bits", pair),
    }

    def find(measure, kind, course="falling"):
        """Return a reader of all seeds; shares are in per cent."""
        reader = separate(f"{course}_twice", measure, kind=kind)
        return (lambda: 100 * reader()) if measure.endswith("quality") else reader

    courses = {"falling": falling, "constant": constant}
    found = {
        name: [find(measure, kind, course) for kind in kinds]
        for course, rows in courses.items()
        for name, (measure, *kinds) in rows.items()
    }
    for measure, short in (("high_quality", "quality"), ("score", "score")):
        found[f"packing-falling-{short}-gained"] = [find(measure, "packing", course) for course in courses]
    untuned = find("averaged_high_quality", critic, "constant")
    found["wgan-gp-falling-quality-gained"] = [find("high_quality", critic), untuned]
    found |= of_ten_seeds(find)
    return {f"stability-{name}": Rivals(*readers, ratio=False) for name, readers in found.items()}


def of_ten_seeds(find):
    """Return those of longer runs of a tuned kind, which `find` reads, and of one of the ten-seed tables."""
    ten = functools.partial(find, course="ten_seeds")
    critic, pair = "WGAN-GP, factor 0.1", "RpGAN + R1 + R2"
    found = {
        "wgan-gp-modes-gained": [find("averaged_modes", critic, "constant"), ten("averaged_modes", "WGAN-GP")],
        "spectral-falling-score-gained": [find("score", "spectral"), ten("score", "spectral")],
        "fourier-quality-gained": [ten("high_quality", "schedules, Fourier"), find("high_quality", "fading penalty")],
    }
    for kind, label in (("R1", "r1"), (pair, "pair")):
        tuned = find("averaged_high_quality", f"{kind}, bits", "constant")
        found[f"bits-{label}-tuned-quality-gained"] = [tuned, ten("averaged_high_quality", kind)]
    return found


def of_halved_labels():
    """Return those of classifiers and supervised autoencoders with few labels, seed by seed, in per cent."""
    way = lambda name, strength="selected": separate("few_labels", strength, way=name)  # noqa: E731
    masks = way("100 classifier"), way("100 classifier", "first")
    found = {"supervised-100-labels-mask-over-none": masks}
    for count in ("100", "1000"):
        classifier, labelled, unlabelled = (way(f"{count} {name}") for name in ("classifier", "labelled", "unlabelled"))
        found[f"supervised-autoencoder-gain-{count}-labels"] = unlabelled, classifier
        found[f"supervised-labelled-gain-{count}"] = labelled, classifier
        found[f"supervised-unlabelled-over-labelled-{count}"] = unlabelled, labelled
    for name in ("labelled", "unlabelled"):
        found[f"supervised-plain-{name}-tuned"] = way(f"plain {name}"), way("plain classifier")
    return {name: Rivals(*pair, ratio=False, paired=True) for name, pair in found.items()}


def of_halved_codebooks():
    """Return those of codebooks and of widths."""
    form = lambda name, what: separate("discrete_codes", what, form=name)  # noqa: E731
    with_prior = stored("discrete_codes")["priors"][0]["form"]
    prior, before, others = (form(with_prior, what) for what in ("prior", "bits", "other_labels"))
    pairs = {
        "restart-over-loss-sse": [form(name, "sse") for name in ("restart", "loss")],
        "restart-over-loss-used": [form(name, "used") for name in ("restart", "loss")],
        "unit-over-loss-sse": [form(name, "sse") for name in ("unit", "loss")],
        "restart-over-loss-bits": [form(name, "bits") for name in ("restart", "loss")],
        "prior-over-token-before": [prior, before],
    }
    found = {f"codes-{name}": Rivals(*pair, paired=True) for name, pair in pairs.items()}
    found["codes-other-labels-bits"] = Rivals(others, prior, ratio=False, paired=True)
    narrow, wide, widest = (separate("widths", "validation", width=width) for width in (64, 256, 512))
    found["your-own-data-widest-over-next"] = Rivals(widest, wide)
    return found | {"your-own-data-widest-over-narrowest": Rivals(widest, narrow)}


def of_halved_digits():
    """Return those of GANs on digits, of private generators and of classifiers under attack."""
    source, last, averaged = (separate("recipes", "fdd", recipe=name) for name in RECIPES)
    improved = runs("gan_recipes", "validation_curve", recipe="improved")
    noise = (separate("private", "fdd", epsilon=epsilon) for epsilon in (0.1, None))
    of_d = {run["features"]: np.array(run["accuracies"]) for run in stored("dcgan_features")["runs"]}
    features = separate("dcgan_features", "accuracies"), lambda: of_d["untrained discriminator"]
    clean = (separate("robustness", "clean", kind=kind) for kind in ("plain", "adversarial"))
    return {
        "source-recipe-fdd-over-improved": Rivals(source, lambda: improved()[4.0]),  # its rate is constant
        "last-weights-fdd-over-averaged": Rivals(last, averaged, paired=True),
        "private-generator-fdd-epsilon-0.1-over-no-noise": Rivals(*noise, paired=True),
        "dcgan-features-gain-by-training": Rivals(*features, ratio=False, paired=True),
        "trust-clean-price": Rivals(*clean, ratio=False, paired=True),
    }


def of_halved_styles():
    """Return those of conditional and of style-based GANs."""
    gan, styles = functools.partial(separate, "conditional_gan"), functools.partial(separate, "style")
    found = {
        f"conditional-half-style-{what}-over-whole": Rivals(
            *(gan(f"{what}_{factor}", activation="relu") for factor in (0.5, 1)), paired=True
        )
        for what in ("fdd", "spread")
    }
    pair = (gan("fdd_1", activation=name) for name in ("relu", "leaky_relu"))
    found["conditional-relu-over-leaky-relu-fdd"] = Rivals(*pair)
    found["style-path-length-z-over-dense"] = Rivals(styles("path_z"), styles("path_dense"))
    return found | {"style-half-recall-over-whole": Rivals(styles("recall_0.5"), styles("recall_1"), paired=True)}


def of_halved_emoji():
    """Return those of emoji that are redrawn in another style."""
    form = functools.partial(separate, "translation")
    found = {
        f"translation-both-{what}-over-l1-alone": Rivals(
            form(what, form="both", share=1), form(what, form="L1 alone", share=1)
        )
        for what in ("l1", "sharpness")
    }
    half = form("l1", form="both", share=0.5)
    found["translation-half-l1-over-all"] = Rivals(half, form("l1", form="both", share=1))
    return found | {"cycle-l1-over-pix2pix-half": Rivals(form("l1", form="cycle"), half)}


RECIPES = ("source", "ablation, last", "ablation, averaged")


def of_twice():
    """Return those of other models of which runs of twice the length exist."""
    form = lambda name, what: separate("conditional_forms", what, form=name)  # noqa: E731
    distances = (form(name, "fdd") for name in ("projection", "concatenation"))
    right = (form(name, "accuracy") for name in ("normalisation", "projection"))
    size = lambda which, name="autoencoder": separate("size_study", "validation", which=which, model=name)  # noqa: E731
    choices = [mean_of([size(f"{sampler} {repeat}") for repeat in range(5)]) for sampler in ("tpe", "random")]
    return {
        "conditional-projection-over-concatenation-fdd": Rivals(*distances),
        "conditional-normalisation-minus-projection-accuracy": Rivals(*right, ratio=False),
        "size-study-over-random": Rivals(*choices, paired=True),
        "size-study-same-size-over-default": Rivals(size("same_size"), size("default")),
        "size-study-transplanted-over-default": Rivals(size("transplanted"), size("default")),
        "size-gan-transplanted-over-default": Rivals(size("transplanted", "gan"), size("default", "gan")),
    }


def mean_of(readers):
    """Return a reader of the means of what some readers find."""
    return lambda: np.array([np.mean(read()) for read in readers])


NAMES_OF_WEIGHTS = {"quarter": "beta-0.25", "1": "vae", "4": "beta-4", "16": "beta-16"}


def total(kind, weight):
    """Return a reader of the negative bound in nats: the divergence of the codes, and the images' cross-entropy."""
    name = NAMES_OF_WEIGHTS[weight]
    nats, likelihood = kind(name, "nats_of_code"), kind(name, "log_likelihood")
    return lambda: nats() - likelihood()


TUNED, HALVES, TWICE = of_tuning(), of_halves(), of_longer_mixtures() | of_twice()
GROUPS = (of_ablation, of_mixtures, of_connections, of_folders, of_colour, of_digits)
RIVALS = {name: rivals for group in GROUPS for name, rivals in group().items()}
