#!/bin/sh
# Checks the model of the lease protocol with Spin: npm packages, Spin and a C compiler first, if missing.
#   sh deploy/model.sh [--long] [--tmax N] [--only TEXT] [--jobs N] [--json]     see test/model/main.ts
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "model: $*" >&2; }
stop() { printf '%s\n' "model: $*" >&2; exit 78; }

needed_packages() {
  command -v spin >/dev/null 2>&1 || printf 'spin '
  command -v gcc >/dev/null 2>&1 || printf 'gcc '
  # A compiler without the headers of the C library is found, and compiles nothing.
  [ -e /usr/include/stdio.h ] || printf 'libc6-dev '
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

system_packages() {
  missing=$(needed_packages)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 || stop "missing: $missing- install them with this system's package manager"
  as_root true 2>/dev/null || stop "missing: $missing- run once as root: apt-get install -y --no-install-recommends $missing"
  say "installing $missing"
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    as_root apt-get update -qq
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
      stop "apt-get could not install: $missing- see its words above"
  }
}

sh deploy/prepare.sh packages
system_packages
exec node --import tsx test/model/main.ts "$@"
