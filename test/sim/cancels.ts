import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type { ChosenValues } from './chosen.ts'
import type { SimNode } from './node.ts'
import type { Scene } from './scene.ts'

/** Graces of cancels, in leases of the job: from less than one to several. */
const GRACE_LEASES_MAX = 3
/** Share of the other jobs that somebody cancels where it hurts: while their steps run. */
const RUNNING_RATE = 0.3
/** Milliseconds between two looks whether such a job runs. */
const LOOK_MS = 500

interface CancelParts {
  readonly scene: Scene
  readonly nodes: readonly SimNode[]
  readonly chosen: ChosenValues
}

/** Somebody asks any member to cancel a job, and asks until the answer is definite. */
export function startCancels(parts: CancelParts, jobs: readonly string[]): void {
  const { timeline, options, aside } = parts.scene
  for (const job of jobs) {
    if (timeline.random() >= options.cancelRate) {
      if (options.graces && aside.random() < RUNNING_RATE) cancelRunning(parts, job)
      continue
    }
    const node = parts.nodes[Math.floor(timeline.random() * parts.nodes.length)]
    const ask = cancelBy(parts.scene, node, job, timeline.id())
    timeline.after(timeline.random() * options.troubleMs, ask)
  }
}

/** Soon after a claim of it is chosen, while there is trouble. */
function cancelRunning({ scene, nodes, chosen }: CancelParts, job: string): void {
  const { timeline, aside, options, profile } = scene
  const node = nodes[Math.floor(aside.random() * nodes.length)]
  const ask = cancelBy(scene, node, job, `cancel ${job}`)
  const look = (): void => {
    if (timeline.nowMs > options.troubleMs) return
    const isLeased = leasedJob(chosen.home(job)?.written.value) !== undefined
    if (isLeased) timeline.after(aside.random() * profile.leaseMs, ask)
    else timeline.after(LOOK_MS, look)
  }
  look()
}

function cancelBy(scene: Scene, node: SimNode | undefined, job: string, opId: string): () => void {
  const body = { kind: 'cancel', reason: 'no longer needed', ...graceOf(scene) } as const
  const ask = (): void => {
    const { process, parts } = node ?? {}
    process?.run(process.boot, () => {
      parts?.jobs.change(job, opId, body, (change) => {
        if (change.kind === 'unresolved') process.arm(700, ask)
      })
    })
  }
  return ask
}

/** A third of them says none: then it is the agent's own. */
function graceOf({ options, aside, profile }: Scene): { readonly graceMs?: number } {
  if (!options.graces || aside.random() < 1 / 3) return {}
  return { graceMs: Math.ceil(aside.random() * GRACE_LEASES_MAX * profile.leaseMs) }
}
