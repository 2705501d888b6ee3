"""`python -m tools TARGET`, which stands in for make: the commands that it reads, and how it runs them."""

import shutil
import subprocess
import sys

import pytest

from tools import __main__ as tools
from tools.pages import ROOT

TEXT = """
# Every target: this
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
NUMBER ?= 2

.PHONY: all quick

all: ready quick
\t$(MAKE) slow
\t@echo "Done: see  $(BIN)/python"

quick: $(READY)
\tCACHE=$(CURDIR)/a $(PYTEST) -n $(NUMBER) -m "not slow" \\
 tests
ifdef NAME
\techo named
else
\techo unnamed
endif

slow:
\t$(PYTEST)

shell:
\t$(BIN)/ruff check | tail

$(READY): pyproject.toml
\tfalse
"""
QUICK = [
    [f"CACHE={ROOT.as_posix()}/a", ".venv/bin/python", "-m", "pytest", "-n", "2", "-m", "not slow", "tests"],
    ["echo", "unnamed"],
]
# What the README says, and all that a reader or an author without make needs.
NEEDED = ["book", "check", "test", "lab", "edit", "unit", "pages", "chapters", "notebooks", "execute", "pdf"]


def test_steps_are_those_of_the_makefile():
    makefile = tools.Makefile(TEXT)
    assert list(makefile.lines) == ["all", "quick", "slow", "shell"]
    assert makefile.steps("quick") == QUICK
    done = ["echo", "Done: see  .venv/bin/python"]
    assert makefile.steps("all") == [*QUICK, [".venv/bin/python", "-m", "pytest"], done]


def test_variables_of_the_command_line_count_more():
    first, second = tools.Makefile(TEXT, {"NUMBER": "1", "NAME": "x"}).steps("quick")
    assert first[4:6] == ["-n", "1"]
    assert second == ["echo", "named"]


@pytest.mark.parametrize(("target", "message"), [("shell", "shell needs make: .*tail"), ("a", "no such target: 'a'")])
def test_what_it_cannot_do_is_an_error(target, message):
    with pytest.raises(ValueError, match=message):
        tools.Makefile(TEXT).steps(target)


@pytest.mark.parametrize("target", NEEDED)
def test_the_books_own_targets_need_no_make(target):
    steps = tools.Makefile((ROOT / "Makefile").read_text(encoding="utf-8")).steps(target)
    programs = [next(word for word in step if not tools.ASSIGNMENT.fullmatch(word)) for step in steps]
    assert programs
    assert [name for name in programs if not name.startswith(tools.BIN) and name not in ("echo", "rm")] == []
    assert [name for name in programs if name.startswith(tools.BIN) and not shutil.which(tools.program(name))] == []


def test_commands_run_in_this_environment(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: ran.append((command, options)))
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: ran.append(path))
    tools.run(["A=1", ".venv/bin/python", "-m", "pytest"])
    tools.run(["rm", "-rf", "_build"])
    tools.run(["echo", "see .venv/bin/python"])
    (command, options), removed = ran
    assert command == [sys.executable, "-m", "pytest"]
    assert (options["cwd"], options["env"]["A"], options["check"]) == (ROOT, "1", True)
    assert removed == ROOT / "_build"
    assert str(tools.place()) in capsys.readouterr().out


def test_it_does_not_delete_the_environment_that_it_runs_in(monkeypatch, tmp_path):
    (tmp_path / "_build").mkdir()
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    with pytest.raises(ValueError, match="holds the environment that this runs in"):
        tools.run(["rm", "-rf", "_build", ".venv"])
    assert (tmp_path / "_build").is_dir()
    tools.run(["rm", "-rf", "_build"])
    assert list(tmp_path.iterdir()) == []


def test_the_first_command_that_fails_ends_it(monkeypatch):
    ran = []

    def fail(words):
        ran.append(words)
        raise subprocess.CalledProcessError(3, words)

    monkeypatch.setattr(tools, "run", fail)
    assert tools.main(["check"]) == 3
    assert len(ran) == 1
    assert "no such target" in tools.main(["nothing"])
    assert "book" in tools.main([])
