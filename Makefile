# `make demo` and `make test` do everything on a fresh machine with Python 3.11+ and make.
#
# On Linux, PyPI's torch brings CUDA libraries along (several GB). For the smaller CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
# or set PIP_EXTRA_INDEX_URL, which pip reads itself.

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed-docs

.PHONY: install demo test test-all check docs pages bench bench-all bench-save clean

install: $(INSTALLED)

demo: $(INSTALLED)
	$(RUN) -m engine demo

# Two processes, each file in one of them; in the files' order, in which a long one comes early.
test: $(INSTALLED)
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The slow ones too; hypothesis draws twice as many examples, new ones, and fuzzers run for six seconds, not for one.
test-all: $(INSTALLED)
	ACASXU_FUZZ_SECONDS=$${ACASXU_FUZZ_SECONDS:-6} $(RUN) -m pytest -m "slow or not slow" --hypothesis-profile=default

# Lint, format and types.
check: $(INSTALLED)
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

# The pages as a site, in site/; a link that leads nowhere is an error.
docs: $(DOCS_INSTALLED)
	$(RUN) -m mkdocs build --strict --quiet

# The pages that are generated: from the parser, and from benchmarks/results/.
pages: $(INSTALLED)
	$(RUN) docs/make_command_line.py
	$(RUN) benchmarks/results_page.py

# Reruns the main benchmarks and prints their ratio to the last committed figures, whatever the machine.
bench: $(INSTALLED)
	$(RUN) benchmarks/watch.py

bench-all: $(INSTALLED)
	$(RUN) benchmarks/watch.py --all

# New figures for benchmarks/results/watch.csv, to be committed: on a machine that does nothing else.
bench-save: $(INSTALLED)
	$(RUN) benchmarks/watch.py --all --save

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an install that breaks off is done again.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11+ is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[dask,plots,test,dev]'
	touch $@

# mkdocs is needed for the site alone.
$(DOCS_INSTALLED): $(INSTALLED)
	$(PIP) --editable '.[docs]'
	touch $@
