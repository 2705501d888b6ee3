"""The study of sizes: it stops and goes on, several workers share it, and the result says what it was made with."""

import json

import jax
import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from experiments import size_study as sizes
from experiments import size_trials
from experiments.harness import record
from helpers import datasets


class Bowl:
    """Trials of a function, in the place of networks."""

    space = {"x": (1e-2, 1e2), "side": ["left", "right"], "place": [1, 2, 4]}  # noqa: RUF012
    default = {"x": 50.0, "side": "left", "place": 4}  # noqa: RUF012


def bowl(kind, setting, seed, watch=None, parts=("validation",), longer=1):
    """Return what a trial would: smallest at x = 1 on the right, place 1."""
    error = np.log(setting["x"]) ** 2 + (setting["side"] == "left") + setting["place"]
    curve = []
    for rung in range(3):
        curve.append(error + 3 - rung)
        if watch and watch(rung, curve[-1]):
            return {"curve": curve, "seconds": rung + 1}
    return {"curve": curve, "seconds": 4, **dict.fromkeys(parts, error)}


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal of trials that cost nothing."""
    monkeypatch.setattr(size_trials, "train", bowl)
    return tmp_path / "bowl.journal"


def test_a_stopped_study_goes_on_as_one_that_was_not(journal, tmp_path):
    whole = tmp_path / "whole.journal"
    for sampler in sizes.SAMPLERS:
        sizes.work(Bowl, whole, sampler, 3, 9)
        sizes.work(Bowl, journal, sampler, 3, 4)
        study = sizes.study_of(journal, sampler, 3)
        study.ask()  # and is killed
        assert len(sizes.finished(study)) == 4
        sizes.forget_killed(study)
        sizes.work(Bowl, journal, sampler, 3, 9)
        settings = [
            [trial.user_attrs["setting"] for trial in sizes.finished(sizes.study_of(path, sampler, 3))]
            for path in (whole, journal)
        ]
        assert len(settings[0]) == 9
        assert settings[0] == settings[1]


def test_workers_together_make_as_many_trials_as_one(journal):
    first = sizes.study_of(journal, "tpe", 0)
    sizes.work(Bowl, journal, "tpe", 0, 3)
    waiting = first.ask()  # another worker is at it
    sizes.work(Bowl, journal, "tpe", 0, 6, worker=1)
    assert len(sizes.finished(first)) == 5
    first.tell(waiting.number, 1.0)
    sizes.work(Bowl, journal, "tpe", 0, 6)
    assert len(sizes.counting(first)) == 6


def test_two_workers_do_not_try_the_same(journal):
    seeds = {sizes.sampler_of("random", worker).sample_independent for worker in (0, 1)}
    assert len(seeds) == 2
    study = sizes.study_of(journal, "random", 0)
    values = []
    for worker in (0, 1):
        study.sampler = sizes.sampler_of("random", worker)
        values.append(sizes.suggest(study.ask(), Bowl.space)["x"])
    assert values[0] != values[1]


def test_only_tpe_stops_trials_early(journal):
    for sampler in sizes.SAMPLERS:
        sizes.work(Bowl, journal, sampler, 1, 20)
    states = {
        sampler: [trial.state for trial in sizes.finished(sizes.study_of(journal, sampler, 1))]
        for sampler in sizes.SAMPLERS
    }
    assert TrialState.PRUNED in states["tpe"]
    assert set(states["random"]) == {TrialState.COMPLETE}
    assert TrialState.PRUNED not in states["tpe"][: sizes.STARTUP]


def test_a_broken_trial_is_stopped(journal, monkeypatch):
    monkeypatch.setattr(size_trials, "train", lambda *_: {"curve": [], "validation": float("nan")})
    sizes.work(Bowl, journal, "tpe", 0, 2)
    assert {trial.state for trial in sizes.finished(sizes.study_of(journal, "tpe", 0))} == {TrialState.PRUNED}


def test_knobs_are_switched_alone_and_then_together(tmp_path, monkeypatch):
    monkeypatch.setattr(size_trials, "train", bowl)
    monkeypatch.setattr(sizes, "FOLDER", tmp_path)
    monkeypatch.setattr(Bowl, "seconds", 4.0, raising=False)
    measure = sizes.Measured("bowl", Bowl, float("inf"))
    chosen, groups = {"x": 1.0, "side": "right", "place": 4}, {knob: [knob] for knob in Bowl.space}
    switches, ladder = sizes.between(measure, Bowl.default, chosen, groups, (10, 11))
    assert [one["knob"] for one in switches["single"]] == ["x", "side"]  # the place is the same
    assert [one["knob"] for one in ladder] == ["x", "side"]
    assert ladder[-1]["setting"] == chosen
    assert (
        sizes.mean_error(ladder[1]["runs"]) < sizes.mean_error(ladder[0]["runs"]) < sizes.mean_error(switches["start"])
    )
    assert len(measure.log.runs) == 2 * 4  # the first rung is one of the single switches


def test_a_run_that_took_another_time_is_made_again(tmp_path, monkeypatch):
    took = iter([1.0, 9.0, 4.5, 1.0, 1.0, 1.0])
    monkeypatch.setattr(size_trials, "train", lambda *_, **__: {"seconds": next(took), "validation": 1.0})
    monkeypatch.setattr(sizes, "FOLDER", tmp_path)
    monkeypatch.setattr(Bowl, "seconds", 4.0, raising=False)
    measure = sizes.Measured("bowl", Bowl, float("inf"))
    assert measure(Bowl.default, 0, ("validation",))["seconds"] == 4.5
    assert measure(Bowl.default, 0, ("validation",))["seconds"] == 4.5
    with pytest.raises(RuntimeError, match=r"a run took 1\.0 s, expected about 4"):
        measure(Bowl.default, 1, ("validation",))


def test_a_list_is_searched_by_place():
    trial = optuna.trial.FixedTrial({"x": 0.123456, "side": "left", "place": 2})
    assert sizes.suggest(trial, Bowl.space) == {"x": 0.123, "side": "left", "place": 4}


# --- Training --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(mnist):
    """A few digits."""
    return datasets.Mnist(*(array[:300] for array in mnist))


@pytest.mark.parametrize(
    ("name", "change"),
    [("autoencoder", {}), ("autoencoder", {"depth": 1, "decay": "cosine", "batch": 32}), ("gan", {"d width": 64})],
)
def test_a_trial_takes_its_time_and_is_repeatable(name, change, few, monkeypatch):
    kind = size_trials.KINDS[name](few)
    monkeypatch.setattr(kind, "few", 100)
    monkeypatch.setattr(kind, "seconds", 0.05)
    monkeypatch.setattr(size_trials, "CLOCK", 0.02)
    monkeypatch.setattr(size_trials.Loop, "afford", lambda *_: 8)
    setting = {**kind.default, **change}
    first, again = (size_trials.train(kind, setting, 1, parts=("validation", "test")) for _ in range(2))
    assert len(first["curve"]) == size_trials.RUNGS - 1
    assert [first[part] for part in ("validation", "test", "curve")] == [
        again[part] for part in ("validation", "test", "curve")
    ]
    assert size_trials.train(kind, setting, 2)["validation"] != first["validation"]
    stopped = size_trials.train(kind, setting, 1, lambda rung, error: rung == 1)
    assert stopped["curve"] == first["curve"][:2]
    assert "validation" not in stopped


def test_the_loop_is_the_one_of_keras(few):
    """The same batches through Keras's own step give the same weights."""
    kind = size_trials.Autoencoders(few)
    setting = {**kind.default, "rate": 0.01, "batch": 20}
    loop, key = kind.loop(setting), jax.random.key(3)
    carried = loop.run(loop.start(5), kind.knobs(setting), kind.data, key, 0, 6, 6)
    model = loop.make(5)
    model.optimizer.learning_rate.assign(0.01)
    for number in range(6):
        rows = np.asarray(size_trials.take(jax.random.fold_in(key, number), kind.data, 20))
        model.train_on_batch(rows, rows)
    for array, variable in zip(carried[0][0], model.trainable_variables, strict=True):
        assert np.allclose(array, variable, atol=1e-5)


