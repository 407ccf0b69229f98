import { Readable } from 'node:stream'
import { MeshError } from '../../../protocol/core/errors.ts'
import type { ServiceSpec } from '../../../protocol/core/run.ts'
import type { SecretFile } from '../attempt-secrets.ts'
import { Container } from '../container.ts'
import { treeBytes } from '../disk/volume-questions.ts'
import type { Engine } from '../engine.ts'
import type { ContainerBody, ExecEnd, LocalImage } from '../engine-types.ts'
import { BUSYBOX_INSIDE } from '../guard.ts'
import { runHelper } from '../helper-process.ts'
import { withDefaults } from '../job-environment.ts'
import type { Leftover } from '../removal.ts'
import { SandboxDied } from '../sandbox.ts'
import type { Profile } from '../sandbox-profile.ts'
import { secretFileCommand } from '../secret-mounts.ts'
import {
  exitCodeCommand,
  followCommand,
  parseExitCode,
  RECORD_INSIDE,
  serveCommand,
  sizesCommand
} from '../step-record.ts'
import { volumesOf } from '../volume.ts'

/** The folder of its record, for the user that it runs as: `sh -c MAKE BUSYBOX`. */
const MAKE = `"$0" mkdir -m 700 -p ${RECORD_INSIDE}`
const OWN = `"$0" chown "$1" ${RECORD_INSIDE}`
const IDS = '"$0" id -u && "$0" id -g'

/** Exit code of a process that the kernel or somebody killed: 128 + SIGKILL. */
const KILLED = 137
/** Milliseconds in which the reason of a SIGKILL shows. */
const KILL_REASON_MS_MAX = 1_000
/** Milliseconds for a question about its disk. */
const ASK_MS_MAX = 10_000

export interface ServiceOptions {
  readonly jobId: string
  /** Of its container. */
  readonly name: string
  readonly spec: ServiceSpec
  readonly image: LocalImage
  readonly profile: Profile
  readonly body: ContainerBody
  /** Places for which the engine makes volumes of its own, which nothing limits. */
  readonly imageVolumes: readonly string[]
  /** Variables of the job's network, `NAME=value`; its own are over them. */
  readonly env: () => readonly string[]
}

export type OnOutput = (stream: 'out' | 'err', bytes: Uint8Array) => void

/**
 * One service of a job. Its container has the guard as process 1, as the job's has, and what the
 * image runs is started beside that: a service ends with the lease whoever else has ended.
 */
export class Service {
  readonly spec: ServiceSpec
  readonly #container: Container
  readonly #engine: Engine
  readonly #options: ServiceOptions

  constructor(engine: Engine, options: ServiceOptions) {
    const { jobId, name, spec, image, body } = options
    this.spec = spec
    this.#engine = engine
    this.#options = options
    this.#container = new Container(engine, { jobId, name, platform: image.platform, body })
  }

  get body(): ContainerBody {
    return this.#options.body
  }

