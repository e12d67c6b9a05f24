# The front door. Each recipe is made of lines that can also be typed by hand.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= homeserver.yaml
T ?= tests
ONLY ?=
EXAMPLES ?= 20
DATABASE ?= sqlite
WORKERS ?= 1
AGAINST = PYTHONPATH=tests/support $(BIN)/python -m chat_testing.against --database $(DATABASE) --workers $(WORKERS) --

.PHONY: help setup serve test generate check check-generated check-spec coverage conformance fuzz \
	bench prove demo demo-talk mock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /	/' | expand -t 18

setup: .venv/.ready ## make .venv with all that serving, testing and building need

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast]' \
		|| echo 'No C compiler here: gunicorn will read HTTP in Python, a little slower.'
	touch .venv/.ready

serve: setup $(CONFIG) ## serve CONFIG=homeserver.yaml, written for localhost where there is none
	@echo 'Make the first user, in another terminal:'
	@echo '    $(BIN)/register_new_user -c $(CONFIG) --admin'
	$(BIN)/python -m chat.app.homeserver --config-path $(CONFIG)

$(CONFIG): | setup
	$(BIN)/python -m chat.app.homeserver --config-path $(CONFIG) --generate-config \
		--server-name localhost --report-stats=no

test: setup ## run the tests on SQLite and PostgreSQL; T=tests/config runs a part
	$(BIN)/python -m pytest $(T)

generate: setup ## write generated/ and docs/config.md anew
	$(BIN)/python codegen.py
	$(BIN)/python -m chat.config.describe > docs/config.md

check: setup check-spec check-generated ## format, lint, types, import order, spec, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-generated: setup ## fail when generated/ differs from what spec/ says
	$(BIN)/python codegen.py --check

check-spec: setup ## fail when spec/ breaks its own conventions
	$(BIN)/python spec_check.py

coverage: setup ## list filled and unfilled operations, by API
	$(BIN)/python -m chat.app.coverage

conformance: setup ## check a fresh server by HTTP only; DATABASE=postgres WORKERS=2, ONLY=sync
	$(AGAINST) $(BIN)/python -m conformance --url URL --secret SECRET --only '$(ONLY)'

fuzz: setup ## send a fresh server requests of Schemathesis; EXAMPLES=20 per operation
	$(AGAINST) $(BIN)/python -m conformance.fuzz --url URL --secret SECRET --examples $(EXAMPLES) --only '$(ONLY)'

bench: setup ## measure CPU time, latency and memory; DATABASE=postgres
	$(BIN)/python -m bench --database $(DATABASE)

prove: setup ## run the long forms of the tests and keep their output in docs/proof/
	.ci/prove

demo: setup ## serve a throw-away server with two users and a room to try a client on
	$(AGAINST) $(BIN)/python demo/world.py URL

demo-talk: setup ## let two matrix-nio clients register, meet and talk, and print what they say
	$(AGAINST) $(BIN)/python demo/talk.py URL

mock: setup ## serve a mock of the published API on port 8009, for client authors
	$(BIN)/python mock_server.py --port 8009

clean: ## remove caches and build leftovers; never data
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
