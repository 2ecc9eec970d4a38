#!/usr/bin/env bash
# Removes everything that up.sh made; the built tools stay in the cache.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

if has_docker && [[ -x $bin/kind ]]; then
  "$here/kind.sh" down
fi
if [[ -d $run ]]; then
  as_root "$here/native/down.sh"
fi
