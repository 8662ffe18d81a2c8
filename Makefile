# Everything that a person or the CI does here. `make` alone shows the list.

MODULES     := shared agent coordinator e2e evm
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
AGENT_FLAGS := $(shell grep '^-' agent/build.flags)
TEST_FLAGS  ?=
RUN_FLAGS   ?=
FUZZTIME    ?= 20s
STEPS       ?=
TOOLS       := bin/tools

# Each module is built and tested by its own go.mod, as a release is. go.work
# would merge the versions that they ask for; it is there for editors.
export GOWORK := off
# The version comes from LDFLAGS. git refuses to tell it in a clone of another
# user (a container's mount, root in a user's folder), and go build would fail.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# each CMD: runs CMD in every module, all of them even when one fails.
each = @failed=; for m in $(MODULES); do (cd $$m && $(1)) || failed="$$failed $$m"; done; \
	if [ -n "$$failed" ]; then echo "failed in:$$failed" >&2; exit 1; fi

.PHONY: help setup postgres modules build run test test-long bench fuzz fmt lint vulncheck tidy tidy-check generate generate-check packages packages-test boot-test clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Without Mosquitto and Alertmanager two tests are skipped, which make test says at its end, and make bench says what it could not compare.
setup: ## install what make test and make bench lack here (PostgreSQL, Mosquitto, Alertmanager; a C compiler for -race)
	@sh scripts/setup.sh $(if $(findstring -race,$(TEST_FLAGS)),--race)
	@sh scripts/setup.sh --services || echo "setup: going on without them" >&2

postgres:
	@sh scripts/setup.sh

modules:
	$(call each,go mod download)
	cd tools && go mod download

build: ## build the programs into bin/
	@sh scripts/setup.sh --go-only
	cd coordinator && CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/lucid-coordinator ./cmd/lucid-coordinator
	cd coordinator && CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/lucidctl ./cmd/lucidctl
	cd agent && CGO_ENABLED=0 go build -trimpath $(AGENT_FLAGS) -ldflags '$(LDFLAGS)' -o ../bin/lucid-agent ./cmd/lucid-agent
	cd e2e && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../bin/lucid-fleet ./cmd/fleet

run: postgres build ## this machine as a proven, scored and paid node; Ctrl-C stops it (RUN_FLAGS="--http ...")
	@exec bin/lucid-coordinator dev --agent bin/lucid-agent $(RUN_FLAGS)

test: setup ## every test of every module, and the systemd units (TEST_FLAGS="-race -run ...")
	$(call each,go test $(TEST_FLAGS) ./...)
	@sh scripts/units.sh
	@sh scripts/setup.sh --untried

test-long: ## races, faults in full, large fleets, fuzzing and packages (STEPS="crash fuzz"; scripts/test-long.sh --list)
	@bash scripts/test-long.sh $(STEPS)

fuzz: ## every fuzz target for FUZZTIME each
	@FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh $(MODULES)

bench: setup ## measure ingest, connections, proofs, settlement, plans of payouts, API reads and the agent beside their references
	cd e2e && go run ./cmd/bench

fmt: ## format all Go code
	gofmt -w $(MODULES)

lint: $(TOOLS)/staticcheck ## formatting, go vet, staticcheck, systemd units
	@unformatted=$$(gofmt -l $(MODULES)); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(call each,go vet ./...)
	cd agent && GOARCH=arm GOARM=6 CGO_ENABLED=0 go vet ./... # an int has 32 bits there
	$(call each,../$(TOOLS)/staticcheck ./...)
	@sh scripts/units.sh

vulncheck: $(TOOLS)/govulncheck ## known vulnerabilities in what we call; says so when it cannot run
	@sh scripts/vulncheck.sh ../$(TOOLS)/govulncheck $(MODULES)

tidy: ## go mod tidy in every module
	$(call each,go mod tidy)
	cd tools && go mod tidy

tidy-check: ## fails when a go.mod or go.sum is not tidy
	$(call each,go mod tidy -diff)
	@cd tools && go mod tidy -diff

generate: $(TOOLS)/sqlc $(TOOLS)/oapi-codegen ## write the code of all SQL queries, the API's client and docs/metrics.md again
	cd coordinator && ../$(TOOLS)/sqlc generate
	@sh scripts/client.sh $(CURDIR)/$(TOOLS)/oapi-codegen
	cd agent && go test ./internal/collect -run TestMetricsPage -update

generate-check: $(TOOLS)/sqlc $(TOOLS)/oapi-codegen ## fails when generated code differs from its source
	@cd coordinator && ../$(TOOLS)/sqlc diff
	@sh scripts/client.sh $(CURDIR)/$(TOOLS)/oapi-codegen check
	@cd agent && go test ./internal/collect -run TestMetricsPage >/dev/null || { echo "docs/metrics.md is not what the code says; run make generate" >&2; exit 1; }
	@echo "generated code is up to date"

packages: $(TOOLS)/nfpm ## Debian packages of agent (amd64, arm64, armhf) and coordinator into dist/
	@sh scripts/packages.sh $(CURDIR)/$(TOOLS)/nfpm

packages-test: $(TOOLS)/nfpm ## install, upgrade, remove and purge them in a fresh Debian (root)
	@sh scripts/packages-test.sh $(TOOLS)/nfpm

boot-test: $(TOOLS)/nfpm ## boot an emulated arm64 Debian with the agent's package and a provisioned card (root)
	@sh scripts/boot-test.sh $(TOOLS)/nfpm

clean: ## remove what was built; data in .lucid stays
	rm -rf bin dist

# Without cgo sqlc takes its parser as WebAssembly: no C compiler, no long C build.
$(TOOLS)/sqlc: PACKAGE := github.com/sqlc-dev/sqlc/cmd/sqlc
$(TOOLS)/oapi-codegen: PACKAGE := github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen
$(TOOLS)/nfpm: PACKAGE := github.com/goreleaser/nfpm/v2/cmd/nfpm
$(TOOLS)/staticcheck: PACKAGE := honnef.co/go/tools/cmd/staticcheck
$(TOOLS)/govulncheck: PACKAGE := golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/%: tools/go.mod tools/go.sum
	cd tools && CGO_ENABLED=0 go build -o ../$@ $(PACKAGE)
	@touch $@
