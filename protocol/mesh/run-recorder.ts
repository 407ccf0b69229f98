import type { ChangeResult } from '../core/change.ts'
import { MeshError } from '../core/errors.ts'
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, MANIFEST_BYTES_MAX } from '../core/limits.ts'
import type { RejectCode } from '../core/messages.ts'
import type { Clock, Digest, OpSigner, Random } from '../core/ports.ts'
import type { SealedAnnouncement } from '../core/run.ts'
import { quorumOf } from '../core/witnesses.ts'
import type { BoardFeed } from './board-feed.ts'
import { pause } from './pause.ts'
import { rolesOf } from './permissions.ts'
import type { RegisterClient } from './register-client.ts'
import { type RunLedger, refOf } from './run-ledger.ts'
import { linkSignals, stopController } from './stop-controller.ts'
import type { WitnessSets } from './witness-sets.ts'

export interface RunRecorderParts {
  readonly client: Pick<RegisterClient, 'change'>
  readonly ledger: RunLedger
  readonly feed: Pick<BoardFeed, 'addRun'>
  readonly sets: WitnessSets
  readonly signer: OpSigner
  readonly digest: Digest
  readonly clock: Clock
  readonly random: Random
}

/** What no witness changes its mind about. */
const FINAL: readonly RejectCode[] = ['invalid', 'not_allowed']

/**
 * Records runs at their witnesses: the one write that a delivery waits for. The op's id follows
 * from the announcement, so a gateway that restarts in the middle repeats the same intent.
 */
export class RunRecorder {
  readonly #parts: RunRecorderParts
  readonly #stop = stopController()

  constructor(parts: RunRecorderParts) {
    this.#parts = parts
  }

  stop(): void {
    this.#stop.abort(new MeshError('STOPPING', { what: 'this member' }))
  }

  /** Tries until the run is chosen; see Member.recordRun. */
  async record(sealed: SealedAnnouncement, caller?: AbortSignal): Promise<SealedAnnouncement> {
    const stop = this.#stop.signal
    const signal = caller === undefined ? stop : linkSignals(stop, caller)
    const { runId } = sealed.announcement
    const op = await this.#opOf(sealed)
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted()
      this.#check(sealed)
      const result = await this.#parts.client.change(refOf(sealed, runId), op, {
        announcement: sealed.bytes,
        // A restarted gateway repeats the intent of the process before it.
        maybeSent: true,
        signal
      })
      const chosen = await this.#chosen(sealed, result, signal)
      if (chosen !== undefined) {
        this.#parts.feed.addRun(chosen)
        return chosen
      }
      const maxMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(tries, 16))
      await pause(this.#parts.clock, this.#parts.random.next() * maxMs, signal)
    }
  }

  async #opOf({ annHash, announcement }: SealedAnnouncement) {
    const { signer, digest } = this.#parts
    const opId = digest.text(`${announcement.runId}|create|${annHash}`).slice(0, OP_ID_CHARACTERS)
    return await signer.runOp(announcement.runId, opId, { kind: 'create', annHash })
  }

  // What every witness would refuse for ever is said at once instead of tried for ever.
  #check({ announcement, bytes }: SealedAnnouncement): void {
    if (bytes.byteLength > MANIFEST_BYTES_MAX) {
      const facts = { what: 'the announcement', bytes: bytes.byteLength, max: MANIFEST_BYTES_MAX }
      throw new MeshError('MESSAGE_TOO_LARGE', facts)
    }
    const { runId, witnessEpoch, gateway } = announcement
    const set = this.#parts.sets.of(runId, witnessEpoch)
    if (set === undefined || rolesOf(set.roster, gateway).includes('gateway')) return
    const problem = `${gateway} is no gateway in the roster of witness epoch ${witnessEpoch}`
    throw new MeshError('ANNOUNCEMENT_INVALID', { problem })
  }

  /** Undefined where it is to be tried again. */
  async #chosen(
    sealed: SealedAnnouncement,
    result: ChangeResult,
    signal: AbortSignal
  ): Promise<SealedAnnouncement | undefined> {
    if (result.kind === 'applied' || result.kind === 'same') {
      const { annHash } = result.value
      if (annHash === sealed.annHash) return sealed
      // Another gateway was first: its announcement is the run, ours is nothing (4.12.7).
      const { runId, witnessEpoch } = sealed.announcement
      const found = await this.#parts.ledger.find(runId, witnessEpoch, { annHash, signal })
      return found.kind === 'chosen' ? found.sealed : undefined
    }
    const final = result.refused.filter(({ code }) => FINAL.includes(code))
    const total = this.#parts.sets.of(sealed.announcement.runId, sealed.announcement.witnessEpoch)
    const isFinal = final.length >= quorumOf(total?.witnesses.length ?? 1)
    if (result.kind === 'rejected' || isFinal) {
      const problem = result.kind === 'rejected' ? result.reason : `witnesses say ${final[0]?.code}`
      throw new MeshError('ANNOUNCEMENT_INVALID', { problem })
    }
    return undefined
  }
}

const OP_ID_CHARACTERS = 32
