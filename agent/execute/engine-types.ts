import type { Readable } from 'node:stream'
import type { EngineRuntime } from './runtime.ts'

/** A call that the engine refused, or did not answer in time (`status` is then undefined). */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly status: number | undefined

  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** What the engine says of itself. */
export interface EngineInfo {
  readonly version: string
  readonly apiVersion: string
  readonly os: string
  /** As the kernel names it: `x86_64`, `aarch64`. */
  readonly architecture: string
  readonly kernel: string
  readonly cgroup: 1 | 2
  /** Who makes its control groups: `cgroupfs`, `systemd`; '' where it does not say. */
  readonly cgroupDriver: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly storageDriver: string
  readonly rootDir: string
  /** Limits that this engine would take and not enforce: `memory`, `pids`, `cpu`. */
  readonly unenforced: readonly string[]
  /** False where the kernel does not count swap. */
  readonly swapLimit: boolean
  /** Whether its containers go on without it. */
  readonly liveRestore: boolean
  /** `seccomp`, `apparmor`, `userns`, `rootless`, ... */
  readonly security: ReadonlySet<string>
  readonly runtimes: readonly EngineRuntime[]
  /** What it takes where a container names none; '' where it does not say. */
  readonly defaultRuntime: string
  /** Devices that it hands over by name, `nvidia.com/gpu=0`; none before Engine 28.2. */
  readonly cdiDevices: readonly string[]
  /** Where it looks for what they are; none where it does not. */
  readonly cdiFolders: readonly string[]
}

/** What its owner may change by starting it again. */
export type EngineSettings = Pick<EngineInfo, 'security' | 'rootDir' | 'version' | 'runtimes'>

export interface LocalImage {
  readonly id: string
  /** `os/arch[/variant]` */
  readonly platform: string
  /** The user that the image's own commands run as; '' for root. */
  readonly user: string
  /** Folders that it declares as volumes. */
  readonly volumes: readonly string[]
  /** What it runs, and where, if nothing else is said. */
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly workdir: string
  /** `name:tag` by which it was loaded, pulled or named. */
  readonly tags: readonly string[]
  /** `name@digest` by which it was pulled. */
  readonly digests: readonly string[]
  /** The names of its labels, which an engine puts on each container of it. */
  readonly labels: readonly string[]
}

/** What the engine shows a registry for us: this call's alone, never kept by the engine. */
export interface EngineLogin {
  readonly username: string
  readonly password: string
  readonly serveraddress: string
}

/** What a registry has under a tag or digest. */
export interface Distribution {
  /** Of the index, or of the one image's manifest. */
  readonly digest: string
  /** `os/arch[/variant]`; empty where the registry does not say. */
  readonly platforms: readonly string[]
}

/** How a registry is asked: until when, and who asks where it is not the engine itself. */
export interface Asking {
  readonly signal: AbortSignal
  readonly login?: EngineLogin | undefined
}

export interface Mount {
  readonly Type: 'bind' | 'volume'
  readonly Source: string
  readonly Target: string
  readonly ReadOnly: boolean
  readonly VolumeOptions?: {
    readonly NoCopy: boolean
    readonly Labels: Readonly<Record<string, string>>
    /** Absent for a folder on the engine's disk. */
    readonly DriverConfig?: {
      readonly Name: 'local'
      readonly Options: Readonly<Record<string, string>>
    }
  }
}

/** The body of `POST /containers/create`, with every field that a sandbox decides. */
export interface ContainerBody {
  readonly Image: string
  readonly User: string
  readonly WorkingDir: string
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly Env: readonly string[]
  readonly Labels: Readonly<Record<string, string>>
  /** Names on a network that is not the host's own, by the network's name. */
  readonly NetworkingConfig?: {
    readonly EndpointsConfig: Readonly<Record<string, { readonly Aliases: readonly string[] }>>
  }
  readonly Healthcheck: { readonly Test: readonly string[] }
  readonly StopSignal: string
  readonly StopTimeout: number
  readonly Tty: boolean
  readonly OpenStdin: boolean
  readonly HostConfig: Readonly<Record<string, unknown>> & { readonly Mounts: readonly Mount[] }
}

