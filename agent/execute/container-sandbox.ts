import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Resources } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { SecretFile } from './attempt-secrets.ts'
import { Container, EVENT_LAG_MS_MAX } from './container.ts'
import { BoxDisk } from './disk/box-disk.ts'
import type { JobDisk } from './disk/job-disk.ts'
import type { Engine } from './engine.ts'
import type { ContainerBody, ExecEnd, LocalImage } from './engine-types.ts'
import type { JobGroup } from './group/job-group.ts'
import { BUSYBOX_INSIDE } from './guard.ts'
import { runHelper } from './helper-process.ts'
import { withDefaults } from './job-environment.ts'
import { readOutputFile } from './job-outputs.ts'
import type { JobNetwork } from './network/job-network.ts'
import { orAbort } from './or-abort.ts'
import { pidsRefused } from './pids-events.ts'
import { confirmGone } from './removal.ts'
import {
  type BegunStep,
  type OutputFile,
  type Sandbox,
  SandboxDied,
  type ServiceHooks,
  type StepCommand,
  type StepEnd
} from './sandbox.ts'
import { type Profile, WORKSPACE_INSIDE } from './sandbox-profile.ts'
import { secretFileCommand } from './secret-mounts.ts'
import { inContainer, Services } from './services/services.ts'
import { settled } from './settled.ts'
import { StepReader } from './step-reader.ts'
import {
  beginCommand,
  exitCodeCommand,
  followCommand,
  NOTHING_KEPT,
  parseExitCode
} from './step-record.ts'
import { unpackSource } from './unpacking.ts'
import { volumesOf } from './volume.ts'

/** Milliseconds in which the reason of a SIGKILL shows, where it has one that we can see. */
const KILL_REASON_MS_MAX = 1_000
/** 128 + SIGKILL */
const KILLED = 137
/** Milliseconds for the SIGTERM of a box whose guard cannot send it. */
const TERM_MS_MAX = 2_000
/** Milliseconds for a question about its disk. */
const ASK_MS_MAX = 10_000
/** Times in a row that a look at what a begun step left may fail. */
const FOLLOW_TRIES_MAX = 5
const FOLLOW_PAUSE_MS = 500

export interface ContainerSandboxParts {
  readonly engine: Engine
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
}

export interface ContainerSandboxOptions {
  readonly jobId: string
  readonly name: string
  readonly image: LocalImage
  /** What `body` was made by. */
  readonly profile: Profile
  readonly body: ContainerBody
  readonly cleanUpMsMax: number
  /** Absent for a job without any. */
  readonly services?: Services | undefined
  /** Above its container and those of its services; absent where each has its own limits alone. */
  readonly group?: JobGroup | undefined
  /** Absent where all that it writes is in memory, and counted as such. */
  readonly disk?: JobDisk | undefined
  readonly resources: Resources
  /** Absent for a job without one. */
  readonly network?:
    | Pick<JobNetwork, 'name' | 'env' | 'open' | 'adopt' | 'prove' | 'remove'>
    | undefined
}

/** A sandbox that is one container of the engine, with volumes of its own. */
export class ContainerSandbox implements Sandbox {
  readonly name: string
  readonly #engine: Engine
  readonly #log: Log
  readonly #options: ContainerSandboxOptions
  readonly #container: Container
  readonly #services: Services
  readonly #disk: BoxDisk
  readonly #reader: StepReader
  /** Calls whose answer decides whether something exists: awaited before anything is removed. */
  #inFlight: Promise<unknown> = Promise.resolve()

  constructor(parts: ContainerSandboxParts, options: ContainerSandboxOptions) {
    this.name = options.name
    this.#engine = parts.engine
    this.#log = parts.log
    this.#options = options
    this.#services = options.services ?? new Services([])
    const { jobId, name, image, body, resources, disk } = options
    const container = new Container(parts.engine, { jobId, name, platform: image.platform, body })
    this.#container = container
    this.#reader = new StepReader(parts.clock, container.watch)
    const box = { jobId, resources, container, services: this.#services, log: parts.log }
    this.#disk = new BoxDisk({ ...box, ask: this.#ask }, disk)
  }

  /** Whoever the steps run as. */
  get #user(): string {
    const { profile, image } = this.#options
    return profile.user ?? (image.user || '0')
  }

