PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Chainer 7.8.1 builds with setuptools below 82 only. Newer pips read the one name, older ones the other.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What is installed, and with which Python: another Python, or changed metadata, installs anew. Where the
# environment is active, the Python that made it.
WANTED := $(shell $(PYTHON) -c 'import sys; print(sys.version.split()[0], sys.base_prefix)')
INSTALLED := $(shell cat $(VENV)/installed-with 2>/dev/null)
ifneq ($(WANTED),$(INSTALLED))
.PHONY: $(VENV)/installed-with
endif

.DEFAULT_GOAL := help
.PHONY: help install test lint reproduce bench docs dist check-gpu pack

help: ## explain the targets
	@echo 'Everything is installed into $(VENV) on first use; PYTHON=python3.13 picks the interpreter (3.10 to 3.13).'
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

$(VENV)/installed-with:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else "vgg-cifar needs Python 3.10 to 3.13; choose one: PYTHON=python3.12 make ...")'
	@$(PYTHON) -c 'import sys, sysconfig; sys.exit("This Python is built for musl (Alpine), where oneDNN cannot be installed; use one for glibc, such as the image python:3.12-slim" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	@echo '$(WANTED)' > $@

$(VENV)/installed: $(VENV)/installed-with setup.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/installed-test $(VENV)/installed-docs $(VENV)/installed-dist: $(VENV)/installed-%: $(VENV)/installed
	$(BIN)/python -m pip install --editable '.[$*]'
	@touch $@

install: $(VENV)/installed ## install the package and its command into .venv

test: $(VENV)/installed-test ## run the test suite
	$(BIN)/python -m pytest

lint: $(VENV)/installed-test ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs ## build the documentation: docs/_build/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -j auto docs docs/_build
	@echo '$(CURDIR)/docs/_build/index.html'

dist: $(VENV)/installed-dist ## build dist/*.whl and *.tar.gz, check them, and try the wheel in a bare environment
	rm -rf dist build
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv build/bare
	build/bare/bin/python -m pip install --quiet dist/*.whl
	cd build/bare && bin/vgg-cifar doctor && bin/vgg-cifar train --train-size 20 --test-size 20 -b 10 -e 1 -o run && \
	  bin/vgg-cifar data shapes10 --train-size 20 --test-size 20 -o 20.hdf5 && bin/python -m augment 20.hdf5 80.hdf5

bench: $(VENV)/installed ## race the networks' training steps against stock Chainer and PyTorch: results/bench.md
	$(BIN)/python -m pip install --editable '.[bench]'
	@mkdir -p results
	$(BIN)/python scripts/bench_step.py --network all --threads 1 2 --json results/bench.json --table results/bench.md
	$(BIN)/python scripts/bench_step.py --batch 500

check-gpu: $(VENV)/installed ## show on a GPU what was prepared without one: results/gpu/*.json, in 8 minutes; DATA=CIFAR10.hdf5
	$(BIN)/python -m pip install --quiet --editable '.[gpu,bench]'
	$(BIN)/python scripts/check_gpu.py $(if $(DATA),--data $(DATA))

# The Python there.
NODE_PYTHON ?= 3.12

pack: $(VENV)/installed ## put what a GPU node without network lacks into build/node; DATA=CIFAR10.hdf5 in pieces of 25 MiB
	@rm -rf build/node && mkdir -p build/node
	$(BIN)/python -m pip wheel --quiet --no-deps -w build/node chainer==7.8.1 'pooch>=1.8' platformdirs fissix shtab typing_extensions
	$(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --python-version $(NODE_PYTHON) -d build/node 'nvidia-cudnn-frontend>=1.23,<1.27'
	$(if $(DATA),xz -T0 -c $(DATA) | split -b 25M - build/node/$(notdir $(DATA)).xz.)
	@ls -lh build/node

# The least at which curves part; CI takes smoke.
SCALE := quick

reproduce: $(VENV)/installed ## train four networks of report R4 on synthetic images: results/smoke/report.html
	$(BIN)/vgg-cifar reproduce emnist_learning_rules --scale $(SCALE) --figure 1 -o results/smoke
