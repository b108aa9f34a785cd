# Everything a newcomer runs. Needs make and Python 3.11 or newer with venv (Debian: python3-venv);
# packages come from PyPI into .venv, and LocalStack's into an environment of its own below .cache.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# The built wheel, and nothing else of ours: what the tests import.
WHEEL_VENV := .cache/wheel-venv
WHEEL_PYTHON := $(WHEEL_VENV)/bin/python -P
SOURCES := pyproject.toml README.md $(shell find up42_state -type f -not -name '*.pyc')
PYTEST_ARGS ?=
# Processes that run tests side by side, each with servers of its own.
TEST_WORKERS ?= $(shell nproc)
SOAK ?= 10
# Branch coverage makes tests take half as long again (before Python 3.14 it needs a tracer), so it is measured apart.
RUN_PYTEST = $(WHEEL_PYTHON) -m $(if $(COVERAGE),coverage run -m )pytest -n $(TEST_WORKERS) --dist worksteal
COVERAGE ?=
# Environments of make test-matrix: one of each Python with the newest packages, one with the lowest that
# pyproject.toml allows. What the tests need besides is the newest, as far as it goes with those.
MATRIX_VENVS := .cache/matrix
MATRIX := $(foreach python,3.11 3.12 3.13,$(python)-newest $(python)-lowest)
SBOM_VENV := .cache/sbom-venv
# CycloneDX brings rfc3987-syntax, with which each import of jsonschema takes a second: not into .venv.
CYCLONEDX_VENV := .cache/cyclonedx-venv
RUN_ON = $(MATRIX_VENVS)/$(1)/bin/python -P -m pytest -n $(TEST_WORKERS) --dist worksteal
# Where tests with the marks docker and browser are (tests/release holds this list to them): to look
# through all others for them takes ten seconds.
IMAGE_TESTS := tests/docker tests/docs tests/block tests/manifest tests/publish tests/stages
STANDS_ON_OTHERS := tests/settings tests/publish/report tests/test_filesystem.py tests/test_filesystem_readers.py \
	$(addprefix tests/manifest/test_,schema.py service.py) \
	$(addprefix tests/buckets/test_,s3.py gcs.py fsspec.py open_bucket.py) \
	$(addprefix tests/cli/test_,help.py output.py progress.py transfer.py)
# Python is left to compile what is imported: most of what is installed never is.
PIP = $(BIN)/python -m pip $(if $(1),--python $(1)) install --quiet --no-compile
# The interpreter of a version, such as 3.12: on the path, or pyenv's where no shim leads to it.
python_of = $(or $(lastword $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python$(1))),$(shell command -v python$(1)))
# Atheris has few wheels, so it has an environment of its own as well.
FUZZ_VENV := .cache/fuzz-venv
FUZZ_SECONDS ?= 80

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test test-long test-matrix test-lowest coverage check test-docker test-containers fuzz soak lint types format docs dist sbom bench localstack localstack-venv clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.dev  ## make .venv with the package (editable) and the tools

demo: $(VENV)/.runtime  ## a workflow of four blocks on a directory; the second time all of it is cached
	$(BIN)/up42-state demo

test: $(WHEEL_VENV)/.installed localstack-venv  ## the tests, servers included, against the built wheel; wide sweeps as a sample
	$(RUN_PYTEST) $(PYTEST_ARGS)

test-long: $(WHEEL_VENV)/.installed localstack-venv  ## the rest of the sweeps, kills and races of which make test runs a sample
	$(RUN_PYTEST) -m long $(PYTEST_ARGS)

test-matrix: $(MATRIX:%=test-on-%)  ## make test on each Python, with the newest and the lowest dependencies

# For one: make test-on-3.12-lowest.
test-on-%: $(MATRIX_VENVS)/%/.installed localstack-venv
	$(call RUN_ON,$*) $(PYTEST_ARGS)

# With the lowest packages: test-long (THIRD=0, 1 or 2: a third of it), and of make test what stands on others' packages most.
test-lowest: $(MATRIX_VENVS)/3.11-lowest/.installed localstack-venv  ## make test-long, and some of make test, on the lowest packages
	$(call RUN_ON,3.11-lowest) -m long $(if $(THIRD),--third $(THIRD)) $(PYTEST_ARGS)
	$(call RUN_ON,3.11-lowest) $(STANDS_ON_OTHERS) $(PYTEST_ARGS)

coverage: $(WHEEL_VENV)/.installed localstack-venv  ## make test, with line and branch coverage
	$(WHEEL_PYTHON) -m coverage erase
	$(MAKE) --no-print-directory test COVERAGE=1
	$(WHEEL_PYTHON) -m coverage combine --quiet
	$(WHEEL_PYTHON) -m coverage report

check: $(VENV)/.dev  ## the tests of make test against the source tree, for work
	$(BIN)/pytest $(PYTEST_ARGS)

test-docker: $(WHEEL_VENV)/.installed  ## build the images with buildah, run the block in them, open reports in Chromium (as root)
	$(WHEEL_PYTHON) -m pytest -m 'docker or browser' $(IMAGE_TESTS) $(PYTEST_ARGS)

test-containers: $(WHEEL_VENV)/.installed  ## run image blocks with docker and podman, both real (as root)
	$(WHEEL_PYTHON) -m pytest -m containers tests/containers -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

