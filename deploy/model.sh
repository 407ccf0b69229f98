#!/bin/sh
# Checks the model of the lease protocol with Spin: npm packages, Spin and a C compiler first, if missing.
#   sh deploy/model.sh [--long] [--tmax N] [--only TEXT] [--jobs N] [--json]     see test/model/main.ts
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=model
. deploy/packages.sh

needed_packages() {
  needs spin spin
  needs_compiler gcc
}

sh deploy/prepare.sh packages
install_packages "$(needed_packages)"
exec node --import tsx test/model/main.ts "$@"
