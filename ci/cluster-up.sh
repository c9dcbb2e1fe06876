# shellcheck shell=bash
# Read by ci/minikube-up and ci/oke-up after ci/cluster.sh: what the whole system needs of a cluster, whether it is there, and
# the parts around the services in their order. `kind` is minikube or oke.
# shellcheck disable=SC2154,SC2034 # self, kind, work, changed; cut_off

cache=${XDG_CACHE_HOME:-$HOME/.cache}/todo-chatbot/cluster
namespace=${NAMESPACE:-todo}
parts="postgres redis kafka dapr-components"

usage() { # prints the comment at the top of the script
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

read_settings() {
  seconds_setting WAIT_SECONDS 600
  [[ $namespace =~ ^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$ ]] || fail "NAMESPACE must be a name of Kubernetes, not \"$namespace\""
  [ -z "${EXTRA_VALUES:-}" ] || [ -f "$EXTRA_VALUES" ] || fail "EXTRA_VALUES: there is no file $EXTRA_VALUES"
  mkdir -p "$cache"
}

# --- charts and their flags

# Sets `chart` to a chart of others: that of CHARTS_DIR, or its publisher's, kept. Dapr's is in its Go module as well.
foreign_chart() { # NAME
  local name=$1 version where from
  read -r version where < <(pinned "$name")
  for chart in ${CHARTS_DIR:+"$CHARTS_DIR/$name" "$CHARTS_DIR/$name-$version.tgz"} "$cache/$name-$version.tgz"; do
    [ ! -e "$chart" ] || return 0
  done
  say "fetching the chart $name $version"
  rm -rf "$work/pulled"
  case $where in
    oci://*) from=("$where/$name") ;;
    *) from=("$name" --repo "$where") ;;
  esac
  if bounded 120 "$work/pull.log" helm pull "${from[@]}" --version "$version" --destination "$work/pulled"; then
    mv "$work/pulled/"*.tgz "$chart"
    return 0
  fi
  tail -n 2 "$work/pull.log" >&2
  if [ "$name" = dapr ] && command -v go >/dev/null; then
    say "$where is not reachable; Dapr's chart comes from its Go module, with the images of $version"
    chart=$(timeout 300 ci/go-module "github.com/dapr/dapr@v${version%.*}.0")/charts/dapr || true
    [ ! -f "$chart/Chart.yaml" ] || return 0
  fi
  fail "the chart $name $version cannot be had from $where. Where it is not reachable, put $name-$version.tgz into a folder and name that with CHARTS_DIR"
}

# Sets `flags` to what a chart is installed with here.
flags_for() { # CHART
  local file
  flags=()
  case $1 in
    dapr) flags=(-f charts/operators/dapr.yaml --set-string "global.tag=$(pinned dapr | cut -d' ' -f1)") ;;
    strimzi-kafka-operator) flags=(-f charts/operators/strimzi.yaml) ;;
    kube-prometheus-stack) flags=(-f charts/operators/prometheus.yaml) ;;
  esac
  case $1 in
    dapr) file=charts/operators/dapr-$kind.yaml ;;
    strimzi-kafka-operator) file=charts/operators/strimzi-$kind.yaml ;;
    kube-prometheus-stack) file=charts/operators/prometheus-$kind.yaml ;;
    *) file=charts/$1/values-$kind.yaml ;;
  esac
  [ ! -f "$file" ] || flags+=(-f "$file")
  [ "$1" != todo-chatbot ] || [ -z "${EXTRA_VALUES:-}" ] || flags+=(-f "$EXTRA_VALUES")
}

# --- checks, before anything is changed

render() { # NAME CHART; for the checks alone
  flags_for "$1"
  helm template "$1" "$2" --namespace "$namespace" "${flags[@]}" >"$work/rendered/$1.yaml" 2>"$work/helm.log" || {
    grep -v 'found symbolic link in path' "$work/helm.log" | tail -n 5 >&2
    fail "helm cannot render $1 with its values; nothing was changed"
  }
}

