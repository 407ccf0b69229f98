#!/bin/sh
# Installs etcd for `npm run bench -- claims`, which measures it beside this mesh. Safe to run again.
# Exit 78 with the way out where it is missing and this user cannot install it.
set -eu
cd "$(dirname "$0")/.."
program=etcd
. deploy/packages.sh

command -v etcd >/dev/null 2>&1 && exit 0
install_packages 'etcd-server '
# The package starts a service of its own, which nobody asked for.
[ ! -d /run/systemd/system ] || as_root systemctl disable --now etcd
