#!/usr/bin/env bash
# Runs a command of this machine with the names of the native cluster: `inside.sh kcat -b demo-bootstrap.truck-gps.svc:9092 -L`.
# Service addresses are routed on the machine already; only the names are known to the cluster's DNS alone. With kind,
# whose nodes are containers, clients run in a pod instead.
set -euo pipefail
source "$(dirname "$0")/native/settings.sh"

(($#)) || die "usage: inside.sh COMMAND..."
[[ -f $run/pid/coredns ]] || die "the native cluster is not up"
printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' "$dns" > "$run/resolv.conf"
# shellcheck disable=SC2016
exec unshare --mount bash -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$run/resolv.conf" "$@"
