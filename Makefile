# The two commands of a newcomer are `make demo` and `make test`.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo install test lint check benchmark notebooks lock clean

demo: install
	$(BIN)/nollclassify demo

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q nollclassify
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry nollclassify

check: lint test

benchmark: .venv/installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/benchmarks/requirements.txt
	$(BIN)/python tests/benchmarks/targets.py
	$(BIN)/python tests/benchmarks/peers.py
	$(BIN)/python tests/benchmarks/peers.py vectors
	$(BIN)/python tests/benchmarks/intervals.py
	$(BIN)/python tests/benchmarks/audited_months.py
	$(BIN)/python tests/benchmarks/half_year.py
	$(BIN)/python tests/benchmarks/report_speed.py
	$(BIN)/python tests/benchmarks/label_speed.py
	$(BIN)/python tests/benchmarks/kills.py --times 200

notebooks: .venv/installed-dev
	$(BIN)/jupyter lab notebooks

# Made anew by hand when a dependency changes; the locks carry hashes and no registry's address.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --group build -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --group dev --group build -o requirements-dev.lock

clean:
	rm -rf .venv demo models/challenger models/champion mlflow.db mlflow.lock mlartifacts
