#!/usr/bin/env bash
# Installs the clients that the tests run, at the versions of the lock files, into the cache; quick when nothing changed.
# kcat is a Debian package, the Java client and tools come with the jars that tests/kafka/install.sh fetched before.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${XDG_CACHE_HOME:-$HOME/.cache}/milena/clients
mkdir -p "$target"

# Runs `install_NAME` unless it ran for the same content of the files given.
once() {
  local name=$1 stamp=$target/$1.stamp sum
  shift
  sum=$(cat "$@" | sha256sum)
  if [[ -f $stamp && $(< "$stamp") == "$sum" ]]; then
    return
  fi
  echo "clients: installing for $name"
  "install_$name"
  echo "$sum" > "$stamp"
}

install_python() {
  rm -rf "$target/venv"
  python3 -m venv "$target/venv"
  "$target/venv/bin/pip" install -q --disable-pip-version-check -r "$here/python/requirements.txt"
}

install_node() {
  mkdir -p "$target/node"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$target/node/"
  npm ci --prefix "$target/node" --silent --no-audit --no-fund
}

install_go() {
  (cd "$here/go" && CGO_ENABLED=0 go build -trimpath -o "$target/franz" .)
}

install_java() {
  javac -d "$target/java" -cp "$target/../kafka/libs/*" "$here/java/Breadth.java"
}

if ! command -v kcat > /dev/null; then
  echo "clients: installing kcat"
  sudo=$([[ $EUID -eq 0 ]] || echo sudo)
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends kcat
fi
once python "$here/python/requirements.txt"
once node "$here/node/package-lock.json"
once go "$here"/go/*
once java "$here/java/Breadth.java"
