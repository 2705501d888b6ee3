"""Runs of half the length: how long they are, that they can be taken up again, and what was stored of them."""

import numpy as np
import pytest

from experiments import lengths, supervised_long
from experiments.harness import record


def test_what_is_in_the_log_is_not_made_again(tmp_path):
    made, log = [], record.Log(tmp_path / "log.jsonl", {"name": "lengths"})
    jobs = {name: lambda name=name: [{"made": made.append(name) or len(made)}] for name in "abc"}
    assert lengths.make("part", jobs, log, limit=2) == 0
    lengths.make("part", jobs, record.Log(tmp_path / "log.jsonl", {"name": "lengths"}))
    assert made == ["a", "b", "c"]


@pytest.mark.parametrize("model", ["autoencoder", "variational", "adversarial", "vae_gan", "gan"])
def test_each_run_of_connections_made_half_of_the_steps(model):
    whole, half = (
        {run["seed"]: run["steps"] for run in record.read(name)[part] if run["model"] == model}
        for name, part in (("connections", "runs"), ("lengths", "connections"))
    )
    assert whole.keys() == half.keys() == {0, 1, 2}
    assert np.allclose([half[seed] / whole[seed] for seed in whole], 0.5, atol=0.01)


def test_each_distribution_of_codes_is_there_with_three_seeds():
    runs = {(run["kind"], run["seed"]) for run in record.read("lengths")["code_distributions"]}
    assert runs == {(run["kind"], run["seed"]) for run in record.read("code_distributions")["runs"]}


@pytest.mark.parametrize("course", lengths.MIXTURES)
def test_each_method_on_the_grid_is_there_with_five_seeds(course):
    for part in (course, f"{course}_twice"):
        runs = record.read("lengths")[part]
        assert sorted(run["kind"] for run in runs) == sorted(lengths.MIXTURES[course])
        assert {len(values) for run in runs for name, values in run.items() if name != "kind"} == {5}


def test_methods_keep_their_settings_but_for_the_row_that_was_not_chosen():
    assert lengths.chosen("packing", True) == (0.0, 1e-3)
    assert lengths.chosen("WGAN-GP, factor 0.1", True) == (0.1, 2e-3)
    assert lengths.chosen("WGAN-GP, factor 0.1", False) == (0.1, 1e-3)


def test_score_is_the_mean_of_both_generators():
    perfect = {"modes": 25, "high_quality": 1.0, "spread": lengths.fair_mixtures.SPREAD, "reverse_kl": 0.0}
    found = lengths.measures({**perfect, "averaged": {**perfect, "modes": 5}})
    assert found.pop("score") == pytest.approx(0.6)
    shares = {"modes": 25, "high_quality": 1.0, "averaged_modes": 5, "averaged_high_quality": 1.0}
    assert found == {**shares, "reverse_kl": 0.0}


def test_few_labels_learned_for_half_of_the_steps():
    plan, runs = supervised_long.Plan(), {run["way"]: run for run in record.read("lengths")["few_labels"]}
    assert runs.keys() == lengths.few_label_jobs().keys()
    for way, run in runs.items():
        epochs, seeds = (plan.plain_lengths[0], 8) if way.startswith("plain") else (plan.few_lengths[1], 10)
        assert 2 * run["steps"] == epochs * plan.steps
        assert len(run["selected"]) == len(run["first"]) == (5 if way.startswith("1000") else seeds)


def test_the_strength_is_selected_seed_by_seed_on_the_held_out_labels(monkeypatch):
    made = [
        {"seed": seed, "held_out_cross_entropy": entropy, "test_accuracy": accuracy}
        for seed, entropy, accuracy in ((0, 2.0, 0.1), (1, 1.0, 0.2), (0, 1.0, 0.3), (1, 2.0, 0.4))
    ]
    monkeypatch.setattr(supervised_long.Copies, "train", lambda copies, runs, log: made)
    runs = [supervised_long.run("few select", "few", 100, "labelled", 0.1, seed, 1) for seed in (0, 1)]
    found = lengths.learn("100 labelled", supervised_long.REHEARSAL, runs)
    assert found["selected"] == pytest.approx([30, 20])
    assert found["first"] == pytest.approx([10, 20])


