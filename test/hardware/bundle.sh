#!/bin/sh
# Makes one file of the check of NVIDIA's GPUs, for a host that has Node alone:
#   sh test/hardware/bundle.sh [FILE]; then there: node FILE
set -eu
cd "$(dirname "$0")/../.."
file=${1:-${TMPDIR:-/tmp}/nvidia-check.mjs}
node_modules/.bin/esbuild test/hardware/nvidia-check.ts --bundle --platform=node --format=esm \
  --target=node20 --log-level=warning --outfile="$file"
echo "$file"
