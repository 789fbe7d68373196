# Everything here runs alike at the desk and in CI (.ci/run).

FUZZTIME ?= 10m
MOIP_CORPUS ?= ../shared/corpus
PACKAGE_TESTS ?= .
SOAK ?= 1h

.PHONY: build package test soak test-cluster test-package lint fuzz bench oracle

build:
	go build -trimpath -o moip ./cmd/moip

# Debian packages and container images, in dist.
package:
	cd packaging && go run . -o ../dist

# All tests, with what they need installed; what they hold to figures of memory, without
# the race detector, under which all is larger and pools forget.
test:
	ci/install
	ci/page
	go test -race -count=1 -timeout 20m ./...
	go test -count=1 -timeout 10m -run 'IdleMemory|AllocatesNothing|AfterimageSize' ./internal/transport ./internal/downstream ./internal/gateway ./videotex
	go test -count=1 -timeout 10m -run '^TestMemory' ./test -plain

# A hostile evening for a sixth of SOAK and mixed ones for the rest, with the figures of
# doc/reliability.md. make soak SOAK=10m is a smaller form.
soak:
	go test -count=1 -timeout 0 -run '^Test(Mixed|Hostile)Evening$$' -v ./test -plain -soak.for $(SOAK)

# Three gateways, each with a NATS server in a network of its own, HAProxy and 3,000
# callers, and one fault after the other; what clients make of a name with several
# addresses; and how soon HAProxy knows that a machine is gone. As root: without, it says
# so, and fails. It takes some nine minutes, and prints the figures of doc/reliability.md.
# What of it runs anywhere is in make test.
test-cluster:
	ci/install cluster
	go test -count=1 -timeout 30m -run '^Test(Whole|Names|Vanished)$$' -v ./test/cluster -plain -cluster.whole

# The packages installed in a Debian and the image run, as root. Without root it says
# what to install, and fails. The first time it makes that Debian, and takes minutes.
test-package:
	ci/install packages
	cd packaging && go test -count=1 -timeout 30m -run "$(PACKAGE_TESTS)" ./...

# Format, vet, static analysis, known vulnerabilities.
lint:
	ci/lint

# Every fuzz target in turn, each for FUZZTIME.
fuzz:
	ci/fuzz $(FUZZTIME)

# What doc/performance.md shows, measured anew in some forty minutes on a machine that does
# nothing else. Installs nothing; says what is missing (ci/install bench has it). In parts:
# make bench BENCH="-run 'idle|growth'"; for a look, which is not kept, BENCH=-quick.
bench:
	go run ./bench $(BENCH)

# The screen against what genuine Minitels drew, page by page and vector by
# vector; names what differs, and why. MOIP_CORPUS says where that is.
oracle:
	@test -f "$(MOIP_CORPUS)/vectors.json" || { \
		echo "no corpus in $(MOIP_CORPUS): say where it is, MOIP_CORPUS=/path/to/corpus make oracle" >&2; exit 1; }
	MOIP_CORPUS="$(abspath $(MOIP_CORPUS))" go test -count=1 -v -run '^TestCorpus' ./videotex
