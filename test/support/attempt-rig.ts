import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  AttemptInput,
  AttemptResult,
  LogStream,
  PhaseName
} from '../../agent/execute/attempt.ts'
import type { SecretValue } from '../../agent/execute/attempt-secrets.ts'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import type { DiskControl } from '../../agent/execute/disk/disk-control.ts'
import type { DiskRoom } from '../../agent/execute/disk/disk-watchdog.ts'
import { Disks } from '../../agent/execute/disk/disks.ts'
import { LoopVolumes } from '../../agent/execute/disk/loop-volumes.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { Executor } from '../../agent/execute/executor.ts'
import type { JobGpus } from '../../agent/execute/gpu/job-gpus.ts'
import { GROUND_DIR } from '../../agent/execute/ground.ts'
import { Images, type PullPolicy } from '../../agent/execute/images.ts'
import { HOLDER_IMAGE_LABEL } from '../../agent/execute/network/holder-gate.ts'
import type { JobNetwork } from '../../agent/execute/network/job-network.ts'
import type { JobNetworks } from '../../agent/execute/network/job-networks.ts'
import { type NetworkSettings, openNetworks } from '../../agent/execute/network/open-networks.ts'
import type { RuleTable } from '../../agent/execute/network/rule-table.ts'
import { PulledImages } from '../../agent/execute/pulled-images.ts'
import type { OfferedRuntime } from '../../agent/execute/runtime.ts'
import type { GpuDevice } from '../../agent/probe/gpu/gpu-device.ts'
import { tryNetwork } from '../../agent/probe/network-trial.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import type { Platform } from '../../protocol/core/advertisement.ts'
import type { IsolationLevel } from '../../protocol/core/isolation.ts'
import type { Stage } from '../../protocol/core/messages.ts'
import type { JobSpec, Manifest, StepSpec } from '../../protocol/core/run.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { eventually } from './eventually.ts'
import { GitFixture } from './git-fixture.ts'

const MIB = 1_048_576
/** Milliseconds that a renewed deadline lies ahead. */
const AHEAD_MS = 20_000
const RENEW_EVERY_MS = 1_000

/** What a test wants other than one step in the base image. */
export interface AttemptWish {
  readonly jobId?: string
  readonly steps?: readonly (Partial<StepSpec> & { readonly run: string })[]
  readonly spec?: Partial<JobSpec>
  /** Of its run; trusted where absent. */
  readonly trust?: Manifest['trust']
  readonly commit?: string
  readonly url?: string
  readonly givenBack?: number
  /** Values of the secrets that `spec` names. */
  readonly secrets?: Readonly<Record<string, string>>
  /** What it leases of this host. */
  readonly gpus?: AttemptInput['gpus']
  readonly releaseSecrets?: AttemptInput['releaseSecrets']
  readonly releaseSource?: AttemptInput['releaseSource']
  /** Milliseconds of the only deadline that is ever written; absent, it is renewed. */
  readonly deadlineInMs?: number
  /** What a cancel gives its steps. */
  readonly graceMs?: number
  readonly onStage?: (stage: Stage) => void
  readonly onUserCode?: () => Promise<void>
  readonly onStep?: AttemptInput['onStep']
  readonly onLogged?: (line: LoggedLine) => void
  /** An attempt that another process began, to be gone on with. */
  readonly begun?: Pick<AttemptInput, 'claimId' | 'manifest' | 'spec' | 'resume'>
  readonly onLine?: (text: string) => void
}

export interface LoggedLine {
  readonly step: number
  readonly stream: LogStream
  readonly text: string
}

/** One attempt under way, with the levers that its holder would have. */
export interface RunningAttempt {
  readonly input: AttemptInput
  readonly result: Promise<AttemptResult>
  readonly lines: readonly LoggedLine[]
  readonly stages: readonly string[]
  readonly phases: ReadonlyMap<PhaseName, number>
  /** Resolves once this phase has been timed. */
  phase(name: PhaseName): Promise<void>
  abort(reason: unknown): void
  terminate(): void
}

