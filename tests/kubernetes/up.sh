#!/usr/bin/env bash
# A real Kubernetes: kind where Docker answers, else as host processes. Returns at once when it is up already.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

if has_docker; then
  "$here/tools.sh" kubectl helm
  GOBIN=$bin go install sigs.k8s.io/kind@v0.30.0
  if ! kind get clusters 2> /dev/null | grep -qx "$kind_cluster"; then
    mkdir -p "$run"
    kind create cluster --name "$kind_cluster" --kubeconfig "$KUBECONFIG" --wait 120s
  fi
elif [[ $EUID -eq 0 ]]; then
  "$here/native/up.sh"
else
  sudo --preserve-env=NODES,XDG_CACHE_HOME,HOME,PATH "$here/native/up.sh"
fi
say "KUBECONFIG=$KUBECONFIG"
