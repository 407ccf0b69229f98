import { eventually } from './eventually.ts'
import type { FakeWorkflowJob } from './fake-forge-runners.ts'
import type { slotRig } from './provision-rig.ts'

export const LABELS = ['linux']
export const LOOK_MS = 70_000

/** Time goes by, look by look, until it is so. */
export async function looking<T>(
  { world }: Pick<Rig, 'world'>,
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>
): Promise<T> {
  const step = async (): Promise<T | undefined | false> => {
    const found = await look()
    if (found === undefined || found === false) await world.clock.advance(5_000)
    return found
  }
  return await eventually(what, step, 40_000)
}

export type Rig = Awaited<ReturnType<typeof slotRig>>

export function queue({ actions, repository }: Rig, wish: object = {}): FakeWorkflowJob {
  return actions.queue(repository, { labels: LABELS, ...wish })
}

/** The hook of a job's forge has come. */
export async function told({ gateway }: Pick<Rig, 'gateway'>, job: FakeWorkflowJob): Promise<void> {
  await gateway.room.provisioner.note(gateway.repository, String(job.id))
}

/** Jobs that live slots were started for, once there are so many. */
export async function liveFor(
  { world }: Pick<Rig, 'world'>,
  count: number
): Promise<readonly string[]> {
  const found = await eventually(`${count} live slots`, () => {
    const live = world.live()
    return live.length === count && live
  })
  return found.map((job) => world.jobOf(job))
}

/** The slot that was started for the job, and has not ended. */
export function slotOf({ world }: Pick<Rig, 'world'>, job: FakeWorkflowJob): string {
  const found = world.live().find((each) => world.jobOf(each) === String(job.id))
  if (found === undefined) throw new Error(`no slot for ${job.id}`)
  return found.jobId
}

/** The slot of this job, which no other has one beside, once a host has claimed it. */
export async function heldSlot(rig: Rig, job: FakeWorkflowJob): Promise<string> {
  await told(rig, job)
  await liveFor(rig, 1)
  const slot = slotOf(rig, job)
  rig.world.claim(slot)
  return slot
}

/** The runner of the slot's attempt, which is given a job. */
export async function giveJob(rig: Rig, slot: string): Promise<FakeWorkflowJob> {
  const before = new Set(rig.actions.registered)
  await rig.gateway.configure(rig.world, slot)
  const runner = rig.actions.registered.find((each) => !before.has(each))
  const job = runner && rig.actions.give(runner)
  if (job === undefined) throw new Error('no job for the runner')
  return job
}
