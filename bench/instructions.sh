#!/usr/bin/env bash
# Counts the instructions of the steps of produce and fetch where valgrind is at hand. The runner is built once.
set -euo pipefail
cd "$(dirname "$0")"
command -v valgrind > /dev/null || { echo "instructions: valgrind is not installed, nothing is counted"; exit 0; }
version=$(sed -n '/^name = "gungraun"$/{n;s/^version = "\(.*\)"$/\1/p}' ../Cargo.lock)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/milena/gungraun-$version
[ -x "$tools/bin/gungraun-runner" ] || cargo install --locked --quiet --root "$tools" "gungraun-runner@$version"
GUNGRAUN_RUNNER=$tools/bin/gungraun-runner cargo bench --locked -p milena-bench --bench instructions
