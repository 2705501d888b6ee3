"""Search settings of autoencoders and GANs with Optuna, beside random search, and measure what the search is worth.

python -m experiments.size_study                 makes what is missing, and writes the result
python -m experiments.size_study --minutes 10    the same, but begins nothing new after ten minutes; call it again
python -m experiments.size_study --workers 4     with four processes on each study
python -m experiments.size_study autoencoder     for one kind of model only: autoencoder or gan

Each trial has the same processor time, `experiments.size_trials` says how. A study of TPE stops bad trials early by the
median rule; a study of random search runs all of its trials to their ends, so that rules for stopping can be tried on
them afterwards. The trials lie in a journal, which several processes can write and a killed run goes on with. At the
end each study's choice is trained anew with other seeds and measured on the test digits, once.
"""

import argparse
import multiprocessing
import time

import jax
import numpy as np
import optuna
from optuna.storages import journal
from optuna.trial import TrialState
from tqdm import tqdm

from experiments import size_trials
from experiments.harness import record, training
from helpers import datasets

NAME = "size_study"
FOLDER = training.RUNS / NAME
SAMPLERS = ("tpe", "random")
REPEATS = {"autoencoder": 5, "gan": 1}  # studies of each sampler
TRIALS = {"autoencoder": 16, "gan": 12}  # of a study
STARTUP = 5  # random trials at the start of a study of TPE, and before any trial is stopped
TRIAL_SEED = 100  # and the following ones are the seeds of trials, the small ones those of what is reported
OFF, TRIES = 1.25, 3  # a run whose time is off by more than this factor is made again, so often in all
SEEDS = {"autoencoder": (0, 1, 2, 3, 4), "gan": (0, 1, 2)}  # of the default, and of the best trial in its networks
CHOICE_SEEDS = {"autoencoder": (0, 1), "gan": (0, 1, 2)}  # of each study's choice
# Of settings between the default and the choice, measured on validation digits.
SWITCH_SEEDS = {"autoencoder": (10, 11, 12), "gan": (10, 11)}
CODES = (8, 16, 64)  # code sizes for which the settings were not chosen
CODE_SEEDS = (10, 11)
LONGER, LONG_SEEDS = 4, (10, 11)  # times the time of a trial, for which the settings were not chosen either


# --- Studies ---------------------------------------------------------------------------------------------------------


def storage(path):
    """Return the storage of a journal; this lock works on all systems."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = journal.JournalFileOpenLock(str(path))
    return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock))


def study_of(path, sampler, repeat):
    """Return a study of the journal, old or new."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP) if sampler == "tpe" else optuna.pruners.NopPruner()
    name = f"{sampler} {repeat}"
    return optuna.create_study(study_name=name, storage=storage(path), pruner=pruner, load_if_exists=True)


def sampler_of(sampler, seed):
    """Return a sampler that begins at a seed."""
    if sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)


def suggest(trial, space):
    """Return a setting that a trial asks for: of numbers in a list their place is searched, so that order counts."""
    setting = {}
    for knob, values in space.items():
        if isinstance(values, tuple):
            setting[knob] = float(f"{trial.suggest_float(knob, *values, log=True):.3g}")
        elif isinstance(values[0], str):
            setting[knob] = trial.suggest_categorical(knob, values)
        else:
            setting[knob] = values[trial.suggest_int(knob, 0, len(values) - 1)]
    return setting


def counting(study):
    """Return the trials that count: those that have not failed."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def finished(study):
    """Return the trials that have come to an end, whole or stopped early."""
    return [trial for trial in counting(study) if trial.state.is_finished()]


def forget_killed(study):
    """Fail the trials that a killed process has left running; call it while no process works on the study."""
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)


def work(kind, path, sampler, repeat, trials, worker=0, limit=float("inf")):
    """Make trials until a study has so many, or the time is over; several workers may do so at once."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = study_of(path, sampler, repeat)
    while len(counting(study)) < trials and time.monotonic() < limit:
        # A seed by the trials so far: a study that was stopped goes on as one that was not.
        study.sampler = sampler_of(sampler, (1000 * repeat + len(finished(study))) * 100 + worker)
        trial = study.ask()
        if trial.number not in [one.number for one in counting(study)[:trials]]:  # another worker was quicker
            study.tell(trial, state=TrialState.FAIL)
            break
        attempt(kind, study, trial)


def attempt(kind, study, trial):
    """Make one trial and tell the study."""

    def watch(rung, error):
        """Report an error; say whether to stop."""
        if np.isfinite(error):
            trial.report(error, rung)
        return not np.isfinite(error) or trial.should_prune()

    setting = suggest(trial, kind.space)
    trial.set_user_attr("setting", setting)
    measured = size_trials.train(kind, setting, TRIAL_SEED + trial.number, watch)
    error = measured.pop("validation", float("nan"))
    trial.set_user_attr("measured", measured)
    if np.isfinite(error):
        study.tell(trial, error)
    else:
        study.tell(trial, state=TrialState.PRUNED)


def work_alone(kind, path, *job, **limits):
    """Do the work of a process of its own."""
    work(size_trials.KINDS[kind](datasets.load_mnist()), path, *job, **limits)


