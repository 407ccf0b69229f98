#!/bin/sh
# Makes one file of a check of NVIDIA's GPUs, for a host that has Node alone:
#   sh test/hardware/bundle.sh [FILE [CHECK]]; then there: node FILE
# CHECK is nvidia-check (what GPUs there are) or nvidia-use-check (what a program uses of one).
set -eu
cd "$(dirname "$0")/../.."
check=${2:-nvidia-check}
file=${1:-${TMPDIR:-/tmp}/$check.mjs}
node_modules/.bin/esbuild "test/hardware/$check.ts" --bundle --platform=node --format=esm \
  --target=node20 --log-level=warning --outfile="$file"
echo "$file"
