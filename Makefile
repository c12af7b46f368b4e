# Two commands on a fresh machine: `make demo` and `make test`. Both install what they need into .venv.
PYTHON ?= python3
VENV   := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY     := $(BIN)/python
PIP    := $(PY) -m pip --disable-pip-version-check
STAMP  := $(VENV)/.installed
export OMP_NUM_THREADS ?= 2
# Processes that share the tests, one thread each.
TESTERS ?= 2

.PHONY: help system demo test slow bench docs clean

help:
	@echo "make demo    install everything and run the main job on the shipped sample"
	@echo "make test    install everything and run lint, types, import contracts and tests"
	@echo "make slow    the slow truths too (minutes)"
	@echo "make bench   side by side with the peers"
	@echo "make docs    make the screenshots of the docs again"
	@echo "make system  install the Debian packages that a napari window needs (as root)"

# What a window needs on Debian. Without them everything but the window works.
system:
	@sh tools/system.sh

$(STAMP): pyproject.toml constraints.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q --upgrade "pip>=24"
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e ".[pyqt6,formats,dev]"
	@touch $(STAMP)

demo: system $(STAMP)
	$(BIN)/atomscope demo --out demo_out

test: system $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(BIN)/lint-imports --no-logo
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -n $(TESTERS) --dist worksteal

slow: system $(STAMP)
	$(PY) -m pytest -m slow

# The peers live in a venv of their own: some pin what we do not.
.venv-peers/.installed:
	$(PYTHON) -m venv .venv-peers
	-.venv-peers/bin/python -m pip install -q "torch==2.13.0" trackpy pyroved gpytorch scikit-learn scikit-image \
		opencv-python-headless "mendeleev<=0.6.1" networkx progressbar2 six
	-.venv-peers/bin/python -m pip install -q --no-deps atomai
	-.venv-peers/bin/python -m pip install -q libertem
	@touch $@

bench: $(STAMP) .venv-peers/.installed
	$(PY) benchmarks/run.py

docs: system $(STAMP)
	$(PY) docs/make_screenshots.py
	$(PY) docs/make_wall_screenshots.py
	$(PY) docs/make_trust_screenshots.py
	$(PY) docs/make_teach_screenshots.py
	$(PY) docs/make_defect_screenshots.py
	$(PY) docs/particle_screenshots.py
	$(PY) docs/screenshots_structure.py
	$(PY) docs/make_family_screenshots.py
	$(PY) docs/make_scan_screenshots.py
	$(PY) docs/make_movie_screenshots.py
	$(PY) docs/make_path_screenshots.py

clean:
	rm -rf $(VENV) demo_out build dist
