# `make` lists the targets. Each makes what it needs: a Python 3.11 or newer is enough.

PYTHON ?= python3
# The lowest that pyproject.toml allows: the lowest NumPy has no wheels for the newest.
LOWEST_PYTHON ?= python3.11
BACKENDS ?= tensorflow jax torch
# CPU builds. PyTorch comes first and pinned, so that nothing after it pulls another build.
TORCH ?= torch==2.13.0
TENSORFLOW ?= $(if $(filter Linux,$(shell uname)),tensorflow-cpu,tensorflow)
RUN := .venv/bin
PIP := $(RUN)/python -m pip install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-lowest lint format docs bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: .venv/demo ## learn from unlabelled digits and see what it is worth (a minute or two)
	$(RUN)/barlow demo

test: .venv/dev ## run the whole test suite on TensorFlow, JAX and PyTorch
	@for backend in $(BACKENDS); do \
		echo "== $$backend"; \
		OMP_NUM_THREADS=1 KERAS_BACKEND=$$backend $(RUN)/python -m pytest --numprocesses 2 --dist worksteal || exit 1; \
	done

# What touches the packages most. Warnings of old packages are theirs. XLA_FLAGS as in
# tests/conftest.py, but for the one that is younger than the lowest TensorFlow.
LOWEST := OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest --numprocesses 2 -W default -m "not slow"
test-lowest: export XLA_FLAGS = --xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true
test-lowest: .venv-lowest/done ## run some tests on the lowest versions that pyproject.toml allows
	KERAS_BACKEND=jax $(LOWEST) tests/data tests/vectors tests/losses/test_terms.py tests/test_runs.py tests/test_settings.py
	KERAS_BACKEND=tensorflow $(LOWEST) tests/evaluation tests/models/test_barlow_twins.py tests/test_report.py

lint: .venv/dev ## check style, types and that imports only point down
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright
	$(RUN)/lint-imports

format: .venv/dev ## format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

docs: .venv/dev ## write the tables of the documentation that come from the code
	$(RUN)/python docs/make_tables.py

bench: .venv/dev ## run the benchmarks and write their results
	$(PIP) --editable '.[bench]'
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(RUN)/python $$script || exit 1; done

clean: ## remove what the other targets made, but for runs
	rm -rf .venv .venv-lowest build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "barlow needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

# The backend that is fastest here for a small network: benchmarks/step_cost.py.
.venv/demo: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv ..."
	$(PIP) $(TENSORFLOW)
	$(PIP) --editable '.[cli]'
	@touch $@

# What keras-hub needs for images.
KERAS_HUB := keras-hub kagglehub kagglesdk regex sentencepiece tokenizers

# tf_keras and keras-hub bring the other TensorFlow: the two in one place break each other.
.venv/dev: pyproject.toml | .venv/bin/python
	@echo "Installing three backends and the tools into .venv ..."
	$(PIP) $(TORCH)
	$(PIP) $(TENSORFLOW) jax
	$(PIP) --no-deps tf_keras
	$(PIP) --no-deps $(KERAS_HUB)
	$(PIP) --editable '.[dev]'
	@touch $@

# PyTorch is not among them: the Makefile's other environment has the one that it can install.
.venv-lowest/done: pyproject.toml .ci/lowest.py
	@echo "Installing the lowest versions into .venv-lowest ..."
	$(LOWEST_PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python .ci/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt \
		tensorflow-cpu jax --editable '.[cli,data]' hypothesis pytest pytest-xdist scipy
	@touch $@
