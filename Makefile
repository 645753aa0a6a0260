# `make` lists the targets. Everything is installed into .venv and the folders node_modules of supabase/local,
# functions/console and (for the tests) tests/node: the one prerequisite is Python 3.11 or newer.
PYTHON ?= python3
ARGS ?=
NAME ?=
ONCE ?=
FUNCTION ?=
TELEMETRY ?=
DAYS ?= 90
SECONDS ?= 300

BIN := .venv/bin
LOCAL := supabase/local
VENDOR := functions/console/static/vendor
NODE := $(LOCAL)/node.py
FUNCTION_GROUPS := ingest classify classify_llm prepare_for_rules process_rules dispatch api console telemetry cli local
export ONCE

.DEFAULT_GOAL := help
.PHONY: help setup run up down reset push prune bundle test fuzz check format bench evaluate screenshots migration lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready $(LOCAL)/node_modules/.ready $(VENDOR)/.ready ## install the pinned Python and npm packages

run: setup ## start everything and send the sample webhooks; serve until Ctrl-C (ONCE=1: stop after them)
	@exec $(BIN)/python $(LOCAL)/stack.py run

up: setup ## start the local stack in the background, write what is missing into .env
	@$(BIN)/python $(LOCAL)/stack.py up

down: setup ## stop the local stack, keep its data
	@$(BIN)/python $(LOCAL)/stack.py down

reset: setup ## stop the local stack, drop its data, start over
	@$(BIN)/python $(LOCAL)/stack.py reset

push: setup ## push the migrations to the database that .env names, such as a hosted project's
	@$(BIN)/python $(LOCAL)/migrations.py push

bundle: setup ## make a zip per function for a serverless runtime (FUNCTION=ingest, TELEMETRY=1, ARGS='--arch arm64 --python 3.13')
	@$(BIN)/python -m functions.deploy.bundle $(FUNCTION) $(if $(TELEMETRY),--telemetry) $(ARGS)

prune: setup ## delete what has been finished for DAYS=90 from the database that .env names
	@$(BIN)/python $(LOCAL)/prune.py "$(DAYS)"

test: setup tests/node/node_modules/.ready ## run the tests on a stack of their own (ARGS='tests/shared -k slack')
	@$(BIN)/python -m pytest $(ARGS)

fuzz: setup .venv/.fuzz ## give made-up requests to ingest's parsers for SECONDS=300 (needs CPython on Linux x86_64)
	@$(BIN)/python -m tests.fuzz "$(SECONDS)" $(ARGS)

check: setup ## lint, types, import rules, schema drift, Supabase's advisors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python $(LOCAL)/migrations.py check

format: setup ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## measure ingest, workers, claim, delivery and the console's pages, as ratios (ARGS=console)
	@PYTHONPATH=$(LOCAL) $(BIN)/python -m tests.bench $(ARGS)

evaluate: setup ## measure the classifier on labelled events; the page is .stack/evaluation.html
	@$(BIN)/python -m tests.evaluation

screenshots: setup tests/node/node_modules/.ready ## show every page of the console to Chromium, into .stack/screenshots (ARGS=folder)
	@PYTHONPATH=.:$(LOCAL) $(BIN)/python -m tests.browser.screenshots $(ARGS)

migration: setup ## write what sql/ has and the migrations lack as a new migration (NAME=add_orders, ARGS=--allow-drops)
	@$(BIN)/python $(LOCAL)/migrations.py new "$(NAME)" $(ARGS)

lock: setup ## pin again what pyproject.toml and package.json ask for (ARGS=--upgrade for newer versions)
	@$(BIN)/uv pip compile --group dev -o requirements/dev.txt $(UV_COMPILE) $(ARGS)
	@for group in $(FUNCTION_GROUPS) fuzz; do \
	  $(BIN)/uv pip compile --group $$group -c requirements/dev.txt \
	    -o requirements/$$group.txt $(UV_COMPILE) || exit 1; \
	done
	@$(BIN)/python $(NODE) lock

UV_COMPILE := --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

.venv/.ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@echo "Installing the Python packages into .venv (a minute or two)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# There is no atheris for some platforms; what needs it says so.
.venv/.fuzz: requirements/fuzz.txt .venv/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	  -r requirements/fuzz.txt && touch $@ || true

$(LOCAL)/node_modules/.ready: $(LOCAL)/package-lock.json .venv/.ready
	@echo "Installing the npm packages into $(LOCAL)/node_modules (up to a minute)"
	@$(BIN)/python $(NODE) ci
	@touch $@

# What the console's pages load of other people's.
$(VENDOR)/.ready: functions/console/package-lock.json $(NODE) .venv/.ready
	@echo "Installing the console's npm packages into functions/console"
	@$(BIN)/python $(NODE) ci-console
	@touch $@

# Vendors' own libraries and receivers in JavaScript and PHP, which only tests ask.
tests/node/node_modules/.ready: tests/node/package-lock.json .venv/.ready
	@echo "Installing the tests' npm packages into tests/node/node_modules (up to a minute)"
	@$(BIN)/python $(NODE) ci-tests
	@touch $@
