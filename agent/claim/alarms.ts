import type { Clock } from '../../protocol/core/ports.ts'

/** Jobs whose turn comes at some time, one alarm each. */
export class Alarms {
  readonly #clock: Pick<Clock, 'arm'>
  readonly #disarm = new Map<string, () => void>()

  constructor(clock: Pick<Clock, 'arm'>) {
    this.#clock = clock
  }

  get size(): number {
    return this.#disarm.size
  }

  has(jobId: string): boolean {
    return this.#disarm.has(jobId)
  }

  jobIds(): readonly string[] {
    return [...this.#disarm.keys()]
  }

  set(jobId: string, afterMs: number, then: () => void): void {
    const disarm = this.#clock.arm(afterMs, () => {
      this.#disarm.delete(jobId)
      then()
    })
    this.#disarm.set(jobId, disarm)
  }

  /** Calls off the turns of all others. */
  keep(isWanted: (jobId: string) => boolean): void {
    for (const [jobId, disarm] of this.#disarm) {
      if (isWanted(jobId)) continue
      disarm()
      this.#disarm.delete(jobId)
    }
  }

  clear(): void {
    this.keep(() => false)
  }
}
