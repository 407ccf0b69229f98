#!/bin/sh
# Builds the one native module of the programs for riscv64 on an amd64 host, and loads it there: a
# Node of Debian's for riscv64 opens a database with it, under qemu. Needs network, no root but for
# the packages. All that it writes is below FOLDER, the module in FOLDER/classic-level/build/Release.
#   apt-get install g++-riscv64-linux-gnu qemu-user-static python3 make
#   sh deploy/riscv64.sh FOLDER
# Exit 78 with the way out where something is missing.
set -eu
cd "$(dirname "$0")/.."
program=riscv64
. deploy/packages.sh

[ $# -eq 1 ] || stop "name a folder to build in: sh deploy/riscv64.sh FOLDER"
missing=$(
  needs riscv64-linux-gnu-g++ g++-riscv64-linux-gnu
  needs qemu-riscv64-static qemu-user-static
  needs make make
  needs python3 python3
)
[ -z "$missing" ] || stop "missing: $missing- run once as root: apt-get install -y --no-install-recommends $missing"
[ -d node_modules/classic-level ] || stop "npm packages are missing: run npm ci"

mkdir -p "$1"
folder=$(cd "$1" && pwd)
modules=$(pwd)/node_modules

# The headers are the same for all architectures: those of the Node that runs here.
headers() {
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  [ -e "$prefix/include/node/node_api.h" ] || stop "this Node came without its headers ($prefix/include/node): install one from nodejs.org, or libnode-dev"
  echo "$prefix"
}

# Beside the one that npm came with nothing has to be fetched.
node_gyp() {
  root=$(npm root -g)
  found="$root/npm/node_modules/node-gyp/bin/node-gyp.js"
  [ -e "$found" ] || stop "npm came without node-gyp: npm install -g npm"
  echo "$found"
}

build() {
  rm -rf "$folder/classic-level"
  cp -R "$modules/classic-level" "$folder/"
  mkdir -p "$folder/classic-level/node_modules"
  cp -R "$modules/napi-macros" "$folder/classic-level/node_modules/"
  nodedir=$(headers)
  gyp=$(node_gyp)
  # LevelDB 1.20 has no atomics of its own for riscv64: without this macro it stops with
  # "Please implement AtomicPointer for this platform".
  (cd "$folder/classic-level" && CXXFLAGS=-DLEVELDB_ATOMIC_PRESENT \
    CC=riscv64-linux-gnu-gcc CXX=riscv64-linux-gnu-g++ AR=riscv64-linux-gnu-ar \
    LINK=riscv64-linux-gnu-g++ node "$gyp" rebuild --arch=riscv64 --nodedir="$nodedir" >build.log 2>&1) ||
    stop "it could not be built: see $folder/classic-level/build.log"
}

# Debian 13's, with its libraries, unpacked beside this system: nothing is installed.
foreign_node() {
  [ ! -x "$folder/root/usr/bin/node" ] || return 0
  apt="$folder/apt"
  mkdir -p "$apt/etc/apt/apt.conf.d" "$apt/etc/apt/preferences.d" "$apt/etc/apt/sources.list.d" \
    "$apt/var/lib/apt/lists/partial" "$apt/var/lib/dpkg" "$apt/var/cache/apt/archives/partial"
  : >"$apt/var/lib/dpkg/status"
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [arch=riscv64 signed-by=$keys] http://deb.debian.org/debian trixie main" >"$apt/etc/apt/sources.list"
  of_riscv64="-o Dir=$apt -o Dir::State::status=$apt/var/lib/dpkg/status -o APT::Architecture=riscv64 -o APT::Architectures=riscv64 -o APT::Install-Recommends=false -o APT::Sandbox::User="
  # Each option is a word of its own.
  # shellcheck disable=SC2086
  apt-get -qq $of_riscv64 update && apt-get -qq -y -d $of_riscv64 install nodejs >/dev/null ||
    stop "a Node for riscv64 could not be fetched from deb.debian.org"
  mkdir -p "$folder/root"
  for package in "$apt"/var/cache/apt/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
  # The loader is asked for by its old place.
  [ -e "$folder/root/lib" ] || ln -s usr/lib "$folder/root/lib"
}

run() {
  # Its libraries are found below that folder first, and all else on this host.
  qemu-riscv64-static -L "$folder/root" "$folder/root/usr/bin/node" "$@"
}

say "building classic-level for riscv64"
build
module="$folder/classic-level/build/Release/classic_level.node"
machine=$(LC_ALL=C readelf -h "$module" | sed -n 's/^ *Machine: *//p')
[ "$machine" = RISC-V ] || stop "what was built is for $machine"
say "fetching a Node for riscv64"
foreign_node
say "loading it in $(run --version) under qemu"
rm -rf "$folder/db"
NODE_PATH="$modules" run -e '
  const { mkdirSync, cpSync } = require("node:fs")
  const [, folder, modules] = process.argv
  // As node-gyp-build finds it: the build beside the package comes before what came with it.
  process.env.PREBUILDS_ONLY = ""
  const { ClassicLevel } = require(folder + "/classic-level")
  const db = new ClassicLevel(folder + "/db")
  const write = async () => {
    const batch = Array.from({ length: 1000 }, (_, i) => ({ type: "put", key: String(i), value: "v" + i }))
    await db.batch(batch, { sync: true })
    await db.close()
    await db.open()
    const value = await db.get("999")
    let count = 0
    for await (const _ of db.keys()) count += 1
    await db.close()
    if (value !== "v999" || count !== 1000) throw new Error("read " + value + " of " + count)
    console.log(process.arch + ": 1000 records written with a sync, closed, opened and read")
  }
  write().catch((error) => { console.error(error); process.exitCode = 1 })
' "$folder" "$modules" || stop "the module does not work on riscv64"
say "built and loaded: $module"
