import type { Ballot } from './ballot.ts'
import type { JobOp, JobOpBody, JobPhase } from './job.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterValue,
  SyncItem
} from './messages.ts'
import type { RunOp, RunOpBody, RunState } from './run.ts'

export interface Clock {
  /** CLOCK_BOOTTIME in milliseconds: counts suspend, never set back. The only clock of a lease. */
  bootMs(): number
  /**
   * Milliseconds since some start, never set back, and cheap to read; stands still in suspend. For
   * how much a peer may ask: nothing of a lease.
   */
  monotonicMs(): number
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

export interface Digest extends TextDigest {
  /** SHA-256 of the value's wire bytes as first proposed, 64 hex digits. */
  hash(value: RegisterValue): string
}

export interface TextDigest {
  /** SHA-256 of the text's UTF-8 bytes, 64 hex digits. */
  text(text: string): string
}

/** Signs ops; those that are asked for in one tick may share a signature. */
export interface OpSigner {
  readonly peerId: string
  jobOp(register: string, opId: string, body: JobOpBody): JobOp | Promise<JobOp>
  runOp(register: string, opId: string, body: RunOpBody): RunOp | Promise<RunOp>
}

/** Signs all that this process says; so may what is asked for of it in one tick. */
export interface SharingSigner extends OpSigner {
  /** Hex digits, over (register, witnessEpoch, ballot, hash of value). */
  proposal(
    register: string,
    witnessEpoch: number,
    ballot: Ballot,
    valueHash: string
  ): string | Promise<string>
}

/** Signs each by itself, at once; verifying needs no key of ours. */
export interface Signer extends SharingSigner {
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

/** One register that a witness holds, as its store has it synced. */
export interface HeldRegister extends RecordKey {
  /** Undefined while nothing is accepted. */
  readonly phase: JobPhase | RunState['phase'] | undefined
  /** '' while nothing is accepted, and where it is superseded. */
  readonly annHash: string
}

export interface HeldRuns {
  /** Registers of each run, of all witness epochs. */
  readonly runs: readonly (readonly HeldRegister[])[]
  /** The run to go on after; undefined at the end. */
  readonly next: string | undefined
}

/** What goes at once, and is answered `gone` from then on. */
export interface WitnessDrop {
  /** With a record or without: each gets a tombstone. */
  readonly keys: readonly RecordKey[]
  /** Announcements that go with them. */
  readonly annHashes: readonly string[]
  /** Wall clock, milliseconds. */
  readonly wallMs: number
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
  /** Floors of all gateways, as synced. */
  floors(): Promise<ReadonlyMap<string, number>>
  /**
   * Resolves once the gateway's floor is synced at `gwSeq` or higher: it never goes back. Before
   * any drop that rests on it (D4).
   */
  raiseFloor(gateway: string, gwSeq: number): Promise<number>
  /** Whole runs in order of their ids, from behind `after`, '' for the first; at most `limit`. */
  runs(after: string, limit: number): Promise<HeldRuns>
  /** Records, places in the index and announcements go in the batch that brings the tombstones. */
  drop(drop: WitnessDrop): Promise<number>
  /** True where a tombstone lies. */
  isDropped(key: RecordKey): Promise<boolean>
  /**
   * Removes tombstones that `isOver` by the time of their drop, of at most `limit` from behind
   * `after`; resolves with where to go on, undefined at the end.
   */
  forget(
    isOver: (droppedAtMs: number) => boolean,
    after: string,
    limit: number
  ): Promise<string | undefined>
}
