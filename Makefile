# The commands of the project; `make help` lists them. Needs Python >= 3.11 with venv, and make.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
DEMO ?= runs/demo
WORKERS ?= 2
# More options for pip, such as where to take the CPU build of torch from (README, "Installation").
PIP_OPTIONS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_OPTIONS) --constraint constraints.txt
# One thread a process: the workers of the tests share the cores among themselves.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test lint peers web web-check format check clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.runtime  ## install, train a small network on real images, write the report
	$(BIN)/kinsight demo --out $(DEMO)
	@echo "Open the report: $(abspath $(DEMO))/report.html"
	@echo "Look around:     $(BIN)/kinsight explore $(DEMO)"

test: $(VENV)/.dev  ## all tests and the examples in the documentation
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(PYTEST_OPTIONS)

lint: $(VENV)/.dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

peers: $(VENV)/.dev  ## environments for the packages that benchmarks/peers.py compares with, some GB
	$(BIN)/python benchmarks/peers.py --install

web: $(VENV)/.dev  ## build the page of the explorer from web/ into the package
	$(BIN)/python web/build.py

web-check: $(VENV)/.dev  ## is the page in the package what web/ builds?
	$(BIN)/python web/build.py --check

format: $(VENV)/.dev  ## put every file into the project's format
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

check: lint test  ## lint, then test: what CI runs

clean:  ## remove everything these commands made
	rm -rf $(VENV) runs build dist web/node_modules .pytest_cache .hypothesis .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file says what is installed; it is renewed when what it was made from changes.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "No python3 found. Install Python 3.11 or later (Debian: apt install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "kinsight needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments (Debian: apt install python3-venv)."; exit 1; }
	@echo "Making the virtual environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing kinsight and what it needs, once (some minutes, mostly torch) ..."
	@$(PIP) --editable '.[explore]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing the tools for tests and checks, once ..."
	@$(PIP) --editable '.[dev]'
	@touch $@
