import type { JobOpBody } from '../core/job.ts'
import { ATTEMPTS_MAX, MESSAGE_BYTES_MAX, VALUE_BYTES_MAX } from '../core/limits.ts'
import type { RunOpBody } from '../core/run.ts'
import { type Limits, messageCodec } from './codec.ts'
import {
  BOOT_BYTES,
  bytesOf,
  count,
  HASH_BYTES,
  hexOf,
  ID_BYTES,
  need,
  refuse,
  textBytes
} from './fields.ts'
import type * as wire from './generated/register.ts'
import { OUTCOME_LIMITS, outcomeFromWire, outcomeToWire } from './outcome-parts.ts'
import { reasons } from './register-names.ts'
import { jobOpBodies, runOpBodies } from './register-tables.ts'
import { sha256Hex } from './statement.ts'

export const JOB_BODY_LIMITS = {
  complete: { outcome: OUTCOME_LIMITS }
} satisfies Limits<wire.JobOpBody>

export function jobBodyToWire(body: JobOpBody): wire.JobOpBody {
  switch (body.kind) {
    case 'create':
      return {
        create: {
          annHash: bytesOf(body.annHash, HASH_BYTES, 'annHash'),
          attemptsMax: count(body.attemptsMax, 'attemptsMax', ATTEMPTS_MAX)
        }
      }
    case 'claim':
      return {
        claim: {
          claimId: bytesOf(body.claimId, ID_BYTES, 'claimId'),
          boot: bytesOf(body.boot, BOOT_BYTES, 'boot'),
          leaseMs: count(body.leaseMs, 'leaseMs')
        }
      }
    case 'complete':
      return { complete: { ...endToWire(body), outcome: outcomeToWire(body.outcome) } }
    case 'release': {
      const reason = reasons.toWire(body.reason)
      return { release: { ...endToWire(body), reason, userCodeRan: body.userCodeRan } }
    }
    case 'adopt': {
      const number = count(body.number, 'number')
      return { adopt: { ...endToWire(body), boot: bootToWire(body), number } }
    }
    case 'reaffirm':
      return { reaffirm: { ...endToWire(body), boot: bootToWire(body) } }
    case 'cancel':
      return { cancel: { reason: message(body.reason) } }
    case 'error':
      return {
        error: { reason: reasons.toWire(body.reason), message: message(body.message) }
      }
    case 'skip':
      return { skip: { reason: message(body.reason) } }
    case 'move': {
      const witnessEpoch = count(body.witnessEpoch, 'witnessEpoch')
      return { move: { witnessEpoch, reason: message(body.reason) } }
    }
    default:
      return refuse('op', `is ${JSON.stringify(body satisfies never)}`)
  }
}

export function jobBodyFromWire(body: wire.JobOpBody): JobOpBody {
  const { create, claim, complete, release, adopt, reaffirm, cancel, error } = body
  if (create !== undefined) {
    const annHash = hexOf(create.annHash, HASH_BYTES, 'annHash')
    const attemptsMax = count(create.attemptsMax, 'attemptsMax', ATTEMPTS_MAX)
    return { kind: 'create', annHash, attemptsMax }
  }
  if (claim !== undefined) {
    const boot = hexOf(claim.boot, BOOT_BYTES, 'boot')
    const leaseMs = count(claim.leaseMs, 'leaseMs')
    return { kind: 'claim', claimId: hexOf(claim.claimId, ID_BYTES, 'claimId'), boot, leaseMs }
  }
  if (complete !== undefined) {
    const outcome = outcomeFromWire(complete.outcome)
    return { kind: 'complete', ...endFromWire(complete), outcome }
  }
  if (release !== undefined) {
    const reason = reasons.fromWire(release.reason)
    return { kind: 'release', ...endFromWire(release), reason, userCodeRan: release.userCodeRan }
  }
  if (adopt !== undefined) {
    const number = count(adopt.number, 'number')
    return { kind: 'adopt', ...endFromWire(adopt), boot: bootFromWire(adopt), number }
  }
  if (reaffirm !== undefined) {
    return { kind: 'reaffirm', ...endFromWire(reaffirm), boot: bootFromWire(reaffirm) }
  }
  if (cancel !== undefined) return { kind: 'cancel', reason: message(cancel.reason) }
  if (error !== undefined) {
    const reason = reasons.fromWire(error.reason)
    return { kind: 'error', reason, message: message(error.message) }
  }
  return restFromWire(body)
}

function restFromWire({ skip, move }: wire.JobOpBody): JobOpBody {
  if (skip !== undefined) return { kind: 'skip', reason: message(skip.reason) }
  if (move === undefined) return refuse('op', 'has no body')
  const witnessEpoch = count(move.witnessEpoch, 'witnessEpoch')
  return { kind: 'move', witnessEpoch, reason: message(move.reason) }
}

export function runBodyToWire(body: RunOpBody): wire.RunOpBody {
  if (body.kind === 'create') {
    return { create: { annHash: bytesOf(body.annHash, HASH_BYTES, 'annHash') } }
  }
  return { seal: { witnessEpoch: count(body.witnessEpoch, 'witnessEpoch') } }
}

export function runBodyFromWire(body: wire.RunOpBody): RunOpBody {
  if (body.seal !== undefined) {
    return { kind: 'seal', witnessEpoch: count(body.seal.witnessEpoch, 'witnessEpoch') }
  }
  const { annHash } = need(body.create, 'body')
  return { kind: 'create', annHash: hexOf(annHash, HASH_BYTES, 'annHash') }
}

const jobBodies = messageCodec<JobOpBody, wire.JobOpBody>({
  what: 'job operation',
  generated: jobOpBodies,
  limits: JOB_BODY_LIMITS,
  bytesMax: VALUE_BYTES_MAX,
  toWire: jobBodyToWire,
  fromWire: jobBodyFromWire
})

const runBodies = messageCodec<RunOpBody, wire.RunOpBody>({
  what: 'run operation',
  generated: runOpBodies,
  limits: {},
  bytesMax: VALUE_BYTES_MAX,
  toWire: runBodyToWire,
  fromWire: runBodyFromWire
})

/** `argsHash` of a job's op: SHA-256 over the body's bytes, as hex. Throws MESSAGE_INVALID. */
export function argsHashOfJob(body: JobOpBody): string {
  return sha256Hex(jobBodies.encode(body))
}

/** `argsHash` of a run's op. Throws MESSAGE_INVALID. */
export function argsHashOfRun(body: RunOpBody): string {
  return sha256Hex(runBodies.encode(body))
}

function message(value: string): string {
  return textBytes(value, MESSAGE_BYTES_MAX, 'message')
}

interface LeaseKey {
  readonly epoch: number
  readonly claimId: string
}

function endToWire(end: LeaseKey): { epoch: number; claimId: Uint8Array<ArrayBuffer> } {
  return {
    epoch: count(end.epoch, 'epoch'),
    claimId: bytesOf(end.claimId, ID_BYTES, 'claimId')
  }
}

function endFromWire(end: { epoch: number; claimId: Uint8Array }): LeaseKey {
  return { epoch: count(end.epoch, 'epoch'), claimId: hexOf(end.claimId, ID_BYTES, 'claimId') }
}

function bootToWire({ boot }: { readonly boot: string }): Uint8Array<ArrayBuffer> {
  return bytesOf(boot, BOOT_BYTES, 'boot')
}

function bootFromWire({ boot }: { readonly boot: Uint8Array }): string {
  return hexOf(boot, BOOT_BYTES, 'boot')
}
