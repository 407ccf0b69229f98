import { unitOf } from '../../protocol/core/placement.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import type { SimDelivery } from './gateway.ts'
import type { SimNode } from './node.ts'
import type { WorldOptions } from './options.ts'
import type { Scene } from './scene.ts'

const MIB = 1_048_576
/** Milliseconds after which a sender that heard nothing tries again. */
const RETRY_MS = 2_000

/** Pushes, as forges and people make them: once, twice, again later, to this gateway or that. */
export class Deliveries {
  readonly jobs: string[] = []
  readonly #scene: Scene
  readonly #gateways: readonly SimNode[]
  readonly #options: WorldOptions
  /** By job id, for whoever judges the order. */
  readonly #needs: Map<string, readonly number[]>
  #calls = 0
  /** Not answered yet. */
  open = 0

  constructor(
    scene: Scene,
    gateways: readonly SimNode[],
    options: WorldOptions,
    needs: Map<string, readonly number[]>
  ) {
    this.#needs = needs
    this.#scene = scene
    this.#gateways = gateways
    this.#options = options
  }

  start(): void {
    const { pushes, troubleMs, replayRate } = this.#options
    const { timeline } = this.#scene
    for (let index = 0; index < pushes; index += 1) {
      const runId = `RUN${index + 1}`
      const manifest = this.#manifest(runId)
      for (const { index: job } of manifest.jobs) this.jobs.push(jobIdOf(runId, job))
      const atMs = timeline.random() * troubleMs * 0.6
      this.open += 1
      timeline.at(atMs, () => this.#send(runId, manifest))
      for (let copy = 0; copy < 2; copy += 1) {
        if (timeline.random() >= replayRate) continue
        this.open += 1
        this.#scene.count('gateway: delivery replayed')
        timeline.at(atMs + timeline.random() * troubleMs, () => this.#send(runId, manifest))
      }
    }
  }

  /** A push of its own to each gateway, whose announcement says which runs of before are closed. */
  sendLast(): void {
    for (const node of this.#gateways) {
      const runId = `LAST${this.jobs.length}`
      const manifest = this.#manifest(runId)
      for (const { index: job } of manifest.jobs) this.jobs.push(jobIdOf(runId, job))
      this.open += 1
      this.#send(runId, manifest, [node])
    }
  }

  #send(runId: string, manifest: Manifest, gateways = this.#gateways): void {
    const { timeline } = this.#scene
    this.#calls += 1
    const delivery: SimDelivery = { id: `${runId}/${this.#calls}`, runId, manifest }
    let isAnswered = false
    const attempt = (): void => {
      if (isAnswered) return
      const node = gateways[Math.floor(timeline.random() * gateways.length)]
      const { process } = node ?? {}
      process?.run(process.boot, () => {
        node?.gateway?.deliver(delivery, () => {
          if (!isAnswered) this.open -= 1
          isAnswered = true
        })
      })
      timeline.after(RETRY_MS, attempt)
    }
    attempt()
  }

  /**
   * Retries and needs of a job. Drawn from its name and not from the timeline: seeds that were kept
   * for what they found would else find something else.
   */
  #graph(runId: string, index: number): { retries: number; needs: readonly number[] } {
    const luck = (what: string): number => {
      return unitOf(this.#scene.digest.text(`${this.#options.seed}|${runId}|${index}|${what}`))
    }
    const retries = luck('retried') < 0.4 ? 1 + Math.floor(luck('retries') * 2) : 0
    const earlier = [...new Array(index).keys()]
    const needs = earlier.filter((need) => luck(`needs ${need}`) < 0.35)
    this.#needs.set(jobIdOf(runId, index), needs)
    return { retries, needs }
  }

  #manifest(runId: string): Manifest {
    const { timeline } = this.#scene
    const { jobsPerPushMax, workMsMax } = this.#options
    const count = 1 + Math.floor(timeline.random() * jobsPerPushMax)
    const jobs = Array.from({ length: count }, (_, index) => ({
      index,
      name: `job${index}`,
      image: 'image',
      platform: undefined,
      emulation: 'allow' as const,
      resources: { cpuMilli: 1_000, memoryBytes: 512 * MIB },
      labels: {},
      env: {},
      timeoutMs: 3_600_000,
      onLoss: timeline.random() < 0.15 ? ('error' as const) : ('retry' as const),
      ...this.#graph(runId, index),
      network: 'none' as const,
      // The simulated engine takes the script for the time that it needs.
      steps: [
        {
          name: 'work',
          run: String(Math.ceil(timeline.random() * workMsMax)),
          timeoutMs: undefined
        }
      ]
    }))
    const origin = {
      forgeHost: 'forge',
      repositoryId: '1',
      event: 'push',
      ref: 'refs/heads/main',
      commit: runId,
      number: '',
      action: '',
      rerunNonce: ''
    } as const
    const rest = {
      repository: 'r',
      url: 'u',
      before: '',
      pusher: 'p',
      title: 't',
      error: undefined,
      trust: 'trusted' as const
    }
    return { origin, jobs, ...rest }
  }
}
