# SPDX-License-Identifier: Apache-2.0
#
# A thin front over meson: `make` leaves the program at build/belljar. Packages that a target needs
# and that are missing are installed first (tools/deps; root or sudo), nothing else is touched.
#
#   make demo     an inert "tax client" is examined, from its install until after its uninstall
#   make demo-package   a real package installed and started under glass, and the report about it
#   make test     all tests; the last line is the count
#   make lint bench fuzz install deb clean deps
PREFIX ?= /usr
DESTDIR ?=
FUZZ_SECONDS ?= 30
B := build

# make's own default for CC is cc, which must not shadow the choice of the person who calls
ifeq ($(origin CC),default)
CC := gcc
endif
export CC

all: deps-build $(B)/build.ninja
	ninja -C $(B)

$(B)/build.ninja: | deps-build
	meson setup --prefix=$(PREFIX) $(B)

deps:
	@tools/deps build test lint deb

deps-%:
	@tools/deps $(subst -, ,$*)

demo: all deps-demo
	tools/demo $(B)/belljar

demo-package: all deps-demo
	tools/demo-package $(B)/belljar

# Real packages, downloaded by apt-get and npm, installed and purged in boxes as the user who calls:
# long, and not part of `make test`. BELLJAR_TEST_ALL=1 takes the long list.
.PHONY: test-packages
test-packages: all
	dir=$$(mktemp -d) && chmod 755 $$dir && mkdir $$dir/boxes && \
	BELLJAR=$(CURDIR)/build/belljar BELLJAR_HOME=$$dir/boxes BELLJAR_SRC=$(CURDIR) TMPDIR=$$dir \
		sh -c 'tests/packages/install.sh; a=$$?; tests/packages/schedule.sh && exit $$a'; status=$$?; \
	rm -rf $$dir 2>/dev/null || unshare --map-root-user --map-auto rm -rf $$dir; exit $$status

# Public emulations of persistence, each in a fresh box: is every autostart place that they change in
# the list? EMULATIONS names a folder with their sources (doc/HACKING.md). WORDS="…" takes some.
.PHONY: test-emulations
test-emulations: deps-build-test-emulations all
	dir=$$(mktemp -d) && chmod 755 $$dir && mkdir $$dir/boxes && \
	BELLJAR=$(CURDIR)/build/belljar BELLJAR_HOME=$$dir/boxes TMPDIR=$$dir \
		tests/emulations/run "$(EMULATIONS)" $(WORDS); status=$$?; \
	rm -rf $$dir 2>/dev/null || unshare --map-root-user --map-auto rm -rf $$dir; exit $$status

# The beacon test on captures that others have published, in the folder CAPTURES (doc/HACKING.md).
.PHONY: test-captures
test-captures: all
	BELLJAR=$(CURDIR)/build/belljar tests/captures/run $(ARGS) "$(CAPTURES)" $(WORDS)

# Ordinary software, installed, used and removed in boxes: the rules must give no finding. WORDS="…"
# takes some of tests/ordinary/packages.
.PHONY: test-ordinary
test-ordinary: all
	dir=$$(mktemp -d) && chmod 755 $$dir && mkdir $$dir/boxes && \
	BELLJAR=$(CURDIR)/build/belljar BELLJAR_HOME=$$dir/boxes BELLJAR_SRC=$(CURDIR) TMPDIR=$$dir \
		tests/ordinary/run $(WORDS); status=$$?; \
	rm -rf $$dir 2>/dev/null || unshare --map-root-user --map-auto rm -rf $$dir; exit $$status

# The suite `findings` again and again: other names, dates, addresses and intervals each time.
REPEAT ?= 10
.PHONY: test-specimens
test-specimens: all deps-test
	for i in $$(seq 1 $(REPEAT)); do \
		dir=$$(mktemp -d) && chmod 755 $$dir && mkdir $$dir/boxes && cd $$dir && \
		BELLJAR=$(CURDIR)/build/belljar BELLJAR_HOME=$$dir/boxes BELLJAR_SRC=$(CURDIR) BELLJAR_BUILD=$(CURDIR)/build \
			TMPDIR=$$dir $(CURDIR)/tests/suites/findings.sh >$$dir/tap </dev/null; cat $$dir/tap; \
		bad=$$(grep -c '^not ok' $$dir/tap); echo "run $$i: $$(grep -c '^ok' $$dir/tap) passed, $$bad failed"; \
		cd $(CURDIR); rm -rf $$dir 2>/dev/null || unshare --map-root-user --map-auto rm -rf $$dir; \
		[ "$$bad" = 0 ] || exit 1; \
	done

# Debian 12's own kernel, in a machine that QEMU emulates: long, and not part of `make test`.
# WORDS="…" takes some of its stages.
.PHONY: test-vm
test-vm: deps-build-test-vm all
	tests/run --build
	tests/vm/run $(WORDS)

test: deps-build-test
	tests/run

lint: deps-build-test-lint
	tools/lint

bench: all deps-test-bench
	bench/run $(B)

# The fuzz targets, each for FUZZ_SECONDS; their corpora are replayed by `make test` as well.
fuzz: deps-build-test-lint
	tools/fuzz $(FUZZ_SECONDS)

install: all
	DESTDIR=$(DESTDIR) meson install -C $(B) --no-rebuild

deb: deps-build-test-deb
	tools/deb

clean:
	rm -rf build build-asan build-clang build-fuzz

.PHONY: all deps demo demo-package test lint bench fuzz install deb clean
