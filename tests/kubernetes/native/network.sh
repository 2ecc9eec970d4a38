#!/usr/bin/env bash
# The bridge on which pods, Services and the control plane meet. Service addresses are routed to it, so that no packet
# for them ever leaves the machine.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

# remove_chains FAMILY TABLE: the kubelet's chains and the jumps to them.
remove_chains() {
  local command=iptables
  [[ $1 == ip ]] || command=ip6tables
  "$command-save" -t "$2" 2> /dev/null | grep -v KUBE- | "$command-restore" -T "$2" 2> /dev/null || true
}

case $1 in
  up)
    nft list tables 2> /dev/null > "$run/tables"
    echo 1 > /proc/sys/net/ipv4/ip_forward
    ip link show "$bridge" > /dev/null 2>&1 || ip link add "$bridge" type bridge
    # Without an address of its own a bridge takes that of one of its ports, and changes it as pods come and go: pods that
    # remember the old one could reach neither DNS nor the API server until they ask again.
    ip link set "$bridge" address "$bridge_address"
    ip address replace "$address/16" dev "$bridge"
    ip link set "$bridge" up
    ip route replace "$services" dev "$bridge"
    ;;
  down)
    ip link delete "$bridge" 2> /dev/null || true
    # kube-proxy's own table, and what the kubelet wrote into iptables' tables; those that were there before stay.
    nft list tables 2> /dev/null | grep -E '^table ip6? (kube-proxy|filter|mangle|nat)$' | while read -r _ family table; do
      if grep -qx "table $family $table" "$run/tables" 2> /dev/null; then
        remove_chains "$family" "$table"
      else
        nft delete table "$family" "$table"
      fi
    done
    ;;
esac
