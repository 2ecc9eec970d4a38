#!/usr/bin/env bash
# One node as host processes: containerd and kubelet (n1 brings kube-proxy too, which serves the whole machine).
# Usage: node.sh NUMBER
set -euo pipefail
source "$(dirname "$0")/settings.sh"

number=$1
name=n$number
node=$run/nodes/$name
kubelet_port=$((10250 + 10 * (number - 1)))
health_port=$((10248 + 10 * (number - 1)))
mkdir -p "$node"/{containerd,state,cni,kubelet,volumes,cni-data}

cat > "$node/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "milena-$name", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$node/cni-data", "routes": [{"dst": "0.0.0.0/0"}],
     "ranges": [[{"subnet": "$pods", "gateway": "$address",
       "rangeStart": "10.244.$number.2", "rangeEnd": "10.244.$number.250"}]]}}]}
JSON

cat > "$node/containerd.toml" <<TOML
version = 2
root = "$node/containerd"
state = "$node/state"
[grpc]
  address = "$node/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "$address"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
TOML

# Every cgroup v1 hierarchy wants the folder made; cpuset works only with cpus and mems filled in.
group_folders() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    mkdir -p "/sys/fs/cgroup/$name"
    return
  fi
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do
    mkdir -p "$hierarchy$name" 2> /dev/null || true
  done
  local file
  for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" > "/sys/fs/cgroup/cpuset/$name/$file"
  done
}
group_folders

sed "s/name: n1,/name: $name,/" "$run/conf/kubeadm.yaml" > "$node/kubeadm.yaml"
kubeadm init phase kubeconfig kubelet --config "$node/kubeadm.yaml" \
  --kubeconfig-dir "$node" >> "$run/log/kubeadm.log" 2>&1

cat > "$node/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
port: $kubelet_port
healthzPort: $health_port
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [$dns]
containerRuntimeEndpoint: unix://$node/containerd.sock
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$name
enforceNodeAllocatable: [pods]
oomScoreAdj: 0
maxOpenFiles: 20000
failSwapOn: false
serializeImagePulls: false
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: "100Mi"}
imageGCHighThresholdPercent: 100
resolvConf: $node/resolv.conf
podLogsDir: $node/logs
volumePluginDir: $node/volume-plugins
YAML
# Pods resolve through the cluster's DNS alone.
: > "$node/resolv.conf"

start "containerd-$name" containerd --config "$node/containerd.toml"
wait_for 30 "containerd of $name" ctr_of "$name" version
ctr_of "$name" images import "$run/images/pause.tar" > /dev/null
start "kubelet-$name" kubelet --config="$node/kubelet.yaml" --kubeconfig="$node/kubelet.conf" \
  --root-dir="$node/kubelet" --cert-dir="$node/pki" --hostname-override="$name" --node-ip="$address" \
  --node-labels="topology.kubernetes.io/zone=z$number"

if ((number == 1)); then
  cat > "$run/conf/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $KUBECONFIG}
mode: nftables
clusterCIDR: $pods
hostnameOverride: $name
oomScoreAdj: 0
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
  start kube-proxy kube-proxy --config="$run/conf/kube-proxy.yaml"
fi