fuzz: $(FUZZ_VENV)/.installed  ## fuzz what reads others' data, guided by coverage; FUZZ_SECONDS=600 for longer
	$(FUZZ_VENV)/bin/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

soak: $(VENV)/.dev  ## faults, kills, races and random programs SOAK=10 times over; prints what came out
	UP42_STATE_SOAK=$(SOAK) UP42_STATE_EXAMPLES=100 $(BIN)/pytest tests/trust tests/stages/test_verify.py tests/features/test_laws.py \
		tests/workflow/executors/test_dask.py -m 'not docker' -n $(TEST_WORKERS) --dist worksteal --timeout 7200 $(PYTEST_ARGS)
	$(BIN)/pytest -m soak -n $(TEST_WORKERS) --timeout 7200 $(PYTEST_ARGS)
	UP42_STATE_EXAMPLES=100 $(BIN)/pytest -m hypothesis -n $(TEST_WORKERS) --dist worksteal --timeout 7200 $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into its format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## build the site of docs/ into build/site; a link that leads nowhere is an error
	$(BIN)/python -m sphinx --builder html -q -E -n -W --keep-going --jobs 2 -d .cache/doctrees docs build/site

dist: $(VENV)/.dev  ## build dist/: the sdist, and the wheel of it, checked as an index would
	rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*

sbom: $(WHEEL_VENV)/.installed $(CYCLONEDX_VENV)/.installed  ## write dist/sbom.json: all that comes with up42_state and its extras (CycloneDX)
	rm -rf $(SBOM_VENV) && mkdir -p dist
	$(BIN)/python -m venv --without-pip $(SBOM_VENV)
	$(call PIP,$(SBOM_VENV)/bin/python) "$$(echo .cache/dist/*.whl)[dask,report,server]"
	sed 's/^dynamic = .*/version = "'"$$($(WHEEL_PYTHON) -c 'import up42_state; print(up42_state.__version__)')"'"/' \
		pyproject.toml > $(SBOM_VENV)/pyproject.toml
	$(CYCLONEDX_VENV)/bin/cyclonedx-py environment --pyproject $(SBOM_VENV)/pyproject.toml --mc-type library \
		--output-reproducible --validate --output-file dist/sbom.json $(SBOM_VENV)/bin/python

bench: $(VENV)/.dev  ## measure ours beside the tools people use
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

localstack:  ## S3 on this machine, without docker, with the bucket made; Ctrl-C ends it
	$(PYTHON) localstack/start.py

localstack-venv:  ## its environment alone: what takes a minute the first time
	$(PYTHON) localstack/start.py --install-only

clean:  ## remove what make made
	rm -rf .venv .cache dist build up42-state-demo .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.runtime: pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first that knows --group
	$(PIP) --editable '.[report]'
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) --editable '.[report,server]' --group dev
	touch $@

# Its dependencies are those of .venv, found by a path file; the package itself is the wheel's.
$(WHEEL_VENV)/.installed: $(VENV)/.dev $(SOURCES)
	rm -rf .cache/dist $(WHEEL_VENV)
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir .cache/dist .
	$(BIN)/python -m venv --without-pip $(WHEEL_VENV)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(WHEEL_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth"
	$(BIN)/python -m pip --python $(WHEEL_VENV)/bin/python install --quiet --no-deps --ignore-installed .cache/dist/*.whl
	$(WHEEL_PYTHON) -c 'import up42_state as u; assert "$(WHEEL_VENV)" in u.__file__, u.__file__'
	touch $@

.PRECIOUS: $(MATRIX_VENVS)/%/.installed
$(MATRIX_VENVS)/%/.installed: $(WHEEL_VENV)/.installed
	rm -rf $(@D)
	@test -n "$(call python_of,$(firstword $(subst -, ,$*)))" || { echo "there is no python$(firstword $(subst -, ,$*)) here" >&2; exit 1; }
	$(call python_of,$(firstword $(subst -, ,$*))) -m venv $(@D)
	$(if $(findstring lowest,$*),$(BIN)/python .ci/lowest.py,true) > $(@D)/constraints.txt
	$(call PIP,$(@D)/bin/python) --constraint $(@D)/constraints.txt \
		"$$(echo .cache/dist/*.whl)[dask,report,server]" --group dev
	# Last on the path is the checkout: functions of tests that go to other processes are found there.
	echo '$(CURDIR)' > "$$($(@D)/bin/python -P -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	$(@D)/bin/python -P -c 'import up42_state as u; assert "$(@D)" in u.__file__, u.__file__'
	touch $@

$(CYCLONEDX_VENV)/.installed: $(VENV)/.runtime
	rm -rf $(CYCLONEDX_VENV)
	$(BIN)/python -m venv --without-pip $(CYCLONEDX_VENV)
	$(call PIP,$(CYCLONEDX_VENV)/bin/python) --group sbom
	touch $@

$(FUZZ_VENV)/.installed: $(VENV)/.dev tests/fuzz/requirements.txt
	rm -rf $(FUZZ_VENV)
	$(BIN)/python -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip install --quiet --requirement tests/fuzz/requirements.txt
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(FUZZ_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth"
	touch $@
