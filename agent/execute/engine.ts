import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import Docker from 'dockerode'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { ENGINE_CALL_MS_MAX } from '../../protocol/core/limits.ts'
import { converse } from './converse.ts'
import type { Calls } from './engine-calls.ts'
import { parseEvent } from './engine-events.ts'
import { away, explained } from './engine-failure.ts'
import { engineInfo } from './engine-info.ts'
import {
  type Asking,
  type ContainerBody,
  type ContainerView,
  type Distribution,
  EngineError,
  type EngineEvent,
  type EngineInfo,
  type ExecEnd,
  type ExecRequest,
  type LocalImage,
  type NetworkBody,
  type NetworkView,
  type OwnedContainer,
  type OwnedThing
} from './engine-types.ts'
import { notStarted } from './exec-end.ts'
import { execRuns } from './exec-process.ts'
import { FrameReader } from './frames.ts'
import { jsonLines } from './json-lines.ts'
import { type Layer, layerOf } from './layer.ts'
import { localImage } from './local-image.ts'
import { networkPlaces, networkView } from './network-view.ts'
import { followProgress } from './progress.ts'
import { askRegistry, type Dial } from './registry-question.ts'

const DEFAULT_SOCKET = '/var/run/docker.sock'

/** Milliseconds between two looks at a process that has closed its outputs and lives on. */
const EXEC_POLL_MS_MAX = 500

type Labels = Readonly<Record<string, string>>

/**
 * The container engine of this host, over its local socket. Calls reject with ENGINE_UNREACHABLE
 * where nothing listens, else with EngineError; each ends after `callMsMax` at the latest unless
 * its own comment says otherwise.
 */
export class Engine {
  readonly socket: string
  readonly #docker: Docker
  readonly #calls: Calls
  readonly #callMsMax: number

  private constructor(socket: string, callMsMax: number) {
    this.socket = socket
    this.#callMsMax = callMsMax
    this.#docker = new Docker({ socketPath: socket })
    this.#calls = this.#docker as unknown as Calls
  }

  /** `host` is a socket's path or a value of DOCKER_HOST. Throws ENGINE_REMOTE. */
  static local(host: string | undefined, callMsMax = ENGINE_CALL_MS_MAX): Engine {
    if (host === undefined || host === '') return new Engine(DEFAULT_SOCKET, callMsMax)
    const path = host.startsWith('unix://') ? host.slice('unix://'.length) : host
    // Mounts and the guard's clock are this host's: with a remote engine both would be another's.
    if (!path.startsWith('/')) throw new MeshError('ENGINE_REMOTE', { host })
    return new Engine(path, callMsMax)
  }

  /** Throws ENGINE_UNREACHABLE where it says nothing of itself, whatever the reason. */
  async info(): Promise<EngineInfo> {
    const asked = this.#call((abortSignal) =>
      Promise.all([this.#calls.info({ abortSignal }), this.#calls.version({ abortSignal })])
    )
    return engineInfo(...(await asked.catch((error) => Promise.reject(away(error, this.socket)))))
  }

  /** Undefined where the image is not on this host. */
  async image(reference: string): Promise<LocalImage | undefined> {
    const found = await this.#found((abortSignal) =>
      this.#docker.getImage(reference).inspect({ abortSignal } as object)
    )
    return found && localImage(found)
  }

  /** What the registry has, asked with the engine's own access to it; limited by `signal` alone. */
  async distribution(name: string, tag: string, { signal, login }: Asking): Promise<Distribution> {
    const { modem } = this.#docker
    const dial: Dial = (request, done) => modem.dial(request, done)
    return await this.#limited(() => askRegistry(dial, { name, tag, login, signal }), signal)
  }

