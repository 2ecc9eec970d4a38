#!/bin/bash
# Fuzzes every target in turn for the given number of seconds in all, on one core, and prints what was done.
# Corpora, logs and findings lie in ~/.cache/milena/fuzz; the run fails at its end if there was a finding.
set -euo pipefail
cd "$(dirname "$0")"
total_s=${1:?seconds}
only=${2:-requests messages batches metadata groups files config}
work=${MILENA_FUZZ_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/milena/fuzz}
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes, without a sanitizer: the code under test is safe Rust, the allocator of the targets counts.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=4"
CARGO_TARGET_DIR=$work/target cargo build --release --quiet --manifest-path libfuzzer/Cargo.toml --target "$host"
binary=$work/target/$host/release/milena-fuzz
mkdir -p "$work/findings" "$work/log"
failed=0
rounds=$(( total_s > 600 ? 3 : 1 ))
slice_s=$(( total_s / rounds / $(wc -w <<< "$only") ))
for round in $(seq "$rounds"); do
    for target in $only; do
        corpus=$work/corpus/$target
        log=$work/log/$target-$(date +%s)
        mkdir -p "$corpus"
        MILENA_FUZZ_TARGET=$target MILENA_FUZZ_SEEDS=$work/seeds/$target nice -n 19 "$binary" \
            "$corpus" "$work/seeds/$target" -max_total_time="$slice_s" -timeout=20 -rss_limit_mb=4096 -max_len=16384 \
            -print_final_stats=1 -artifact_prefix="$work/findings/$target-" > "$log" 2>&1 \
            || { failed=1; grep -A 4 -E 'panicked|ERROR' "$log" || true; }
        coverage=$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -n 1)
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: $slice_s s, $executions executions, $coverage"
    done
done
exit "$failed"
