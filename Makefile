# Waybill. `make help` lists what can be done; a fresh machine needs python3.11 or newer, make and git, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The first one that runs and is new enough: a version manager may offer names that do not run.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$name && break; done)
JOBS ?= 2
RESULTS ?= docs/plots/bench.json

# One stamp for each set of requirements, named by what is in the file: a changed pin installs, an unchanged one costs nothing.
stamp = $(VENV)/.installed-$(1)-$(shell cksum < $(1).txt | tr -d ' ')
RUN_READY := $(call stamp,requirements-dev)
CHECK_READY := $(call stamp,requirements-check)
PLOTS_READY := $(call stamp,requirements-plots)
AUDIT_READY := $(call stamp,requirements-audit)

.DELETE_ON_ERROR:
.PHONY: help run demo test check audit bench bench-quick plots chaos soak planted screenshots lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: $(RUN_READY) ## start Waybill here: database, queue, web page and workers; Ctrl-C stops all of it
	@exec $(BIN)/python -m dev.run

demo: $(RUN_READY) ## send sample orders into the running Waybill and watch them being delivered
	@exec $(BIN)/python -m samples.load

test: $(CHECK_READY) ## run every test
	@sh tests/install_chromium.sh
	@sh tests/install_servers.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(CHECK_READY) ## format, lint, types, import rules; under 20 seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(AUDIT_READY) ## look for known holes in the locked packages, write the list of them (SBOM); asks the network
	@exec $(BIN)/python -m dev.audit

bench: $(CHECK_READY) ## measure Waybill beside its references; ROWS=intake for one of them
	@sh tests/install_servers.sh
	@exec $(BIN)/python -m bench $(ROWS)

bench-quick: $(CHECK_READY) ## the main rows with a fifth of the load, under two minutes; fails below half of a mark
	@exec $(BIN)/python -m bench --quick

plots: $(PLOTS_READY) ## draw what bench has measured: RESULTS=docs/plots/bench.json, as bench --json writes it
	@exec $(BIN)/python -m bench.plots $(RESULTS) docs/plots

chaos: $(CHECK_READY) ## five minutes of load while everything fails in turn, then the count; DURATION=60 for one
	@sh tests/install_servers.sh
	@exec $(BIN)/python -m chaos

soak: $(CHECK_READY) ## a day squeezed into half an hour: many events, faults, nothing may creep up; DURATION=120
	@sh tests/install_servers.sh
	@exec $(BIN)/python -m chaos --soak

planted: $(CHECK_READY) ## put known bugs into chaos runs, one after the other: each must be found
	@exec $(BIN)/python -m chaos.selftest

screenshots: $(CHECK_READY) ## pictures of every page of the running Waybill, into the folder screenshots
	@sh tests/install_chromium.sh
	@exec $(BIN)/python -m dev.pictures $(FOLDER)

lock: $(CHECK_READY) ## write requirements*.txt anew from pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate pyproject.toml --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate pyproject.toml --group check -o requirements-check.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate -c requirements-check.txt --group audit -o requirements-audit.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate -c requirements-check.txt pyproject.toml --group plots -o requirements-plots.txt

clean: ## remove the virtual environment and what the tools keep; the data folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Waybill needs Python 3.11 or newer." >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment: on Debian and Ubuntu install python3-venv." >&2; exit 1; }

# --no-deps: the file names every package with its hash, so pip need not resolve anything
$(RUN_READY) $(CHECK_READY) $(PLOTS_READY) $(AUDIT_READY): $(VENV)/.installed-%: | $(VENV)/bin/python
	@set -e; set=$$(echo '$*' | sed 's/-[0-9]*$$//'); echo "installing $$set.txt"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $$set.txt; \
	rm -f $(VENV)/.installed-$$set-*; touch $@
