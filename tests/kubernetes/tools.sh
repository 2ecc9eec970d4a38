#!/usr/bin/env bash
# Builds the commands of a Kubernetes cluster from their Go modules into the cache, each once per pinned version.
# Usage: tools.sh [name...], without a name all that the native Kubernetes needs.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

all=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl kubeadm coredns helm)
names=("$@")
((${#names[@]})) || names=("${all[@]}")

export CGO_ENABLED=0
number=${kubernetes_version#v}
IFS=. read -r major minor _ <<< "$number"
prefix=k8s.io/component-base/version
ldflags="-s -w -X $prefix.gitVersion=$kubernetes_version -X $prefix.gitMajor=$major -X $prefix.gitMinor=$minor"
ldflags+=" -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes_version"

build() {
  case $1 in
    etcd) go build -C "$here/tools" -o "$bin/etcd" -ldflags '-s -w' go.etcd.io/etcd/server/v3 ;;
    coredns) go build -C "$here/coredns" -o "$bin/coredns" -ldflags '-s -w' . ;;
    helm) GOBIN=$bin go install -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@$helm_version" ;;
    kind) GOBIN=$bin go install -ldflags '-s -w' "sigs.k8s.io/kind@$kind_version" ;;
    *) go build -C "$here/tools" -o "$bin/$1" -ldflags "$ldflags" "k8s.io/kubernetes/cmd/$1" ;;
  esac
}

pin() {
  case $1 in
    helm) echo "$helm_version" ;;
    kind) echo "$kind_version" ;;
    coredns) sha256sum < "$here/coredns/go.mod" ;;
    *) cat "$here/tools/go.mod" <(echo "$ldflags") | sha256sum ;;
  esac
}

mkdir -p "$bin"
for name in "${names[@]}"; do
  [[ " ${all[*]} kind " == *" $name "* ]] || die "no tool is called $name"
  stamp=$bin/.$name.pin
  if [[ ! -x $bin/$name || $(cat "$stamp" 2> /dev/null) != "$(pin "$name")" ]]; then
    began=$SECONDS
    say "building $name"
    build "$name"
    pin "$name" > "$stamp"
    say "built $name in $((SECONDS - began)) s"
  fi
done
