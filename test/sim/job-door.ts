import type { ChangeResult } from '../../protocol/core/change.ts'
import type { JobOp, JobOpBody, JobState } from '../../protocol/core/job.ts'
import { landingOf } from '../../protocol/core/move.ts'
import { MOVE_HOPS_MAX } from '../../protocol/core/roster-limits.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import { jobIndexOf, runIdOf } from '../../protocol/core/run.ts'
import { isSealed } from '../../protocol/core/run-reducer.ts'
import { createTermsOf } from '../../protocol/mesh/announcements/announcement-terms.ts'
import type { Ref } from './client.ts'
import type { JobChange, JobDoor, JobRead, NodeParts } from './node-parts.ts'

export function refOf({ announcement, annHash }: SealedAnnouncement, register: string): Ref {
  const { gateway, gwSeq, witnessEpoch } = announcement
  return { register, witnessEpoch, ann: { gateway, gwSeq, annHash } }
}

const UNRESOLVED: JobChange = { kind: 'unresolved', value: undefined, reason: undefined }
const GONE: JobChange = { kind: 'rejected', value: undefined, reason: 'gone' }
const UNREACHABLE: JobRead = { kind: 'unreachable' }

/** What may be the first thing that happens to a job, as in production. */
const FIRST_OPS: ReadonlySet<JobOpBody['kind']> = new Set(['claim', 'cancel', 'skip', 'error'])

type DoorParts = Omit<NodeParts, 'jobs'>

/** Jobs by their ids, as production's JobAccess: where stop-signs lead, there it goes on. */
export class SimJobDoor implements JobDoor {
  readonly #parts: DoorParts
  readonly #onFold: () => void

  constructor(parts: DoorParts, onFold: () => void) {
    this.#parts = parts
    this.#onFold = onFold
  }

