#!/usr/bin/env bash
# etcd, API server, controller manager, scheduler and DNS as host processes on the bridge's address.
set -euo pipefail
source "$(dirname "$0")/settings.sh"

pki=$run/pki
conf=$run/conf
mkdir -p "$run/etcd" "$conf"

cat > "$conf/kubeadm.yaml" <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $address, bindPort: 6443}
nodeRegistration: {name: n1, criSocket: unix://$run/nodes/n1/containerd.sock}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $kubernetes_version
certificatesDir: $pki
networking: {serviceSubnet: $services, podSubnet: $pods}
YAML
kubeadm init phase certs all --config "$conf/kubeadm.yaml" > "$run/log/kubeadm.log" 2>&1
kubeadm init phase kubeconfig all --config "$conf/kubeadm.yaml" --kubeconfig-dir "$conf" >> "$run/log/kubeadm.log" 2>&1
cp "$conf/super-admin.conf" "$KUBECONFIG"

start etcd etcd --name milena --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster milena=http://127.0.0.1:2380

start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
  --advertise-address="$address" --bind-address="$address" --secure-port=6443 \
  --service-cluster-ip-range="$services" --authorization-mode=Node,RBAC --allow-privileged=true \
  --enable-admission-plugins=NodeRestriction --kubelet-preferred-address-types=InternalIP \
  --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" \
  --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
  --requestheader-client-ca-file="$pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$pki/front-proxy-client.crt" --proxy-client-key-file="$pki/front-proxy-client.key"
wait_for 60 "the API server" kubectl get --raw /readyz

start kube-controller-manager kube-controller-manager --kubeconfig="$conf/controller-manager.conf" \
  --use-service-account-credentials --allocate-node-cidrs --cluster-cidr="$pods" --leader-elect=false \
  --root-ca-file="$pki/ca.crt" --service-account-private-key-file="$pki/sa.key" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --authentication-kubeconfig="$conf/controller-manager.conf" \
  --authorization-kubeconfig="$conf/controller-manager.conf" --bind-address=127.0.0.1 --flex-volume-plugin-dir="$run/volume-plugins"
start kube-scheduler kube-scheduler --kubeconfig="$conf/scheduler.conf" --leader-elect=false \
  --authentication-kubeconfig="$conf/scheduler.conf" --authorization-kubeconfig="$conf/scheduler.conf" \
  --bind-address=127.0.0.1

cat > "$conf/Corefile" <<CORE
.:53 {
  bind $dns
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $KUBECONFIG
    pods insecure
    ttl 5
  }
}
CORE
start coredns coredns -conf "$conf/Corefile"

# Logs and exec go from the API server to the kubelet with a certificate that carries no group of its own.
kubectl create clusterrolebinding kube-apiserver-kubelet-client --clusterrole=system:kubelet-api-admin \
  --user=kube-apiserver-kubelet-client > /dev/null
kubectl apply -f - > /dev/null <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
YAML
