"""The run of all chapters on an accelerator, on chapters of a few cells: what it records, and that it goes on."""

import json

import pytest
from nbformat import v4

from experiments.bench import accelerator
from experiments.harness import record
from helpers import claims
from tests.tools.test_tools import chapter, executed
from tools import gpu, needs
from tools.execute import read_source

# Kernels are started: the warnings are jupyter_client's own.
pytestmark = pytest.mark.filterwarnings("default")
CLAIMS = "from helpers import claims"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty book whose results and pages are its own."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "PAGES", tmp_path / "pages")
    for name in gpu.SHARING:  # what `main` sets is gone after the test
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def run(*paths, options=()):
    """Run chapters as the command line does; return the exit code and the result."""
    code = gpu.main([*map(str, paths), "--rehearse", "--jobs", "2", *options])
    return code, record.read("gpu_rehearsal")


def test_a_chapter_goes_on_whatever_fails(folder, capsys):
    cells = [
        CLAIMS,
        "claims.check('holds', 0.5, at_most=1)",
        "claims.check('fails', 2, at_most=1, unit='bits'); claims.check('same-cell', 3)",
        "claims.compare('worse', [2, 2.1, 1.9], [1, 1, 1], at_most=1.5, curve='ladder')",
        "claims.check('reached', 1, at_most=1, met=False)",
        "1 / 0",
        "import os; claims.check('after', int(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] == 'false'), at_least=1)",
        "claims.check('flags', int('autotune_level=0' in os.environ['XLA_FLAGS']), at_least=1)",
        "claims.report()",
    ]
    path = chapter(folder / "one", *cells)
    dead = chapter(folder / "dead", "import os; os._exit(1)")
    code, result = run(path, dead)
    (error,) = result["chapters"][str(folder / "dead")]["errors"]
    assert error["error"].startswith("DeadKernelError")
    found = result["chapters"][str(folder / "one")]
    assert code == 1
    assert found["held"] == 4
    assert "claims" not in found  # a rehearsal keeps how many hold
    assert found["failed"][0] == {"name": "fails", "value": 2.0, "at_most": 1.0, "unit": "bits", "stated_as_met": True}
    assert [(claim["name"], claim["stated_as_met"]) for claim in found["failed"][1:]] == [
        ("worse", True),
        ("reached", False),
    ]
    assert [(error["cell"], error["error"]) for error in found["errors"]] == [
        ("1 / 0", "ZeroDivisionError: division by zero")
    ]
    assert found["peak_memory_gib"] > 0
    assert result["not_finished"] == []
    assert not path.exists()
    assert "fails = 2, at_most 1" in capsys.readouterr().out


def test_a_chapter_past_the_limit_is_named_and_run_next_time(folder, capsys):
    slow = chapter(folder / "slow", "import os, time", "if not os.path.exists('done'): time.sleep(100)")
    other = chapter(folder / "other", "1")
    code, result = run(slow, other, options=["--limit-seconds", "3", "--jobs", "1"])
    assert (code, result["chapters"]) == (1, {})
    assert result["not_finished"] == [str(folder / "slow"), str(folder / "other")]
    (folder / "done").touch()
    code, result = run(slow)
    assert (code, list(result["chapters"])) == (1, [str(folder / "slow")])
    assert result["not_finished"] == [str(folder / "other")]
    assert "slow: not finished" in capsys.readouterr().out


def test_chapters_that_took_longest_come_first(folder):
    for name, seconds in (("quick", 1.0), ("slow", 9.0)):
        executed(folder / f"{name}.ipynb", {claims.RUN_MIME: {"seconds": seconds}}, {})
    names = [str(folder / name) for name in ("new", "quick", "slow")]
    assert gpu.longest_first(names) == [names[2], names[1], names[0]]


def test_a_cell_that_is_to_raise_is_no_error():
    cell = v4.new_code_cell("1 / 0", outputs=[v4.new_output("error", ename="E", evalue="e\nf", traceback=[])])
    assert [error["error"] for error in gpu.errors_of(cell)] == ["E: e"]
    cell.metadata["tags"] = ["raises-exception"]
    assert gpu.errors_of(cell) == []


def test_a_result_is_taken_up_on_the_same_device_alone(folder):
    chapter(folder / "one", "1")
    name = str(folder / "one")
    result = gpu.Result("gpu")
    result.expect([name])
    assert gpu.Result("gpu").unfinished == [name]
    found = {"source": gpu.digest(name), "seconds": 1.0}
    result.add(name, {**found, **gpu.describe(read_source(folder / "one.md"))})
    assert not gpu.Result("gpu").lacks(name)
    assert result.chapters[name]["claims"] == {}
    stored = record.read("gpu")
    record.rewrite("gpu", stored | {"conditions": stored["conditions"] | {"device": "another"}})
    assert gpu.Result("gpu").lacks(name)
    chapter(folder / "one", "2")
    assert result.lacks(name)
    assert json.loads((folder / "gpu.json").read_text())["not_finished"] == []


def test_a_chapter_that_is_edited_while_it_runs_is_run_again(folder):
    run(chapter(folder / "one", "open('one.md', 'a').write('More.')"))
    assert gpu.Result("gpu_rehearsal", values=False).lacks(str(folder / "one"))


def test_of_a_rehearsed_benchmark_it_is_known_what_ran(folder, monkeypatch):
    asked, rows = {}, {"fit": {"wall": 1.0}, "scan": {"failed": "no room"}}

    def measure(**options):
        asked.update(options)
        return {"autoencoder": {"book": rows}}

    monkeypatch.setattr(accelerator, "measure", measure)
    result = gpu.Result("gpu_rehearsal", values=False)
    result.measure(7.0, "gpu_rehearsal")
    assert asked == {"deadline": 7.0, "together": False, "steps": 2, "rounds": 1}
    assert record.read("gpu_rehearsal")["benchmark"]["rows"] == {"autoencoder": {"book": ["fit"]}}
    assert gpu.Result("gpu_rehearsal").benchmark == result.benchmark
    gpu.Result("gpu").measure(7.0, None)
    assert record.read("gpu")["benchmark"]["rows"]["autoencoder"]["book"] == rows


def test_without_a_package_nothing_is_run(folder, monkeypatch, capsys):
    monkeypatch.setattr(needs, "lacking", lambda some: ["optuna>=4"])
    with pytest.raises(SystemExit):
        gpu.main(["--rehearse"])
    assert "optuna>=4" in capsys.readouterr().err


def test_without_an_accelerator_no_result_is_written(folder, capsys):
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "--rehearse" in capsys.readouterr().err
    assert not (folder / "gpu.json").exists()
