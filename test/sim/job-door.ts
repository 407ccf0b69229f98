import type { ChangeResult } from '../../protocol/core/change.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import type { SealedAnnouncement } from '../../protocol/core/run.ts'
import { jobIndexOf, runIdOf } from '../../protocol/core/run.ts'
import { attemptsMaxOf } from '../../protocol/mesh/announcement-terms.ts'
import type { Ref } from './client.ts'
import type { JobChange, JobDoor, JobRead, NodeParts } from './node-parts.ts'

export function refOf({ announcement, annHash }: SealedAnnouncement, register: string): Ref {
  const { gateway, gwSeq, witnessEpoch } = announcement
  return { register, witnessEpoch, ann: { gateway, gwSeq, annHash } }
}

const UNRESOLVED: JobChange = { kind: 'unresolved', value: undefined, reason: undefined }

/** As production's JobAccess: only runs that a read showed chosen are on the board. */
export function jobDoor(parts: Omit<NodeParts, 'jobs'>, onFold: () => void): JobDoor {
  const { client, scene, signer, board, process, network } = parts
  const fold = (result: ChangeResult): JobChange => {
    const value = 'value' in result && result.value?.kind === 'job' ? result.value : undefined
    if (value !== undefined && result.chosen !== undefined && board().foldJob(value, 0)) onFold()
    const reason = result.kind === 'rejected' ? result.reason : undefined
    return { kind: result.kind, value, reason }
  }
  const apply = (
    ref: Ref,
    opId: string,
    body: JobOpBody,
    done: (change: JobChange) => void
  ): void => {
    const op = signer.jobOp(ref.register, opId, body)
    const maybeSent = body.kind === 'complete' || body.kind === 'release'
    client.change(ref, op, { maybeSent }, (result) => done(fold(result)))
  }
  return {
    change(jobId, opId, body, done) {
      const sealed = board().run(runIdOf(jobId))?.sealed
      if (sealed === undefined) return done(UNRESOLVED)
      const ref = refOf(sealed, jobId)
      if (board().job(jobId)?.state !== undefined) return apply(ref, opId, body, done)
      const spec = sealed.announcement.manifest.jobs[jobIndexOf(jobId) ?? -1]
      if (spec === undefined) return done(UNRESOLVED)
      const { annHash } = sealed
      const createId = scene.digest.text(`${jobId}|create|${annHash}`).slice(0, 32)
      const create = { kind: 'create', annHash, attemptsMax: attemptsMaxOf(spec) } as const
      apply(ref, createId, create, (created) => {
        if (created.kind === 'applied' || created.kind === 'same') apply(ref, opId, body, done)
        else done(created)
      })
    },
    read(jobId, done: (read: JobRead) => void) {
      const sealed = board().run(runIdOf(jobId))?.sealed
      if (sealed === undefined) return done({ kind: 'unreachable' })
      client.read(refOf(sealed, jobId), 'write', (read) => {
        if (read.kind !== 'chosen') return done({ kind: 'unreachable' })
        const { value, leaseRemainingMs } = read
        const state = value?.kind === 'job' ? value : undefined
        if (state !== undefined && board().foldJob(state, 0)) onFold()
        done({ kind: 'chosen', state, leaseRemainingMs })
      })
    },
    hint(jobId) {
      const state = board().job(jobId)?.state
      if (state === undefined) return
      const { version, annHash } = state
      network.gossip(process, { kind: 'hint', register: jobId, version, annHash })
    }
  }
}
