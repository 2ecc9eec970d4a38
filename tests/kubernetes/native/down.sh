#!/usr/bin/env bash
# Removes every process, container, mount, bridge, rule, route, cgroup and file of the native Kubernetes.
set -euo pipefail
source "$(dirname "$0")/settings.sh"
folder=$(cd "$(dirname "$0")" && pwd)

[[ -d $run ]] || exit 0

# Containers outlive kubelet and containerd: they are removed while containerd still answers.
remove_containers() {
  local node=$1 task container
  alive "containerd-$node" || return 0
  for task in $(ctr_of "$node" tasks list -q 2> /dev/null); do
    ctr_of "$node" tasks kill -s 9 "$task" > /dev/null 2>&1 || true
  done
  for _ in {1..50}; do
    local tasks
    tasks=$(ctr_of "$node" tasks list -q 2> /dev/null || true)
    [[ -n $tasks ]] || break
    for task in $tasks; do ctr_of "$node" tasks delete "$task" > /dev/null 2>&1 || true; done
    sleep 0.1
  done
  for container in $(ctr_of "$node" containers list -q 2> /dev/null); do
    ctr_of "$node" containers delete "$container" > /dev/null 2>&1 || true
  done
}

# Shims whose task had ended already. They carry the address of our own containerd.
end_shims() {
  local process
  for process in /proc/[0-9]*; do
    if { tr '\0' ' ' < "$process/cmdline"; } 2> /dev/null | grep -q "containerd-shim.* -address $run/nodes/"; then
      kill -9 "${process#/proc/}" 2> /dev/null || true
    fi
  done
}

unmount_all() {
  awk -v run="$run/" 'index($2, run) == 1 { print $2 }' /proc/mounts | sort -r |
    while read -r mount; do umount -l "$mount" || true; done
}

# The nodes' own groups. Where containerd had died before, there are processes of containers in them still.
remove_cgroups() {
  local node root process
  for node in $(nodes); do
    for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
      [[ -d $root/$node ]] || continue
      for process in $(find "$root/$node" -name cgroup.procs -exec cat {} +); do kill -9 "$process" 2> /dev/null || true; done
      for _ in {1..20}; do
        find "$root/$node" -depth -type d -exec rmdir {} \; 2> /dev/null || true
        [[ -d $root/$node ]] || break
        sleep 0.1
      done
    done
  done
}

stop volumes
for node in $(nodes); do stop "kubelet-$node"; done
for node in $(nodes); do remove_containers "$node"; done
for name in kube-proxy coredns kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$name"; done
for node in $(nodes); do stop "containerd-$node"; done
end_shims
remove_cgroups
unmount_all
"$folder/network.sh" down
"$folder/machine.sh" restore
rm -rf "${run:?}"
say "removed"
