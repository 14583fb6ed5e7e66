# make evolve    a real campaign on this machine: no GPU, no Slurm, no API key
# make test      the tests            make check    lint, format, types, import layers
# make help      everything else

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# test files side by side: many of them wait for schedulers and clocks more than they compute
JOBS ?= 2

# made-up campaigns that `make figures` draws, and how each script is told to
EXAMPLE := .example
DRAW = $(BIN)/python analysis/$(1).py --output analysis/figures
LINES = --references $(EXAMPLE)/references.yaml

# benchmarks in the order of docs/measurements.md; the last two boot a real Slurm, as root
BENCHMARKS := patching answers rounding llm_cost search search_campaigns ensemble screens \
  early_stopping status rl ledger overhead startup utilisation scheduler_calls

.PHONY: help install evolve test test-long soak benchmarks attacks fuzz check format figures \
  slurm-up slurm-down slurm-env clean

help:  ## say what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP)  ## make .venv and install airr with everything its tests need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "airr needs Python 3.11 or later: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

evolve: install  ## run the default campaign, or go on with it; ARGS="search.epochs=10" for others
	$(BIN)/python -m airr.prepare
	$(BIN)/python -m airr.evolve $(ARGS)

test: install  ## run the tests, those on a real Slurm included
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

test-long: install  ## run the tests that take minutes each on a real Slurm
	$(BIN)/python -m pytest -m long --numprocesses $(JOBS) --dist loadfile $(ARGS)

soak: install  ## campaigns on a real Slurm under random faults, for an hour; ARGS="--minutes 2"
	$(BIN)/python -m tests.faults.soak $(ARGS)

benchmarks: install  ## every table of docs/measurements.md, in its quick form
	@for each in $(BENCHMARKS); do \
	  echo "benchmarks/$$each.py --quick" && $(BIN)/python benchmarks/$$each.py --quick || exit 1; \
	done

attacks: install  ## run every hostile candidate for real, and print what became of each
	$(BIN)/python -m pytest -m 'long or not long' tests/attacks $(ARGS)

fuzz: install  ## fuzz every parser of foreign input, guided by coverage; ARGS="diffs --seconds 600"
	$(BIN)/python -m tests.fuzz $(ARGS)

check: install  ## lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: install  ## put the code in its one form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

figures: install  ## draw every figure of analysis/ from campaigns that are made up for it
	$(BIN)/python -m analysis.example $(EXAMPLE)
	$(call DRAW,execution_by_model) '$(EXAMPLE)/*-evolution-*' $(LINES)
	$(call DRAW,best_so_far) '$(EXAMPLE)/*-evolution-*' '$(EXAMPLE)/*-best_of_n-*' $(LINES)
	$(call DRAW,search_against_best_of_n) '$(EXAMPLE)/loss-evolution-*' \
	  '$(EXAMPLE)/loss-best_of_n-*' $(LINES)
	$(call DRAW,kinds_of_ideas) '$(EXAMPLE)/*-evolution-*'
	$(call DRAW,top_ideas) '$(EXAMPLE)/*-evolution-*' $(LINES)
	$(call DRAW,rl_dynamics) '$(EXAMPLE)/*-rl-*'
	$(call DRAW,thinking_length) '$(EXAMPLE)/*-rl-*'
	$(call DRAW,cluster_shares) '$(EXAMPLE)/*-rl-*'

slurm-up: install  ## boot a real Slurm on this machine, as root: 4 nodes with 8 fake GPUs each
	$(BIN)/python -m tests.slurm up $(ARGS)

slurm-down: install  ## end it, and remove what it left
	$(BIN)/python -m tests.slurm down

slurm-env: install  ## print what a shell must export to use it: eval the output
	@$(BIN)/python -m tests.slurm env

clean:  ## remove what make made, campaigns and data excepted
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis $(EXAMPLE)
