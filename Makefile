# Kindling: `make` alone tells what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
MACHINE ?= $(shell uname -m)
TIME ?= 600
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SETUP := pyproject.toml tools/setup/setup.sh tools/setup/constraints.txt
PROBE_C := $(wildcard bpf/*.bpf.c)
C := $(wildcard bpf/*.[ch] bpf/*/*.[ch])
NATIVE_C := $(wildcard native/*.c native/*.h)
PROBE := $(PROBE_C:bpf/%.bpf.c=src/kindling/_probe/%.bpf.o)
NATIVE := src/kindling/_native/libkindling.so

.PHONY: help setup setup-test build run test lint format wheel kernels fuzz bench clean

help:
	@echo 'Kindling shows who talks to whom on this Linux host, counted in the kernel.'
	@echo
	@echo '  make run       set up, build, start the agent and show a live view (needs root)'
	@echo '  make test      set up, build and run all tests (root: kernel tests too)'
	@echo
	@echo 'One at a time:'
	@echo '  make setup     the Debian packages, .venv and the command .venv/bin/kindling'
	@echo '  make build     the probe (BPF) and its native home (C)'
	@echo '  make lint      format, types, import layers, C'
	@echo '  make format    what lint says about format, done'
	@echo '  make wheel     dist/*.whl: runs on machines without compiler or kernel headers'
	@echo '  make kernels   the built probe on Debian kernels 5.10, 6.1 and 6.12, in qemu'
	@echo '  make fuzz      every dissector and the capture reader under libFuzzer; TIME=600 seconds each'
	@echo '  make bench     the numbers in the README, measured here'
	@echo '  make clean     remove everything that make made'
	@echo
	@echo 'Some tests only:  make test ARGS="tests/unit -k dns"      Another Python:  make PYTHON=python3.12 setup'

# --- setup: stamps make it quick when there is nothing to do --------------------------------

setup: .venv/.stamp-run
	@:
setup-test: .venv/.stamp-test
	@:

.venv/.stamp-run: $(SETUP) tools/setup/debian-run.txt
	@tools/setup/setup.sh run
	@touch $@

.venv/.stamp-test: $(SETUP) tools/setup/debian-run.txt tools/setup/debian-test.txt $(wildcard tools/setup/cluster_tools.*)
	@tools/setup/setup.sh test
	@touch $@ .venv/.stamp-run

# --- build ----------------------------------------------------------------------------------

build: $(PROBE) $(NATIVE)

$(PROBE) &: $(C) tools/build.py tools/prove_exits.py | .venv/.stamp-run
	@$(PY) tools/build.py layout
	@$(PY) tools/build.py probe

$(NATIVE): $(C) $(NATIVE_C) tools/build.py | .venv/.stamp-run
	@$(PY) tools/build.py native --machine $(MACHINE)

# --- run, test, lint --------------------------------------------------------------------------

run: setup build
	@exec .venv/bin/kindling agent $(ARGS)

test: setup-test build
	@$(PY) -m pytest $(ARGS)

lint: setup-test
	@tools/lint.sh

format: setup-test
	@.venv/bin/ruff format --quiet .
	@git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | xargs .venv/bin/clang-format -i

kernels: setup-test build
	@$(PY) -m pytest -m vm tests/vm $(ARGS)

fuzz: setup-test build
	@$(PY) fuzz/run.py --seconds $(TIME) $(ARGS)

bench: setup-test build
	@$(PY) -m benchmarks.run $(ARGS)

# --- wheel ------------------------------------------------------------------------------------

wheel: setup build
	@rm -rf dist
	@KINDLING_MACHINE=$(MACHINE) $(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

clean:
	rm -rf .venv .cache dist build src/kindling/_probe src/kindling/_native fuzz/bin
	find . -name __pycache__ -prune -exec rm -rf {} +
