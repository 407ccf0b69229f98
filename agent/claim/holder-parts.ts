import { MeshError } from '../../protocol/core/errors.ts'
import type { JobState } from '../../protocol/core/job.ts'
import { type JobSpec, type SealedAnnouncement, secretNamesOf } from '../../protocol/core/run.ts'
import { readSourceAccess, SOURCE_ACCESS } from '../../protocol/core/source-access.ts'
import type {
  AttemptProgress,
  AttemptRecord,
  AttemptStore
} from '../../protocol/store/attempt-store.ts'
import type { AttemptInput, AttemptResult } from '../execute/attempt.ts'
import type { DeadlineFile } from '../execute/deadline-file.ts'
import type { LeasedGpu } from '../execute/gpu/leased-gpu.ts'
import type { OwnedClaims } from '../execute/reaping.ts'
import type { Survivor } from '../execute/survivors.ts'
import type { AttemptLogs } from '../logs/attempt-logs.ts'
import type { SecretClient, SecretOrder } from '../secrets/secret-client.ts'
import type { EndingParts } from './ending.ts'
import type { Renewer } from './renewer.ts'

/** Runs attempts; `Executor` is the real one. */
export interface AttemptRunner {
  containerName(jobId: string): string
  run(input: AttemptInput): Promise<AttemptResult>
  /** Resolves once no container of this claim is left. Throws SANDBOX_FAILED. */
  clear(claimId: string): Promise<void>
  /** Removes what no attempt under way and no claim of `owned` has, and gives the containers. */
  reap(owned: OwnedClaims): Promise<readonly string[]>
  reapTrials(): Promise<readonly string[]>
  /** Containers that processes before this one have made. */
  survivors(): Promise<readonly Survivor[]>
  /** Rejects while this host cannot be expected to run anything. */
  check(): Promise<void>
}

export interface HolderParts extends EndingParts {
  readonly renewer: Renewer
  readonly executor: AttemptRunner
  readonly attempts: AttemptStore
  /** Makes the folder that the guard of this attempt reads. */
  openDeadline(jobId: string, claimId: string): Promise<DeadlineFile>
  readonly logs: Pick<AttemptLogs, 'open' | 'resume'>
  readonly secrets: Pick<SecretClient, 'release'>
}

/** A claim that was won. */
export interface WonClaim {
  readonly jobId: string
  readonly spec: JobSpec
  readonly sealed: SealedAnnouncement
  readonly state: JobState
  readonly claimId: string
  /** What it has of this host's GPUs; absent is none. */
  readonly gpus?: readonly LeasedGpu[] | undefined
  /**
   * Boot clock at the start of the first try of the claim, or of the adoption: witnesses may count
   * from then on.
   */
  readonly startedAtMs: number
  /** Set where the lease was adopted: how far a process before this one had come. */
  readonly progress?: AttemptProgress | undefined
  /** Set where that process had told its steps to end. */
  readonly told?: AttemptRecord['told']
}

/** True where the job was cancelled before this process took it on. */
export function isCancelled({ told, state }: WonClaim): boolean {
  return told === 'cancelled' || state.cancel !== undefined
}

/** What its gateway is asked for while the attempt is under way. */
export function releasesOf(
  { secrets }: Pick<HolderParts, 'secrets'>,
  won: WonClaim
): Required<Pick<AttemptInput, 'releaseSecrets' | 'releaseSource'>> {
  const order = orderOf(won)
  return {
    releaseSecrets: (signal) => secrets.release(order, signal),
    releaseSource: async (signal) => {
      const wanted = { ...order, names: [SOURCE_ACCESS], goesOn: false }
      const [released] = await secrets.release(wanted, signal)
      const access = released && readSourceAccess(released.value)
      released?.value.fill(0)
      if (access !== undefined) return access
      const facts = { gateway: order.gateway, cause: 'what it gave for the source is no access' }
      throw new MeshError('SECRETS_UNAVAILABLE', facts)
    }
  }
}

function orderOf({ jobId, claimId, spec, sealed, state, progress }: WonClaim): SecretOrder {
  const { gateway } = sealed.announcement
  const names = secretNamesOf(spec)
  // Of others the gateway has the values in its store, and gives them as often as it is asked.
  const goesOn = spec.runner !== undefined && progress !== undefined
  return { gateway, job: jobId, epoch: state.epoch, claimId, names, goesOn }
}
