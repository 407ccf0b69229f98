#!/bin/sh
# A stranger's programs and repositories in a real box: what a bare machine lacks for that is
# installed first.
#   sh deploy/attack.sh   the tests of test/attack; prints the table of docs/security.md
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=attack
. deploy/packages.sh

needed_packages() {
  needs_compiler
  # Rules for the networks of jobs, and namespaces for a world that they are tried in.
  needs nft nftables
  needs iptables iptables
  needs ip iproute2
}

sh deploy/prepare.sh
sh deploy/engines.sh
sh deploy/engine-tests.sh
install_packages "$(needed_packages)"
exec npx vitest run --project attack "$@"
