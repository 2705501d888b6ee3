"""The stored weights give the reported numbers again."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from experiments import (
    autoencoder_codes,
    conditional_gan,
    connections,
    dcgan,
    dcgan_features,
    diffusion,
    digit_gan,
    fair_mixtures,
    gan_ablation,
    gan_recipes,
    ladder,
    logistic_autoencoder,
    mixture_remedies,
    mixtures,
    sizes,
    stacked_mnist,
    vae_bounds,
    variants,
)
from experiments.harness import record
from helpers import metrics, training
from tests import once


def test_the_classifiers_reported_accuracy(mnist):
    reported = record.read("digit_classifier")
    seen = {"validation": metrics.predict_labels(mnist.validation_images), "test": once.real_labels()}
    for split in ("validation", "test"):
        accuracy = (seen[split] == getattr(mnist, f"{split}_labels")).mean()
        assert abs(accuracy - reported[f"{split}_accuracy"]) < 2e-4  # two digits, for another CPU's rounding


@pytest.mark.parametrize(
    ("recipe", "seed"),
    [(name, seed) for name in gan_recipes.SEEDS for seed in gan_recipes.STORED_SEEDS],
)
def test_the_reported_distances(recipe, seed, real_features):
    (reported,) = [r for r in record.read("gan_recipes")["runs"] if (r["recipe"], r["seed"]) == (recipe, seed)]
    measured = gan_recipes.measure(recipe, seed, real_features)
    assert np.isclose(measured["fdd"], reported["fdd"], rtol=1e-3)
    assert abs(measured["smallest_class_share"] - reported["smallest_class_share"]) <= 2e-4


def test_the_recipes_are_the_reported_ones():
    assert record.read("gan_recipes")["recipes"] == {name: gan_recipes.settings(name) for name in gan_recipes.RECIPES}


def test_the_runs_of_the_improved_recipe_have_curves():  # the source's are older, and collapsed
    runs = [run for run in record.read("gan_recipes")["runs"] if run["recipe"] == "improved"]
    assert all(len(run["validation_curve"]) == gan_recipes.RECIPES["improved"].epochs for run in runs)


def test_the_ablation_is_of_the_recipes_it_names():
    rows = record.read("gan_ablation")["rows"]
    assert {"recipe"} <= rows.keys() <= gan_ablation.ROWS.keys()
    for name, row in rows.items():
        assert row["parts"] == json.loads(json.dumps(dataclasses.asdict(gan_ablation.ROWS[name])))
        assert row["best_rate"] == gan_ablation.best_rate(row["runs"])
        at_best = {run["seed"] for run in row["runs"] if run["rate"] == row["best_rate"]}
        assert at_best >= set(gan_ablation.SEEDS)
        tried = sorted({run["rate"] for run in row["runs"]})
        assert tried[0] < row["best_rate"] < tried[-1]


def test_each_row_of_the_ablation_takes_one_change_out_or_adds_one():
    rows = {name: dataclasses.asdict(parts) for name, parts in gan_ablation.ROWS.items()}
    assert {field for fields in gan_ablation.CHANGES.values() for field in fields} == {
        field for field, value in rows["recipe"].items() if rows["source"][field] != value
    }
    for name, fields in gan_ablation.CHANGES.items():
        for row, base in ((f"without {name}", "recipe"), (f"only {name}", "source")):
            assert {field for field, value in rows[row].items() if rows[base][field] != value} == set(fields)


def test_an_edited_recipe_does_not_pass_old_weights_for_its_own(monkeypatch):
    assert len(gan_recipes.recorded()["runs"]) == sum(map(len, gan_recipes.SEEDS.values()))
    edited = dataclasses.replace(gan_recipes.RECIPES["improved"], epochs=1)
    monkeypatch.setitem(gan_recipes.RECIPES, "improved", edited)
    with pytest.raises(RuntimeError, match=r"recipe 'improved' has changed .* delete its weights"):
        gan_recipes.recorded()


def test_a_record_survives_a_killed_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    record.write("run", value=1)
    with pytest.raises(TypeError):
        record.write("run", value=object())
    assert record.read("run")["value"] == 1
    assert record.read("run")["conditions"]["cpus"] >= 1


def test_recorded_runs_go_on_only_with_their_own_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    assert record.runs("run", [], recipe={"widths": (1, 2)}) == []
    record.write("run", runs=[{"seed": 0}], recipe={"widths": (1, 2)})
    assert record.runs("run", [], recipe={"widths": (1, 2)}) == [{"seed": 0}]
    with pytest.raises(RuntimeError, match=r"recipe: changed since run\.json was written"):
        record.runs("run", [], recipe={"widths": (1, 3)})


@pytest.mark.parametrize("name", record.read("autoencoder_codes")["runs"])
def test_the_reported_reconstruction_errors(name, mnist):
    reported = record.read("autoencoder_codes")["runs"][name]
    networks = autoencoder_codes.load(name)
    assert networks.encoder.output_shape == (None, 30)
    assert networks.autoencoder.count_params() == reported["weights"] <= 3_000_000
    assert np.isclose(autoencoder_codes.error(networks.autoencoder, mnist.test_images), reported["test_sse"], rtol=1e-4)


def test_edited_autoencoders_are_not_the_recorded_ones(monkeypatch):
    edited = dataclasses.replace(autoencoder_codes.RECIPES["deep"], epochs=1)
    monkeypatch.setitem(autoencoder_codes.RECIPES, "deep", edited)
    with pytest.raises(RuntimeError, match="recipe 'deep' has changed"):
        autoencoder_codes.recorded()


# --- The variational autoencoders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", vae_bounds.SAMPLES)
def test_the_reported_likelihoods(name):
    run = record.read("vae_bounds")["runs"][name]
    model, images = vae_bounds.load(name), vae_bounds.binary_test_images()[: vae_bounds.FIRST]
    values = metrics.importance_log_likelihood(model, images, samples=1_000)
    # A fifth of the samples: a bound a little worse, by about a tenth of a nat.
    assert 0 < -values.mean() - run["as_stored"]["first_nll"] < 0.3
    assert abs(run["as_stored"]["first_nll"] - run["first_nll"]) < 0.1  # what rounding the weights may cost
    active = int(metrics.active_units(model, vae_bounds.binary_test_images()).sum())
    assert active == run["as_stored"]["active_units"] == run["active_units"]


def test_both_bounds_were_trained_alike():
    runs = record.read("vae_bounds")["runs"]
    assert {run["epochs"] for run in runs.values()} == {vae_bounds.EPOCHS}
    assert {len(run["history"]["loss"]) for run in runs.values()} == {vae_bounds.EPOCHS}
    assert record.read("vae_bounds")["recipe"] == vae_bounds.RECIPE
    assert runs["iwae5"]["nll"] < runs["vae"]["nll"]


# --- The ladder ------------------------------------------------------------------------------------------------------


def test_the_reported_error_of_the_ladder(mnist):
    draw = ladder.DRAWS[0]
    (reported,) = [run for run in record.read("ladder")["runs"] if run["draw"] == draw]
    measured = ladder.error(ladder.load(draw), mnist.test_images.reshape(-1, 784), mnist.test_labels)
    assert abs(measured - reported["test_error"]) <= 0.02  # two digits, for another CPU's rounding


def test_the_ladders_recipe_is_the_reported_one():
    assert record.read("ladder")["recipe"] == ladder.RECIPE
    assert len(record.read("ladder")["runs"]) == len(ladder.DRAWS) >= 3


# --- The two-dimensional mixtures ------------------------------------------------------------------------------------


def test_the_learning_rates_are_those_that_tuning_found_best():
    runs = record.read("mixtures_tuning")["runs"]
    assert len(runs) == len(mixtures.TUNED) * len(mixtures.MIXTURES) * len(mixtures.RATES)
    for name in mixtures.TUNED:
        assert mixtures.KINDS[name].rate == mixtures.best_rate(runs, name)


MEASURED = [job for job in mixtures.jobs() if mixtures.stored(*job[:2])]
STORED = [(*job, seed) for job in MEASURED for seed in mixtures.STORED_SEEDS]


@pytest.mark.parametrize(("name", "bits", "mixture", "seed"), STORED)
def test_the_reported_coverage(name, bits, mixture, seed):
    key = dict(kind=name, bits=bits, mixture=mixture, seed=seed)
    (run,) = [run for run in record.read("mixtures")["runs"] if key.items() <= run.items()]
    measured = mixtures.measure_stored(name, bits, mixture, seed)
    assert measured["modes"] == run["as_stored"]["modes"]
    for column in ("high_quality", "reverse_kl", "spread"):
        assert measured[column] == pytest.approx(run["as_stored"][column], abs=0.005)
        assert measured[column] == pytest.approx(run[column], abs=0.02)  # float32, before it was stored
    assert measured["gap"] == pytest.approx(run["as_stored"]["gap"], rel=0.01)


def test_every_seed_was_measured_as_stored_and_some_are_kept():
    runs = [run for run in record.read("mixtures")["runs"] if "as_stored" in run]
    found = {(run["kind"], run["bits"], run["mixture"], run["seed"]) for run in runs}
    assert found == {(*job, seed) for job in MEASURED for seed in mixtures.SEEDS}
    kept = {mixtures.weights_path(name, mixture, seed) for name, _, mixture, seed in STORED}
    assert set(record.RESULTS.glob("mixtures_*.npz")) == kept


def test_every_kind_was_trained_on_every_seed():
    result = record.read("mixtures")
    assert result["settings"] == json.loads(json.dumps(mixtures.settings()))
    found = {(run["kind"], run["bits"], run["mixture"], run["seed"]) for run in result["runs"]}
    assert found == {(*job, seed) for job in mixtures.jobs() for seed in mixtures.SEEDS}


def test_the_fair_runs_are_those_of_their_settings():
    result = record.read("fair_mixtures")
    assert result["settings"] == json.loads(json.dumps(fair_mixtures.settings()))
    fields = ("kind", "falling", "mixture", "seed", "strength", "rate")
    found = {tuple(run[name] for name in fields) for run in result["runs"]}
    chosen = {(one["kind"], one["falling"]): (one["strength"], one["rate"]) for one in result["chosen"]}
    expected = [
        copy for program in fair_mixtures.PROGRAMS.values() for copy in program.final(chosen_of(program, chosen))
    ]
    assert found == {tuple(getattr(copy, name) for name in fields) for copy in expected}


def chosen_of(program, chosen):
    """Return the settings of the kinds of a program."""
    return {key: setting for key, setting in chosen.items() if key[0] in program.kinds and key[1] in program.courses}


def test_the_fair_settings_are_those_that_tuning_found_best():
    result = record.read("fair_mixtures")
    for program in fair_mixtures.PROGRAMS.values():
        for (kind, falling), setting in fair_mixtures.choose(program, result["tries"]).items():
            (entry,) = [one for one in result["chosen"] if (one["kind"], one["falling"]) == (kind, falling)]
            assert (entry["strength"], entry["rate"]) == setting


# --- Digits on request -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", conditional_gan.SEEDS)
def test_the_reported_accuracies_of_digits_on_request(seed, mnist):
    (reported,) = [run for run in record.read("conditional_gan")["runs"] if run["seed"] == seed]
    measured = conditional_gan.measure(conditional_gan.load(seed), mnist.test_images)
    assert abs(measured["accuracy"] - reported["accuracy"]) < 5e-4  # five digits, for another CPU's rounding
    assert np.allclose(measured["by_class"], reported["by_class"], rtol=0, atol=3e-3)
    assert np.isclose(measured["fdd"], reported["fdd"], rtol=1e-3)


def test_the_recipe_of_digits_on_request_is_the_reported_one():
    reported = record.read("conditional_gan")
    assert reported["recipe"] == conditional_gan.RECIPE
    assert reported["networks"] == conditional_gan.NETWORKS
    assert [run["seed"] for run in reported["runs"]] == list(conditional_gan.SEEDS)
    assert all(len(run["history"]["d_loss"]) == conditional_gan.RECIPE["epochs"] for run in reported["runs"])
    assert len(conditional_gan.SEEDS) >= 3


# --- The best GAN of digits ------------------------------------------------------------------------------------------


@functools.cache
def best_digits(seed):
    """Return what the best GAN of a seed draws."""
    return digit_gan.sample(digit_gan.load(seed))


@pytest.mark.parametrize("seed", digit_gan.STORED_SEEDS)
def test_the_reported_distance_of_the_best_gan(seed, real_features):
    reported = record.read("digit_gan")["runs"][str(seed)]
    drawn = metrics.features(best_digits(seed))
    assert metrics.frechet_distance(drawn, real_features) == pytest.approx(reported["fdd"], rel=1e-3)


def test_the_further_measures_of_the_best_gan(real_features):
    reported = record.read("digit_gan")["runs"]["0"]  # of one seed: the neighbours of 10,000 digits take their time
    measured = digit_gan.compare(best_digits(0), real_features)
    for name in ("precision", "recall", "density", "coverage", "smallest_class_share"):
        assert measured[name] == pytest.approx(reported[name], abs=2e-3)


def test_the_best_gans_recipe_and_scale_are_the_reported_ones():
    result = record.read("digit_gan")
    assert result["recipe"] == json.loads(json.dumps(dataclasses.asdict(digit_gan.BEST)))
    assert {int(seed) for seed in result["runs"]} == set(digit_gan.SEEDS)
    assert all(run["seconds"] <= 30 * 60 for run in result["runs"].values())
    means = {scale: np.mean(distances) for scale, distances in result["validation_fdd_by_scale"].items()}
    assert float(min(means, key=means.get)) == result["style_scale"]


def test_the_reported_parzen_score(mnist):
    reported = record.read("digit_gan")["parzen"]["gan 0"]
    samples, test = (images.reshape(-1, 784) for images in (best_digits(0), mnist.test_images))
    values = metrics.parzen_log_likelihood(samples, test[:1000], reported["sigma"])
    assert abs(values.mean() - reported["nats"]) < 4 * values.std() / 1000**0.5


# --- A thousand modes ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn_stacks():
    return stacked_mnist.sample(stacked_mnist.load())


def test_the_reported_count_of_a_thousand_modes(drawn_stacks):
    reported = record.read("stacked_mnist")["runs"][0]["as_stored"]
    measured = stacked_mnist.count(drawn_stacks)
    assert abs(measured["modes"] - reported["modes"]) <= 1  # another CPU's rounding
    assert measured["reverse_kl"] == pytest.approx(reported["reverse_kl"], rel=0.01)


def test_the_reported_legibility_of_stacks(drawn_stacks):
    reported = record.read("stacked_mnist")["legible"]["generated"]
    drawn = drawn_stacks[:2600]
    assert abs(stacked_mnist.legible(drawn)["share"] - reported["share"]) < 0.03  # a tenth of the sample


def test_the_recipe_of_a_thousand_modes_is_the_reported_one():
    result = record.read("stacked_mnist")
    assert (result["recipe"], result["networks"]) == (stacked_mnist.RECIPE, stacked_mnist.NETWORKS)
    assert [run["seed"] for run in result["runs"]] == list(stacked_mnist.SEEDS)
    assert all(len(run["history"]["d_loss"]) == stacked_mnist.RECIPE["epochs"] for run in result["runs"])


# --- Five models on one budget ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", connections.KINDS)
def test_the_reported_distances_of_the_five_models(name, mnist, real_features):
    runs = {(run["model"], run["seed"]): run for run in record.read("connections")["runs"]}
    reported = runs[name, connections.SEEDS[0]]
    measured = connections.measure_stored(name, reported["origins"], mnist.test_images, real_features)
    assert measured.keys() == reported["as_stored"].keys() == reported["origins"].keys()
    for origin, values in measured.items():
        assert values == pytest.approx(reported["as_stored"][origin], rel=1e-3)
        for what, value in values.items():  # 8-bit weights gave these
            assert value == pytest.approx(reported[origin][what], rel=5e-3)


def test_the_five_models_had_the_reported_settings_and_equal_times():
    result = record.read("connections")
    settings = json.loads(json.dumps(connections.settings()))
    assert {name: result[name] for name in settings} == settings
    assert {(run["model"], run["seed"]) for run in result["runs"]} == {
        (name, seed) for name in connections.KINDS for seed in connections.SEEDS
    }
    assert all(run["seconds"] == pytest.approx(result["budget"], rel=0.02) for run in result["runs"])
    assert all(len(run["curve"]) == connections.POINTS for run in result["runs"])


@pytest.mark.parametrize("name", connections.KINDS)
def test_the_settings_of_the_five_models_are_those_that_tuning_found_best(name):
    result = record.read("connections")
    tried = result["tuning"][name]
    assert [run["settings"] for run in tried] == result["candidates"][name]
    best = min(tried, key=lambda run: run["curve"][-1]["validation_fdd"])["settings"]
    assert all(run["settings"] == best for run in result["runs"] + result["long"] if run["model"] == name)


def test_a_model_trains_for_the_time_that_it_is_given(mnist):
    few = mnist._replace(train_images=mnist.train_images[:640])
    model = connections.KINDS["gan"].build(0, rate=1e-3, gamma=0.1)
    before = model.ema_generator.get_weights()
    run = connections.Timed(model, connections.KINDS["gan"].batches(few.train_images, 0), budget=2.0)
    assert run.spent == run.steps == 0  # what compiled it counts for nothing
    run.train(0.5)
    halfway = run.steps
    run.train(1.0)
    assert run.steps > halfway > 0
    assert run.spent >= 2.0
    assert not np.array_equal(before[0], model.ema_generator.get_weights()[0])


# --- Diffusion -------------------------------------------------------------------------------------------------------


@functools.cache
def space_of(name):
    """Return the space that a kind of diffusion model works in."""
    return diffusion.space_of(name, once.load_mnist())


@pytest.fixture(params=diffusion.RECIPES)
def diffusion_space(request):
    return request.param, space_of(request.param)


def test_the_reported_distances_of_diffusion(diffusion_space, real_features):
    (name, space), seed = diffusion_space, diffusion.SEEDS[0]
    reported = record.read("diffusion")["runs"][f"{name} {seed}"]["walks"]
    (row,) = [row for row in reported if (row["steps"], row["scatter"]) == (5, 0.0)]  # longer walks take longer
    digits = diffusion.sample(diffusion.load(name, space, seed), space, 5, 0.0)
    assert np.isclose(metrics.frechet_distance(metrics.features(digits), real_features), row["fdd"], rtol=5e-3)


def test_the_reported_walk_of_diffusion(real_features):
    space = space_of("codes")
    reported = record.read("diffusion")["runs"][f"codes {diffusion.SEEDS[0]}"]["walks"]
    (row,) = [row for row in reported if [row["steps"], row["scatter"]] == list(diffusion.BEST_WALK)]
    model = diffusion.load("codes", space, diffusion.SEEDS[0])
    measured = diffusion.digit_gan.compare(diffusion.sample(model, space, *diffusion.BEST_WALK), real_features)
    assert np.isclose(measured["fdd"], row["fdd"], rtol=5e-3)
    for name in ("precision", "recall", "density", "coverage"):
        assert measured[name] == pytest.approx(row[name], abs=5e-3)


def test_the_reported_autoencoder_of_the_codes(mnist):
    reported, space = record.read("diffusion")["runs"]["autoencoder"], space_of("codes")
    assert np.allclose(space.mean, reported["mean"], atol=1e-4)
    assert np.allclose(space.deviation, reported["deviation"], rtol=1e-4)
    rows = mnist.test_images.reshape(len(mnist.test_images), -1)
    drawn = space.images(space.rows(mnist.test_images)).reshape(rows.shape)
    assert np.isclose(metrics.squared_error(rows, drawn).mean(), reported["sse"], rtol=1e-4)


@pytest.mark.parametrize("mixture", diffusion.STORED_POINTS)
def test_the_reported_coverage_of_diffusion(mixture):
    reported = record.read("diffusion")["runs"]["points"]
    (row,) = [r for r in reported if (r["mixture"], r["seed"]) == (mixture, diffusion.POINT_SEEDS[0])]
    for walk, measured in zip(row["walks"], diffusion.cover(diffusion.load_points(mixture), mixture), strict=True):
        assert measured["modes"] == walk["modes"]
        assert measured["high_quality"] == pytest.approx(walk["high_quality"], abs=4e-3)  # ten points of 2,500


def test_the_recipes_of_diffusion_are_the_reported_ones():
    result = record.read("diffusion")
    assert {name: result[name] for name in diffusion.settings()} == json.loads(json.dumps(diffusion.settings()))
    digits = {f"{name} {seed}" for name in diffusion.RECIPES for seed in diffusion.SEEDS}
    assert result["runs"].keys() == digits | {"autoencoder", "points", "gan"}
    assert all(result["runs"][name]["seconds"] <= 10 * 60 for name in digits)
    assert len(result["runs"]["points"]) == len(mixtures.MIXTURES) * len(diffusion.POINT_SEEDS)


# --- How wide and how deep -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported_sizes():
    return record.read("sizes")


def test_every_size_was_trained_on_every_seed(reported_sizes):
    assert reported_sizes["settings"] == json.loads(json.dumps(sizes.settings()))
    coded = [(run["code"], run["depth"], run["width"], run["seed"]) for run in reported_sizes["autoencoders"]]
    assert sorted(coded) == sorted((*job, seed) for job in sizes.autoencoder_jobs() for seed in sizes.SEEDS)
    paired = [(run["generator"], run["discriminator"], run["seed"]) for run in reported_sizes["gans"]]
    assert sorted(paired) == sorted((*units, seed) for units in sizes.gan_jobs() for seed in sizes.SEEDS)
    assert len(sizes.SEEDS) >= 3
    assert sizes.TUNING_SEED not in sizes.SEEDS


def test_each_depth_was_trained_at_the_rate_that_tuning_found_best(reported_sizes):
    tried = [(run["depth"], run["rate"]) for run in reported_sizes["tuning"]]
    assert sorted(tried) == sorted((depth, rate) for depth in sizes.DEPTHS for rate in sizes.RATES)
    for run in reported_sizes["autoencoders"]:
        assert run["rate"] == sizes.best_rate(reported_sizes["tuning"], run["depth"])


def test_the_reported_curve_of_principal_components(mnist, reported_sizes):
    for part, errors in sizes.principal_components(mnist).items():
        assert np.allclose(errors, reported_sizes["pca"][part], rtol=1e-6)
        assert errors == sorted(errors, reverse=True)


def test_the_reported_distances_of_the_smallest_gan(mnist, reported_sizes):
    real = sizes.real_features(mnist)
    for seed in sizes.STORED_SEEDS:
        key = [*sizes.smallest(), seed]
        (reported,) = [
            run for run in reported_sizes["gans"] if [run["generator"], run["discriminator"], run["seed"]] == key
        ]
        for part, distance in sizes.measure(sizes.load(seed), real).items():
            # The weights are stored as 8-bit integers, and were measured before that.
            assert np.isclose(distance, reported[part], rtol=5e-3)


# --- Remedies on the grid, each tuned --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported_remedies():
    return record.read("mixture_remedies")


@pytest.fixture(scope="module")
def chosen_remedies(reported_remedies):
    """Return unit → (kind, falling) and the setting that its final runs have."""
    names = {units: title for title, units in mixture_remedies.UNITS.items()}
    return {
        names[one["kind"], one["falling"]]: {(one["kind"], one["falling"]): (one["strength"], one["rate"])}
        for one in reported_remedies["chosen"]
    }


def test_the_remedies_are_those_of_their_settings(reported_remedies, chosen_remedies):
    assert list(reported_remedies["settings"]["units"]) == list(chosen_remedies)
    expected = json.loads(json.dumps(mixture_remedies.settings(tuple(chosen_remedies))))
    assert reported_remedies["settings"] == expected


def test_every_remedy_was_trained_on_every_seed(reported_remedies, chosen_remedies):
    fields = [field.name for field in dataclasses.fields(fair_mixtures.Copy)]
    found = [tuple(run[name] for name in fields) for run in reported_remedies["runs"]]
    copies = [
        copy for title, chosen in chosen_remedies.items() for copy in mixture_remedies.program_of(title).final(chosen)
    ]
    assert sorted(found) == sorted(dataclasses.astuple(copy) for copy in copies)
    assert all(reported_remedies["trained_on"][title] for title in chosen_remedies)


def test_the_remedies_have_the_settings_that_tuning_found_best(reported_remedies, chosen_remedies):
    for title, chosen in chosen_remedies.items():
        program = mixture_remedies.program_of(title)
        tried = [row for row in reported_remedies["tries"] if (row["kind"], row["falling"]) in chosen]
        assert len(tried) == len(program.tuning())
        assert fair_mixtures.choose(program, tried) == chosen


def test_the_last_point_of_a_remedys_curve_is_its_result(reported_remedies):
    for curve in reported_remedies["curves"]:
        key = {name: curve[name] for name in ("kind", "falling")}
        runs = [run for run in reported_remedies["runs"] if key.items() <= run.items()]
        assert curve["last_modes"][-1] == pytest.approx(np.mean([run["modes"] for run in runs]), abs=1e-4)
        averaged = np.mean([run["averaged"]["high_quality"] for run in runs])
        assert curve["averaged_high_quality"][-1] == pytest.approx(averaged, abs=1e-4)


def test_packing_makes_as_many_judgements_as_the_others():
    packed = mixture_remedies.Program(("packing",))
    assert packed.points // packed.kind.networks["pack"] == mixture_remedies.Program(("R1",)).points


def test_a_deviation_leaves_each_point_its_judgement():
    program = mixture_remedies.Program(("minibatch standard deviation",))
    points = np.random.default_rng(0).normal(size=(program.points, 2)).astype("float32")
    logits = np.asarray(program.build(0).discriminator(points))
    assert logits.shape == (mixture_remedies.Program(("R1",)).points, 1)
    moved = points.copy()
    moved[0] += 1  # changes the judgements of its own group alone
    changed = np.any(logits != np.asarray(program.build(0).discriminator(moved)), axis=1)
    assert changed[: mixture_remedies.GROUP].all()
    assert not changed[mixture_remedies.GROUP :].any()


def test_matching_moves_the_generator_towards_the_features_of_real_points():
    program = mixture_remedies.Program(("feature matching",))
    game, real = program.build(0), fair_mixtures.training_points()[1][: program.points]
    values = training.Values.of(game)
    before, latents = values.get(game.discriminator.variables), np.random.default_rng(0).normal(size=(2_000, 2))

    def distance():
        """Return the distance of the mean features, computed from the weights by hand."""
        kernels = [np.asarray(array) for array in values.get(game.discriminator.weights)]
        fake = values.call(game.generator, latents.astype("float32"))[0]
        return sum((hidden(np.asarray(fake), kernels) - hidden(real, kernels)) ** 2)

    at_first = distance()
    for _ in range(20):
        game._train_generator(values, real)
    assert distance() < 0.5 * at_first
    assert all(one is other for one, other in zip(before, values.get(game.discriminator.variables), strict=True))


def hidden(points, weights):
    """Return the means of the last of three hidden ReLU layers."""
    for kernel, bias in zip(weights[:6:2], weights[1:6:2], strict=True):
        points = np.maximum(points @ kernel + bias, 0)
    return points.mean(axis=0)


def test_what_is_written_of_a_unit_stays_without_its_logs(monkeypatch, reported_remedies):
    written = {}
    monkeypatch.setattr(mixture_remedies, "finals", lambda title: [])
    monkeypatch.setattr(record, "write", lambda name, **result: written.update(result))
    mixture_remedies.write()
    assert json.loads(json.dumps(written)) == {name: reported_remedies[name] for name in written}
    monkeypatch.setitem(mixture_remedies.KINDS, "packing", mixture_remedies.KINDS["hinge"])
    assert mixture_remedies.written("packing, falling") == {}


def test_critic_steps_share_out_the_batch(monkeypatch):
    seen = []
    monkeypatch.setattr(fair_mixtures.Game, "_train_discriminator", lambda self, values, real: seen.append(real))
    monkeypatch.setattr(fair_mixtures.Game, "_train_generator", lambda self, values, real: real)
    program = mixture_remedies.Program(("WGAN-GP, five critic steps",))
    game, real = program.build(0), np.arange(2 * program.points).reshape(-1, 2)
    game._train_discriminator(None, real)
    assert [len(part) for part in seen] == 5 * [mixtures.BATCH]
    assert np.array_equal(np.concatenate(seen), real)
    assert len(game._train_generator(None, real)) == mixtures.BATCH
    assert program.kind.steps * program.kind.critic == fair_mixtures.STEPS


# --- The convolutional pair, and the network of 2006 -----------------------------------------------------------------


def test_the_reported_distance_of_the_convolutional_pair(real_features):
    reported = record.read("dcgan")
    assert dcgan.distance(dcgan.load(), real_features) == pytest.approx(reported["stored_fdd"], rel=1e-3)
    assert reported["stored_fdd"] == pytest.approx(reported["runs"][0]["fdd"], rel=5e-3)  # the loss by eight bits
    assert [run["seed"] for run in reported["runs"]] == list(dcgan.SEEDS)
    tried = [
        dcgan.Setting(**{name: trial[name] for name in ("pair", "rate", "activation")}) for trial in reported["trials"]
    ]
    assert tuple(tried) == dcgan.TRIALS
    assert [run["seed"] for run in reported["narrow"]] == list(dcgan.SEEDS)
    few, many = (sum(net.count_params() for net in pair("relu")) for pair in (dcgan.narrow, dcgan.convolutional))
    assert few == pytest.approx(many, rel=0.01)


def test_the_reported_accuracy_of_the_discriminators_features():
    runs = {run["features"]: run for run in record.read("dcgan_features")["runs"]}
    strength, accuracies = (runs["discriminator"][name] for name in ("C", "accuracies"))
    read = dcgan_features.reader(dcgan_features.grids(dcgan.load_discriminator()))
    jobs = variants.probe_jobs(read, variants.Digits.load(), "test", [0], {dcgan_features.LABELS: (strength,)})
    assert variants.probe_accuracy(*jobs[0]) == pytest.approx(accuracies[0], abs=2e-3)


def test_the_recipe_of_the_logistic_network_is_the_reported_one():
    reported, settings = record.read("logistic_autoencoder"), ("loss", "gain", "rate")
    tried = {
        logistic_autoencoder.Setting(*map(trial.get, settings)): trial["curve"][-1] for trial in reported["trials"]
    }
    assert tuple(tried) == logistic_autoencoder.TRIALS
    assert logistic_autoencoder.Setting(*map(reported["run"].get, settings)) == min(tried, key=tried.get)
    assert reported["run"]["passes"] == logistic_autoencoder.PASSES == len(reported["run"]["history"]["loss"])
