import { backoffMaxMs } from '../../protocol/core/backoff.ts'
import { holdsLease } from '../../protocol/core/lease.ts'
import { adoptionsOf } from '../../protocol/core/lease-timer.ts'
import { decideRecovery, type RegisterSight } from '../../protocol/core/recovery.ts'
import type { AttemptRecord } from './attempt-records.ts'
import type { Survivor } from './container-host.ts'
import type { HolderParts, WonClaim } from './holder.ts'

/** An attempt of a process before this one whose container runs on. */
export interface Candidate {
  readonly record: AttemptRecord
  readonly container: Survivor
}

/** Those that may be adopted; all else of this agent is to be removed. */
export function candidatesOf(
  parts: HolderParts,
  records: readonly AttemptRecord[],
  survivors: readonly Survivor[]
): readonly Candidate[] {
  return records.flatMap((record): Candidate[] => {
    const container = survivors.find(({ claimId }) => claimId === record.claimId)
    if (container === undefined) return []
    const candidate = { record, container }
    return decide(parts, candidate, { kind: 'unread' }).kind === 'read' ? [candidate] : []
  })
}

/**
 * Asks the job's witnesses until the lease is ours again, or until there is nothing to adopt any
 * more, in the order of production's recoverAttempt.
 */
export function recoverAttempt(
  parts: HolderParts,
  candidate: Candidate,
  done: (won: WonClaim | undefined) => void
): void {
  let startedAtMs: number | undefined
  const look = (register: RegisterSight, tries: number): void => {
    const step = decide(parts, candidate, register)
    const again = (): void => rest(parts, candidate, tries, () => look(UNREAD, tries + 1))
    if (step.kind === 'end') done(undefined)
    else if (step.kind === 'read') read(parts, candidate, (sight) => look(sight, tries))
    else if (step.kind === 'adopt' && register.kind === 'chosen') {
      // Before the first proposal: witnesses may count from then on.
      startedAtMs ??= parts.process.nowMs
      const { jobId, epoch, claimId, told } = candidate.record
      const won = { jobId, epoch, claimId, startedAtMs, isAdopted: true, told }
      adopt(parts, candidate, register, (isOurs) => (isOurs ? done(won) : again()))
    } else again()
  }
  look(UNREAD, 0)
}

const UNREAD: RegisterSight = { kind: 'unread' }

function decide(
  { process }: HolderParts,
  { record, container }: Candidate,
  register: RegisterSight
) {
  const { epoch, claimId, phase, outcome } = record
  const concluded = phase === 'exited' && outcome !== undefined
  const kept = { epoch, claimId, concluded, resumable: phase === 'running' }
  const { peerId: me, nowMs } = process
  return decideRecovery({ me, record: kept, container, register, nowMs })
}

function read(parts: HolderParts, candidate: Candidate, done: (sight: RegisterSight) => void) {
  parts.jobs.read(candidate.record.jobId, (seen) => {
    if (seen.kind === 'chosen') done({ kind: 'chosen', state: seen.state })
    else done({ kind: 'unreachable' })
  })
}

function adopt(
  parts: HolderParts,
  { record, container }: Candidate,
  register: Extract<RegisterSight, { readonly kind: 'chosen' }>,
  done: (isOurs: boolean) => void
): void {
  const { jobs, process, scene } = parts
  const { jobId, epoch, claimId } = record
  const { boot, peerId } = process
  const lease = register.state?.lease
  if (lease === undefined) {
    done(false)
    return
  }
  const number = adoptionsOf(lease) + 1
  const body = { kind: 'adopt', epoch, claimId, boot, number } as const
  jobs.change(jobId, scene.timeline.id(), body, ({ kind, value }) => {
    const isOurs = holdsLease(value, { holder: peerId, claimId, boot })
    // Written now, a deadline would revive nothing: the guard has ended the container.
    const isOver = process.nowMs >= (container.deadlineMs ?? 0)
    done(isOurs && !isOver && kind !== 'busy' && kind !== 'unresolved')
  })
}

/** Never past the deadline: what comes then must not wait. */
function rest(parts: HolderParts, { container }: Candidate, tries: number, then: () => void) {
  const { process, scene } = parts
  const leftMs = Math.max(0, (container.deadlineMs ?? 0) - process.nowMs)
  process.arm(Math.min(leftMs, scene.timeline.random() * backoffMaxMs(tries)), then)
}
