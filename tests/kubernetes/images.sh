#!/usr/bin/env bash
# Puts broker, operator and the example into images and loads them into every node of the cluster.
# Usage: images.sh MILENA_BROKER MILENA_OPERATOR TRUCK_GPS (paths of binaries)
set -euo pipefail
source "$(dirname "$0")/paths.sh"
"$here/packages.sh" skopeo umoci busybox-static ca-certificates

user=10001
archives=$base/images
mkdir -p "$archives"

make_image() {
  local name=$1 binary=$2
  "$here/image.sh" "localhost/$name:dev" "$archives/$name.tar" "$user" "$binary=/usr/bin/$name" -- "/usr/bin/$name"
}

make_image milena-broker "$1"
make_image milena-operator "$2"
make_image truck-gps "$3"
"$here/load.sh" "$archives"/{milena-broker,milena-operator,truck-gps}.tar
say "images loaded: milena-broker milena-operator truck-gps"
