#!/usr/bin/env bash
# Removes every process, container, mount, bridge, rule, route, cgroup and file of the native Kubernetes.
set -euo pipefail
source "$(dirname "$0")/settings.sh"
folder=$(cd "$(dirname "$0")" && pwd)

[[ -d $run ]] || exit 0
stop volumes
for node in $(nodes); do stop "kubelet-$node"; done

# Containers outlive kubelet and containerd: their tasks are ended while containerd still answers.
for node in $(nodes); do
  alive "containerd-$node" || continue
  for task in $(ctr_of "$node" tasks list -q 2> /dev/null); do ctr_of "$node" tasks kill -s 9 "$task" 2> /dev/null || true; done
  for _ in {1..50}; do
    [[ -n $(ctr_of "$node" tasks list -q 2> /dev/null) ]] || break
    for task in $(ctr_of "$node" tasks list -q); do ctr_of "$node" tasks delete "$task" > /dev/null 2>&1 || true; done
    sleep 0.1
  done
  for container in $(ctr_of "$node" containers list -q 2> /dev/null); do
    ctr_of "$node" containers delete "$container" > /dev/null 2>&1 || true
  done
done
for name in kube-proxy coredns kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$name"; done
for node in $(nodes); do stop "containerd-$node"; done

# Shims whose task had ended already. They carry the address of our own containerd.
for process in /proc/[0-9]*; do
  if tr '\0' ' ' < "$process/cmdline" 2> /dev/null | grep -q "containerd-shim.* -address $run/nodes/"; then
    kill -9 "${process#/proc/}" 2> /dev/null || true
  fi
done
sleep 0.2

awk -v run="$run/" 'index($2, run) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
for namespace in $(ip netns list 2> /dev/null | awk '/^cni-/ { print $1 }'); do ip netns delete "$namespace" || true; done
"$folder/network.sh" down
for node in $(nodes); do
  for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [[ -d $root/$node ]] && find "$root/$node" -depth -type d -exec rmdir {} + 2> /dev/null || true
  done
done
rm -rf "${run:?}"
say "removed"
