# What can be done here? `make` lists it. Everything runs in .venv, made from what constraints.txt pins.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format stubs monitoring bench scorecard clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12" >&2; exit 1)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) uv
	$(BIN)/uv pip install --system-certs --quiet --constraint constraints.txt --editable '.[dev]' || $(PIP) --no-compile --editable '.[dev]'
	@touch $@

demo: $(VENV)/run ## import, train, evaluate, serve, show (ARGS="--once --json", --data PATH, --help)
	@$(BIN)/foryou demo $(ARGS)

test: $(VENV)/dev ## run the whole suite (ARGS="-k name")
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

soak: $(VENV)/dev ## the long forms: drills of half a minute, every alert, 30 processes killed, 5,000 requests made up, more examples
	$(BIN)/python -m pytest -m 'drill or long' --kills 30 --long $(ARGS)
	$(BIN)/python -m pytest -n 2 -m hypothesis --cases 5000 --hypothesis-profile long $(ARGS)

check: $(VENV)/dev ## format, lint, strict types
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy

format: $(VENV)/dev ## put the code into shape
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

stubs: $(VENV)/dev ## make the Python modules of src/foryou/v1 from foryou.proto
	$(BIN)/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src --grpc_python_out=src foryou/v1/foryou.proto

monitoring: $(VENV)/dev ## write the alert rules and dashboards in deploy/ that src/foryou/observe and deploy/ describe
	$(BIN)/python deploy/monitoring.py

bench: $(VENV)/run ## measure freshness, serving and accuracy on MovieLens 100K
	$(BIN)/foryou bench freshness
	$(BIN)/foryou bench serve
	$(BIN)/foryou bench accuracy

scorecard: $(VENV)/run ## print the table of accuracy from the results kept in docs/scorecard
	@$(BIN)/foryou bench scorecard

clean: ## remove what was built; homes under var/ too
	rm -rf $(VENV) var build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
