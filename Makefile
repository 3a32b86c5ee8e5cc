# Everything here needs python3 >= 3.11 and pip; the rest goes into .venv, which is made once and follows the requirement files.
PYTHON ?= python3
PORT ?= 8000
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python
COVERAGE = $(if $(ARGS),,--cov --cov-report=term:skip-covered)
# dkimpy, with which tests sign, has no wheel. The files hold every package: without --no-deps, pip takes an extra (coverage[toml]) from the index again, in its newest release.
INSTALL := install --quiet --no-compile --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --no-binary dkimpy

.DEFAULT_GOAL := demo
.PHONY: demo test test-crash canary lint bench guards lock
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	@exec $(RUN) -m chamberlist.embedded demo --port $(PORT) --stop-with-parent

test: $(VENV)/test.stamp
	@CHROMIUM=$$($(RUN) -m chamberlist.embedded browser) && export CHROMIUM && $(RUN) -m tests.programs && \
	exec $(RUN) -m chamberlist.embedded run --fast --stop-with-parent -- $(RUN) -m pytest -n 2 --dist loadgroup $(COVERAGE) $(ARGS)

# The canary audit alone, with its figures: every feature, and then every byte that left. It is part of `make test`.
canary: $(VENV)/test.stamp
	@exec $(RUN) -m chamberlist.embedded run --fast --stop-with-parent -- \
		$(RUN) -m pytest -n 0 -s --show-capture=no tests/test_canary*.py $(ARGS)

# What must survive, at full size: an hour or so. CRASH_SEED repeats a run.
SURVIVAL = tests/test_survival.py tests/test_stops.py tests/test_clocks.py tests/test_turns.py tests/test_troubles.py tests/test_fence.py \
	tests/test_whole.py tests/test_hostile.py tests/test_hostile_door.py
test-crash: $(VENV)/test.stamp
	@export CRASH_RUNS=20 CRASH_INSTANTS=50 CRASH_COPIES=2000 CRASH_STOP_COPIES=20000 CRASH_LARGE=20000 HOSTILE=10000 && \
	export CRASH_SEED=$${CRASH_SEED:-$$$$} && \
	exec $(RUN) -m chamberlist.embedded run --fast --stop-with-parent -- \
		$(RUN) -m pytest -n 2 --dist loadgroup -rP --show-capture=stdout --durations=20 $(SURVIVAL) $(ARGS)

lint: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) -m chamberlist.embedded run --without-servers -- $(VENV)/bin/mypy

guards: $(VENV)/test.stamp
	@exec $(RUN) -m chamberlist.embedded run --fast --stop-with-parent -- $(RUN) -m tests.guards $(ARGS)

bench: $(VENV)/test.stamp
	@exec $(RUN) -m chamberlist.embedded run --stop-with-parent -- sh -c '$(RUN) manage.py migrate --noinput -v 0 && exec $(RUN) -m bench $(ARGS)'

# The files name no index and no path, so that they serve on every machine; uv is asked for exactly this.
lock: $(VENV)/test.stamp $(VENV)/lock.stamp
	@for name in base demo test lock; do \
		env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(VENV)/bin/uv pip compile --quiet --no-config --upgrade --generate-hashes --universal \
			--python-version 3.11 --only-binary :all: --no-binary dkimpy --no-header --no-emit-index-url --no-emit-find-links \
			--output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

$(VENV)/python.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one, such as: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$$($(PYTHON) --version 2>&1) is too old: chamberlist needs Python 3.11 or newer; name one, such as: make PYTHON=python3.12"; exit 1; }
	@rm -rf $(VENV)
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --without-pip $(VENV); else $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; fi || \
		{ rm -rf $(VENV); echo "$(PYTHON) has neither pip nor ensurepip: install them first (Debian: apt install python3-pip python3-venv)."; exit 1; }
	@touch $@

# pip of the machine installs into the folder where it can: a second copy of pip would cost some seconds of the first start.
$(VENV)/%.stamp: requirements/%.txt $(VENV)/python.stamp
	@echo "Installing requirements/$*.txt into $(VENV) ..."
	@if [ -x $(VENV)/bin/pip ]; then $(VENV)/bin/pip $(INSTALL) -r $<; else $(PYTHON) -m pip --python $(RUN) $(INSTALL) -r $<; fi
	@touch $@
