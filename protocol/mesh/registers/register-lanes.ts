import { MeshError } from '../../core/errors.ts'
import { CHANGES_QUEUED_MAX } from '../../core/limits.ts'

interface Lane {
  tail: Promise<unknown>
  length: number
}

/**
 * One task at a time for each name, in the order of the calls. Two changes of one register in
 * flight would draw the same ballots and fight each other (4.12.10).
 */
export class RegisterLanes {
  readonly #lanes = new Map<string, Lane>()

  /** Rejects with OVERLOADED when CHANGES_QUEUED_MAX tasks of that name wait. */
  async run<T>(name: string, task: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(name) ?? { tail: Promise.resolve(), length: 0 }
    if (lane.length >= CHANGES_QUEUED_MAX) {
      throw new MeshError('OVERLOADED', { what: `the queue of ${name}`, max: CHANGES_QUEUED_MAX })
    }
    this.#lanes.set(name, lane)
    lane.length += 1
    const turn = lane.tail.then(task)
    // The next one goes on whatever became of this one.
    lane.tail = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      lane.length -= 1
      if (lane.length === 0) this.#lanes.delete(name)
    }
  }
}
