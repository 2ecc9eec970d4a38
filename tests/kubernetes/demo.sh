#!/usr/bin/env bash
# The worked example on a running Kubernetes, from `helm install` to who owns which partition.
#
# `make demo` runs it after up.sh (a cluster) and images.sh (the images in it). Every step waits for a condition with a
# deadline; the first one that does not hold ends the script with exit status 1 and what the cluster says about it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
example=$root/examples/truck_gps
namespace=${DEMO_NAMESPACE:-truck-gps}
operator_namespace=${DEMO_OPERATOR_NAMESPACE:-milena-system}
partitions=10
tools=${XDG_CACHE_HOME:-$HOME/.cache}/milena/kubernetes
export KUBECONFIG=${KUBECONFIG:-$tools/run/kubeconfig} PATH=$tools/bin:$PATH
# The end-to-end tests take the operator away for moments: the two wait for each other.
turn=$tools/turn
exec 9>> "$turn"
flock --wait 900 9 || { echo "something else has been using the cluster for 15 minutes ($turn)" >&2; exit 1; }
kubectl get --raw /readyz > /dev/null 2>&1 || { echo "no Kubernetes answers at $KUBECONFIG: make demo brings one up" >&2; exit 1; }

started=$SECONDS
section() { printf '\n== %s   (%d s)\n' "$*" $((SECONDS - started)); }
say() { printf '   %s\n' "$*"; }
k() { kubectl -n "$namespace" "$@"; }
indent() { sed 's/^/   /'; }
# shown COMMAND...: prints the command as a person would type it in the repository, and what it says.
shown() {
  local words=$*
  words=${words//"$root/"/}
  printf '   $ %s\n' "${words/#k /kubectl -n $namespace }"
  "$@" 2>&1 | indent
}

fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# Whatever ends the demo early: what the cluster says about it.
report() {
  local status=$?
  ((status != 0)) || return 0
  printf '\nThe demo FAILED after %d s. What there is:\n' $((SECONDS - started)) >&2
  {
    k get kafkaclusters,kafkatopics,pods,persistentvolumeclaims -o wide
    k get events --sort-by=.lastTimestamp | tail -n 15
    k logs -l app.kubernetes.io/part-of=truck-gps --prefix --tail=5 --max-log-requests=30 --ignore-errors
    kubectl -n "$operator_namespace" get pods -o wide
    kubectl -n "$operator_namespace" logs -l app.kubernetes.io/component=operator --tail=20 --ignore-errors
  } 2>&1 | indent >&2 || true
  exit "$status"
}
trap report EXIT

# wait_until SECONDS WHAT COMMAND...: the command succeeds before the deadline, or the demo fails.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "$what: not within the deadline"
    sleep 0.3
  done
}

# live_pods APP: the pods that are not going away.
live_pods() {
  k get pods -l "app.kubernetes.io/name=$1" \
    -o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
}

# owners APP: one line per live pod, "POD [partitions]", from the last line in which the pod says what it owns.
owners() {
  local lines
  lines=$(k logs -l "app.kubernetes.io/name=$1" --tail=-1 --max-log-requests=30 --ignore-errors 2>/dev/null | grep '^owned ' || true)
  awk '
    FNR == NR { live[$1] = 1; next }
    { member = $3; sub(/^member=/, "", member); list = $0; sub(/.*partitions=/, "", list)
      if (member in live) last[member] = list }
    END { for (member in last) print member, last[member] }
  ' <(live_pods "$1") <(printf '%s\n' "$lines") | sort
}

# shared_out MEMBERS: standard input (owners) has so many members, each partition is owned once, and no member has more
# than its share.
shared_out() {
  awk -v members="$1" -v partitions="$partitions" '
    { count = 0
      for (i = 2; i <= NF; i++) { p = $i; gsub(/[][]/, "", p); if (p != "") { owned[p]++; count++ } }
      if (count > most) most = count
      if (NR == 1 || count < least) least = count }
    END {
      if (NR != members) exit 1
      for (p = 0; p < partitions; p++) if (owned[p] != 1) exit 1
      exit most - least > 1
    }'
}

group_is_shared_out() { owners "$1" | shared_out "$2"; }
print_owners() { owners "$1" | awk '{ pod = $1; $1 = ""; print pod ($0 == " []" ? "  idle" : " " $0) }' | indent; }

# owner_of PARTITION: standard input (owners) to the pod.
owner_of() { awk -v p="$1" '{ for (i = 2; i <= NF; i++) { q = $i; gsub(/[][]/, "", q); if (q == p) print $1 } }'; }
idle_members() { awk '$2 == "[]" { print $1 }'; }

# An upgrade or an uninstall that was refused or cut short leaves a release that Helm does not upgrade any more.
remove_stuck_release() {
  local status
  status=$(helm status milena --namespace "$operator_namespace" 2>/dev/null | awk '/^STATUS:/ { print $2 }') || return 0
  [[ $status == deployed ]] || shown helm uninstall milena --namespace "$operator_namespace" --no-hooks --wait
}

install_operator() {
  section "The operator, from the chart"
  remove_stuck_release
  shown helm upgrade --install milena "$root/charts/milena" --namespace "$operator_namespace" --create-namespace \
    --set "podAnnotations.demo=run-$(date +%s)" --hide-notes
  kubectl -n "$operator_namespace" rollout status deployment/milena-operator --timeout=90s | indent
}

