# Todo Chatbot. `make help` lists the targets; README.md says what they are for.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

BUILD   ?= build
CC      ?= cc
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PKGS    := libmicrohttpd libcurl libpq luajit libuv libcrypto zlib
LIBS     = $(shell pkg-config --libs libmicrohttpd libcurl libpq luajit libuv libcrypto zlib) \
           -Wl,--wrap=exit -l:liblua5.1-cjson.a -l:liblua5.1-lpeg.a -lm -ldl -lpthread
WARN    := -Wall -Wextra -Wshadow -Wconversion -Werror
SAN     ?=
CFLAGS  ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SAN) -Ihost -D_GNU_SOURCE \
             -DTODO_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g') -MMD -MP

HOST_SRC := $(filter-out host/main.c,$(wildcard host/*.c)) $(wildcard host/api/*.c)
HOST_OBJ  = $(HOST_SRC:%.c=$(BUILD)/%.o)
TEST_SRC := $(wildcard host/test/test_*.c)
TEST_BIN  = $(TEST_SRC:host/test/%.c=$(BUILD)/test/%)

.PHONY: all help run clean clean-data test test-c test-lua lint bench chaos deps-build
all: deps-build ## build build/todo-host
	@$(MAKE) --no-print-directory $(BUILD)/todo-host

deps-build:
	@ci/deps build

run: ## run the whole system on this machine (PORT, DATA_DIR)
	@ci/deps build run
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@exec ci/local

clean: ## remove what was built
	rm -rf $(BUILD)

clean-data: ## remove the data of `make run`
	@ci/clean-data

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

$(BUILD)/todo-host: $(BUILD)/host/main.o $(HOST_OBJ)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(SAN) -rdynamic -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/test/%: host/test/%.c $(HOST_OBJ)
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $< $(HOST_OBJ) $(LIBS) -lcmocka

# The host's pure modules as a library for LuaJIT, so that specs of scripts run without the host.
PURE := $(addprefix host/,json json_keys rrule rrule_parse zone civil buf log err) \
        $(addprefix host/api/,crypto text time calendar json)
build/hostmodules.so: host/test/modules.c $(PURE:%=%.c)
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fPIC -shared -o $@ $^ $(shell pkg-config --libs libcrypto)

.PHONY: test-programs
test-programs: $(TEST_BIN)

test: ## run all tests (PARTS="c lua system dapr tsan")
	@ci/deps build run test
	@ci/test $(PARTS)

lint: ## check the sources
	@ci/deps build lint
	@ci/lint

chaos: ## break the whole system at random, check that nothing is lost (CHAOS_SEED, CHAOS_KILLS)
	@ci/deps build run test
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$${TODO_HOST:-$(abspath $(BUILD))/todo-host} spec/chaos/run

bench: ## measure against the peers
	@ci/deps build run bench
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@bench/run

.PHONY: e2e
e2e: ## run everything on real Dapr, Kafka and Redis (builds Dapr the first time)
	@ci/deps build run test e2e
	@ci/get-dapr >/dev/null
	@ci/get-dapr-cli >/dev/null
	@ci/get-kafka >/dev/null
	@ci/get-zipkin >/dev/null
	@ci/get-mailpit >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host SPEC_JOBS=$${SPEC_JOBS:-2} spec/run --in e2e

.PHONY: api
api: ## ask the running system what its description allows, and much that it does not (schemathesis)
	@ci/deps build run api
	@ci/get-schemathesis >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@SCHEMATHESIS=$$(ci/get-schemathesis) TODO_HOST=$(abspath $(BUILD))/todo-host spec/api/run

.PHONY: conformance
conformance: ## run the cases of the sidecar's API on real Dapr, Kafka and Redis (WORDS="test_jobs.")
	@ci/deps build run test e2e
	@ci/get-dapr >/dev/null
	@ci/get-kafka >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host DAPR_ENGINE=daprd spec/run --in dapr $(WORDS)

.PHONY: monitoring
monitoring: ## ask every dashboard and alert of a real Prometheus on the running system (builds Dapr the first time; WORDS="test_rules.")
	@ci/deps build run test e2e
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host SPEC_JOBS=$${SPEC_JOBS:-2} ci/monitoring $(WORDS)

.PHONY: mcp
mcp: ## run the official MCP clients on the whole system (fetches them the first time; WORDS="python")
	@ci/deps build run test mcp
	@ci/get-mcp-clients >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host spec/mcp/run $(WORDS)

.PHONY: chart
chart: ## check the charts: helm, schemas, kube-score, suites (builds the tools the first time; WORD="kafka")
	@ci/deps chart
	@ci/chart $(WORD)

.PHONY: cluster
cluster: ## install, change and remove the charts on a real API server of Kubernetes (builds it the first time; WORDS="test_pods.")
	@ci/deps build run chart cluster
	@ci/get-charts-tools >/dev/null
	@ci/get-kube >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host SPEC_JOBS=1 spec/run --in cluster $(WORDS)

.PHONY: image
image: ## build the container image for amd64 and arm64 and check it (ARCHES, VERSION; needs root)
	@ci/image

.PHONY: web
web: ## drive the page in Chromium on the whole system (fetches the tools the first time; WORDS="offline")
	@ci/deps build run test web
	@ci/get-web-tools >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host spec/web/run $(WORDS)

.PHONY: pipelines
pipelines: ## check the workflows, what they call and the pages of an operator (WORDS="test_smoke.")
	@ci/deps build run test workflows
	@ci/get-workflow-tools >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host spec/run --in pipelines $(WORDS)

.PHONY: bench-e2e
bench-e2e: ## measure events on real Dapr, Kafka and Redis
	@ci/deps build run test e2e
	@ci/get-dapr >/dev/null
	@ci/get-kafka >/dev/null
	@$(MAKE) --no-print-directory $(BUILD)/todo-host
	@TODO_HOST=$(abspath $(BUILD))/todo-host bench/e2e

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
