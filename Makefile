# Insula: `make demo` runs the building, `make test` tests everything. Needs Python >= 3.11 and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= data/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench chaos constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/installed ## make .venv and install Insula in it

.venv/installed: pyproject.toml constraints.txt
	@echo "installing Insula into .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

.venv/developing: .venv/installed
	@echo "installing what the tests need ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: setup ## run the simulated building and every part on http://127.0.0.1:8080
	@$(BIN)/insula demo --host 127.0.0.1 --port 8080 --data $(DATA) $(ARGS)

check: .venv/developing ## format, lint, types, layers, docs: the quick part
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest --no-header tests/test_layers.py tests/test_docs.py

test: check ## every test, with coverage; over real servers too
	@scripts/services.sh
	@$(BIN)/pytest -n 2 --dist loadscope --cov --cov-report=term --cov-fail-under=90 $(ARGS)

format: .venv/developing ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/developing ## what the README claims, measured; writes bench/results.json
	@$(BIN)/python -m bench $(ARGS)

chaos: .venv/developing ## 10,000 histories, 1,000 moves, 24 hours of faults; rounds of kill -9 (ARGS="--rounds 50")
	@scripts/services.sh
	@$(BIN)/python -m bench.histories
	@$(BIN)/python -m bench.mixed_moves
	@$(BIN)/python -m bench.chaos 1 2 3
	@$(BIN)/python -m bench.api_fuzz
	@PYTHONPATH=. $(BIN)/python -m bench.faults $(ARGS)

constraints: ## pin what a new environment gets today
	@rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	@.venv-new/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	@.venv-new/bin/python -m pip freeze --exclude insula --exclude-editable | grep -vE '@ file|^zwave-js-server' > constraints.txt
	@rm -rf .venv-new

clean: ## remove what was built
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist .coverage
