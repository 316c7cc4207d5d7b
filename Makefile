# `make` or `make help` lists what there is. Every target sets up what it needs.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
  $$p -c 'import os, sys; newest = 14 if "ROS_DISTRO" in os.environ else 13; \
  sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, newest))' 2>/dev/null && \
  echo $$p && break; done)
FRAMES ?=
ROBOT ?=
ARGS ?=
BAG ?= demo_bag
WORKERS ?= 2
RUN ?= runs/light
CLOUDS ?= 230000
MINUTES ?=
RECIPE ?= light
MESHES ?=
CASES ?= 100000
ROUNDS ?= 20
SLACK ?= 1
SEED ?= 0
IMAGES ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help setup demo bag test test-unit fuzz faults soak audit lint docs bench train release-weights dist clean clean-setup

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Debian packages, .venv, ROS 2 and messages (done by every other target too)
	@test -n "$(PYTHON)" || { echo "no Python 3.10 to 3.13 found: install python3, or name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m embedded

demo: setup  ## simulated camera, node and table of errors; FRAMES=DIR: recorded frames, ROBOT=xarm6: an arm that pours instead
	@.venv/bin/genpose demo $(if $(FRAMES),--frames "$(FRAMES)") $(if $(ROBOT),$(if $(filter xarm6,$(ROBOT)),--robot pour,$(error ROBOT=xarm6 is the only arm there is))) $(ARGS)

bag: setup  ## the simulated camera as a bag of 6 s; BAG=demo_bag: folder to be made
	@.venv/bin/genpose demo --record "$(BAG)" --seconds 6

test: setup lint  ## everything: lint and all tests, in WORKERS=2 processes
	@.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --durations=25 $(ARGS)

test-unit: setup  ## the quick tests: nothing slow, no DDS
	@.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not ros" $(ARGS)

fuzz: setup  ## CASES=N random files and messages through readers and adapters; SEED=N
	@.venv/bin/python -m pytest -n $(WORKERS) -m fuzz --timeout 0 --fuzz-cases $(CASES) --fuzz-seed $(SEED) $(ARGS)

faults: setup  ## faults in real nodes and cameras, ROUNDS=N times each (50 s a round); SEED=N, SLACK=N times the promised time, ARGS="-k transforms": some
	@.venv/bin/python -m pytest test/ros/test_faults.py --timeout 0 --fault-rounds $(ROUNDS) --fault-seed $(SEED) --fault-slack $(SLACK) $(ARGS)

soak: setup  ## the node for IMAGES=N images, as many malformed messages and frames as that asks for; SEED=N
	@.venv/bin/python -m pytest -m soak --timeout 0 --soak-images $(IMAGES) --soak-frames $$(($(IMAGES) / 10)) --soak-messages $$(($(IMAGES) / 100)) --soak-seed $(SEED) --fault-slack $(SLACK) -rP $(ARGS)

audit: setup  ## bill of materials in dist/sbom.json; known holes in what is installed, by pip-audit or ARGS="--advisories DIR"
	@.venv/bin/python -m embedded.sbom dist/sbom.json
	@.venv/bin/python -m embedded.audit $(ARGS)

lint: setup  ## ruff (rules and layout), codespell and mypy
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/codespell
	@.venv/bin/python -m mypy

docs: setup  ## the site of docs/, in site/; its generated pages are brought up to date
	@.venv/bin/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet

bench: setup  ## measure the milliseconds of each stage; ARGS="--presets fast paper"
	@.venv/bin/python -m benchmarks.speed $(ARGS)

train: setup  ## clouds, score, energy; RECIPE=NAME, RUN=DIR, CLOUDS=N, MINUTES=N, MESHES=DIR
	@.venv/bin/genpose synthesize $(RUN)/clouds --clouds $(CLOUDS) $(if $(MESHES),--meshes "$(MESHES)")
	@.venv/bin/genpose train score $(RUN)/clouds $(RUN) --recipe $(RECIPE) $(if $(MINUTES),--minutes $(MINUTES))
	@.venv/bin/genpose train energy $(RUN)/clouds $(RUN) --recipe $(RECIPE)

release-weights: RUN := runs/release
release-weights: setup  ## the same by the recipe release, in steps and seeds; RUN=DIR, MESHES=DIR
	@.venv/bin/genpose synthesize $(RUN)/clouds --recipe release $(if $(MESHES),--meshes "$(MESHES)")
	@.venv/bin/genpose train score $(RUN)/clouds $(RUN) --recipe release
	@.venv/bin/genpose train energy $(RUN)/clouds $(RUN) --recipe release

dist: setup  ## wheel and source distribution, in dist/
	@.venv/bin/python -m build --no-isolation

clean:  ## remove caches and build folders; .venv stays
	@rm -rf build dist install log site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

clean-setup: clean  ## remove .venv too
	@rm -rf .venv .venv.lock *.egg-info
