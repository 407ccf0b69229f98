import { resolve } from 'node:path'
import type { Platform } from '../../protocol/core/advertisement.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import type { IsolationLevel } from '../../protocol/core/isolation.ts'
import { CLEAN_UP_MS_MAX, TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import { abilitiesFor } from '../../protocol/core/network.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { GpuDevice } from '../probe/gpu/gpu-device.ts'
import type { AttemptInput, AttemptResult } from './attempt.ts'
import { AttemptRun } from './attempt-run.ts'
import { hasValues } from './attempt-secrets.ts'
import { type Bound, boundTo } from './bound.ts'
import { ContainerSandbox } from './container-sandbox.ts'
import type { Disks } from './disk/disks.ts'
import type { JobDisk } from './disk/job-disk.ts'
import type { JobVoice } from './egress/journal.ts'
import { asRunHere } from './emulated.ts'
import type { Engine } from './engine.ts'
import type { EngineSettings, LocalImage } from './engine-types.ts'
import { gpusAtStart, sameGpus } from './gpu/gpus-at-start.ts'
import type { JobGpus } from './gpu/job-gpus.ts'
import type { LeasedGpu } from './gpu/leased-gpu.ts'
import { type Ground, layGround } from './ground.ts'
import { JobGroups } from './group/job-groups.ts'
import { imageLabels } from './image-labels.ts'
import { imageVolumes } from './image-volumes.ts'
import type { Images } from './images.ts'
import { jobBox } from './job-box.ts'
import { closedNetwork } from './network/closed-network.ts'
import type { JobNetwork } from './network/job-network.ts'
import type { JobNetworks } from './network/job-networks.ts'
import { peerSuffix } from './peer-suffix.ts'
import { PROFILES } from './profiles.ts'
import { clearClaim, type OwnedClaims, reap, reapTrials } from './reaping.ts'
import type { OfferedRuntime } from './runtime.ts'
import {
  containerBody,
  type Profile,
  type SandboxRequest,
  sandboxLabels,
  WORKSPACE_INSIDE
} from './sandbox-profile.ts'
import { withSecretMounts } from './secret-mounts.ts'
import { Service } from './services/service.ts'
import { serviceBody } from './services/service-body.ts'
import { Services } from './services/services.ts'
import { type Survivor, survivorsOf } from './survivors.ts'
import { Workspace } from './workspace.ts'

export interface ExecutorParts {
  readonly engine: Engine
  readonly images: Images
  readonly clock: Clock
  readonly log: Log
  /** Absent where this host enforces no networks. */
  readonly networks?: JobNetworks | undefined
  /** Absent where nobody looks at what jobs write. */
  readonly disks?: Disks | undefined
  /** Absent where no job leases a GPU. */
  readonly gpus?: JobGpus | undefined
  /** In place of sources that are fetched; by claim. */
  readonly workspaceOf?: ((claimId: string) => Workspace) | undefined
}

export interface ExecutorOptions {
  readonly peerId: string
  readonly storeId: string
  /** Where sources are laid out on the host, and where the guard is mounted from. */
  readonly workspaces: string
  /** Where the lease folders of attempts are. */
  readonly leases: string
  /** Path of a static busybox. */
  readonly busybox: string
  /** The least that untrusted jobs must be kept apart by. */
  readonly requireIsolation?: IsolationLevel | undefined
  /** What runs here, and how. */
  readonly platforms: readonly Platform[]
  /** Block that the networks of services are taken from where a job has no other. */
  readonly subnets: string
  /** What jobs see as RUNNER_MESH_AGENT; the peer id when absent. */
  readonly name?: string | undefined
  /** Time between SIGTERM and SIGKILL; TERM_GRACE_MS when absent. */
  readonly termGraceMs?: number | undefined
  /** Within which a sandbox must be confirmed gone; CLEAN_UP_MS_MAX when absent. */
  readonly cleanUpMsMax?: number | undefined
  /** Runtimes that have shown what they are on this engine; none where absent. */
  readonly runtimes?: ((engine: EngineSettings) => readonly OfferedRuntime[]) | undefined
  /** Whether jobs that build images may run here; none may where it is absent. */
  readonly offersBuilder?: () => boolean
  /** The GPUs of this host, as they are now; none where it is absent. */
  readonly gpus?: () => readonly GpuDevice[]
}

interface Voiced extends Bound {
  readonly voice: JobVoice
  /** The runtime of the container that there is already. */
  readonly runsIn: string | undefined
}

/** What a job's services are made of, beside their specs. */
interface Beside {
  readonly name: string
  readonly request: SandboxRequest
  readonly profile: Profile
  readonly ground: Ground
  readonly images: ReadonlyMap<string, LocalImage>
  readonly network: JobNetwork | undefined
}

/** Milliseconds that the removal of one thing is tried; whoever wants it gone asks again. */
const REAP_MS_MAX = 10_000

/** Runs attempts in containers of this agent's own. */
export class Executor {
  readonly #parts: ExecutorParts
  readonly #options: ExecutorOptions
  readonly #suffix: string
  readonly #groups: JobGroups
  /** Attempts under way, by the names of their containers: the reaper must leave them alone. */
  readonly #live = new Map<string, AttemptInput>()

  constructor(parts: ExecutorParts, options: ExecutorOptions) {
    this.#parts = parts
    // The engine takes absolute paths only, and resolves them itself.
    const [workspaces, leases] = [resolve(options.workspaces), resolve(options.leases)]
    this.#options = { ...options, workspaces, leases }
    this.#suffix = peerSuffix(options.peerId)
    this.#groups = new JobGroups({ log: parts.log, suffix: this.#suffix })
  }

  /** `runner-mesh-<jobId>-<first 8 hex of SHA-256(peerId)>`: one per job, whatever the epoch. */
  containerName(jobId: string): string {
    return `runner-mesh-${jobId.toLowerCase().replace(/[^a-z0-9.]/g, '-')}-${this.#suffix}`
  }

  /** Rejects only with BUG. */
  async run(input: AttemptInput): Promise<AttemptResult> {
    const name = this.containerName(input.jobId)
    if (this.#live.has(name)) throw new MeshError('BUG', { problem: `${input.jobId} runs already` })
    this.#live.set(name, input)
    try {
      const spec = asRunHere(input.spec, this.#options.platforms)
      const resources = this.#parts.disks?.resourcesOf(spec.resources) ?? spec.resources
      const attempt = { ...input, spec: { ...spec, resources } }
      const run = () => this.#attempt(name, attempt)
      return await (this.#parts.gpus?.during(attempt, name, run) ?? run())
    } finally {
      this.#live.delete(name)
      this.#parts.images.release(input.claimId)
    }
  }

  /** Rejects where this host's engine does not answer. What it is, is learned anew after this. */
  async check(): Promise<void> {
    await this.#parts.engine.info()
  }

  /** Resolves once no container of this claim is left. Throws SANDBOX_FAILED. */
  async clear(claimId: string): Promise<void> {
    const { peerId } = this.#options
    await clearClaim({ engine: this.#parts.engine, peerId, limitMs: REAP_MS_MAX }, claimId)
  }

  /**
   * Removes what is this agent's and neither `owned` nor of an attempt under way, and gives the
   * containers' names. Throws SANDBOX_FAILED with what is left.
   */
  async reap(owned: OwnedClaims): Promise<string[]> {
    const { engine } = this.#parts
    const { peerId, workspaces, leases } = this.#options
    const withLive = async (): Promise<ReadonlySet<string>> => {
      const claims = new Set(await owned())
      for (const { claimId } of this.#live.values()) claims.add(claimId)
      return claims
    }
    const limits = { owned: withLive, limitMs: REAP_MS_MAX }
    const { disks } = this.#parts
    await this.#groups.learn(await engine.info())
    const groups = this.#groups
    return await reap({ engine, disks, groups, peerId, workspaces, leases, ...limits })
  }

  /** Removes what a trial of this engine has left, and gives the containers' names. */
  async reapTrials(): Promise<string[]> {
    return await reapTrials(this.#parts.engine, this.#options.peerId)
  }

  /** Containers that processes before this one have made, whatever state they are in. */
  async survivors(): Promise<readonly Survivor[]> {
    const { peerId, leases } = this.#options
    return await survivorsOf(this.#parts.engine, peerId, leases)
  }

  async #attempt(name: string, input: AttemptInput): Promise<AttemptResult> {
    const { engine, images, clock, log } = this.#parts
    const { workspaces, busybox, peerId } = this.#options
    const bound = boundTo(input)
    const run = new AttemptRun(
      {
        engine,
        images,
        clock,
        log,
        workspace:
          this.#parts.workspaceOf?.(input.claimId) ??
          new Workspace(workspaces, input.claimId, busybox),
        ground: () => this.#prepare(bound),
        onFailure: (error) => this.#parts.gpus?.failed(bound, error),
        agent: this.#options.name ?? peerId,
        containerName: name,
        termGraceMs: this.#options.termGraceMs ?? TERM_GRACE_MS,
        cleanUpMsMax: this.#options.cleanUpMsMax ?? CLEAN_UP_MS_MAX,
        sandboxOf: (image, ground, voice, services, runsIn) =>
          this.#sandbox(name, { ...bound, voice, runsIn }, image, ground, services),
        serviceContainer: (service) => serviceContainer(name, service),
        clear: () => this.clear(input.claimId)
      },
      bound
    )
    return await run.run()
  }

  #sandbox(
    name: string,
    input: Voiced,
    image: LocalImage,
    ground: Ground,
    images: ReadonlyMap<string, LocalImage>
  ): ContainerSandbox {
    const { peerId, storeId, busybox, requireIsolation: required } = this.#options
    const { jobId, epoch, claimId, spec, deadline } = input
    const volume = `${name}-${claimId.slice(0, 8)}`
    const shown = this.#options.runtimes?.(ground.engine) ?? []
    const job = { jobId, trust: input.manifest.trust, spec }
    const offersBuilder = this.#options.offersBuilder?.() === true
    const { profile, runtime } = jobBox(job, {
      ground,
      required,
      shown,
      offersBuilder,
      runsIn: input.runsIn
    })
    const network = this.#network(volume, input, runtime)
    const places = imageVolumes(jobId, image)
    const disk = this.#disk(input, profile, places, ground.host.userBase)
    const group =
      (spec.services ?? []).length === 0 ? undefined : this.#groups.groupOf(jobId, claimId)
    const request: SandboxRequest = {
      imageId: image.id,
      imageLabels: imageLabels(jobId, image),
      group: group?.parent,
      jobId,
      epoch,
      claimId,
      peerId,
      storeId,
      volume,
      leaseDir: resolve(deadline.dir),
      busybox,
      guard: ground.guard,
      users: ground.users,
      resources: spec.resources,
      imageVolumes: places,
      disk: disk?.volume,
      runtime,
      gpus: this.#gpusNow(input, ground.gpus, sameGpus),
      gpuParts: ground.gpuParts?.({ isTrusted: job.trust === 'trusted', runtime })
    }
    const made = containerBody(profile, request, ground.host)
    const { userBase } = ground.host
    const body = hasValues(spec) ? withSecretMounts(made, volume, userBase) : made
    const cleanUpMsMax = this.#options.cleanUpMsMax ?? CLEAN_UP_MS_MAX
    const services = this.#services({ name, request, profile, ground, images, network }, spec)
    const { resources } = spec
    const own = { jobId, name, image, profile, body, cleanUpMsMax, disk, resources }
    return new ContainerSandbox(this.#parts, { ...own, services, group, network })
  }

  #services(
    { name, request: job, profile, ground, images, network }: Beside,
    { services = [] }: JobSpec
  ): Services | undefined {
    const { jobId } = job
    if (services.length === 0 || network === undefined) return undefined
    const { engine } = this.#parts
    // What opens a builder's box is for the build alone.
    const ours = profile.name === 'builder' ? PROFILES.strict : profile
    return new Services(
      services.map((spec) => {
        const image = images.get(spec.name)
        if (image === undefined) throw new MeshError('BUG', { problem: `no image of ${spec.name}` })
        const places = imageVolumes(jobId, image)
        const request = {
          ...job,
          imageId: image.id,
          imageLabels: imageLabels(jobId, image),
          imageVolumes: places,
          resources: spec.resources,
          disk: undefined,
          gpus: undefined,
          gpuParts: undefined,
          volume: `${job.volume}-${spec.name}`
        }
        const body = serviceBody(ours, request, spec, ground.host, network)
        const box = serviceContainer(name, spec.name)
        return new Service(engine, {
          jobId,
          name: box,
          spec,
          image,
          profile: ours,
          body,
          imageVolumes: places,
          env: () => network.env
        })
      })
    )
  }

  /** What runs already goes on, however ill its GPUs are by now. */
  #gpusNow(
    { jobId, resume }: AttemptInput,
    gpus: readonly LeasedGpu[] | undefined,
    look: typeof gpusAtStart
  ): readonly LeasedGpu[] | undefined {
    if (resume !== undefined) return gpus
    return look(jobId, gpus, this.#options.gpus?.() ?? [])
  }

  /** None for a box that writes to memory alone. */
  #disk(
    { claimId, spec }: Bound,
    { readOnlyRoot }: Profile,
    places: readonly string[],
    owner: number
  ): JobDisk | undefined {
    if (readOnlyRoot) return undefined
    const bytes = spec.resources.diskBytes ?? 0
    const at = { workspace: WORKSPACE_INSIDE, imageVolumes: places }
    return this.#parts.disks?.diskOf({ claimId, bytes, owner, ...at })
  }

  /** The claim has asked already; but a job never runs with less than it says, nor with more. */
  #network(name: string, input: Voiced, runtime: string | undefined): JobNetwork | undefined {
    const { jobId, epoch, claimId, spec, onLost, voice } = input
    const abilities = abilitiesFor(spec.network)
    const beside = (spec.services ?? []).map((service) => service.name)
    if (abilities.length === 0 && beside.length === 0) return undefined
    const { networks } = this.#parts
    const { peerId, storeId, subnets } = this.#options
    const labels = sandboxLabels({ jobId, epoch, claimId, peerId, storeId })
    const request = { jobId, claimId, name, onLost, voice, runtime, beside }
    if (abilities.length === 0) {
      return closedNetwork(this.#parts.engine, request, labels, subnets)
    }
    const network = networks?.networkOf(spec.network, request, labels)
    if (network !== undefined) return network
    const offered = networks?.offer.join(', ') || 'none'
    const wanted = abilities.join(' and ')
    throw new MeshError('NETWORK_NOT_OFFERED', { job: jobId, wanted, offered })
  }

  /**
   * Asked anew for each attempt: an engine that was started again without its user namespaces would
   * make a stranger's root the host's.
   */
  async #prepare(input: AttemptInput): Promise<Ground> {
    const { engine, gpus } = this.#parts
    const ground = await layGround(engine, this.#options.workspaces, this.#options.platforms)
    await this.#groups.learn(ground.groups)
    if ((input.gpus ?? []).length === 0) return ground
    if (gpus === undefined) throw new MeshError('BUG', { problem: 'a GPU that nobody can hand on' })
    const now = this.#gpusNow(input, input.gpus, gpusAtStart)
    const gpuParts = await gpus.pass({ ...input, gpus: now }, ground.gpuEngine)
    return { ...ground, gpus: now, gpuParts }
  }
}

/** Beside that of its job. */
function serviceContainer(name: string, service: string): string {
  return `${name}-${service}`
}
