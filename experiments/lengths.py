"""Make the runs behind stored comparisons again, half or twice as long, all else being equal.

python -m experiments.lengths                      makes what is missing of all parts, and writes the result
python -m experiments.lengths connections          one part only
python -m experiments.lengths connections --runs 1 stops after so many new runs; the same command goes on from there

A learning rate that falls is spread over the new length, so that each is a whole run of that length and not a piece
of the longer one. Settings are those that the other experiments chose, and so are the seeds. Every run is measured
once, as there.

- `connections`: all five models for half of the steps that their minute held: half of the time on that machine.
- `code_distributions`: all five kinds for half of the epochs.
- `variants`: the networks of 32 or 8 units for half of the epochs whose run was measured; `wide_variants` and
  `sigmoid_variants`: those of 800.
- `falling`, `constant`: methods on the grid of 25 modes for half of the steps, at the one course of the rate or the
  other, each with the strength and the rate that were chosen for the whole length; `falling_twice`, `constant_twice`:
  the same for twice the steps.
- `few_labels`: classifiers and supervised autoencoders with 100 and with 1,000 labels, and the plain form with 100 at
  its chosen weights, for half of the steps; the last fifth of 100 labels chooses the strength anew.
- `discrete_codes`: three codebooks for half of the epochs, and a prior over the tokens of the one that has a prior.
- `ten_seeds_twice`: kinds of `mixtures` on the grid for twice the steps.
- `widths`: autoencoders of three widths for two epochs in place of five, measured on validation digits as there.
- `recipes`: the recipe of `gan_ablation` for half of its epochs, with and without averaged weights, and the source's
  for three of seven.
- `private`: private generators for half of the steps.
- `translation`: two forms of pix2pix, one of them with half of the pairs too, and CycleGANs, for half of the epochs.
- `conditional_forms`: all three forms for twice the epochs.
- `conditional_gan`: conditional GANs of both activations for half of the epochs, with styles as they are and halved.
- `style`: style-based generators, and dense ones of the improved recipe, for half of the passes.
- `dcgan_features`: the DCGAN's discriminator whose features are read, for half of its passes.
- `robustness`: plain and adversarial training for two epochs of five.
- `size_study`: all settings that are compared for twice the steps that their processor time paid for.

Of the parts from `widths` on, `recipes`, `conditional_forms`, `conditional_gan`, `style`, `robustness` and `size_study`
are measured on validation data.
"""

import argparse
import dataclasses
import functools
import tempfile
from pathlib import Path

import jax
import keras
import numpy as np

from experiments import (
    code_distributions,
    conditional_forms,
    conditional_gan,
    connections,
    cycle,
    dcgan,
    dcgan_features,
    discrete_codes,
    fair_mixtures,
    gan_ablation,
    gan_recipes,
    mixture_remedies,
    mixtures,
    private_generator,
    robustness,
    size_trials,
    sizes,
    style_gan,
    supervised_long,
    translation,
    variants,
)
from experiments.harness import record, training
from helpers import datasets, metrics
from helpers.gans import conditional

NAME = "lengths"
DIGITS = 5  # of the numbers that are stored
# Of the variants: the kinds at their chosen settings, or at others that the page compares.
SMALL = {kind: None for kind in ("one layer", "two layers, 8", "tied")}
WIDE = {"wide": None, "denoising": 0.5, "sparse, L1": 0.1, "strong L1": 1.0, "top-25": 25, "top-50": 50}
SIGMOID = {"sigmoid": None, "contractive": 1.0, "sparse, KL": 1.0}
KIND = {"strong L1": "sparse, L1", "top-25": "sparse, top-k", "top-50": "sparse, top-k"}
# Of the methods on the grid, those that are compared with one another at one course of the rate or at both.
BOTH = ("packing", "WGAN-GP, factor 0.1", "non-saturating", "RpGAN + R1 + R2", "RpGAN + R1 + R2, bits")
BOTH += ("feature matching",)
MIXTURES = {
    "falling": (
        *BOTH,
        "non-saturating, 256 points",
        "WGAN-GP, five critic steps",
        "R1",
        "non-saturating, bits",
        "R1, bits",
        "minibatch standard deviation",
        "minibatch standard deviation, 128 points",
        "WGAN-GP, five times the steps",
        "spectral",
        "fading penalty",
    ),
    "constant": (*BOTH, "Fourier features", "R1, bits"),
}
# Kinds of ten seeds, with bits or without, that tuned ones are compared with.
TEN_SEEDS = (("WGAN-GP", False), ("spectral", False), ("schedules, Fourier", False))
TEN_SEEDS += (("R1", True), ("RpGAN + R1 + R2", True))
UNTUNED = {("WGAN-GP, factor 0.1", False): (0.1, 1e-3)}  # the row that the score did not choose, in place of its choice


