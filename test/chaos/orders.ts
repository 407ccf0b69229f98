import type { Answer, Order } from './cancel-judge.ts'
import type { History } from './history.ts'
import { type Host, HTTP_PORT } from './host.ts'
import { postJson } from './http.ts'
import type { PlannedCancel } from './jobs.ts'
import type { Ledger, LedgerJob } from './ledger.ts'
import { bootMs } from './observer.ts'
import type { World } from './world.ts'

const POLL_MS = 100
/** Between two tries of one order, each at another door. */
const AGAIN_AFTER_MS = 500
/** From the first try to the last: somebody who wants a job ended does not ask for ever. */
const TRY_MS_MAX = 60_000
/** A daemon asks its witnesses for 10 s. */
const COMMAND_MS_MAX = 30_000
/** The grace of a second order: no first one says it. */
const SECOND_GRACE_MS = 3_000

export interface OrdersParts {
  readonly world: Pick<World, 'agents' | 'gateways' | 'tokens'>
  readonly ledger: Ledger
  readonly history: History
}

/** What both doors say of an order that was taken. */
interface Told {
  readonly verdict: 'cancelled' | 'requested'
  readonly job: { readonly epoch: number; readonly cancel: unknown }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Cancels the jobs that are planned so, each at its point, and notes what was answered. */
export class Orders {
  readonly #parts: OrdersParts
  readonly #running = new Set<Promise<void>>()
  #stopped = false

  constructor(parts: OrdersParts) {
    this.#parts = parts
  }

  /** Does nothing for a job that nobody is to cancel. */
  plan(job: LedgerJob): void {
    const { cancel } = job
    if (cancel === undefined) return
    const task = this.#carryOut(job, cancel).finally(() => this.#running.delete(task))
    this.#running.add(task)
  }

  /** Resolves once nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  async #carryOut(job: LedgerJob, cancel: PlannedCancel): Promise<void> {
    const isOver = (): boolean => this.#stopped || job.end !== undefined
    while (cancel.point === 'running' && !job.hasRun && !isOver()) await wait(POLL_MS)
    await wait(cancel.afterMs)
    if (isOver()) return
    const { graceMs, by } = cancel
    const first = this.#untilDefinite(job, { graceMs, by, door: cancel.door, reason: 'first' })
    if (!cancel.twice) return await first
    const other = by === 'agent' ? 'gateway' : 'agent'
    const second = { graceMs: SECOND_GRACE_MS, by: other, door: cancel.door, reason: 'second' }
    await Promise.all([first, this.#untilDefinite(job, { ...second, by: other })])
  }

  /** Tries one door after the other until one of them says what became of the order. */
  async #untilDefinite(
    job: LedgerJob,
    order: Pick<PlannedCancel, 'graceMs' | 'by' | 'door'> & { readonly reason: string }
  ): Promise<void> {
    const { agents, gateways } = this.#parts.world
    const hosts = order.by === 'agent' ? agents : gateways
    const endMs = performance.now() + TRY_MS_MAX
    for (let tries = 0; !this.#stopped; tries += 1) {
      const host = hosts[(Math.floor(order.door * hosts.length) + tries) % hosts.length]
      if (host === undefined) throw new Error(`this run has no ${order.by}`)
      const { kind } = await this.#send(job, host, order)
      if (kind === 'taken' || kind === 'ended' || job.end !== undefined) return
      if (performance.now() >= endMs) {
        job.gaveUp = true
        return
      }
      await wait(AGAIN_AFTER_MS)
    }
  }

  async #send(
    job: LedgerJob,
    host: Host,
    { graceMs, reason }: { readonly graceMs: number | undefined; readonly reason: string }
  ): Promise<Answer> {
    const { history } = this.#parts
    const order: Order = { reason, graceMs, door: host.name, sentMs: bootMs() }
    // Before it is sent: its effect may be seen before its answer.
    job.orders.push(order)
    const grace = graceMs === undefined ? undefined : `${graceMs / 1_000}s`
    const ask = host.role === 'agent' ? byCommand : byGateway(this.#parts.world.tokens)
    const answer = await ask(host, job.id, { reason, ...(grace === undefined ? {} : { grace }) })
    order.answer = answer
    history.note('order', { job: job.id, ...order })
    return answer
  }
}

type Words = { readonly reason: string; readonly grace?: string }

const byGateway =
  (tokens: ReadonlyMap<string, string>) =>
  async (host: Host, id: string, words: Words): Promise<Answer> => {
    const headers = { authorization: `Bearer ${tokens.get(host.name) ?? ''}` }
    const path = `/api/v1/jobs/${id}/cancel`
    try {
      const where = { host: host.address, port: HTTP_PORT, path, headers }
      const { status, text } = await postJson(where, words)
      return answerOf(status === 200, text)
    } catch (error) {
      return { kind: 'unsure', atMs: bootMs(), cause: String(error) }
    }
  }

async function byCommand(host: Host, id: string, { reason, grace }: Words): Promise<Answer> {
  const more = grace === undefined ? [] : ['--grace', grace]
  const words = ['cancel', id, '--no-wait', '--json', '--reason', reason, ...more]
  const { code, stdout, stderr } = await host.command(words, COMMAND_MS_MAX)
  return answerOf(code === 0, code === 0 ? stdout : stderr)
}

/** Of a document of either door: the API's problems and the command's errors have code and facts. */
function answerOf(isTaken: boolean, text: string): Answer {
  const atMs = bootMs()
  try {
    if (isTaken) {
      const { verdict, job } = JSON.parse(text) as Told
      const epoch = job.cancel === null ? undefined : job.epoch
      return { kind: 'taken', verdict, atMs, epoch }
    }
    const told = JSON.parse(text) as Problem | { readonly error: Problem }
    const { code, facts } = 'error' in told ? told.error : told
    if (code === 'JOB_ENDED') return { kind: 'ended', state: String(facts['state']), atMs }
    if (code === 'JOB_UNKNOWN' || code === 'RUN_NOT_OPEN') return { kind: 'unknown', atMs }
    return { kind: 'unsure', atMs, cause: code }
  } catch {
    return { kind: 'unsure', atMs, cause: text.slice(0, 200) }
  }
}

interface Problem {
  readonly code: string
  readonly facts: Readonly<Record<string, unknown>>
}
