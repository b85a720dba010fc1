# Every target sets up .venv by itself: `make demo` and `make test` work in a fresh clone.
.PHONY: demo test test-fast lint bench check docs setup clean

# Another interpreter: make PYTHON=/path/to/python3.11 test
PYTHON ?= $(firstword $(shell command -v python3.11) python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed

demo: $(STAMP)
	$(BIN)/python tools/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

# Leaves out what trains for minutes or starts several processes.
test-fast: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'not slow and not distributed'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python tools/benchmark/run_all.py

check: $(STAMP)
	$(BIN)/python tools/check_env.py

# The site, in site/; a broken link or reference fails.
docs: $(STAMP)
	$(PIP) -r docs/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: '$(PYTHON)' is missing or older than Python 3.11;" \
	        "install Python 3.11, or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the requirements into $(VENV) (minutes on the first run) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --force-reinstall $$(grep '^opencv-python-headless' requirements.txt)
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) build site *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
