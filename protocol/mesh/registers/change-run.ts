import type {
  ChangeRequest,
  ChangeResult,
  ProposerEffect,
  ProposerEvent
} from '../../core/change.ts'
import { codeOf } from '../../core/errors.ts'
import type { RegisterReply, RegisterRequest } from '../../core/messages.ts'
import type { Clock, Digest, Random, SharingSigner, Transport } from '../../core/ports.ts'
import { startChange, stepChange } from '../../core/proposer.ts'
import type { ProposerState, Step } from '../../core/proposer-waves.ts'
import type { Log } from '../../host/log.ts'

export interface ChangeRunParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly digest: Digest
  readonly signer: Pick<SharingSigner, 'proposal'>
  readonly log: Log
}

/** The accept that a witness had not answered when the change was over. */
export interface LateAccept {
  readonly peer: string
  /** True when it accepted after all; false when the answer was a no, or never came. */
  readonly accepted: Promise<boolean>
}

export interface ChangeOutcome {
  readonly result: ChangeResult
  readonly late: readonly LateAccept[]
}

type Send = Extract<ProposerEffect, { readonly kind: 'send' }>
type Sign = Extract<ProposerEffect, { readonly kind: 'sign' }>
type Arm = Extract<ProposerEffect, { readonly kind: 'arm' }>

/**
 * Carries out what core's proposer says over a transport, a clock and chance: one change, one use.
 */
export class ChangeRun {
  readonly #parts: ChangeRunParts
  readonly #request: ChangeRequest
  readonly #signals: readonly AbortSignal[]
  readonly #timers = new Set<() => void>()
  readonly #accepts = new Map<string, Promise<RegisterReply | undefined>>()
  readonly #outcome = Promise.withResolvers<ChangeOutcome>()
  #state: ProposerState | undefined
  /** Set with the end: nothing is sent or armed any more, whatever still comes in. */
  #over = false

  /** Any of the signals ends it. */
  constructor(parts: ChangeRunParts, request: ChangeRequest, signals: readonly AbortSignal[]) {
    this.#parts = parts
    this.#request = request
    this.#signals = signals
  }

  /** The highest round that a ballot of ours has used up: valid after an abort, too. */
  get usedRound(): number {
    return this.#state?.ownRound ?? 0
  }

  /** Rejects with the signal's reason; the change may then still be applied by what was sent. */
  async run(): Promise<ChangeOutcome> {
    for (const signal of this.#signals) signal.throwIfAborted()
    const abort = (event: Event) => {
      // At once: answers that are here already would else draw ballots that the next change of this
      // register draws too.
      this.#over = true
      this.#outcome.reject((event.target as AbortSignal).reason)
    }
    // Each by itself: a signal made of several is many times the work of a listener.
    for (const signal of this.#signals) signal.addEventListener('abort', abort, { once: true })
    try {
      this.#apply(startChange(this.#request, this.#parts.digest))
      return await this.#outcome.promise
    } finally {
      this.#over = true
      for (const signal of this.#signals) signal.removeEventListener('abort', abort)
      for (const cancel of this.#timers) cancel()
    }
  }

  #step(event: ProposerEvent): void {
    if (this.#state === undefined || this.#over) return
    try {
      this.#apply(stepChange(this.#state, event))
    } catch (error) {
      // Only a bug in core gets here; a change that hangs would hide it.
      this.#outcome.reject(error)
    }
  }

  #apply([state, effects]: Step): void {
    this.#state = state
    for (const effect of effects) {
      if (effect.kind === 'send') this.#send(effect)
      else if (effect.kind === 'arm') this.#arm(effect)
      else if (effect.kind === 'sign') void this.#sign(effect)
      else this.#outcome.resolve({ result: effect.result, late: this.#late(effect.result) })
    }
  }

  /** Never rejects. */
  async #sign({ register, witnessEpoch, ballot, valueHash, attempt }: Sign): Promise<void> {
    try {
      const { signer } = this.#parts
      const proposerSig = await signer.proposal(register, witnessEpoch, ballot, valueHash)
      this.#step({ kind: 'signed', attempt, proposerSig })
    } catch (error) {
      this.#outcome.reject(error)
    }
  }

  #send({ to, message, attempt }: Send): void {
    if (this.#over) return
    const answer = this.#ask(to, message)
    if (message.kind === 'accept') this.#accepts.set(to, answer)
    else this.#accepts.delete(to)
    void answer.then((reply) => {
      if (reply === undefined) this.#step({ kind: 'failed', from: to, attempt })
      else this.#step({ kind: 'reply', from: to, attempt, reply })
    })
  }

  /** Never rejects. */
  async #ask(to: string, message: RegisterRequest): Promise<RegisterReply | undefined> {
    const { requestTimeoutMs } = this.#request.profile
    // Not bound to our signal: an accept that was sent may be chosen, and its answer is worth
    // knowing.
    const options = { timeoutMs: requestTimeoutMs }
    try {
      return await this.#parts.transport.request(to, message, options)
    } catch (error) {
      const { register } = this.#request
      const code = codeOf(error)
      if (code === undefined)
        this.#parts.log.error({ err: error, peer: to, register }, 'ask failed')
      else this.#parts.log.debug({ peer: to, register, code }, 'witness did not answer')
      return undefined
    }
  }

  #arm(effect: Arm): void {
    if (this.#over) return
    const { clock, random } = this.#parts
    const afterMs = effect.timer === 'request' ? effect.afterMs : random.next() * effect.maxMs
    const { timer, attempt } = effect
    const cancel = clock.arm(afterMs, () => {
      this.#timers.delete(cancel)
      this.#step({ kind: 'timer', timer, attempt })
    })
    this.#timers.add(cancel)
  }

  #late(result: ChangeResult): readonly LateAccept[] {
    return result.outstanding.flatMap((peer) => {
      const answer = this.#accepts.get(peer)
      if (answer === undefined) return []
      return [{ peer, accepted: answer.then((reply) => reply?.kind === 'accepted') }]
    })
  }
}