export interface ContainerView {
  readonly id: string
  readonly running: boolean
  /** Process 1 as the engine's host numbers it; 0 where none runs. */
  readonly pid: number
  readonly exitCode: number
  readonly labels: Readonly<Record<string, string>>
  /** As the engine stored them, to compare with what was asked. */
  readonly config: Readonly<Record<string, unknown>>
  readonly hostConfig: Readonly<Record<string, unknown>>
  /** Where something is mounted that the engine manages, whoever asked for it. */
  readonly mounts: readonly string[]
  /** By the network's name; `address` is '' while it does not run. */
  readonly networks: Readonly<Record<string, NetworkPlace>>
}

export interface NetworkPlace {
  readonly address: string
  readonly aliases: readonly string[]
}

export interface OwnedThing {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

export interface OwnedContainer extends OwnedThing {
  /** A name may soon be another container's; an id never is. */
  readonly id: string
  readonly running: boolean
  /** It was made and never started. */
  readonly created?: boolean | undefined
  /** Seconds since the epoch, by the engine's clock. */
  readonly madeAtS?: number | undefined
}

/** The body of `POST /networks/create`, with every field that a job's network decides. */
export interface NetworkBody {
  readonly Name: string
  readonly Driver: 'bridge'
  readonly CheckDuplicate: true
  readonly Internal: boolean
  readonly Attachable: false
  readonly EnableIPv6: false
  readonly Options: Readonly<Record<string, string>>
  readonly IPAM: {
    readonly Driver: 'default'
    readonly Config: readonly { readonly Subnet: string }[]
  }
  readonly Labels: Readonly<Record<string, string>>
}

/** As the engine stored it, to compare with what was asked. */
export interface NetworkView extends OwnedThing {
  /** A name may be another's as well; an id never is. */
  readonly id: string
  readonly driver: string
  readonly scope: string
  readonly internal: boolean
  readonly attachable: boolean
  readonly ipv6: boolean
  /** As `10.213.4.0/26`; of IPv6 too. */
  readonly subnets: readonly string[]
  readonly options: Readonly<Record<string, string>>
}

export interface ExecRequest {
  readonly container: string
  readonly command: readonly string[]
  readonly env: readonly string[]
  readonly user: string
  readonly workdir: string
  readonly stdin?: Readable | undefined
  readonly onOutput: (stream: 'out' | 'err', bytes: Uint8Array) => void
  /** Milliseconds for which to read nothing, asked after each chunk: it waits meanwhile. */
  readonly restMs?: (() => number) | undefined
  /** True once it is known to have ended, where somebody knows it before its stream ends. */
  readonly hasEnded?: (() => boolean) | undefined
  /** The id that events name it by. */
  readonly onCreated?: (execId: string) => void
  readonly signal?: AbortSignal | undefined
}

/** In a container that is known from elsewhere. */
export type ContainerExec = Omit<ExecRequest, 'container'>

export type ExecEnd =
  | { readonly kind: 'exited'; readonly code: number }
  /** The engine could not make a process of the command; nothing of it ran. */
  | { readonly kind: 'not_started'; readonly cause: string }

export interface EngineEvent {
  /** `kill`: somebody had the engine send a signal to process 1, by `docker stop` say. */
  readonly action: 'oom' | 'die' | 'exec_create' | 'exec_die' | 'destroy' | 'kill'
  /** Of `exec_create` and `exec_die`, where an image's label does not hide it; '' otherwise. */
  readonly execId: string
  /** What `Engine.mark` gave; of its `exec_create` alone, whatever labels hide. */
  readonly mark?: string | undefined
  /** Of `die` and `exec_die`; likewise. */
  readonly exitCode: number | undefined
  /** Number of the signal, of `kill`; likewise. */
  readonly signal: number | undefined
  /** The service whose container it is of; absent for a job's own. */
  readonly service?: string | undefined
  /** When it happened, as the engine wants it back to go on from there. */
  readonly time: string
}
