#!/bin/sh
# Runs a test runner that is not to be silent for long, and begins it anew where it was, once.
#   sh deploy/watched.sh SECONDS COMMAND [ARGUMENT...]
# A test has time limits of its own; what is between two tests has none, and a runner that waits
# there for ever takes all the time of who waits for it. What its processes were at is printed, and
# they are ended. A run that fails is a run: it is not tried again.
# Exit: what the command exits with; 124 where it was silent twice.
set -eu
limit_s=$1
shift

log=$(mktemp)
runner=
reader=
end() {
  # The group of the runner, so that nothing that it started is left.
  if [ -n "$runner" ]; then
    kill -TERM "-$runner" 2>/dev/null || true
    left_s=10
    while [ "$left_s" -gt 0 ] && kill -0 "-$runner" 2>/dev/null; do
      sleep 1
      left_s=$((left_s - 1))
    done
    kill -KILL "-$runner" 2>/dev/null || true
  fi
  runner=
}
trap 'end; [ -z "$reader" ] || kill "$reader" 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Exit code of the run in `status`; 124 where it was silent for too long.
run() {
  : >"$log"
  setsid "$@" </dev/null >"$log" 2>&1 &
  runner=$!
  tail -n +1 -f --pid="$runner" -s 0.2 "$log" &
  reader=$!
  size=0
  silent_s=0
  status=
  while kill -0 "$runner" 2>/dev/null; do
    sleep 1
    now=$(wc -c <"$log")
    # Counted, not read off a clock, which somebody may set.
    if [ "$now" = "$size" ]; then silent_s=$((silent_s + 1)); else silent_s=0; fi
    size=$now
    if [ "$silent_s" -ge "$limit_s" ]; then
      printf '\n%s\n' "deploy/watched.sh: nothing was said for $limit_s s. Its processes:"
      ps -o pid,ppid,stat,etimes,time,wchan:32,args -s "$runner" || true
      end
      status=124
    fi
  done
  if [ -z "$status" ]; then
    status=0
    wait "$runner" || status=$?
    runner=
  fi
  wait "$reader" || true
  reader=
}

run "$@"
if [ "$status" = 124 ]; then
  echo 'deploy/watched.sh: it is begun anew, once.'
  run "$@"
fi
exit "$status"
