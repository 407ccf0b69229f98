#!/bin/sh
# A stranger's programs and repositories in a real box: what a bare machine lacks for that is
# installed first.
#   sh deploy/attack.sh   the tests of test/attack; prints the table of docs/security.md
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
# Debian leaves these out of a user's PATH: what is installed would count as missing.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "attack: $*" >&2; }
stop() { printf '%s\n' "attack: $*" >&2; exit 78; }

needed_packages() {
  command -v cc >/dev/null 2>&1 || printf 'gcc '
  # A compiler without the headers of the C library is found, and compiles nothing.
  [ -e /usr/include/stdio.h ] || printf 'libc6-dev '
  # Rules for the networks of jobs, and namespaces for a world that they are tried in.
  command -v nft >/dev/null 2>&1 || printf 'nftables '
  command -v ip >/dev/null 2>&1 || printf 'iproute2 '
}

system_packages() {
  missing=$(needed_packages)
  [ -n "$missing" ] || return 0
  [ "$(id -u)" -eq 0 ] || stop "missing: $missing- run once as root: apt-get install -y --no-install-recommends $missing"
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

sh deploy/prepare.sh
system_packages
exec npx vitest run --project attack "$@"
