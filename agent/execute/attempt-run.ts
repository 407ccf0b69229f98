import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import { footprintOf } from '../../protocol/core/footprint.ts'
import { GIVE_BACKS_MAX } from '../../protocol/core/limits.ts'
import { needsProblem } from '../../protocol/core/needs-variables.ts'
import { secretNamesOf } from '../../protocol/core/run.ts'
import { hiddenOfSource } from '../../protocol/core/source-access.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import { abortWords } from './abort-words.ts'
import type { AttemptInput, AttemptResult, PhaseName, Resume } from './attempt.ts'
import type { AttemptParts } from './attempt-parts.ts'
import { AttemptSecrets, hasLogins, NO_SECRETS } from './attempt-secrets.ts'
import type { JobVoice } from './egress/journal.ts'
import type { LocalImage } from './engine-types.ts'
import { failureOf } from './failure.ts'
import { jobEnvironment } from './job-environment.ts'
import { withOutputs } from './job-outputs.ts'
import { errored, interruption, outcomeOf } from './outcome.ts'
import { confirmGone } from './removal.ts'
import { type Sandbox, SandboxDied, type ServiceHooks } from './sandbox.ts'
import { imagesOfServices } from './services/adopted-images.ts'
import { ServiceLog } from './services/service-log.ts'
import type { AskAccess } from './source-fetch.ts'
import { isGraceful, stopUnheard } from './step.ts'
import { runSteps } from './steps.ts'
import { Stopwatch } from './stopwatch.ts'
import { sourceOf } from './workspace.ts'

const UNHEARD = 'its secrets are not known to this agent: what it writes from here on is not kept'
const WITHHELD =
  'the agent was restarted, and what the runner of this slot is configured with cannot be hidden: ' +
  'what it writes from here on is not kept; its job goes on, and its forge has the log of that'

interface Box {
  readonly sandbox: Sandbox
  readonly image: LocalImage
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
  #creating = false
  /** Milliseconds that the attempt took under an agent before this one. */
  #beforeMs = 0
  #hostTree: Promise<unknown> = Promise.resolve()
  #secrets = NO_SECRETS
  /** What the source was fetched by, which no step gets. */
  readonly #beside: Uint8Array[] = []
  #serviceLog: ServiceLog | undefined
  /** Set where the job runs and its secrets are not known: its words would be told unmasked. */
  #isUnheard = false
  /** Of no other job anything runs before its secrets are there: it is never asked too early. */
  readonly #voice: JobVoice = {
    say: (text) => {
      if (!this.#isUnheard) this.#say(text)
    },
    mask: (text) => this.#secrets.masker.text(text)
  }

  constructor(parts: AttemptParts, input: AttemptInput) {
    this.#parts = parts
    this.#input = input
  }

