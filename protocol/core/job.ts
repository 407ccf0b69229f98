import type { GpuUseSummary } from './gpu-use.ts'

/**
 * `leased` covers what users see as running: the stage travels with renewals and is never durable.
 */
export type JobPhase =
  | 'queued'
  | 'leased'
  | 'succeeded'
  | 'failed'
  | 'errored'
  | 'cancelled'
  | 'skipped'
  /** A stop-sign: the job lives on in the register of another witness epoch (4.12.12). */
  | 'moved'

export type OutcomeState = 'succeeded' | 'failed' | 'errored' | 'cancelled'

/** Why a job is where it is; `failed` reasons are theirs, `errored` reasons are ours. */
export type Reason =
  | 'completed'
  | 'exit_code'
  | 'timed_out'
  | 'oom_killed'
  | 'disk_limit'
  | 'agent_lost'
  | 'image_unavailable'
  | 'step_not_started'
  | 'service_not_ready'
  | 'source_unavailable'
  | 'sandbox_failed'
  | 'policy_refused'
  | 'never_matched'
  | 'cancelled'
  | 'drained'
  | 'lease_lost'
  | 'log_limit'
  /** What it wrote for the jobs that need it cannot be read. */
  | 'outputs_invalid'
  /** Lost on two hosts: the job itself may be what ends them. */
  | 'quarantined'

export interface Lease {
  /** Peer id of the agent that may run the attempt. */
  readonly holder: string
  /** 32 hex digits, fresh for every claim. */
  readonly claimId: string
  /** Boot nonce of the holder's process, 16 hex digits. */
  readonly boot: string
  readonly leaseMs: number
  /** The last restart of its holder under this claim; undefined before the first. */
  readonly adoption?: Adoption | undefined
}

/**
 * A restarted holder has taken its own lease on under a new boot nonce, and signed that: the boot
 * of a lease is believed without the value before it.
 */
export interface Adoption {
  /** 1 for the first one of a claim: an earlier one can never be played again over a later one. */
  readonly number: number
  readonly opId: string
  readonly sig: string
}

export interface StepResult {
  readonly name: string
  readonly state: 'succeeded' | 'failed' | 'timed_out' | 'not_run'
  readonly exitCode: number | undefined
  readonly durationMs: number
}

export interface Outcome {
  readonly epoch: number
  readonly state: OutcomeState
  readonly reason: Reason
  readonly exitCode: number | undefined
  /** For the person who reads it: what happened and the way out; at most MESSAGE_BYTES_MAX. */
  readonly message: string
  readonly steps: readonly StepResult[]
  readonly durationMs: number
  /** SHA-256 over the log's text as sent, 64 hex digits; '' where nothing was logged. */
  readonly logDigest: string
  readonly logLines: number
  /** What the jobs that need it get: at most OUTPUTS_MAX, OUTPUTS_BYTES_MAX; absent is none. */
  readonly outputs?: Readonly<Record<string, string>> | undefined
  /** What it took of its GPUs; absent where it had none. */
  readonly gpuUse?: GpuUseSummary | undefined
}

/** How one earlier lease ended; `sig` lets an acceptor that missed the end believe it. */
export interface HistoryEntry {
  readonly epoch: number
  readonly holder: string
  readonly claimId: string
  readonly end: 'expired' | 'released' | 'completed'
  /** The holder's own end: id, digest of the arguments and signature of its op; '' when expired. */
  readonly opId: string
  readonly argsHash: string
  readonly sig: string
}

/** What an order to cancel says. */
export interface CancelTerms {
  readonly reason: string
  /** Of the steps, between SIGTERM and SIGKILL; absent, the holder's own TERM_GRACE_MS. */
  readonly graceMs?: number | undefined
}

/** That order once it is chosen. */
export interface Cancellation extends CancelTerms {
  readonly by: string
}

export type JobOpBody =
  | {
      readonly kind: 'create'
      readonly annHash: string
      readonly attemptsMax: number
      /** Of its announcement's spec; absent is none. */
      readonly retriesMax?: number | undefined
    }
  | {
      readonly kind: 'claim'
      readonly claimId: string
      readonly boot: string
      readonly leaseMs: number
    }
  | {
      readonly kind: 'complete'
      readonly epoch: number
      readonly claimId: string
      readonly outcome: Outcome
    }
  | {
      readonly kind: 'release'
      readonly epoch: number
      readonly claimId: string
      readonly reason: Reason
      /** False gives the attempt back: nothing of the job's own ran (4.12.15). */
      readonly userCodeRan: boolean
    }
  | {
      readonly kind: 'adopt'
      readonly epoch: number
      readonly claimId: string
      /** Of the process that takes the lease on. */
      readonly boot: string
      readonly number: number
    }
  /** Changes nothing but the version: witnesses that lag or are fenced begin the lease anew. */
  | {
      readonly kind: 'reaffirm'
      readonly epoch: number
      readonly claimId: string
      readonly boot: string
    }
  | ({ readonly kind: 'cancel' } & CancelTerms)
  | { readonly kind: 'error'; readonly reason: Reason; readonly message: string }
  /** Of a job that nobody has claimed: it is not to run at all. */
  | { readonly kind: 'skip'; readonly reason: string }
  /** To the witnesses of this later epoch. */
  | { readonly kind: 'move'; readonly witnessEpoch: number; readonly reason: string }

export interface OpIdentity {
  /** 32 hex digits. The same for every retry of one intent, so that it is applied once. */
  readonly opId: string
  /** Peer id of the member who wants this change. */
  readonly actor: string
}

export interface SignedOp<Body> extends OpIdentity {
  readonly body: Body
  /** SHA-256 of the body's wire bytes; what `sig` covers besides register, kind, opId and actor. */
  readonly argsHash: string
  /**
   * The actor's Ed25519 signature, as hex: 64 bytes over this op, or up to 257 over several.
   * Checked in wire before core sees the op.
   */
  readonly sig: string
}

export type JobOp = SignedOp<JobOpBody>

export interface JobState {
  readonly kind: 'job'
  /** `runId.index`. */
  readonly register: string
  readonly version: number
  /** Digest of the value this one was made from; '' for the first. */
  readonly prevHash: string
  readonly annHash: string
  readonly phase: JobPhase
  /** The fencing token: 0 before the first claim, one higher for every new lease. */
  readonly epoch: number
  /** Leases that were lost, and the one there is; those that ended in a failure are in `retries`. */
  readonly attempts: number
  readonly attemptsMax: number
  /** Attempts besides that a job gets whose own commands fail; absent is none. */
  readonly retriesMax?: number | undefined
  /** Of those, how many it has had. */
  readonly retries?: number | undefined
  readonly lease: Lease | undefined
  readonly cancel: Cancellation | undefined
  readonly outcome: Outcome | undefined
  /** In phase `moved` only, where all else is as it was: that is the snapshot. */
  readonly moved?: { readonly witnessEpoch: number } | undefined
  /** Oldest first, at most HISTORY_ENTRIES_MAX. */
  readonly history: readonly HistoryEntry[]
  /** Oldest first, at most LAST_OPS_MAX. */
  readonly lastOps: readonly OpIdentity[]
  /** The signed op that made this version. */
  readonly op: JobOp
}

/** True for a phase in which a register takes no op any more. */
export function isTerminal(phase: JobPhase): boolean {
  return phase !== 'queued' && phase !== 'leased'
}
