import { EXEC_LEASE_MS, EXEC_RENEW_MS } from '../../protocol/core/exec-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { DeadlineFile } from '../execute/deadline-file.ts'

/** A deadline that is set anew for as long as this process lives: it takes the place of a lease. */
export class ExecLease {
  readonly file: DeadlineFile
  readonly #clock: Clock
  #deadlineMs = 0
  #disarm: () => void = () => undefined
  #stopped = false

  private constructor(file: DeadlineFile, clock: Clock) {
    this.file = file
    this.#clock = clock
  }

  static async begin(
    leases: string,
    jobId: string,
    claimId: string,
    clock: Clock
  ): Promise<ExecLease> {
    const lease = new ExecLease(await DeadlineFile.create(leases, jobId, claimId, clock), clock)
    await lease.#renew()
    return lease
  }

  /** Boot clock. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  stop(): void {
    this.#stopped = true
    this.#disarm()
  }

  async #renew(): Promise<void> {
    const deadlineMs = this.#clock.bootMs() + EXEC_LEASE_MS
    // One that could not be written is not believed: what is there holds, and ends the container.
    await this.file.write(deadlineMs)
    this.#deadlineMs = deadlineMs
    this.#again()
  }

  #again(): void {
    if (this.#stopped) return
    this.#disarm = this.#clock.arm(EXEC_RENEW_MS, () => {
      this.#renew().catch(() => this.#again())
    })
  }
}
