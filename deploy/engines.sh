#!/bin/sh
# What the tests of test/engine need beside deploy/prepare.sh: they start a second engine with a
# runtime that has a kernel of its own. Safe to run again.
#   sh deploy/engines.sh   installs what is missing of it
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
# Debian leaves these out of a user's PATH: an engine that is installed would count as missing.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "engines: $*" >&2; }
stop() { printf '%s\n' "engines: $*" >&2; exit 78; }

needed_packages() {
  command -v dockerd >/dev/null 2>&1 || printf 'docker.io '
  command -v runsc >/dev/null 2>&1 || printf 'runsc '
}

[ "$(id -u)" -eq 0 ] || stop "only root can start a second engine: run the tests of test/engine as root, or leave them out (npm run test:unit, npm run test:mesh)"
missing=$(needed_packages)
[ -n "$missing" ] || exit 0
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
