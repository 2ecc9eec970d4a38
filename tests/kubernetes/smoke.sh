#!/usr/bin/env bash
# Proves the cluster from inside pods: names resolve, a Service answers pod and host, a non-root pod writes its volume.
set -euo pipefail
source "$(dirname "$0")/paths.sh"

namespace=milena-smoke
"$here/image.sh" localhost/smoke:1 "$base/images/smoke.tar" 10001 "$(command -v busybox)=/busybox" -- /busybox
"$here/load.sh" "$base/images/smoke.tar"
kubectl delete namespace "$namespace" --ignore-not-found --wait=true > /dev/null
kubectl create namespace "$namespace" > /dev/null
trap 'kubectl delete namespace "$namespace" --wait=true > /dev/null' EXIT

kubectl -n "$namespace" apply -f - > /dev/null <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: web
      image: localhost/smoke:1
      imagePullPolicy: Never
      command: [/busybox, sh, -c, "/busybox echo written > /data/index.html && /busybox httpd -f -p 8080 -h /data"]
      securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - {name: client, image: "localhost/smoke:1", imagePullPolicy: Never, command: [/busybox, sleep, "100000"]}
YAML
kubectl -n "$namespace" wait --for=condition=Ready pod/web pod/client --timeout=60s > /dev/null

inside() { kubectl -n "$namespace" exec client -- /busybox "$@"; }
wait_for 30 "DNS inside a pod" inside nslookup "web.$namespace.svc.cluster.local"
wait_for 30 "the Service from a pod" inside wget -q -O - "http://web.$namespace.svc.cluster.local/"
[[ $(inside wget -q -O - "http://web.$namespace.svc.cluster.local/") == written ]] || die "the volume holds something else"
if ! has_docker; then
  cluster_ip=$(kubectl -n "$namespace" get service web -o jsonpath='{.spec.clusterIP}')
  [[ $(busybox wget -q -O - "http://$cluster_ip/") == written ]] || die "the Service does not answer the host"
fi
say "DNS, Services and volumes work"
