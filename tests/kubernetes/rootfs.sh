#!/usr/bin/env bash
# Makes the root folder of a container image: the named files, the shared libraries they need, and nothing else.
# Usage: rootfs.sh FOLDER USER SOURCE=TARGET...
set -euo pipefail

root=$1 user=$2
shift 2
mkdir -p "$root"/{etc,tmp}
chmod 1777 "$root/tmp"
printf 'root:x:0:0::/:\nmilena:x:%s:%s::/:\n' "$user" "$user" > "$root/etc/passwd"
printf 'milena:x:%s:\n' "$user" > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
certificates=/etc/ssl/certs/ca-certificates.crt
[[ ! -f $certificates ]] || install -D -m 644 "$certificates" "$root$certificates"

# The libraries of a dynamic binary, at the paths where its loader looks for them, and those that libc itself loads for
# name look-ups (a part of libc since 2.34).
libraries() {
  local found libc
  found=$(ldd "$1" 2> /dev/null | awk '/=> \//{ print $3 } $1 ~ /^\//{ print $1 }' || true)
  [[ -n $found ]] || return 0
  echo "$found"
  libc=$(grep -m 1 '/libc\.so' <<< "$found" || true)
  [[ -n $libc ]] || return 0
  ls "$(dirname "$libc")"/{libnss_dns.so.2,libnss_files.so.2,libresolv.so.2} 2> /dev/null || true
}

for pair in "$@"; do
  source=${pair%%=*} target=${pair#*=}
  [[ -f $source ]] || { echo "rootfs.sh: there is no $source" >&2; exit 1; }
  install -D -m 755 "$source" "$root$target"
  for library in $(libraries "$source"); do
    install -D -m 755 "$(realpath "$library")" "$root$library"
  done
done
