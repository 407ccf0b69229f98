import { APPROVAL_ERRORS } from './approval-errors.ts'
import { CONTROL_ERRORS } from './control-errors.ts'
import { DISK_FULL, type ErrorKind, type Facts, kind } from './error-kind.ts'
import { EXEC_ERRORS } from './exec-errors.ts'
import { FORGE_ERRORS } from './forge-errors.ts'
import { GPU_ERRORS } from './gpu-errors.ts'
import { GPU_PASSING_ERRORS } from './gpu-passing-errors.ts'
import { ISOLATION_ERRORS } from './isolation-errors.ts'
import { JOIN_ERRORS } from './join-errors.ts'
import { NETWORK_ERRORS } from './network-errors.ts'
import { ORDER_ERRORS } from './order-errors.ts'
import { PIPELINE_ERRORS } from './pipeline-errors.ts'
import { ROSTER_ERRORS } from './roster-errors.ts'
import { SECRET_ERRORS } from './secret-errors.ts'
import { SERVICE_ERRORS } from './service-errors.ts'
import { STORAGE_ERRORS } from './storage-errors.ts'

export type { ErrorKind, ExitCode, Facts } from './error-kind.ts'

const LOSSES: Readonly<Record<string, string>> = {
  expired: 'no quorum of witnesses renewed it in time',
  stale: 'another agent holds a later one',
  no_quorum: 'no quorum of witnesses confirmed it'
}

