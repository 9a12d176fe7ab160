# What people and CI do here; `make` alone lists it. Everything that is built goes to bin/ and .tools/, which git ignores.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

MODULES := proto events projections services
PACKAGES := $(MODULES:%=./%/...)
WRITTEN := $(filter-out ./proto/...,$(PACKAGES)) # proto holds generated code only

# Development tools have their own module, because buf raises the version of protobuf. They are built once per version of that module.
TOOLS := $(CURDIR)/.tools/$(shell { go env GOVERSION; cat proto/tools/go.mod proto/tools/go.sum; } | sha256sum | cut -c1-16)
export PATH := $(TOOLS):$(PATH)

# The schema's baseline: what buf compares with, so that a stored event can be read for ever (docs/adr/0004).
BASELINE := proto/baseline.binpb

# Packages that hold concurrent code run under the race detector too. The pure core has none, by import rule; the last drive a binary or a browser.
RACE_PATTERNS := ./events/es/... ./events/memlog/... ./events/filelog/... ./events/kurrentlog/... ./projections/... ./services/...
RACE_EXCEPT := services/internal/(archtest|chaos|dashboard|deployments|testgate)$$
TEST_MINUTES_MAX := 10m
CHAOS_KILLS := 50
CHAOS_HISTORIES := 10000
CHAOS_MINUTES_MAX := 60m
FUZZ_TIME := 30s
BENCH := .
BENCH_COUNT := 10
BENCH_MINUTES_MAX := 60m

# Stamped into the binary by the Go tool, whatever GOFLAGS says, unless git cannot tell (no clone, or somebody else's).
STAMP := $(shell git status --porcelain >/dev/null 2>&1 && echo true || echo false)

##@ Use
.PHONY: run build
run: build ## build, start everything in one process with the sample, print where to look
	bin/allied serve --sample --data ./allied-data

build: ## build bin/allied; the same commit and Go version give the same bytes
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(STAMP) -o bin/allied ./services/cmd/allied

##@ Work
.PHONY: quick generate tidy ui
quick: ## test what changed since the last commit, and what imports it; no race detector
	.ci/quick $(PACKAGES)

generate: $(TOOLS)/done ## generate code from the schema, and move its baseline unless that would break stored events
	cd proto && buf lint && buf format -w && if [ -e ../$(BASELINE) ]; then buf breaking --against ../$(BASELINE); fi
	cd proto && buf generate && buf build --exclude-source-info -o ../$(BASELINE)

ui: $(TOOLS)/done ## check and test the web pages, and bundle them into the folder that the binary embeds
	.ci/ui services/gateway/web/dist

tidy: ## bring the modules' shared dependencies to one version, and tidy
	.ci/tidy $(MODULES)

##@ Judge
.PHONY: test check check-format check-modules check-lint check-schema check-ui check-tidy check-house
test: ## all that CI runs: check, concurrent packages under the race detector, then every test
	.ci/install
	$(MAKE) check
	{ status=0; \
	  go test -json -count=1 -short -race -timeout=$(TEST_MINUTES_MAX) $$(go list $(RACE_PATTERNS) | grep -vE '$(RACE_EXCEPT)') || status=$$?; \
	  go test -json -count=1 -timeout=$(TEST_MINUTES_MAX) $(PACKAGES) || status=$$?; \
	  exit $$status; } | go run ./services/internal/testgate

check: check-format check-modules check-lint check-schema check-ui check-tidy check-house ## format, vet, staticcheck, schema, web pages, generated code, tidy, import rules

check-format: $(TOOLS)/done
	@echo "check: format"
	@files=$$(gofumpt -l $(MODULES)); if [ -n "$$files" ]; then echo "not formatted; run $(TOOLS:$(CURDIR)/%=%)/gofumpt -w on these:"; echo "$$files"; exit 1; fi

# Each module alone, as its users build it: the workspace would hide a missing require. vet compiles the tests too.
check-modules:
	@for m in $(MODULES); do echo "check: $$m alone"; (cd $$m && GOWORK=off go build ./... && GOWORK=off go vet ./...); done

check-lint: $(TOOLS)/done
	@echo "check: staticcheck"
	@staticcheck -checks inherit,ST1000,ST1003,ST1016 $(WRITTEN)

check-schema: $(TOOLS)/done
	@echo "check: schema"
	@.ci/schema $(BASELINE)

check-ui: $(TOOLS)/done
	@echo "check: web pages"
	@out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; .ci/ui "$$out"; diff -rq services/gateway/web/dist "$$out" || { echo "the bundle is not what its sources give; run make ui"; exit 1; }

check-tidy:
	@for m in $(MODULES); do echo "check: $$m tidy"; (cd $$m && go mod tidy -diff); done

# Uncached: Go's test cache does not watch the files of other modules.
check-house:
	@echo "check: house"
	@go test -count=1 ./services/internal/archtest

##@ Measure and torment
.PHONY: bench chaos fuzz
bench: $(TOOLS)/done ## run the benchmarks that carry claims; BENCH=regexp chooses, BENCH_COUNT=10 repeats
	@mkdir -p bin
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(BENCH_COUNT) -timeout=$(BENCH_MINUTES_MAX) \
	  $$(grep -rl --include='*_test.go' '^func Benchmark' $(WRITTEN:%/...=%) | xargs -n1 dirname | sort -u) | tee bin/bench.txt
	benchstat bin/bench.txt

chaos: ## long fault histories: CHAOS_KILLS=50 kills of the real binary, CHAOS_HISTORIES=10000 crashes of its file system
	ALLIED_CHAOS_KILLS=$(CHAOS_KILLS) go test -count=1 -v -timeout=$(CHAOS_MINUTES_MAX) ./services/internal/chaos
	ALLIED_LOG_HISTORIES=$(CHAOS_HISTORIES) go test -count=1 -v -run Crash -timeout=$(CHAOS_MINUTES_MAX) ./events/filelog

fuzz: ## run every fuzz test for FUZZ_TIME=30s; inputs that fail are kept in testdata
	.ci/fuzz $(FUZZ_TIME) $(PACKAGES)

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(TOOLS)/done:
	@echo "building the development tools (once per version; buf takes a minute)"
	@rm -rf .tools && mkdir -p $(TOOLS)
	@cd proto/tools && GOWORK=off go build -o $(TOOLS)/ tool
	@touch $@
