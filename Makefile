# One command makes the report. `make help` lists the rest.
SET     ?= demo
BACKEND ?= cpu
PYTHON  ?= python3
VENV    ?= .venv
ARGS    ?=
SETS    ?= demo demo
WHEELS  ?=

# VENV= (empty): use the interpreter in PYTHON unchanged, for containers with their own torch and vLLM. Only packages that running
# needs are added then; WHEELS=folder takes them from a folder that `make wheels` filled.
PY := $(if $(strip $(VENV)),$(strip $(VENV))/bin/python,$(PYTHON))
NAMED = '$(subst ','\'',$(SET))'
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
ONE_SET := $(filter command% environment%,$(origin SET))

SIDE_BY_SIDE = -n 2 --dist loadfile --no-loadscope-reorder
SLOWEST = --durations=25

.DEFAULT_GOAL := help
.PHONY: help report card compare pdf doctor status sets test test-fast fuzz lab render publish clean lint format docs messages lock model demo-model wheels env
MAKEFLAGS += --no-print-directory

help: ## this list
	@echo "make <target> [SET=$(SET)] [BACKEND=cpu|cuda|ascend] [PYTHON=$(PYTHON)] [VENV=$(VENV)] [ARGS=...]"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done
	@echo; echo "verbs of $(PY) -m evalpress, each with --help:"
	@COLUMNS=200 PYTHONPATH=lib $(PYTHON) -m evalpress --help | sed -n '/^    [a-z]/{/^    [a-z-]*$$/N;s/\n */  /;p;}'

report: env ## measure what is stale, write reports/SET/report.html (ARGS=--force measures everything)
	@$(PY) -m evalpress report --set $(NAMED) $(ARGS)

render: env ## render again from the results that are there, without an engine
	@$(PY) -m evalpress render --set $(NAMED) $(ARGS)

status: env ## which sections are current, which are stale and why (ARGS=--json)
	@$(PY) -m evalpress status --set $(NAMED) $(ARGS)

sets: env ## the sets of params/, with those that cannot be used
	@$(PY) -m evalpress sets

card: env ## write the model repository of a finished report to reports/SET/card
	@$(PY) -m evalpress card --set $(NAMED) $(ARGS)

compare: env ## compare finished reports, figure by figure: reports/compare/NAME.html (SETS="a b", ARGS=--fail-on-regression)
	@$(PY) -m evalpress compare $(SETS) $(ARGS)

doctor: env ## check what this host has and lacks for a report, with remedies (ARGS=--json)
	@$(PY) -m evalpress doctor $(ARGS)

pdf: env ## print a finished report as PDF (needs Chromium)
	@$(PY) -m evalpress pdf --set $(NAMED) $(ARGS)

publish: env ## add a finished report to reports/published/SET, where earlier ones stay, and rebuild the index
	@$(PY) -m evalpress publish --set $(NAMED) $(ARGS)

test: env ## all tests; those that load an engine one after the other, at the end
ifeq ($(strip $(ARGS)),)
	@$(PY) -m pytest -m 'not engine' $(SLOWEST) $(SIDE_BY_SIDE); rest=$$?; $(PY) -m pytest -m engine $(SLOWEST) && exit $$rest
else
	@$(PY) -m pytest $(ARGS)
endif

test-fast: env ## the tests that load no engine and are not marked slow
	@$(PY) -m pytest -m 'not slow' $(SIDE_BY_SIDE) $(ARGS)

fuzz: env ## the property tests with new examples (ARGS=--hypothesis-seed=7: those of a seed)
	@$(PY) -m pytest -m hypothesis --hypothesis-profile=fuzz $(ARGS)

lab: env ## JupyterLab in notebooks/, with this environment's kernel
	@$(PY) -m jupyterlab --notebook-dir=notebooks $(AS_ROOT) $(ARGS)

lint: env ## ruff, the layers of the library (import-linter) and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo --cache-dir .cache/import-linter
	@$(PY) -m mypy

format: env ## bring code and notebooks into ruff's form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: env ## the generated pages of docs/: results, schemas, parameters, architectures
	@$(PY) scripts/results_docs.py
	@$(PY) scripts/params_docs.py
	@$(PY) scripts/architectures_docs.py

messages: env ## bring the catalogues of lib/evalpress/locale up to the texts (ARGS=--check only compares)
	@$(PY) scripts/messages.py $(ARGS)

model: env ## make a model from its recipe under .cache/models/ (MODEL=smollm2-135m)
	@$(PY) -m evalpress model $(MODEL) $(ARGS)

demo-model: env ## train the demo model again from its recipe into models/demo
	@$(PY) -m evalpress.demo $(ARGS)

clean: ## remove generated reports (with SET=..., that one); published ones stay
	@PYTHONPATH=lib $(PYTHON) -m evalpress clean $(if $(ONE_SET),--set $(NAMED))

lock: COMPILE = ../.cache/lock/bin/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 $(ARGS)
lock: ## bring the hash-pinned locks up to requirements/*.in (ARGS=--upgrade: to the newest versions too)
	@$(PYTHON) -m venv .cache/lock && .cache/lock/bin/pip install --quiet uv
	@cd requirements && $(COMPILE) --universal --excludes excludes.txt -o cpu.txt cpu.in
	@cd requirements && $(COMPILE) --universal --excludes excludes.txt -o cpu-0.18.txt cpu-0.18.in
	@cd requirements && $(COMPILE) --universal -o cuda.txt cuda.in
	@cd requirements && $(COMPILE) --python-platform aarch64-manylinux_2_28 --overrides ascend-overrides.txt \
		--no-emit-package vllm -o ascend.txt ascend.in

wheels: ## fill WHEELS=folder with what VENV= needs on a machine without a network (constraints.txt in it limits versions)
	@$(PYTHON) scripts/setup_env.py --collect --wheels '$(WHEELS)'

test test-fast fuzz lint: CHECKS = --checks
env:
	@command -v $(PYTHON) > /dev/null || { echo "set-up: $(PYTHON) not found; name a Python 3.11 or newer, PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
		"set-up: Python 3.11 or newer is needed, $(PYTHON) is %d.%d; name another, PYTHON=..." % v[:2])'
	@$(PYTHON) scripts/setup_env.py --venv '$(VENV)' --backend '$(BACKEND)' --wheels '$(WHEELS)' $(CHECKS)
