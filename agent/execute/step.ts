import { finishLines, NO_LINE, splitLines } from '../../protocol/core/log-line.ts'
import type { Masker, MaskStream } from '../../protocol/core/masker/masker.ts'
import { OUTPUT_BYTES_PER_S, OUTPUT_LINES_PER_S } from '../../protocol/core/output-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { StepSpec } from '../../protocol/core/run.ts'
import type { AttemptInput, Resume } from './attempt.ts'
import { graceLeftMs } from './grace.ts'
import type { Sandbox, StepEnd } from './sandbox.ts'

export interface StepsParts {
  readonly sandbox: Sandbox
  readonly clock: Clock
  readonly input: AttemptInput
  /** `NAME=value` */
  readonly env: readonly string[]
  /** Of the job's secrets: nothing that a step writes goes on without it. */
  readonly masker: Masker
  /** True where its secrets are not known: no line of what a step writes is kept. */
  readonly isUnheard?: boolean
  readonly termGraceMs: number
  /** Called with everything that a step writes, before it becomes lines. */
  readonly onOutput: () => void
}

/** A step that ran longer than it, or its job, may. */
export interface StepCut {
  readonly kind: 'timed_out'
  readonly of: 'step' | 'job'
  readonly limitMs: number
}

/**
 * One step from its start to its end, or to the end of its time. Rejects with the signal's reason.
 */
export async function runStep(
  parts: StepsParts,
  index: number,
  times: { readonly startedMs: number; readonly jobEndMs: number },
  begun: Resume | undefined
): Promise<StepEnd | StepCut> {
  const { input, sandbox } = parts
  const step = input.spec.steps[index]
  if (step === undefined) throw new Error(`there is no step ${index}`)
  const number = index + 1
  const lines = new StepLines(parts, number, begun?.logged ?? NOTHING_LOGGED)
  const detach = new AbortController()
  const { onOutput, onWait } = lines
  const reader = { step: number, onOutput, onWait }
  const ended =
    begun === undefined
      ? sandbox.run({ ...reader, script: step.run, env: parts.env }, detach.signal)
      : sandbox.follow(reader, detach.signal)
  // Kept from being unhandled while something else ends the wait; the race below still sees it.
  ended.catch(() => undefined)
  const waiting = new Waiting(parts, ended)
  try {
    const { cut, afterMs } = limitOf(parts, step, times)
    const first = await waiting.until(afterMs)
    if (first === 'aborted') {
      const graceMs = input.graceMs?.() ?? parts.termGraceMs
      if (isGraceful(input.signal.reason)) await stopSteps(parts, waiting, graceMs)
      throw input.signal.reason
    }
    if (first === 'late') {
      await stopSteps(parts, waiting, parts.termGraceMs)
      return cut
    }
    return await ended
  } finally {
    waiting.stop()
    detach.abort()
    await ended.catch(() => undefined)
    lines.finish()
  }
}

function limitOf(
  parts: StepsParts,
  step: StepSpec,
  { startedMs, jobEndMs }: { readonly startedMs: number; readonly jobEndMs: number }
): { readonly cut: StepCut; readonly afterMs: number } {
  const nowMs = parts.clock.bootMs()
  const leftMs = Math.max(0, jobEndMs - nowMs)
  const kind = 'timed_out'
  if (step.timeoutMs !== undefined) {
    const stepLeftMs = Math.max(0, startedMs + step.timeoutMs - nowMs)
    const cut = { kind, of: 'step', limitMs: step.timeoutMs } as const
    if (stepLeftMs < leftMs) return { cut, afterMs: stepLeftMs }
  }
  return { cut: { kind, of: 'job', limitMs: parts.input.spec.timeoutMs }, afterMs: leftMs }
}

/** What ending a step takes. */
export type StopParts = Pick<StepsParts, 'sandbox' | 'clock' | 'input' | 'termGraceMs'>

/**
 * Ends a step of an agent before this one, where `isGraceful` is true of why, with its grace.
 * Nothing that it writes is taken: by which secrets to mask it is not known here.
 */
export async function stopUnheard(parts: StopParts, index: number): Promise<void> {
  const { input, sandbox } = parts
  const detach = new AbortController()
  const unheard = (): void => undefined
  const reader = { step: index + 1, onOutput: unheard, onWait: unheard }
  const ended = sandbox.follow(reader, detach.signal)
  ended.catch(unheard)
  const waiting = new Waiting(parts, ended)
  try {
    await stopSteps(parts, waiting, input.graceMs?.() ?? parts.termGraceMs)
  } finally {
    waiting.stop()
    detach.abort()
    await ended.catch(unheard)
  }
}

