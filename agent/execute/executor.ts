import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { AttemptInput, AttemptResult } from './attempt.ts'
import type { Engine } from './engine.ts'

export interface ExecutorParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
}

export interface ExecutorOptions {
  readonly peerId: string
  readonly storeId: string
  /** Where sources are laid out on the host, and the guard and busybox of the sandboxes are kept. */
  readonly workspaces: string
  /** Path of a static busybox. */
  readonly busybox: string
}

/** Runs attempts in containers of this agent's own. */
export class Executor {
  constructor(_parts: ExecutorParts, _options: ExecutorOptions) {}

  /** Once, before the first attempt: lays the guard and busybox where containers mount them from. */
  async start(): Promise<void> {}

  /** `runner-mesh-<jobId>-<first 8 hex of SHA-256(peerId)>` */
  containerName(jobId: string): string {
    return jobId
  }

  /** Rejects only with SANDBOX_FAILED: something could not be confirmed gone. */
  run(_input: AttemptInput): Promise<AttemptResult> {
    throw new Error('soon')
  }

  /** Removes this agent's containers and volumes that are neither in `keep` nor running here. */
  reap(_keep: ReadonlySet<string>): Promise<string[]> {
    throw new Error('soon')
  }
}
