#!/bin/sh
# What the tests on a real engine need beside deploy/prepare.sh: emulators that containers reach, a
# busybox for another platform, an image registry, a builder of images, and keys. Safe to run again.
#   sh deploy/engine-tests.sh
# Exit 78 with the way out where something is missing that this user cannot install.
set -eu
cd "$(dirname "$0")/.."
program=engine-tests
. deploy/packages.sh

BINFMT=/proc/sys/fs/binfmt_misc
# Where test/support/foreign-busybox.ts has it from.
FOREIGN=node_modules/.cache/runner-mesh/busybox-arm64

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

needed_packages() {
  for package in qemu-user-static binfmt-support docker-registry buildah; do
    installed "$package" || printf '%s ' "$package"
  done
  # A registry on another machine, as a job sees it, and the rules that let the job reach it.
  needs nft nftables
  needs ip iproute2
  # Deploy keys are made, and handed to git by an agent for keys; git alone does not bring these.
  needs ssh-keygen openssh-client
}

system_packages() {
  missing=$(needed_packages)
  [ -n "$missing" ] || return 0
  install_packages "$missing"
  # The package starts a registry of its own where an init runs; the tests start theirs.
  [ ! -d /run/systemd/system ] || as_root systemctl disable --now -q docker-registry
}

emulates() { grep -qs '^enabled' "$BINFMT/qemu-$1"; }

emulators() {
  if emulates aarch64 && emulates riscv64; then return 0; fi
  root || stop "no emulators are registered: run once as root: sh deploy/engine-tests.sh"
  say "registering emulators"
  # Without an init nobody has mounted it.
  [ -e "$BINFMT/status" ] || mount -t binfmt_misc binfmt_misc "$BINFMT"
  update-binfmts --enable
}

# Beside the host's own package it could not be installed: it is only unpacked.
foreign_busybox() {
  [ ! -x "$FOREIGN" ] || return 0
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  if ! dpkg --print-foreign-architectures | grep -qx arm64; then
    root || stop "no packages for arm64 are known: run once as root: sh deploy/engine-tests.sh"
    dpkg --add-architecture arm64
    apt-get update -qq
  fi
  say "fetching busybox for arm64"
  (cd "$folder" && apt-get download -qq busybox-static:arm64 2>/dev/null) ||
    stop "apt-get could not download busybox-static:arm64: try apt-get update"
  dpkg -x "$folder"/busybox-static_*_arm64.deb "$folder/root"
  mkdir -p "$(dirname "$FOREIGN")"
  mv "$folder/root/bin/busybox" "$FOREIGN"
}

system_packages
emulators
foreign_busybox
