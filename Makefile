# Every target sets up what it needs; a bare Debian machine with python3 and make is enough.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: help demo test check bench fuzz clean programs
help:
	@echo "make demo   a virtual community on this machine: a flood rises, is detected, sounded and proven"
	@echo "make test   every check and test"
	@echo "make check  only the checks: style, types, spelling, who may import whom"
	@echo "make bench  speed and memory, as a table and bench.json"
	@echo "make fuzz   every parser against made-up bytes, a minute each"
	@echo "make clean  remove what the others made here, the virtual environment too"

$(READY): pyproject.toml constraints.txt
	@.ci/setup $(VENV)
	@touch $@

programs:
	@.ci/programs mosquitto mosquitto_rr socat espeak-ng chromium gcc modbus.h

# The demo runs without a broker or a voice too, and says what it does without.
demo: $(READY)
	@.ci/programs mosquitto espeak-ng || echo "going on without"
	@$(VENV)/bin/tocsin demo

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/codespell

test: $(READY) programs check
	$(PY) -m tests

bench: $(READY) programs
	$(PY) -m tests.bench

fuzz: $(READY)
	$(PY) -m tests.fuzz

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis bench.json
