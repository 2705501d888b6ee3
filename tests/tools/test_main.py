"""`python -m tools COMMAND`: what make runs, and what stands in for make where there is none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import __main__ as tools
from tools.pages import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture
def ran(monkeypatch):
    """Record commands, and what they add to the environment, in place of running them; nothing is deleted."""
    calls = []
    monkeypatch.setattr(tools, "run", lambda *words, **variables: calls.append((*words, variables)))
    monkeypatch.setattr(tools.shutil, "rmtree", lambda path, **_: calls.append(("delete", path)))
    return calls


def words(call):
    """Return a call as one line, its program by name."""
    return " ".join([Path(call[0]).stem, *map(str, call[1:-1])])


def test_make_hands_on_each_command():
    named = re.search(r"^COMMANDS := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert named == list(tools.COMMANDS)


def test_make_hands_on_variables():
    variables = re.search(r"foreach name,([A-Z ]+),", MAKEFILE)[1].split()
    taken = {name for command in tools.COMMANDS.values() for name in tools.inspect.signature(command).parameters}
    assert set(variables) == taken


def test_everything_is_tested_in_the_order_of_cost(ran):
    assert tools.main(["test"]) == 0
    lines = [words(call) for call in ran if call[0] != "delete"]
    parts = ["ruff check", "ruff format", "pytest -n 2", "jupyter-book build", "tools.browser", "test_speed", "nbval"]
    places = [next(i for i, line in enumerate(lines) if part in line) for part in parts]
    assert places == sorted(places)


def test_variables_reach_their_command(ran):
    tools.main(["check", "CHAPTERS=book/gans/math book/gans/dcgan"])
    lines = [words(call) for call in ran]
    assert any(line.endswith("tools.pairs book/gans/math.md book/gans/dcgan.md") for line in lines)
    assert any("--nbval-lax" in line and line.endswith("book/gans/math.ipynb book/gans/dcgan.ipynb") for line in lines)


def test_check_keeps_what_it_compiles(ran):
    tools.main(["check"])
    assert ran[-1][-1]["JAX_COMPILATION_CACHE_DIR"] == str(tools.CACHE)
    assert "not slow" in words(ran[-1])


def test_experiments_are_listed_or_made(ran, capsys):
    tools.main(["experiments"])
    assert "  gan_recipes\n" in capsys.readouterr().out
    assert not ran
    tools.main(["experiments", "NAME=ladder"])
    assert words(ran[0]).endswith("-m experiments.ladder")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "got no command, expected some of book, pdf"),
        (["nothing"], "got nothing, expected some of book"),
        (["book", "CHAPTERS=a"], "got CHAPTERS=..., which book does not take"),
    ],
)
def test_what_it_does_not_know_is_said(ran, given, message):
    assert message in tools.main(given)
    assert not ran


def test_the_first_command_that_fails_ends_it(monkeypatch):
    seen = []

    def fail(command, **options):
        seen.append((command, options))
        raise subprocess.CalledProcessError(3, command)

    monkeypatch.setattr(subprocess, "run", fail)
    assert tools.main(["check", "book"]) == 3
    ((command, options),) = seen
    assert command == [sys.executable, "-m", "ruff", "check"]
    assert (options["cwd"], options["check"]) == (ROOT, True)


def test_the_program_that_builds_is_there():
    assert tools.shutil.which("jupyter-book", path=Path(sys.executable).parent)


def test_the_benchmark_gets_an_environment_once(ran, monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "BENCH", tmp_path)
    tools.main(["bench"])
    lines = [words(call) for call in ran]
    assert [line.split()[-1] for line in lines] == [str(tmp_path), ".", lines[2].split()[-1], "experiments.bench.run"]
    assert Path(lines[2].split()[-1]).name == "requirements.txt"
    ran.clear()
    tools.main(["bench"])
    assert [words(call) for call in ran] == ["python -m experiments.bench.run"]
