import { Claimer } from '../../agent/claim/claimer.ts'
import type { AttemptRunner } from '../../agent/claim/holder.ts'
import { Renewer } from '../../agent/claim/renewer.ts'
import type { AttemptInput, AttemptResult } from '../../agent/execute/attempt.ts'
import type { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import type { AttemptLog } from '../../agent/logs/attempt-log.ts'
import type { JobSpec, SealedAnnouncement } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { AttemptRecord, AttemptStore } from '../../protocol/store/attempt-store.ts'
import type { FakeClock } from './fake-clock.ts'
import type { OneRegister } from './one-register.ts'
import { plainDigest } from './plain-digest.ts'

export const GIB = 2 ** 30

/** Runs of attempts under the test's control: each stays open until the test ends it. */
export class OpenAttempts implements AttemptRunner {
  readonly inputs: AttemptInput[] = []
  readonly reaped: ReadonlySet<string>[] = []
  readonly #ends: ((result: AttemptResult) => void)[] = []

  containerName(jobId: string): string {
    return `container-${jobId}`
  }

  run(input: AttemptInput): Promise<AttemptResult> {
    this.inputs.push(input)
    return new Promise((resolve) => {
      this.#ends.push(resolve)
      input.signal.addEventListener('abort', () => {
        const message = String(input.signal.reason)
        resolve({ kind: 'interrupted', reason: 'drained', userCodeRan: false, message })
      })
    })
  }

  async reap(keep: ReadonlySet<string>): Promise<readonly string[]> {
    this.reaped.push(keep)
    return []
  }

  end(index: number, state: 'succeeded' | 'failed' = 'succeeded'): void {
    const reason = state === 'succeeded' ? 'completed' : 'exit_code'
    const exitCode = state === 'succeeded' ? 0 : 1
    const outcome = { state, reason, exitCode, message: '', steps: [], durationMs: 5 } as const
    this.#ends[index]?.({ kind: 'outcome', outcome })
  }
}

/** Records in memory, with the order of their writes. */
export class MemoryAttempts implements AttemptStore {
  readonly written: AttemptRecord[] = []
  readonly #records = new Map<string, AttemptRecord>()

  async put(record: AttemptRecord): Promise<void> {
    this.written.push(record)
    this.#records.set(record.register, record)
  }

  async remove(register: string): Promise<void> {
    this.#records.delete(register)
  }

  async all(): Promise<AttemptRecord[]> {
    return [...this.#records.values()]
  }
}

export interface ClaimBench {
  readonly claimer: Claimer
  readonly attempts: OpenAttempts
  readonly records: MemoryAttempts
  order: { mayClaim: boolean }
  readonly changes: string[]
}

/** One agent's claim room on a fake clock. */
export function claimBench(
  mesh: OneRegister,
  clock: FakeClock,
  options: { readonly peerId: string; readonly jobs?: number; readonly boot?: string }
): ClaimBench {
  const attempts = new OpenAttempts()
  const records = new MemoryAttempts()
  const changes: string[] = []
  const order = { mayClaim: true }
  const registers = mesh.member(options.peerId, options.boot ?? '0123456789abcdef', clock)
  const log = silentLog()
  let ids = 0
  const claimer = new Claimer({
    registers,
    clock,
    random: {
      next: () => 0.5,
      id: (bytes) => {
        ids += 1
        return `${options.peerId.length}${ids}`.padStart(bytes * 2, '0')
      }
    },
    digest: plainDigest(),
    log,
    renewer: new Renewer({ registers, clock, log }),
    executor: attempts,
    attempts: records,
    openDeadline: async () => quietDeadline(),
    offer: {
      platforms: [{ name: 'linux/amd64', native: true }],
      labels: {},
      capacity: { cpuMilli: 4_000, memoryBytes: 4 * GIB, jobs: options.jobs ?? 2 }
    },
    openLog: () => quietLog(),
    mayClaim: () => order.mayClaim,
    onHeld: (change) => changes.push(`${change.kind} ${change.jobId}`)
  })
  return { claimer, attempts, records, order, changes }
}

// The files themselves are the engine suite's: real ones would take real time while fake time runs.
function quietDeadline(): DeadlineFile {
  const nothing = async (): Promise<void> => undefined
  return { dir: '/nowhere', write: nothing, remove: nothing } as unknown as DeadlineFile
}

function quietLog(): AttemptLog {
  const close = async () => ({ lines: 0, digest: '' })
  return { write: () => undefined, close } as unknown as AttemptLog
}

export function runWith(runId: string, jobs: number): SealedAnnouncement {
  const spec = (index: number): JobSpec => ({
    index,
    name: `job-${index}`,
    image: 'x',
    platform: undefined,
    resources: { cpuMilli: 1_000, memoryBytes: GIB },
    labels: {},
    env: {},
    timeoutMs: 60_000,
    onLoss: 'retry',
    network: 'none',
    steps: [{ name: 'run', run: 'true', timeoutMs: undefined }]
  })
  return {
    annHash: 'a'.repeat(64),
    bytes: new Uint8Array(),
    announcement: {
      runId,
      witnessEpoch: 1,
      gateway: 'gateway',
      gwSeq: 1,
      issuedAtMs: 0,
      notAfterMs: 1e15,
      floor: 0,
      manifest: {
        origin: {
          forgeHost: 'h',
          repositoryId: 'r',
          event: 'push',
          ref: 'refs/heads/main',
          commit: 'c'.repeat(40),
          number: '',
          action: '',
          rerunNonce: ''
        },
        repository: 'team',
        url: 'git://h/r.git',
        before: '',
        pusher: 'p',
        title: 't',
        jobs: Array.from({ length: jobs }, (_, index) => spec(index)),
        error: undefined
      }
    }
  }
}
