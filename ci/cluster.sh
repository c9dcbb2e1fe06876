# shellcheck shell=bash
# Read by ci/minikube-up, ci/oke-up and ci/deploy-oke: steps with their times, waits with an end that say what the cluster
# says, releases of helm that are left alone when they are as they should be, and ci/smoke through a forwarded port.
# Who reads it sets `self`, its own name, and works in the folder of the repository.
# shellcheck disable=SC2154,SC2034 # self; changed

work=$(mktemp -d)
forward=
child=
cut_off=
step_names=()
step_times=()
step_now=
step_began=0

say() {
  echo "$self: $*" >&2
}
fail() {
  say "$*"
  exit 1
}

# --- steps

step() { # NAME COMMAND…
  step_now=$1
  step_began=$SECONDS
  shift
  say "== $step_now"
  "$@"
  step_names+=("$step_now")
  step_times+=("$((SECONDS - step_began))")
  step_now=
}

step_table() {
  local i
  [ "${#step_names[@]}" -gt 0 ] || [ -n "$step_now" ] || return 0
  {
    echo "step                                   seconds"
    for i in "${!step_names[@]}"; do
      printf '%-38s %7d\n' "${step_names[i]}" "${step_times[i]}"
    done
    [ -z "$step_now" ] || printf '%-38s %7d  did not end well\n' "$step_now" "$((SECONDS - step_began))"
    printf '%-38s %7d\n' together "$SECONDS"
  } >&2
}

# Who looks after this script has ended finds nothing of it.
end_forward() {
  if [ -n "$forward" ] && kill "$forward" 2>/dev/null; then
    wait "$forward" 2>/dev/null || true
  fi
  forward=
}

# shellcheck disable=SC2317 # called by the trap
finish() {
  local status=$?
  end_forward
  # helm that is told to end marks its release as failed, and the next run can go on.
  if [ -n "$child" ] && kill "$child" 2>/dev/null; then
    wait "$child" 2>/dev/null || true
  fi
  step_table
  [ -z "${running_note:-}" ] || rm -f "$running_note"
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

seconds_setting() { # NAME DEFAULT; a number of seconds
  local value=${!1:-$2}
  [[ $value =~ ^[1-9][0-9]{0,4}$ ]] || fail "$1 must be a number of seconds from 1 to 99999, not \"$value\""
  printf -v "$1" %s "$value"
}

bounded() { # SECONDS LOG COMMAND…; ends with this script, too
  local limit=$1 log=$2 status=0
  shift 2
  timeout --kill-after=30 "$limit" "$@" >"$log" 2>&1 &
  child=$!
  wait "$child" || status=$?
  child=
  return "$status"
}

# --- tools

tool_comes_from() {
  case $1 in
    helm) echo "PATH=\$(ci/get-charts-tools helm)/bin:\$PATH" ;;
    kubectl | oci) echo "PATH=\$(ci/get-deploy-tools cluster)/bin:\$PATH" ;;
    minikube) echo "curl -LO https://github.com/kubernetes/minikube/releases/latest/download/minikube-linux-\$(dpkg --print-architecture) and install it as /usr/local/bin/minikube" ;;
    PyYAML) echo "apt-get install python3-yaml" ;;
    python3 | timeout | flock) echo "apt-get install python3 coreutils util-linux" ;;
    *) echo "the package manager" ;;
  esac
}

need_tools() { # NAME…
  local tool missing=0
  for tool; do
    if [ "$tool" = PyYAML ]; then
      python3 -c 'import yaml' 2>/dev/null && continue
    else
      command -v "$tool" >/dev/null && continue
    fi
    say "$tool is missing; it comes by: $(tool_comes_from "$tool")"
    missing=1
  done
  [ "$missing" = 0 ] || fail "nothing was changed"
}

pinned() { # NAME; its version and where it is
  local line
  line=$(grep "^$1 " charts/operators/versions) || fail "charts/operators/versions has no $1"
  echo "${line#* }"
}

# --- the cluster

