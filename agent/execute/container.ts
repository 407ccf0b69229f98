import { MeshError } from '../../protocol/core/errors.ts'
import { ContainerWatch } from './container-watch.ts'
import { type Engine, isStatus } from './engine.ts'
import { SERVICE_LABEL } from './engine-events.ts'
import type { ContainerBody, ContainerExec, ExecEnd } from './engine-types.ts'
import { mustBeAlone } from './gpu/gpu-neighbours.ts'
import { gpuStartError } from './gpu/start-error.ts'
import { bytesOf } from './layer.ts'
import { mustBeAsAsked } from './read-back.ts'
import { SandboxDied } from './sandbox.ts'
import { PROFILE_LABEL } from './sandbox-profile.ts'
import { untilDeath } from './until-death.ts'

/** Milliseconds that the report of an exec's end may lag behind the end itself. */
export const EVENT_LAG_MS_MAX = 2_000
/** Containers of an earlier attempt that may stand in the way of one name. */
const CREATE_TRIES_MAX = 3

export interface ContainerOptions {
  readonly jobId: string
  readonly name: string
  /** `os/arch[/variant]` */
  readonly platform: string
  readonly body: ContainerBody
}

export interface Died {
  readonly kind: 'died'
  /** Of its process 1, where known. */
  readonly exitCode: number | undefined
}

/** One container of the engine: made as it was asked, watched, and told from its namesakes. */
export class Container {
  readonly name: string
  readonly watch: ContainerWatch
  readonly #engine: Engine
  readonly #options: ContainerOptions
  /** Signals that we sent: what is seen beyond them is somebody else's. */
  #signals = 0
  #id: string | undefined
  #body: ContainerBody

  constructor(engine: Engine, options: ContainerOptions) {
    this.name = options.name
    this.#engine = engine
    this.#options = options
    this.#body = options.body
    const { 'runner-mesh.claim': claim = '', [PROFILE_LABEL]: made = '' } = options.body.Labels
    // Others of the same claim end as well: what holds its network, say.
    const service = options.body.Labels[SERVICE_LABEL] || undefined
    const ours = { 'runner-mesh.claim': claim, [PROFILE_LABEL]: made }
    const labels = service === undefined ? ours : { ...ours, [SERVICE_LABEL]: service }
    this.watch = new ContainerWatch(engine, labels)
  }

  /** False until the engine has said that it is there. */
  get isMade(): boolean {
    return this.#id !== undefined
  }

  /**
   * In place of a namesake of ours, and of `body` in place of what it was to be made of. Throws
   * SANDBOX_FAILED where that is somebody else's, GPU_NOT_PASSED, GPU_REFUSED.
   */
  async create(body: ContainerBody = this.#options.body): Promise<void> {
    const { name, platform } = this.#options
    this.#body = body
    for (let tries = 1; ; tries++) {
      try {
        this.#id = await this.#engine.create(name, platform, body)
        return
      } catch (error) {
        if (!isStatus(error, 409) || tries === CREATE_TRIES_MAX) throw this.#explained(error)
        await this.#removeNamesake()
      }
    }
  }

