#!/bin/sh
# The everyday tests: units beside the tests on a real mesh and a real engine, which mostly wait.
#   sh deploy/everyday.sh   installs what is missing, builds, and runs them
# Units give way to the others, which watch deadlines, and print what they found when those are done.
set -eu
cd "$(dirname "$0")/.."

sh deploy/prepare.sh
sh deploy/engines.sh
sh deploy/engine-tests.sh
npm run --silent build

units_log=$(mktemp)
units=
# Also where a person has had enough: neither outlives this.
trap '[ -z "$units" ] || kill "$units" 2>/dev/null || true; rm -f "$units_log"' EXIT
trap 'exit 130' INT TERM

# No test file takes a minute here: a runner that says nothing for five is stuck between two.
silent_s=300
# A person sees that, and wants the colours.
watched=
[ -t 1 ] || watched="sh deploy/watched.sh $silent_s"

nice -n 10 sh deploy/watched.sh "$silent_s" node_modules/.bin/vitest run --project unit \
  >"$units_log" 2>&1 &
units=$!
others_status=0
$watched node_modules/.bin/vitest run --project mesh --project engine || others_status=$?
units_status=0
wait "$units" || units_status=$?
units=
cat "$units_log"
[ "$others_status" = 0 ] || exit "$others_status"
exit "$units_status"
