# Every command that a person or CI runs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milena
export CARGO_TARGET_DIR ?= $(CACHE)/target
export KUBECONFIG ?= $(CACHE)/kubernetes/run/kubeconfig
export PATH := $(CACHE)/kubernetes/bin:$(PATH)
RELEASE := $(CARGO_TARGET_DIR)/release
FUZZ_SECONDS ?= 600
# Nodes of the Kubernetes that is brought up, each in its own zone.
export NODES ?= 3

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

.PHONY: setup
setup: ## install the Debian packages that are missing
	@tests/setup.sh

.PHONY: build
build: ## release binaries of broker and operator
	cargo build --release --locked -p milena-broker -p milena-operator

# Tests start these processes. One set of packages a profile: another set means other features, and all anew.
.PHONY: binaries
binaries:
	cargo build --locked -p milena-broker -p milena-operator

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

.PHONY: lint
lint: ## formatting, clippy, house rules
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo fmt --all --check --manifest-path tests/sim/Cargo.toml
	cargo clippy --locked --manifest-path tests/sim/Cargo.toml --workspace --all-targets -- -D warnings
	cargo test --locked -p milena-tests --test tidy --test reference
	tests/kubernetes/tools.sh helm
	helm lint --strict --quiet charts/milena
	cd examples/truck_gps && go vet ./...

.PHONY: test
test: setup test-unit test-sim test-broker test-cluster test-clients test-operator ## all tests that need no cluster of pods

.PHONY: test-unit
test-unit: ## unit tests, house rules, golden vectors
	cargo test --locked --workspace --exclude milena-tests
	cargo test --locked -p milena-tests --lib --test tidy --test golden --test fuzz
	cd examples/truck_gps && go test ./...

.PHONY: test-sim
test-sim: ## a share of the simulation's seeds, and mistakes that it must find
	cargo test --locked --manifest-path tests/sim/Cargo.toml

.PHONY: test-broker
test-broker: kafka binaries ## crashes and hostile bytes against a broker process
	@tests/clients/install.sh
	cargo test --locked -p milena-tests --test broker -- --test-threads=2
	cargo test --locked -p milena-tests --test differential
	cargo test --locked -p milena-tests --test soak

.PHONY: test-cluster
test-cluster: kafka binaries ## clusters of several processes, and quorums shared with Apache Kafka
	@tests/clients/install.sh
	cargo test --locked -p milena-tests --test cluster -- --test-threads=2
	cargo test --locked -p milena-tests --test quorum -- --test-threads=2
	cargo test --locked -p milena-tests --test checker

.PHONY: checker
checker: kafka binaries ## faults on a cluster, and a verdict on the history of its clients: SEED=7 SECONDS=600 BROKERS=5
	@tests/clients/install.sh
	MILENA_CHECKER_SEED=$(or $(SEED),1) MILENA_CHECKER_SECONDS=$(or $(SECONDS),600) \
		MILENA_CHECKER_BROKERS=$(or $(BROKERS),3) MILENA_CHECKER_RATE=$(or $(RATE),200) \
		cargo test --locked -p milena-tests --test checker -- --nocapture

.PHONY: checker-broken
checker-broken: kafka ## brokers that break a promise, each caught by the checker: BROKEN="acks truncation votes"
	@tests/clients/install.sh
	tests/checker/broken.sh $(BROKEN)

SIM := cargo run --quiet --locked --manifest-path tests/sim/Cargo.toml --
.PHONY: sim
sim: ## whole clusters under a virtual clock, network and disk: SEED=7 for one, SEEDS=10000 for many
	$(SIM) $(if $(SEED),one --seed $(SEED) --log,many --seeds $(or $(SEEDS),100) --from $(or $(FROM),1))

.PHONY: differential
differential: kafka binaries ## random requests to both brokers, answers compared: SEED=7 STEPS=20000
	MILENA_DIFFERENTIAL_SEED=$(or $(SEED),1) MILENA_DIFFERENTIAL_STEPS=$(or $(STEPS),5000) \
		cargo test --locked -p milena-tests --test differential -- --nocapture

