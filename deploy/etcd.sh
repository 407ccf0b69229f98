#!/bin/sh
# Installs etcd for `npm run bench -- claims`, which measures it beside this mesh. Safe to run again.
# Exit 78 with the way out where it is missing and this user cannot install it.
set -eu

say() { printf '%s\n' "etcd: $*" >&2; }
stop() { printf '%s\n' "etcd: $*" >&2; exit 78; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends etcd-server
}

command -v etcd >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null 2>&1 || stop "etcd is missing: install it with this system's package manager"
as_root true 2>/dev/null || stop "etcd is missing: run once as root: apt-get install -y --no-install-recommends etcd-server"
say "installing etcd-server"
install >/dev/null 2>&1 || {
  as_root apt-get update -qq
  install >/dev/null || stop "apt-get could not install etcd-server: see its words above"
}
# The package starts a service of its own, which nobody asked for.
[ ! -d /run/systemd/system ] || as_root systemctl disable --now etcd
