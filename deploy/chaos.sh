#!/bin/sh
# Real daemons among faults: what a bare machine lacks for that is installed first.
#   sh deploy/chaos.sh                             the tests of test/chaos, then 3 minutes of faults
#   sh deploy/chaos.sh --minutes M [--seed S] ...  faults only, see test/chaos/main.ts
# Needs root, for network namespaces, mounts and engines of its own. Exit 78 with the way out where
# something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
# Debian leaves these out of a user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

say() { printf '%s\n' "chaos: $*" >&2; }
stop() { printf '%s\n' "chaos: $*" >&2; exit 78; }

needed_packages() {
  command -v ip >/dev/null 2>&1 || printf 'iproute2 '
  command -v iptables-restore >/dev/null 2>&1 || printf 'iptables '
  # Engines of the run's own, whoever's engine answers on this host.
  command -v dockerd >/dev/null 2>&1 || printf 'docker.io '
  command -v cc >/dev/null 2>&1 || printf 'gcc '
  # A compiler without the headers of the C library is found, and compiles nothing.
  [ -e /usr/include/stdio.h ] || printf 'libc6-dev '
}

system_packages() {
  missing=$(needed_packages)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 || stop "missing: $missing- install them with this system's package manager"
  say "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
      stop "apt-get could not install: $missing- see its words above"
  }
}

[ "$(id -u)" -eq 0 ] || stop "run it as root: it makes network namespaces, mounts and engines of its own"
sh deploy/prepare.sh
system_packages
npm run --silent build
if [ $# -eq 0 ]; then
  npx vitest run --project chaos
  # As long as CI has time for; longer ones have their seed in docs/reliability.md.
  set -- --minutes 3 --seed 1
fi
exec node --import tsx test/chaos/main.ts "$@"