check_charts() {
  local name
  mkdir -p "$work/rendered"
  helm version --short >"$work/helm.log" 2>&1 || true
  grep -qE '^v(3\.(1[4-9]|[2-9][0-9])|[4-9])' "$work/helm.log" || fail "helm 3.14 or later is needed, not \"$(cat "$work/helm.log")\": $(tool_comes_from helm)"
  foreign_chart dapr
  dapr_chart=$chart
  foreign_chart strimzi-kafka-operator
  strimzi_chart=$chart
  render dapr "$dapr_chart"
  render strimzi-kafka-operator "$strimzi_chart"
  for name in $parts todo-chatbot; do
    render "$name" "charts/$name"
  done
  [ -z "${MONITORING:-}" ] || render monitoring charts/monitoring
  ci/cluster-report wants "$work/rendered/"*.yaml >"$work/wants" || fail "what the charts ask for cannot be added up"
}

wanted() { # WORD: what else the lines of that word say
  sed -n "s/^$1 //p" "$work/wants"
}

check_version() {
  local server
  server=$(kube version -o json | python3 -c 'import json, re, sys
v = json.load(sys.stdin)["serverVersion"]
print(int(v["major"]) * 1000 + int(re.match(r"\d+", v["minor"])[0]))') || fail "the cluster does not say its version"
  [ "$server" -ge 1029 ] || fail "the cluster is Kubernetes 1.$((server % 1000)); 1.29 or later is needed"
}

check_rights() {
  local what
  for what in namespaces customresourcedefinitions.apiextensions.k8s.io clusterroles.rbac.authorization.k8s.io mutatingwebhookconfigurations.admissionregistration.k8s.io; do
    [ "$(kube auth can-i create "$what" --all-namespaces 2>/dev/null)" = yes ] ||
      fail "this login may not create $what: an installation needs an administrator of the cluster"
  done
}

check_storage() {
  local name default
  default=$(kube get storageclass -o jsonpath='{range .items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")]}{.metadata.name}{"\n"}{end}') ||
    fail "the cluster does not say which storage classes it has"
  while read -r name; do
    if [ "$name" = - ]; then
      [ -n "$default" ] || fail "the cluster has no default storage class, and volumes without one wait for ever: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true"
    elif ! exists storageclass "$name"; then
      if [ "$name" = local-path ]; then
        fail "there is no storage class local-path (charts/operators/dapr-$kind.yaml). It comes by: kubectl apply -f $(pinned local-path | cut -d' ' -f2)"
      fi
      fail "there is no storage class $name, which the values name: kubectl get storageclass lists those that are there"
    fi
  done < <(wanted class)
}

check_nodes() {
  local label cores mib said status=0
  while read -r label; do
    exists nodes -l "$label" || fail "no node has the label $label, which the values (nodeSelector) ask for: is this the right cluster?"
  done < <(wanted label)
  kube get nodes -o json >"$work/nodes.json" || fail "the cluster does not say which nodes it has"
  kube get pods --all-namespaces -o json >"$work/pods.json" || fail "the cluster does not say which pods it has"
  read -r cores mib < <(wanted sum)
  said=$(ci/cluster-report room "$work/nodes.json" "$work/pods.json" "$cores" "$mib" "$namespace" dapr-system strimzi monitoring keda) || status=$?
  case $status in
    0) say "$said" ;;
    3)
      [ -n "${NO_ROOM:-}" ] || fail "there is no room: $said. Larger or more nodes, or less beside; NO_ROOM=1 tries it all the same"
      say "$said; going on all the same (NO_ROOM)"
      ;;
    *) fail "what the nodes have left cannot be added up" ;;
  esac
}

check_password() {
  exists namespace "$namespace" || return 0
  if exists pvc data-postgres-0 -n "$namespace" && ! exists secret todo-database -n "$namespace"; then
    fail "the volume data-postgres-0 has a database whose password was in the Secret todo-database, which is gone: restore that Secret (docs/operations.md, \"Back up and restore\"). Deleting the volume deletes every task"
  fi
}

check_cluster() {
  cluster_answers
  say "the cluster is $(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'), context $(kubectl config current-context)"
  check_version
  check_rights
  check_storage
  check_nodes
  check_password
}

# One run at a time from this machine. A note that is still there is of a run that was killed: what it left half-done is ours.
one_at_a_time() {
  local name
  name=$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}' | sha256sum | cut -c 1-12)-$namespace
  exec 9>"$cache/$name.lock"
  flock -w 15 9 || fail "another run works on this cluster: wait until it has ended"
  [ ! -e "$cache/$name.running" ] || cut_off=1
  running_note=$cache/$name.running
  : >"$running_note"
}

# --- the parts

