#!/usr/bin/env bash
# Removes everything that up.sh made.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

if has_docker && command -v kind > /dev/null; then
  kind delete cluster --name "$kind_cluster"
  rm -rf "${run:?}"
elif [[ $EUID -eq 0 ]]; then
  "$here/native/down.sh"
else
  sudo --preserve-env=XDG_CACHE_HOME,HOME "$here/native/down.sh"
fi