.PHONY: soak
soak: kafka binaries ## a long mixed life with kills, acknowledged records compared at every start: SEED=7 SOAK_SECONDS=600
	@tests/clients/install.sh
	MILENA_SOAK_SEED=$(or $(SEED),1) MILENA_SOAK_SECONDS=$(or $(SOAK_SECONDS),600) \
		cargo test --locked -p milena-tests --test soak -- --nocapture

.PHONY: test-clients
test-clients: kafka binaries ## real clients of six families against a broker process
	@tests/clients/install.sh
	cargo test --locked -p milena-tests --test clients -- --test-threads=2

.PHONY: test-operator
test-operator: binaries ## the operator against a real API server
	@tests/kubernetes/tools.sh etcd kube-apiserver kube-controller-manager kubectl
	cargo test --locked -p milena-tests --test operator -- --test-threads=2

.PHONY: e2e
e2e: kubernetes images ## broker and operator as pods of the real Kubernetes
	cargo test --locked -p milena-tests --test e2e -- --test-threads=1 --nocapture

.PHONY: kafka
kafka: ## the jars of Apache Kafka: its tools and serializers are the oracle
	@tests/kafka/install.sh

.PHONY: docs
docs: ## regenerate the page of every configuration key
	cargo run --quiet --locked -p milena-core --example configuration > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

.PHONY: golden
golden: kafka ## regenerate the golden vectors with Apache Kafka's serializers
	tests/golden/regenerate.sh

.PHONY: fuzz
fuzz: ## fuzz every target in turn, FUZZ_SECONDS=600 in all, on one core
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(TARGET)

.PHONY: crds
crds: ## regenerate crds/ and the chart's copies
	cargo run --locked -p milena-operator -- crds --write crds
	cp crds/*.yaml charts/milena/files/crds/

.PHONY: kubernetes
kubernetes: setup ## a real Kubernetes: kind where Docker answers, else host processes
	@tests/kubernetes/up.sh

.PHONY: kubernetes-down
kubernetes-down: ## remove everything that `make kubernetes` made
	@tests/kubernetes/down.sh

.PHONY: kubernetes-check
kubernetes-check: setup ## take the cluster down; prove that the native one leaves the machine as it was
	@if docker info > /dev/null 2>&1; then tests/kubernetes/down.sh; else tests/kubernetes/check_down.sh; fi

.PHONY: images
images: build ## broker, operator and example images, loaded into the cluster
	cd examples/truck_gps && CGO_ENABLED=0 go build -trimpath -o $(CACHE)/truck-gps .
	@tests/kubernetes/images.sh $(RELEASE)/milena-broker $(RELEASE)/milena-operator $(CACHE)/truck-gps

.PHONY: demo
demo: kubernetes images ## the main job, from kubectl apply to consumed records
	@tests/kubernetes/demo.sh

.PHONY: bench
bench: setup kafka ## Milena against Apache Kafka, a table of ratios; ROWS="..." chooses, ALONE=1 leaves Kafka out
	cargo build --release --locked -p milena-broker -p milena-bench
	$(RELEASE)/milena-bench run --rows "$(ROWS)" $(if $(ALONE),--alone)
	python3 bench/partitions.py $(RELEASE)/milena-broker

.PHONY: bench-failover
bench-failover: setup kafka ## what clients notice when one of three brokers goes, beside Apache Kafka; as root: CASES="kill cut" ROUNDS=5 ALONE=1
	@tests/clients/install.sh
	cargo build --release --locked -p milena-broker -p milena-bench
	$(RELEASE)/milena-bench failover --cases "$(CASES)" --rounds $(or $(ROUNDS),3) $(if $(ALONE),--alone)

.PHONY: bench-partitions
bench-partitions: build ## what 10,000 partitions cost: descriptors, memory, idle CPU, both kinds of start
	python3 bench/partitions.py $(RELEASE)/milena-broker

.PHONY: bench-steps
bench-steps: ## the steps of produce and fetch: timed, and counted in instructions where valgrind is at hand
	cargo bench --locked -p milena-bench --bench hot_paths
	@bench/instructions.sh

.PHONY: bench-start
bench-start: build ## start-up time and idle memory of the broker
	bench/start.sh $(RELEASE)/milena-broker

.PHONY: ci
ci: setup lint test bench-start e2e demo kubernetes-check ## everything, quick checks first
