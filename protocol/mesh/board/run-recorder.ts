import type { ChangeResult } from '../../core/change.ts'
import { type EpochSight, epochsToSeal, mayBeginIn } from '../../core/epochs.ts'
import { MeshError } from '../../core/errors.ts'
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, MANIFEST_BYTES_MAX } from '../../core/limits.ts'
import type { RegisterValue, RejectCode } from '../../core/messages.ts'
import type { Clock, Digest, OpSigner, Random } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { isSealed } from '../../core/run-reducer.ts'
import { quorumOf } from '../../core/witnesses.ts'
import type { Log } from '../../host/log.ts'
import { pause } from '../bounds/pause.ts'
import { linkSignals, stopController } from '../bounds/stop-controller.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSets } from '../members/witness-sets.ts'
import type { RegisterClient } from '../registers/register-client.ts'
import type { BoardFeed } from './board-feed.ts'
import { type RunLedger, refOf } from './run-ledger.ts'

export interface RunRecorderParts {
  readonly client: Pick<RegisterClient, 'change'>
  readonly ledger: RunLedger
  readonly feed: Pick<BoardFeed, 'addRun'>
  readonly sets: WitnessSets
  readonly rosters: RosterView
  readonly signer: OpSigner
  readonly digest: Digest
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What can keep a run from being recorded for long: an earlier witness epoch, or full disks. */
export type RecordWait =
  | { readonly kind: 'epoch'; readonly witnessEpoch: number }
  | { readonly kind: 'disks'; readonly peers: readonly string[] }

export interface RecordOptions {
  /** The earliest epoch that this gateway may have tried to record the run in. */
  readonly fromEpoch?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with what the run waits for, before it does, and with undefined once that has come. */
  readonly onWaiting?: ((wait: RecordWait | undefined) => void) | undefined
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
  async record(
    sealed: SealedAnnouncement,
    { fromEpoch, signal: caller, onWaiting }: RecordOptions = {}
  ): Promise<SealedAnnouncement> {
    const stop = this.#stop.signal
    const signal = caller === undefined ? stop : linkSignals(stop, caller)
    const done = new Set<number>()
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted()
      this.#check(sealed)
      const chosen = await this.#try(sealed, { fromEpoch, signal, done, onWaiting })
      if (chosen !== undefined) {
        this.#parts.feed.addRun(chosen)
        return chosen
      }
      const maxMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(tries, 16))
      await pause(this.#parts.clock, this.#parts.random.next() * maxMs, signal)
    }
  }

  /** Undefined where it is to be tried again. */
  async #try(
    sealed: SealedAnnouncement,
    { fromEpoch, signal, done, onWaiting }: Tries
  ): Promise<SealedAnnouncement | undefined> {
    const { runId, witnessEpoch } = sealed.announcement
    let hasWaited = false
    for (const epoch of epochsToSeal(witnessEpoch, this.#sight(), fromEpoch)) {
      if (done.has(epoch)) continue
      // Before it is asked: where nobody answers that takes longer than most wait.
      onWaiting?.({ kind: 'epoch', witnessEpoch: epoch })
      hasWaited = true
      const found = await this.#seal(sealed, epoch, signal)
      // Not before each of them has answered: a run in one of them would be a second one.
      if (found !== 'sealed') return found
      done.add(epoch)
    }
    if (hasWaited) onWaiting?.(undefined)
    const op = await this.#opOf(sealed)
    // Asked again after the seals, which may have waited for long; from here on nothing waits.
    if (!mayBeginIn(witnessEpoch, this.#sight())) throw superseded(runId, witnessEpoch)
    const result = await this.#parts.client.change(refOf(sealed, runId), op, {
      announcement: sealed.bytes,
      // A restarted gateway repeats the intent of the process before it.
      maybeSent: true,
      signal
    })
    const full = result.refused.filter(({ code }) => code === 'disk_low')
    if (result.kind === 'unresolved' && full.length > 0) {
      onWaiting?.({ kind: 'disks', peers: full.map(({ peer }) => peer) })
    }
    return await this.#chosen(sealed, result, signal)
  }

  /** `sealed` where no run began in that epoch, and none will; undefined where nobody can tell. */
  async #seal(
    sealed: SealedAnnouncement,
    epoch: number,
    signal: AbortSignal
  ): Promise<SealedAnnouncement | 'sealed' | undefined> {
    const { signer, digest, client, log } = this.#parts
    const { runId, witnessEpoch } = sealed.announcement
    const opId = digest.text(`${runId}|seal|${epoch}|${witnessEpoch}`).slice(0, OP_ID_CHARACTERS)
    const op = await signer.runOp(runId, opId, { kind: 'seal', witnessEpoch })
    const ref = { ...refOf(sealed, runId), witnessEpoch: epoch }
    const change = await client.change(ref, op, { maybeSent: true, signal })
    // It was there, has ended and was dropped: no answer will ever say more.
    if (isGone(change)) throw new MeshError('RUN_GONE', { run: runId })
    const { value } = valued(change)
    if (value === undefined) {
      log.warn({ run: runId, witnessEpoch: epoch }, 'an earlier witness epoch does not answer')
      return undefined
    }
    return isSealed(value) ? 'sealed' : await this.#found(runId, epoch, value.annHash, signal)
  }

  async #found(
    runId: string,
    epoch: number,
    annHash: string,
    signal: AbortSignal
  ): Promise<SealedAnnouncement | undefined> {
    const found = await this.#parts.ledger.find(runId, epoch, { annHash, signal })
    return found.kind === 'chosen' ? found.sealed : undefined
  }

  /** Rejects with ROSTER_ABSENT before the first roster. */
  #sight(): EpochSight {
    const { rosters, clock, signer } = this.#parts
    const current = rosters.current()?.roster
    if (current === undefined) {
      throw new MeshError('ROSTER_ABSENT', { state: 'this gateway', id: signer.peerId })
    }
    return { current, at: (epoch) => rosters.at(epoch), wallMs: clock.wallMs() }
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
      const { runId, witnessEpoch } = sealed.announcement
      // Another gateway knows a later epoch, and the run begins there.
      if (isSealed(result.value)) throw superseded(runId, witnessEpoch)
      if (annHash === sealed.annHash) return sealed
      // Another gateway was first: its announcement is the run, ours is nothing (4.12.7).
      return await this.#found(runId, witnessEpoch, annHash, signal)
    }
    if (isGone(result)) throw new MeshError('RUN_GONE', { run: sealed.announcement.runId })
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

interface Tries {
  readonly fromEpoch: number | undefined
  readonly signal: AbortSignal
  /** Epochs that are sealed already. */
  readonly done: Set<number>
  readonly onWaiting: RecordOptions['onWaiting']
}

function isGone(result: ChangeResult): boolean {
  return result.kind === 'rejected' && result.reason === 'gone'
}

function valued(result: ChangeResult): { readonly value: RegisterValue | undefined } {
  return result.kind === 'unresolved' ? { value: undefined } : { value: result.value }
}

function superseded(runId: string, witnessEpoch: number): MeshError {
  return new MeshError('RUN_SUPERSEDED', { id: runId, witnessEpoch })
}

const OP_ID_CHARACTERS = 32
