#!/usr/bin/env bash
# Builds a container image without Docker: the named files, the shared libraries they need, and nothing else.
# Usage: image.sh NAME:TAG ARCHIVE USER SOURCE=TARGET... -- ENTRYPOINT...
set -euo pipefail
source "$(dirname "$0")/paths.sh"

reference=$1 archive=$2 user=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/rootfs
mkdir -p "$root"/{etc,tmp}
printf 'root:x:0:0::/:\nmilena:x:%s:%s::/:\n' "$user" "$user" > "$root/etc/passwd"
printf 'milena:x:%s:\n' "$user" > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
chmod 1777 "$root/tmp"

# The libraries of a dynamic binary, at the paths where its loader looks for them. Name look-ups load two more.
libraries() {
  ldd "$1" 2> /dev/null | awk '/=> \//{print $3} $1 ~ /^\//{print $1}' || true
}
while [[ $# -gt 0 && $1 != -- ]]; do
  source=${1%%=*} target=${1#*=}
  install -D -m 755 "$source" "$root$target"
  for library in $(libraries "$source"); do
    install -D -m 755 "$(realpath "$library")" "$root$library"
  done
  shift
done
shift

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