# No `grep -q` behind a pipe: it ends at the first line, and who still writes fails.
known_kind() { # GROUP: the cluster knows kinds of it
  kube api-versions 2>/dev/null | grep "^$1/" >/dev/null
}

# What only some values want: definitions of the Gateway API, KEDA, the metrics server.
install_extras() {
  local version where
  if wanted kind | grep '^gateway.networking.k8s.io ' >/dev/null && ! known_kind gateway.networking.k8s.io; then
    read -r version where < <(pinned gateway-api)
    say "definitions of the Gateway API $version"
    kube apply --server-side -f "${GATEWAY_CRDS:-$where}" >"$work/kube.log" 2>&1 || {
      tail -n 3 "$work/kube.log" >&2
      fail "the definitions of the Gateway API cannot be applied from ${GATEWAY_CRDS:-$where} (GATEWAY_CRDS names another place)"
    }
  fi
  if wanted kind | grep '^keda.sh ' >/dev/null && ! known_kind keda.sh; then
    foreign_chart keda
    make_namespace keda
    install keda keda "$chart"
    wait_release keda keda
  fi
  if wanted kind | grep ' HorizontalPodAutoscaler$' >/dev/null && ! known_kind metrics.k8s.io; then
    install_metrics
  fi
}

install_namespace() {
  make_namespace "$namespace" todo-chatbot/dapr=enabled pod-security.kubernetes.io/enforce=restricted
}

install_secrets() {
  local password
  password=$(random_hex 24)
  make_secret "$namespace" todo-database "POSTGRES_PASSWORD=$password" "DATABASE_URL=postgresql://todo:$password@postgres:5432/todo"
  make_secret "$namespace" redis "password=$(random_hex 24)"
  make_secret "$namespace" todo-jwt "JWT_SECRET=$(random_hex 32)"
  make_secret "$namespace" todo-dapr-api-token "token=$(random_hex 32)"
  make_secret "$namespace" todo-app-api-token "token=$(random_hex 32)"
}

install_part() { # CHART
  flags_for "$1"
  install "$1" "$namespace" "charts/$1" "${flags[@]}"
}

# Before Dapr: its webhook, once it is there, refuses pods of the namespace until it answers.
install_stores() {
  install_part postgres
  install_part redis
}

install_operators() {
  make_namespace dapr-system
  make_namespace strimzi
  definitions_of "$strimzi_chart"
  flags_for strimzi-kafka-operator
  install strimzi strimzi "$strimzi_chart" "${flags[@]}"
  definitions_of "$dapr_chart"
  flags_for dapr
  install dapr dapr-system "$dapr_chart" "${flags[@]}"
}

wait_operators() {
  wait_release strimzi strimzi
  wait_release dapr dapr-system
}

# A sidecar reads components when it starts.
install_broker() {
  install_part kafka
  install_part dapr-components
  if [ -n "$changed" ] && exists deployment -n "$namespace" -l app.kubernetes.io/part-of=todo-chatbot; then
    say "the components changed: the services start again"
    kube -n "$namespace" rollout restart deployment -l app.kubernetes.io/part-of=todo-chatbot >/dev/null
  fi
}

wait_stores() {
  wait_release postgres "$namespace"
  wait_release redis "$namespace"
  wait_release kafka "$namespace"
}

install_monitoring() {
  if ! known_kind monitoring.coreos.com || exists secret -n monitoring -l name=prometheus,owner=helm; then
    [ -f charts/operators/prometheus.yaml ] ||
      fail "the cluster has no Prometheus operator: install kube-prometheus-stack first, or leave MONITORING out"
    foreign_chart kube-prometheus-stack
    make_namespace monitoring pod-security.kubernetes.io/enforce=restricted
    definitions_of "$chart"
    flags_for kube-prometheus-stack
    install prometheus monitoring "$chart" "${flags[@]}"
    wait_release prometheus monitoring
  fi
  make_namespace monitoring
  flags_for monitoring
  install monitoring monitoring charts/monitoring "${flags[@]}"
}

install_around() {
  step "namespace and Secrets" install_named
  step "PostgreSQL and Redis: install" install_stores
  step "operators: install" install_operators
  step "operators: ready" wait_operators
  step "extras" install_extras
  step "Kafka, Dapr's components: install" install_broker
  step "PostgreSQL, Redis, Kafka: ready" wait_stores
  [ -z "${MONITORING:-}" ] || step "monitoring" install_monitoring
}

install_named() {
  install_namespace
  install_secrets
}
