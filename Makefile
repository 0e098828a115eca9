# Every target works alone on a machine that has Python 3.11 or newer and make.
.DEFAULT_GOAL := help
.PHONY: help demo test check contracts pictures conformance wheel bundle lab lab-long peers bench constraints clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
SOURCES := src tests
# an image that sets this for its own files would make each of the processes below compile every module anew
unexport PYTHONDONTWRITEBYTECODE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## watch the server work in a pretend world; needs no account and no Docker
	@$(BIN)/ink-infra-mcp demo

test: $(DEV) ## run the tests
	@$(BIN)/pytest

check: $(DEV) ## lint, format, types and import rules
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache --no-logo

contracts: $(DEV) ## write tools/*/contract.json and the generated docs from what goes over the wire
	$(BIN)/ink-infra-mcp contracts --update

pictures: $(DEV) ## draw docs/pictures anew from what the demo prints, and from the cards in a Chromium
	@$(BIN)/python -m tests.pictures
	@$(BIN)/python -m tests.cards.pictures

conformance: $(DEV) ## run the official MCP suite, and other people's clients against this server and its sandbox
	@$(BIN)/python -m tests.conformance.run
	@$(BIN)/pytest -n 2 -m clients tests/clients_matrix tests/vendor_clients tests/converters tests/cards

wheel: $(DEV) ## build wheel, sdist and .mcpb bundle, install them elsewhere, and speak to the result
	@$(BIN)/pytest -n 0 -m wheel tests/test_wheel.py tests/bundle tests/image tests/pictures

bundle: $(DEV) ## write dist/ink-infra-mcp.mcpb; with NAME and URL also the entry for the MCP registry
	@$(BIN)/python -m tests.bundle $(NAME) $(URL)

lab: $(DEV) ## run the tests on real servers made on this machine; needs root on Debian
	@$(BIN)/python -m tests.lab check

lab-long: $(DEV) ## run those tests on real servers that take too long for every change; before a release
	@$(BIN)/python -m tests.lab check --long

peers: $(DEV) ## measure our SSH beside what others use, on a hundred real servers; needs root on Debian
	@$(BIN)/python -m tests.lab.peers $(HOSTS)

bench: $(DEV) ## measure start-up, calls, the size of the tool list, and one Muscle beside ten
	@$(BIN)/python -m tests.bench

constraints: ## write constraints.txt anew from a clean install of the newest allowed versions
	@$(PYTHON) tests/refresh_constraints.py

clean: ## remove everything that make made
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .bench tests/*/node_modules tests/*/.installed
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment was made. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(RUNTIME): $(CREATED) pyproject.toml constraints.txt
	@echo "installing into $(VENV) ..."
	@$(PIP) install --editable . --constraint constraints.txt
	@touch $@

$(DEV): $(CREATED) pyproject.toml constraints.txt
	@echo "installing into $(VENV), with the development tools ..."
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install --editable . --group dev --constraint constraints.txt
	@touch $(RUNTIME) $@