/** A lost lease leaves no time for goodbyes: another host may already be starting the job. */
export function isGraceful(reason: unknown): boolean {
  return reason === 'cancelled' || reason === 'drained'
}

/** SIGTERM, and time to act on it, but never past the deadline; what comes after is SIGKILL. */
async function stopSteps(parts: StopParts, waiting: Waiting, graceMs: number): Promise<void> {
  const { clock, input, sandbox } = parts
  const endMs = clock.bootMs() + graceMs
  await sandbox.terminate()
  // A grace may be longer than a lease, which is renewed meanwhile: each time as far as that goes.
  const leftMs = (): number => graceLeftMs(endMs, input.deadlineMs(), clock.bootMs())
  while (leftMs() > 0) {
    if ((await waiting.end(leftMs())) !== 'late') return
  }
}

/** What a step is waited on for: its own end, the end of its time, an abort; SIGTERM on the way. */
class Waiting {
  readonly #parts: StopParts
  readonly #ended: Promise<void>
  readonly #stops: (() => void)[] = []

  constructor(parts: StopParts, ended: Promise<unknown>) {
    this.#parts = parts
    this.#ended = ended.then(
      () => undefined,
      () => undefined
    )
    const { terminate } = parts.input
    if (terminate !== undefined) {
      this.#on(terminate, () => void parts.sandbox.terminate())
    }
  }

  async until(afterMs: number): Promise<'ended' | 'late' | 'aborted'> {
    return await new Promise((resolve) => {
      this.#on(this.#parts.input.signal, () => resolve('aborted'))
      this.#stops.push(this.#parts.clock.arm(afterMs, () => resolve('late')))
      void this.#ended.then(() => resolve('ended'))
    })
  }

  async end(withinMs: number): Promise<'ended' | 'late' | 'killed'> {
    return await new Promise((resolve) => {
      const { kill } = this.#parts.input
      if (kill !== undefined) this.#on(kill, () => resolve('killed'))
      this.#stops.push(this.#parts.clock.arm(withinMs, () => resolve('late')))
      void this.#ended.then(() => resolve('ended'))
    })
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }

  #on(signal: AbortSignal, task: () => void): void {
    if (signal.aborted) task()
    signal.addEventListener('abort', task, { once: true })
    this.#stops.push(() => signal.removeEventListener('abort', task))
  }
}

const WAITS =
  `the step writes more than ${OUTPUT_BYTES_PER_S} bytes or ${OUTPUT_LINES_PER_S} lines a second: ` +
  'it waits until they are read'

const NOTHING_LOGGED: Resume['logged'] = { out: 0, err: 0 }

/** Turns what one step writes into lines of the log, in the order in which it came. */
class StepLines {
  readonly #parts: StepsParts
  readonly #step: number
  /** Lines that the log has already: the same bytes make the same lines. */
  readonly #known: Record<'out' | 'err', number>
  readonly #masks: Readonly<Record<'out' | 'err', MaskStream>>
  #out = NO_LINE
  #err = NO_LINE
  #waited = false

  constructor(parts: StepsParts, step: number, known: Resume['logged']) {
    this.#parts = parts
    this.#step = step
    this.#known = { ...known }
    this.#masks = { out: parts.masker.stream(), err: parts.masker.stream() }
  }

  readonly onOutput = (stream: 'out' | 'err', bytes: Uint8Array): void => {
    this.#parts.onOutput()
    this.#take(stream, this.#masks[stream].push(bytes))
  }

  /** Said once: whoever wonders why the step is slow finds it where it began to be. */
  readonly onWait = (): void => {
    if (!this.#waited) this.#parts.input.log(this.#step, 'mesh', WAITS)
    this.#waited = true
  }

  /** The last lines, where the step did not end them. */
  finish(): void {
    for (const stream of ['out', 'err'] as const) this.#take(stream, this.#masks[stream].finish())
    for (const line of finishLines(this.#out)) this.#log('out', line)
    for (const line of finishLines(this.#err)) this.#log('err', line)
  }

  #take(stream: 'out' | 'err', bytes: Uint8Array): void {
    const [rest, lines] = splitLines(stream === 'out' ? this.#out : this.#err, bytes)
    if (stream === 'out') this.#out = rest
    else this.#err = rest
    for (const line of lines) this.#log(stream, line)
  }

  #log(stream: 'out' | 'err', line: string): void {
    if (this.#parts.isUnheard === true) return
    if (this.#known[stream] > 0) this.#known[stream] -= 1
    else this.#parts.input.log(this.#step, stream, line)
  }
}