def make_studies(name, kind, workers, limit):
    """Make the trials that are missing, study by study."""
    path, trials = FOLDER / f"{name}.journal", TRIALS[name]
    jobs = [(sampler, repeat) for repeat in range(REPEATS[name]) for sampler in SAMPLERS]
    for job in tqdm(jobs, desc=f"studies, {name}", unit="study"):
        forget_killed(study_of(path, *job))
        if workers == 1:
            work(kind, path, *job, trials, limit=limit)
        elif len(counting(study_of(path, *job))) < trials:
            together(name, path, job, trials, workers, limit)


def together(name, path, job, trials, workers, limit):
    """Let several processes work on one study."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work_alone, args=(name, path, *job, trials), kwargs=dict(worker=number, limit=limit))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"{job}: a worker ended with an error; what the others finished is in {path}.")


def trials_of(name):
    """Return all finished trials, one entry each."""
    found = []
    for repeat in range(REPEATS[name]):
        for sampler in SAMPLERS:
            study = study_of(FOLDER / f"{name}.journal", sampler, repeat)
            for trial in sorted(finished(study), key=lambda trial: trial.number):
                attributes, whole = trial.user_attrs, trial.state == TrialState.COMPLETE
                error = trial.value if whole else None
                key = {"sampler": sampler, "repeat": repeat, **attributes["setting"]}
                found.append({**key, "validation": error, **attributes["measured"]})
    return found


def columns(trials):
    """Return name → the values of all trials, which JSON holds in less space."""
    return {key: [trial.get(key) for trial in trials] for key in dict.fromkeys(key for one in trials for key in one)}


def choices(name, trials):
    """Return (sampler, repeat) → setting and validation error of the best trial of each whole study."""
    best = {}
    for sampler in SAMPLERS:
        for repeat in range(REPEATS[name]):
            own = [one for one in trials if (one["sampler"], one["repeat"]) == (sampler, repeat)]
            if len(own) >= TRIALS[name]:
                top = min((one for one in own if one["validation"] is not None), key=lambda one: one["validation"])
                setting = {knob: top[knob] for knob in size_trials.KINDS[name].space}
                best[sampler, repeat] = {"setting": setting, "validation": top["validation"]}
    return best


def best_of_size(name, trials):
    """Return the setting of the best trial whose networks are as large as the default's, or None."""
    kind = size_trials.KINDS[name]
    fixed = ["depth"] if name == "autoencoder" else kind.networks  # without hidden layers the width plays no part
    own = [one for one in trials if one["validation"] and all(one[knob] == kind.default[knob] for knob in fixed)]
    best = min(own, key=lambda one: one["validation"], default=None)
    return best and {knob: best[knob] for knob in kind.space}


# --- What a choice is worth ------------------------------------------------------------------------------------------


def switched(default, choice, groups):
    """Return knobs → the default with these knobs of the choice; depth and width of a network go together."""
    changes = {knob: {**default, **{part: choice[part] for part in parts}} for knob, parts in groups.items()}
    return {knob: setting for knob, setting in changes.items() if setting != default}


class Measured:
    """Runs of given settings and seeds, each made once."""

    key = ("setting", "parts", "code", "longer")

    def __init__(self, name, kind, limit):
        self.kind, self.limit = kind, limit
        self.log = record.Log(FOLDER / f"{name}.jsonl", {"seconds": kind.seconds, "default": kind.default})

    def __call__(self, setting, seed, parts, code=None, longer=1):
        """Return a run, made now if it is missing; None if the time is over.

        Raises
        ------
        RuntimeError
            If the run takes another time than it should, again and again.
        """
        key = {"setting": setting, "seed": seed, "parts": list(parts), "code": code}
        key |= {"longer": longer} if longer > 1 else {}
        for _ in range(TRIES):
            if (run := self._find(key)) or time.monotonic() > self.limit:
                return run
            kind = self._of_code(code) if code else self.kind
            self.log.add(size_trials.train(kind, setting, seed, parts=parts, longer=longer), **key)
        if (run := self._find(key)) is None:
            took, wanted = self.log.runs[-1]["seconds"], self.kind.seconds * longer
            raise RuntimeError(f"seconds: a run took {took:.1f} s, expected about {wanted:g}: is the machine busy?")
        return run

    def _find(self, key):
        """Return the run that was made with exactly these and took about its time, or None."""
        names = (*self.key, "seed")
        found = [run for run in self.log.runs if {name: run[name] for name in names if name in run} == key]
        return next((run for run in found if self._in_time(run)), None)

    def _in_time(self, run):
        """Return whether a run took its time: one is too short if its steps were slow only while they were measured."""
        return 1 / OFF < run["seconds"] / (self.kind.seconds * run.get("longer", 1)) < OFF

    def _of_code(self, code):
        """Return autoencoders of another code."""
        if getattr(self, "other", None) is None or self.other.code != code:
            self.other = type(self.kind)(datasets.load_mnist(), code)
        return self.other

    def all(self, setting, seeds, parts, **options):
        """Return the runs of several seeds, or None if one is missing."""
        runs = [self(setting, seed, parts, **options) for seed in seeds]
        if None in runs:
            return None
        left_out = (*self.key, "curve", "overhead")
        return [{name: value for name, value in run.items() if name not in left_out} for run in runs]


