# Sourced by the native scripts: addresses, processes, the parts of a node.
# shellcheck shell=bash disable=SC2034

source "$(dirname "${BASH_SOURCE[0]}")/../paths.sh"

bridge=cni0
bridge_address=0a:58:0a:f4:00:01
# The bridge's address is where the API server, DNS and every kubelet answer: nothing listens on the outside.
address=10.244.0.1
pods=10.244.0.0/16
services=10.96.0.0/16
dns=$address
nodes_max=4
volumes_per_node=16
volume_size=20Gi

# When a process began, in ticks since the machine's start, beside the machine's start itself: an id is given again to
# other processes, at the latest after a restart, but never with the same birth.
birth() {
  local stat
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
  stat=${stat##*) }
  # The state comes first here; Z and X are processes that have ended.
  [[ $stat != [ZX]* ]] || return 1
  echo "$(cut -d ' ' -f 20 <<< "$stat") $(cat /proc/sys/kernel/random/boot_id)"
}

# start NAME COMMAND...: a process that outlives this shell, with its log, its id and its birth.
start() {
  local name=$1
  shift
  mkdir -p "$run/log" "$run/pid"
  setsid nohup "$@" > "$run/log/$name.log" 2>&1 < /dev/null 9>&- &
  printf '%s\n' $! "$(birth $!)" > "$run/pid/$name"
}

process_id() { head -n 1 "$run/pid/$1"; }
alive() { [[ -f $run/pid/$1 && $(birth "$(process_id "$1")") == "$(tail -n 1 "$run/pid/$1")" ]]; }

# stop NAME: asks the process and its children, waits up to three seconds, insists.
stop() {
  alive "$1" || return 0
  kill -- "-$(process_id "$1")" 2> /dev/null || true
  for _ in {1..30}; do
    alive "$1" || return 0
    sleep 0.1
  done
  kill -9 -- "-$(process_id "$1")" 2> /dev/null || true
}

# Folders outside of $run that kubelet, containerd and CNI make, by paths that nobody can set.
machine_folders=(/var/lib/cni /var/lib/kubelet /usr/libexec/kubernetes /run/containerd /run/netns /var/log/containers)
# What kubelet and network change in the kernel's settings.
kernel_settings=(net/ipv4/ip_forward vm/overcommit_memory kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
  kernel/keys/root_maxbytes)

# Names of the nodes that were brought up.
nodes() { ls "$run/nodes" 2> /dev/null || true; }

ctr_of() { ctr -a "$run/nodes/$1/containerd.sock" -n k8s.io "${@:2}"; }
