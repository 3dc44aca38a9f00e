# Everything below works from a fresh clone; `make` alone lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test test-compiled lint format docs pins fuzz soak faults bench-gateway bench-http2 bench-cold-start bench-leases bench-sources bench-idle bench-upgrade bench-queue bench-workers simulate simulate-workers try-systemd clean

# The first interpreter that is new enough; the tools make their own environment with it.
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
TOOL = $(if $(PYTHON),$(PYTHON) -m,@echo "Python 3.11 or newer is needed: install it (Debian, Ubuntu: apt install python3) and try again." >&2; exit 1; :)
READY = @$(TOOL) tools.setup
RUN = .venv/bin/python -m

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1#/p' Makefile | column -t -s '#'

demo:  ## the product's main job, done for real on this machine
	@$(TOOL) tools.demo start

demo-stop:  ## removes all that the demo made
	@$(TOOL) tools.demo stop

test:  ## sets up all that is needed and runs every check and test
	@$(TOOL) tools.check $(ARGS)

test-compiled:  ## the gateway's tests on its compiled core
	@$(TOOL) tools.compiled $(ARGS)

lint:  ## style, types and import rules
	$(READY)
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports --no-logo

format:  ## formats the code
	$(READY)
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

docs:  ## writes the generated references again
	$(READY)
	$(RUN) tools.reference

pins:  ## resolves the requirements again and pins them with their hashes
	@$(TOOL) tools.pins $(ARGS)

simulate:  ## random runs of the leases' simulation; SEEDS=how many, or FIRST-LAST
	$(READY)
	$(RUN) tools.simulate --seeds $(or $(SEEDS),20000) $(ARGS)

simulate-workers:  ## random runs of slots that are lent to workers; SEEDS=how many, FIRST=from which
	$(READY)
	$(RUN) tests.unit.workers.simulation $(or $(FIRST),0) $(or $(SEEDS),1000)

fuzz:  ## what the gateway passes on, read by other parsers; RUNS=how many inputs, SEED=… plays the same again
	$(READY)
	$(RUN) tests.fuzz --runs $(or $(RUNS),100000) $(if $(SEED),--seed $(SEED)) $(ARGS)

soak:  ## bodies of GIB=5 GiB and events for MINUTES=60 through the gateway, its memory watched
	$(READY)
	$(RUN) tests.soak --gib $(or $(GIB),5) --minutes $(or $(MINUTES),60) $(ARGS)

faults:  ## three real nodes under random faults; MINUTES=10, SEED=… plays the same again
	$(READY)
	$(RUN) tests.cluster --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(ARGS)

try-systemd:  ## examples/systemd with a real systemd, in a container; root, debootstrap and the network are needed
	$(READY)
	$(RUN) tests.systemd

bench-gateway:  ## the gateway, also compiled, beside nginx, HAProxy, Caddy and Go
	$(READY)
	$(RUN) benchmarks.gateway $(ARGS)

bench-http2:  ## HTTP/2 by TLS through the gateway, beside nginx, HAProxy, Caddy and its own HTTP/1.1
	$(READY)
	$(RUN) benchmarks.http2 $(ARGS)

bench-cold-start:  ## a cold start beside `docker run`
	$(READY)
	$(RUN) benchmarks.cold_start $(ARGS)

bench-leases:  ## statements and milliseconds that leases cost, as leases and nodes grow
	$(READY)
	$(RUN) benchmarks.leases $(ARGS)

bench-idle:  ## memory and CPU of a node with 300 idle sources
	$(READY)
	$(RUN) benchmarks.idle_sources $(ARGS)

bench-upgrade:  ## a node upgraded again and again under load: no request fails, how long they wait
	$(READY)
	$(RUN) benchmarks.upgrade $(ARGS)

bench-queue:  ## memory of idle clients; load below, at and above a concurrency limit
	$(READY)
	$(RUN) benchmarks.queue $(ARGS)

bench-workers:  ## the public gateway by one process and by two
	$(READY)
	$(RUN) benchmarks.workers $(ARGS)

bench-sources:  ## SQS messages a second beside a bare loop of boto3
	$(READY)
	$(RUN) benchmarks.sources $(ARGS)

clean: demo-stop  ## removes the environment and all caches
	rm -rf .venv .work build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
