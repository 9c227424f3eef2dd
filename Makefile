# make demo    run the main job; the first time this also creates .venv (one to two minutes)
# make test    run the tests
# make check   all that the continuous integration runs: format, lint, types, documentation, tests
# make docs    build the documentation into site/; open site/index.html
# make format  format the code and apply the safe lint fixes
# make wheel   build the source distribution and, from it, the wheel into dist/
# make lock    resolve the dependencies of pyproject.toml anew into requirements.lock (needs uv)
# make clean   remove all that was built, .venv included
#
# Another interpreter:  make PYTHON=/path/to/python3.12 …   (Python 3.11 to 3.13)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := $(VENV)/gridopt.stamp

.PHONY: demo test check docs format format-check lint types wheel lock clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	$(BIN)/gridopt demo

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# The tests build the wheel and compare its content with the source (tests/test_packaging.py).
check: format-check lint types docs
	$(MAKE) test

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(INSTALLED)
	$(BIN)/ruff format --check .

lint: $(INSTALLED)
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

# The variable silences an advertisement of the theme, on no matter of this site.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

wheel: $(INSTALLED)
	$(BIN)/python -m build --no-isolation --outdir dist

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --group dev \
		--no-header pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Two stamps, each written last, so that an interrupted installation starts over. The first is a
# copy of the lock that was installed: a lock that is only newer is not installed again. The
# second step needs no network.
$(VENV)/requirements.lock: requirements.lock
	@cmp -s $< $@ && touch $@ || { $(MAKE) --no-print-directory fresh-venv && cp $< $@; }

$(INSTALLED): $(VENV)/requirements.lock pyproject.toml
	$(PIP) install --no-index --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: fresh-venv
fresh-venv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "gridopt needs Python 3.11 to 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Name another: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Installing the packages of requirements.lock into $(VENV), about a minute"
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