  /** Resolves once the image is here; limited by `signal` alone. */
  async pull(name: string, tag: string, platform: string, asking: Asking): Promise<void> {
    const { signal, login = {} } = asking
    const parts = { fromImage: name, tag, platform, abortSignal: signal }
    await this.#limited(async () => {
      await followProgress(await this.#calls.createImage(login, parts))
    }, signal)
  }

  /** The names that images have in this repository, `repo:tag`. */
  async tagsIn(repository: string): Promise<readonly string[]> {
    const found = await this.#listed({ reference: [repository] })
    return found.flatMap(({ RepoTags }) => RepoTags ?? [])
  }

  /** Loads a docker-archive. */
  async load(archive: Readable, signal: AbortSignal): Promise<void> {
    await this.#limited(async () => {
      await followProgress(await this.#docker.loadImage(archive, { abortSignal: signal }))
    }, signal)
  }

  /** Makes an image without a name of a root file system's tar archive, and gives its id. */
  async importRoot(archive: Readable, labels: Labels): Promise<string> {
    const changes = Object.entries(labels).map(([key, value]) => `LABEL "${key}"="${value}"`)
    return await this.#call(async (abortSignal) => {
      const progress = await this.#calls.importImage(archive, { changes, abortSignal })
      return await followProgress(progress)
    })
  }

  /** Gives an image one name more, `repo:tag`. */
  async tag(id: string, repo: string, tag: string): Promise<void> {
    const name = { repo, tag }
    await this.#call((abortSignal) => this.#docker.getImage(id).tag({ ...name, abortSignal }))
  }

  /** One name of several, or the image; unless `force`, status 409 where it is in use. */
  async removeImage(id: string, force = true): Promise<boolean> {
    return await this.#removed((abortSignal) =>
      this.#docker.getImage(id).remove({ force, abortSignal })
    )
  }

  /** The new container's id. Status 409 says that the name is taken. */
  async create(name: string, platform: string, body: ContainerBody): Promise<string> {
    const options = { ...body, name, platform } as unknown as Docker.ContainerCreateOptions
    const container = await this.#call((abortSignal) =>
      this.#docker.createContainer({ ...options, abortSignal })
    )
    return container.id
  }

  async start(container: string): Promise<void> {
    await this.#call((abortSignal) => this.#docker.getContainer(container).start({ abortSignal }))
  }

  /** Undefined where there is no such container. */
  async inspect(container: string): Promise<ContainerView | undefined> {
    const found = await this.#found((abortSignal) =>
      this.#docker.getContainer(container).inspect({ abortSignal })
    )
    if (found === undefined) return undefined
    return {
      id: found.Id,
      running: found.State.Running,
      pid: found.State.Pid,
      exitCode: found.State.ExitCode,
      labels: found.Config.Labels,
      config: { ...found.Config },
      hostConfig: { ...found.HostConfig },
      mounts: found.Mounts.map(({ Destination }) => Destination),
      networks: networkPlaces(found.NetworkSettings.Networks)
    }
  }

  /** What a container wrote beside its volumes: the engine walks its files. Rejects without one. */
  async layer(container: string): Promise<Layer> {
    const found = await this.#call((abortSignal) =>
      this.#docker.getContainer(container).inspect({ size: true, abortSignal } as object)
    )
    return layerOf(found)
  }

  /** Signals process 1. False where it no longer runs. */
  async kill(container: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
    return await this.#call((abortSignal) =>
      this.#docker.getContainer(container).kill({ signal, abortSignal })
    ).then(
      () => true,
      (error: unknown) => {
        if (isStatus(error, 404) || isStatus(error, 409)) return false
        throw error
      }
    )
  }

  /** Kills and removes it with its nameless volumes. False where there is nothing to remove. */
  async remove(container: string): Promise<boolean> {
    return await this.#removed((abortSignal) =>
      this.#docker.getContainer(container).remove({ force: true, v: true, abortSignal })
    )
  }

  /** The new network's id. */
  async createNetwork(body: NetworkBody): Promise<string> {
    const options = body as unknown as Docker.NetworkCreateOptions
    const network = await this.#call((abortSignal) =>
      this.#docker.createNetwork({ ...options, abortSignal })
    )
    return network.id
  }

  async networks(labels: Labels): Promise<readonly NetworkView[]> {
    const filters = { label: labelFilter(labels) }
    return await this.#call(async (abortSignal) =>
      (await this.#calls.listNetworks({ filters, abortSignal })).map(networkView)
    )
  }

  /** False where there is nothing to remove. Status 403 says that a container is on it. */
  async removeNetwork(id: string): Promise<boolean> {
    return await this.#removed((abortSignal) =>
      this.#docker.getNetwork(id).remove({ abortSignal } as object)
    )
  }

  async removeVolume(name: string): Promise<boolean> {
    return await this.#removed((abortSignal) =>
      this.#docker.getVolume(name).remove({ abortSignal })
    )
  }

  /** All that carry these labels, ended ones too. Throws ENGINE_UNREACHABLE, as info does. */
  async containers(labels: Labels): Promise<readonly OwnedContainer[]> {
    const filters = { label: labelFilter(labels) }
    const asked = this.#call((abortSignal) =>
      this.#docker.listContainers({ all: true, filters, abortSignal })
    )
    const found = await asked.catch((error) => Promise.reject(away(error, this.socket)))
    return found.map((one) => ({
      name: one.Names[0]?.replace(/^\//, '') ?? one.Id,
      labels: one.Labels,
      id: one.Id,
      running: one.State === 'running' || one.State === 'paused',
      created: one.State === 'created',
      madeAtS: one.Created
    }))
  }

  /** Those that carry these labels, with or without a name, by their ids. */
  async images(labels: Labels): Promise<readonly string[]> {
    return (await this.#listed({ label: labelFilter(labels) })).map((one) => one.Id)
  }

  async volumes(labels: Labels): Promise<readonly OwnedThing[]> {
    const filters = { label: labelFilter(labels) }
    const found = await this.#call((abortSignal) =>
      this.#calls.listVolumes({ filters, abortSignal })
    )
    // The engine sends null for none.
    return (found.Volumes ?? []).map((one) => ({ name: one.Name, labels: one.Labels ?? {} }))
  }

  /** Runs a process in a running container to its end, however long that takes. */
  async exec(request: ExecRequest): Promise<ExecEnd> {
    const created = await this.#call((abortSignal) =>
      this.#docker.getContainer(request.container).exec({
        Cmd: [...request.command],
        Env: [...request.env],
        User: request.user,
        WorkingDir: request.workdir,
        AttachStdin: request.stdin !== undefined,
        AttachStdout: true,
        AttachStderr: true,
        abortSignal
      })
    )
    request.onCreated?.(created.id)
    let firstWords = ''
    const reader = new FrameReader((stream, bytes) => {
      if (firstWords === '') firstWords = Buffer.from(bytes).toString('utf8').trim()
      request.onOutput(stream, bytes)
    })
    try {
      const attached = await this.#attach(created, request)
      const pid = async (): Promise<number> =>
        (await this.#call((abortSignal) => created.inspect({ abortSignal }))).Pid
      const runs = execRuns(request.container, pid)
      await converse(attached, { request, runs, onChunk: (chunk) => reader.push(chunk) })
    } catch (error) {
      // Engines from 25 on refuse here what older ones report as output and exit code 126.
      if (isStatus(error, 400) || isStatus(error, 500)) return notStarted(causeOf(error))
      throw error
    }
    return await this.#ending(created, firstWords, request.signal)
  }

  /**
   * Makes a process that nobody starts, for its event: what this container's events say before that
   * is all that was done to it before. Gives what the event tells it by: its command, since what
   * else an event says a label of an image may hide.
   */
  async mark(container: string): Promise<string> {
    // The engine reports a signal only after it has sent it, but holds the container meanwhile: an
    // inspection waits for that.
    await this.inspect(container)
    const mark = randomBytes(16).toString('hex')
    await this.#call((abortSignal) =>
      this.#docker.getContainer(container).exec({ Cmd: ['/', mark], abortSignal })
    )
    return mark
  }

  /**
   * Resolves when the engine ends the stream; `onReady` is called once nothing can be missed. The
   * answer has the usual limit, the stream none but `signal`.
   */
  async events(
    labels: Labels,
    since: string | undefined,
    onEvent: (event: EngineEvent) => void,
    signal: AbortSignal,
    onReady: () => void
  ): Promise<void> {
    const filters = { type: ['container'], label: labelFilter(labels) }
    const stream = await this.#call((limit) => {
      const abortSignal = AbortSignal.any([signal, limit])
      return this.#calls.getEvents({ filters, since, abortSignal })
    })
    onReady()
    for await (const document of jsonLines(stream as AsyncIterable<Uint8Array>)) {
      const event = parseEvent(document)
      if (event !== undefined) onEvent(event)
    }
  }

  async #attach(exec: Docker.Exec, request: ExecRequest): Promise<NodeJS.ReadWriteStream> {
    return await this.#call((abortSignal) =>
      // The signal must not outlive the answer: it would cut the stream in the middle of a step.
      exec.start({ hijack: true, stdin: request.stdin !== undefined, abortSignal })
    )
  }

  /**
   * A process may close its outputs long before it ends, so the end of the stream is not its end.
   */
  async #ending(
    exec: Docker.Exec,
    firstWords: string,
    signal: AbortSignal | undefined
  ): Promise<ExecEnd> {
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, EXEC_POLL_MS_MAX)) {
      const seen = await this.#call((abortSignal) => exec.inspect({ abortSignal }))
      if (!seen.Running && seen.ExitCode !== null) {
        return seen.Pid === 0 ? notStarted(firstWords) : { kind: 'exited', code: seen.ExitCode }
      }
      signal?.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  async #listed(filters: Readonly<Record<string, string[]>>): Promise<Docker.ImageInfo[]> {
    return await this.#call((abortSignal) => this.#docker.listImages({ filters, abortSignal }))
  }

  async #found<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#call(call)
    } catch (error) {
      if (isStatus(error, 404)) return undefined
      throw error
    }
  }

  async #removed(call: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    return (await this.#found(async (signal) => [await call(signal)])) !== undefined
  }

  async #call<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), this.#callMsMax)
    try {
      return await this.#limited(() => call(limit.signal), limit.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async #limited<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw explained(error, signal, this.socket)
    }
  }
}

/** True for an answer of the engine with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return error instanceof EngineError && error.status === status
}

function labelFilter(labels: Labels): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`)
}
