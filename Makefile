# `make report` runs the quickstart study, `make test` the whole suite; both set up .venv first.

PYTHON ?= python3
# Processes that run the tests; each has up to three kernels of 1 GB at a time.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup report test lint lab clean

help:
	@echo "make report  set up, run params/quickstart.yaml, write reports/quickstart/"
	@echo "make test    set up, run the whole test suite"
	@echo "make lint    ruff and mypy"
	@echo "make lab     set up, open JupyterLab on the notebooks"
	@echo "make clean   remove .venv and runs/"

# A stamp file is newer than what it was made from: a second `make` installs nothing.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python >= 3.10 is needed, $(PYTHON) is older: make PYTHON=python3.11 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what constraints.txt pins (once, some minutes) ..."
	@$(PIP) install --constraint constraints.txt --editable '.[quickstart]'
	@touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/.ready
	@echo "Installing what the tests need ..."
	@$(PIP) install --constraint constraints.txt --editable '.[quickstart,dev]'
	@touch $(VENV)/.ready $@

setup: $(VENV)/.ready-dev

report: $(VENV)/.ready
	@$(BIN)/nbutils run params/quickstart.yaml

test: $(VENV)/.ready-dev
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/.ready
	@$(BIN)/nbutils lab

clean:
	rm -rf $(VENV) runs
