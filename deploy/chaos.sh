#!/bin/sh
# Real daemons among faults: what a bare machine lacks for that is installed first.
#   sh deploy/chaos.sh                             the tests of test/chaos, then 3 minutes of faults
#   sh deploy/chaos.sh --minutes M [--seed S] ...  faults only, see test/chaos/main.ts
# Needs root, for network namespaces, mounts and engines of its own. Exit 78 with the way out where
# something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=chaos
. deploy/packages.sh

needed_packages() {
  needs ip iproute2
  needs iptables-restore iptables
  # Engines of the run's own, whoever's engine answers on this host.
  needs dockerd docker.io
  needs_compiler
}

root || stop "run it as root: it makes network namespaces, mounts and engines of its own"
sh deploy/prepare.sh
install_packages "$(needed_packages)"
npm run --silent build
if [ $# -eq 0 ]; then
  npx vitest run --project chaos
  # As long as CI has time for; longer ones have their seed in docs/reliability.md.
  set -- --minutes 3 --seed 1
fi
exec node --import tsx test/chaos/main.ts "$@"
