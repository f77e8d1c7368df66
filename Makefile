PYTHON ?= python3
VENV := .venv
DEMO := .venv-demo
BIN := $(VENV)/bin
TORCH := torch==2.13.0
INSTALL := install --quiet --disable-pip-version-check
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-hostile lint browser docs map notebooks bench bench-known mutants clean

# The environment is made where it is absent and mended where pyproject.toml is newer.
# torch is pinned to the release whose CPU build the library is tested with.
$(VENV)/.made: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip $(INSTALL) $(TORCH) -e '.[dev,demo,docs,export,ray,serve,tune]'
	$(BIN)/pip $(INSTALL) --no-deps $$($(BIN)/python -c "import tomllib; \
	  print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['dev-oracles'])")
	touch $@

# What a user of the demo has, and no more: neither ray nor gradio, neither mkdocs nor playwright.
$(DEMO)/.made: pyproject.toml
	test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip $(INSTALL) $(TORCH) -e '.[demo]'
	touch $@

demo: $(DEMO)/.made
	$(DEMO)/bin/interfuse demo --out demo-study --store demo-study-store

# Pages are tested in Debian's Chromium; where it cannot be installed those tests are skipped and say so.
browser:
	command -v chromium > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; } \
	  || echo "No Chromium: the tests of pages will be skipped (Debian: apt-get install chromium)."

# One process a core: the tests are many and small. What is run is the same with -n 0.
test: $(VENV)/.made browser
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --doctest-modules src -o addopts=

# The suite on other kernels and beside busy processes: hours. ONLY='rounding busy' runs some of it.
test-hostile: $(VENV)/.made browser
	$(BIN)/python -m tests.hostile $(ONLY)

lint: $(VENV)/.made
	$(BIN)/ruff format --check src tests benchmarks docs/theme
	$(BIN)/ruff check src tests benchmarks docs/theme
	$(BIN)/lint-imports
	$(BIN)/mypy

# Reads what is installed and fetches nothing; site/index.html opens from the disk, search included.
docs: $(VENV)/.made
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The table of rooms in CONTRIBUTING.md, from the rooms' own first lines.
map: $(VENV)/.made
	$(BIN)/python -m tests.house

notebooks: $(VENV)/.made
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python docs/theme/run_notebooks.py

bench: $(VENV)/.made
	$(BIN)/python benchmarks/encoder_speed.py
	$(BIN)/python benchmarks/attention_kernels.py
	$(BIN)/python benchmarks/fusion_speed.py
	$(BIN)/python benchmarks/diagnose_speed.py
	$(BIN)/python benchmarks/health_cost.py
	$(BIN)/python benchmarks/export_latency.py
	$(BIN)/python benchmarks/report_speed.py

bench-known: $(VENV)/.made
	$(BIN)/python benchmarks/known.py

mutants: $(VENV)/.made
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutants

clean:
	rm -rf $(VENV) $(DEMO) build dist site *.egg-info src/*.egg-info
