import { backoffMaxMs } from '../../protocol/core/backoff.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import { endOpId } from '../../protocol/core/op-id.ts'
import { type JobChange, laterBy, type NodeParts } from './node-parts.ts'

export type EndBody = Extract<JobOpBody, { readonly kind: 'complete' | 'release' }>

/** Proposes the end of a lease until the answer is definite, always with the same id (4.12.10). */
export function endLease(
  parts: NodeParts,
  jobId: string,
  body: EndBody,
  done: (change: JobChange) => void
): void {
  const { scene, jobs } = parts
  const opId = endOpId(body.claimId, body.kind, scene.digest)
  // From here on the holder no longer counts on its lease, whatever became of an earlier process.
  scene.emit({ kind: 'lets_go', claimId: body.claimId })
  const attempt = (tries: number): void => {
    jobs.change(jobId, opId, body, (change) => {
      if (change.kind === 'unresolved' || change.kind === 'busy') {
        laterBy(parts, backoffMaxMs(tries), () => attempt(tries + 1))
        return
      }
      if (change.kind !== 'rejected') jobs.hint(jobId)
      done(change)
    })
  }
  attempt(0)
}
