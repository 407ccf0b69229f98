import type { Ballot } from '../../protocol/core/ballot.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import type {
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RegisterValue,
  RenewItem
} from '../../protocol/core/messages.ts'
import { reduce } from '../../protocol/core/register-reducer.ts'
import { jobIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { refOf } from '../../protocol/mesh/board/run-ledger.ts'
import { digest } from '../../protocol/wire/digest.ts'
import type { MemoryPeer } from './memory-mesh.ts'

export function scopeOf(
  peer: MemoryPeer,
  sealed: SealedAnnouncement,
  index?: number
): RegisterScope {
  const { runId } = sealed.announcement
  const register = index === undefined ? runId : jobIdOf(runId, index)
  return { ...refOf(sealed, register), storeId: peer.store.storeId }
}

export function ballotOf(peer: MemoryPeer, round: number): Ballot {
  return { round, peer: peer.peerId, boot: peer.boot }
}

export function prepareOf(by: MemoryPeer, scope: RegisterScope, round = 1): RegisterRequest {
  return { kind: 'prepare', scope, ballot: ballotOf(by, round), intent: 'op' }
}

/** An accept of what `by` makes of `prev`, signed as it must be. */
export function acceptOf(
  by: MemoryPeer,
  scope: RegisterScope,
  value: RegisterValue,
  fields: { readonly round?: number; readonly announcement?: Uint8Array } = {}
): Extract<RegisterRequest, { kind: 'accept' }> {
  const ballot = ballotOf(by, fields.round ?? 1)
  const hash = digest().hash(value)
  const proposerSig = by.signer.proposal(scope.register, scope.witnessEpoch, ballot, hash)
  return { kind: 'accept', scope, ballot, value, proposerSig, announcement: fields.announcement }
}

export function runValue(by: MemoryPeer, sealed: SealedAnnouncement): RegisterValue {
  const { runId } = sealed.announcement
  const op = by.signer.runOp(runId, '0a'.repeat(16), { kind: 'create', annHash: sealed.annHash })
  return made(reduce(undefined, runId, op, digest()))
}

export function jobValue(
  by: MemoryPeer,
  scope: RegisterScope,
  body: JobOpBody,
  prev?: RegisterValue
): RegisterValue {
  const op = by.signer.jobOp(scope.register, by.boot.repeat(2), body)
  return made(reduce(prev, scope.register, op, digest()))
}

export function made(reduction: ReturnType<typeof reduce>): RegisterValue {
  if (reduction.kind !== 'next') throw new Error(`the op makes nothing: ${reduction.kind}`)
  return reduction.value
}

export function codeOf(reply: RegisterReply): string {
  return reply.kind === 'rejected' ? reply.code : reply.kind
}

/** A promise as the test sees it: settled or not. */
export function watched<T>(promise: Promise<T>): { readonly settled: () => boolean } {
  let settled = false
  const note = () => {
    settled = true
  }
  promise.then(note, note)
  return { settled: () => settled }
}

export function renewalOf(
  agent: MemoryPeer,
  scope: RegisterScope,
  epoch: number,
  claimId: string
): RenewItem {
  const stage = { name: 'step', step: 1, steps: 2 } as const
  return { scope, epoch, claimId, boot: agent.boot, stage }
}
