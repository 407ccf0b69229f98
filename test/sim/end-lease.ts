import { backoffMaxMs } from '../../protocol/core/backoff.ts'
import { isForgotten } from '../../protocol/core/floor.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import { endOpId } from '../../protocol/core/op-id.ts'
import { laterBy, type NodeParts } from './node-parts.ts'

export type EndBody = Extract<JobOpBody, { readonly kind: 'complete' | 'release' }>

export interface LeaseEnd {
  readonly jobId: string
  readonly body: EndBody
  /** By the wall clock, of an attempt of a process before this one. */
  readonly startedAtMs?: number | undefined
}

/** Proposes the end of a lease until the answer is definite, always with the same id (4.12.10). */
export function endLease(
  parts: NodeParts,
  { jobId, body, startedAtMs }: LeaseEnd,
  done: () => void
): void {
  const { scene, jobs, process } = parts
  const opId = endOpId(body.claimId, body.kind, scene.digest)
  // From here on the holder no longer counts on its lease, whatever became of an earlier process.
  scene.emit({ kind: 'lets_go', claimId: body.claimId })
  const attempt = (tries: number): void => {
    jobs.change(jobId, opId, body, (change) => {
      const { kind, isUnknown = false } = change
      if (isUnknown && startedAtMs !== undefined && isForgotten(startedAtMs, process.wallMs)) {
        scene.count('agent: attempt in a run that is forgotten')
        done()
      } else if (kind === 'unresolved' || kind === 'busy') {
        laterBy(parts, backoffMaxMs(tries), () => attempt(tries + 1))
      } else {
        if (kind !== 'rejected') jobs.hint(jobId)
        done()
      }
    })
  }
  attempt(0)
}