kube() {
  kubectl --request-timeout=30s "$@"
}

# The way to the cluster is copied once, so that nobody who changes the context meanwhile sends the rest elsewhere.
use_context() { # CONTEXT, or nothing: the current one
  kubectl config view --raw --minify --flatten ${1:+--context="$1"} >"$work/kubeconfig" 2>"$work/kube.log" || {
    tail -n 3 "$work/kube.log" >&2
    fail "kubectl has no context ${1:-that is current}: kubectl config get-contexts lists them, KUBE_CONTEXT names one"
  }
  export KUBECONFIG=$work/kubeconfig
}

use_oracle() { # makes the way to OKE_CLUSTER_ID
  need_tools oci
  export KUBECONFIG=$work/kubeconfig
  timeout 60 oci ce cluster create-kubeconfig --cluster-id "$OKE_CLUSTER_ID" --file "$KUBECONFIG" --token-version 2.0.0 \
    --kube-endpoint "${OKE_ENDPOINT:-PUBLIC_ENDPOINT}" >"$work/oci.log" 2>&1 || {
    tail -n 5 "$work/oci.log" >&2
    fail "Oracle's cloud gives no way to the cluster: look at OCI_CLI_USER, OCI_CLI_TENANCY, OCI_CLI_FINGERPRINT, OCI_CLI_KEY_CONTENT, OCI_CLI_REGION and OKE_CLUSTER_ID"
  }
  chmod 600 "$KUBECONFIG"
}

cluster_answers() {
  kube version >"$work/version" 2>"$work/kube.log" || {
    tail -n 3 "$work/kube.log" >&2
    fail "the cluster does not answer within 30 s: is the endpoint reachable from here, and does the login still hold?"
  }
}

exists() { # FLAG… of `kubectl get`; fails the script when the cluster gives no answer
  if kube get "$@" -o name >"$work/found" 2>"$work/kube.log"; then
    [ -s "$work/found" ]
    return
  fi
  grep -qE 'NotFound|not found|have a resource type' "$work/kube.log" || {
    tail -n 3 "$work/kube.log" >&2
    fail "kubectl get $* gets no answer"
  }
  return 1
}

# --- waits

explain() { # NAMESPACE…: what an operator would ask first
  local namespace pod container previous
  for namespace; do
    kube -n "$namespace" get pods -o json >"$work/pods.json" 2>/dev/null || echo '{"items":[]}' >"$work/pods.json"
    kube -n "$namespace" get events -o json >"$work/events.json" 2>/dev/null || echo '{"items":[]}' >"$work/events.json"
    echo "-- what the cluster says about $namespace"
    ci/cluster-report explain "$work/pods.json" "$work/events.json" || true
    while read -r pod container previous; do
      echo "log of $pod, $container:"
      kube -n "$namespace" logs "$pod" -c "$container" --tail=15 "$previous" 2>&1 | sed 's/^/  /' || true
    done < <(ci/cluster-report logs "$work/pods.json")
  done >&2
}

wait_until_nothing_of() { # WHAT NAMESPACE COMMAND…: which prints what is missing, and nothing when all is there
  local what=$1 namespace=$2 began=$SECONDS told=$SECONDS left
  shift 2
  say "waiting for $what, $WAIT_SECONDS s at most (WAIT_SECONDS)"
  while true; do
    left=$("$@") || fail "the cluster gives no answer about $what: run it again, what is done stays done"
    [ -n "$left" ] || break
    if [ $((SECONDS - began)) -ge "$WAIT_SECONDS" ]; then
      printf '%s\n' "$left" >&2
      explain "$namespace"
      fail "$what did not get ready within $WAIT_SECONDS s. When the cause is mended, or only more time is needed (WAIT_SECONDS), run it again: what is done stays done"
    fi
    if [ $((SECONDS - told)) -ge 30 ]; then
      say "still waiting ($((SECONDS - began)) s): $(head -n 3 <<<"$left" | paste -sd';')"
      told=$SECONDS
    fi
    sleep 1
  done
  say "$what: ready ($((SECONDS - began)) s)"
}

