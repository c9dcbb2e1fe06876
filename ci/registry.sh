# shellcheck shell=bash
# Read by the scripts that talk to a registry of images. Logs in where REGISTRY_PASSWORD is set, for this script alone:
# into a folder of its own, which registry_logout removes.

registry_login() { # CRANE REPOSITORY
  [ -n "${REGISTRY_PASSWORD:-}" ] || return 0
  [ -n "${REGISTRY_USER:-}" ] || {
    echo "REGISTRY_USER is missing beside REGISTRY_PASSWORD" >&2
    return 1
  }
  DOCKER_CONFIG=$(mktemp -d)
  export DOCKER_CONFIG
  registry_folder=$DOCKER_CONFIG
  printf %s "$REGISTRY_PASSWORD" | "$1" auth login "${2%%/*}" -u "$REGISTRY_USER" --password-stdin 2>/dev/null || {
    echo "the registry ${2%%/*} does not take REGISTRY_USER and REGISTRY_PASSWORD" >&2
    return 1
  }
}

registry_logout() {
  [ -z "${registry_folder:-}" ] || rm -rf "$registry_folder"
}
