import type { HistoryEntry, JobState } from '../core/job.ts'
import { SIGNATURES_KEPT_MAX } from '../core/limits.ts'
import type { Accepted, RegisterValue } from '../core/messages.ts'
import type { Verifier } from '../core/ports.ts'
import type { RunState } from '../core/run.ts'
import { BoundedMap } from './bounded-map.ts'
import { isSigned } from './good-signatures.ts'
import { argsHashOfJob, argsHashOfRun } from './op-codec.ts'
import { statementOfJobOp, statementOfRunOp } from './signer.ts'
import {
  jobOpStatement,
  type OpStatement,
  proposalStatement,
  runOpStatement
} from './statements.ts'
import { encodeValue, hashValue } from './value-codec.ts'

type CheckOp = (claimed: Claimed) => boolean

/** That an actor signed an op. */
interface Claimed extends OpStatement {
  readonly of: 'job' | 'run'
  readonly sig: string
}

/** The Verifier port; neither method throws. Remembers the signatures that it found good. */
export function verifier(): Verifier {
  /** By op id, which is short; found good is what is kept there, whole, and nothing else. */
  const goodOps = new BoundedMap<string, Claimed>(SIGNATURES_KEPT_MAX)
  const checkOp: CheckOp = (claimed) => {
    const known = goodOps.get(claimed.opId)
    if (known !== undefined && isSame(known, claimed)) return true
    const message = claimed.of === 'job' ? jobOpStatement(claimed) : runOpStatement(claimed)
    if (!isSigned(claimed.actor, message, claimed.sig)) return false
    goodOps.set(claimed.opId, claimed)
    return true
  }
  return {
    value: (value) => hasEncoding(value) && signaturesHold(value, checkOp),
    proposal: (register, witnessEpoch, accepted) => {
      if (!hasEncoding(accepted.value)) return false
      const message = proposalOf(register, witnessEpoch, accepted)
      return isSigned(accepted.ballot.peer, message, accepted.proposerSig)
    }
  }
}

/** Every field: a good signature under another statement or of another peer proves nothing. */
function isSame(known: Claimed, claimed: Claimed): boolean {
  return (
    known.sig === claimed.sig &&
    known.of === claimed.of &&
    known.register === claimed.register &&
    known.kind === claimed.kind &&
    known.epoch === claimed.epoch &&
    known.claimId === claimed.claimId &&
    known.opId === claimed.opId &&
    known.actor === claimed.actor &&
    known.argsHash === claimed.argsHash
  )
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

function signaturesHold(value: RegisterValue, check: CheckOp): boolean {
  if (value.kind === 'run') return runOpHolds(value, check)
  if (!jobOpHolds(value, check) || !adoptionHolds(value, check)) return false
  for (const entry of value.history) if (!endHolds(value.register, entry, check)) return false
  return true
}

function runOpHolds({ register, op }: RunState, check: CheckOp): boolean {
  if (op.argsHash !== argsHashOfRun(op.body)) return false
  return check({ of: 'run', sig: op.sig, ...statementOfRunOp(register, op) })
}

function jobOpHolds({ register, op }: JobState, check: CheckOp): boolean {
  // Otherwise the signature of one outcome would carry any other.
  if (op.argsHash !== argsHashOfJob(op.body)) return false
  return check({ of: 'job', sig: op.sig, ...statementOfJobOp(register, op) })
}

/** The same statement that the holder signed when it took its lease on after a restart. */
function adoptionHolds({ register, epoch, lease }: JobState, check: CheckOp): boolean {
  if (lease?.adoption === undefined) return true
  const { holder: actor, claimId, boot, adoption } = lease
  const { number, opId, sig } = adoption
  const argsHash = argsHashOfJob({ kind: 'adopt', epoch, claimId, boot, number })
  return check({ of: 'job', sig, register, kind: 'adopt', epoch, claimId, opId, actor, argsHash })
}

/** The same statement that the holder signed when it ended its lease. */
function endHolds(register: string, entry: HistoryEntry, check: CheckOp): boolean {
  const { end, epoch, claimId, opId, holder: actor, argsHash, sig } = entry
  if (end === 'expired') return true
  const kind = end === 'released' ? 'release' : 'complete'
  return check({ of: 'job', sig, register, kind, epoch, claimId, opId, actor, argsHash })
}
