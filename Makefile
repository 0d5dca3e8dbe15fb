# Short verbs for the day's work. Each does all the set-up it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test lint fmt fuzz bench docs clean

BIN := .venv/bin
# What to test (`make test TESTS=tests/unit`) and how (`ARGS=-x`).
TESTS ?= tests
ARGS ?=

help: ## these lines
	@echo "lianmai: make VERB"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-7s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with everything in it
	@scripts/setup_venv.sh

run: setup ## a live room on this machine; prints the links
	@$(BIN)/lianmai demo $(ARGS)

test: setup ## lint, types and every test
	@tests/setup_host.sh
	@$(MAKE) --no-print-directory lint
	@tests/run.sh $(TESTS) $(ARGS)
	@echo "make test: lint, types and tests are good"

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

fmt: setup ## format, and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fuzz: setup ## the fuzz targets, long
	@HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest tests/fuzz --timeout=3600 $(ARGS)

bench: setup ## the benchmarks, into docs/benchmarks.md and docs/networks.md (ARGS=--quick only tries them)
	-@tests/setup_host.sh
	@$(BIN)/python -m loadtest.bench $(ARGS)
	@$(BIN)/python -m tests.bench.bench_networks $(filter --quick,$(ARGS))

docs: setup ## docs that are made from code
	@$(BIN)/lianmai defaultconfig --format markdown > docs/settings.md

clean: ## remove .venv, caches and reports (never data/)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis bench-report build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
