import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { History } from './history.ts'
import type { Ledger, PlannedJob } from './ledger.ts'
import type { PushedRepository } from './repositories.ts'

/** Between two pushes to one repository. */
const PUSH_EVERY_MS = 6_000
/** With more open jobs than that, pushes wait: a backlog tests queues, not losses. */
const OPEN_MAX = 12
const JOBS_MAX = 3
const SECONDS_MAX = 20
const POLL_MS = 200

export interface LoadCounts {
  pushes: number
  accepted: number
  notTaken: number
}

/** Pushes small pipelines to each repository at a steady rate until it is stopped. */
export class Load {
  readonly counts: LoadCounts = { pushes: 0, accepted: 0, notTaken: 0 }
  readonly #parts: { readonly ledger: Ledger; readonly history: History }
  readonly #seed: number
  #stopped = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(parts: { readonly ledger: Ledger; readonly history: History }, seed: number) {
    this.#parts = parts
    this.#seed = seed
  }

  start(repositories: readonly PushedRepository[]): void {
    // Each with numbers of its own: which of them is pushed to first is not for the seed to say.
    const pushing = repositories.map((one, index) => this.#push(one, this.#seed + index))
    this.#running = Promise.all(pushing)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #push(repository: PushedRepository, seed: number): Promise<void> {
    const random = new SeededRandom(seed)
    for (let number = 1; !this.#stopped; number += 1) {
      const startedMs = performance.now()
      const jobs = drawJobs(random)
      await this.once(repository, `change ${number}`, jobs).catch((error: unknown) => {
        // A push that did not come about asks for nothing.
        this.#parts.history.note('push failed', { cause: String(error) })
      })
      const isOver = (): boolean =>
        this.#stopped ||
        (performance.now() - startedMs >= PUSH_EVERY_MS &&
          this.#parts.ledger.open.length < OPEN_MAX)
      while (!isOver()) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** One push; true where a gateway answered 202 for it. */
  async once(
    repository: PushedRepository,
    message: string,
    jobs: readonly PlannedJob[]
  ): Promise<boolean> {
    const { ledger, history } = this.#parts
    const { commit, run } = await repository.push(pipelineOf(jobs), message)
    this.counts.pushes += 1
    history.note('push', { repository: repository.name, commit, run, jobs: jobs.length })
    if (run === undefined) {
      this.counts.notTaken += 1
      return false
    }
    this.counts.accepted += 1
    ledger.accept(run, jobs)
    return true
  }
}

/** Mostly short ones: more of them meet a fault at another point of their life. */
function drawJobs(random: SeededRandom): readonly PlannedJob[] {
  return Array.from({ length: random.between(1, JOBS_MAX + 1) }, () => {
    const share = random.next()
    const seconds = Math.max(1, Math.round(random.next() ** 3 * SECONDS_MAX))
    return { kind: share < 0.1 ? 'fails' : share < 0.25 ? 'once' : 'ok', seconds }
  })
}

function pipelineOf(jobs: readonly PlannedJob[]): string {
  const texts = jobs.map(({ kind, seconds }, index) =>
    [
      `  ${kind}-${index + 1}:`,
      '    resources: { cpu: 0.25, memory: 64MiB }',
      ...(kind === 'once' ? ['    on_loss: error'] : []),
      `    steps: [{ run: ${JSON.stringify(scriptOf(kind, seconds))} }]`
    ].join('\n')
  )
  return [
    `defaults: { image: '${BASE_IMAGE}', timeout: 2m, network: none }`,
    'jobs:',
    ...texts,
    ''
  ].join('\n')
}

/** Says by the clock since boot that it is alive, so that a log tells what happened. */
function scriptOf(kind: PlannedJob['kind'], seconds: number): string {
  const say = (word: string): string => `read up rest < /proc/uptime; echo "${word} $up"`
  const work = `i=0; while [ $i -lt ${seconds * 2} ]; do i=$((i + 1)); ${say('alive')}; sleep 0.5; done`
  return [say('start'), work, say('end'), kind === 'fails' ? 'exit 7' : 'true'].join('; ')
}