export interface RigOptions {
  readonly termGraceMs?: number
  readonly cleanUpMsMax?: number
  readonly peerId?: string
  readonly platforms?: readonly Platform[]
  readonly pull?: PullPolicy
  /** Asked by the executor instead of the engine itself, with a limit for its answers. */
  /** Where another rig has its lease folders and sources. */
  readonly root?: string
  /** Of another engine than this host's usual one. */
  readonly socket?: string
  readonly requireIsolation?: IsolationLevel
  /** Whether its jobs may build images. */
  readonly builder?: boolean
  /** Hands its jobs what they lease. */
  readonly gpus?: JobGpus
  /** Networks of its jobs, by nft where nothing else is said; without them there are none. */
  readonly networks?: Omit<NetworkSettings, 'rules'> & Partial<Pick<NetworkSettings, 'rules'>>
  /** In place of this host's own, whatever the rules. */
  readonly table?: RuleTable
  /** What keeps its jobs to their disk; nobody looks where absent. */
  readonly disk?: DiskControl
  /** A disk of its own for the watchdog to look at, in place of the engine's. */
  readonly space?: () => Promise<DiskRoom>
  readonly proxy?: { readonly socket: string; readonly callMsMax: number }
  /** Socket of another engine than this host's own, and what has been shown of its runtimes. */
  readonly other?: { readonly socket: string; readonly runtimes: readonly OfferedRuntime[] }
}

/** An executor of its own over the real engine, with a repository to fetch from. */
export class AttemptRig {
  readonly engine: Engine
  readonly executor: Executor
  readonly networks: JobNetworks | undefined
  readonly git: GitFixture
  readonly root: string
  readonly peerId: string
  readonly commit: string
  readonly #clock = systemClock()
  #jobs = 0
  /** This host has what the last job leases. */
  #gpus: readonly GpuDevice[] = []

  private constructor(parts: {
    engine: Engine
    git: GitFixture
    root: string
    commit: string
    images: (engine: Engine) => Images
    options: RigOptions
    networks: JobNetworks | undefined
    peerId: string
  }) {
    this.engine = parts.engine
    this.git = parts.git
    this.root = parts.root
    this.commit = parts.commit
    this.peerId = parts.peerId
    this.networks = parts.networks
    const engine = engineOf(parts.options) ?? this.engine
    const { networks } = this
    this.executor = new Executor(
      {
        engine,
        images: parts.images(engine),
        clock: this.#clock,
        log: silentLog(),
        networks,
        disks: this.#disks(parts.options),
        gpus: parts.options.gpus
      },
      {
        peerId: this.peerId,
        storeId: 'test-store',
        workspaces: join(this.root, 'workspaces'),
        leases: join(this.root, 'leases'),
        busybox: '/bin/busybox',
        requireIsolation: parts.options.requireIsolation,
        name: 'rig',
        platforms: parts.options.platforms ?? [],
        subnets: '10.215.0.0/16',
        termGraceMs: parts.options.termGraceMs ?? 500,
        cleanUpMsMax: parts.options.cleanUpMsMax,
        runtimes: () => parts.options.other?.runtimes ?? [],
        offersBuilder: () => parts.options.builder === true,
        gpus: () => this.#gpus
      }
    )
  }

  /** Where file systems of a fixed size are. */
  get volumes(): string {
    return join(this.root, 'volumes')
  }

  #disks({ disk, space }: RigOptions): Disks | undefined {
    if (disk === undefined) return undefined
    const parts = { clock: this.#clock, log: silentLog(), space }
    const capacity = { cpuMilli: 2_000, memoryBytes: 2 ** 32, diskBytes: 2 ** 30, jobs: 2 }
    const paths = [tmpdir()]
    return new Disks(parts, { capacity, control: () => disk, folder: this.volumes, paths })
  }

