#!/usr/bin/env bash
# Proves that down.sh leaves the machine as up.sh found it: looks, brings a cluster up, uses it, takes it down, looks again.
# NODES counts here too. A cluster that runs is taken down first.
set -euo pipefail
source "$(dirname "$0")/paths.sh"
source "$here/native/settings.sh"
[[ $EUID -eq 0 ]] || die "looking at rules and namespaces takes root"
! has_docker || die "this is about the native Kubernetes"

section() { printf '== %s\n' "$1"; }

machine() {
  section processes
  ps -eo args | grep -E "$base/|^(etcd|kube[a-z-]+|coredns|containerd[a-z0-9-]*|/usr/bin/containerd[a-z0-9-]*) " |
    grep -v -e grep -e check_down.sh || true
  section mounts
  awk '{ print $2, $3 }' /proc/mounts | sort
  section links
  ip -o link | awk -F ': ' '{ print $2 }'
  section addresses
  ip -o address | awk '{ print $2, $4 }'
  section routes
  ip route show table all
  ip -6 route show table all | sed 's/ expires [0-9]*sec//'
  section rules
  ip rule
  nft list ruleset
  section network namespaces
  ip netns list
  section cgroups
  find /sys/fs/cgroup -type d \( -name 'n[0-9]' -o -name '*kubepods*' -o -name '*cri-containerd*' \)
  section kernel settings
  local setting
  for setting in "${kernel_settings[@]}"; do echo "$setting $(cat "/proc/sys/$setting" 2> /dev/null)"; done
  section folders
  find "${machine_folders[@]}" /var/log/pods /etc/cni /opt/cni "$run" 2> /dev/null || true
}

take_turn
"$here/down.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
machine > "$work/before"
"$here/up.sh"
"$here/smoke.sh"
# A pod that is there when the end comes.
kubectl run left-running --image=localhost/smoke:1 --image-pull-policy=Never --command -- /busybox sleep 1000 > /dev/null
kubectl wait --for=condition=Ready pod/left-running --timeout=60s > /dev/null
machine > "$work/during"
! cmp -s "$work/before" "$work/during" || die "the comparison sees nothing of a running cluster"
"$here/down.sh"
machine > "$work/after"
diff -u "$work/before" "$work/after" || die "the machine is not as it was before"
say "down leaves nothing behind"
