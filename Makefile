# Each target does its own set-up on a bare clone; a second run starts at once.

PYTHON ?= python3
BIN := .venv/bin
ENGINE := --manifest-path sfu/engine/Cargo.toml
EMULATOR := --manifest-path lab/emulator/Cargo.toml
# Options for `starling demo`, as in: make demo ARGS="--once --json"
ARGS ?=
# One benchmark's name, as in: make bench BENCH=forward; what it measures: make bench BENCH="relay --help"
BENCH ?=
# Runs of whole nodes on a clock that jumps, as in: make simulate SEEDS=1000, or one that failed: make simulate SEED=123
SEEDS ?= 100
SEED ?=
# Options for pytest, as in: make test TESTS=tests/unit/relay
TESTS ?=

# What set-up unpacked into the project, where it could not install it.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export LD_LIBRARY_PATH := $(CURDIR)/.tools/lib$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

# $(call phase,title,command): run a command and say how long it took.
phase = @printf '\n== %s\n' '$(1)'; t=$$(date +%s); $(2) && printf '== %s: %s s\n' '$(1)' $$(($$(date +%s) - t))
# $(call if_cargo_has,component,command,[remedy]): a toolchain may come without its checkers; that is said, and no failure.
if_cargo_has = if cargo $(1) --version >/dev/null 2>&1; then $(2); else \
	echo 'skipped: this Rust toolchain has no cargo $(1) ($(or $(3),rustup component add rustfmt clippy))'; fi

LINTS := lint-ruff lint-imports lint-mypy lint-pyright lint-rustfmt lint-clippy lint-deny
# Tests come last, so that their closing line closes the output, and run whatever the others found.
RINGS := test-engine test-python
# $(call all,targets): one after the other, to the end even when one fails; what failed is named last.
all = @failed=; for one in $(1); do $(MAKE) --no-print-directory $$one || failed="$$failed $$one"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

.NOTPARALLEL:
.PHONY: help setup demo test prove lint audit simulate bench clean lock $(LINTS) $(RINGS)

help:
	@echo 'make demo   three local nodes in three regions, with a live table and a link to join'
	@echo 'make test   every check and every test but the benchmarks'
	@echo 'make prove  some tests and nothing else, as in TESTS=tests/unit/relay'
	@echo 'make setup  only what the two above need to start'
	@echo 'make lint   style, types, import rules'
	@echo 'make audit  known holes in the crates of the engine (needs the network)'
	@echo 'make simulate  whole nodes with faults from SEEDS=1000 numbers; SEED=123 replays one with its story'
	@echo 'make bench  benchmarks; BENCH=name for one, BENCH=--help for which, STARLING_BENCH_ROUNDS=1 for less'
	@echo 'make clean  remove what set-up and builds made here'
	@echo 'make lock   pin newer dependencies (needs uv)'

setup:
	@$(PYTHON) -m deploy.setup

demo: setup
	@$(BIN)/starling demo $(ARGS)

test: setup
	$(call all,$(LINTS) $(RINGS))

# The tests that prove one thing, without checks and crates before them.
prove: setup
	$(call phase,tests,$(BIN)/python -m pytest $(TESTS))

lint: setup
	$(call all,$(LINTS))

lint-ruff:
	$(call phase,ruff,$(BIN)/ruff check && $(BIN)/ruff format --check)
lint-imports:
	$(call phase,import rules,$(BIN)/lint-imports --no-cache)
lint-mypy:
	$(call phase,mypy,$(BIN)/mypy)
lint-pyright:
	$(call phase,pyright,$(BIN)/pyright)
lint-rustfmt:
	$(call phase,rustfmt,$(call if_cargo_has,fmt,cargo fmt --check $(ENGINE) && cargo fmt --check $(EMULATOR)))
clippy = cargo clippy --release --locked --quiet --all-targets $(1) -- -D warnings
# In release, whose C library of ciphers set-up has built already; the debug profile would compile it once more.
lint-clippy:
	$(call phase,clippy,$(call if_cargo_has,clippy,$(call clippy,$(ENGINE)) && $(call clippy,$(EMULATOR))))
deny = cargo deny $(ENGINE) --locked check $(1) && cargo deny $(EMULATOR) --locked check --config sfu/engine/deny.toml $(1)
# Licences, bans and sources; known holes are listed on the network and asked for by `make audit`.
lint-deny:
	$(call phase,crates,$(call if_cargo_has,deny,$(call deny,bans licenses sources),cargo install --locked cargo-deny))
test-engine:
	$(call phase,engine tests,cargo test --locked --quiet $(ENGINE) && cargo test --locked --quiet $(EMULATOR))
test-python:
	$(call phase,tests,$(BIN)/python -m pytest $(TESTS))

# Asks the list of known holes, which lies on the network; for whoever makes a release.
audit:
	$(call phase,known holes,$(call if_cargo_has,deny,$(call deny,advisories),cargo install --locked cargo-deny))

simulate: setup
	@$(BIN)/python -m tests.simulation.run $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

bench: setup
	@$(BIN)/python -m tests.bench $(BENCH)

clean:
	rm -rf .venv .tools build dist *.egg-info sfu/engine/target lab/emulator/target
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:
	uv pip compile pyproject.toml --extra dev --extra build --universal --generate-hashes --python-version 3.11 \
		--upgrade --custom-compile-command 'make lock' --quiet --output-file requirements.lock
