#!/usr/bin/env bash
# Installs those of the named Debian or Ubuntu packages that are missing.
# Usage: packages.sh [package...], without a name all that the native Kubernetes needs.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

wanted=("$@")
((${#wanted[@]})) || wanted=(containerd runc containernetworking-plugins conntrack iptables nftables busybox-static
  socat skopeo umoci iproute2 procps ca-certificates)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing+=("$package")
done
((${#missing[@]})) || exit 0

say "installing ${missing[*]}"
as_root apt-get update -q
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