  /** Throws as the job's own container does. */
  async create(): Promise<void> {
    await Promise.all([this.#container.watch.start(), this.#container.create()])
    await this.#container.readBack()
  }

  async start(): Promise<void> {
    await this.#container.start()
  }

  /** In place of `create` and `start`, as that of a sandbox. Throws SandboxDied. */
  async attach(since: string): Promise<void> {
    await this.#container.attach(since)
  }

  /** What its image runs, from its start to its end, which it gives as words for people. */
  async serve(
    files: readonly SecretFile[],
    onOutput: OnOutput,
    signal: AbortSignal
  ): Promise<string> {
    const { image, spec } = this.#options
    const user = this.#user()
    await this.#prepare(user, signal)
    for (const { path, value } of files) {
      const bytes = Readable.from([Buffer.from(value)])
      await this.#helper(secretFileCommand(path), user, signal, bytes)
      value.fill(0)
    }
    const words = [...image.entrypoint, ...(spec.command ?? image.command)]
    if (words.length === 0) throw this.notReady('its image says nothing to run: give a `command`')
    const { workdir } = image
    const command = serveCommand(words)
    const place = { command, env: this.#env(), user, workdir, onOutput, signal }
    return await this.#ended(await this.#container.exec(place))
  }

  /** As `serve`, of one that an agent before this one has started: from now on. */
  async follow(onOutput: OnOutput, signal: AbortSignal): Promise<string> {
    const { helper } = this.#options.profile
    const sizes = await this.#helper(sizesCommand(1), helper, signal)
    const [out = 0, err = 0] = sizes.split('\n').map(Number)
    const place = { env: [], user: helper, workdir: '/', onOutput, signal }
    await this.#container.exec({ ...place, command: followCommand(1, out, err) })
    const code = parseExitCode(await this.#helper(exitCodeCommand(1), helper, signal))
    return await this.#ended({ kind: 'exited', code: code ?? KILLED })
  }

  /** The exit code of a command of the job's own words, run as the service is. */
  async ask(command: readonly string[], signal: AbortSignal): Promise<number | undefined> {
    const { image } = this.#options
    const place = { env: this.#env(), user: this.#user(), workdir: image.workdir }
    const onOutput = (): void => undefined
    const end = await this.#container.exec({ ...place, command, onOutput, signal })
    return end.kind === 'exited' ? end.code : undefined
  }

  /** On the job's network; undefined while it does not run. */
  async address(): Promise<string | undefined> {
    const { name, body } = this.#options
    const found = await this.#engine.inspect(name)
    const place = found?.networks[String(body.HostConfig['NetworkMode'])]
    return place?.address === '' ? undefined : place?.address
  }

  /** Of its process 1 on the host; 0 where none runs. */
  async pid(): Promise<number> {
    return await this.#container.pid()
  }

  /** What it wrote to its layer and to volumes that its image declares; none in memory counts. */
  async diskBytes(): Promise<number> {
    const { profile, imageVolumes } = this.#options
    if (profile.readOnlyRoot) return 0
    const ask = (command: readonly string[]): Promise<string> =>
      this.#helper(command, profile.helper, AbortSignal.timeout(ASK_MS_MAX))
    const [layer, trees] = await Promise.all([
      this.#container.layerBytes(),
      imageVolumes.length === 0 ? 0 : treeBytes(ask, imageVolumes)
    ])
    return layer + trees
  }

  leftovers(): readonly Leftover[] {
    const { name, body } = this.#options
    return [
      { what: `container ${name}`, remove: () => this.#container.remove() },
      ...volumesOf(body).map((volume) => {
        return { what: `volume ${volume}`, remove: () => this.#engine.removeVolume(volume) }
      })
    ]
  }

  async stopWatching(): Promise<void> {
    await this.#container.watch.stop()
  }

  notReady(problem: string): MeshError {
    const { jobId: job, spec } = this.#options
    return new MeshError('SERVICE_NOT_READY', { job, service: spec.name, problem })
  }

  /** Why it will never be ready: somebody, or its guard, has ended its box, or it has itself. */
  failure(how: string): Error {
    const death = this.#container.watch.death()
    return death === undefined ? this.notReady(how) : new SandboxDied(death.exitCode)
  }

  async #ended(end: ExecEnd): Promise<string> {
    if (end.kind === 'not_started') return `could not start: ${end.cause}`
    const { watch } = this.#container
    const isKnown = (): boolean => watch.oomKills > 0 || watch.death() !== undefined
    if (end.code === KILLED) await watch.until(isKnown, KILL_REASON_MS_MAX)
    if (watch.oomKills === 0) return `ended with exit code ${end.code}`
    const mib = Math.floor(this.spec.resources.memoryBytes / 1_048_576)
    return `ended: it needed more than its ${mib} MiB of memory, raise its resources.memory`
  }

  #env(): readonly string[] {
    const { spec, profile, env } = this.#options
    const own = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`)
    return withDefaults(own, [...profile.env, ...env()])
  }

  #user(): string {
    const { image, profile } = this.#options
    return profile.user ?? (image.user || '0')
  }

  async #prepare(user: string, signal: AbortSignal): Promise<void> {
    const { helper } = this.#options.profile
    await this.#helper(busybox(MAKE), helper, signal)
    if (user === helper || user === '0' || user === 'root') return
    // The engine knows the image's users; the mounted busybox must not load the image's libraries.
    const ids = (await this.#helper(busybox(IDS), user, signal)).trim().replace('\n', ':')
    await this.#helper([...busybox(OWN), ids], helper, signal)
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
    throw this.#container.failed(`help its service ${this.spec.name}`, cause)
  }
}

function busybox(script: string): string[] {
  return [BUSYBOX_INSIDE, 'sh', '-c', script, BUSYBOX_INSIDE]
}
