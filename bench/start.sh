#!/usr/bin/env bash
# Prints how long a broker takes from its start to the first answered Metadata request, and what it holds in memory
# when idle. Usage: bench/start.sh path/to/milena-broker [runs]
set -euo pipefail
broker=$(realpath "$1")
runs=${2:-10}
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/start.py" "$broker" "$runs"
