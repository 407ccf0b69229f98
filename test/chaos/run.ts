import { join } from 'node:path'
import { eventually } from '../../deploy/demo/process.ts'
import { Boards } from './boards.ts'
import { cancelProblems } from './cancel-judge.ts'
import { History } from './history.ts'
import type { PlannedCancel, PlannedJob } from './jobs.ts'
import { epochProblems, overlapsOf } from './judge.ts'
import { Ledger } from './ledger.ts'
import { Load } from './load.ts'
import { Nemesis } from './nemesis.ts'
import { Network } from './network.ts'
import { bootMs, Observer } from './observer.ts'
import type { ChaosOptions } from './options.ts'
import { Orders } from './orders.ts'
import { type Report, reportOf } from './report.ts'
import { drawSchedule } from './schedule.ts'
import { prefixOf, rootOf } from './sweep.ts'
import { AGENTS, ENGINES, GATEWAYS, LOSABLE, SMALL_DISKS, World } from './world.ts'

/** After everything is healed, every accepted job ends within that, on a loaded machine too. */
const HEALED_MS_MAX = 600_000
/** Then nothing of them is left in an engine within that: the reaper looks once a minute. */
const CLEAN_MS_MAX = 120_000
const LAST_CANCEL: PlannedCancel = {
  ...{ point: 'running', afterMs: 0, graceMs: undefined, by: 'gateway', door: 0, twice: false },
  onTerm: 'dies'
}
/** Pushed once everything is healed: an order that is taken then has to be carried out. */
const LAST_JOBS: readonly PlannedJob[] = [
  { kind: 'ok', seconds: 1 },
  { kind: 'ok', seconds: 100, cancel: { ...LAST_CANCEL, onTerm: 'ignores', graceMs: 2_000 } },
  { kind: 'ok', seconds: 100, cancel: { ...LAST_CANCEL, onTerm: 'tidies', by: 'agent' } },
  { kind: 'ok', seconds: 100, cancel: { ...LAST_CANCEL, point: 'waiting', twice: true } }
]
/** For one answer of a daemon that is well, on a loaded machine. */
const ANSWER_MS_MAX = 60_000
const PROGRESS_EVERY_MS = 10_000

export function networkOf(run: string): Network {
  return new Network(prefixOf(run), [...AGENTS, ...GATEWAYS])
}

/** One run: makes the world, disturbs it, heals it, judges it. */
export class Run {
  readonly #options: ChaosOptions
  readonly #history: History
  readonly #ledger: Ledger
  readonly #load: Load
  readonly #orders: Orders
  readonly #world: World
  readonly #observer: Observer
  readonly #boards: Boards
  readonly #nemesis: Nemesis
  /** On the clock since boot; infinite before. */
  #healedMs = Number.POSITIVE_INFINITY

