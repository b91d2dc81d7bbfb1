#!/usr/bin/env bash
# Fuzzes every target, one after another, for so many seconds each, coverage-guided, on the stable compiler:
#
#   scripts/fuzz.sh SECONDS [TARGET..]
#
# What is new stays in fuzz/corpus; scripts/fuzz.sh 0 only replays that. A finding stays in fuzz/artifacts and fails the
# run, with the command that repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
  mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)
fi

cargo fuzz --version > /dev/null 2>&1 ||
  { echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
total=0
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  # No sanitizer: there is no unsafe code below, and without one the stable compiler will do.
  limit=(-max_total_time="$seconds")
  if ((seconds == 0)); then
    limit=(-runs=0)
  fi
  cargo fuzz run --sanitizer none "$target" -- "${limit[@]}" -max_len=4096 -rss_limit_mb=1024 \
    -print_final_stats=1 > "$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  inputs=$(find "fuzz/corpus/$target" -type f | wc -l)
  printf '%-10s %10s inputs ran, %6s edges covered, %5s inputs in the corpus\n' \
    "$target" "$runs" "$coverage" "$inputs"
  total=$((total + runs))
done
echo "$total inputs ran without a finding"
