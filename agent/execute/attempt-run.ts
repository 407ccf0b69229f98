import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Reason } from '../../protocol/core/job.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { AttemptInput, AttemptResult, PhaseName } from './attempt.ts'
import type { Engine } from './engine.ts'
import { EngineError, type LocalImage } from './engine-types.ts'
import type { Ground } from './ground.ts'
import { ensureImage } from './image.ts'
import { jobEnvironment } from './job-environment.ts'
import { errored, interruption, outcomeOf } from './outcome.ts'
import { confirmGone } from './removal.ts'
import { type Sandbox, SandboxDied } from './sandbox.ts'
import { runSteps } from './steps.ts'
import { Stopwatch } from './stopwatch.ts'
import type { Workspace } from './workspace.ts'

export interface AttemptParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly workspace: Workspace
  readonly agent: string
  readonly termGraceMs: number
  readonly ground: () => Promise<Ground>
  readonly sandboxOf: (image: LocalImage, ground: Ground) => Sandbox
}

/**
 * One attempt by phase: image, container and source side by side, then the source into the box, the
 * steps, and the clean-up, which every path ends with.
 */
export class AttemptRun {
  readonly #parts: AttemptParts
  readonly #input: AttemptInput
  readonly #stopwatch = new Stopwatch()
  #sandbox: Sandbox | undefined
  #userCodeRan = false
  #hostTree: Promise<unknown> = Promise.resolve()

  constructor(parts: AttemptParts, input: AttemptInput) {
    this.#parts = parts
    this.#input = input
  }

  /** Rejects with SANDBOX_FAILED where something could not be confirmed gone. */
  async run(): Promise<AttemptResult> {
    const result = await this.#attempt()
    this.#stage('finishing')
    await this.#cleanUp()
    if (result.kind === 'interrupted') return result
    const outcome = outcomeOf(result.verdict, this.#stopwatch.ms())
    return { kind: 'outcome', outcome }
  }

  async #attempt(): ReturnType<typeof runSteps> {
    try {
      const { sandbox, image } = await this.#prepare()
      await this.#input.onUserCode()
      this.#input.signal.throwIfAborted()
      this.#userCodeRan = true
      return await this.#steps(sandbox, image)
    } catch (error) {
      return this.#explained(error)
    }
  }

