# Everything a newcomer needs: `make` lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-fast check format docs wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "dormant needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade pip

$(VENV)/.vitro: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing dormant and PyTorch into $(VENV) (once)"
	$(PIP) -e '.[vitro]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing dormant with everything that the tests need into $(VENV) (once)"
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.vitro

quickstart: $(VENV)/.vitro  ## train eight organisms, audit each, write runs/quickstart/report.html
	$(BIN)/dormant quickstart --out runs/quickstart

test: $(VENV)/.dev  ## install what the tests need and run them all
	@sh tests/install_browser.sh
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-fast: $(VENV)/.dev  ## only the tests that need no real model, no browser and little time
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not real and not browser and not slow'

check: $(VENV)/.dev docs  ## lint, format, types and the links of the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/.dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## build the documentation site into site/; a broken link is an error
	$(BIN)/python docs/build.py site

wheel: $(VENV)/.dev  ## build dist/*.whl
	$(BIN)/python -m build --wheel

clean:  ## remove the environment, the runs and what was built
	rm -rf $(VENV) runs dist build site
