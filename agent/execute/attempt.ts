import type { Outcome, Reason } from '../../protocol/core/job.ts'
import type { Stage } from '../../protocol/core/messages.ts'
import type { JobSpec, Manifest } from '../../protocol/core/run.ts'
import type { SourceAccess } from '../../protocol/core/source-access.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import type { SecretValue } from './attempt-secrets.ts'
import type { DeadlineFile } from './deadline-file.ts'
import type { LeasedGpu } from './gpu/leased-gpu.ts'

/** What is timed: each once, in milliseconds; `first_line` counts from the first step's exec. */
export type PhaseName =
  | 'image'
  | 'checkout'
  | 'create'
  | 'start'
  | 'source'
  | 'services'
  | 'first_line'

export type LogStream = 'out' | 'err' | 'mesh'

/** One attempt of one job, as its holder hands it to the executor. */
export interface AttemptInput {
  /** `runId.index` */
  readonly jobId: string
  readonly runId: string
  /** The fencing token of the lease. */
  readonly epoch: number
  readonly claimId: string
  /** From 1. */
  readonly attempt: number
  /** Times that holders, this agent's earlier ones too, have given the job back. */
  readonly givenBack: number
  readonly witnessEpoch: number
  readonly manifest: Manifest
  readonly spec: JobSpec
  /** What the lease has of this host's GPUs; absent is none. */
  readonly gpus?: readonly LeasedGpu[] | undefined
  /** Written by the holder before `run` is called; removed by the executor at the end. */
  readonly deadline: DeadlineFile
  /** The current deadline on the boot clock. */
  readonly deadlineMs: () => number
  /**
   * Ends the attempt. Reason LEASE_LOST kills at once; 'cancelled' and 'drained' give the steps a
   * grace after SIGTERM. NETWORK_UNENFORCED kills at once, and is a fault of this host's.
   */
  readonly signal: AbortSignal
  /** That grace, once `signal` is aborted; where it is undefined, TERM_GRACE_MS. */
  readonly graceMs?: (() => number | undefined) | undefined
  /** Aborted where nothing may be waited for any more: a grace is over with it. */
  readonly kill?: AbortSignal | undefined
  /** Aborted when the lease nears its end: the steps get SIGTERM and the attempt no outcome. */
  readonly terminate?: AbortSignal | undefined
  readonly onStage: (stage: Stage) => void
  readonly onPhase: (phase: PhaseName, ms: number) => void
  /**
   * Awaited before each step's exec: the holder makes durable that user code may run, how far it
   * has come, and what it has logged so far.
   */
  readonly onStep: (progress: AttemptProgress) => Promise<void>
  /** Variables of the jobs that this one needs; absent is none. */
  readonly needed?: Readonly<Record<string, string>> | undefined
  /** Set where an agent before this one began the attempt, and its container still runs. */
  readonly resume?: Resume | undefined
  /**
   * The values of the secrets that `spec` names: asked for once an attempt, and never written down.
   * Rejects with SECRET_REFUSED, SECRETS_UNAVAILABLE, or the signal's reason.
   */
  readonly releaseSecrets: (signal: AbortSignal) => Promise<readonly SecretValue[]>
  /**
   * By what the source is fetched where its server wants to know who asks; absent where there is no
   * gateway. Rejects as `releaseSecrets` does.
   */
  readonly releaseSource?: ((signal: AbortSignal) => Promise<SourceAccess>) | undefined
  /** One line without its end; step 0 and stream `mesh` are the mesh's own words. */
  readonly log: (step: number, stream: LogStream, text: string) => void
}

export interface Resume {
  readonly progress: AttemptProgress
  /** Lines of the step that runs which the log has: what it wrote is read again from the start. */
  readonly logged: Readonly<Record<'out' | 'err', number>>
}

export type AttemptOutcome = Omit<Outcome, 'epoch' | 'logDigest' | 'logLines'>

/**
 * Trouble of ours, and how far it reaches: `host` where this host cannot be expected to run the
 * next job either, `job` where only what this one needs could not be had.
 */
export type Fault = 'host' | 'job'

/** Container, volume, workspace and lease folder are gone, but for what `left` tells of. */
export type AttemptResult =
  | {
      readonly kind: 'outcome'
      readonly outcome: AttemptOutcome
      readonly left?: Error | undefined
    }
  | {
      readonly kind: 'interrupted'
      readonly reason: Reason
      readonly userCodeRan: boolean
      readonly message: string
      readonly fault?: Fault | undefined
      readonly left?: Error | undefined
    }