# --- connections, for half of the steps ------------------------------------------------------------------------------


class Counted(connections.Timed):
    """A training of as many steps as are asked for, at a rate that falls with the share of them that is made."""

    def train(self, steps):
        """Make all steps; write what was learned into the model."""
        while self.steps < steps:
            factor = np.float32(0.5 + 0.5 * np.cos(np.pi * self.steps / steps))
            for _ in range(10):
                epoch, index = divmod(self.steps, len(self.batches))
                if index == 0:
                    self.batches.set_epoch(epoch)
                self.state, _ = self.step(self.state, factor, self.batches[index])
                self.steps += 1
        jax.block_until_ready(self.state)
        connections.Values(self.model, self.state).assign()


def connect(run, mnist):
    """Train a model of `connections` for half of a stored run's steps; return what the page compares."""
    name, seed = run["model"], run["seed"]
    keras.utils.set_random_seed(seed)
    kind = connections.KINDS[name]
    model = kind.build(seed, **run["settings"])
    steps = round(run["steps"] / 20) * 10
    Counted(model, kind.batches(mnist.train_images, seed), None).train(steps)
    decoder, real = kind.decoder(model), metrics.features(mnist.test_images)
    ways = connections.origins(kind, model, mnist)
    found = {
        way: connections.compare(connections.samples(decoder, *how), mnist.test_images, real)
        for way, how in ways.items()
    }
    if name != "gan":
        found |= connections.measure_encoder(kind, model, decoder, mnist, real)
    return {"model": name, "seed": seed, "steps": steps, **found}


def connection_jobs():
    """Return the jobs of this part, by name."""
    mnist = functools.cache(datasets.load_mnist)
    return {
        f"{run['model']} {run['seed']}": lambda run=run: [connect(run, mnist())]
        for run in record.read("connections")["runs"]
    }


# --- Distributions of codes, for half of the epochs ------------------------------------------------------------------


