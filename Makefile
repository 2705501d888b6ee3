# Every target makes the environment first; a stamp file makes a ready one cost nothing.
PYTHON ?= python3
BIN := .venv/bin
# The exact versions that the book was tested with; `make CONSTRAINTS= test` takes the newest.
CONSTRAINTS ?= constraints.txt
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
READY := .venv/ready-$(VERSION)
BUILD := $(BIN)/jupyter-book build . -W --keep-going -n --quiet
PYTEST := $(BIN)/python -m pytest
# Two at a time, each with a half that lies together; who is done early takes from the other.
TWO := -n 2 --dist worksteal
NBVAL := -p tools.nbval_budget --nbval-lax --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg --nbval-cell-timeout 300

.PHONY: book pdf check test unit pages chapters notebooks test-oldest test-colab lab edit execute experiments clean

book: $(READY)
	$(BUILD)
	@echo "The book is built. Open it with:  $(BIN)/python -m http.server --directory _build/html"

pdf: book
	$(BIN)/python -m tools.browser
	$(BIN)/python -m tools.pdf

# Between "save" and everything: style, pairs in step, and the helpers' tests but for the slow ones. What they compile is
# kept between runs; the key of an entry holds program and version. One chapter, run and built:
# make check CHAPTERS="book/gans/math"
check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
ifdef CHAPTERS
	$(BIN)/python -m tools.pairs $(addsuffix .md,$(CHAPTERS))
	$(PYTEST) $(NBVAL) -W default $(addsuffix .ipynb,$(CHAPTERS))
	$(BUILD)
else
	$(BIN)/python -m tools.pairs
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.venv/jax-cache $(PYTEST) $(TWO) -m "not slow" tests/helpers
endif

# In the order of cost, so that what is wrong shows early.
test: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(MAKE) unit
	$(MAKE) pages
	$(MAKE) chapters

unit: $(READY)
	$(PYTEST) $(TWO) tests --ignore tests/browser

# Warnings of an incremental build would hide: hence rm.
pages: $(READY)
	rm -rf _build
	$(BUILD)
	$(BIN)/python -m tools.browser
	$(PYTEST) tests/browser/test_speed.py
	$(PYTEST) $(TWO) tests/browser --ignore tests/browser/test_speed.py

chapters: $(READY)
	$(PYTEST) -n 2 --dist loadscope $(NBVAL) -W default book

# The readers' edition: notebooks that need no extension.
notebooks: $(READY)
	$(BIN)/python -m tools.readers

# In an environment of its own, made anew; with Python 3.11 or 3.12, as the oldest NumPy has no wheel for 3.13. Warnings
# of old packages are no errors.
test-oldest:
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable '.[book,test]'
	.venv-oldest/bin/python -m pytest $(TWO) -W default tests --ignore tests/browser
	.venv-oldest/bin/python -m pytest -n 2 --dist loadscope $(NBVAL) -W default book

# In an environment of its own, made anew, each chapter of the readers' edition as Colab has it, or some:
# make test-colab CHAPTERS="gans/math"
test-colab: $(READY)
	$(BIN)/python -m tools.colab $(CHAPTERS)

# On a copy of the readers' edition, which stays when it is changed; and on the sources, for authors.
lab: $(READY)
	$(BIN)/python -m tools.lab $(LAB)

edit: $(READY)
	$(BIN)/python -m tools.lab --sources $(LAB)

# All notebooks, or some: make execute CHAPTERS="book/gans/broken_loop"
execute: $(READY)
	$(BIN)/python -m tools.execute $(CHAPTERS)

# The long runs: make experiments NAME=gan_recipes
experiments: $(READY)
	$(if $(NAME),$(BIN)/python -m experiments.$(NAME),@echo "Name one, as in make experiments NAME=...:"; grep -l "^def main" experiments/*.py | sed 's|.*/|  |; s|\.py$$||')

clean:
	rm -rf .venv .venv-oldest .venv-colab _build .pytest_cache .ruff_cache *.egg-info

# Another interpreter: make PYTHON=python3.12 book
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "The book needs Python\
	 3.11, 3.12 or 3.13; $(PYTHON) is $(or $(VERSION),missing). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	[ -e $@ ] || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS:%=--constraint %) --editable '.[book,test]'
	@touch $@
