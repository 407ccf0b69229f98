# Sourced by the scripts of this folder, each with its own name in `program`: what they say, and how they
# install packages of the system. Exit 78 (EX_CONFIG) with the way out where this user cannot.
# shellcheck shell=sh

# Debian leaves these out of a user's PATH: what is installed would count as missing.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

say() { printf '%s\n' "${program:?}: $*" >&2; }
stop() { say "$@"; exit 78; }
root() { [ "$(id -u)" -eq 0 ]; }

# Never with a question: a script that waits for a password in CI waits for ever.
as_root() { if root; then "$@"; else sudo -n "$@"; fi; }

# Prints the package where the command is missing: `needs nft nftables`.
needs() { command -v "$1" >/dev/null 2>&1 || printf '%s ' "$2"; }

# A compiler without the headers of the C library is found, and compiles nothing.
needs_compiler() {
  needs "${1:-cc}" gcc
  [ -e /usr/include/stdio.h ] || printf 'libc6-dev '
}

apt_install() {
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1
}

# Installs the packages of this list; nothing where it is empty.
install_packages() {
  [ -n "$1" ] || return 0
  command -v apt-get >/dev/null 2>&1 || stop "missing: $1- install them with this system's package manager"
  as_root true 2>/dev/null || stop "missing: $1- run once as root: apt-get install -y --no-install-recommends $1"
  say "installing $1"
  # The lists of a machine that was just set up are empty or old, and fetching them takes longer than most
  # packages do.
  apt_install "$1" >/dev/null 2>&1 || {
    as_root apt-get update -qq
    apt_install "$1" >/dev/null || stop "apt-get could not install: $1- see its words above"
  }
}
