import { isTerminal } from '../../protocol/core/job.ts'
import { SYNC_ITEMS_MAX } from '../../protocol/core/limits.ts'
import { jobIndexOf, runIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { type WitnessRef, witnessRefs } from '../../protocol/core/witnesses.ts'
import { refOf } from './job-door.ts'
import type { NodeParts } from './node-parts.ts'

interface Lead {
  readonly register: string
  readonly version: number
  readonly annHash: string
  readonly peers: readonly string[]
}

/** Milliseconds before a lead that led nowhere is followed again. */
const RETRY_MS = 700

/**
 * Keeps one process's board: hints by gossip and SYNC say where to look, and only what a read
 * shows as chosen goes on it.
 */
export class SimFeed {
  readonly #parts: NodeParts
  readonly #onNews: () => void
  #running = new Set<string>()
  /** Leads that came while one of the same register was followed. */
  #waiting = new Map<string, Lead>()
  #cursors = new Map<string, number>()

  constructor(parts: NodeParts, onNews: () => void) {
    this.#parts = parts
    this.#onNews = onNews
    parts.process.onCrash(() => {
      this.#running = new Set()
      this.#waiting = new Map()
      this.#cursors = new Map()
    })
    parts.process.onStart(() => this.#round())
  }

  addRun(sealed: SealedAnnouncement): void {
    this.#parts.shelf.put(sealed)
    if (this.#parts.board().addRun(sealed, 0)) this.#onNews()
  }

  want(lead: Lead): void {
    if (!this.#isNews(lead)) return
    if (this.#running.has(lead.register)) {
      // Its cursor has moved on: nothing else would bring it back.
      this.#waiting.set(lead.register, lead)
      return
    }
    this.#running.add(lead.register)
    this.#follow(lead, (done) => {
      if (done) {
        this.#next(lead)
        this.#onNews()
        return
      }
      this.#parts.process.arm(RETRY_MS * (0.5 + this.#parts.scene.timeline.random()), () => {
        if (!this.#next(lead)) this.want(lead)
      })
    })
  }

  /** True where another lead of the same register takes the place of this one. */
  #next({ register }: Lead): boolean {
    const next = this.#waiting.get(register)
    this.#running.delete(register)
    this.#waiting.delete(register)
    if (next !== undefined) this.want(next)
    return next !== undefined
  }

  #isNews({ register, version }: Lead): boolean {
    const board = this.#parts.board()
    if (jobIndexOf(register) === undefined) return board.run(register) === undefined
    if (board.run(runIdOf(register)) === undefined) return true
    const state = board.job(register)?.state
    return state === undefined || (!isTerminal(state.phase) && version > state.version)
  }

  #follow(lead: Lead, done: (done: boolean) => void): void {
    const { board, jobs } = this.#parts
    const runId = runIdOf(lead.register)
    const readJob = (): void => {
      if (jobIndexOf(lead.register) === undefined || !this.#isNews(lead)) {
        done(true)
        return
      }
      jobs.read(lead.register, (read) => done(read.kind === 'chosen'))
    }
    if (board().run(runId) !== undefined) {
      readJob()
      return
    }
    this.#findRun(runId, lead, (found) => {
      if (found === 'absent') {
        done(true)
        return
      }
      if (found === 'unknown') {
        done(false)
        return
      }
      this.addRun(found)
      readJob()
    })
  }

  /** The announcement that a read shows as chosen, never the one that was heard of (4.12.7). */
  #findRun(
    runId: string,
    { annHash, peers }: Lead,
    done: (found: SealedAnnouncement | 'absent' | 'unknown') => void
  ): void {
    const { client, scene, shelf } = this.#parts
    const all = [...scene.witnesses(runId).map(({ peerId }) => peerId), ...peers]
    shelf.fetch(annHash, all, (heard) => {
      const { witnessEpoch } = scene.roster
      const known = heard?.announcement.runId === runId ? heard : undefined
      const ann = known === undefined ? undefined : refOf(known, runId).ann
      client.read({ register: runId, witnessEpoch, ann }, 'write', (read) => {
        if (read.kind !== 'chosen') {
          done('unknown')
          return
        }
        if (read.value === undefined) {
          done('absent')
          return
        }
        shelf.fetch(read.value.annHash, all, (found) => done(found ?? 'unknown'))
      })
    })
  }

  /** Asks each witness what changed since the last time (anti-entropy). */
  #round(): void {
    const { scene, process } = this.#parts
    for (const witness of witnessRefs(scene.roster)) this.#visit(witness)
    const share = 0.8 + 0.4 * scene.timeline.random()
    process.arm(scene.profile.antiEntropyMs * share, () => this.#round())
  }

  #visit(witness: WitnessRef): void {
    const { client } = this.#parts
    const { peerId, storeId } = witness
    const sinceSeq = this.#cursors.get(storeId) ?? 0
    const seenSeq = client.seen.of(peerId, storeId)
    const ask = { kind: 'sync', storeId, sinceSeq, openOnly: false, seenSeq } as const
    client.ask(witness, { ...ask, limit: SYNC_ITEMS_MAX }, (reply) => {
      if (reply?.kind !== 'synced' || reply.next < (this.#cursors.get(storeId) ?? 0)) return
      this.#cursors.set(storeId, reply.next)
      for (const { register, version, annHash } of reply.items) {
        this.want({ register, version, annHash, peers: [peerId] })
      }
    })
  }
}
