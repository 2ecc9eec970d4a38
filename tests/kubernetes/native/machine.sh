#!/usr/bin/env bash
# Remembers what the machine was like before, and makes it so again: kernel settings, folders, network namespaces.
# Usage: machine.sh remember | machine.sh restore
set -euo pipefail
source "$(dirname "$0")/settings.sh"

before=$run/before
network_namespaces() { ip netns list 2> /dev/null | awk '{ print $1 }'; }

case $1 in
  remember)
    mkdir -p "$before"
    for setting in "${kernel_settings[@]}"; do
      [[ ! -f /proc/sys/$setting ]] || echo "$setting $(cat "/proc/sys/$setting")"
    done > "$before/settings"
    for folder in "${machine_folders[@]}"; do
      [[ -e $folder ]] || echo "$folder"
    done > "$before/absent"
    network_namespaces > "$before/network_namespaces"
    ;;
  restore)
    [[ -d $before ]] || exit 0
    network_namespaces | { grep '^cni-' || true; } | { grep -vxFf "$before/network_namespaces" || true; } |
      while read -r namespace; do ip netns delete "$namespace" || true; done
    # What is in a folder that was there already: only that which carries our networks' names.
    rm -f /var/lib/cni/results/milena-n[0-9]*
    while read -r folder; do rm -rf "$folder"; done < "$before/absent"
    while read -r setting value; do
      [[ $(cat "/proc/sys/$setting") == "$value" ]] || echo "$value" > "/proc/sys/$setting"
    done < "$before/settings"
    ;;
esac
