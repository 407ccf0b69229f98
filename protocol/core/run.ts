import type { GpuRequest } from './gpu-request.ts'
import type { AskedLevel } from './isolation.ts'
import type { SignedOp } from './job.ts'
import type { NetworkPolicy } from './network.ts'
import type { RunEvent } from './run-event.ts'
import type { Trust } from './trust.ts'

/** What a run id is made of (lease-protocol 4.1): meaning, never the id of a delivery. */
export interface RunOrigin {
  /** host[:port] of the repository URL in gateway.yaml. */
  readonly forgeHost: string
  /** The forge's numeric id; for bare Git the URL's path without a final `.git`. */
  readonly repositoryId: string
  readonly event: RunEvent
  /** Full ref, `refs/heads/main`. */
  readonly ref: string
  /** Full commit id: `after` of a push, the head of a pull request. */
  readonly commit: string
  /** Pull request number and action; '' where there is none. */
  readonly number: string
  readonly action: string
  /** Set by a retry only; '' otherwise. */
  readonly rerunNonce: string
}

export interface Resources {
  /** Thousandths of a core. */
  readonly cpuMilli: number
  readonly memoryBytes: number
  /** Of what it writes to the disk; absent, its host decides: see diskOf. */
  readonly diskBytes?: number | undefined
  /** Processes and threads at one time, at most JOB_PIDS_MAX; absent is PIDS_MAX. */
  readonly pidsMax?: number | undefined
}

export interface StepSpec {
  readonly name: string
  /** Run by `/bin/sh -e -c`; at most SCRIPT_BYTES_MAX. */
  readonly run: string
  readonly timeoutMs: number | undefined
  /** Runs after a step that failed, too; absent is no. */
  readonly always?: boolean | undefined
}

/** Jobs of one group, in one repository, run one at a time. */
export interface Concurrency {
  /** One line, at most GROUP_CHARACTERS_MAX. */
  readonly group: string
  /** A newer run's job ends the older ones of its group. */
  readonly cancelSuperseded: boolean
}

/** One secret that a job wants: a variable of that name, a file in memory, or a login. */
export interface SecretRequest {
  readonly name: string
  /** Below `/run/secrets`; undefined makes it a variable. */
  readonly file: string | undefined
  /** Host of the registry that images are pulled from with it; its steps do not get it. */
  readonly registry?: string | undefined
}

/** What runs beside the steps of a job, in a container of its own on the job's network. */
export interface ServiceSpec {
  /** A DNS label: the job reaches it by this name. */
  readonly name: string
  readonly image: string
  readonly env: Readonly<Record<string, string>>
  /** Files alone, in memory; none is ever among its variables. */
  readonly secrets: readonly SecretRequest[]
  /** In place of the image's own arguments; undefined leaves those. */
  readonly command: readonly string[] | undefined
  readonly resources: Resources
  readonly ready: ServiceReadiness
}

/** When the first step may begin: with neither port nor command as soon as its process runs. */
export interface ServiceReadiness {
  /** TCP, of the service, asked from the job's place. */
  readonly port: number | undefined
  /** Run in the service; ready once it exits 0. */
  readonly command: readonly string[] | undefined
  readonly timeoutMs: number
}

/** One entry of the pipeline, complete: an agent needs nothing else to run it. */
export interface JobSpec {
  readonly index: number
  readonly name: string
  readonly image: string
  /** `os/arch[/variant]`; undefined means the claimer's native platform. */
  readonly platform: string | undefined
  /** Whether a host may run it by an emulator; a native one is preferred in any case. */
  readonly emulation: 'allow' | 'forbid'
  readonly resources: Resources
  readonly labels: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly onLoss: 'retry' | 'error'
  readonly network: NetworkPolicy
  /** The least that keeps it apart from its host; absent takes what the host gives. */
  readonly isolation?: AskedLevel | undefined
  readonly steps: readonly StepSpec[]
  /** At most SECRETS_PER_JOB_MAX, no name and no file twice; absent is none. */
  readonly secrets?: readonly SecretRequest[] | undefined
  /** Builds images, in a user namespace of its own; absent is no. */
  readonly builder?: boolean | undefined
  /** At most SERVICES_PER_JOB_MAX, no name twice; absent is none. */
  readonly services?: readonly ServiceSpec[] | undefined
  /** Indices of the jobs that must have succeeded first: ascending, each once, never a cycle. */
  readonly needs?: readonly number[] | undefined
  /** Attempts besides, when its own commands fail; at most RETRIES_MAX, absent is none. */
  readonly retries?: number | undefined
  /** Within its repository, higher goes first; at most PRIORITY_MAX either way, absent is 0. */
  readonly priority?: number | undefined
  readonly concurrency?: Concurrency | undefined
  /** Labels of the hosts that may take it first; until `fallbackAfterMs`. */
  readonly prefer?: Readonly<Record<string, string>> | undefined
  /** Since the announcement; absent is FALLBACK_MS_DEFAULT. */
  readonly fallbackAfterMs?: number | undefined
  /** What its name says in brackets, by axis: for people. */
  readonly matrix?: Readonly<Record<string, string>> | undefined
  /** Of its own container, none of its services'; absent is none. */
  readonly gpu?: GpuRequest | undefined
  /** A slot: it runs its forge's own runner, has no source, and its gateway configures it. */
  readonly runner?: RunnerSpec | undefined
}