  private constructor(
    options: ChaosOptions,
    parts: { history: History; world: World; observer: Observer }
  ) {
    const { history, world, observer } = parts
    this.#options = options
    this.#history = history
    this.#world = world
    this.#observer = observer
    this.#ledger = new Ledger(history)
    const common = { ledger: this.#ledger, history }
    this.#orders = new Orders({ world, ...common })
    this.#load = new Load({ ...common, orders: this.#orders }, options.seed)
    this.#boards = new Boards(world, this.#ledger)
    this.#nemesis = new Nemesis({ world, ...common })
  }

  static async make(run: string, options: ChaosOptions): Promise<Run> {
    const root = rootOf(run)
    const history = new History(join(root, 'history.jsonl'), say)
    const world = await World.make(root, networkOf(run), { seed: options.seed, history })
    const sockets = [...world.engines.values()].map(({ socket }) => socket)
    return new Run(options, { history, world, observer: await Observer.start(sockets) })
  }

  async play(): Promise<Report> {
    const { seed, minutes } = this.#options
    const schedule = drawSchedule(seed, minutes, {
      agents: AGENTS,
      gateways: GATEWAYS,
      engines: ENGINES,
      smallDisks: SMALL_DISKS,
      losable: LOSABLE
    })
    say(`seed ${seed}, ${minutes} min: ${schedule.length} faults are planned`)
    const progress = setInterval(() => this.#progress(), PROGRESS_EVERY_MS)
    try {
      this.#boards.start()
      this.#load.start(this.#world.repositories)
      await this.#nemesis.run(schedule)
      await this.#load.stop()
      await this.#settle()
      return await this.#judge()
    } finally {
      clearInterval(progress)
      this.#nemesis.stop()
      await this.#load.stop()
      await this.#orders.stop()
      await this.#boards.stop()
    }
  }

  /** No further fault; what runs is judged as it is. */
  interrupt(): void {
    this.#nemesis.stop()
  }

  async stop(): Promise<void> {
    await this.#world.stop()
    await this.#history.close()
  }

  /** Healed, it must come back, take jobs and end all that it ever took. */
  async #settle(): Promise<void> {
    const { nemesis, world, load, ledger, history } = {
      nemesis: this.#nemesis,
      world: this.#world,
      load: this.#load,
      ledger: this.#ledger,
      history: this.#history
    }
    await nemesis.heal()
    history.note('healed')
    say('healed; every job must end now')
    try {
      await world.ready()
    } catch (error) {
      history.violation('a daemon does not come back', { cause: String(error) })
    }
    this.#healedMs = bootMs()
    for (const repository of world.repositories) {
      const push = async () =>
        (await load.once(repository, 'after all faults', LAST_JOBS)) ? true : undefined
      await eventually('a push is taken', push, ANSWER_MS_MAX, 1_000).catch((error: unknown) => {
        const facts = { repository: repository.name, cause: String(error) }
        history.violation('a healed gateway takes nothing', facts)
      })
    }
    const allEnded = (): true | undefined => (ledger.open.length === 0 ? true : undefined)
    await eventually('every job ends', allEnded, HEALED_MS_MAX, 500).catch(() => undefined)
    const ids = ledger.jobs.map(({ id }) => id)
    for (const agent of world.agents) {
      const read = () => this.#boards.readAll(agent, ids)
      const answers = eventually(`${agent.name} answers`, read, ANSWER_MS_MAX, 1_000)
      const known = await answers.catch((error: unknown) => {
        history.violation('a healed agent does not answer', {
          host: agent.name,
          cause: String(error)
        })
        return new Map<string, never>()
      })
      history.note('board', { host: agent.name, known: known.size })
    }
    await this.#orders.stop()
    for (const { id, kind } of ledger.open) history.violation('lost job', { job: id, kind })
    for (const engine of world.engines.values()) {
      const none = async (): Promise<true | undefined> => {
        const left = await engine.containers()
        if (left.length === 0) return true
        throw new Error(left.join(' '))
      }
      await eventually('no container is left', none, CLEAN_MS_MAX, 1_000).catch((error: Error) => {
        history.violation('containers are left', {
          engine: engine.name,
          cause: String(error.cause)
        })
      })
    }
  }

  async #judge(): Promise<Report> {
    const history = this.#history
    await this.#boards.stop()
    if (!(await this.#observer.stop())) history.violation('the observer did not see the end', {})
    const { containers, awake } = this.#observer
    for (const seen of containers) history.note('container', { ...seen })
    for (const overlap of overlapsOf(containers)) history.violation('overlap', { ...overlap })
    for (const problem of epochProblems(containers)) history.violation('epochs', { problem })
    for (const job of this.#ledger.jobs) {
      for (const problem of cancelProblems(job, containers, this.#healedMs)) {
        const { id, kind, cancel, orders, end } = job
        history.violation('a cancel', { problem, job: id, kind, cancel, orders, end })
      }
    }
    return reportOf({
      options: this.#options,
      ledger: this.#ledger,
      load: this.#load.counts,
      nemesis: this.#nemesis,
      history,
      containers,
      slowestLookMs: awake.slowestLookMs
    })
  }

  #progress(): void {
    const { accepted } = this.#load.counts
    const { jobs, open } = this.#ledger
    const faults = [...this.#nemesis.counts.values()].reduce((sum, count) => sum + count, 0)
    const { containers } = this.#observer.awake
    say(
      `${Math.round(this.#history.nowMs / 1_000)} s: ${accepted} runs, ${jobs.length} jobs, ` +
        `${open.length} open, ${containers} containers, ${faults} faults, ` +
        `${this.#history.violations.length} violations`
    )
  }
}

export function say(text: string): void {
  process.stderr.write(`chaos: ${text}\n`)
}
