#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that the native Kubernetes needs and that are missing.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

wanted=(containerd runc containernetworking-plugins conntrack iptables nftables busybox-static socat skopeo umoci iproute2 ca-certificates)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing+=("$package")
done
((${#missing[@]})) || exit 0

say "installing ${missing[*]}"
sudo=$([[ $EUID -eq 0 ]] || echo sudo)
$sudo apt-get update -q
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends "${missing[@]}"
