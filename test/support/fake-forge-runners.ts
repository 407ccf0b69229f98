import { randomBytes, randomUUID } from 'node:crypto'
import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakeWorld } from './fake-forge-world.ts'

export type FakeJobStatus = 'queued' | 'waiting' | 'in_progress' | 'completed'

/** A job of a forge's own pipelines. */
export interface FakeWorkflowJob {
  readonly id: number
  readonly runId: number
  readonly name: string
  readonly labels: readonly string[]
  readonly event: string
  /** Where its code comes from; undefined once that repository is gone. */
  readonly head: FakeRepository | undefined
  /** Forgejo alone: by what one runner is given it. */
  readonly handle: string
  /** What its one step is to say. */
  readonly says: string
  status: FakeJobStatus
  conclusion: 'success' | 'failure' | 'cancelled' | null
  /** Of the runner that has or had it. */
  runner: string
  /** What that runner wrote. */
  readonly log: string[]
}

export interface FakeRunner {
  readonly id: number
  readonly name: string
  readonly uuid: string
  readonly token: string
  labels: readonly string[]
  isOnline: boolean
  /** Set while it runs one. */
  job: FakeWorkflowJob | undefined
}

/** What forges keep of their own jobs and runners, in one repository. */
export class FakeRunners {
  readonly #world: FakeWorld
  readonly jobs: FakeWorkflowJob[] = []
  readonly runners: FakeRunner[] = []
  /** Every runner that was ever registered. */
  readonly registered: FakeRunner[] = []
  /** Where its runners find it; undefined for where its API is. */
  url: string | undefined
  readonly registrationToken = `registration-${randomBytes(12).toString('hex')}`

  constructor(world: FakeWorld) {
    this.#world = world
  }

  /** A job that is to be run by whoever has its labels. */
  queue(
    repository: FakeRepository,
    wish: {
      readonly labels: readonly string[]
      readonly name?: string
      readonly event?: string
      readonly head?: FakeRepository | undefined
      readonly status?: FakeJobStatus
      readonly says?: string
      /** Of the same workflow run as others. */
      readonly runId?: number
    }
  ): FakeWorkflowJob {
    const id = this.#world.id()
    const { labels, name = `job-${id}`, event = 'push', status = 'queued' } = wish
    const head = 'head' in wish ? wish.head : repository
    const { says = `says ${name}` } = wish
    const job: FakeWorkflowJob = {
      id,
      runId: wish.runId ?? this.#world.id(),
      name,
      labels,
      event,
      head,
      handle: randomUUID(),
      says,
      status,
      conclusion: null,
      runner: '',
      log: []
    }
    this.jobs.push(job)
    return job
  }

  register(name: string, labels: readonly string[]): FakeRunner {
    const runner: FakeRunner = {
      id: this.#world.id(),
      name,
      uuid: randomUUID(),
      token: randomBytes(20).toString('hex'),
      labels,
      isOnline: false,
      job: undefined
    }
    this.runners.push(runner)
    this.registered.push(runner)
    return runner
  }

  byToken(uuid: string, token: string): FakeRunner | undefined {
    return this.runners.find((runner) => runner.uuid === uuid && runner.token === token)
  }

  /** Any job that its labels fit, as all but Forgejo do; or the one of that handle. */
  give(runner: FakeRunner, handle?: string): FakeWorkflowJob | undefined {
    runner.isOnline = true
    if (runner.job !== undefined) return undefined
    const own = new Set(runner.labels.map((label) => label.toLowerCase()))
    const job = this.jobs.find((each) => {
      if (each.status !== 'queued') return false
      if (handle !== undefined) return each.handle === handle
      return each.labels.every((label) => own.has(label.toLowerCase()))
    })
    if (job === undefined) return undefined
    job.status = 'in_progress'
    job.runner = runner.name
    runner.job = job
    return job
  }

  /** Its runner has ended it; it was for one job alone, and is forgotten. */
  complete(runner: FakeRunner, conclusion: 'success' | 'failure'): void {
    const { job } = runner
    if (job === undefined) throw new Error(`${runner.name} has no job`)
    job.status = 'completed'
    job.conclusion = conclusion
    runner.job = undefined
    this.forget(runner)
  }

  /** Nobody is to run it any more. */
  cancel(job: FakeWorkflowJob): void {
    job.status = 'completed'
    job.conclusion = 'cancelled'
  }

  forget(runner: FakeRunner): void {
    const at = this.runners.indexOf(runner)
    if (at >= 0) this.runners.splice(at, 1)
  }
}
