# Two commands do all the set-up: `make demo` and `make test`.
# Everything is installed into .venv; nothing outside this folder is touched.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo $$p && break; done)
VENV := .venv
SECONDS ?= 600
SEED ?= $(shell date +%s)
BIN := $(VENV)/bin

.PHONY: demo test check live live-chaos soak fuzz mutants bench clean

demo: $(VENV)/.runtime  ## calls, cuts, top-ups and CDRs against a simulated switch, in 30 s
	$(BIN)/fsbilling demo

test: $(VENV)/.dev  ## the suite, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -m "not live and not bench"

check: $(VENV)/.dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

live: $(VENV)/.dev  ## against a real FreeSWITCH and SIPp, where there are some
	$(BIN)/python -m pytest -m live -s tests/live

live-chaos: $(VENV)/.dev  ## all of that, each part killed at random for SECONDS, then reconciled
	PYTHONPATH=tests:tests/live $(BIN)/python -m chaos --seconds $(SECONDS) --seed $(SEED)

soak: $(VENV)/.dev  ## simulated faults from ever new seeds, for SECONDS
	$(BIN)/python -m tests.simulation --seconds $(SECONDS) --first $(shell date +%s)

fuzz: $(VENV)/.dev  ## coverage-guided fuzzing of all that reads strangers' bytes, for SECONDS
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	$(BIN)/python -m tests.fuzz all --seconds $(SECONDS)

mutants: $(VENV)/.dev  ## change the rating code, one small thing at a time: what does no test notice?
	$(BIN)/python -m pip install --quiet --editable ".[mutants]"
	$(BIN)/mutmut run
	$(BIN)/mutmut results

bench: $(VENV)/.dev  ## ratios, side by side
	$(BIN)/python -m pytest -m bench -s tests/bench

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test,dev]"
	@touch $@ $(VENV)/.runtime
