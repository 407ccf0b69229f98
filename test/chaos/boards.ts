import { type Host, HTTP_PORT } from './host.ts'
import { getJson, StatusError } from './http.ts'
import type { Ledger, SeenJob } from './ledger.ts'
import type { World } from './world.ts'

/** Between two looks at one daemon's board. */
const LOOK_EVERY_MS = 2_000
/** More than end between two looks. */
const ROWS = 60
/** Of the oldest open jobs, asked for by name. */
const OLD_JOBS = 4
/** Looks at single jobs side by side, for each daemon. */
const LOOKS_MAX = 4

/** Asks every daemon again and again what it knows of the newest jobs, and tells the ledger. */
export class Boards {
  readonly #world: World
  readonly #ledger: Ledger
  #stopped = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(world: World, ledger: Ledger) {
    this.#world = world
    this.#ledger = ledger
  }

  start(): void {
    const { agents, gateways } = this.#world
    this.#running = Promise.all([...agents, ...gateways].map((host) => this.#watch(host)))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** What one daemon says of each of these jobs; absent where it knows nothing of it any more. */
  async readAll(host: Host, ids: readonly string[]): Promise<ReadonlyMap<string, SeenJob>> {
    const found = new Map<string, SeenJob>()
    const queue = ids[Symbol.iterator]()
    const worker = async (): Promise<void> => {
      for (const id of queue) {
        const seen = await this.#read(host, id)
        if (seen === undefined) continue
        found.set(id, seen)
        this.#ledger.see(host.name, seen)
      }
    }
    await Promise.all(Array.from({ length: LOOKS_MAX }, worker))
    return found
  }

  async #read(host: Host, id: string): Promise<SeenJob | undefined> {
    try {
      return await host.get<SeenJob>(`/v1/jobs/${id}`)
    } catch (error) {
      if (error instanceof StatusError && error.status === 404) return undefined
      throw error
    }
  }

  async #watch(host: Host): Promise<void> {
    while (!this.#stopped) {
      const startedMs = performance.now()
      // Most of the time one or the other is down, cut off or stopped: that says nothing.
      const jobs = await this.#newest(host).catch(() => [])
      for (const job of jobs) this.#ledger.see(host.name, job)
      if (host.role === 'agent') await this.readAll(host, this.#old()).catch(() => undefined)
      const restMs = LOOK_EVERY_MS - (performance.now() - startedMs)
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs))
    }
  }

  /** Open ones that may be older than all that is newest. */
  #old(): readonly string[] {
    return this.#ledger.open.slice(0, OLD_JOBS).map(({ id }) => id)
  }

  async #newest(host: Host): Promise<readonly SeenJob[]> {
    if (host.role === 'agent') {
      return (await host.get<{ jobs: SeenJob[] }>(`/v1/jobs?limit=${ROWS}`)).jobs
    }
    const token = this.#world.tokens.get(host.name) ?? ''
    const path = `/api/v1/jobs?limit=${ROWS}`
    const headers = { authorization: `Bearer ${token}` }
    const where = { host: host.address, port: HTTP_PORT, path, headers }
    return (await getJson<{ jobs: SeenJob[] }>(where)).jobs
  }
}
