"""Do what a target of the Makefile does where there is no make, with the commands that stand there and nowhere else.

Usage: python -m tools book      (or check, test, ...; NAME=VALUE sets a variable, as for make)

It runs in the environment that the book is installed in, and makes none.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tools.pages import ROOT

BIN = ".venv/bin/"  # as the Makefile names it; here it is wherever this Python is
ASSIGNMENT = re.compile(r"(\w+) *[:?]?= *(.*)")
RULE = re.compile(r"([\w -]+):(?!=)(.*)")
# What needs a shell, or make itself.
BEYOND = re.compile(r"\$\(|[|;<>]|&&")


class Makefile:
    """The targets of a Makefile as simple as the book's.

    Parameters
    ----------
    text : str
        The Makefile.
    given : dict
        Variables that the command line sets.
    """

    def __init__(self, text, given=()):
        self.given, self.variables = dict(given), {"CURDIR": ROOT.as_posix(), "MAKE": "make"}
        self.needs, self.lines = {}, {}
        targets, skips = [], []
        for line in text.replace("\\\n", "").splitlines():
            if line.startswith("ifdef "):
                skips.append(line.split()[1] not in self.given)
            elif line in ("else", "endif"):
                skips = [*skips[:-1], not skips[-1]] if line == "else" else skips[:-1]
            elif not any(skips):
                targets = self._read(line, targets)

    def _read(self, line, targets):
        """Take in a line, of a recipe of these targets or another; return the targets that the next one belongs to."""
        if line.startswith("\t"):
            for target in targets:
                self.lines[target].append(line.strip())
        elif found := ASSIGNMENT.match(line):
            self.variables.setdefault(*found.groups())
        elif found := RULE.match(line):
            targets = found[1].split()
            self.needs |= {target: found[2].split() for target in targets}
            self.lines |= {target: [] for target in targets}
        elif line and line[0] not in "#.":  # the rule of the environment
            targets = []
        return targets

    def expand(self, text):
        """Put in what the variables stand for; what make computes stays as it is."""
        while (new := re.sub(r"\$\((\w+)\)", self._value, text)) != text:
            text = new
        return text

    def _value(self, found):
        return self.given.get(found[1], self.variables.get(found[1], ""))

    def steps(self, target):
        """List the commands of a target, of the targets that it needs and of those that its commands make.

        Raises
        ------
        ValueError
            If there is no such target, or a command is one that only make or a shell can run.
        """
        if target not in self.lines:
            raise ValueError(f"no such target: {target!r}; there are {', '.join(self.lines)}")
        steps = [step for need in self.needs[target] if need in self.lines for step in self.steps(need)]
        for line in map(self.expand, self.lines[target]):
            if BEYOND.search(line.partition('"')[0]):
                raise ValueError(f"{target} needs make: {line}")
            words = shlex.split(line.lstrip("@-"))
            steps += self.steps(words[1]) if words[0] == "make" else [words]
        return steps


def run(words):
    """Run a command: a program, with variables of its environment before it, or the two that Windows lacks."""
    count = next(i for i, word in enumerate(words) if not ASSIGNMENT.fullmatch(word))
    variables, words = dict(word.split("=", 1) for word in words[:count]), words[count:]
    if words[0] == "echo":
        print(*(word.replace(BIN, f"{place()}{os.sep}") for word in words[1:]))
    elif words[0] == "rm":
        remove([ROOT / name for name in words[2:]])
    else:
        environment = {**os.environ, **variables, "PATH": os.pathsep.join([str(place()), os.environ["PATH"]])}
        subprocess.run([program(words[0]), *words[1:]], cwd=ROOT, env=environment, check=True)


def remove(folders):
    """Delete folders; raise a ValueError, and delete nothing, when this very Python runs from one of them."""
    own = [folder for folder in folders if Path(sys.prefix).is_relative_to(folder)]
    if own:
        raise ValueError(f"{own[0]} holds the environment that this runs in: delete it by hand, and the others with it")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def place():
    """Return the folder of this environment's programs."""
    return Path(sys.executable).parent


def program(name):
    """Return the path of a program of the environment, or the name of one that lies elsewhere."""
    if name == BIN + "python":
        return sys.executable
    if not name.startswith(BIN):
        return name
    return shutil.which(name.removeprefix(BIN), path=str(place())) or name


def main(arguments=None):
    """Run a target's commands up to the first that fails, whose exit code is returned."""
    words = sys.argv[1:] if arguments is None else arguments
    given = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    makefile = Makefile((ROOT / "Makefile").read_text(encoding="utf-8"), given)
    if not targets:
        return f"name a target, as in python -m tools book; there are {', '.join(makefile.lines)}"
    try:
        for words in [step for target in targets for step in makefile.steps(target)]:
            run(words)
    except (ValueError, subprocess.CalledProcessError) as error:
        return getattr(error, "returncode", str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