def make_measurements(name, kind, limit):
    """Measure the choices of all studies, the default, and what lies between; return what is there."""
    trials, measure, both = trials_of(name), Measured(name, kind, limit), ("validation", "test")
    best = choices(name, trials)
    if len(best) < 2 * REPEATS[name]:
        return {}
    found = {"choices": [], "default": measure.all(kind.default, SEEDS[name], both)}
    for (sampler, repeat), choice in tqdm(best.items(), desc=f"choices, {name}", unit="choice"):
        runs = measure.all(choice["setting"], CHOICE_SEEDS[name], both)
        found["choices"].append({"sampler": sampler, "repeat": repeat, **choice, "runs": runs})
    chosen = min((one for (sampler, _), one in best.items() if sampler == "tpe"), key=lambda one: one["validation"])
    chosen, default = chosen["setting"], kind.default
    found["chosen"] = chosen
    others = {knob: chosen[knob] for knob in chosen if knob not in kind.networks}
    settings = {"transplanted": {**default, **others}, "same_size": best_of_size(name, trials) or {**default, **others}}
    for which, setting in settings.items():
        found[which] = {"setting": setting, "runs": measure.all(setting, SEEDS[name], both)}
    found["switches"], found["ladder"] = between(measure, default, chosen, groups_of(name), SWITCH_SEEDS[name])
    settings = {"default": default, "chosen": chosen}
    found["longer"] = {
        which: measure.all(setting, LONG_SEEDS, ("validation",), longer=LONGER) for which, setting in settings.items()
    }
    if name == "autoencoder":
        jobs = [(code, which) for code in CODES for which in settings]
        found["codes"] = [
            {"code": code, "which": which, "runs": measure.all(settings[which], CODE_SEEDS, ("validation",), code=code)}
            for code, which in tqdm(jobs, desc="other codes", unit="setting")
        ]
    return found


def groups_of(name):
    """Return the knobs that are switched at once: depth and width make one network, of which each needs the other."""
    groups = {knob: [knob] for knob in size_trials.KINDS[name].space}
    if name == "autoencoder":
        del groups["width"]
        groups = {"depth": ["depth", "width"], **{knob: parts for knob, parts in groups.items() if knob != "depth"}}
    return groups


def between(measure, default, chosen, groups, seeds):
    """Measure single switches of the default to the choice, and then all of them one after another."""
    start, singles, gains = measure.all(default, seeds, ("validation",)), [], {}
    for knob, setting in tqdm(switched(default, chosen, groups).items(), desc="one knob", unit="setting"):
        runs = measure.all(setting, seeds, ("validation",))
        singles.append({"knob": knob, "setting": setting, "runs": runs})
        if runs and start:
            gains[knob] = mean_error(start) - mean_error(runs)
    if start is None or len(gains) < len(singles):
        return {"start": start, "single": singles}, None
    rungs, setting = [], default
    for knob in tqdm(sorted(gains, key=gains.get, reverse=True), desc="knob after knob", unit="setting"):
        setting = {**setting, **{part: chosen[part] for part in groups[knob]}}
        rungs.append({"knob": knob, "setting": setting, "runs": measure.all(setting, seeds, ("validation",))})
    return {"start": start, "single": singles}, rungs


def mean_error(runs):
    """Return the mean validation error."""
    return float(np.mean([run["validation"] for run in runs]))


# --- The result ------------------------------------------------------------------------------------------------------


def settings():
    """Return all settings as JSON can hold them."""
    kinds = {
        name: {"seconds": kind.seconds, "space": kind.space, "default": kind.default, "few": kind.few}
        for name, kind in size_trials.KINDS.items()
    }
    counts = {"longer": LONGER, "repeats": REPEATS, "trials": TRIALS, "startup": STARTUP, "rungs": size_trials.RUNGS}
    return {"kinds": kinds, **counts, "code": size_trials.Autoencoders.code}


def write(found):
    """Write the result."""
    record.write(NAME, settings=settings(), **found)


def main():
    """Make what is missing and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(size_trials.KINDS), help="autoencoder, gan; both by default")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing new after so many")
    parser.add_argument("--workers", type=int, default=1, help="processes on one study")
    arguments = parser.parse_args()
    limit = time.monotonic() + 60 * arguments.minutes
    jax.config.update("jax_compilation_cache_dir", str(FOLDER / "compiled"))  # for a study that goes on later
    mnist = datasets.load_mnist()
    for name in arguments.kinds:
        kind = size_trials.KINDS[name](mnist)
        make_studies(name, kind, arguments.workers, limit)
        measured = make_measurements(name, kind, limit)
        found = record.read(NAME) if (record.RESULTS / f"{NAME}.json").exists() else {}
        kept = {other: found[other] for other in size_trials.KINDS if other in found}
        write({**kept, name: {"trials": columns(trials_of(name)), **measured}})


if __name__ == "__main__":
    main()