unready_of_release() { # RELEASE NAMESPACE
  if helm get manifest "$1" -n "$2" >"$work/manifest.yaml" 2>"$work/kube.log" &&
    kube -n "$2" get -f "$work/manifest.yaml" -o json >"$work/objects.json" 2>"$work/kube.log"; then
    ci/cluster-report unready <"$work/objects.json"
    return
  fi
  tail -n 3 "$work/kube.log" >&2
  return 1
}

wait_release() { # RELEASE NAMESPACE
  wait_until_nothing_of "$1" "$2" unready_of_release "$1" "$2"
}

# --- what is installed

make_namespace() { # NAME LABEL=VALUE…
  local name=$1
  shift
  exists namespace "$name" || kube create namespace "$name" >/dev/null || fail "the namespace $name cannot be made"
  [ $# = 0 ] || kube label namespace "$name" --overwrite "$@" >/dev/null || fail "the namespace $name takes no labels"
}

random_hex() { # BYTES
  head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# Made once. One that is there is the operator's, whatever is in it. Values go by a pipe: others read command lines.
make_secret() { # NAMESPACE NAME KEY=VALUE…
  local namespace=$1 name=$2 pair entries='' keys
  shift 2
  if exists secret "$name" -n "$namespace"; then
    keys=" $(kube -n "$namespace" get secret "$name" -o json | ci/cluster-report keys) " || fail "the Secret $name cannot be read"
    for pair; do
      [[ $keys == *" ${pair%%=*} "* ]] || fail "the Secret $name in $namespace has no entry ${pair%%=*}: add it, or delete the Secret if nothing uses it yet"
    done
    return
  fi
  for pair; do
    entries+="${entries:+,}\"${pair%%=*}\":\"${pair#*=}\""
  done
  printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s","namespace":"%s","labels":{"app.kubernetes.io/part-of":"todo-chatbot"}},"stringData":{%s}}' \
    "$name" "$namespace" "$entries" | kube create -f - >/dev/null || fail "the Secret $name cannot be made"
  say "made the Secret $name with a random value"
}

fingerprint() { # CHART FLAG…: the same as long as the chart, the files of values and the flags are
  local chart=$1 word
  shift
  {
    if [ -d "$chart" ]; then
      find -L "$chart" -type f ! -path '*/tests/*' ! -name '*.md' ! -name 'values-*.yaml' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    else
      sha256sum "$chart"
    fi
    for word; do
      if [ -f "$word" ]; then cat "$word"; else echo "$word"; fi
    done
  } | sha256sum | cut -c 1-16
}

newest_of() { # RELEASE NAMESPACE: STATUS REVISION SECONDS DESCRIPTION, or nothing
  helm history "$1" -n "$2" --max 1 -o json 2>/dev/null | ci/cluster-report release
}

is_installed() { # RELEASE NAMESPACE FINGERPRINT: just so, and nothing of it was deleted
  local status description
  read -r status _ _ description < <(newest_of "$1" "$2") || return 1
  [ "$status" = deployed ] && [ "$description" = "$3" ] || return 1
  helm get manifest "$1" -n "$2" >"$work/manifest.yaml" 2>/dev/null && kube -n "$2" get -f "$work/manifest.yaml" -o name >/dev/null 2>&1
}

# An upgrade that was cut off leaves its mark, and helm refuses any other for ever. What it made stays; the next one takes it over.
settle() { # RELEASE NAMESPACE
  local status revision age
  read -r status revision age _ < <(newest_of "$1" "$2") || return 0
  while [[ $status == pending-* ]]; do
    if [ -n "$cut_off" ] || [ "$age" -ge "$WAIT_SECONDS" ]; then
      say "revision $revision of $1 is $status and was cut off; its mark is removed"
      kube -n "$2" delete secret "sh.helm.release.v1.$1.v$revision" >/dev/null || fail "the mark of revision $revision of $1 cannot be removed"
      return
    fi
    say "revision $revision of $1 is $status: somebody else's? It is taken for cut off when it is $WAIT_SECONDS s old (now $age s)"
    sleep 5
    read -r status revision age _ < <(newest_of "$1" "$2") || return 0
  done
}

install() { # RELEASE NAMESPACE CHART FLAG…; sets `changed` when something was done
  local release=$1 namespace=$2 chart=$3 print
  shift 3
  changed=
  print=$(fingerprint "$chart" "$@")
  if is_installed "$release" "$namespace" "$print"; then
    say "$release is there already"
    return
  fi
  settle "$release" "$namespace"
  changed=1
  say "installing $release, $WAIT_SECONDS s at most (WAIT_SECONDS)"
  bounded "$((WAIT_SECONDS + 60))" "$work/helm.log" helm upgrade --install "$release" "$chart" --namespace "$namespace" \
    --reset-then-reuse-values --history-max 20 --timeout "${WAIT_SECONDS}s" --description "$print" "$@" || {
    grep -v 'found symbolic link in path' "$work/helm.log" | tail -n 20 >&2
    explain "$namespace"
    fail "helm could not install $release in $namespace (limit: WAIT_SECONDS, $WAIT_SECONDS s). When the cause is mended, run it again: what is done stays done"
  }
}

# Helm leaves definitions alone once they are there, so they are brought up to date before.
definitions_of() { # CHART
  helm show crds "$1" >"$work/crds.yaml" 2>"$work/helm.log" || fail "helm cannot read $1: $(tail -n 1 "$work/helm.log")"
  grep -q . "$work/crds.yaml" || return 0
  kube apply --server-side --force-conflicts -f "$work/crds.yaml" >"$work/kube.log" 2>&1 || {
    tail -n 5 "$work/kube.log" >&2
    fail "the custom resource definitions of $1 cannot be applied"
  }
  wait_until_nothing_of "the custom resource definitions" kube-system unready_definitions
}

unready_definitions() {
  kube get -f "$work/crds.yaml" -o json >"$work/objects.json" 2>"$work/kube.log" || {
    tail -n 3 "$work/kube.log" >&2
    return 1
  }
  ci/cluster-report unready <"$work/objects.json"
}

# --- use it

forwarded_port() { # NAMESPACE: of chat-api's Service; sets `port`
  local i
  # The port is the kernel's choice; kubectl says which.
  : >"$work/forward"
  kubectl -n "$1" port-forward service/chat-api :80 >"$work/forward" 2>"$work/forward.log" &
  forward=$!
  for ((i = 0; i < 150; i++)); do
    port=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$work/forward" | head -n 1)
    if [ -n "$port" ] || ! kill -0 "$forward" 2>/dev/null; then
      break
    fi
    sleep 0.2
  done
  [ -n "$port" ] || {
    cat "$work/forward.log" >&2
    say "no way to chat-api's Service within 30 s"
    return 1
  }
}

smoke() { # NAMESPACE; SMOKE_URL and SMOKE_TOKEN as ci/deploy-oke says
  local url=${SMOKE_URL:-} token=${SMOKE_TOKEN:-} port='' status=0
  if [ -z "$url" ]; then
    forwarded_port "$1" || return 1
    url=http://127.0.0.1:$port
  fi
  if [ -z "$token" ]; then
    token=$(kube -n "$1" exec deploy/chat-api -c todo-host -- todo-host token smoke-test 2>"$work/token.log") || {
      cat "$work/token.log" >&2
      say "chat-api gives no token; where users have tokens of another issuer (JWKS_URL), SMOKE_TOKEN must be one of them"
      return 1
    }
  fi
  say "ci/smoke, ${SMOKE_SECONDS:-300} s at most (SMOKE_SECONDS)"
  SMOKE_TOKEN=$token timeout "${SMOKE_SECONDS:-300}" ci/smoke "$url" >&2 || status=$?
  end_forward
  return "$status"
}
