#!/usr/bin/env bash
# Every check there is, the quick ones first: format, lints, documentation, tests. Tests that need what can't be
# had here are skipped and counted at the end; with CI=true it is a failure if that is an Apache Kafka.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ci=false
locked=()
if [[ ${CI:-} == true ]]; then
  ci=true
  locked=(--locked) # CI tests what was committed, Cargo.lock included
fi

step() { printf '\n== %s\n' "$*"; "$@"; }

scripts/setup.sh
if ! { scripts/setup.sh --tests && scripts/kafka.sh; }; then
  echo "test: no Apache Kafka: see above" >&2
  if $ci; then
    exit 1
  fi
fi

# Where it can't be built, the tests that need it are skipped and counted too.
scripts/toxiproxy.sh || true

step cargo fmt --all --check
step cargo clippy "${locked[@]}" --workspace --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc "${locked[@]}" --workspace --no-deps
# The system tests run the programs, and `cargo test` builds only those whose own package has such tests.
# `--tests` makes cargo choose the same features as there: a plain build would compile our crates twice.
step cargo build "${locked[@]}" --workspace --bins --tests

APPMI_SKIPPED=$(mktemp)
export APPMI_SKIPPED
trap 'rm -f "$APPMI_SKIPPED"' EXIT
status=0
step cargo test "${locked[@]}" --workspace --no-fail-fast || status=$?
# As many simulated worlds as fit in three minutes; one that fails says how to run it again.
step cargo run "${locked[@]}" -p sim -- --seconds "${SIM_SECONDS:-180}" || status=$?
# What is done wrong on purpose has to be found; the feature is for the one mistake inside of the engine.
step cargo run "${locked[@]}" -p sim --features variants -- --variants || status=$?

if [[ -s $APPMI_SKIPPED ]]; then
  printf '\n%s tests SKIPPED:\n' "$(wc -l < "$APPMI_SKIPPED")"
  sort "$APPMI_SKIPPED"
fi
exit $status
