# Everything here runs alike at the desk and in CI (.ci/run).

FUZZTIME ?= 10m

.PHONY: build test lint fuzz bench

build:
	go build -trimpath -o moip ./cmd/moip

# All tests, with what they need installed.
test:
	ci/install
	go test -race -count=1 -timeout 20m ./...

# Format, vet, static analysis, known vulnerabilities.
lint:
	ci/lint

# Every fuzz target in turn, each for FUZZTIME.
fuzz:
	ci/fuzz $(FUZZTIME)

# The table of doc/performance.md. Installs nothing; says what is missing.
bench:
	go run ./bench
