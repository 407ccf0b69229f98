import type { Ballot } from './ballot.ts'
import type { JobOp, JobOpBody } from './job.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterValue,
  SyncItem
} from './messages.ts'
import type { RunOp, RunOpBody } from './run.ts'

export interface Clock {
  /** CLOCK_BOOTTIME in milliseconds: counts suspend, never set back. The only clock of a lease. */
  bootMs(): number
  /**
   * Wall clock, for display, expiry dates and logs; never compared between machines for a lease.
   */
  wallMs(): number
  /** Runs `task` once after `afterMs`; the returned function cancels it. */
  arm(afterMs: number, task: () => void): () => void
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `bytes` random bytes as lower-case hex, from a source that cannot be guessed. */
  id(bytes: number): string
}

export interface Digest {
  /** SHA-256 of the value's wire bytes as first proposed, 64 hex digits. */
  hash(value: RegisterValue): string
  /** SHA-256 of the text's UTF-8 bytes, 64 hex digits. */
  text(text: string): string
}

/** Signs ops; those that are asked for in one tick may share a signature. */
export interface OpSigner {
  readonly peerId: string
  jobOp(register: string, opId: string, body: JobOpBody): JobOp | Promise<JobOp>
  runOp(register: string, opId: string, body: RunOpBody): RunOp | Promise<RunOp>
}

/** Signs what this process says; verifying needs no key of ours. */
export interface Signer extends OpSigner {
  jobOp(register: string, opId: string, body: JobOpBody): JobOp
  runOp(register: string, opId: string, body: RunOpBody): RunOp
  proposal(register: string, witnessEpoch: number, ballot: Ballot, valueHash: string): string
}

export interface Verifier {
  /**
   * True when the op of `value` and every ended lease in its history carry their actor's signature.
   */
  value(value: RegisterValue): boolean
  /** True when `accepted.ballot.peer` signed (register, witnessEpoch, ballot, hash of value). */
  proposal(register: string, witnessEpoch: number, accepted: Accepted): boolean
}

export interface RequestOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Authenticated requests to members. Rejects with PEER_UNREACHABLE or REQUEST_TIMED_OUT. */
export interface Transport {
  readonly peerId: string
  request(peer: string, message: RegisterRequest, options: RequestOptions): Promise<RegisterReply>
}

/** Where a witness keeps one register under one witness epoch. */
export interface RecordKey {
  readonly register: string
  readonly witnessEpoch: number
}

/** What an acceptor must never forget; written before any reply that shows it. */
export interface AcceptorRecord {
  readonly promised: Ballot
  readonly accepted: Accepted | undefined
}

export interface WitnessWrite {
  readonly key: RecordKey
  readonly record: AcceptorRecord
  /** Announcement bytes to store in the same batch, with the first accept of a run. */
  readonly announcement: { readonly annHash: string; readonly bytes: Uint8Array } | undefined
}

export interface SyncPage {
  readonly items: readonly SyncItem[]
  readonly next: number
  readonly more: boolean
}

/**
 * The durable side of a witness. Every failed write or sync is final: the store refuses all further
 * writes with STORE_FAILED and calls its owner's `onFailure` once (rule D6).
 */
export interface WitnessStore {
  readonly storeId: string
  load(key: RecordKey): Promise<AcceptorRecord | undefined>
  /**
   * Resolves with the sequence of the synced batch that holds `write`; group commit, in call order.
   */
  save(write: WitnessWrite): Promise<number>
  /** Resolves once all handed in so far is synced: a reply that shows it may then leave (I10). */
  barrier(): Promise<number>
  /** Registers that changed after `sinceSeq`, in order of their last change; each appears once. */
  changes(sinceSeq: number, limit: number, openOnly: boolean): Promise<SyncPage>
  announcement(annHash: string): Promise<Uint8Array | undefined>
}
