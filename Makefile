# The front door. CARGO_TARGET_DIR is respected; everything is built with the one profile `dev` (see
# Cargo.toml), so RocksDB is compiled once, the first time, for demo, tests and benchmarks alike.

.DEFAULT_GOAL := help
.PHONY: help demo test sim soak bench fuzz setup kafka clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## three months of made-up events, counted, released and compared with the truth; no Kafka needed
	@scripts/setup.sh
	cargo run -p appmi -- demo

test: ## format, lints, documentation and all tests, with a real Apache Kafka
	@scripts/test.sh

sim: ## simulated deployments with faults: SEEDS=100 worlds, or the one of SEED=7
	cargo run -p sim -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100))

soak: kafka ## several instances under faults on a real Kafka: ROUNDS=20 SEED=1
	cargo build -p appmi
	APPMI_ROUNDS=$(or $(ROUNDS),20) APPMI_SEED=$(or $(SEED),1) cargo test -p tests --test soak -- --nocapture

bench: kafka ## the benchmarks, in the order of docs/benchmarks.md
	cargo build -p appmi
	cargo bench -p sketch --profile dev --bench accuracy
	cargo bench -p benches --profile dev --bench micro
	cargo bench -p benches --profile dev --bench rocksdb
	cargo test -p tests --test national_checkpoint -- --nocapture
	cargo bench -p benches --profile dev --bench month
	cargo bench -p benches --profile dev --bench drain
	cargo bench -p workload --profile dev --bench residence
	cargo bench -p benches --profile dev --bench traffic

fuzz: ## fuzz every decoder, SECONDS each (60), with cargo-fuzz
	@scripts/fuzz.sh $(or $(SECONDS),60)

setup: ## install what building and testing need (apt-get, as root)
	@scripts/setup.sh --tests

kafka: setup ## fetch the Apache Kafka of the tests into the cache
	@scripts/kafka.sh

clean: ## remove what was built
	cargo clean
