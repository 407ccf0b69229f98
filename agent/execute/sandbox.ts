import type { Readable } from 'node:stream'
import type { SecretFile } from './attempt-secrets.ts'
import type { DiskBreach } from './disk/disk-watchdog.ts'

/** One step's process. */
export interface StepCommand {
  /** From 1; each number is run once in the life of a box. */
  readonly step: number
  readonly script: string
  /** `NAME=value` */
  readonly env: readonly string[]
  readonly onOutput: (stream: 'out' | 'err', bytes: Uint8Array) => void
  /** Called each time that the step has to wait with what it writes. */
  readonly onWait?: (() => void) | undefined
}

/** A step that an agent before this one has begun. */
export type BegunStep = Pick<StepCommand, 'step' | 'onOutput' | 'onWait'>

export type StepEnd =
  /** `oom`: the kernel ended a process of the job for memory while the step ran. */
  | {
      readonly kind: 'exited'
      readonly code: number
      readonly oom: boolean
      /** True where its workspace is full, and the step failed. */
      readonly diskFull?: boolean | undefined
      /** True where the step failed, and was refused a process more. */
      readonly pidsFull?: boolean | undefined
    }
  | { readonly kind: 'not_started'; readonly cause: string }
  /** The whole sandbox ended under the step; `exitCode` is its process 1's, where known. */
  | { readonly kind: 'died'; readonly exitCode: number | undefined; readonly oom: boolean }
  /** Ended by us for the disk that it took. */
  | { readonly kind: 'over_disk'; readonly breach: DiskBreach }
  /** Somebody else had the sandbox stopped: however the step ended, it is no verdict. */
  | { readonly kind: 'stopped' }
  /** Begun by an agent that died, and nobody knows how it went on. */
  | { readonly kind: 'unknown' }

/** At most OUTPUTS_FILE_BYTES_MAX and one; none where there is no such file. */
export type OutputFile =
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'unreadable'; readonly cause: string }

/** The sandbox ended while it was being made ready; `exitCode` is its process 1's, where known. */
export class SandboxDied extends Error {
  override readonly name = 'SandboxDied'
  readonly exitCode: number | undefined

  constructor(exitCode: number | undefined, options?: ErrorOptions) {
    super(`the sandbox ended with exit code ${exitCode ?? 'unknown'}`, options)
    this.exitCode = exitCode
  }
}

/** What the services of a box tell whoever runs it; each names the service first. */
export interface ServiceHooks {
  /** Secrets that it gets as files; erased once they are there. */
  readonly files: (service: string) => readonly SecretFile[]
  readonly output: (service: string, stream: 'out' | 'err', bytes: Uint8Array) => void
  readonly ended: (service: string) => void
  /** For people, in the job's log. */
  readonly say: (text: string) => void
}

/**
 * The box of one attempt. Called in this order: `create`, `start`, `unpack` once, `serve`, `run` for one
 * step after the other, and `close` on every path, whichever call came last and whatever it threw.
 * `terminate` may be called beside any of them; it does nothing where nothing runs.
 */
export interface Sandbox {
  readonly name: string
  /**
   * Makes the box and compares it with what was asked. Throws SANDBOX_FAILED, SANDBOX_DIFFERS; at
   * `signal` its reason, at once: what is in flight then is `close`'s to wait for. So is `start`.
   */
  create(signal: AbortSignal): Promise<void>
  /** Starts the guard. */
  start(signal: AbortSignal): Promise<void>
  /**
   * Lays a tar archive out in the workspace, owned by the user that steps run as. Throws
   * SandboxDied.
   */
  unpack(archive: Readable, signal: AbortSignal): Promise<void>
  /**
   * Lays a secret's file out in memory, for the user that steps run as alone. Throws SandboxDied,
   * SANDBOX_FAILED.
   */
  hand(file: SecretFile, signal: AbortSignal): Promise<void>
  /**
   * Starts what runs beside the steps and resolves once it is ready for them. Throws SandboxDied,
   * SERVICE_NOT_READY.
   */
  serve(hooks: ServiceHooks, signal: AbortSignal): Promise<void>
  /** In place of `serve` after `attach`. */
  resumeServices(hooks: ServiceHooks): void
  /** Resolves at the end of the step; rejects with the signal's reason when that aborts first. */
  run(step: StepCommand, signal: AbortSignal): Promise<StepEnd>
  /**
   * In place of `create`, `start` and `unpack`: takes on a box that an agent before this one made;
   * `since` is the wall clock, milliseconds, from which on its events count. Throws SandboxDied,
   * ADOPTION_DIFFERS.
   */
  attach(since: number): Promise<void>
  /**
   * All that a begun step wrote, from its first byte on, and its end. Rejects with the signal's
   * reason when that aborts first.
   */
  follow(step: BegunStep, signal: AbortSignal): Promise<StepEnd>
  /**
   * What steps have written for the jobs that need theirs. Rejects with the signal's reason, and
   * where the box has ended.
   */
  outputs(signal: AbortSignal): Promise<OutputFile>
  /** SIGTERM to everything that the job runs. */
  terminate(): Promise<void>
  /** Resolves once nothing of the box is left. Throws SANDBOX_FAILED after CLEAN_UP_MS_MAX. */
  close(): Promise<void>
}
