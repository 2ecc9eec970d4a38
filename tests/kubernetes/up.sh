#!/usr/bin/env bash
# A real Kubernetes: kind where Docker answers, else as host processes. Returns at once when it is up already.
# NODES=3 gives three nodes in three zones.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

if has_docker; then
  "$here/packages.sh" skopeo umoci busybox-static ca-certificates
  "$here/tools.sh" kubectl helm kind
  "$here/kind.sh" up
else
  "$here/packages.sh"
  "$here/tools.sh"
  as_root "$here/native/up.sh"
fi
say "KUBECONFIG=$KUBECONFIG"