  /**
   * Compares what was made with what was asked, and looks who else has its GPUs. Throws
   * SANDBOX_FAILED, SANDBOX_DIFFERS, GPU_TAKEN.
   */
  async readBack(): Promise<void> {
    const { jobId } = this.#options
    const stored = await this.#engine.inspect(this.#reference())
    if (stored === undefined) throw this.failed('exist', 'it was removed as soon as it was made')
    mustBeAsAsked('SANDBOX_DIFFERS', jobId, this.#body, stored)
    await mustBeAlone(this.#engine, jobId, this.#body, stored.id)
  }

  /** Throws GPU_NOT_PASSED, GPU_REFUSED. */
  async start(): Promise<void> {
    try {
      await this.#engine.start(this.#reference())
    } catch (error) {
      throw this.#explained(error)
    }
  }

  /** Takes on one that an agent before this one has made, with its events. Throws SandboxDied. */
  async attach(since: string): Promise<void> {
    const { body } = this.#options
    const found = await this.#engine.inspect(this.name)
    const isOurs = ['runner-mesh.claim', PROFILE_LABEL].every(
      (label) => found?.labels[label] === body.Labels[label]
    )
    if (!isOurs) throw new SandboxDied(undefined)
    this.#id = found?.id
    await this.watch.start(since)
    if (found?.running !== true) throw new SandboxDied(found?.exitCode)
  }

  /**
   * Compares what was attached with what it would be made of now: its label says what it was made
   * by, but what holds is what the engine has. Throws ADOPTION_DIFFERS, SandboxDied.
   */
  async compareAdopted(body: ContainerBody): Promise<void> {
    const stored = await this.#engine.inspect(this.#reference())
    if (stored === undefined) throw new SandboxDied(undefined)
    mustBeAsAsked('ADOPTION_DIFFERS', this.#options.jobId, body, stored)
  }

  /** Ends with the container, whatever the engine says of its processes then. */
  async exec(request: ContainerExec): Promise<ExecEnd> {
    const container = this.#reference()
    const run = (signal: AbortSignal): Promise<ExecEnd> =>
      this.#engine.exec({ ...request, container, signal })
    return await untilDeath(this.watch, request.signal, run)
  }

  async terminate(): Promise<void> {
    // Before it is sent: its report may come before its answer.
    this.#signals += 1
    await this.#engine.kill(this.#reference(), 'SIGTERM')
  }

  async kill(): Promise<void> {
    this.#signals += 1
    await this.#engine.kill(this.#reference(), 'SIGKILL')
  }

  /** Bytes that were written to its own layer, with its files. Rejects where it is gone. */
  async layerBytes(): Promise<number> {
    return await bytesOf(await this.#engine.layer(this.#reference()))
  }

  /** Of its process 1 on the host; 0 where none runs. */
  async pid(): Promise<number> {
    return (await this.#engine.inspect(this.#reference()))?.pid ?? 0
  }

  /** True where a signal was sent that was not ours. */
  async wasStopped(): Promise<boolean> {
    const { watch } = this
    const mark = await this.#engine.mark(this.#reference()).catch((error: unknown) => {
      // It runs no more: behind the report of its end nothing else comes.
      if (isStatus(error, 404) || isStatus(error, 409)) return undefined
      throw error
    })
    const isIn = (): boolean =>
      watch.death() !== undefined || (mark !== undefined && watch.hasSeen(mark))
    await watch.until(isIn, EVENT_LAG_MS_MAX)
    return watch.kills > this.#signals
  }

  /** Undefined while it runs. */
  async death(): Promise<Died | undefined> {
    const reported = this.watch.death()
    if (reported?.exitCode !== undefined) return { kind: 'died', exitCode: reported.exitCode }
    const seen = await this.#engine.inspect(this.#reference())
    if (reported !== undefined) return { kind: 'died', exitCode: seen?.exitCode }
    if (seen?.running === true) return undefined
    await this.watch.until(() => this.watch.death() !== undefined, EVENT_LAG_MS_MAX)
    return { kind: 'died', exitCode: this.watch.death()?.exitCode ?? seen?.exitCode }
  }

  /** By name where the answer to create never came; a namesake with another claim is left alone. */
  async remove(): Promise<void> {
    if (this.#id !== undefined) {
      await this.#engine.remove(this.#id)
      return
    }
    const found = await this.#engine.inspect(this.name)
    const claim = this.#options.body.Labels['runner-mesh.claim']
    if (found?.labels['runner-mesh.claim'] === claim) await this.#engine.remove(found?.id ?? '')
  }

  failed(action: string, cause: string): MeshError {
    return new MeshError('SANDBOX_FAILED', { job: this.#options.jobId, action, cause })
  }

  #explained(error: unknown): unknown {
    return gpuStartError(this.#options.jobId, this.#body, error)
  }

  /** Left by an earlier attempt of ours; its source volume has another name and is reaped. */
  async #removeNamesake(): Promise<void> {
    const { name, body } = this.#options
    const other = await this.#engine.inspect(name)
    if (other === undefined) return
    if (other.labels['runner-mesh.peer'] !== body.Labels['runner-mesh.peer']) {
      throw this.failed('be created', `container ${name} is somebody else's: remove it`)
    }
    await this.#engine.remove(other.id)
  }

  #reference(): string {
    return this.#id ?? this.name
  }
}
