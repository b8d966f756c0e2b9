# Homeward: everything that a user or a developer runs, on a fresh Debian 12.
#
#   make demo     build, then watch a director at work in network namespaces (CONF=FILE leaves it running)
#   make test     every test: unit, model, property, end to end, short fuzz
#   make budget   instructions a packet of the worker, by callgrind, beside the kept budget
#   make bench    throughput beside dpdk-testpmd, as a table, as JSON and as a chart (BENCH_ARGS='--only TEXT --rounds N')
#   make bench-parts  parser, hash, session table, pick, rewrite, publication, timers and registrations, each alone (BENCH_ARGS=FILTER)
#   make bench-paths  rate, loss and latency between two ends of pktgen, beside testpmd and the kernel (PATHS_ARGS=--quick)
#   make bench-dfp    a thousand DFP agents beside a worker at full speed: what they cost (DFP_ARGS=--rounds 1)
#   make bench-registrations  a hundred thousand registrations a second with a million bindings (REGISTRATIONS_ARGS='--bindings N')
#   make bench-probes 4096 real servers, each probed once a second: what they cost (PROBES_ARGS='--seconds 10')
#   make fill         ten million sessions in a running director (FILL_ARGS=--sessions 1000000)
#   make lint     format, clippy, documentation, licences
#   make fuzz     long fuzzing (FUZZ_SECONDS=600 a target; FUZZ_TARGETS='frame http', all by default): docs/fuzzing.md
#   make mutants  small wrong changes of the code that no test notices (MUTANTS_ARGS='--count 100'); the score in docs/testing.md
#   make soak     an hour of traffic while home agents die and come back (SOAK_SECONDS=3600); report in target/soak/
#   make faults   what faults cost, one after the other, for docs/reliability.md (FAULTS_ARGS='--only wire')
#   make install  the programs, the systemd units and an example configuration (PREFIX, DESTDIR)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
PREFIX ?= /usr
DESTDIR ?=
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=
SOAK_SECONDS ?= 3600
export HOMEWARD ?= $(CURDIR)/target/release/homeward
export PKTGEN ?= $(CURDIR)/target/release/pktgen

.PHONY: help build demo test budget bench bench-parts bench-paths bench-dfp bench-probes bench-registrations fill lint fuzz mutants soak faults install uninstall clean deps deps-test deps-lint deps-mutants unit e2e fuzz-smoke

help:
	@sed -n '3,/^$$/s/^# *//p' Makefile
deps:
	@tools/setup build

deps-test: deps
	@tools/setup test

deps-lint: deps
	@tools/setup lint

deps-mutants: deps
	@tools/setup mutants

build: deps
	$(CARGO) build --release --locked -p homeward -p pktgen

demo: build
	@tools/setup demo
	tools/demo $(if $(CONF),--conf $(CONF))

test: deps-test unit e2e budget fuzz-smoke

unit:
	$(CARGO) nextest run --workspace --locked

e2e:
	# With the tests, so that what these were built of is not built once more with fewer features.
	$(CARGO) build --workspace --bins --tests --locked
	HOMEWARD=$(CURDIR)/target/debug/homeward PKTGEN=$(CURDIR)/target/debug/pktgen \
		/usr/bin/python3 -m pytest tests/e2e -q -n 2 --dist loadgroup

fuzz-smoke:
	tools/fuzz --smoke

fuzz: deps-test
	tools/fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

mutants: deps-mutants
	tools/mutants $(MUTANTS_ARGS)

budget: deps-test
	$(CARGO) build --release --locked -p benches --bin budget
	target/release/budget check $(BUDGET_ARGS)

soak: build deps-test
	SOAK_SECONDS=$(SOAK_SECONDS) tools/soak

faults: build deps-test
	tools/setup faults
	/usr/bin/python3 tools/faults --markdown docs/reliability.md $(FAULTS_ARGS)

bench: deps
	@tools/setup bench
	$(CARGO) build --release --locked -p benches -p pktgen
	target/release/throughput $(BENCH_ARGS)

bench-parts: deps
	$(CARGO) bench --locked -p benches --bench parser --bench hash --bench session_table --bench wrr --bench rewrite --bench publication --bench timer --bench registration -- $(BENCH_ARGS)

bench-paths: build
	@tools/setup paths
	/usr/bin/python3 benches/paths $(PATHS_ARGS)

bench-dfp: build deps-test
	tools/dfp-load $(DFP_ARGS)

bench-probes: build deps-test
	/usr/bin/python3 tools/probe-load $(PROBES_ARGS)

bench-registrations: build deps-test
	tools/registration-load $(REGISTRATIONS_ARGS)

fill: build deps-test
	tools/fill $(FILL_ARGS)

lint: deps-lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p dataplane --no-default-features --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet
	$(CARGO) deny --locked check licenses bans sources
	tools/check-unsafe

install: build
	install -D -m 0755 target/release/homeward $(DESTDIR)$(PREFIX)/sbin/homeward
	install -D -m 0755 target/release/pktgen $(DESTDIR)$(PREFIX)/bin/pktgen
	install -D -m 0644 conf/homeward.service $(DESTDIR)/lib/systemd/system/homeward.service
	install -D -m 0644 conf/homeward-dfp-agent.service $(DESTDIR)/lib/systemd/system/homeward-dfp-agent.service
	install -d -m 0755 $(DESTDIR)/etc/homeward/scripts
	test -e $(DESTDIR)/etc/homeward/homeward.conf || \
		install -D -m 0640 conf/demo-dispatched.conf $(DESTDIR)/etc/homeward/homeward.conf

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/homeward $(DESTDIR)$(PREFIX)/bin/pktgen
	rm -f $(DESTDIR)/lib/systemd/system/homeward.service $(DESTDIR)/lib/systemd/system/homeward-dfp-agent.service

clean:
	$(CARGO) clean
