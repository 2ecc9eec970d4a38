# Sourced by the native scripts: addresses, processes, the parts of a node.
# shellcheck shell=bash disable=SC2034

source "$(dirname "${BASH_SOURCE[0]}")/../paths.sh"

bridge=cni0
# The bridge's address is where the API server, DNS and every kubelet answer: nothing listens on the outside.
address=10.244.0.1
pods=10.244.0.0/16
services=10.96.0.0/16
dns=$address
nodes_max=4
volumes_per_node=16
volume_size=20Gi

# start NAME COMMAND...: a process that outlives this shell, with its log and its id.
start() {
  local name=$1
  shift
  mkdir -p "$run/log" "$run/pid"
  setsid nohup "$@" > "$run/log/$name.log" 2>&1 < /dev/null &
  echo $! > "$run/pid/$name"
}

alive() { [[ -f $run/pid/$1 ]] && kill -0 "$(cat "$run/pid/$1")" 2> /dev/null; }

# stop NAME: asks, waits up to three seconds, insists.
stop() {
  local file=$run/pid/$1 id
  [[ -f $file ]] || return 0
  id=$(cat "$file")
  if kill "$id" 2> /dev/null; then
    for _ in {1..30}; do
      kill -0 "$id" 2> /dev/null || break
      sleep 0.1
    done
    kill -9 "$id" 2> /dev/null || true
  fi
  rm -f "$file"
}

# Names of the nodes that were brought up.
nodes() { ls "$run/nodes" 2> /dev/null || true; }

ctr_of() { ctr -a "$run/nodes/$1/containerd.sock" -n k8s.io "${@:2}"; }
