#!/usr/bin/env bash
# Brings up a real Kubernetes as host processes: control plane, then NODES nodes (default 1), each in its own zone.
set -euo pipefail
source "$(dirname "$0")/settings.sh"
folder=$(cd "$(dirname "$0")" && pwd)

count=${NODES:-1}
((count >= 1 && count <= nodes_max)) || die "NODES must lie between 1 and $nodes_max"
[[ $EUID -eq 0 ]] || die "the native Kubernetes runs as root"

is_up() {
  local pid
  [[ -f $run/up && $(nodes | wc -l) -eq $count ]] || return 1
  for pid in "$run"/pid/*; do alive "$(basename "$pid")" || return 1; done
  kubectl get --raw /readyz > /dev/null 2>&1
}

! is_up || exit 0
# The rest of one that was stopped half-way, or that a restart of the machine ended.
"$folder/down.sh"

began=$SECONDS
mkdir -p "$run"/{log,images,nodes}
"$folder/machine.sh" remember
"$folder/network.sh" up
"$here/image.sh" localhost/pause:1 "$run/images/pause.tar" 65535 "$(command -v busybox)=/busybox" -- /busybox sleep 1000000000
"$folder/control_plane.sh"
for number in $(seq "$count"); do
  "$folder/node.sh" "$number"
  "$folder/volumes.sh" make "n$number"
done
start volumes "$folder/volumes.sh" renew
for number in $(seq "$count"); do
  wait_for 90 "node n$number" kubectl get node "n$number"
  kubectl wait --for=condition=Ready "node/n$number" --timeout=90s > /dev/null
done
wait_for 60 "the default service account" kubectl get serviceaccount default
# With sudo, kubectl is for the person who called it.
chown "${SUDO_UID:-0}:${SUDO_GID:-0}" "$KUBECONFIG"
touch "$run/up"
say "ready in $((SECONDS - began)) s: $count node(s), Kubernetes $kubernetes_version"
