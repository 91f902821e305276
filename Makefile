# On a fresh machine with Python 3.11+, git and pip, each of these sets up what it needs.
SHELL := /bin/sh
ARGS ?=
# Targets below say RUN (Airflow 3.3) or RUN34 (Airflow 3.4 beta).
RUN = UV_PROJECT_ENVIRONMENT=.venv $$(scripts/bootstrap --uv) run --frozen --no-sync
RUN34 = UV_PROJECT_ENVIRONMENT=.venv-34 $$(scripts/bootstrap --uv) run --frozen --no-sync --no-default-groups

.DEFAULT_GOAL := help
.PHONY: help setup setup-34 setup-all demo test test-all soak test-unit test-integration test-ui test-browser test-34 mutation lint format references screenshots bench clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install uv (when absent) and the locked dependencies into .venv
	@scripts/bootstrap

setup-34: ## The same on the Airflow 3.4 beta, into .venv-34
	@scripts/bootstrap --sync-34

setup-all: setup setup-34 ## Every environment that a test can need: older Airflow versions and FAB too, in .venv-cache
	@$(RUN) env PYTHONPATH=tests python tests/harness/other_airflow.py

demo: setup ## A complete local Airflow with Pinwheel, and its story; ARGS=--once ends after the story
	@exec env $(RUN) python -m pinwheel.demo $(ARGS)

test: setup setup-34 ## Lint, then all tests but for full matrices, and what stands on seams of Airflow on the 3.4 beta
	@status=0; \
	$(MAKE) --no-print-directory -j2 -k lint test-ui || status=1; \
	$(RUN) python scripts/test.py $(ARGS) || status=1; \
	exit $$status

test-all: setup-all ## The same with the full matrices, on both versions: what CI runs
	@status=0; \
	$(MAKE) --no-print-directory -j2 -k lint test-ui || status=1; \
	PINWHEEL_REQUIRE_ENVIRONMENTS=1 $(RUN) python scripts/test.py --all $(ARGS) || status=1; \
	exit $$status

soak: setup ## A long search, an hour or more: many seeds, each fault point, long walks of the state machines
	@PINWHEEL_SOAK=1 $(RUN) pytest --durations=10 tests/property tests/bundles/test_git_commits.py \
	tests/integration/test_release_machine.py tests/integration/test_hostile_commits.py \
	tests/integration/test_replayed_repositories.py \
	tests/faults/test_between_statements.py tests/faults/test_rollouts_between_statements.py $(ARGS)

test-unit: setup ## Unit and property tests: no Airflow processes, a minute or two
	@$(RUN) pytest $(wildcard tests/unit tests/property tests/contract) $(ARGS)

test-integration: setup ## Tests with real Airflow, PostgreSQL and SQLite
	@$(RUN) pytest $(wildcard tests/migration tests/bundles tests/integration tests/acceptance tests/faults tests/chart) $(ARGS)

test-ui: setup ## The web UI's own tests, its size, and known vulnerabilities of what it is made of
	@$(RUN) npm test --prefix ui --silent
	@$(RUN) scripts/ui-size
	@$(RUN) scripts/ui-audit

test-browser: setup ## The pages in a real Chromium, against a real Airflow with PostgreSQL
	@$(RUN) pytest tests/browser $(ARGS)

test-34: setup-34 ## On the Airflow 3.4 beta, the tests that can differ there but for the slow ones
	@PINWHEEL_TEST_PART=second $(RUN34) pytest -m "not slow" $(ARGS)

mutation: setup ## Changes core line by line and says which changes no test notices; ARGS=release for less
	@PYTHONPATH=tests $(RUN) python -m mutation $(ARGS)

lint: setup ## ruff, import-linter, mypy, tsc, dependency-cruiser
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports
	@$(RUN) mypy
	@$(RUN) npm run check --prefix ui --silent

format: setup ## Rewrite the sources in the project's format
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

references: setup ## docs/reference, as the code has its options, events and commands
	@$(RUN) python scripts/references

screenshots: setup ## Pictures of the web UI after the demo, into docs/images
	@$(RUN) python scripts/screenshots

bench: setup ## Stock Airflow and Pinwheel side by side; prints a table, writes bench-results/
	@$(RUN) python -m bench $(ARGS)

clean: ## Remove environments, caches and results
	rm -rf .venv .venv-34 .venv-cache .venv-uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist bench-results ui/node_modules src/pinwheel/ui_dist
