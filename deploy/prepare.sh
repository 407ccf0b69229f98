#!/bin/sh
# Everything that the two commands of the README need on a bare machine: Node, npm packages, git, a
# static busybox, a container engine that answers, and the local base image. Safe to run again.
#   sh deploy/prepare.sh            all of it
#   sh deploy/prepare.sh packages   npm packages only
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "prepare: $*" >&2; }
stop() { printf '%s\n' "prepare: $*" >&2; exit 78; }
root() { [ "$(id -u)" -eq 0 ]; }

node_version() {
  command -v node >/dev/null 2>&1 || stop "Node is missing: install Node 20.19 or later (Debian 13: apt-get install nodejs npm)"
  node -e '
    const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)
  ' || stop "Node $(node --version) is too old, 20.19 is needed: install a newer Node (https://nodejs.org/en/download)"
  command -v npm >/dev/null 2>&1 || stop "npm is missing: install it beside Node (Debian: apt-get install npm)"
}

# npm writes this file last, so it is older than the lock file exactly when an install is due.
npm_packages() {
  if [ node_modules/.package-lock.json -nt package-lock.json ]; then return; fi
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
}

needed_packages() {
  command -v git >/dev/null 2>&1 || printf 'git '
  busybox_static || printf 'busybox-static '
  if ! engine_answers; then
    command -v dockerd >/dev/null 2>&1 || printf 'docker.io '
    command -v iptables >/dev/null 2>&1 || printf 'iptables '
  fi
}

# A dynamic busybox would look for its libraries inside the job's image and not start there.
busybox_static() { [ -x /bin/busybox ] && LC_ALL=C ldd /bin/busybox 2>&1 | grep -q 'not a dynamic'; }

system_packages() {
  missing=$(needed_packages)
  [ -n "$missing" ] || return 0
  root || stop "missing: $missing- run once as root: apt-get install -y --no-install-recommends $missing"
  command -v apt-get >/dev/null 2>&1 || stop "missing: $missing- install them with this system's package manager"
  say "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
  }
}

socket() {
  case "${DOCKER_HOST:-}" in unix://*) echo "${DOCKER_HOST#unix://}" ;; *) echo /var/run/docker.sock ;; esac
}

engine_answers() {
  node -e '
    const request = require("node:http").get({ socketPath: process.argv[1], path: "/_ping", timeout: 5000 },
      (reply) => process.exit(reply.statusCode === 200 ? 0 : 1))
    request.on("error", () => process.exit(1))
    request.on("timeout", () => process.exit(1))
  ' "$(socket)"
}

start_engine() {
  engine_answers && return 0
  root || stop "no container engine answers at $(socket): ask an administrator to install docker.io, start it and add $(id -un) to the group docker"
  say "starting the container engine"
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    # No init here: a session of its own, so that the engine outlives this script.
    setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
  fi
  tries=0
  until engine_answers; do
    tries=$((tries + 1))
    [ "$tries" -le 60 ] || { tail -n 20 /var/log/dockerd.log >&2 2>/dev/null || true; stop "the container engine did not start within 60 s: see /var/log/dockerd.log"; }
    sleep 1
  done
}

base_image() { node --import tsx deploy/base-image.ts; }

node_version
npm_packages
[ "${1:-all}" = packages ] && exit 0
system_packages
start_engine
base_image
