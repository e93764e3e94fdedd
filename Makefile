# The developer manual: `make` or `make help` lists what there is. Everything is built into .venv.
# Needed beforehand: Python 3.11 or later, git and make. Settings: PYTHON=python3.12, FRESH=1, UPGRADE=1, ARGS="...", VS=peer.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test test-kill test-torch coverage mutate lint lint-ruff lint-format lint-mypy lint-imports bench bench-tracking docs lock clean

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
MLFLOW := .venv-mlflow
TORCH := .venv-torch
TRAINERS := torch==2.13.0 lightning==2.6.6 transformers==5.24.0 accelerate==1.15.0
UV := uv==0.13.8

# pip keeps whatever index, proxy and certificate settings the machine has; only what would break a
# virtual environment is switched off. The lock files are complete and hold hashes, so nothing is resolved here, and
# what has to be built is built with what locks/build.txt brought.
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
INSTALL = $(BIN)/python -m pip install --no-deps --no-build-isolation --prefer-binary $$([ -t 1 ] || echo -qq)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUN) ## Install clew, with everything that it can use, into .venv
	@echo "clew is in $(VENV): source $(BIN)/activate"

demo: $(RUN) ## Run the flights example end to end (FRESH=1 starts over)
	@$(BIN)/clew demo $(if $(FRESH),--fresh)

# One more than there are cores, as many tests wait for processes that they start.
WORKERS = $$($(BIN)/python -c 'import os; print(min(os.cpu_count() or 1, 8) + 1)')

# Bytecode, as an installed package has it, for the hundreds of commands that tests start: where
# PYTHONDONTWRITEBYTECODE is set, each of them would compile what it imports.
test: ## Run the tests (ARGS="tests/cli -k help" narrows them)
	@$(MAKE) --silent --no-print-directory --jobs=2 $(DEV) $(MLFLOW)/.installed
	@$(BIN)/python -m compileall -qq src
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

test-kill: $(DEV) ## Kill everything with kill -9 at random, 100 times, and repeat it (ARGS="--kills 20 --only watch")
	@$(BIN)/python tests/kill/kill.py $(ARGS)

test-torch: $(TORCH)/.installed ## Run what needs PyTorch, gigabytes in an environment of its own (no part of make test)
	@$(TORCH)/bin/python -m pytest tests/tracking/test_ranks.py tests/integrations/test_torch*.py $(ARGS)

coverage: $(DEV) ## Test core, stats and store; refuse less than 95 % of their branches, each by itself
	@$(BIN)/python -m coverage run -m pytest -q tests/core tests/stats tests/store $(ARGS)
	@for part in core stats store; do $(BIN)/python -m coverage report --include="src/clew/$$part/*"; done

mutate: $(DEV) ## Break conditions of core, stats and store; a test must notice (ARGS="--seed 2 --count 20")
	@$(BIN)/python tests/mutate.py $(ARGS)

lint: lint-ruff lint-format lint-mypy lint-imports ## Check style, format, types and layers

lint-ruff: $(DEV)
	@$(BIN)/ruff check .

lint-format: $(DEV)
	@$(BIN)/ruff format --check .

lint-mypy: $(DEV)
	@$(BIN)/mypy

# No cache: it keeps an import as it was before a module of that name came, and passes what is broken.
lint-imports: $(DEV)
	@$(BIN)/lint-imports --no-cache

bench: $(DEV) ## Run the benchmarks and write their page (ARGS="steps --small" narrows, VS=mlflow,dvc compares)
	@CLEW_BENCH_COMMAND='make $@$(if $(VS), VS=$(VS))$(if $(ARGS), ARGS="$(ARGS)")' \
	  $(BIN)/python benchmarks/run.py $(ARGS) $(if $(VS),--vs $(VS))

bench-tracking: ## Run the benchmarks of tracking: logging, servers, search, MLflow's calls (an hour; VS=mlflow compares)
	@$(MAKE) --no-print-directory bench ARGS="logging remote server search mlflow_api $(ARGS)"

docs: $(DEV) ## Build the site into site/, with its generated reference pages
	@$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lock: $(BIN)/python ## Write locks/ anew from pyproject.toml (UPGRADE=1 takes the newest versions)
	@$(INSTALL) '$(UV)'
	@BIN=$(BIN) bash locks/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## Remove everything that these targets made, .venv too
	@rm -rf $(VENV) $(MLFLOW) $(TORCH) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@bash locks/venv.sh $(VENV) $(PYTHON)

$(RUN): locks/build.txt locks/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing clew and what it needs into $(VENV) (a minute or two the first time)" >&2
	@$(INSTALL) -r locks/build.txt
	@$(INSTALL) -r locks/run.txt
	@$(INSTALL) --editable .
	@touch $@

$(DEV): locks/dev.txt $(RUN)
	@echo "Installing the tools for tests, checks and docs into $(VENV)" >&2
	@$(INSTALL) -r locks/dev.txt
	@touch $@

# An environment of its own: what MLflow needs must not hide what clew lacks.
$(MLFLOW)/.installed: locks/mlflow.txt
	@echo "Installing MLflow, whose clients the tests run, into $(MLFLOW)" >&2
	@bash locks/venv.sh $(MLFLOW) $(PYTHON)
	@$(subst $(BIN),$(MLFLOW)/bin,$(INSTALL)) -r locks/build.txt
	@$(subst $(BIN),$(MLFLOW)/bin,$(INSTALL)) -r locks/mlflow.txt
	@touch $@

# torch comes by version and not by hash: each index has builds of its own, for processors or for accelerators.
$(TORCH)/.installed: locks/dev.txt locks/mlflow.txt
	@echo "Installing PyTorch and what trains with it into $(TORCH) (from most indexes gigabytes)" >&2
	@bash locks/venv.sh $(TORCH) $(PYTHON)
	@$(subst $(BIN),$(TORCH)/bin,$(INSTALL)) -r locks/build.txt
	@$(subst $(BIN),$(TORCH)/bin,$(INSTALL)) -r locks/dev.txt
	@$(subst $(BIN),$(TORCH)/bin,$(INSTALL)) -r locks/mlflow.txt
	@$(subst $(BIN),$(TORCH)/bin,$(INSTALL)) --editable .
	@$(TORCH)/bin/python -m pip install $$([ -t 1 ] || echo -qq) $(TRAINERS)
	@touch $@
