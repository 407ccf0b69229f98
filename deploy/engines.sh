#!/bin/sh
# What the tests of test/engine need beside deploy/prepare.sh: they start a second engine with a
# runtime that has a kernel of its own. Safe to run again.
#   sh deploy/engines.sh   installs what is missing of it
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=engines
. deploy/packages.sh

needed_packages() {
  needs dockerd docker.io
  needs runsc runsc
  # Some hold GPUs by containers of a stranger's; where docker.io has no client with it.
  needs docker docker-cli
}

root || stop "only root can start a second engine: run the tests of test/engine as root, or leave them out (npm run test:unit, npm run test:mesh)"
install_packages "$(needed_packages)"
