import type { HistoryEntry, JobState } from '../core/job.ts'
import { SIGNATURES_KEPT_MAX } from '../core/limits.ts'
import type { Accepted, RegisterValue } from '../core/messages.ts'
import type { Verifier } from '../core/ports.ts'
import type { RunState } from '../core/run.ts'
import { BoundedMap } from './bounded-map.ts'
import { SIGNATURE_BYTES } from './fields.ts'
import { verify } from './keys.ts'
import { argsHashOfJob, argsHashOfRun } from './op-codec.ts'
import { signedBy } from './op-signature.ts'
import { statementOfJobOp } from './signer.ts'
import { sha256Hex } from './statement.ts'
import { jobOpStatement, proposalStatement, runOpStatement } from './statements.ts'
import { encodeValue, hashValue } from './value-codec.ts'

type Check = (peerId: string, message: Uint8Array, signature: string) => boolean

/** The Verifier port; neither method throws. Remembers the signatures that it found good. */
export function verifier(): Verifier {
  const good = new BoundedMap<string, true>(SIGNATURES_KEPT_MAX)
  const check: Check = (peerId, message, signature) => {
    const key = keyOf(peerId, message, signature)
    if (good.get(key) === true) return true
    if (!verify(peerId, message, Buffer.from(signature, 'hex'))) return false
    good.set(key, true)
    return true
  }
  const checkOp: Check = (peerId, message, signature) => {
    const key = keyOf(peerId, message, signature)
    if (good.get(key) === true) return true
    // Of a signature over many ops the root is what is verified, once for all of them.
    const signed = signedBy(message, signature)
    if (signed === undefined || !check(peerId, signed.message, signed.signature)) return false
    good.set(key, true)
    return true
  }
  return {
    value: (value) => hasEncoding(value) && signaturesHold(value, checkOp),
    proposal: (register, witnessEpoch, accepted) => {
      if (!hasEncoding(accepted.value)) return false
      return check(
        accepted.ballot.peer,
        proposalOf(register, witnessEpoch, accepted),
        accepted.proposerSig
      )
    }
  }
}

/** The whole triple: a good signature under another statement or peer proves nothing. */
function keyOf(peerId: string, message: Uint8Array, signature: string): string {
  // A share of a signature over many ops is up to four times as long as a plain one.
  const short = signature.length > SIGNATURE_BYTES * 2 ? sha256Hex(signature) : signature
  return `${peerId} ${sha256Hex(message)} ${short}`
}

/** Sizes, counts and shapes: a value that no one could be sent is no value. */
function hasEncoding(value: RegisterValue): boolean {
  try {
    encodeValue(value)
    return true
  } catch {
    return false
  }
}

function proposalOf(register: string, witnessEpoch: number, accepted: Accepted): Uint8Array {
  const { ballot, value } = accepted
  return proposalStatement(register, witnessEpoch, ballot, hashValue(value))
}

function signaturesHold(value: RegisterValue, check: Check): boolean {
  if (value.kind === 'run') return runOpHolds(value, check)
  if (!jobOpHolds(value, check) || !adoptionHolds(value, check)) return false
  return value.history.every((entry) => endHolds(value.register, entry, check))
}

function runOpHolds({ register, op }: RunState, check: Check): boolean {
  const { body, opId, actor, argsHash, sig } = op
  if (argsHash !== argsHashOfRun(body)) return false
  return check(actor, runOpStatement({ register, kind: body.kind, opId, actor, argsHash }), sig)
}

function jobOpHolds({ register, op }: JobState, check: Check): boolean {
  // Otherwise the signature of one outcome would carry any other.
  if (op.argsHash !== argsHashOfJob(op.body)) return false
  return check(op.actor, jobOpStatement(statementOfJobOp(register, op)), op.sig)
}

/** The same statement that the holder signed when it took its lease on after a restart. */
function adoptionHolds({ register, epoch, lease }: JobState, check: Check): boolean {
  if (lease?.adoption === undefined) return true
  const { holder: actor, claimId, boot, adoption } = lease
  const { number, opId, sig } = adoption
  const argsHash = argsHashOfJob({ kind: 'adopt', epoch, claimId, boot, number })
  const adopted = { register, kind: 'adopt', epoch, claimId, opId, actor, argsHash }
  return check(actor, jobOpStatement(adopted), sig)
}

/** The same statement that the holder signed when it ended its lease. */
function endHolds(register: string, entry: HistoryEntry, check: Check): boolean {
  const { end, epoch, claimId, opId, holder, argsHash, sig } = entry
  if (end === 'expired') return true
  const kind = end === 'released' ? 'release' : 'complete'
  const ended = { register, kind, epoch, claimId, opId, actor: holder, argsHash }
  return check(holder, jobOpStatement(ended), sig)
}
