import { consequencesOf } from '../../protocol/core/consequences.ts'
import type { NodeParts } from './node-parts.ts'

/** Milliseconds between two looks, about; each member has its own. */
const LOOK_MS = 1_500

/** What follows for one job from another, as production's Consequences has it done. */
export class SimConsequences {
  readonly #parts: NodeParts
  #pending = new Set<string>()

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  start(): void {
    const { process } = this.#parts
    process.onStart(() => this.#again())
    process.onCrash(() => {
      this.#pending = new Set()
    })
  }

  #again(): void {
    const { process, scene } = this.#parts
    process.arm(LOOK_MS * (0.5 + scene.timeline.random()), () => {
      this.#look()
      this.#again()
    })
  }

  #look(): void {
    const { board, jobs, scene } = this.#parts
    for (const { jobId, because, body } of consequencesOf(board().openJobs(), board())) {
      if (this.#pending.has(jobId)) continue
      this.#pending.add(jobId)
      const opId = scene.digest.text(`${jobId}|${because}`).slice(0, 32)
      jobs.change(jobId, opId, body, (change) => {
        this.#pending.delete(jobId)
        if (change.kind === 'applied') scene.count(`job: ${body.kind} for another's sake`)
        if (change.kind !== 'unresolved') jobs.hint(jobId)
      })
    }
  }
}
