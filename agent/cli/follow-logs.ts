import { type JobDocument, jobSchema } from '../../protocol/api/job-schema.ts'
import type { LogEvent, LogPlace } from '../../protocol/api/log-event.ts'
import { jsonLine } from '../../protocol/host/command-text.ts'
import { SilentExit } from '../../protocol/host/exit.ts'
import { harmless } from '../../protocol/host/harmless.ts'
import type { LogView } from '../control/contract.ts'
import type { Context } from './command.ts'
import { attemptLine, follow } from './follow.ts'
import { Interrupt } from './interrupt.ts'
import { renderLogHead, renderLogLines, renderVerdict } from './render-log.ts'

export interface FollowOptions {
  readonly exitStatus?: boolean
  readonly tail?: number
  readonly timestamps?: boolean
}

/**
 * `agent logs -f`: lines to standard output, all else to standard error. Ctrl-C leaves the job
 * alone and gives exit 130.
 */
export async function followLogs(
  context: Context,
  job: string,
  options: FollowOptions,
  read: () => Promise<LogView>
): Promise<void> {
  const { client, console, clock, json } = context
  // By its full id from here on: a short one may name two jobs before this one ends.
  const { id } = await client.get(`/v1/jobs/${encodeURIComponent(job)}`, jobSchema)
  const printer = new FollowPrinter(context, id, options)
  // What was there before is read, not followed: only its last lines are wanted.
  const start = options.tail === undefined ? undefined : printer.begin(await read())
  const interrupt = new Interrupt(context.around)
  const path = `/v1/jobs/${id}/log/stream`
  const { signal } = interrupt
  try {
    const parts = { open: client.stream.bind(client, path), clock, signal }
    for await (const event of follow(parts, start)) {
      const ended = printer.print(event)
      if (ended === undefined) continue
      if (options.exitStatus === true && ended.state !== 'succeeded') throw new SilentExit(1)
      return
    }
  } finally {
    interrupt.forget()
  }
  if (!json) {
    console.err(`detached, the job keeps running · follow again: agent logs -f ${harmless(job)}\n`)
  }
  throw new SilentExit(130)
}

class FollowPrinter {
  readonly #context: Context
  readonly #job: string
  readonly #style: { readonly timestamps: boolean; readonly person: boolean }
  #startedAtMs: number | undefined
  /** Of the line before. */
  #step = 0

  constructor(context: Context, job: string, options: FollowOptions) {
    this.#context = context
    this.#job = job
    const person = context.console.columns !== undefined
    this.#style = { timestamps: options.timestamps === true, person }
  }

  /** Prints what is there; the place from which to go on, undefined where nothing is. */
  begin(log: LogView): LogPlace | undefined {
    if (log.from === 'none') return undefined
    if (this.#style.person && !this.#context.json) this.#context.console.err(renderLogHead(log))
    for (const data of log.lines) this.#line({ kind: 'line', epoch: log.epoch, data })
    return { epoch: log.epoch, line: log.next - 1 }
  }

  /** The job, once it has ended. */
  print(event: LogEvent): JobDocument | undefined {
    switch (event.kind) {
      case 'line':
        this.#line(event)
        return undefined
      case 'queued':
        this.#say(`queued: ${event.data.why}`)
        return undefined
      case 'attempt':
        this.#startedAtMs = undefined
        this.#step = 0
        this.#say(attemptLine(event.data))
        return undefined
      case 'end':
        this.#end(event.data)
        return event.data.job
      default:
        return event satisfies never
    }
  }

  #line({ epoch, data }: Extract<LogEvent, { kind: 'line' }>): void {
    const { console, json } = this.#context
    if (json) {
      console.out(jsonLine({ schema: 'agent.log-line/1', job: this.#job, epoch, ...data }))
      return
    }
    this.#startedAtMs ??= Date.parse(data.at)
    console.out(renderLogLines([data], this.#startedAtMs, this.#style, console, this.#step))
    if (data.step !== 0) this.#step = data.step
  }

  #end({ job, whole }: Extract<LogEvent, { kind: 'end' }>['data']): void {
    if (!whole) this.#say('the last lines are missing: nobody who has them answers')
    const { console, json } = this.#context
    if (!json) console.err(`${renderVerdict(job, console)}\n`)
  }

  #say(text: string): void {
    const { console, json } = this.#context
    if (!json) console.err(`${harmless(text)}\n`)
  }
}
