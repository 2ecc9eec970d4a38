#!/usr/bin/env bash
# Local persistent volumes: makes those of a node, and makes released ones anew for as long as it runs.
# Usage: volumes.sh make NODE | volumes.sh renew
set -euo pipefail
source "$(dirname "$0")/settings.sh"

make_volume() {
  local node=$1 volume=$2 folder=$run/nodes/$1/volumes/$2
  mkdir -p "$folder"
  cat <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: $volume, labels: {milena.dev/node: $node}}
spec:
  capacity: {storage: $volume_size}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {path: $folder}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]
---
YAML
}

# Every volume as it is and as it changes: phase, node, name. A volume that is deleted comes by once more as it was.
changes() {
  kubectl get persistentvolumes --watch -o \
    jsonpath='{.status.phase}{" "}{.metadata.labels.milena\.dev/node}{" "}{.metadata.name}{"\n"}'
}

is_released() { [[ $(kubectl get persistentvolume "$1" --ignore-not-found -o jsonpath='{.status.phase}') == Released ]]; }

renew() {
  local node=$1 volume=$2
  is_released "$volume" || return 0
  kubectl delete persistentvolume "$volume" --wait=true > /dev/null
  rm -rf "${run:?}/nodes/$node/volumes/$volume"
  make_volume "$node" "$volume" | kubectl apply -f - > /dev/null
  echo "renewed $volume"
}

case $1 in
  make)
    for index in $(seq "$volumes_per_node"); do make_volume "$2" "$2-v$index"; done | kubectl apply -f - > /dev/null
    ;;
  renew)
    # A watch ends now and then.
    while sleep 1; do
      changes | while read -r phase node volume; do
        [[ $phase != Released ]] || renew "$node" "$volume" || true
      done || true
    done
    ;;
esac
