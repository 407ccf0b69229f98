import { LOG_BYTES_MAX } from '../../protocol/core/limits.ts'
import { SERVICE_LOG_BYTES_MAX } from '../../protocol/core/service-limits.ts'
import { BUSYBOX_INSIDE, INSIDE } from './guard.ts'

/**
 * Folder of the container, of the steps' own user, where each step leaves what it wrote and how it
 * ended. The engine forgets both when the connection that started the step is gone: without this an
 * agent that restarts could only end its containers. A job can change it, and so lie about its own
 * log and exit code, which it writes anyway; nothing of the host is in it or reads it as a path.
 */
export const RECORD_INSIDE = `${INSIDE}/steps`

/** `ulimit -f` counts in these. */
const BLOCK_BYTES = 512

/**
 * Two readers of a step's outputs, apart from it: each hands on what it reads, and keeps a copy. A
 * copy that is full, or an agent that is gone, stops neither. `.done` says that all is kept.
 */
const KEEP = [
  "trap '' HUP INT TERM XFSZ",
  'ulimit -f "$2"',
  '"$0" tee -a "$1.err" <"$1.e" >&2 &',
  '"$0" tee -a "$1.out" <"$1.o" &',
  'exec 2>/dev/null',
  'wait',
  ': >"$1.done"'
].join('\n')

/**
 * `/bin/sh -c BEGIN BUSYBOX PREFIX BLOCKS SCRIPT`, for whatever shell the image has. The step's own
 * shell is a child, so that its end can be written down; SIGTERM is for it alone.
 */
const BEGIN = beginning('exec /bin/sh -e -c "$3"')

/** `busybox sh -c SERVE BUSYBOX PREFIX BLOCKS WORD...`: an image of a service may have no shell. */
const SERVE = beginning('shift 2; exec "$@"')

/** `exec` ends in the program that is run: what it writes, and how it ends, is kept. */
function beginning(exec: string): string {
  return [
    '# One start a step: a request of a dead agent may still be on its way.',
    '[ ! -e "$1.o" ] || exit 125',
    'if "$0" mkfifo "$1.o" "$1.e" 2>/dev/null; then',
    `  "$0" sh -c '${KEEP.replaceAll("'", `'\\''`)}' "$0" "$1" "$2" &`,
    '  # This shell would say which signal ended the step, even into the outputs of the step if it',
    '  # were the one to open them.',
    '  exec 2>/dev/null',
    '  trap : HUP INT TERM',
    '  echo "$$" >"$1.pid"',
    `  (exec >"$1.o" 2>"$1.e"; ${exec})`,
    '  code=$?',
    '  echo "$code" >"$1.code"',
    '  exit "$code"',
    'fi',
    '# Nothing can be kept here: the step runs all the same.',
    exec
  ].join('\n')
}

/** Exit code of `followCommand` for a step that never began, or that nothing is kept of. */
export const NOTHING_KEPT = 3

/**
 * `busybox sh -c FOLLOW BUSYBOX PREFIX OUT ERR MAX`: writes both outputs from those bytes on, as
 * they come, until the step and its readers have ended. Never more than MAX bytes of each, whatever
 * the job makes of its files.
 */
const FOLLOW = [
  `[ -f "$1.pid" ] && read -r pid <"$1.pid" || exit ${NOTHING_KEPT}`,
  `case $pid in '' | *[!0-9]*) exit ${NOTHING_KEPT} ;; esac`,
  'out=$2 err=$3 late=0',
  'size() {',
  '  size=0',
  '  [ ! -f "$1" ] || size=$("$0" stat -c %s "$1") || size=0',
  '  [ "$size" -le "$2" ] || size=$2',
  '}',
  'while :; do',
  '  over=',
  '  if [ -s "$1.code" ] || ! kill -0 "$pid" 2>/dev/null; then',
  '    # What the step left running may hold its outputs open for good.',
  '    late=$((late + 1))',
  '    if [ -e "$1.done" ] || [ "$late" -gt 10 ]; then over=1; fi',
  '  fi',
  '  size "$1.out" "$4"',
  '  if [ "$size" -gt "$out" ]; then',
  '    "$0" tail -c +$((out + 1)) "$1.out" | "$0" head -c $((size - out))',
  '    out=$size',
  '  fi',
  '  size "$1.err" "$4"',
  '  if [ "$size" -gt "$err" ]; then',
  '    "$0" tail -c +$((err + 1)) "$1.err" | "$0" head -c $((size - err)) >&2',
  '    err=$size',
  '  fi',
  '  [ -z "$over" ] || exit 0',
  '  "$0" sleep 0.2',
  'done'
].join('\n')

/** The command that runs a step and keeps what it does, as long as `spentBytes` leave room. */
export function beginCommand(step: number, script: string, spentBytes: number): readonly string[] {
  const blocks = Math.ceil(Math.max(0, LOG_BYTES_MAX - spentBytes) / BLOCK_BYTES)
  return ['/bin/sh', '-c', BEGIN, BUSYBOX_INSIDE, prefixOf(step), String(blocks), script]
}

/** The same of a service, whose words go on behind it; it is the one step of its container. */
export function serveCommand(words: readonly string[]): readonly string[] {
  const blocks = String(SERVICE_LOG_BYTES_MAX / BLOCK_BYTES)
  return [BUSYBOX_INSIDE, 'sh', '-c', SERVE, BUSYBOX_INSIDE, prefixOf(1), blocks, ...words]
}

/** How much a step has left of its outputs, one number a line. */
export function sizesCommand(step: number): readonly string[] {
  return [BUSYBOX_INSIDE, 'stat', '-c', '%s', `${prefixOf(step)}.out`, `${prefixOf(step)}.err`]
}

/** To be run as root: the job's own user may have made its files unreadable. */
export function followCommand(step: number, outAt: number, errAt: number): readonly string[] {
  const from = [String(outAt), String(errAt), String(LOG_BYTES_MAX)]
  return [BUSYBOX_INSIDE, 'sh', '-c', FOLLOW, BUSYBOX_INSIDE, prefixOf(step), ...from]
}

export function exitCodeCommand(step: number): readonly string[] {
  return [BUSYBOX_INSIDE, 'head', '-c', '8', `${prefixOf(step)}.code`]
}

/** Undefined for anything but an exit code on a line of its own. */
export function parseExitCode(said: string): number | undefined {
  const code = /^(\d{1,3})\n$/.exec(said)?.[1]
  return code !== undefined && Number(code) <= 255 ? Number(code) : undefined
}

function prefixOf(step: number): string {
  return `${RECORD_INSIDE}/${step}`
}
