import type { ClaimEvent } from '../../agent/claim/claim-event.ts'
import { Claimer } from '../../agent/claim/claimer.ts'
import type { AttemptRunner } from '../../agent/claim/holder-parts.ts'
import { Renewer } from '../../agent/claim/renewer.ts'
import type { AttemptInput, AttemptResult } from '../../agent/execute/attempt.ts'
import type { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import type { OwnedClaims } from '../../agent/execute/reaping.ts'
import type { Survivor } from '../../agent/execute/survivors.ts'
import type { AttemptLog } from '../../agent/logs/attempt-log.ts'
import type { GpuDevice } from '../../agent/probe/gpu/gpu-device.ts'
import type { GpuTerms } from '../../protocol/core/gpu-terms.ts'
import type { HostPolicy } from '../../protocol/core/host-policy.ts'
import type { ImagePlatforms } from '../../protocol/core/images-lacking.ts'
import type { IsolationLevel } from '../../protocol/core/isolation.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Offer } from '../../protocol/core/requirements.ts'
import type { JobSpec, Manifest, SealedAnnouncement } from '../../protocol/core/run.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { AttemptRecord, AttemptStore } from '../../protocol/store/attempt-store.ts'
import type { FakeClock } from './fake-clock.ts'
import type { OneRegister } from './one-register.ts'
import { plainDigest } from './plain-digest.ts'

export const GIB = 2 ** 30

type Interrupted = Extract<AttemptResult, { kind: 'interrupted' }>

/** Runs of attempts under the test's control: each stays open until the test ends it. */
export class OpenAttempts implements AttemptRunner {
  readonly inputs: AttemptInput[] = []
  /** Claims owned by somebody, as each reaping was told when it asked. */
  readonly reaped: ReadonlySet<string>[] = []
  /** Claims whose container was to be confirmed gone. */
  readonly cleared: string[] = []
  checks = 0
  trialsReaped = 0
  /** Set: what the engine answers when it is asked to remove a container, or how it is. */
  trouble: Error | undefined
  /** Set: an attempt that is aborted goes on, as steps do in their grace. */
  lingers = false
  readonly #ends: ((result: AttemptResult) => void)[] = []

  containerName(jobId: string): string {
    return `container-${jobId}`
  }

  run(input: AttemptInput): Promise<AttemptResult> {
    this.inputs.push(input)
    return new Promise((resolve) => {
      this.#ends.push(resolve)
      input.signal.addEventListener('abort', () => {
        if (this.lingers) return
        const message = String(input.signal.reason)
        resolve({ kind: 'interrupted', reason: 'drained', userCodeRan: false, message })
      })
    })
  }

  async clear(claimId: string): Promise<void> {
    this.cleared.push(claimId)
    if (this.trouble !== undefined) throw this.trouble
  }

  async reap(owned: OwnedClaims): Promise<readonly string[]> {
    this.reaped.push(await owned())
    if (this.trouble !== undefined) throw this.trouble
    return []
  }

  async reapTrials(): Promise<readonly string[]> {
    this.trialsReaped += 1
    if (this.trouble !== undefined) throw this.trouble
    return []
  }

  found: readonly Survivor[] = []

  async survivors(): Promise<readonly Survivor[]> {
    return this.found
  }

  async check(): Promise<void> {
    this.checks += 1
    if (this.trouble !== undefined) throw this.trouble
  }

  end(index: number, state: 'succeeded' | 'failed' = 'succeeded', left?: Error): void {
    const reason = state === 'succeeded' ? 'completed' : 'exit_code'
    const exitCode = state === 'succeeded' ? 0 : 1
    const outcome = { state, reason, exitCode, message: '', steps: [], durationMs: 5 } as const
    this.#ends[index]?.({ kind: 'outcome', outcome, left })
  }

  interrupt(index: number, how: Partial<Interrupted> = {}): void {
    const common = { reason: 'sandbox_failed', userCodeRan: false, message: 'the cause' } as const
    this.#ends[index]?.({ kind: 'interrupted', ...common, ...how })
  }
}

/** What the guard of one attempt would have read, and when it was written. */
export class RecordingDeadline {
  readonly dir = '/nowhere'
  readonly written: { readonly deadlineMs: number; readonly atMs: number }[] = []
  removals = 0
  readonly #clock: Clock
  readonly #removal: () => Promise<void>

  constructor(clock: Clock, removal: () => Promise<void>) {
    this.#clock = clock
    this.#removal = removal
  }

  async write(deadlineMs: number): Promise<void> {
    this.written.push({ deadlineMs, atMs: this.#clock.bootMs() })
  }

  async remove(): Promise<void> {
    this.removals += 1
    await this.#removal()
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

  /** What a process that is killed now leaves on the disk, whatever the bench does to end it. */
  left(): MemoryAttempts {
    const copy = new MemoryAttempts()
    for (const [register, record] of this.#records) copy.#records.set(register, record)
    return copy
  }
}

export interface ClaimBench {
  readonly claimer: Claimer
  readonly offer: Offer
  readonly attempts: OpenAttempts
  readonly records: MemoryAttempts
  /** One an attempt, in the order in which they were opened. */
  readonly deadlines: RecordingDeadline[]
  /** Set: what happens to lease folders. */
  readonly folders: { openTrouble: Error | undefined; removeTrouble: Error | undefined }
  order: { mayClaim: boolean; isOpen: boolean; policy: HostPolicy | undefined }
  readonly changes: string[]
  /** `found` is what a look at registries finds, `lacking` what looks have found. */
  readonly images: { found: readonly ImagePlatforms[]; lacking: readonly ImagePlatforms[] }
  /** What was told to whoever counts. */
  readonly events: ClaimEvent[]
  readonly gpus: { devices: readonly GpuDevice[]; terms: GpuTerms | undefined }
}

/** One agent's claim room on a fake clock. */
export function claimBench(
  mesh: OneRegister,
  clock: FakeClock,
  options: {
    readonly peerId: string
    readonly jobs?: number
    readonly requireIsolation?: IsolationLevel
    readonly policy?: HostPolicy
    readonly boot?: string
    /** Those of the process before. */
    readonly records?: MemoryAttempts
  }
): ClaimBench {
  const attempts = new OpenAttempts()
  const records = options.records ?? new MemoryAttempts()
  const changes: string[] = []
  const events: ClaimEvent[] = []
  const deadlines: RecordingDeadline[] = []
  const folders: ClaimBench['folders'] = { openTrouble: undefined, removeTrouble: undefined }
  const order: ClaimBench['order'] = { mayClaim: true, isOpen: true, policy: options.policy }
  const images: ClaimBench['images'] = { found: [], lacking: [] }
  const gpus: ClaimBench['gpus'] = { devices: [], terms: undefined }
  const registers = mesh.member(options.peerId, options.boot ?? '0123456789abcdef', clock)
  const log = silentLog()
  const offer: Offer = {
    platforms: [{ name: 'linux/amd64', native: true }],
    networks: [],
    labels: {},
    isolation: { offered: 'runc', required: options.requireIsolation },
    get policy() {
      return order.policy
    },
    get imagesLacking() {
      return images.lacking
    },
    get gpus() {
      return gpus.devices
    },
    get gpuTerms() {
      return gpus.terms
    },
    capacity: {
      cpuMilli: 4_000,
      memoryBytes: 4 * GIB,
      diskBytes: 40 * GIB,
      jobs: options.jobs ?? 2
    }
  }
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
    // The files themselves are the engine suite's: real ones would take real time.
    secrets: { release: async () => [] },
    openDeadline: async () => {
      if (folders.openTrouble !== undefined) throw folders.openTrouble
      const deadline = new RecordingDeadline(clock, async () => {
        if (folders.removeTrouble !== undefined) throw folders.removeTrouble
      })
      deadlines.push(deadline)
      return deadline as unknown as DeadlineFile
    },
    offer,
    logs: { open: () => quietLog(), resume: async () => ({ log: quietLog(), lines: () => 0 }) },
    gpus: () => gpus.devices,
    learnImages: async () => {
      images.lacking = images.found
    },
    mayClaim: () => order.mayClaim,
    isOpen: () => order.isOpen,
    onRoom: () => changes.push('room'),
    onHeld: (change) => changes.push(`${change.kind} ${change.jobId}`),
    onEvent: (event) => events.push(event)
  })
  const seen = { changes, events, images, gpus }
  return { claimer, offer, attempts, records, deadlines, folders, order, ...seen }
}

/** Its process is killed: it neither renews nor gives anything back. */
export async function killBench(
  mesh: OneRegister,
  clock: FakeClock,
  dead: ClaimBench
): Promise<void> {
  dead.order.mayClaim = false
  mesh.renewable = false
  mesh.changeable = false
  dead.claimer.quit()
  await clock.advance(0)
  mesh.renewable = true
  mesh.changeable = true
}

function quietLog(): AttemptLog {
  const close = async () => ({ lines: 0, digest: '' })
  const flushed = () => Promise.resolve()
  return { write: () => undefined, flushed, close } as unknown as AttemptLog
}

export function runWith(
  runId: string,
  jobs: number,
  trust: Manifest['trust'] = 'trusted'
): SealedAnnouncement {
  const spec = (index: number): JobSpec => ({
    index,
    name: `job-${index}`,
    image: 'x',
    platform: undefined,
    emulation: 'allow',
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
        error: undefined,
        trust
      }
    }
  }
}
