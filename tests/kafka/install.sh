#!/usr/bin/env bash
# Fetches the jars of Apache Kafka by Maven coordinates (pom.xml) into the cache, once per version of the pom.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${XDG_CACHE_HOME:-$HOME/.cache}/milena/kafka
stamp=$target/pom.xml

if [[ -f $stamp ]] && cmp -s "$here/pom.xml" "$stamp"; then
  exit 0
fi
echo "kafka: fetching the jars of Apache Kafka"
mkdir -p "$target/libs"
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target/libs"
cp "$here/pom.xml" "$stamp"
