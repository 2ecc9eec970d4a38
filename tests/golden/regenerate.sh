#!/usr/bin/env bash
# Prints the message declarations and the golden vectors again from the jars of Apache Kafka.
#
# usage: tests/golden/regenerate.sh [--check]     with --check: compares with what is committed, and changes nothing
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
libs=${XDG_CACHE_HOME:-$HOME/.cache}/milena/kafka/libs

"$here/print_messages.py" "$libs" "$@"
if [[ ${1:-} == --check ]]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  java -cp "$libs/*" "$here/Golden.java" "$scratch"
  java -cp "$libs/*" "$here/PartitionChanges.java" "$scratch"
  diff -r "$scratch" "$here/vectors"
else
  rm -rf "$here/vectors"
  java -cp "$libs/*" "$here/Golden.java" "$here/vectors"
  java -cp "$libs/*" "$here/PartitionChanges.java" "$here/vectors"
fi
