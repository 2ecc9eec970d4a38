#!/usr/bin/env bash
# Builds a container image without Docker, of what rootfs.sh puts into its root.
# Usage: image.sh NAME:TAG ARCHIVE USER SOURCE=TARGET... -- ENTRYPOINT...
set -euo pipefail
source "$(dirname "$0")/paths.sh"

reference=$1 archive=$2 user=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/rootfs
files=()
while [[ $# -gt 0 && $1 != -- ]]; do
  files+=("$1")
  shift
done
[[ $# -gt 1 ]] || die "image.sh: no entry point after --"
shift
"$here/rootfs.sh" "$root" "$user" "${files[@]}"

umoci init --layout "$work/image" > /dev/null
umoci new --image "$work/image:tag" > /dev/null
umoci insert --rootless --image "$work/image:tag" "$root" / > /dev/null
entry=()
for word in "$@"; do entry+=(--config.entrypoint "$word"); done
umoci config --image "$work/image:tag" --config.user "$user:$user" --clear=config.cmd "${entry[@]}" \
  --config.env PATH=/usr/bin --config.env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt > /dev/null
mkdir -p "$(dirname "$archive")"
rm -f "$archive"
skopeo --insecure-policy copy --quiet "oci:$work/image:tag" "oci-archive:$archive:$reference"