  static async open(options: RigOptions = {}): Promise<AttemptRig> {
    const engine = Engine.local(options.socket ?? options.other?.socket)
    await ensureBaseImage(engine)
    const git = await GitFixture.serve()
    const root = options.root ?? (await mkdtemp(join(tmpdir(), 'runner-mesh-rig-')))
    const commit = await git.commit({ 'README.md': 'hello\n' })
    const book = { clock: systemClock(), log: silentLog() }
    const pulled = await PulledImages.open(book, join(root, 'images.json'))
    const images = (asked: Engine): Images => {
      return new Images(
        { engine: asked, pulled },
        { pull: options.pull ?? 'missing', owner: 'rig' }
      )
    }
    const peerId = options.peerId ?? `test-${randomBytes(8).toString('hex')}`
    const networks = await networksOf(engine, peerId, root, options)
    return new AttemptRig({ engine, git, root, commit, images, options, networks, peerId })
  }

  /** Starts an attempt; the rig renews its deadline until it ends. */
  async start(wish: AttemptWish = {}): Promise<RunningAttempt> {
    this.#gpus = (wish.gpus ?? []).map(({ device }) => device)
    const abort = new AbortController()
    const terminate = new AbortController()
    const seen = { lines: [] as LoggedLine[], stages: [] as string[], phases: new Map() }
    const jobId = wish.jobId ?? `7K3QF2.${this.#jobs++}`
    const claimId = wish.begun?.claimId ?? randomBytes(16).toString('hex')
    const leases = join(this.root, 'leases')
    const deadline = await DeadlineFile.create(leases, jobId, claimId, this.#clock)
    const lease = await this.#lease(deadline, wish.deadlineInMs)
    const input: AttemptInput = {
      jobId,
      runId: jobId.split('.')[0] ?? jobId,
      epoch: 3,
      claimId,
      attempt: 1,
      givenBack: wish.givenBack ?? 0,
      witnessEpoch: 1,
      manifest: wish.begun?.manifest ?? this.#manifest(wish),
      spec: wish.begun?.spec ?? specOf(wish),
      resume: wish.begun?.resume,
      gpus: wish.gpus,
      deadline,
      deadlineMs: lease.deadlineMs,
      signal: abort.signal,
      graceMs: () => wish.graceMs,
      terminate: terminate.signal,
      onStage: (stage) => {
        seen.stages.push(stage.name)
        wish.onStage?.(stage)
      },
      onPhase: (phase, ms) => seen.phases.set(phase, ms),
      releaseSecrets: wish.releaseSecrets ?? (() => Promise.resolve(valuesOf(wish.secrets ?? {}))),
      releaseSource: wish.releaseSource,
      onStep: wish.onStep ?? wish.onUserCode ?? (() => Promise.resolve()),
      log: (step, stream, text) => {
        seen.lines.push({ step, stream, text })
        wish.onLine?.(text)
        wish.onLogged?.({ step, stream, text })
      }
    }
    const result = this.executor.run(input).finally(lease.stop)
    result.catch(() => undefined)
    const levers = {
      phase: async (name: PhaseName) => {
        await eventually(`phase ${name} is over`, () => seen.phases.has(name))
      },
      abort: (reason: unknown) => abort.abort(reason),
      terminate: () => terminate.abort()
    }
    return { input, result, ...seen, ...levers }
  }

  /** Starts an attempt and waits for its end. */
  async run(
    wish: AttemptWish = {}
  ): Promise<Omit<RunningAttempt, 'result'> & { readonly result: AttemptResult }> {
    const attempt = await this.start(wish)
    return { ...attempt, result: await attempt.result }
  }

  /** The clock that deadlines are on. */
  nowMs(): number {
    return this.#clock.bootMs()
  }

  /** Everything in the engine that belongs to this rig. */
  async left(): Promise<readonly string[]> {
    const mine = { 'runner-mesh.peer': this.peerId }
    const { engine } = this
    const kinds = [engine.containers(mine), engine.volumes(mine), engine.networks(mine)]
    return (await Promise.all(kinds)).flat().map(({ name }) => name)
  }

  /** Removes by label whatever a failed test has left. */
  async close(): Promise<void> {
    const mine = { 'runner-mesh.peer': this.peerId }
    for (const { name } of await this.engine.containers(mine)) await this.engine.remove(name)
    for (const { name } of await this.engine.volumes(mine)) await this.engine.removeVolume(name)
    for (const { id } of await this.engine.networks(mine)) await this.engine.removeNetwork(id)
    const volumes = new LoopVolumes(this.volumes)
    for (const claim of await volumes.claims()) await volumes.remove(claim)
    const ofHolders = { [HOLDER_IMAGE_LABEL]: this.peerId }
    for (const id of await this.engine.images(ofHolders)) await this.engine.removeImage(id)
    this.networks?.stop()
    await this.git.stop()
    await rm(this.root, { recursive: true, force: true })
  }

  async #lease(
    file: DeadlineFile,
    onlyInMs: number | undefined
  ): Promise<{ readonly deadlineMs: () => number; readonly stop: () => void }> {
    let deadlineMs = this.#clock.bootMs() + (onlyInMs ?? AHEAD_MS)
    await file.write(deadlineMs)
    const renew = (): void => {
      deadlineMs = this.#clock.bootMs() + AHEAD_MS
      // Gone at the end of the attempt: then there is nothing to renew.
      file.write(deadlineMs).catch(() => undefined)
    }
    const timer = onlyInMs === undefined ? setInterval(renew, RENEW_EVERY_MS) : undefined
    return { deadlineMs: () => deadlineMs, stop: () => clearInterval(timer) }
  }

