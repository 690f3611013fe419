# Everything that is done with this repository, a target each. `make` alone lists them. All targets need only Go, make and git;
# what a target can use beyond that, it uses where it is there and says so where it is not.

TOOLS   := proxyd validator deploy logrotator msghandler sectionctl
MODULES := contract $(TOOLS) e2e bench
SOURCES := $(patsubst %,./%/...,$(MODULES))
UNITS   := $(patsubst %,./%/...,$(filter-out e2e,$(MODULES)))

VERSION  := $(or $(shell git describe --tags --always --dirty 2>/dev/null),devel)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
CREATED  := $(shell git log -1 --format=%cI 2>/dev/null)
IMAGE    ?= proxyd:$(VERSION)
BIN      ?= bin

# The race detector needs cgo, and that a C compiler.
RACE := $(if $(shell command -v $$(go env CC) 2>/dev/null),-race)
# Files that only some targets compile; vet and staticcheck look at them all the same.
TAGS := image,realclients
FUZZ_TIME ?= 20s
SOAK_TIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- Build and run --------------------------------------------------------------------------------------------------------

# The Dockerfile builds in the same way; it says what the flags are for.
.PHONY: build
build: ## the six static binaries, in bin/
	@mkdir -p $(BIN)
	@for tool in $(TOOLS); do \
		case $$tool in proxyd) speed=;; *) speed=-gcflags=all=-l;; esac; \
		CGO_ENABLED=0 GOWORK=off go -C $$tool build -o $(abspath $(BIN))/ -trimpath -buildvcs=false $$speed \
			-tags nethttpomithttp2,urfave_cli_no_docs \
			-ldflags "-s -w -X section.internal/contract/command.version=$(VERSION)" . || exit 1; \
	done

.PHONY: run
run: build ## proxyd on a loopback port in front of a demonstration origin; Ctrl-C ends it
	@go build -o $(BIN)/.demo ./e2e/demo # go run would call an end by Ctrl-C a failure
	@exec $(BIN)/.demo --bin $(BIN)

.PHONY: image
image: ## the container image; IMAGE=name:tag names it, GO_IMAGE and BASE_IMAGE give other bases
	docker build --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) \
		$(if $(GO_IMAGE),--build-arg GO_IMAGE=$(GO_IMAGE)) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) .

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)

# ---- Check ----------------------------------------------------------------------------------------------------------------

# The order is from the quickest to the slowest, so that a mistake shows early.
.PHONY: test
test: check build ## everything that can be checked here: sources, units, end to end, and the image where Docker answers
	@$(if $(RACE),,echo 'left out: the race detector, which needs a C compiler ($(shell go env CC))')
	@docker info >/dev/null 2>&1 || echo 'left out: the tests of the image (make image-test), since no Docker engine answers'
	go test -count=1 $(RACE) $(UNITS) # no cached results: some tests build and run the binaries
	E2E_BIN_DIR=$(abspath $(BIN)) go test -count=1 $(RACE) ./e2e/...
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory image-test; fi

.PHONY: check
check: ## gofmt, vet, staticcheck, tidy go.mod files, and each module built on its own
	@unformatted=$$(gofmt -l $(MODULES)) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'gofmt -w would change:\n%s\n' "$$unformatted"; exit 1; fi
	go vet -tags $(TAGS) work
	@echo staticcheck; "$$(GOWORK=off go -C tools tool -n staticcheck)" -tags $(TAGS) $(SOURCES)
	@for module in $(MODULES); do \
		echo "$$module: tidy and builds on its own"; \
		GOWORK=off go -C $$module mod tidy -diff && GOWORK=off go -C $$module build ./... || exit 1; \
	done
	@echo 'tools: tidy'; GOWORK=off go -C tools mod tidy -diff # it has no packages of its own

.PHONY: smoke
smoke: build ## one quick check of each binary: --version, --help and its main job
	@go run ./e2e/smoke --bin $(BIN)

.PHONY: soak
soak: build ## all scenarios at once, with traffic, reloads and rotations, for SOAK_TIME (30s): no race, nothing left behind
	E2E_BIN_DIR=$(abspath $(BIN)) E2E_SOAK_TIME=$(SOAK_TIME) go test -count=1 -timeout 0 -v ./e2e/soak/

.PHONY: image-test
image-test: ## build the image on local stand-ins for its bases, and check every clause of the contract from outside
	go test -count=1 $(RACE) -tags image -timeout 10m ./e2e/image/

.PHONY: realclients
realclients: build ## curl, git, wrk, a WebSocket client and a browser through the proxy; installs what it needs from Debian's packages
	E2E_BIN_DIR=$(abspath $(BIN)) go test -count=1 -tags realclients -timeout 15m -v ./e2e/realclients/

.PHONY: bench
bench: build ## proxyd beside nginx, HAProxy and Varnish, 25 minutes; BENCH='--rounds 1 --case pass-1k-64' for less
	@go build -o $(BIN)/.bench ./bench # go run would call an end by Ctrl-C a failure
	@exec $(BIN)/.bench --proxyd $(BIN)/proxyd $(BENCH)

.PHONY: bench-setup
bench-setup: ## install what make bench compares with from Debian's packages, as root; otherwise say what is missing
	@bench/setup.sh

# It goes on after a failure, so that one run over an hour tells of all. A failing input is written below testdata/fuzz of its
# package, where each later go test runs it: it is added with the fix. Without -fuzzminimizetime up to a minute goes into making
# smaller what is merely new.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZ_TIME (20s); names at the end which failed, and the files with the inputs
	@failed=; \
	for package in $$(go list $(UNITS)); do \
		listed=$$(go test -list '^Fuzz' $$package) || { echo "$$listed"; failed="$$failed $$package"; }; \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 5s $$package || failed="$$failed $$package:$$target"; \
		done; \
	done; \
	if [ -n "$$failed" ]; then \
		printf '\nfailed:\n'; printf '  %s\n' $$failed; \
		echo 'inputs (none: one of the seeds fails, see above):'; git ls-files --others '*/testdata/fuzz/*' | sed 's/^/  /'; \
		exit 1; \
	fi
