import type { OwnedContainer } from '../../agent/execute/engine-types.ts'
import type { FirstProcessEnd } from '../../agent/lifeline/first-process.ts'
import { Guardian } from '../../agent/lifeline/guardian.ts'
import { silentLog } from '../../protocol/host/log.ts'
import { FakeClock } from './fake-clock.ts'

/** A guardian on a clock, an engine and lease folders that a test moves. */
export class GuardianBench {
  readonly clock = new FakeClock()
  readonly leases = new Map<string, number | undefined>()
  readonly boxes = new Map<string, OwnedContainer>()
  /** What was done, with the boot clock's milliseconds. */
  readonly done: { readonly what: string; readonly atMs: number }[] = []
  agentGone = false
  /** False while no agent has said what to guard. */
  isCharged = true
  /** `hangs`: calls are never answered; `refuses`: each is an error. */
  engine: 'answers' | 'hangs' | 'refuses' = 'answers'
  lists = 0
  looks = 0
  ended = false
  readonly stop = new AbortController()
  readonly #running: Promise<void>

  constructor(options: { readonly stay: boolean } = { stay: false }) {
    const guardian = new Guardian(
      {
        clock: this.clock,
        log: silentLog(),
        processes: {
          recognise: (container, pid) => {
            return { container, identity: { pid, startTicks: 1, bootId: 'b' } }
          },
          kill: ({ container }) => this.#do(`pid-kill ${container}`, 'killed' as FirstProcessEnd)
        },
        charge: async () =>
          this.isCharged
            ? {
                labels: { 'runner-mesh.peer': 'me', 'runner-mesh.store': 'mine' },
                leases: {
                  read: async () => new Map(this.leases),
                  remove: async (lease) => {
                    this.#do(`forget ${lease}`, this.leases.delete(lease))
                  }
                },
                engine: {
                  containers: () => this.#call(() => this.#list()),
                  inspect: () => this.#call(() => ({ pid: 7 }) as never),
                  kill: (id) => this.#call(() => this.#do(`kill ${id}`, true)),
                  remove: (id) => this.#call(() => this.#do(`remove ${id}`, this.boxes.delete(id)))
                },
                agentGone: this.agentGone
              }
            : undefined,
        onLook: () => {
          this.looks += 1
        }
      },
      options
    )
    this.#running = guardian.run(this.stop.signal).then(() => {
      this.ended = true
    })
  }

  /** A running container whose deadline lies `inMs` ahead; undefined for none at all. */
  add(id: string, inMs: number | undefined): void {
    const labels = { 'runner-mesh.job': 'job', 'runner-mesh.claim': id }
    this.boxes.set(id, { id, name: id, labels, running: true })
    if (inMs !== undefined) this.leases.set(`job-${id}`, this.clock.bootMs() + inMs)
  }

  /** What was done so far, without its times. */
  get acts(): readonly string[] {
    return this.done.map(({ what }) => what)
  }

  /** Moves time in steps that let every answer arrive. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) await this.clock.advance(Math.min(10, left))
  }

  async close(): Promise<void> {
    this.stop.abort()
    await this.#running
  }

  #list(): readonly OwnedContainer[] {
    this.lists += 1
    return [...this.boxes.values()]
  }

  #do<T>(what: string, result: T): T {
    this.done.push({ what, atMs: this.clock.bootMs() })
    return result
  }

  #call<T>(answer: () => T): Promise<T> {
    if (this.engine === 'hangs') {
      return new Promise((_, reject) => {
        this.clock.arm(5_000, () => reject(new Error('the engine did not answer in time')))
      })
    }
    if (this.engine === 'refuses') return Promise.reject(new Error('refused'))
    return Promise.resolve().then(answer)
  }
}