def test_codebooks_and_widths_are_there_with_three_seeds():
    result = record.read("lengths")
    forms = [(run["form"], run["seed"]) for run in result["discrete_codes"]]
    assert sorted(forms) == [(form, seed) for form in ("loss", "restart", "unit") for seed in range(3)]
    assert [run["form"] for run in result["discrete_codes"] if "prior" in run] == 3 * ["restart"]
    widths = [(run["width"], run["seed"]) for run in result["widths"]]
    assert sorted(widths) == [(width, seed) for width in (64, 256, 512) for seed in range(3)]


@pytest.mark.parametrize(
    ("part", "names"),
    [("variants", lengths.SMALL), ("wide_variants", lengths.WIDE), ("sigmoid_variants", lengths.SIGMOID)],
)
def test_each_variant_learned_for_half_of_its_epochs(part, names):
    runs = {run["kind"]: run for run in record.read("lengths")[part]}
    assert runs.keys() == names.keys()
    for name, run in runs.items():
        assert 2 * run["epochs"] == lengths.variant(name, names[name])["epochs"]
        assert len(run["seeds"]) == len(run["accuracies"]["100"]) == len(run["accuracies"]["1000"]) == 5


def test_a_variant_is_found_by_its_setting_or_as_the_best():
    assert lengths.variant("wide", None)["kind"] == "wide"
    assert [lengths.variant(name, lengths.WIDE[name])["setting"] for name in ("top-25", "top-50")] == [25, 50]
    assert lengths.variant("strong L1", 1.0)["kind"] == "sparse, L1"


def test_kinds_of_the_ten_seed_tables_are_there_with_ten_seeds():
    runs = record.read("lengths")["ten_seeds_twice"]
    assert [(run["kind"], run["bits"]) for run in runs] == 2 * list(lengths.TEN_SEEDS)
    assert {len(values) for run in runs for name, values in run.items() if name not in ("kind", "bits")} == {5}


@pytest.mark.parametrize(
    ("part", "keys", "seeds"),
    [
        ("private", ["epsilon"], {0.1: 3, None: 3}),
        ("translation", ["form", "share"], {("both", 1): 3, ("L1 alone", 1): 3, ("both", 0.5): 3, ("cycle", 0.5): 3}),
        ("conditional_forms", ["form"], {"concatenation": 3, "projection": 3, "normalisation": 3}),
        ("conditional_gan", ["activation"], {"relu": 3, "leaky_relu": 3}),
        ("robustness", ["kind"], {"plain": 3, "adversarial": 3}),
    ],
)
def test_runs_of_a_seed_each_are_there_three_times(part, keys, seeds):
    runs = record.read("lengths")[part]
    found = [tuple(run[key] for key in keys) for run in runs]
    found = [each if len(keys) > 1 else each[0] for each in found]
    assert {each: found.count(each) for each in found} == seeds
    assert len({(each, run["seed"]) for each, run in zip(found, runs, strict=True)}) == len(runs)


def test_recipes_and_styles_are_there_with_all_seeds():
    result = record.read("lengths")
    counts = {run["recipe"]: len(run["fdd"]) for run in result["recipes"]}
    assert counts == {"source": 3, "ablation, last": 5, "ablation, averaged": 5}
    assert sorted(run["seed"] for run in result["style"]) == [0, 1, 2]


@pytest.mark.parametrize("model", ["autoencoder", "gan"])
def test_each_setting_of_the_size_study_is_there_with_its_seeds(model):
    stored = record.read("size_study")[model]
    runs = {
        run["which"]: len(run["validation"]) for run in record.read("lengths")["size_study"] if run["model"] == model
    }
    assert runs.pop("default") == len(stored["default"])
    for which in ("same_size", "transplanted"):
        assert runs.pop(which) == len(stored[which]["runs"])
    assert runs == {f"{each['sampler']} {each['repeat']}": len(each["runs"]) for each in stored["choices"]}


def test_a_prolonged_run_makes_the_steps_that_it_is_given():
    made = []

    class Loop:
        def start(self, seed):
            return seed

        def run(self, carried, knobs, data, key, begin, end, total):
            made.append((carried, knobs, begin, end, total))
            return 0.0

    class Kind:
        data = None
        loop, knobs = (lambda self, setting: Loop()), (lambda self, setting: setting)

        def error(self, loop, carried):
            return 1.5

    assert lengths.prolong(Kind(), {"rate": 1}, 7, 20) == 1.5
    assert made == [(7, {"rate": 1}, 0, 20, 20)]
