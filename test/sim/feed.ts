import { isTerminal } from '../../protocol/core/job.ts'
import { SYNC_ITEMS_MAX } from '../../protocol/core/limits.ts'
import { jobIndexOf, runIdOf, type SealedAnnouncement } from '../../protocol/core/run.ts'
import { isSealed } from '../../protocol/core/run-reducer.ts'
import { formerWitnesses, type WitnessRef, witnessRefs } from '../../protocol/core/witnesses.ts'
import { refOf } from './job-door.ts'
import type { NodeParts } from './node-parts.ts'

interface Lead {
  readonly register: string
  readonly witnessEpoch: number
  readonly version: number
  readonly annHash: string
  readonly peers: readonly string[]
}

type Found = SealedAnnouncement | 'absent' | 'unknown'

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
    if (this.#parts.board().addRun(sealed, this.#parts.process.wallMs)) this.#onNews()
  }

  want(lead: Lead): void {
    if (!this.#isNews(lead)) return
    const name = nameOf(lead)
    if (this.#running.has(name)) {
      // Its cursor has moved on: nothing else would bring it back.
      const known = this.#waiting.get(name)
      if (known === undefined || lead.version > known.version) this.#waiting.set(name, lead)
      return
    }
    this.#running.add(name)
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
  #next(lead: Lead): boolean {
    const name = nameOf(lead)
    const next = this.#waiting.get(name)
    this.#running.delete(name)
    this.#waiting.delete(name)
    if (next !== undefined) this.want(next)
    return next !== undefined
  }

  #isNews({ register, witnessEpoch, version }: Lead): boolean {
    const board = this.#parts.board()
    if (jobIndexOf(register) === undefined) return board.run(register) === undefined
    if (board.run(runIdOf(register)) === undefined) return true
    const job = board.job(register)
    if (job === undefined || witnessEpoch < job.witnessEpoch) return false
    if (job.state === undefined || witnessEpoch > job.witnessEpoch) return true
    return !isTerminal(job.state.phase) && version > job.state.version
  }

  #follow(lead: Lead, done: (done: boolean) => void): void {
    const { board } = this.#parts
    const runId = runIdOf(lead.register)
    const readJob = (): void => {
      if (jobIndexOf(lead.register) === undefined || !this.#isNews(lead)) done(true)
      else this.#readJob(lead, done)
    }
    if (board().run(runId) !== undefined) {
      readJob()
      return
    }
    this.#findRun(runId, lead, (found) => {
      if (found === 'absent') done(true)
      else if (found === 'unknown') done(false)
      else {
        this.addRun(found)
        readJob()
      }
    })
  }

  /** Under the epoch that the lead names: a stop-sign there may be all that anybody knows. */
  #readJob({ register, witnessEpoch }: Lead, done: (done: boolean) => void): void {
    const { board, client, jobs, process } = this.#parts
    const sealed = board().run(runIdOf(register))?.sealed
    if (sealed === undefined || witnessEpoch < sealed.announcement.witnessEpoch) {
      done(true)
      return
    }
    const ref = { ...refOf(sealed, register), witnessEpoch }
    client.read(ref, 'write', (read) => {
      if (read.kind !== 'chosen' || read.value?.kind !== 'job') {
        if (read.kind === 'gone') board().drop(runIdOf(register))
        done(read.kind === 'chosen' || read.kind === 'gone')
        return
      }
      const state = read.value
      if (board().foldJob(state, process.wallMs, witnessEpoch)) this.#onNews()
      // Whoever moved it may have died before it began the new register.
      if (state.phase === 'moved') jobs.land(ref, state, (next) => done(next !== undefined))
      else done(true)
    })
  }

  /** The announcement that a read shows as chosen, never the one that was heard of (4.12.7). */
  #findRun(runId: string, lead: Lead, done: (found: Found) => void): void {
    const { scene, shelf, rosters } = this.#parts
    const { annHash, witnessEpoch } = lead
    if (rosters.at(witnessEpoch) === undefined) {
      done('unknown')
      return
    }
    const all = [...scene.witnesses(runId, witnessEpoch).map(({ peerId }) => peerId), ...lead.peers]
    const isJob = jobIndexOf(lead.register) !== undefined
    shelf.fetch(annHash, all, (heard) => {
      const known = heard?.announcement.runId === runId ? heard : undefined
      // A job that moved is found under a later epoch than its run.
      const epoch = known?.announcement.witnessEpoch ?? witnessEpoch
      const ann = known === undefined ? undefined : refOf(known, runId).ann
      this.#chosenRun({ register: runId, witnessEpoch: epoch, ann }, all, (found) => {
        // Without its bytes nobody knows under which epoch the run of a job that moved began.
        if (isJob && known === undefined) done(found === 'absent' ? 'unknown' : found)
        else if (isJob && known !== undefined && found === 'unknown') this.#byJob(lead, known, done)
        else done(found)
      })
    })
  }

  /** By a job that moved, where the witnesses of its run are gone: it moved only as a whole. */
  #byJob(lead: Lead, known: SealedAnnouncement, done: (found: Found) => void): void {
    const { register, witnessEpoch } = lead
    const ref = { ...refOf(known, register), witnessEpoch }
    this.#parts.client.read(ref, 'never', (read) => {
      const isThere = read.kind === 'chosen' && read.value?.annHash === known.annHash
      done(isThere ? known : 'unknown')
    })
  }

  #chosenRun(
    ref: Parameters<NodeParts['client']['read']>[0],
    all: readonly string[],
    done: (found: Found) => void
  ): void {
    const { client, shelf } = this.#parts
    client.read(ref, 'write', ({ kind, ...read }) => {
      const value = 'value' in read ? read.value : undefined
      if (kind === 'gone') done('absent')
      else if (kind !== 'chosen') done('unknown')
      // Sealed is as good as absent: the run, if there is one, began in a later epoch.
      else if (value === undefined || isSealed(value)) done('absent')
      else shelf.fetch(value.annHash, all, (found) => done(found ?? 'unknown'))
    })
  }

  /** Asks each witness what changed since the last time (anti-entropy). */
  #round(): void {
    const { scene, process } = this.#parts
    const { rosters, network } = this.#parts
    const former = formerWitnesses(rosters.current, (epoch) => rosters.at(epoch))
    for (const witness of [...witnessRefs(rosters.current), ...former]) this.#visit(witness)
    // What one host knows of the membership comes to all, sooner or later.
    if (rosters.current.version > 1) {
      network.gossip(process, { kind: 'rosters', rosters: rosters.all() })
    }
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
      for (const { register, witnessEpoch, version, annHash } of reply.items) {
        this.want({ register, witnessEpoch, version, annHash, peers: [peerId] })
      }
    })
  }
}

/** A job that moved has a register in each epoch: one of them must not push the other out. */
function nameOf({ register, witnessEpoch }: Lead): string {
  return `${register}@${witnessEpoch}`
}
