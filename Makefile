# Every target sets up what it needs; a bare Debian machine with python3 is enough.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: help demo test check bench clean programs
help:
	@echo "make demo   a virtual community on this machine: a flood rises, is detected, sounded and proven"
	@echo "make test   every check and test"
	@echo "make bench  speed and memory, as a table and bench.json"

$(READY): pyproject.toml constraints.txt
	@.ci/setup $(VENV)
	@touch $@

programs:
	@.ci/programs mosquitto mosquitto_rr socat espeak-ng

demo: $(READY) programs
	@$(VENV)/bin/tocsin demo

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell

test: $(READY) programs check
	$(PY) -m pytest

bench: $(READY) programs
	$(PY) -m tests.bench

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
