#!/usr/bin/env bash
# The same cluster where Docker answers: one node, or NODES of them, each in its own zone.
# Usage: kind.sh up | kind.sh down
set -euo pipefail
source "$(dirname "$0")/paths.sh"

nodes() {
  local number
  for number in $(seq "${NODES:-1}"); do
    printf -- '- {role: %s, labels: {topology.kubernetes.io/zone: z%s}}\n' \
      "$([[ $number -eq 1 ]] && echo control-plane || echo worker)" "$number"
  done
}

is_up() {
  kind get clusters 2> /dev/null | grep -qx "$kind_cluster" || return 1
  [[ $(kind get nodes --name "$kind_cluster" 2> /dev/null | wc -l) -eq ${NODES:-1} ]]
}

case $1 in
  up)
    mkdir -p "$run"
    if is_up; then
      kind export kubeconfig --name "$kind_cluster" --kubeconfig "$KUBECONFIG" > /dev/null
      exit 0
    fi
    kind delete cluster --name "$kind_cluster" 2> /dev/null || true
    printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n%s\n' "$(nodes)" |
      kind create cluster --name "$kind_cluster" --kubeconfig "$KUBECONFIG" --config - --wait 180s
    # The control plane's node takes pods too, as the native one does.
    kubectl taint nodes --all node-role.kubernetes.io/control-plane- > /dev/null 2>&1 || true
    ;;
  down)
    kind delete cluster --name "$kind_cluster"
    rm -rf "${run:?}"
    ;;
esac
