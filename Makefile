# Everything runs in .venv, which the first target creates. Needs only python3 (3.11 or newer) with venv, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := meta-llama/Llama-3.1-8B-Instruct --requests-per-second 5 --isl 1000 --osl 300 \
          --ttft-p95-ms 2000 --tpot-p95-ms 50

.PHONY: demo check check-slow lint types contracts test generate calibrate accuracy bench engines clean

demo: $(VENV)/.installed
	@echo '$$ llmplan recommend $(DEMO)'
	@$(BIN)/llmplan recommend $(DEMO)

check: lint types contracts test

lint: $(VENV)/.test-installed
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/ruff format --check src tests scripts benchmarks

types: $(VENV)/.test-installed
	$(BIN)/mypy

contracts: $(VENV)/.test-installed
	$(BIN)/lint-imports

test: $(VENV)/.test-installed
	$(BIN)/python -m pytest -q -n 2 -m 'not slow'

check-slow: $(VENV)/.test-installed
	$(BIN)/python -m pytest -q -n 2 -m slow

# Text that is generated and committed; the tests fail when it has drifted.
generate: $(VENV)/.test-installed
	$(BIN)/python scripts/make_schemas.py
	$(BIN)/python scripts/make_cli_reference.py
	$(BIN)/python scripts/make_architectures.py
	$(BIN)/python scripts/make_engine_rules.py
	$(BIN)/python scripts/make_readme_example.py
	$(BIN)/python scripts/make_charts.py

# Need the measurement tables: LLMPLAN_DATA, ../shared/data if unset.
calibrate: $(VENV)/.test-installed
	$(BIN)/python scripts/fit_calibration.py

# `make accuracy ROWS=FILE` scores another table of the same columns, refits nothing and prints.
accuracy: $(VENV)/.test-installed
	$(BIN)/python scripts/accuracy.py $(if $(ROWS),--rows '$(ROWS)')

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/startup_and_recommend.py
	$(BIN)/python benchmarks/cases.py
	$(BIN)/python benchmarks/cases.py --no-two-alike
	$(BIN)/python benchmarks/simulator.py

# Launch files through the real engines, each in an environment of its own: benchmarks/real_engine/README.md. Needs a
# network, some 10 GB and half an hour; `make engines ENGINES=sglang PROOFS=sglang_parser` does one of them.
ENGINES ?= $(patsubst benchmarks/real_engine/install/%.sh,%,$(sort $(wildcard benchmarks/real_engine/install/*.sh)))
engines: $(VENV)/.test-installed $(ENGINES:%=.engines/%/.installed)
	$(BIN)/python benchmarks/real_engine/prove.py $(PROOFS)

.engines/%/.installed: benchmarks/real_engine/install/%.sh
	test -x .engines/$*/bin/python || $(PYTHON) -m venv .engines/$*
	bash $< .engines/$*
	touch $@

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "llmplan needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test-installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "llmplan needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
