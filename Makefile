# Every target makes the environment first; the stamp file makes a ready one cost nothing.
# Another interpreter: make PYTHON=python3.12 book
PYTHON ?= python3
# Only these notebooks for `make execute`; empty means all of the table of contents.
CHAPTERS ?=

BIN := .venv/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
READY := .venv/ready-$(VERSION)
JUPYTER_BOOK := $(BIN)/jupyter-book build . -W --keep-going -n

.PHONY: book test lab execute clean

book: $(READY)
	$(JUPYTER_BOOK) --quiet
	@echo "The book is ready. Open it with:  $(BIN)/python -m http.server --directory _build/html"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "This book needs Python 3.11, 3.12 or 3.13, and \`$(PYTHON)\` is $(or $(VERSION),missing). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[book,test]'
	@touch $@

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=. book

execute: $(READY)
	$(BIN)/python -m tools.execute $(CHAPTERS)

clean:
	rm -rf .venv _build .pytest_cache .ruff_cache *.egg-info