def test_the_average_and_the_penalty_are_those_of_the_gan(few):
    kind = size_trials.Gans(few)
    setting = {**kind.default, "g width": 64, "d width": 64, "forgets": 0.1, "penalty": 2.0}
    loop, key = kind.loop(setting), jax.random.key(3)
    _, average = loop.run(loop.start(5), kind.knobs(setting), kind.data, key, 0, 4, 4)
    gan = loop.make(5)
    adams = [size_trials.keras.optimizers.Adam(setting["rate"], beta_1=0.0, beta_2=0.99) for _ in range(2)]
    gan.compile(*adams, loss="non_saturating", r1=2.0, r2=2.0, penalty_batch=kind.penalty_batch, ema=0.9)
    for number in range(4):
        gan.train_on_batch(np.asarray(size_trials.take(jax.random.fold_in(key, number), kind.data, kind.batch)))
    for array, variable in zip(average, gan.ema_generator.weights, strict=True):
        assert np.allclose(array, variable, atol=1e-4)


# --- The result ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return record.read(sizes.NAME)


def entries(columns):
    """Return one dictionary for each trial."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_the_settings_are_the_reported_ones(result):
    assert result["settings"] == json.loads(json.dumps(sizes.settings()))


@pytest.mark.parametrize("name", size_trials.KINDS)
def test_the_result_is_whole(name, result):
    trials = entries(result[name]["trials"])
    for sampler in sizes.SAMPLERS:
        for repeat in range(sizes.REPEATS[name]):
            own = [one for one in trials if (one["sampler"], one["repeat"]) == (sampler, repeat)]
            assert len(own) == sizes.TRIALS[name]
    best = sizes.choices(name, trials)
    told = {(one["sampler"], one["repeat"]): one["setting"] for one in result[name]["choices"]}
    assert told == {key: one["setting"] for key, one in best.items()}
    assert all(one["runs"] for one in (*result[name]["choices"], *result[name]["ladder"]))
    assert result[name]["ladder"][-1]["setting"] == result[name]["chosen"] or name == "autoencoder"


def test_trials_kept_to_their_time(result):
    for name, kind in size_trials.KINDS.items():
        seconds = [one["seconds"] for one in entries(result[name]["trials"]) if one["validation"] is not None]
        assert np.median(seconds) == pytest.approx(kind.seconds, rel=0.15)
