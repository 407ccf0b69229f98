import type { Named } from '../source-event.ts'

/**
 * A slot is to be started: named after the job that it is for and how many there were of that name,
 * so that two gateways that see one job come to one run. It is of no commit: which job its runner
 * gets, and so which code, is the forge's to say.
 */
export interface SlotEvent extends Named {
  readonly kind: 'workflow_job'
  /** The forge's number of the job. */
  readonly job: string
  /** As people see it. */
  readonly jobName: string
  /** Of the runner. */
  readonly labels: readonly string[]
  readonly ref: string
  readonly commit: string
  readonly pusher: string
  /** Which slot of that name it is, from 0. */
  readonly nonce: string
}

/** What stands where others have a ref: no branch of it, so that no rule for one fits. */
export const SLOT_REF = 'refs/runner-mesh/slot'
const NO_COMMIT = '0'.repeat(40)

export function slotEvent(
  repository: string,
  parts: {
    readonly job: string
    readonly jobName: string
    readonly labels: readonly string[]
    readonly generation: number
  }
): SlotEvent {
  const { job, jobName, labels, generation } = parts
  return {
    kind: 'workflow_job',
    repository,
    job,
    jobName,
    labels,
    ref: SLOT_REF,
    commit: NO_COMMIT,
    pusher: '',
    nonce: String(generation)
  }
}