  async create(signal: AbortSignal): Promise<void> {
    const { watch } = this.#container
    const made = Promise.all([watch.start(), this.#flown(this.#create())])
    const compared = made.then(() => this.#container.readBack())
    await orAbort(compared, signal)
  }

  async start(signal: AbortSignal): Promise<void> {
    await orAbort(this.#flown(this.#start()), signal)
    await this.#options.network?.prove(async (command) => {
      const call = { command, user: this.#user, signal }
      const { end, said } = await runHelper((request) => this.#container.exec(request), call)
      return { code: end.kind === 'exited' ? end.code : undefined, said }
    })
  }

  async unpack(archive: Readable, signal: AbortSignal): Promise<void> {
    await this.#orDeath(this.#unpack(archive, signal), signal)
  }

  async hand({ path, value }: SecretFile, signal: AbortSignal): Promise<void> {
    const bytes = Readable.from([value])
    await this.#orDeath(this.#helper(secretFileCommand(path), this.#user, signal, bytes), signal)
  }

  async #orDeath(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      await work
    } catch (error) {
      signal.throwIfAborted()
      if (codeOf(error) === 'SOURCE_TOO_LARGE' || error instanceof SandboxDied) throw error
      const died = await this.#container.death()
      this.#disk.throwIfBreached(error)
      if (died !== undefined) throw new SandboxDied(died.exitCode, { cause: error })
      throw error
    }
  }

  async serve(hooks: ServiceHooks, signal: AbortSignal): Promise<void> {
    const inJob = inContainer(this.#container, this.#options.profile.helper)
    await this.#orDeath(this.#services.serve(inJob, hooks, signal), signal)
  }

  resumeServices(hooks: ServiceHooks): void {
    this.#services.resume(hooks)
  }

  async run(step: StepCommand, signal: AbortSignal): Promise<StepEnd> {
    const { profile, network } = this.#options
    const { watch } = this.#container
    const oomBefore = watch.oomKills
    const oom = (): boolean => watch.oomKills > oomBefore
    const refusedBefore = await this.#pidsRefused()
    const reading = this.#reader.of(step, { out: 0, err: 0 })
    let end: ExecEnd
    try {
      end = await this.#container.exec({
        ...reading,
        command: beginCommand(step.step, step.script, this.#reader.written),
        env: withDefaults(step.env, [...profile.env, ...(network?.env ?? [])]),
        user: this.#user,
        workdir: WORKSPACE_INSIDE,
        signal
      })
    } catch (error) {
      signal.throwIfAborted()
      const died = await this.#death(oom)
      if (died !== undefined) return died
      throw error
    }
    if (end.kind === 'not_started') {
      const wasStopped = this.#container.wasStopped.bind(this.#container)
      return (await this.#death(oom)) ?? ((await wasStopped()) ? { kind: 'stopped' } : end)
    }
    const judged = await this.#judged(end.code, reading.execId, oom)
    if (judged.kind !== 'exited' || judged.code === 0 || judged.oom) return judged
    const pidsFull = (await this.#pidsRefused()) > refusedBefore
    return { ...judged, ...(pidsFull ? { pidsFull } : {}) }
  }

  async attach(since: number): Promise<void> {
    const from = (since / 1_000).toFixed(3)
    await this.#container.attach(from)
    const { network, body } = this.#options
    await this.#container.compareAdopted((await network?.adopt(body)) ?? body)
    await this.#services.attach(from)
    await this.#proveGroup()
    this.#disk.watch()
  }

  async follow(begun: BegunStep, signal: AbortSignal): Promise<StepEnd> {
    const oom = (): boolean => this.#container.watch.oomKills > 0
    const seen = { out: 0, err: 0 }
    for (let failures = 0; failures < FOLLOW_TRIES_MAX; failures++) {
      const before = seen.out + seen.err
      const code = await this.#copy(begun, seen, signal)
      if (code === 0) return await this.#recordedEnd(begun.step, oom, signal)
      const died = await this.#death(oom)
      if (died !== undefined) return died
      if (code === NOTHING_KEPT) return { kind: 'unknown' }
      // Cut off, or for want of a process: it goes on from the last byte that came.
      if (seen.out + seen.err > before) failures = 0
      await sleep(FOLLOW_PAUSE_MS, undefined, { signal })
    }
    throw this.#container.failed('be followed', 'whatever reads it fails')
  }

  async outputs(signal: AbortSignal): Promise<OutputFile> {
    return await readOutputFile((request) => this.#container.exec(request), this.#user, signal)
  }

  async terminate(): Promise<void> {
    if (!this.#container.isMade) return
    await this.#sendTerm().catch((error: unknown) => {
      // A courtesy: what comes after it does not ask whether it arrived.
      this.#log.debug({ job: this.#options.jobId, err: error }, 'sigterm not sent')
    })
  }

  async #sendTerm(): Promise<void> {
    const { guard, helper } = this.#options.profile
    if (guard === helper) {
      await this.#container.terminate()
      return
    }
    // The guard may signal none of the job's, as none of the job's may signal the guard.
    const all = [BUSYBOX_INSIDE, 'sh', '-c', 'kill -TERM -1']
    await this.#helper(all, helper, AbortSignal.timeout(TERM_MS_MAX))
  }

  async close(): Promise<void> {
    this.#disk.unwatch()
    await this.#inFlight.catch(() => undefined)
    const { jobId, name, body, network, group, cleanUpMsMax } = this.#options
    const leftovers = [
      { what: `container ${name}`, remove: () => this.#container.remove() },
      ...this.#services.leftovers(),
      ...(group?.leftovers() ?? []),
      ...volumesOf(body).map((volume) => {
        return { what: `volume ${volume}`, remove: () => this.#engine.removeVolume(volume) }
      }),
      { what: `the disk of ${name}`, remove: () => this.#disk.remove() },
      ...(network === undefined
        ? []
        : [{ what: `network ${network.name}`, remove: () => network.remove() }])
    ]
    try {
      await confirmGone(jobId, leftovers, cleanUpMsMax)
    } finally {
      await this.#container.watch.stop()
      await this.#services.close()
    }
  }

  async #unpack(archive: Readable, signal: AbortSignal): Promise<void> {
    const { image, profile, body, resources } = this.#options
    const { watch } = this.#container
    const before = watch.oomKills
    const isShort = (): boolean => watch.oomKills > before
    const parts = {
      profile,
      body,
      resources,
      imageUser: image.user,
      helper: (command: readonly string[], user: string, stdin?: Readable) =>
        this.#helper(command, user, signal, stdin),
      ranOutOfMemory: async () => {
        await watch.until(isShort, KILL_REASON_MS_MAX)
        return isShort()
      }
    }
    await unpackSource(parts, archive)
  }

  async #create(): Promise<void> {
    // First: a container is never on a bridge whose rules are not there.
    const { network, body } = this.#options
    const opened = [this.#disk.open(), this.#options.group?.open(this.#bodies())]
    const [asked] = await Promise.all([network?.open(body), ...opened])
    await settled([this.#container.create(asked), this.#services.create()])
  }

  async #start(): Promise<void> {
    await settled([this.#container.start(), this.#services.start()])
    await Promise.all([this.#disk.started(), this.#proveGroup()])
  }

  /** Its label says where it is to be; where it is, and what holds there, the kernel knows. */
  async #proveGroup(): Promise<void> {
    const { group } = this.#options
    if (group === undefined) return
    const pids = [await this.#container.pid(), ...(await this.#services.pids())]
    await group.prove(this.#bodies(), pids)
  }

  #bodies(): readonly ContainerBody[] {
    return [this.#options.body, ...this.#services.bodies]
  }

  /** In a box that may have neither time nor a process to spare. */
  readonly #ask = async (command: readonly string[]): Promise<string> => {
    const signal = AbortSignal.timeout(ASK_MS_MAX)
    return await this.#helper(command, this.#options.profile.helper, signal)
  }

  async #pidsRefused(): Promise<number> {
    return await pidsRefused(await this.#container.pid())
  }

  /** Copies what a begun step left from `seen` on; gives the copier's exit code, if it had one. */
  async #copy(
    begun: BegunStep,
    seen: { out: number; err: number },
    signal: AbortSignal
  ): Promise<number | undefined> {
    const command = followCommand(begun.step, seen.out, seen.err)
    const { helper } = this.#options.profile
    const place = { env: [], user: helper, workdir: '/' }
    try {
      const reading = this.#reader.of(begun, seen)
      const end = await this.#container.exec({ ...place, ...reading, command, signal })
      return end.kind === 'exited' ? end.code : undefined
    } catch (error) {
      signal.throwIfAborted()
      this.#log.warn({ job: this.#options.jobId, err: error }, 'step not followed')
      return undefined
    }
  }

  async #recordedEnd(step: number, oom: () => boolean, signal: AbortSignal): Promise<StepEnd> {
    const { helper } = this.#options.profile
    const said = await this.#helper(exitCodeCommand(step), helper, signal).catch(() => '')
    const code = parseExitCode(said)
    if (code === undefined) return (await this.#death(oom)) ?? { kind: 'unknown' }
    return await this.#judged(code, undefined, oom)
  }

  /** What ended a step: the job, its memory limit, somebody else, or the end of the box. */
  async #judged(code: number, execId: string | undefined, oom: () => boolean): Promise<StepEnd> {
    const { watch } = this.#container
    // In success too: a step may answer a foreign SIGTERM with exit code 0. The engine reports no
    // end of an exec whose starter has gone.
    if (execId !== undefined) await watch.untilEnded(execId, EVENT_LAG_MS_MAX)
    if (await this.#container.wasStopped()) return { kind: 'stopped' }
    if (code === 0) return { kind: 'exited', code, oom: false }
    if (code === KILLED) {
      // The guard's exit kills the step first and ends the container a moment later: taken for the
      // step's own end, a lost lease would be reported as a failed test.
      await watch.until(() => oom() || watch.death() !== undefined, KILL_REASON_MS_MAX)
      const died = await this.#death(oom)
      if (died !== undefined) return died
    }
    const isOom = oom()
    const diskFull = !isOom && (await this.#disk.isFull(WORKSPACE_INSIDE))
    return { kind: 'exited', code, oom: isOom, ...(diskFull ? { diskFull } : {}) }
  }

  /** Undefined while the container runs. */
  async #death(oom: () => boolean): Promise<StepEnd | undefined> {
    const died = await this.#container.death()
    if (died === undefined) return undefined
    const { breach } = this.#disk
    return breach === undefined ? { ...died, oom: oom() } : { kind: 'over_disk', breach }
  }

  async #helper(
    command: readonly string[],
    user: string,
    signal: AbortSignal,
    stdin?: Readable
  ): Promise<string> {
    const call = { command, user, stdin, signal }
    const { end, said } = await runHelper((request) => this.#container.exec(request), call)
    if (end.kind === 'exited' && end.code === 0) return said
    const cause = end.kind === 'exited' ? said.trim() || `exit ${end.code}` : end.cause
    throw this.#container.failed('take the source or a secret', cause)
  }

  async #flown<T>(call: Promise<T>): Promise<T> {
    this.#inFlight = Promise.allSettled([this.#inFlight, call])
    return await call
  }
}