  /** The slower of checkout and container decides how long this takes, not their sum. */
  async #prepare(): Promise<{ readonly sandbox: Sandbox; readonly image: LocalImage }> {
    const failed = new AbortController()
    const signal = AbortSignal.any([this.#input.signal, failed.signal])
    const orStopBoth = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work
      } catch (error) {
        failed.abort(error)
        throw error
      }
    }
    const [box, tree] = await Promise.allSettled([
      orStopBoth(this.#box(signal)),
      orStopBoth(this.#checkOut(signal))
    ])
    this.#input.signal.throwIfAborted()
    // The one that failed first: the other was only stopped by it.
    failed.signal.throwIfAborted()
    if (box.status === 'rejected' || tree.status === 'rejected') throw new Error('unreachable')
    await this.#intoTheBox(box.value.sandbox)
    return box.value
  }

  async #box(signal: AbortSignal): Promise<{ sandbox: Sandbox; image: LocalImage }> {
    const { engine, sandboxOf } = this.#parts
    const reference = this.#input.spec.image
    this.#stage('image')
    const ground = await this.#parts.ground()
    const platform = this.#input.spec.platform ?? ground.platform
    const onPull = (): void => this.#say(`pulling image ${reference}`)
    const image = await this.#timed('image', () =>
      ensureImage(engine, { reference, platform, signal, onPull })
    )
    signal.throwIfAborted()
    const sandbox = sandboxOf(image, ground)
    this.#sandbox = sandbox
    this.#stage('create')
    await this.#timed('create', () => sandbox.create())
    signal.throwIfAborted()
    this.#stage('start')
    await this.#timed('start', () => sandbox.start())
    this.#stage('checkout')
    return { sandbox, image }
  }

  async #checkOut(signal: AbortSignal): Promise<void> {
    const { url, origin } = this.#input.manifest
    const source = { url, commit: origin.commit }
    await this.#timed('checkout', () => this.#parts.workspace.checkOut(source, signal))
  }

  async #intoTheBox(sandbox: Sandbox): Promise<void> {
    const { workspace } = this.#parts
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#input.signal, stop.signal])
    await this.#timed('source', async () => {
      const archive = workspace.pack(signal)
      try {
        await Promise.all([sandbox.unpack(archive.stream, signal), archive.done])
      } finally {
        stop.abort()
        await archive.done.catch(() => undefined)
      }
    })
    // Beside the steps: nobody waits for it before the clean-up does.
    this.#hostTree = workspace.remove().catch(() => undefined)
  }

  async #steps(sandbox: Sandbox, image: LocalImage): ReturnType<typeof runSteps> {
    const { clock, agent, termGraceMs } = this.#parts
    const input = this.#input
    const env = jobEnvironment(input, agent, image.platform)
    const stopwatch = new Stopwatch()
    let spoke = false
    const onOutput = (): void => {
      if (!spoke) input.onPhase('first_line', stopwatch.ms())
      spoke = true
    }
    return await runSteps({ sandbox, clock, input, env, termGraceMs, onOutput })
  }

  async #explained(error: unknown): ReturnType<typeof runSteps> {
    const { signal, spec } = this.#input
    const userCodeRan = this.#userCodeRan
    if (signal.aborted) {
      const [reason, message] = abortWords(signal.reason)
      return { kind: 'interrupted', reason, userCodeRan, message }
    }
    if (error instanceof SandboxDied) return interruption(error.exitCode, userCodeRan)
    const known = failureOf(error)
    if (known === undefined || userCodeRan) {
      const { jobId: job, epoch } = this.#input
      this.#parts.log.error({ job, epoch, err: error }, 'attempt interrupted')
      const message = causeOf(error)
      return { kind: 'interrupted', reason: 'sandbox_failed', userCodeRan, message }
    }
    return { kind: 'verdict', verdict: errored(spec, known, causeOf(error)) }
  }

  async #cleanUp(): Promise<void> {
    const { workspace } = this.#parts
    const { jobId, deadline } = this.#input
    await this.#hostTree
    const sandbox = this.#sandbox
    const box = sandbox === undefined ? [] : [sandbox.close()]
    const rest = confirmGone(jobId, [
      { what: `workspace ${workspace.dir}`, remove: () => workspace.remove() }
    ])
    const ends = await Promise.allSettled([...box, rest])
    // Last, and in any case: a guard that finds no deadline ends a container that we could not.
    await confirmGone(jobId, [
      { what: `lease folder ${deadline.dir}`, remove: () => deadline.remove() }
    ])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async #timed<T>(phase: PhaseName, work: () => Promise<T>): Promise<T> {
    const stopwatch = new Stopwatch()
    const result = await work()
    this.#input.onPhase(phase, stopwatch.ms())
    return result
  }

  #stage(name: 'image' | 'create' | 'start' | 'checkout' | 'finishing'): void {
    this.#input.onStage({ name, step: 0, steps: this.#input.spec.steps.length })
  }

  #say(text: string): void {
    this.#input.log(0, 'mesh', text)
  }
}

/** What is errored, with its reason; undefined for trouble that gives the job back to the queue. */
function failureOf(error: unknown): Reason | undefined {
  const code = codeOf(error)
  if (code === 'IMAGE_UNAVAILABLE') return 'image_unavailable'
  if (code === 'WORKSPACE_FETCH_FAILED' || code === 'URL_REFUSED') return 'source_unavailable'
  if (code === 'SANDBOX_FAILED') return 'sandbox_failed'
  // Refused is final: the same request would be refused again, here and elsewhere. Silence is not.
  if (error instanceof EngineError && error.status !== undefined) return 'sandbox_failed'
  return undefined
}

function abortWords(reason: unknown): readonly [Reason, string] {
  if (reason === 'cancelled') return ['cancelled', 'the job was cancelled']
  if (reason === 'drained') return ['drained', 'the agent is stopping and gave the job back']
  if (reason instanceof MeshError) return ['lease_lost', reason.message]
  return ['lease_lost', 'the lease was lost']
}
