import { DISK_FULL } from '../../protocol/core/error-kind.ts'
import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Reason } from '../../protocol/core/job.ts'
import { GitError } from '../../protocol/host/git.ts'
import type { Fault } from './attempt.ts'
import { EngineError } from './engine-types.ts'

/** What an attempt that never came to user code failed of. */
export type Failure =
  /** The same on every host: the job ends with this reason. */
  | { readonly kind: 'final'; readonly reason: Reason }
  /** Ours, here, now: the job goes back, and another host may take it. */
  | { readonly kind: 'fault'; readonly fault: Fault; readonly reason: Reason }

/** What git says when the other side, or the way to it, is not there. */
const REMOTE_AWAY = new RegExp(
  [
    'could not resolve',
    'unable to (connect|look up)',
    'failed to connect',
    'connection (refused|reset|timed out|closed)',
    'network is unreachable',
    'no route to host',
    'operation timed out',
    'name or service not known',
    'temporary failure in name resolution',
    'returned error: (429|5\\d\\d)',
    'early eof',
    'hung up unexpectedly',
    'unexpected disconnect',
    'rpc failed'
  ].join('|'),
  'i'
)

/** How git tells that it could not write, often without why. */
const WRITE_FAILED = [
  'out of diskspace',
  'unable to (write|append)',
  "(couldn't|could not|failed to) write"
].join('|')

/** Here: what the other side says comes as `remote: ...`. */
const UNWRITTEN = new RegExp(`^(error|fatal): .*(${WRITE_FAILED})`, 'im')

/** What git says where our own limits ended it: elsewhere they would as well. */
const OVER_LIMIT = /out of memory|file too large|file size limit/i

/** Errors within errors that are looked at for a full disk. */
const CAUSES_MAX = 5

/** The job's own, on every host. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  'SOURCE_TOO_LARGE',
  'IMAGE_UNAVAILABLE',
  'URL_REFUSED',
  'SECRET_REFUSED',
  'SERVICE_NOT_READY',
  'BUILDER_REFUSED'
])

/** How an engine tells what it could not write; what a registry says comes behind a word. */
const ENGINE_WRITING = /^(failed to register layer|(write|open|mkdir|mknod|sync|link|symlink) \/)/i

/** What the other side of a fetch has said. */
const REMOTE_LINES = /^remote: .*$/gim

/** `creating` tells that the engine was asked to make the container. */
export function failureOf(error: unknown, creating: boolean): Failure {
  const reason = reasonOf(error)
  const fault = (of: Fault): Failure => ({ kind: 'fault', fault: of, reason })
  const code = codeOf(error)
  // First: what the job's author or a registry has said is repeated in them, a full disk too.
  if (code !== undefined && FINAL_CODES.has(code)) return { kind: 'final', reason }
  if (isDiskFull(error)) return fault('host')
  switch (code) {
    case 'WORKSPACE_FETCH_FAILED':
      // The commit is good: its job must not end for the disk of one host.
      if (isUnwritten(error)) return fault('host')
      return isRemoteAway(error) ? fault('job') : { kind: 'final', reason }
    case 'ADOPTION_DIFFERS':
    // Another host runs other platforms, or has the image already.
    case 'IMAGE_PLATFORM_LACKING':
    case 'IMAGE_PULL_FAILED':
    case 'NETWORK_NOT_OFFERED':
    case 'ISOLATION_LACKING':
    case 'BUILDER_LACKING':
    case 'GPU_LOST':
    case 'GPU_TAKEN':
    // Of a GPU, which rests by itself: the host runs other jobs.
    case 'GPU_REFUSED':
    case 'GPU_NOT_PASSED':
    case 'IMAGE_PULL_FORBIDDEN':
    case 'SANDBOX_FAILED':
    case 'SECRETS_UNAVAILABLE':
      return fault('job')
    default:
      break
  }
  return refused(error, creating, reason)
}

/** What an engine, or this host, has said beside that. */
function refused(error: unknown, creating: boolean, reason: Reason): Failure {
  const fault = (of: Fault): Failure => ({ kind: 'fault', fault: of, reason })
  const status = error instanceof EngineError ? error.status : undefined
  if (status === undefined || status >= 500) return fault('host')
  // Somebody made room just then; elsewhere, or at the next try, it is pulled.
  if (status === 404 && /no such image/i.test(causeOf(error))) return fault('job')
  // Refused is final: the same request would be refused elsewhere too. But once the container is
  // there, these two say that somebody took it away.
  if (!creating && (status === 404 || status === 409)) return fault('job')
  return { kind: 'final', reason }
}

/** What a job works on could not be had. */
const SOURCE_CODES: ReadonlySet<string> = new Set([
  'WORKSPACE_FETCH_FAILED',
  'URL_REFUSED',
  'SOURCE_TOO_LARGE',
  'SECRETS_UNAVAILABLE'
])

/** What somebody does not want to run here. */
const POLICY_CODES: ReadonlySet<string> = new Set([
  'ISOLATION_LACKING',
  'SECRET_REFUSED',
  'BUILDER_REFUSED',
  'BUILDER_LACKING'
])

function reasonOf(error: unknown): Reason {
  const code = codeOf(error)
  if (code?.startsWith('IMAGE_') === true) return 'image_unavailable'
  if (code === 'SERVICE_NOT_READY') return 'service_not_ready'
  if (code !== undefined && SOURCE_CODES.has(code)) return 'source_unavailable'
  return code !== undefined && POLICY_CODES.has(code) ? 'policy_refused' : 'sandbox_failed'
}

/**
 * Never by what our own errors say: names of images and files are in them, which a stranger chose,
 * and a host that believes him takes no jobs for a while.
 */
function isDiskFull(error: unknown): boolean {
  const isPull = codeOf(error) === 'IMAGE_PULL_FAILED'
  return causes(error).some((each) => {
    if (each instanceof MeshError) return false
    if (each instanceof GitError) return DISK_FULL.test(each.stderr.replace(REMOTE_LINES, ''))
    return DISK_FULL.test(each.message) && (!isPull || ENGINE_WRITING.test(each.message))
  })
}

function isUnwritten(error: unknown): boolean {
  const git = gitErrorOf(error)
  return git !== undefined && !OVER_LIMIT.test(git.stderr) && UNWRITTEN.test(git.stderr)
}

function isRemoteAway(error: unknown): boolean {
  const git = gitErrorOf(error)
  if (git === undefined || OVER_LIMIT.test(git.stderr)) return false
  return git.timedOut || REMOTE_AWAY.test(git.stderr)
}

/** What git said, however deep below. */
export function gitErrorOf(error: unknown): GitError | undefined {
  return causes(error).find((each) => each instanceof GitError)
}

/** The error and what it was caused by, outermost first. */
function causes(error: unknown): readonly Error[] {
  const found: Error[] = []
  for (let each = error; each instanceof Error && found.length < CAUSES_MAX; each = each.cause) {
    found.push(each)
  }
  return found
}
