#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building and testing need, and only those that are missing.
# The native Kubernetes brings its own list (tests/kubernetes).
set -euo pipefail

declare -A package_of=(
  [cc]=build-essential [make]=make [cmake]=cmake [curl]=curl [python3]=python3 [java]=openjdk-17-jdk-headless
  [javac]=openjdk-17-jdk-headless [mvn]=maven [node]=nodejs [npm]=npm [kcat]=kcat [ip]=iproute2 [nft]=nftables [openssl]=openssl
)

missing=()
for command in "${!package_of[@]}"; do
  command -v "$command" > /dev/null || missing+=("${package_of[$command]}")
done
python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
for tool in cargo go; do
  command -v "$tool" > /dev/null || { echo "setup: $tool is needed and is not a package: install Rust and Go first" >&2; exit 1; }
done

if ((${#missing[@]})); then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  echo "setup: installing ${missing[*]}"
  sudo=$([[ $EUID -eq 0 ]] || echo sudo)
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
