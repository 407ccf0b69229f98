#!/bin/sh
# Everything that the two commands of the README need on a bare machine: Node, npm packages, git, a
# static busybox, a container engine that answers, and the local base image. Safe to run again.
#   sh deploy/prepare.sh            all of it
#   sh deploy/prepare.sh packages   npm packages only
#   sh deploy/prepare.sh check      says what this host lacks, and changes nothing
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=prepare
. deploy/packages.sh

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
  needs git git
  busybox_static || printf 'busybox-static '
  # File systems of a fixed size for jobs: without them their limit of disk is soft.
  needs mkfs.ext4 e2fsprogs
  needs losetup util-linux
  # Whose engine it is does not matter where one answers, or would answer others.
  if [ "$(engine_state)" = silent ]; then
    needs dockerd docker.io
    needs iptables iptables
  fi
}

# A dynamic busybox would look for its libraries inside the job's image and not start there.
busybox_static() { [ -x /bin/busybox ] && LC_ALL=C ldd /bin/busybox 2>&1 | grep -q 'not a dynamic'; }

socket() {
  case "${DOCKER_HOST:-}" in unix://*) echo "${DOCKER_HOST#unix://}" ;; *) echo /var/run/docker.sock ;; esac
}

# answers, forbidden (something listens, but not to this user) or silent
engine_state() {
  node -e '
    const end = (word) => { console.log(word); process.exit(0) }
    const request = require("node:http").get({ socketPath: process.argv[1], path: "/_ping", timeout: 5000 },
      (reply) => end(reply.statusCode === 200 ? "answers" : "silent"))
    request.on("error", ({ code }) => end(code === "EACCES" || code === "EPERM" ? "forbidden" : "silent"))
    request.on("timeout", () => end("silent"))
  ' "$(socket)"
}

engine_answers() { [ "$(engine_state)" = answers ]; }

# What this user can do about an engine that does not answer; nothing where it answers.
engine_advice() {
  user=$(id -un)
  case "$(engine_state)" in
    forbidden)
      group=$(stat -c %G "$(socket)" 2>/dev/null || echo docker)
      case "$group" in root | UNKNOWN) group=docker ;; esac
      stop "a container engine runs at $(socket), but $user may not use it: as root: usermod -aG $group $user, then log in again" ;;
    silent)
      ! command -v dockerd >/dev/null 2>&1 || stop "no container engine answers at $(socket): start it as root (systemctl start docker)"
      stop "no container engine answers at $(socket): ask an administrator to install docker.io, start it and add $user to the group docker" ;;
  esac
}

start_engine() {
  engine_answers && return 0
  root || engine_advice
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

check() {
  missing=$(needed_packages)
  [ -z "$missing" ] || stop "missing: $missing- run once as root: apt-get install -y --no-install-recommends $missing"
  engine_advice
  say "nothing is missing"
}

node_version
[ "${1:-all}" != check ] || { check; exit 0; }
npm_packages
[ "${1:-all}" != packages ] || exit 0
install_packages "$(needed_packages)"
start_engine
base_image
