# Sourced by every script here: where things lie, and the little that all of them need.
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=${XDG_CACHE_HOME:-$HOME/.cache}/milena/kubernetes
bin=$base/bin
# Everything that a running cluster consists of; down.sh removes the folder.
run=$base/run
export KUBECONFIG=$run/kubeconfig
export PATH=$bin:$PATH

kubernetes_version=v1.35.6
helm_version=v4.2.4
kind_version=v0.32.0
kind_cluster=milena

say() { printf 'kubernetes: %s\n' "$*"; }
die() { printf 'kubernetes: %s\n' "$*" >&2; exit 1; }

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < deadline)) || die "gave up waiting for $what"
    sleep 0.2
  done
}

# Waits until nobody else uses the cluster (the demo and the end-to-end tests), and keeps it until the script ends.
take_turn() {
  mkdir -p "$base"
  exec 9>> "$base/turn"
  flock --wait 900 9 || die "something else has been using the cluster for 15 minutes ($base/turn)"
}

has_docker() { command -v docker > /dev/null && docker info > /dev/null 2>&1; }

# as_root COMMAND...: with sudo where that is needed, and with our own folders all the same.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo env PATH="$PATH" HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-}" NODES="${NODES:-}" "$@"
  fi
}