# A demo from before is taken away first, so that each run shows everything and runs the images of now.
start_afresh() {
  kubectl create namespace "$namespace" >/dev/null 2>&1 || true
  [[ -n $(k get kafkaclusters -o name) ]] || return 0
  section "An earlier demo is taken away"
  # The applications first, while there is a broker that they can say goodbye to.
  shown k delete deployments --all --timeout=60s
  k wait --for=delete pods -l app.kubernetes.io/part-of=truck-gps --timeout=60s >/dev/null
  shown k delete kafkatopics,kafkaclusters --all --cascade=foreground --timeout=90s
  shown k delete persistentvolumeclaims --all --timeout=60s
}

make_cluster() {
  section "A KafkaCluster and a KafkaTopic"
  local applied=$SECONDS
  shown k apply -f "$example/cluster.yaml" -f "$example/topic.yaml"
  k wait --for=condition=Ready kafkacluster/demo --timeout=90s >/dev/null
  k wait --for=condition=Ready kafkatopic/truck-gps --timeout=60s >/dev/null
  say "Both are Ready after $((SECONDS - applied)) s."
  echo
  shown k get kafkaclusters,kafkatopics
  echo
  shown k get statefulsets,pods,services,persistentvolumeclaims
}

start_example() {
  section "1000 trucks, a dashboard and a notification service"
  shown k apply -f "$example"
  for deployment in trucks dashboard notification; do
    k rollout status "deployment/$deployment" --timeout=60s >/dev/null
  done
  wait_until 45 "records reach the dashboard" logs_match dashboard '^dashboard .*partition=.*offset='
  wait_until 45 "records reach the notification service" logs_match notification '^notification .*partition=.*offset='
  say "Records arrive:"
  for app in trucks dashboard notification; do
    k logs "deployment/$app" --tail=200 | grep "^$app[= ]" | tail -n 3 | indent
  done
}

logs_match() { k logs "deployment/$1" --tail=-1 | grep -q "$2"; }

show_picture() {
  local members=$1
  shift
  section "Picture of $members: $*"
  shown k scale deployment/dashboard --replicas="$members"
  wait_until 60 "$members members share $partitions partitions" group_is_shared_out dashboard "$members"
  print_owners dashboard
}

# The replacement that the Deployment starts may join in time to be given the partition: then another owner goes.
delete_an_owner() {
  section "An owner's pod is deleted: an idle member takes over"
  local before owner idle partition successor
  for partition in 0 4 8; do
    before=$(owners dashboard)
    owner=$(owner_of "$partition" <<<"$before")
    idle=$(idle_members <<<"$before")
    shown k delete pod "$owner" --wait=false
    wait_until 60 "partition $partition has a new owner" group_is_shared_out dashboard 12
    successor=$(owners dashboard | owner_of "$partition")
    if grep -qx "$successor" <<<"$idle"; then
      say "Partition $partition went from $owner to $successor, which was idle."
      print_owners dashboard
      return
    fi
    say "Partition $partition went from $owner to $successor, which is its replacement. Once more."
  done
  fail "no idle member took over"
}

other_group_is_untouched() {
  section "The group notification reads the same records, untouched by all that"
  wait_until 30 "the notification service owns all partitions" group_is_shared_out notification 1
  print_owners notification
}

refuse_decrease() {
  section "Partitions never shrink"
  local message
  printf '   $ %s\n' "kubectl -n $namespace patch kafkatopic truck-gps --type merge -p '{\"spec\":{\"partitions\":5}}'"
  if message=$(k patch kafkatopic truck-gps --type merge -p '{"spec":{"partitions":5}}' 2>&1); then
    fail "a decrease from $partitions to 5 partitions was accepted: $message"
  fi
  indent <<<"$message"
  grep -qw "$partitions" <<<"$message" && grep -qw 5 <<<"$message" || fail "the refusal does not name both numbers"
  [[ $(k get kafkatopic truck-gps -o jsonpath='{.spec.partitions}') == "$partitions" ]] || fail "the topic's partitions changed"
}

go_on() {
  local bootstrap
  bootstrap=$(k get kafkacluster demo -o jsonpath='{.status.listeners[0].bootstrapServers}')
  section "It runs. How to go on"
  cat <<TEXT | indent
export KUBECONFIG=$KUBECONFIG

The clusters and topics:                 kubectl -n $namespace get milena
The records, as they arrive:             kubectl -n $namespace logs -f deployment/dashboard
Another picture, and who owns what:      kubectl -n $namespace scale deployment/dashboard --replicas=3
                                         kubectl -n $namespace logs -l app.kubernetes.io/name=dashboard --tail=-1 --max-log-requests=12 | grep ^owned
More partitions:                         kubectl -n $namespace patch kafkatopic truck-gps --type merge -p '{"spec":{"partitions":12}}'
The broker comes back with its data:     kubectl -n $namespace delete pod demo-broker-0
Clients in the cluster connect to:       $bootstrap
A client on this machine:                tests/kubernetes/inside.sh kcat -b $bootstrap -L

make kubernetes-down ends it all.
TEXT
}

install_operator
start_afresh
make_cluster
start_example
show_picture 1 "one member owns all partitions"
show_picture 4 "fewer members than partitions, some own several"
show_picture 10 "as many members as partitions, each owns one"
show_picture 12 "more members than partitions, two are idle"
delete_an_owner
other_group_is_untouched
refuse_decrease
go_on
printf '\nThe demo held in %d s.\n' $((SECONDS - started))
