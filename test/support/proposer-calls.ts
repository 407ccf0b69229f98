import type {
  ChangeRequest,
  ChangeResult,
  ProposerEffect,
  ProposerEvent
} from '../../protocol/core/change.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import type {
  Accepted,
  LeaseView,
  RegisterReply,
  RegisterRequest,
  RegisterValue
} from '../../protocol/core/messages.ts'
import { startChange, stepChange } from '../../protocol/core/proposer.ts'
import type { ProposerState } from '../../protocol/core/proposer-waves.ts'
import type { ValueReply } from '../../protocol/core/reader.ts'
import { ballot } from './acceptor-calls.ts'
import { ANN_HASH, DIGEST, JOB } from './arbitrary-register.ts'
import { plainSigner } from './plain-signer.ts'

export const WITNESSES = ['w1', 'w2', 'w3'].map((peerId) => {
  return { peerId, storeId: `store-${peerId}`, zone: peerId }
})

export function requestOf(change: Partial<ChangeRequest> = {}): ChangeRequest {
  return {
    register: JOB,
    witnessEpoch: 1,
    ann: { gateway: 'gateway', gwSeq: 1, annHash: ANN_HASH },
    witnesses: WITNESSES,
    me: 'peerA',
    boot: '0a',
    op: undefined,
    announcement: undefined,
    profile: LEASE_PROFILES.short,
    ambiguous: false,
    firstRound: 1,
    ...change
  }
}

export function acceptedOf(value: RegisterValue, round: number, peer = 'peerB'): Accepted {
  return { ballot: ballot(round, peer), value, proposerSig: 'sig' }
}

export function leaseOf(epoch: number, remainingMs: number): LeaseView {
  return { epoch, remainingMs, stage: undefined }
}

export function valueReply(accepted: Accepted | undefined, lease?: LeaseView): ValueReply {
  const promised = accepted?.ballot ?? ballot(0, '', '')
  return { kind: 'value', accepted, promised, lease, wseq: 1 }
}

/** One change under the hand of a test that plays all witnesses. */
export class PlayedChange {
  state: ProposerState
  /** The effects of the last step. */
  effects: readonly ProposerEffect[]

  constructor(request: ChangeRequest) {
    ;[this.state, this.effects] = startChange(request, DIGEST)
    this.#sign()
  }

  /** The message of the wave that is out, the same for all witnesses but for the store. */
  get message(): RegisterRequest | undefined {
    return this.effects.find((effect) => effect.kind === 'send')?.message
  }

  get result(): ChangeResult | undefined {
    return this.effects.find((effect) => effect.kind === 'done')?.result
  }

  /** Of the ballot that is out. */
  get round(): number {
    const { phase } = this.state
    if (phase.kind === 'prepare') return phase.ballot.round
    if (phase.kind === 'accept') return phase.proposal.ballot.round
    if (phase.kind === 'backoff' && phase.after !== undefined) {
      return phase.after.proposal.ballot.round
    }
    return this.state.ownRound
  }

  /** Signs at once what the step wants signed. */
  step(event: ProposerEvent): void {
    ;[this.state, this.effects] = stepChange(this.state, event)
    this.#sign()
  }

  #sign(): void {
    const asked = this.effects.find((effect) => effect.kind === 'sign')
    if (asked === undefined) return
    const { register, witnessEpoch, ballot: at, valueHash, attempt } = asked
    const signer = plainSigner(this.state.request.me, DIGEST)
    const proposerSig = signer.proposal(register, witnessEpoch, at, valueHash)
    this.step({ kind: 'signed', attempt, proposerSig })
  }

  reply(from: string, reply: RegisterReply, attempt = this.state.attempt): void {
    this.step({ kind: 'reply', from, attempt, reply })
  }

  fail(from: string): void {
    this.step({ kind: 'failed', from, attempt: this.state.attempt })
  }

  timer(timer: 'request' | 'backoff', attempt = this.state.attempt): void {
    this.step({ kind: 'timer', timer, attempt })
  }

  promise(from: string, accepted?: Accepted, lease?: LeaseView): void {
    const at = ballot(this.round)
    this.reply(from, { kind: 'promise', ballot: at, accepted, lease, wseq: 1 })
  }

  accepted(from: string): void {
    this.reply(from, { kind: 'accepted', ballot: ballot(this.round), wseq: 1 })
  }

  refuse(from: string, code: 'ballot' | 'lease_alive' | 'overload', round?: number): void {
    const promised = round === undefined ? undefined : ballot(round, 'peerZ')
    this.reply(from, { kind: 'rejected', code, promised, remainingMs: undefined, detail: '' })
  }
}