  change(jobId: string, opId: string, body: JobOpBody, done: (change: JobChange) => void): void {
    const sealed = this.#sealed(jobId)
    if (sealed === undefined) {
      this.#search(jobId, done)
      return
    }
    const hop = (ref: Ref | undefined, hops: number): void => {
      if (ref === undefined || hops >= MOVE_HOPS_MAX) {
        done(UNRESOLVED)
        return
      }
      this.#changeAt(sealed, ref, { opId, body }, (change, isChosen) => {
        const isAbsent = change.kind === 'rejected' && change.reason === 'absent'
        if (change.value?.phase === 'moved' && isChosen) {
          this.land(ref, change.value, (next) => {
            // As in production: whoever moved it, it has moved.
            if (body.kind === 'move' && next !== undefined) done(change)
            else hop(next, hops + 1)
          })
        } else if (isAbsent && !isOrigin(sealed, ref)) hop(refOf(sealed, jobId), hops + 1)
        else done(change)
      })
    }
    hop(this.#refOf(sealed, jobId), 0)
  }

  read(jobId: string, done: (read: JobRead) => void): void {
    const sealed = this.#sealed(jobId)
    if (sealed === undefined) {
      done(UNREACHABLE)
      return
    }
    const hop = (ref: Ref | undefined, hops: number): void => {
      if (ref === undefined || hops >= MOVE_HOPS_MAX) {
        done(UNREACHABLE)
        return
      }
      this.#readAt(ref, (read) => {
        const state = read.kind === 'chosen' ? read.state : undefined
        if (state?.phase === 'moved') this.land(ref, state, (next) => hop(next, hops + 1))
        else if (read.kind === 'chosen' && state === undefined && !isOrigin(sealed, ref)) {
          hop(refOf(sealed, jobId), hops + 1)
        } else done(read)
      })
    }
    hop(this.#refOf(sealed, jobId), 0)
  }

  hint(jobId: string): void {
    const { board, network, process } = this.#parts
    const job = board().job(jobId)
    if (job?.state === undefined) return
    const { version, annHash } = job.state
    const { witnessEpoch } = job
    network.gossip(process, { kind: 'hint', register: jobId, witnessEpoch, version, annHash })
  }

  /** The register that a chosen stop-sign leads to, once it has begun: by whoever comes first. */
  land(ref: Ref, moved: JobState, done: (next: Ref | undefined) => void): void {
    const landing = landingOf(moved)
    if (moved.moved === undefined || landing === undefined) {
      done(undefined)
      return
    }
    const next = { ...ref, witnessEpoch: moved.moved.witnessEpoch }
    this.#parts.client.change(next, undefined, { landing }, ({ kind }) => {
      const hasBegun = kind === 'applied' || kind === 'same'
      if (kind === 'applied') this.#parts.scene.count('job: landed')
      done(hasBegun ? next : undefined)
    })
  }

  #sealed(jobId: string): SealedAnnouncement | undefined {
    return this.#parts.board().run(runIdOf(jobId))?.sealed
  }

  /** Of a run that is not known here: whether quorums have dropped it, or never heard of it. */
  #search(jobId: string, done: (change: JobChange) => void): void {
    const { client, rosters } = this.#parts
    const register = runIdOf(jobId)
    let isUnknown = true
    const look = (witnessEpoch: number): void => {
      if (witnessEpoch < 1) {
        done({ ...UNRESOLVED, isUnknown })
        return
      }
      client.read({ register, witnessEpoch, ann: undefined }, 'never', (read) => {
        const value = read.kind === 'chosen' ? read.value : undefined
        const isNone = value === undefined || (value.kind === 'run' && isSealed(value))
        isUnknown &&= read.kind === 'chosen' && isNone
        if (read.kind === 'gone') done(GONE)
        else look(witnessEpoch - 1)
      })
    }
    look(rosters.current.witnessEpoch)
  }

  #refOf(sealed: SealedAnnouncement, jobId: string): Ref {
    const ref = refOf(sealed, jobId)
    const seen = this.#parts.board().job(jobId)?.witnessEpoch ?? 0
    return { ...ref, witnessEpoch: Math.max(ref.witnessEpoch, seen) }
  }

  #changeAt(
    sealed: SealedAnnouncement,
    ref: Ref,
    op: { readonly opId: string; readonly body: JobOpBody },
    done: (change: JobChange, isChosen: boolean) => void
  ): void {
    const { scene, board } = this.#parts
    const { register: jobId } = ref
    const { annHash } = sealed
    const spec = sealed.announcement.manifest.jobs[jobIndexOf(jobId) ?? -1]
    const isCreated = board().job(jobId)?.state !== undefined
    if (isCreated || spec === undefined || !isOrigin(sealed, ref)) {
      this.#apply(ref, op.opId, op.body, done)
      return
    }
    const createId = scene.digest.text(`${jobId}|create|${annHash}`).slice(0, 32)
    const create = { kind: 'create', annHash, ...createTermsOf(spec) } as const
    if (FIRST_OPS.has(op.body.kind)) {
      const created = this.#parts.signer.jobOp(jobId, createId, create)
      this.#apply(ref, op.opId, op.body, done, created)
      return
    }
    this.#apply(ref, createId, create, (created, isChosen) => {
      const isThere = created.kind === 'applied' || created.kind === 'same'
      if (isThere && created.value?.phase !== 'moved') this.#apply(ref, op.opId, op.body, done)
      else done(created, isChosen)
    })
  }

  #apply(
    ref: Ref,
    opId: string,
    body: JobOpBody,
    done: (change: JobChange, isChosen: boolean) => void,
    create?: JobOp
  ): void {
    const { signer, client } = this.#parts
    const op = signer.jobOp(ref.register, opId, body)
    const maybeSent = body.kind === 'complete' || body.kind === 'release'
    client.change(ref, op, { maybeSent, create }, (result) => {
      done(this.#fold(ref, result), result.chosen !== undefined)
    })
  }

  #fold({ register, witnessEpoch }: Ref, result: ChangeResult): JobChange {
    const isGone = result.kind === 'rejected' && result.reason === 'gone'
    if (isGone) this.#parts.board().drop(runIdOf(register))
    const value = 'value' in result && result.value?.kind === 'job' ? result.value : undefined
    if (value !== undefined && result.chosen !== undefined) this.#show(value, witnessEpoch)
    const reason = result.kind === 'rejected' ? result.reason : undefined
    return { kind: result.kind, value, reason }
  }

  #readAt(ref: Ref, done: (read: JobRead) => void): void {
    this.#parts.client.read(ref, 'write', (read) => {
      if (read.kind !== 'chosen') {
        if (read.kind === 'gone') this.#parts.board().drop(runIdOf(ref.register))
        done(UNREACHABLE)
        return
      }
      const { value, leaseRemainingMs } = read
      const state = value?.kind === 'job' ? value : undefined
      if (state !== undefined) this.#show(state, ref.witnessEpoch)
      done({ kind: 'chosen', state, leaseRemainingMs })
    })
  }

  #show(state: JobState, witnessEpoch: number): void {
    const { board, process } = this.#parts
    if (board().foldJob(state, process.wallMs, witnessEpoch)) this.#onFold()
  }
}

function isOrigin({ announcement }: SealedAnnouncement, { witnessEpoch }: Ref): boolean {
  return witnessEpoch === announcement.witnessEpoch
}