  #manifest(wish: AttemptWish): Manifest {
    const commit = wish.commit ?? this.commit
    const url = wish.url ?? this.git.url
    return {
      origin: {
        forgeHost: '127.0.0.1',
        repositoryId: '/repo',
        event: 'push',
        ref: 'refs/heads/main',
        commit,
        number: '',
        action: '',
        rerunNonce: ''
      },
      repository: 'team/repo',
      url,
      before: '0'.repeat(40),
      pusher: 'lena',
      title: 'test',
      jobs: [],
      error: undefined,
      trust: wish.trust ?? 'trusted'
    }
  }
}

async function networksOf(
  engine: Engine,
  peerId: string,
  root: string,
  { networks: settings, table }: RigOptions
): Promise<JobNetworks | undefined> {
  if (settings === undefined) return undefined
  const trial = { engine, peerId, busybox: '/bin/busybox' }
  const tryOut = (network: JobNetwork) => tryNetwork(trial, network)
  const kits = join(root, 'workspaces', GROUND_DIR)
  const parts = { engine, clock: systemClock(), log: silentLog(), peerId, table, tryOut, kits }
  const networks = await openNetworks(parts, { rules: 'nft', ...settings })
  if (networks?.lost === undefined) return networks
  networks.stop()
  throw new Error(`no networks here: ${networks.lost}`)
}

function engineOf({ proxy }: RigOptions): Engine | undefined {
  return proxy === undefined ? undefined : Engine.local(proxy.socket, proxy.callMsMax)
}

function valuesOf(secrets: Readonly<Record<string, string>>): SecretValue[] {
  return Object.entries(secrets).map(([name, value]) => ({ name, value: Buffer.from(value) }))
}

function specOf(wish: AttemptWish): JobSpec {
  const steps = (wish.steps ?? [{ run: 'echo hello' }]).map((step, index) => ({
    name: `step ${index + 1}`,
    timeoutMs: undefined,
    ...step
  }))
  return {
    index: 0,
    name: 'build',
    image: BASE_IMAGE,
    platform: undefined,
    emulation: 'allow',
    resources: { cpuMilli: 1_000, memoryBytes: 64 * MIB },
    labels: {},
    env: {},
    timeoutMs: 60_000,
    onLoss: 'retry',
    network: 'none',
    ...wish.spec,
    steps
  }
}
