#!/usr/bin/env bash
# Builds a broker that breaks a promise and shows that the checker catches it: acks before replication (`acks`), logs that are
# not cut off where they part (`truncation`), votes that are forgotten (`votes`). Prints what each took.
#
# The broken code is a patch on a copy of the tracked files. The binary has a name of its own, and is never in a default build.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$CARGO_TARGET_DIR/broken
mkdir -p "$source"
git ls-files -z | tar --null --files-from - --create | tar --extract --directory "$source"
(
  cd "$source"
  patch --quiet --strip 1 < tests/checker/broken.patch
  sed -i 's/^\[package\]$/&\nautobins = false/' broker/Cargo.toml
  printf '\n[[bin]]\nname = "milena-broken"\npath = "src/main.rs"\n' >> broker/Cargo.toml
  cargo build --quiet --locked -p milena-broker
)
export MILENA_BROKER=$CARGO_TARGET_DIR/debug/milena-broken

declare -A faults_of=([acks]='' [truncation]=Pause [votes]=RaceVotes)
# Brokers that are away lose their leaderships soon, and have more to cut off.
export MILENA_CHECKER_SESSION_MS=2000

# The checker's last words must be anomalies: a run that fails otherwise shows nothing.
catch() {
  local broken=$1 log=$CARGO_TARGET_DIR/broken-$1.log
  local begun=$SECONDS
  for seed in 1 2 3 4 5; do
    if MILENA_BROKEN=$broken MILENA_CHECKER_FAULTS=${faults_of[$broken]} MILENA_CHECKER_SEED=$seed MILENA_CHECKER_SECONDS=30 \
      cargo test --locked -p milena-tests --test checker -- --nocapture acknowledged > "$log" 2>&1; then
      continue
    fi
    if grep -E '^ +[1-9][0-9]*  anomalies$' "$log" > /dev/null; then
      echo "$broken: caught in $((SECONDS - begun)) s, seed $seed:"
      sed -n '/  anomalies$/,/^[A-Z]/p' "$log" | head -5
      return
    fi
  done
  echo "$broken: not caught, see $log" >&2
  exit 1
}

for each in ${*:-acks truncation votes}; do
  catch "$each"
done
