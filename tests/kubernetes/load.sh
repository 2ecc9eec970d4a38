#!/usr/bin/env bash
# Loads image archives into every node of the cluster.
# Usage: load.sh ARCHIVE...
set -euo pipefail
source "$(dirname "$0")/paths.sh"

for archive in "$@"; do
  if has_docker; then
    kind load image-archive "$archive" --name "$kind_cluster"
    continue
  fi
  for node in "$run"/nodes/*; do
    as_root ctr -a "$node/containerd.sock" -n k8s.io images import "$archive" > /dev/null
  done
done
