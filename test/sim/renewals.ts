import type { Cancellation } from '../../protocol/core/job.ts'
import type { RenewItem, RenewResult } from '../../protocol/core/messages.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { quorumOf } from '../../protocol/core/witnesses.ts'
import { refOf } from './job-door.ts'
import type { NodeParts } from './node-parts.ts'

export interface RenewTally {
  readonly oks: number
  readonly stale: number
  readonly fenced: number
  readonly quorum: number
  readonly cancel: Cancellation | undefined
}

/** One round of renewals of one lease: decided by a quorum of yes, or when none can come. */
export function renewLease(
  parts: NodeParts,
  lease: { readonly jobId: string; readonly epoch: number; readonly claimId: string },
  done: (tally: RenewTally) => void
): void {
  const { client, scene, process, board, jobs } = parts
  const sealed = board().run(runIdOf(lease.jobId))?.sealed
  if (sealed === undefined) return
  const witnessEpoch = board().job(lease.jobId)?.witnessEpoch ?? sealed.announcement.witnessEpoch
  const ref = { ...refOf(sealed, lease.jobId), witnessEpoch }
  const witnesses = scene.witnesses(lease.jobId, witnessEpoch)
  const quorum = quorumOf(witnesses.length)
  const answers: RenewResult[] = []
  const silent = new Set(witnesses.map(({ peerId }) => peerId))
  let isOver = false
  const end = (): void => {
    const of = (wanted: RenewResult['answer']): number =>
      answers.filter(({ answer }) => answer === wanted).length
    if (isOver || (silent.size > 0 && of('ok') < quorum)) return
    isOver = true
    // The others wait for no sync: what they show may be lost in a crash (I10).
    const cancel = answers.find((one) => one.answer === 'ok' && one.cancel !== undefined)?.cancel
    if (answers.some(({ answer }) => answer === 'behind'))
      client.read(ref, 'never', () => undefined)
    // A read tells whether the stop-sign is chosen; the next round is at the new witnesses then.
    if (of('moved') > 0) jobs.read(lease.jobId, () => undefined)
    done({ oks: of('ok'), stale: of('stale') + of('gone'), fenced: of('fenced'), quorum, cancel })
  }
  const stage = { name: 'step', step: 1, steps: 1 } as const
  for (const witness of witnesses) {
    const { peerId, storeId } = witness
    const { epoch, claimId } = lease
    const scope = { ...ref, storeId }
    const item: RenewItem = { scope, epoch, claimId, boot: process.boot, stage }
    const seenSeq = client.seen.of(peerId, storeId)
    client.ask(witness, { kind: 'renew', items: [item], seenSeq }, (reply) => {
      if (!silent.delete(peerId)) return
      const result = reply?.kind === 'renewed' ? reply.items[0] : undefined
      if (result !== undefined) answers.push(result)
      end()
    })
  }
}
