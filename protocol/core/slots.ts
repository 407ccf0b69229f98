/*
 * How many runners of a forge's own a label set should have. A forge gives a runner any job that
 * its labels fit, so that a slot is for the label set and not for the job that it was started for;
 * only its name is of that job, so that two gateways that see one job start one slot.
 */

/** A job that waits on its forge for a runner of this label set. */
export interface WaitingJob {
  /** The forge's number of it. */
  readonly id: string
  /** False where a slot was started for it lately that came to nothing. */
  readonly isReady: boolean
}

/** `queued`: nobody holds it yet; `held`: no job was seen on it; `busy`: one was. */
export type SlotStanding = 'queued' | 'held' | 'busy'

/** A slot that has not ended. */
export interface LiveSlot {
  /** Unique among the slots that are planned together. */
  readonly id: string
  /** The job that it was started for. */
  readonly job: string
  readonly standing: SlotStanding
}

export interface SlotRules {
  readonly slotsMax: number
  /** `any`: a runner takes whichever job its forge gives it; `own`: the one it was made for. */
  readonly takes: 'any' | 'own'
}

export interface SlotPlan<Job, Slot> {
  /** Jobs that a slot is to be started for, oldest first. */
  readonly start: readonly Job[]
  readonly end: readonly Slot[]
}

/**
 * What is missing, or what is too much. Whoever has the same view comes to the same plan, and once
 * a plan is carried out there is nothing more to do.
 */
export function slotPlan<Job extends WaitingJob, Slot extends LiveSlot>(
  waiting: readonly Job[],
  slots: readonly Slot[],
  { slotsMax, takes }: SlotRules
): SlotPlan<Job, Slot> {
  const jobs = waiting.toSorted((a, b) => compareIds(a.id, b.id))
  const free = slots.filter(({ standing }) => standing !== 'busy')
  const end = takes === 'own' ? strayed(jobs, free) : surplus(jobs, free)
  // A second free slot of one name would be for nobody.
  const served = new Set(free.map(({ job }) => job))
  const unserved = jobs.filter(({ id, isReady }) => isReady && !served.has(id))
  const room = Math.max(0, slotsMax - slots.length)
  const missing = takes === 'own' ? unserved.length : Math.max(0, jobs.length - free.length)
  return { start: unserved.slice(0, Math.min(room, missing)), end }
}

/** Free slots beyond one a job; those go first that nobody would miss. */
function surplus<Slot extends LiveSlot>(
  jobs: readonly WaitingJob[],
  free: readonly Slot[]
): readonly Slot[] {
  const waits = new Set(jobs.map(({ id }) => id))
  const cost = ({ job, standing }: Slot): number =>
    (waits.has(job) ? 2 : 0) + (standing === 'held' ? 1 : 0)
  const ordered = free.toSorted((a, b) => cost(a) - cost(b) || compareSlots(b, a))
  return ordered.slice(0, Math.max(0, free.length - jobs.length))
}

/** Free slots whose own job does not wait any more, and second ones of one job. */
function strayed<Slot extends LiveSlot>(
  jobs: readonly WaitingJob[],
  free: readonly Slot[]
): readonly Slot[] {
  const open = new Set(jobs.map(({ id }) => id))
  const kept = free.toSorted((a, b) => {
    return Number(b.standing === 'held') - Number(a.standing === 'held') || compareSlots(a, b)
  })
  return kept.filter(({ job }) => !open.delete(job))
}

function compareSlots(a: LiveSlot, b: LiveSlot): number {
  return compareIds(a.job, b.job) || (a.id < b.id ? -1 : Number(a.id > b.id))
}

/** Numbers of forges grow: the lower one is the older job. */
export function compareIds(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : Number(a > b)
}