def distribution_jobs(**changes):
    """Return the jobs of this part, by name: both kinds that are sampled, or the other weights, with one seed."""
    stored = record.read("code_distributions")
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in stored["settings"].items()}
    settings = code_distributions.Settings(**settings | {"epochs": settings["epochs"] // 2} | changes)

    @functools.cache
    def study():
        """Return the study, which keeps no log and stores no images or weights."""
        made = code_distributions.Study(settings)
        made.redraw = made.store = lambda stack: None
        return made

    def slim(run):
        """Return a run without what no page compares; of the latents' divergences the sum."""
        kept = {name: value for name, value in run.items() if name not in ("rate", "curve", "kl", "active")}
        return kept | ({"nats_of_code": float(np.sum(run["kl"]))} if "kl" in run else {})

    def job(kind, seed):
        """Return a job that makes the runs of one stack."""
        return lambda: [slim(run) for run in getattr(study(), kind)(stored["tuning"], seed)]

    return {f"{kind} {seed}": job(kind, seed) for kind in ("pair", "weights") for seed in settings.seeds}


# --- Variants, for half of the epochs --------------------------------------------------------------------------------


def variant_jobs(names, digits=None, shorter=2):
    """Return the jobs of this part, by name: all seeds of one kind at one setting."""
    digits = functools.cache(digits or variants.Digits.load)

    def job(name):
        """Return a job that trains and measures all seeds."""
        choice = variant(name, names[name])
        (group,) = (group for group in variants.GROUPS.values() if choice["kind"] in group.kinds)

        def make():
            """Train and measure them."""
            trainer = variants.Trainer(group, digits())
            settings = choice["kind"], choice["setting"], choice["rate"]
            epochs = choice["epochs"] // shorter
            trainer.run([variants.Copy(*settings, seed) for seed in variants.SEEDS], epochs, name)
            measured, jobs = [], []
            for seed in variants.SEEDS:
                networks = trainer.networks_with(trainer.weights(seed))
                encode, decode = map(variants.coder, networks[:2])
                measured.append(variants.measure(encode, decode, trainer.digits))
                jobs += variants.test_jobs(encode, trainer.digits, seed, choice["probe"])
            found = [variants.probe_accuracy(*one) for one in jobs]
            return [{"kind": name, "epochs": epochs, "seeds": measured, "accuracies": variants.by_labels(found)}]

        return make

    return {name: job(name) for name in names}


def variant(name, setting):
    """Return what is stored of a kind at a setting."""
    stored = record.read("variants")["kinds"][KIND.get(name, name)]
    (found,) = (run for run in stored if run["setting"] == setting or (setting is None and run["best"]))
    return found


# --- Methods on the grid, for half and for twice of the steps ---------------------------------------------------------


def mixture_jobs(course, factor):
    """Return the jobs of this part, by name: all seeds of one kind, for so many times its steps."""
    return {kind: lambda kind=kind: cover(kind, course == "falling", factor) for kind in MIXTURES[course]}


def cover(kind, falling, factor):
    """Train all seeds of a kind on the grid; return what they cover, each measure a list of one number a seed."""
    experiment = mixture_remedies if kind in mixture_remedies.KINDS else fair_mixtures
    program = experiment.Program((kind,), courses=(falling,))
    copies = program.final({(kind, falling): chosen(kind, falling)})
    games = fair_mixtures.Games(program)
    games.train(copies, round(factor * getattr(program.kind, "steps", fair_mixtures.STEPS)), title=kind)
    rows = [measures(found) for found in games.measure(copies)]
    return [{"kind": kind, **{name: [row[name] for row in rows] for name in rows[0]}}]


def measures(found):
    """Return modes and points of high quality of the last and the averaged generator, and the mean of their scores."""
    both = {"": found, "averaged_": found["averaged"]}
    shares = {prefix + name: each[name] for prefix, each in both.items() for name in ("modes", "high_quality")}
    scores = [fair_mixtures.score(each, "grid") for each in both.values()]
    return {**shares, "reverse_kl": found["reverse_kl"], "score": float(np.mean(scores))}


def chosen(kind, falling):
    """Return the strength of the penalty and the rate of a kind's stored runs."""
    stored = [row for name in ("mixture_remedies", "fair_mixtures") for row in record.read(name)["chosen"]]
    found = next(row for row in stored if (row["kind"], row["falling"]) == (kind, falling))
    return UNTUNED.get((kind, falling), (found["strength"], found["rate"]))


def ten_seed_jobs():
    """Return the jobs of this part, by name: five of the ten seeds of one kind."""

    def job(name, bits, seeds):
        """Return a job that trains and measures them for twice the steps."""
        kind = mixtures.kind_of(name, bits)
        kind = dataclasses.replace(kind, steps=2 * kind.steps)

        def make():
            """Train and measure them."""
            rows = [measures(found) for _, found in mixtures.train(kind, "grid", seeds)]
            return [{"kind": name, "bits": bits, **{each: [row[each] for row in rows] for each in rows[0]}}]

        return make

    halves = {"": mixtures.SEEDS[:5], ", the others": mixtures.SEEDS[5:]}
    return {
        f"{name}{', bits' * bits}{which}": job(name, bits, seeds)
        for which, seeds in halves.items()
        for name, bits in TEN_SEEDS
    }


# --- Few labels, for half of the steps -------------------------------------------------------------------------------


def few_label_jobs():
    """Return the jobs of this part, by name: all strengths and seeds of one way to learn."""
    stored, plan = record.read("supervised_long"), supervised_long.Plan()

    def select(labels, way):
        """Return the runs with few labels: settings as tuned, every strength."""
        found, seeds = stored["few"][str(labels)][way], plan.seeds if labels == 100 else plan.all_seeds
        pair = {name: found[name] for name in ("weight_decay", "rate")}
        made = functools.partial(supervised_long.run, "few select", "few", labels, way)
        return [
            made(strength, seed, plan.few_lengths[1] // 2) | pair for strength in found["strengths"] for seed in seeds
        ]

    def plain(way):
        """Return the runs of the plain form, at the chosen weight."""
        part, strength = "plain" if way == "unlabelled" else "plain labelled", stored["plain"][way]["chosen"]
        made = functools.partial(supervised_long.run, "plain", part, 100, way, strength)
        return [made(seed, epochs=plan.plain_lengths[0] // 2) for seed in plan.plain_seeds]

    jobs = {f"{labels} {way}": select(labels, way) for labels in (100, 1_000) for way in supervised_long.WAYS}
    jobs |= {f"plain {way}": plain(way) for way in supervised_long.WAYS}
    return {name: lambda name=name, runs=runs: [learn(name, plan, runs)] for name, runs in jobs.items()}


def learn(name, plan, runs):
    """Train one way to learn; return test accuracies in per cent at the selected and at the first strength, by seed."""
    copies = supervised_long.Copies(runs[0]["part"], plan, 5)
    with tempfile.TemporaryDirectory() as folder:
        made = copies.train(runs, supervised_long.Runs(Path(folder) / "log.jsonl", plan))
    seeds = dict.fromkeys(run["seed"] for run in runs)
    by_seed = [[run for run in made if run["seed"] == seed] for seed in seeds]
    selected = [min(group, key=lambda run: run["held_out_cross_entropy"]) for group in by_seed]
    first = [group[0] for group in by_seed]
    accuracies = {
        key: [100 * run["test_accuracy"] for run in some] for key, some in (("selected", selected), ("first", first))
    }
    return {"way": name, "steps": runs[0]["epochs"] * plan.steps, **accuracies}


# --- Codebooks and their priors, for half of the epochs --------------------------------------------------------------


def codebook_jobs():
    """Return the jobs of this part, by name: one network each, with its prior where there is one."""
    emoji = functools.cache(datasets.load_emoji)
    stored = record.read("discrete_codes")
    runs = [run for run in stored["runs"] if run["form"] in ("loss", "restart", "unit")]
    priors = {(prior["form"], prior["seed"]): prior["settings"] for prior in stored["priors"]}

    def job(form, seed, rate):
        """Return a job that trains and measures one network."""

        def make():
            """Train and measure it."""
            epochs = discrete_codes.RECIPE["epochs"] // 2
            codes, _ = discrete_codes.train_codes(form, rate, seed, epochs, emoji())
            found = {"form": form, "seed": seed, **code_measures(codes, emoji())}
            if settings := priors.get((form, seed)):
                found |= prior_measures(codes, settings | {"epochs": settings["epochs"] // 2}, seed, emoji())
            keras.backend.clear_session()
            jax.clear_caches()
            return [found]

        return make

    return {f"{run['form']} {run['seed']}": job(run["form"], run["seed"], run["rate"]) for run in runs}


def code_measures(codes, emoji):
    """Return squared error, codes in use, and bits by the token before, on the test images."""
    images = [discrete_codes.images_of(part)[0] for part in (emoji.train, emoji.validation, emoji.test)]
    bits = discrete_codes.counted_bits(*(discrete_codes.flat(codes.tokens(part)) for part in images))
    found = codes.measure(images[-1])
    return {"sse": found["sse"], "used": found["used"], "bits": bits["token before"]}


def prior_measures(codes, settings, seed, emoji):
    """Train a prior; return its bits on the test images, with their labels and with other ones."""
    network, _ = discrete_codes.train_prior(codes, settings, seed, emoji)
    images, labels = discrete_codes.images_of(emoji.test)
    others = {"prior": labels, "other_labels": np.random.default_rng(seed).permutation(labels)}
    tokens = discrete_codes.flat(codes.tokens(images))
    return {name: float(discrete_codes.bits(network, tokens, these).mean()) for name, these in others.items()}


# --- Widths, for two epochs of five ----------------------------------------------------------------------------------


def width_jobs():
    """Return the jobs of this part, by name: all seeds of one width."""
    mnist = functools.cache(datasets.load_mnist)
    where = {"code": sizes.CODE, "depth": sizes.DEPTH}
    stored = [run for run in record.read("sizes")["autoencoders"] if where.items() <= run.items()]

    def make(width):
        """Train and measure all seeds."""
        found = []
        for run in (run for run in stored if run["width"] == width):
            how = sizes.recipe(*where.values(), width, run["rate"])
            how = dataclasses.replace(how, epochs=how.epochs // 2)
            measured = sizes.train_autoencoder(how, run["seed"], mnist())
            found.append({"width": width, "seed": run["seed"], "validation": measured["validation"]})
        return found

    narrow, *_, wide, widest = sizes.WIDTHS
    return {str(width): functools.partial(make, width) for width in (narrow, wide, widest)}


# --- GANs on digits --------------------------------------------------------------------------------------------------


def recipe_jobs():
    """Return the jobs of this part, by name: all seeds of one recipe, with their distances from validation digits."""
    mnist = functools.cache(datasets.load_mnist)

    def recipe():
        """Train the recipe of the ablation at its best rate; measure its last and its averaged weights."""
        parts = dataclasses.replace(gan_ablation.RECIPE, epochs=gan_ablation.RECIPE.epochs // 2)
        rate = record.read("gan_ablation")["rows"]["recipe"]["best_rate"]
        keys, judge = [(rate, seed) for seed in gan_ablation.SEEDS], gan_ablation.Judge(mnist())
        made = gan_ablation.train(parts, keys, mnist().train_images, judge, "recipe")
        return [{"recipe": f"ablation, {name}", "fdd": [run[name]["validation"] for run in made]} for name in WEIGHTS]

    def source():
        """Train the source's recipe."""
        real, how = metrics.features(mnist().validation_images), gan_recipes.RECIPES["source"]
        made = [trained(how, seed, how.epochs // 2, mnist()) for seed in gan_recipes.SEEDS["source"]]
        features = (metrics.features(gan_recipes.sample(generator)) for generator in made)
        return [{"recipe": "source", "fdd": [metrics.frechet_distance(each, real) for each in features]}]

    return {"recipe": recipe, "source": source}


WEIGHTS = ("last", "averaged")


def trained(recipe, seed, epochs, mnist):
    """Return the averaged generator of a recipe of `gan_recipes` after so many epochs."""
    gan = recipe.build(seed)
    gan.fit(mnist.train_images, batch_size=recipe.batch_size, epochs=epochs, verbose=0)
    return gan.ema_generator


def private_jobs():
    """Return the jobs of this part, by name: one generator, with its distance from the test digits."""
    mnist, stored = functools.cache(datasets.load_mnist), record.read("private_generator")
    setting = stored["setting"] | {"steps": stored["setting"]["steps"] // 2}

    def job(epsilon, seed):
        """Return a job that trains and measures one generator on a release of all training digits."""

        def make():
            """Train and measure it."""
            images = np.concatenate([mnist().train_images, mnist().validation_images])
            labels = np.concatenate([mnist().train_labels, mnist().validation_labels])
            waves = private_generator.frequencies(setting, np.random.default_rng([seed, 7]))
            sigma, rng = private_generator.sigma_of(epsilon), np.random.default_rng([seed, 8])
            goal = private_generator.released(private_generator.sums(images, labels, waves), sigma, rng)
            generator, _ = private_generator.train(goal, waves, setting, seed)
            features = metrics.features(private_generator.sample(generator))
            distance = metrics.frechet_distance(features, metrics.features(mnist().test_images))
            return [{"epsilon": epsilon, "seed": seed, "fdd": distance}]

        return make

    return {f"{epsilon} {seed}": job(epsilon, seed) for epsilon in (0.1, None) for seed in private_generator.SEEDS}


def form_jobs():
    """Return the jobs of this part, by name: one conditional GAN for twice the epochs."""
    mnist = functools.cache(datasets.load_mnist)
    real = functools.cache(lambda: metrics.features(mnist().validation_images))
    epochs = 2 * conditional_forms.RECIPE["epochs"]

    def job(form, rate, seed):
        """Return a job that trains one and measures it on validation digits."""

        def make():
            """Train and measure it."""
            steps = epochs * (len(mnist().train_images) // conditional_forms.RECIPE["batch_size"])
            gan = conditional_forms.build(form, rate, seed, steps)
            data = mnist().train_images, mnist().train_labels
            gan.fit(*data, batch_size=conditional_forms.RECIPE["batch_size"], epochs=epochs, verbose=0)
            return [{"form": form, "seed": seed, **conditional_forms.measure(gan, real())}]

        return make

    stored = record.read("conditional_forms")["runs"]
    return {f"{run['form']} {run['seed']}": job(run["form"], run["rate"], run["seed"]) for run in stored}


def conditional_jobs():
    """Return the jobs of this part, by name: one conditional GAN for half of the epochs."""
    mnist = functools.cache(datasets.load_mnist)
    epochs, batch_size = conditional_gan.RECIPE["epochs"] // 2, conditional_gan.RECIPE["batch_size"]

    def job(activation, seed):
        """Return a job that trains one and measures it with styles as they are and with halved ones."""

        def make():
            """Train and measure it."""
            steps = epochs * (len(mnist().train_images) // batch_size)
            gan = conditional_gan.build(seed, steps, activation=activation)
            gan.fit(mnist().train_images, mnist().train_labels, batch_size=batch_size, epochs=epochs, verbose=0)
            real, found = metrics.features(mnist().validation_images), {"activation": activation, "seed": seed}
            labels = np.arange(conditional_gan.SAMPLES) % conditional.CLASSES
            latents = conditional.ask(labels, gan.ema_generator.input_shape[-1], conditional_gan.SAMPLE_SEED)
            for factor in (1.0, 0.5):
                scaled = np.concatenate([latents[:, :10], factor * latents[:, 10:]], axis=1)
                digits = conditional.split(gan.ema_generator.predict(scaled, batch_size=1000, verbose=0))[0]
                distance = metrics.frechet_distance(metrics.features(digits), real)
                found |= {f"fdd_{factor:g}": distance, f"spread_{factor:g}": spread(digits, labels)}
            return [found]

        return make

    kinds = ("relu", "leaky_relu")
    return {f"{kind} {seed}": job(kind, seed) for kind in kinds for seed in conditional_gan.SEEDS}


def spread(images, labels):
    """Return the mean squared distance of two images of a class, averaged over the classes."""
    groups = (images[labels == label].reshape(-1, 784) for label in range(conditional.CLASSES))
    return float(np.mean([2 * group.var(axis=0, ddof=1).sum() for group in groups]))


def style_jobs():
    """Return the jobs of this part, by name: one generator with styles, and a dense one of the same seed."""
    mnist = functools.cache(datasets.load_mnist)
    dense = gan_recipes.RECIPES["improved"]

    def job(seed):
        """Return a job that trains and measures both."""

        def make():
            """Train and measure them."""
            gan, epochs = style_gan.build(seed), style_gan.RECIPE["epochs"] // 2
            gan.fit(mnist().train_images, batch_size=style_gan.RECIPE["batch_size"], epochs=epochs, verbose=0)
            digits = style_gan.Digits(gan.ema_generator.get_weights())
            table = style_gan.truncation(digits, metrics.features(mnist().validation_images))
            recalls = {f"recall_{row['psi']:g}": row["recall"] for row in table}
            length = style_gan.dense_path_length(trained(dense, seed, dense.epochs // 2, mnist()))
            return [{"seed": seed, "path_z": style_gan.path_lengths(digits)["z"], "path_dense": length, **recalls}]

        return make

    return {str(seed): job(seed) for seed in style_gan.SEEDS}


def judge_jobs():
    """Return the job of this part: what the DCGAN's discriminator computes, after half of the passes of its run."""

    def make():
        """Train it, and classify the test digits by its features."""
        images, passes = datasets.load_mnist().train_images, dcgan.SHORT // 2
        gan = dcgan.LIGHT.build(dcgan.SEEDS[0])
        gan.fit(images, batch_size=dcgan.BATCH, epochs=passes, verbose=0)
        (stored,) = (run for run in record.read("dcgan_features")["runs"] if run["features"] == "discriminator")
        encode = dcgan_features.reader(dcgan_features.grids(gan.discriminator))
        digits, strengths = variants.Digits.load(), {dcgan_features.LABELS: (stored["C"],)}
        jobs = variants.probe_jobs(encode, digits, "test", dcgan_features.SEEDS, strengths)
        return [{"passes": passes, "accuracies": variants.accuracies(jobs)}]

    return {"discriminator": make}


# --- Colour, for half of the epochs ----------------------------------------------------------------------------------


def translation_jobs():
    """Return the jobs of this part, by name: one model each, measured on the test images as there."""
    pairs = [run for run in record.read("translation")["runs"] if run["way"] == "to_twemoji"]
    pairs = [run for run in pairs if run["form"] in ("both", "L1 alone")]
    jobs = {f"{run['form']} {run['share']:g} {run['seed']}": functools.partial(redraw, run) for run in pairs}
    cycles = record.read("cycle")["runs"]
    return jobs | {f"cycle {run['seed']}": functools.partial(redraw_unpaired, run) for run in cycles}


def redraw(run):
    """Train a stored run of pix2pix for half of its epochs; return what the page compares."""
    key = {name: run[name] for name in ("form", "rate", "factor", "seed", "way", "share")}
    model, _ = translation.train(**key, epochs=translation.EPOCHS // 2)
    images, partners = translation.sides(translation.data().test, run["way"])
    return [{"form": run["form"], "share": run["share"], "seed": run["seed"], **likeness(model, images, partners)}]


def redraw_unpaired(run):
    """Do the same with a CycleGAN."""
    model, _ = cycle.train(run["kind"], run["rate"], run["seed"], cycle.EPOCHS // 2)
    images, partners = translation.sides(translation.data().test, "to_twemoji")
    return [{"form": "cycle", "share": 0.5, "seed": run["seed"], **likeness(model, images, partners)}]


def likeness(model, images, partners):
    """Return the L1 distance of redrawn images from their partners, and their sharpness over that of the partners."""
    made = model.translate(images)
    sharpness = translation.changes(made) / translation.changes(partners)
    return {"l1": float(np.abs(made - partners).mean()), "sharpness": float(sharpness)}


# --- Practice --------------------------------------------------------------------------------------------------------


def robustness_jobs():
    """Return the jobs of this part, by name: one classifier for two epochs, measured on validation digits."""
    mnist, epochs = functools.cache(datasets.load_mnist), robustness.RECIPE["epochs"] // 2

    def make(kind, seed, form):
        """Train one."""
        _, found = robustness.train(seed, mnist(), epochs, form)
        return [{"kind": kind, "seed": seed, "clean": found["curve"]["clean"][-1]}]

    runs = [[run[key] for key in ("kind", "seed", "form")] for run in record.read("robustness")["runs"]]
    return {f"{kind} {seed}": functools.partial(make, kind, seed, form) for kind, seed, form in runs}


def size_jobs():
    """Return the jobs of this part, by name: all runs of one setting, each for twice its stored steps."""
    kind = functools.cache(lambda name: size_trials.KINDS[name](datasets.load_mnist()))

    def job(name, which, setting, runs):
        """Return a job that makes the runs and measures them on validation digits."""
        make = lambda run: prolong(kind(name), setting, run["seed"], 2 * run["steps"])  # noqa: E731
        return lambda: [{"model": name, "which": which, "validation": [make(run) for run in runs]}]

    jobs = {}
    for name in size_trials.KINDS:
        found = record.read("size_study")[name]
        parts = {which: (found[which]["setting"], found[which]["runs"]) for which in ("same_size", "transplanted")}
        parts["default"] = size_trials.KINDS[name].default, found["default"]
        for choice in found["choices"]:
            parts[f"{choice['sampler']} {choice['repeat']}"] = choice["setting"], choice["runs"]
        jobs |= {f"{name} {which}": job(name, which, *some) for which, some in parts.items()}
    return jobs


def prolong(kind, setting, seed, steps):
    """Train with a setting of the size study for so many steps; return the error on validation digits."""
    loop = kind.loop(setting)
    arguments = kind.knobs(setting), kind.data, jax.random.key(seed)
    carried = jax.block_until_ready(loop.run(loop.start(seed), *arguments, 0, steps, steps))
    return kind.error(loop, carried)


PARTS = {
    "connections": connection_jobs,
    "code_distributions": distribution_jobs,
    "variants": functools.partial(variant_jobs, SMALL),
    "wide_variants": functools.partial(variant_jobs, WIDE),
    "sigmoid_variants": functools.partial(variant_jobs, SIGMOID),
    **{course: functools.partial(mixture_jobs, course, 0.5) for course in MIXTURES},
    **{f"{course}_twice": functools.partial(mixture_jobs, course, 2) for course in MIXTURES},
    "few_labels": few_label_jobs,
    "discrete_codes": codebook_jobs,
    "widths": width_jobs,
    "ten_seeds_twice": ten_seed_jobs,
    "recipes": recipe_jobs,
    "private": private_jobs,
    "translation": translation_jobs,
    "conditional_forms": form_jobs,
    "conditional_gan": conditional_jobs,
    "style": style_jobs,
    "dcgan_features": judge_jobs,
    "robustness": robustness_jobs,
    "size_study": size_jobs,
}


def make(part, jobs, log, limit=-1):
    """Do the jobs that are missing in a log, at most so many; return how many may still be done."""
    for name, job in jobs.items():
        if limit == 0:
            break
        if log.find(part=part, job=name) is None:
            log.add({"rows": record.rounded(job(), DIGITS)}, part=part, job=name)
            print(part, name, flush=True)
            limit -= 1
    return limit


def write(log):
    """Write the result: what is in the log, and of parts of which it holds less than the last result, that one."""
    rows = {part: [row for run in log.runs if run["part"] == part for row in run["rows"]] for part in PARTS}
    old = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {}
    found = {part: max(rows[part], old.get(part, []), key=len) for part in PARTS}
    record.write(NAME, **{part: some for part, some in found.items() if some})


def main(arguments=None):
    """Make what is missing and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="parts to make; all by default")
    parser.add_argument("--runs", type=int, default=-1, help="stop after so many new runs; all by default")
    options = parser.parse_args(arguments)
    log, limit = record.Log(training.RUNS / f"{NAME}.jsonl", {"name": NAME}), options.runs
    for part in options.parts or PARTS:
        limit = make(part, PARTS[part](), log, limit)
    write(log)


if __name__ == "__main__":
    main()