/** What a slot is for; how its runner is registered comes with the secrets of each attempt. */
export interface RunnerSpec {
  /** With which it is registered: 1 to PROVISION_LABELS_MAX, one line each. */
  readonly labels: readonly string[]
}

/** Of the job and of its services. */
export function secretRequestsOf({
  secrets = [],
  services = []
}: Pick<JobSpec, 'secrets' | 'services'>): readonly SecretRequest[] {
  return [...secrets, ...services.flatMap((service) => service.secrets)]
}

/** Of the job and of its services, each once. */
export function secretNamesOf(spec: Pick<JobSpec, 'secrets' | 'services'>): readonly string[] {
  return [...new Set(secretRequestsOf(spec).map(({ name }) => name))]
}

/** The images whose programs get to see this secret. */
export function imagesGiven(spec: JobSpec, secret: string): readonly string[] {
  const isNamed = ({ secrets = [] }: Pick<JobSpec, 'secrets'>): boolean =>
    secrets.some(({ name }) => name === secret)
  return [spec, ...(spec.services ?? [])].filter(isNamed).map(({ image }) => image)
}

/** Why a run has no jobs: shown to the user as it is. */
export interface ManifestError {
  readonly code: string
  readonly message: string
  readonly line: number | undefined
  readonly column: number | undefined
  readonly path: string | undefined
}

export interface Manifest {
  readonly origin: RunOrigin
  /** Name of the repository as declared in gateway.yaml. */
  readonly repository: string
  /** What an agent fetches from; never holds a credential. */
  readonly url: string
  readonly before: string
  readonly pusher: string
  /** First line of the commit message, at most 120 characters. */
  readonly title: string
  readonly jobs: readonly JobSpec[]
  readonly error: ManifestError | undefined
  readonly trust: Trust
  /** Of a run that was started by hand; at most INPUTS_MAX, absent is none. */
  readonly inputs?: Readonly<Record<string, string>> | undefined
  /** The branch that a pull request is to be merged into; absent for all else. */
  readonly base?: string | undefined
  /** The commit comes from another repository than the declared one; then it is never trusted. */
  readonly fork?: boolean | undefined
}

/** Signed by a gateway as an envelope; `annHash` is SHA-256 over the envelope's bytes. */
export interface Announcement {
  readonly runId: string
  readonly witnessEpoch: number
  /** Peer id; equals the envelope's signer. */
  readonly gateway: string
  /** Counts this gateway's announcements, from 1. */
  readonly gwSeq: number
  readonly issuedAtMs: number
  readonly notAfterMs: number
  /** All runs of this gateway up to here are closed (4.12.5); 0 until a gateway says otherwise. */
  readonly floor: number
  readonly manifest: Manifest
}

/** An announcement together with the bytes that were signed: kept, never re-encoded. */
export interface SealedAnnouncement {
  readonly announcement: Announcement
  readonly annHash: string
  readonly bytes: Uint8Array
}

export type RunOpBody =
  | { readonly kind: 'create'; readonly annHash: string }
  /** Of an empty register only: from then on this run can begin in that later epoch alone. */
  | { readonly kind: 'seal'; readonly witnessEpoch: number }
export type RunOp = SignedOp<RunOpBody>

export interface RunState {
  readonly kind: 'run'
  readonly register: string
  readonly version: number
  readonly prevHash: string
  readonly phase: 'run' | 'superseded'
  /** '' where it is superseded. */
  readonly annHash: string
  /** The witness epoch that the seal names; undefined for a run. */
  readonly supersededBy?: number | undefined
  readonly op: RunOp
}

/** `runId.index` */
export function jobIdOf(runId: string, index: number): string {
  return `${runId}.${index}`
}

/** The run that a register, of a run or of one of its jobs, belongs to. */
export function runIdOf(register: string): string {
  const dot = register.indexOf('.')
  return dot < 0 ? register : register.slice(0, dot)
}

/** Index of a job's register in its manifest; undefined for a run's register. */
export function jobIndexOf(register: string): number | undefined {
  const dot = register.indexOf('.')
  return dot < 0 ? undefined : Number(register.slice(dot + 1))
}
