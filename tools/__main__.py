"""The book's commands, one function each, for make and for where there is no make.

Usage: python -m tools book      (or check, test, ...; NAME=VALUE sets a variable, as for make)

They run in the environment that the book is installed in, and make none, except for `bench`.
"""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.pages import ROOT

CACHE = Path(sys.prefix) / "jax-cache"  # what `check` compiles is kept; the key of an entry holds program and version
BENCH = ROOT / ".venv-bench"
# Two at a time, each with a half that lies together; who is done early takes from the other.
TWO = ("-n", "2", "--dist", "worksteal")
NBVAL = ("-p", "tools.nbval_budget", "--nbval-lax", "--nbval-current-env", "-W", "default")
NBVAL += ("--nbval-sanitize-with", "tests/sanitize.cfg", "--nbval-cell-timeout", "300")


def book():
    """Build the pages."""
    build()
    print(f"The book is built. Open it with:  {sys.executable} -m http.server --directory _build/html")


def pdf():
    """Build the pages, and print them into one file."""
    book()
    python("tools.browser")
    python("tools.pdf")


def check(CHAPTERS=""):
    """Check style, pairs in step and the helpers, without slow tests; or some chapters, which are run and built."""
    style()
    if CHAPTERS:
        chapters = CHAPTERS.split()
        python("tools.pairs", *(f"{chapter}.md" for chapter in chapters))
        pytest(*NBVAL, *(f"{chapter}.ipynb" for chapter in chapters))
        build()
    else:
        python("tools.pairs")
        alone = dict(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", JAX_COMPILATION_CACHE_DIR=str(CACHE))
        # Of pytest's plugins these tests need one; nbval takes each process more than a second to import.
        pytest("-p", "xdist", *TWO, "-m", "not slow", "tests/helpers", **alone)


def test():
    """Check everything, in the order of cost, so that what is wrong shows early."""
    style()
    unit()
    pages()
    chapters()


def unit():
    """Test all code outside a browser."""
    pytest(*TWO, "tests", "--ignore", "tests/browser")


def pages():
    """Build the pages anew, for an incremental build would hide warnings, and test them in a browser."""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    build()
    python("tools.browser")
    pytest("tests/browser/test_speed.py")
    pytest(*TWO, "tests/browser", "--ignore", "tests/browser/test_speed.py")


def chapters():
    """Run all chapters again and compare them with what is committed."""
    pytest("-n", "2", "--dist", "loadscope", *NBVAL, "book")


def notebooks():
    """Write the readers' edition: notebooks that need no extension."""
    python("tools.readers")


def colab(CHAPTERS=""):
    """Run the readers' edition, or some chapters of it, as Colab has it, in an environment of its own."""
    python("tools.colab", *CHAPTERS.split())


def lab(LAB=""):
    """Open a copy of the readers' edition, which stays when it is changed."""
    python("tools.lab", *LAB.split())


def edit(LAB=""):
    """Open the sources, for authors."""
    python("tools.lab", "--sources", *LAB.split())


def execute(CHAPTERS=""):
    """Execute all notebooks, or some, in place."""
    python("tools.execute", *CHAPTERS.split())


def experiments(NAME=""):
    """Make one of the long runs."""
    there = [
        file.stem for file in sorted((ROOT / "experiments").glob("*.py")) if "\ndef main" in file.read_text("utf-8")
    ]
    if not NAME:
        print("Name one, as in NAME=gan_recipes:", *there, sep="\n  ")
    else:
        python(f"experiments.{NAME}")


def bench():
    """Measure the book beside other libraries, which lie in an environment of their own."""
    needs = [ROOT / "experiments" / "bench" / "requirements.txt", ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    ready = BENCH / "ready"
    program = str(BENCH / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if not ready.exists() or ready.stat().st_mtime < max(file.stat().st_mtime for file in needs):
        python("venv", "--clear", str(BENCH))
        install = (program, "-m", "pip", "install", "--quiet")
        run(*install, "--constraint", "constraints.txt", "--editable", ".")
        run(*install, "--requirement", str(needs[0]))  # of what both need, TensorFlow may want an older version
        ready.touch()
    run(program, "-m", "experiments.bench.run")


COMMANDS = {
    **{name.__name__: name for name in (book, pdf, check, test, unit, pages, chapters, notebooks)},
    "test-colab": colab,
    **{name.__name__: name for name in (lab, edit, execute, experiments, bench)},
}


def style():
    """Hold the code to its form."""
    python("ruff", "check")
    python("ruff", "format", "--check")


def build():
    """Build the pages; every warning is an error."""
    script = shutil.which("jupyter-book", path=Path(sys.executable).parent) or "jupyter-book"
    run(script, "build", ".", "-W", "--keep-going", "-n", "--quiet")


def pytest(*words, **variables):
    """Run tests, with these variables in their environment."""
    python("pytest", *words, **variables)


def python(module, *words, **variables):
    """Run a module with this Python, with these variables in its environment."""
    run(sys.executable, "-m", module, *words, **variables)


def run(program, *words, **variables):
    """Show a command and run it; raise a CalledProcessError when it fails."""
    print(Path(program).stem, *words, flush=True)
    subprocess.run([program, *words], cwd=ROOT, env={**os.environ, **variables}, check=True)


def main(arguments=None):
    """Run commands up to the first that fails; return its exit code, or what is wrong with a word."""
    words = sys.argv[1:] if arguments is None else arguments
    given = dict(word.split("=", 1) for word in words if "=" in word)
    names = [word for word in words if "=" not in word]
    if not names or set(names) - COMMANDS.keys():
        return f"got {' '.join(names) or 'no command'}, expected some of {', '.join(COMMANDS)}"
    takes = {name: inspect.signature(COMMANDS[name]).parameters for name in names}
    if strange := given.keys() - {variable for variables in takes.values() for variable in variables}:
        return f"got {', '.join(sorted(strange))}=..., which {' '.join(names)} does not take"
    try:
        for name in names:
            COMMANDS[name](**{variable: given[variable] for variable in takes[name] if variable in given})
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
