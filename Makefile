# Every command makes the environment first, where a stamp file makes a ready one cost nothing; `tools/__main__.py` says
# what each does. `make check CHAPTERS="book/gans/math"`, `make experiments NAME=gan_recipes`.
PYTHON ?= python3
BIN := .venv/bin
# The exact versions that the book was tested with; `make CONSTRAINTS= test` takes the newest.
CONSTRAINTS ?= constraints.txt
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
READY := .venv/ready-$(VERSION)
COMMANDS := book pdf check test unit pages chapters notebooks test-colab lab edit execute experiments bench

.PHONY: $(COMMANDS) test-oldest clean

$(COMMANDS): $(READY)
	@$(BIN)/python -m tools $@ $(foreach name,CHAPTERS NAME LAB,$(if $($(name)),'$(name)=$($(name))'))

# In an environment of its own, made anew; with Python 3.11 or 3.12, as the oldest NumPy has no wheel for 3.13. Warnings
# of old packages are no errors.
test-oldest:
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable '.[book,test]'
	PYTEST_ADDOPTS="-W default" .venv-oldest/bin/python -m tools unit chapters

clean:
	rm -rf .venv .venv-oldest .venv-colab .venv-bench _build .pytest_cache .ruff_cache *.egg-info

# Another interpreter: make PYTHON=python3.12 book
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "The book needs Python\
	 3.11, 3.12 or 3.13; $(PYTHON) is $(or $(VERSION),missing). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	[ -e $@ ] || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS:%=--constraint %) --editable '.[book,test]'
	@touch $@