  /** Never rejects: what could not be confirmed gone is told beside how the attempt ended. */
  async run(): Promise<AttemptResult> {
    const result = await this.#attempt()
    this.#stage('finishing')
    const left = await this.#cleanUp()
    this.#secrets.erase()
    for (const value of this.#beside) value.fill(0)
    const { masker } = this.#secrets
    if (result.kind === 'interrupted') {
      return { ...result, message: masker.text(result.message), left }
    }
    const verdict = { ...result.verdict, message: masker.text(result.verdict.message) }
    const outcome = outcomeOf(verdict, this.#beforeMs + this.#stopwatch.ms())
    return { kind: 'outcome', outcome, left }
  }

  async #attempt(): ReturnType<typeof runSteps> {
    try {
      const { resume } = this.#input
      this.#userCodeRan = resume !== undefined
      const box = resume === undefined ? await this.#prepare() : await this.#reattach(resume)
      return await this.#steps(box.sandbox, box.image, resume?.progress ?? this.#firstStep())
    } catch (error) {
      return this.#explained(error)
    }
  }

  /** The slower of checkout and container decides how long this takes, not their sum. */
  async #prepare(): Promise<Box> {
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
    const released = orStopBoth(this.#release(signal))
    const [box, tree] = await Promise.allSettled([
      orStopBoth(this.#box(signal, released)),
      orStopBoth(this.#checkOut(signal)),
      released
    ])
    this.#input.signal.throwIfAborted()
    // The one that failed first: the other was only stopped by it.
    failed.signal.throwIfAborted()
    if (box.status === 'rejected' || tree.status === 'rejected') throw new Error('unreachable')
    await this.#intoTheBox(box.value.sandbox)
    for (const file of this.#secrets.files()) {
      await box.value.sandbox.hand(file, this.#input.signal)
      file.value.fill(0)
    }
    if (this.#input.spec.services !== undefined) await this.#serve(box.value.sandbox)
    return box.value
  }

  async #serve(sandbox: Sandbox): Promise<void> {
    await this.#timed('services', () => sandbox.serve(this.#hooks(), this.#input.signal))
  }

  /** Once the secrets are known: what services write is masked as well. */
  #hooks(): ServiceHooks {
    const { masker } = this.#secrets
    const log = new ServiceLog(masker, this.#input.log)
    this.#serviceLog = log
    return {
      files: (service) => this.#secrets.serviceFiles(service),
      output: (service, stream, bytes) => {
        if (!this.#isUnheard) log.take(service, stream, bytes)
      },
      ended: (service) => log.finish(service),
      say: (text) => this.#voice.say(masker.text(text))
    }
  }

  /** Asked for by every agent that runs steps: nothing of them is kept over a restart. */
  async #release(signal: AbortSignal): Promise<void> {
    const { spec, releaseSecrets } = this.#input
    if (secretNamesOf(spec).length === 0) return
    this.#secrets = new AttemptSecrets(spec, await releaseSecrets(signal), this.#beside)
  }

  /** The job's time counts from here: getting image and source is ours, with limits of its own. */
  #firstStep(): AttemptProgress {
    const nowMs = this.#parts.clock.bootMs()
    const { timeoutMs } = this.#input.spec
    const startedMs = Math.round(nowMs - this.#stopwatch.ms())
    const times = { startedMs, stepStartedMs: nowMs, jobEndMs: nowMs + timeoutMs }
    return { step: 0, ...times, results: [], resources: footprintOf(this.#input.spec) }
  }

  /** The container that an agent before this one started. */
  async #reattach({ progress }: Resume): Promise<Box> {
    const { engine, clock, sandboxOf, containerName, termGraceMs } = this.#parts
    const ground = await this.#parts.ground()
    const found = await engine.inspect(containerName)
    const image = await engine.image(String(found?.config['Image'] ?? ''))
    if (image === undefined) throw new SandboxDied(found?.exitCode)
    const runsIn = String(found?.hostConfig['Runtime'] ?? '')
    const services = await imagesOfServices(this.#parts, this.#input.spec.services)
    const sandbox = sandboxOf(image, ground, this.#voice, services, runsIn)
    this.#sandbox = sandbox
    const sinceMs = clock.wallMs() - (clock.bootMs() - progress.stepStartedMs)
    this.#beforeMs = Math.max(0, clock.bootMs() - progress.startedMs)
    const isSlot = this.#input.spec.runner !== undefined
    // It goes on whatever its gateway answers, and a job of its forge would miss its network.
    this.#isUnheard = isSlot
    if (isSlot) await sandbox.attach(sinceMs)
    // First: what the job does from here on is told without them.
    await this.#releaseAgain().catch(async (error: unknown) => {
      if (isGraceful(this.#input.signal.reason)) {
        this.#say(UNHEARD)
        this.#isUnheard = true
        if (!isSlot) await sandbox.attach(sinceMs)
        await stopUnheard({ sandbox, clock, input: this.#input, termGraceMs }, progress.step)
      }
      throw error
    })
    if (!isSlot) await sandbox.attach(sinceMs)
    sandbox.resumeServices(this.#hooks())
    return { sandbox, image }
  }

  /** Of a job that runs: rejects where it may not go on, and leaves a slot unheard that may. */
  async #releaseAgain(): Promise<void> {
    const { spec, signal } = this.#input
    try {
      await this.#release(signal)
      this.#isUnheard = false
    } catch (error) {
      // Ended for its log, the runner would take a job of its forge with it.
      if (spec.runner === undefined || signal.aborted || !isNotGiven(error)) throw error
      this.#say(`${WITHHELD}: ${causeOf(error)}`)
    }
  }

  async #box(signal: AbortSignal, released: Promise<unknown>): Promise<Box> {
    const { images, sandboxOf } = this.#parts
    const { claimId } = this.#input
    this.#stage('image')
    const ground = await this.#parts.ground()
    const platform = this.#input.spec.platform ?? ground.platform
    const say = (text: string): void => this.#say(text)
    // Others are given to steps, which come later: the images need not wait for them.
    if (hasLogins(this.#input.spec)) await released
    const ensure = (reference: string): Promise<LocalImage> => {
      const login = this.#secrets.loginFor(reference)
      return images.ensure({ reference, claimId, platform, login, signal, say })
    }
    const [image, services] = await this.#timed('image', async () => {
      const beside = new Map<string, LocalImage>()
      const own = await ensure(this.#input.spec.image)
      for (const { name, image: wanted } of this.#input.spec.services ?? []) {
        beside.set(name, await ensure(wanted))
      }
      return [own, beside] as const
    })
    signal.throwIfAborted()
    const sandbox = sandboxOf(image, ground, this.#voice, services)
    this.#sandbox = sandbox
    this.#stage('create')
    this.#creating = true
    await this.#timed('create', () => sandbox.create(signal))
    this.#creating = false
    this.#stage('start')
    await this.#timed('start', () => sandbox.start(signal))
    this.#stage('checkout')
    return { sandbox, image }
  }

  async #checkOut(signal: AbortSignal): Promise<void> {
    const source = sourceOf(this.#input)
    const ask = this.#askAccess()
    await this.#timed('checkout', () => this.#parts.workspace.checkOut(source, signal, ask))
  }

  #askAccess(): AskAccess | undefined {
    const { releaseSource } = this.#input
    if (releaseSource === undefined) return undefined
    return async (signal) => {
      const access = await releaseSource(signal)
      this.#beside.push(hiddenOfSource(access))
      // What git says of a failure is logged: not with that in it.
      this.#secrets = this.#secrets.beside(this.#beside)
      return access
    }
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

  async #steps(
    sandbox: Sandbox,
    image: LocalImage,
    from: AttemptProgress
  ): ReturnType<typeof runSteps> {
    const { clock, agent, termGraceMs } = this.#parts
    const input: AttemptInput = {
      ...this.#input,
      onStep: async (progress) => {
        await this.#input.onStep(progress)
        this.#userCodeRan ||= !this.#input.signal.aborted
      }
    }
    const { masker } = this.#secrets
    const surplus = needsProblem(input.needed ?? {})
    if (surplus !== undefined) {
      input.log(0, 'mesh', surplus)
      const verdict = errored(input.spec, 'outputs_invalid', surplus)
      return { kind: 'verdict', verdict: { ...verdict, state: 'failed' } }
    }
    // Ours last, as over what the job sets.
    const env = [...this.#secrets.env(), ...jobEnvironment(input, agent, image.platform)]
    const stopwatch = new Stopwatch()
    let spoke = false
    const onOutput = (): void => {
      if (!spoke) input.onPhase('first_line', stopwatch.ms())
      spoke = true
    }
    const isUnheard = this.#isUnheard
    const parts = { sandbox, clock, input, env, masker, isUnheard, termGraceMs, onOutput }
    const end = await runSteps(parts, from)
    // Whoever gets outputs has no masker for them.
    if (this.#isUnheard) return end
    if (end.kind !== 'verdict' || end.verdict.state !== 'succeeded') return end
    return { kind: 'verdict', verdict: await withOutputs(parts, end.verdict) }
  }

  async #explained(thrown: unknown): ReturnType<typeof runSteps> {
    const { signal, spec, givenBack, jobId: job, epoch } = this.#input
    const userCodeRan = this.#userCodeRan
    const isCutOff = codeOf(signal.reason) === 'NETWORK_UNENFORCED'
    if (signal.aborted && !isCutOff) {
      const [reason, message] = abortWords(signal.reason)
      return { kind: 'interrupted', reason, userCodeRan, message }
    }
    const error: unknown = isCutOff ? signal.reason : thrown
    if (error instanceof SandboxDied) return interruption(error.exitCode, userCodeRan)
    this.#parts.onFailure?.(error)
    const failure = failureOf(error, this.#creating)
    const message = causeOf(error)
    const isOver = this.#parts.clock.bootMs() >= this.#input.deadlineMs()
    // The guard of a service may be seen before the job's: no fault of the service.
    const isVerdict = failure.reason !== 'service_not_ready' || !isOver
    if (!userCodeRan && failure.kind === 'final' && isVerdict) {
      return { kind: 'verdict', verdict: errored(spec, failure.reason, message) }
    }
    this.#parts.log.error({ job, epoch, err: error }, 'attempt interrupted')
    // A guard or a guardian has taken the box away by now, though our own timer may be late: taken
    // for the box's failure, a host that is too slow to renew would end the job for good.
    if (isOver) {
      return { kind: 'interrupted', reason: 'lease_lost', userCodeRan, message }
    }
    // Hosts that all fail at it would else pass one job round for ever.
    if (!userCodeRan && givenBack >= GIVE_BACKS_MAX) {
      const tried = `${message}; ${givenBack} attempts before this one were given back, too`
      return { kind: 'verdict', verdict: errored(spec, failure.reason, tried) }
    }
    const fault = failure.kind === 'fault' ? failure.fault : 'job'
    return { kind: 'interrupted', reason: failure.reason, userCodeRan, message, fault }
  }

  /** What is left, if anything is. */
  async #cleanUp(): Promise<Error | undefined> {
    const { workspace, cleanUpMsMax } = this.#parts
    const { jobId, deadline } = this.#input
    await this.#hostTree
    this.#serviceLog?.close()
    const box = this.#boxes()
    const gone = (what: string, remove: () => Promise<void>): Promise<void> =>
      confirmGone(jobId, [{ what, remove }], cleanUpMsMax)
    const rest = gone(`workspace ${workspace.dir}`, () => workspace.remove())
    const ends = await Promise.allSettled([...box, rest])
    // Last, and in any case: a guard that finds no deadline ends a container that we could not.
    const lease = gone(`lease folder ${deadline.dir}`, () => deadline.remove())
    ends.push(...(await Promise.allSettled([lease])))
    const failed = ends.find((end) => end.status === 'rejected')
    return failed?.status === 'rejected' ? asError(failed.reason) : undefined
  }

  /** What has to go of containers: none where none was begun, here or by an earlier agent. */
  #boxes(): readonly Promise<void>[] {
    if (this.#sandbox !== undefined) return [this.#sandbox.close()]
    // It could not be gone on with, and runs: a lease that is given back would not be alone.
    return this.#input.resume === undefined ? [] : [this.#parts.clear()]
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

/** What a gateway that is away, or has them no more, comes to. */
function isNotGiven(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'SECRET_REFUSED' || code === 'SECRETS_UNAVAILABLE'
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