/** The one table of errors; docs/errors.md has a heading for each. */
export const MESH_ERRORS = {
  // settings and start
  CONFIG_INVALID: kind(78, 500, false, (f) => `${f['file']}: ${f['problem']}`),
  NODE_TOO_OLD: kind(
    78,
    500,
    false,
    (f) => `Node ${f['found']} is too old, ${f['needed']} is needed: install a newer Node`
  ),
  STATE_LOCKED: kind(
    78,
    409,
    false,
    (f) =>
      `${f['state']} is in use by process ${f['pid']}: stop it, or give this one its own --state`
  ),
  LIFELINE_RUNNING: kind(78, 409, false, (f) => `process ${f['pid']} guards ${f['state']}: end it`),
  STATE_UNWRITABLE: kind(
    78,
    500,
    false,
    (f) =>
      `cannot write to ${f['state']} (${f['cause']}): ` +
      // Another folder of the same disk would be as full.
      (DISK_FULL.test(String(f['cause']))
        ? 'make room on its disk'
        : 'give a folder this user owns with --state')
  ),
  STATE_ABSENT: kind(78, 404, false, (f) => `${f['state']} has no ${f['file']}: ${f['fix']}`),
  STATE_EXISTS: kind(
    78,
    409,
    false,
    (f) => `${f['state']} already has ${f['file']}: it is never overwritten; choose another --state`
  ),
  FILE_LOCKED: kind(
    5,
    503,
    true,
    (f) =>
      `${f['file']} is being changed by process ${f['pid']}: try again; if there is no such ` +
      `process, remove ${f['lock']}*`
  ),
  SOCKET_PATH_TOO_LONG: kind(
    78,
    500,
    false,
    (f) =>
      `the socket ${f['socket']} would have a path of ${f['bytes']} bytes, ${f['max']} are possible: ` +
      'give a shorter --state'
  ),
  KEY_MODE_WIDE: kind(
    78,
    500,
    false,
    (f) => `${f['file']} has mode ${f['found']}, 0600 is needed: chmod 600 ${f['file']}`
  ),
  KEY_INVALID: kind(
    78,
    500,
    false,
    (f) => `${f['file']} holds no usable key (${f['cause']}): restore it from a backup`
  ),
  ENGINE_UNREACHABLE: kind(
    78,
    503,
    true,
    (f) => `no container engine answers at ${f['socket']} (${f['cause']}): start it`
  ),
  ENGINE_REMOTE: kind(
    78,
    500,
    false,
    (f) => `the engine ${f['host']} is not on this host: an agent needs a local socket`
  ),
  // store
  STORE_FAILED: kind(
    70,
    503,
    false,
    (f) =>
      `the store ${f['dir']} failed to ${f['action']} (${f['cause']}): nothing more is promised; ` +
      'make room on its disk, or mend that, and start it again'
  ),
  STORE_SUSPECT: kind(
    78,
    503,
    false,
    (f) =>
      `the store ${f['dir']} may have lost data (${f['cause']}): it must not witness any more; ` +
      'move it aside and enrol this member again'
  ),
  // peers and registers
  PEER_UNREACHABLE: kind(
    5,
    503,
    true,
    (f) => `peer ${f['peer']} cannot be reached (${f['cause']})`
  ),
  PEER_UNKNOWN: kind(4, 404, false, (f) => `no peer ${f['name']} in the roster: ${f['known']}`),
  PEER_NOT_ALLOWED: kind(
    1,
    403,
    false,
    (f) => `peer ${f['peer']} is not in roster ${f['version']}: admit it first`
  ),
  REQUEST_TIMED_OUT: kind(
    5,
    504,
    true,
    (f) => `peer ${f['peer']} did not answer within ${f['timeoutMs']} ms`
  ),
  REQUEST_REFUSED: kind(
    1,
    502,
    false,
    (f) => `peer ${f['peer']} refused the request (${f['refusal']})`
  ),
  MESSAGE_INVALID: kind(1, 400, false, (f) => `message of ${f['peer']} refused: ${f['problem']}`),
  MESSAGE_TOO_LARGE: kind(
    1,
    413,
    false,
    (f) => `${f['what']} has ${f['bytes']} bytes, at most ${f['max']} are allowed`
  ),
  OVERLOADED: kind(5, 503, true, (f) => `${f['what']} is full (${f['max']}): try again later`),
  QUORUM_UNREACHABLE: kind(
    5,
    503,
    true,
    (f) =>
      `${f['answered']} of ${f['witnesses']} witnesses answered, ${f['quorum']} are needed: ` +
      'start those that `agent status` shows as away, then try again'
  ),
  ROSTER_ABSENT: kind(
    78,
    409,
    false,
    (f) =>
      `${f['state']} has no roster yet: join with a string of \`agent invite\`, or run \`agent admit ${f['id']}\` on the authority's host`
  ),
  ROSTER_INVALID: kind(1, 400, false, (f) => `roster refused: ${f['problem']}`),
  AUTHORITY_ABSENT: kind(
    1,
    403,
    false,
    (f) => `${f['state']} holds no authority key: run this where \`agent init\` was run`
  ),
  AUTHORITY_INVALID: kind(2, 400, false, (f) => `${f['text']} is no authority: ${f['problem']}`),
  ANNOUNCEMENT_INVALID: kind(1, 400, false, (f) => `announcement refused: ${f['problem']}`),
  // joining
  ...JOIN_ERRORS,
  ...NETWORK_ERRORS,
  ...ROSTER_ERRORS,
  ...STORAGE_ERRORS,
  ...SECRET_ERRORS,
  // jobs
  ...PIPELINE_ERRORS,
  WORKSPACE_FETCH_FAILED: kind(
    1,
    502,
    true,
    (f) => `cannot fetch ${f['commit']} from ${f['url']}: ${f['cause']}`
  ),
  URL_REFUSED: kind(
    2,
    400,
    false,
    (f) => `${f['url']} is refused: ${f['problem']}; use https, http, ssh or git`
  ),
  IMAGE_UNAVAILABLE: kind(
    1,
    404,
    true,
    (f) => `image ${f['image']} is not on this host and cannot be pulled: ${f['cause']}`
  ),
  IMAGE_PLATFORM_LACKING: kind(
    1,
    404,
    true,
    (f) =>
      `image ${f['image']} has no ${f['platform']}, only ${f['platforms']}: push it for that ` +
      'platform, or ask for another'
  ),
  IMAGE_PULL_FAILED: kind(
    1,
    503,
    true,
    (f) => `image ${f['image']} is not on this host and cannot be pulled now: ${f['cause']}`
  ),
  IMAGE_PULL_FORBIDDEN: kind(
    1,
    403,
    true,
    (f) =>
      `image ${f['image']} is not on this host, whose owner lets nothing be pulled: load it there`
  ),
  SANDBOX_DIFFERS: kind(
    1,
    500,
    true,
    (f) =>
      `the engine made the sandbox of ${f['job']} otherwise than asked (${f['difference']}): ` +
      'jobs need an engine that keeps every limit; update it'
  ),
  SANDBOX_FAILED: kind(
    1,
    500,
    true,
    (f) => `the sandbox of ${f['job']} failed to ${f['action']}: ${f['cause']}`
  ),
  STEP_NOT_STARTED: kind(
    1,
    500,
    false,
    (f) => `step "${f['step']}" could not start: ${f['cause']}; the image needs /bin/sh`
  ),
  LEASE_LOST: kind(1, 409, false, (f) => {
    const cause = LOSSES[String(f['reason'])] ?? 'it ended'
    return `the lease of ${f['job']} epoch ${f['epoch']} is over: ${cause}`
  }),
  JOB_UNKNOWN: kind(4, 404, false, (f) => `no job ${f['id']} is known: see \`agent jobs\``),
  JOB_AMBIGUOUS: kind(4, 409, false, (f) => `${f['id']} names several jobs: ${f['candidates']}`),
  JOB_ENDED: kind(1, 409, false, (f) => `job ${f['id']} has ended already: ${f['state']}`),
  RUN_UNKNOWN: kind(4, 404, false, (f) => `no run ${f['id']} is known`),
  RUN_AMBIGUOUS: kind(4, 409, false, (f) => `${f['id']} names several runs: ${f['candidates']}`),
  LOG_UNAVAILABLE: kind(
    5,
    503,
    true,
    (f) => `the log of ${f['job']} cannot be read now: ${f['cause']}`
  ),
  // deliveries and API
  REPOSITORY_ABSENT: kind(
    4,
    404,
    true,
    (f) =>
      `repository ${f['repository']} is not declared any more: declare it again in gateway.yaml, ` +
      'then send the delivery again'
  ),
  REPOSITORY_MOVED: kind(
    1,
    409,
    true,
    (f) =>
      `repository ${f['repository']} was at ${f['from']} when the push came and is at ${f['to']} ` +
      'now: send the delivery again'
  ),
  SIGNATURE_MISMATCH: kind(
    1,
    401,
    false,
    (f) =>
      `the delivery's signature is ${f['problem']}: use the secret of repository ${f['repository']}`
  ),
  TIMESTAMP_OFF: kind(
    1,
    401,
    false,
    (f) =>
      `the delivery's timestamp is ${f['offS']} s off, at most ${f['maxS']} s are allowed: set the clock`
  ),
  HOOK_PATH_MISMATCH: kind(
    1,
    400,
    false,
    (f) => `${f['path']} does not take this delivery: ${f['problem']}`
  ),
  BODY_TOO_LARGE: kind(1, 413, false, (f) => `the body is over ${f['max']} bytes`),
  BODY_INVALID: kind(1, 400, false, (f) => `the body is refused: ${f['problem']}`),
  MEDIA_TYPE_UNSUPPORTED: kind(
    1,
    415,
    false,
    (f) => `content type ${f['found']} is refused: send application/json`
  ),
  TOKEN_INVALID: kind(
    1,
    401,
    false,
    (f) =>
      `the bearer token is ${f['problem']}: ${f['fix'] ?? 'make one with `gateway token create --scope read`'}`
  ),
  SCOPE_MISSING: kind(1, 403, false, (f) => `the token lacks the scope ${f['scope']}`),
  REQUEST_INVALID: kind(2, 400, false, (f) => `${f['problem']}`),
  ROUTE_UNKNOWN: kind(4, 404, false, (f) => `${f['method']} ${f['path']} does not exist`),
  REQUEST_SLOW: kind(
    5,
    408,
    true,
    (f) => `the request was not complete within ${f['maxMs']} ms: send it again`
  ),
  HEADERS_TOO_LARGE: kind(1, 431, false, (f) => `the headers are over ${f['max']} bytes`),
  STOPPING: kind(5, 503, true, (f) => `${f['what']} is stopping: send it again`),
  TOKEN_UNKNOWN: kind(4, 404, false, (f) => `no token ${f['id']}: see \`gateway token list\``),
  RATE_LIMITED: kind(5, 429, true, (f) => `more than ${f['max']} requests in ${f['window']}: wait`),
  ...EXEC_ERRORS,
  ...FORGE_ERRORS,
  // command line
  ...APPROVAL_ERRORS,
  ...ORDER_ERRORS,
  ...GPU_PASSING_ERRORS,
  ...ISOLATION_ERRORS,
  ...GPU_ERRORS,
  ...SERVICE_ERRORS,
  ...CONTROL_ERRORS,
  USAGE: kind(2, 400, false, (f) => `${f['problem']}`),
  BUG: kind(70, 500, false, (f) => `internal error: ${f['problem']}; please report it`)
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof MESH_ERRORS

/** The one error class. `facts` are for logs and `--json`; the message is for people. */
export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: ErrorCode
  readonly facts: Facts

  constructor(code: ErrorCode, facts: Facts = {}, options?: ErrorOptions) {
    super(MESH_ERRORS[code].message(facts), options)
    this.code = code
    this.facts = facts
  }

  get kind(): ErrorKind {
    return MESH_ERRORS[this.code]
  }
}

/** The code of a MeshError, undefined for anything else. */
export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof MeshError ? error.code : undefined
}

/** The text of whatever was thrown. */
export function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
