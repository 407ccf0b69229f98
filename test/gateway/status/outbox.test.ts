import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { Outbox, type StatusSender } from '../../../gateway/status/outbox.ts'
import type { Told } from '../../../gateway/status/told.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { RowTable } from '../../../protocol/store/row-table.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { storeIn, temporaryFolder } from '../../support/store-folder.ts'

/** A run of today, by the simulated clock. */
const BASE_MS = new FakeClock().wallMs()

function toldOf(change: Partial<Told> = {}): Told {
  return {
    repository: 'team/kernel',
    channel: 'status',
    runId: 'RUN1',
    jobIndex: 0,
    commit: 'a'.repeat(40),
    ref: 'refs/heads/main',
    event: 'push',
    context: 'runner-mesh/build',
    name: 'build',
    state: 'queued',
    isFinal: false,
    description: change.state ?? 'queued',
    targetUrl: undefined,
    issuedAtMs: BASE_MS,
    version: 1,
    ...change
  }
}

const running = (change: Partial<Told> = {}) => toldOf({ state: 'running', version: 2, ...change })
const succeeded = (change: Partial<Told> = {}) =>
  toldOf({ state: 'succeeded', version: 3, isFinal: true, ...change })

/** Takes what is sent, or fails as it is told to. */
class ScriptedSender implements StatusSender {
  readonly sent: Told[] = []
  readonly failures: unknown[] = []
  /** Refused as long as it is set. */
  refusedContext = ''
  /** Never answers while it is set. */
  gate: Promise<void> | undefined
  flying = 0
  flyingMax = 0

  hostOf({ repository }: Told): string | undefined {
    return repository === 'gone' ? undefined : 'forge.example'
  }

  async send(told: Told, signal: AbortSignal): Promise<void> {
    this.flying += 1
    this.flyingMax = Math.max(this.flyingMax, this.flying)
    try {
      if (this.gate !== undefined) await Promise.race([this.gate, abortOf(signal)])
      if (told.context === this.refusedContext) throw refused(404)
      const failure = this.failures.shift()
      if (failure !== undefined) throw failure
      this.sent.push(told)
    } finally {
      this.flying -= 1
    }
  }

  states(context = 'runner-mesh/build'): string[] {
    return this.sent.filter((told) => told.context === context).map(({ state }) => state)
  }
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

interface Parts {
  readonly sender?: ScriptedSender
  readonly table?: RowTable
  readonly clock?: FakeClock
  readonly keptMax?: number
}

async function rig(parts: Parts = {}) {
  const sender = parts.sender ?? new ScriptedSender()
  const clock = parts.clock ?? new FakeClock()
  const table = parts.table ?? (await storeIn(`${await temporaryFolder()}/store`)).outbox
  const random = new SeededRandom(7)
  const common = { table, sender, clock, random, log: silentLog() }
  const outbox = new Outbox(common, { keptMax: parts.keptMax })
  await outbox.start()
  onTestFinished(() => stopped(outbox, clock))
  return { outbox, sender, clock, table }
}

async function stopped(outbox: Outbox, clock: FakeClock): Promise<void> {
  const stop = outbox.stop(0)
  await clock.advance(1)
  await stop
}

const unreachable = () =>
  new MeshError('FORGE_UNREACHABLE', { host: 'h', action: 'a', cause: 'away' })
const refused = (status: number) =>
  new MeshError('FORGE_REFUSED', { host: 'h', action: 'a', status, cause: 'no' })
const limited = (afterS: number) =>
  new MeshError('FORGE_LIMITED', { host: 'h', action: 'a', afterS })

/** Real disks and the simulated clock: lets both come to rest. */
async function settled(clock: FakeClock, done: () => boolean, limitMs = 3_600_000): Promise<void> {
  for (let tries = 0; tries < 2_000 && !done(); tries += 1) {
    await clock.advance(limitMs / 2_000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  expect(done()).toBe(true)
}

test('what is told is sent in order, each state once', async () => {
  const { outbox, sender, clock } = await rig()

  for (const told of [toldOf(), running(), succeeded()]) {
    await outbox.tell(told)
    await settled(clock, () => sender.sent.at(-1)?.state === told.state)
    await outbox.tell(told)
  }

  expect(sender.states()).toEqual(['queued', 'running', 'succeeded'])
  expect(outbox.open).toBe(0)
})

test('of what goes on while the forge is away only the newest is sent, and the end always', async () => {
  const { outbox, sender, clock } = await rig()
  sender.failures.push(unreachable(), unreachable(), unreachable())
  await outbox.tell(toldOf())
  await outbox.tell(running())
  await outbox.tell(succeeded())

  await settled(clock, () => sender.sent.length > 0)
  await clock.advance(600_000)

  expect(sender.states()).toEqual(['succeeded'])
})

test('an older state never follows a newer one, however late it comes', async () => {
  const { outbox, sender, clock } = await rig()
  await outbox.tell(succeeded())
  await settled(clock, () => sender.sent.length === 1)

  await outbox.tell(running())
  await outbox.tell(toldOf({ issuedAtMs: BASE_MS, version: 99, description: 'again' }))
  await clock.advance(60_000)

  expect(sender.states()).toEqual(['succeeded'])
})

test('a later run of the commit has the word, and what an earlier one says then is not sent', async () => {
  const { outbox, sender, clock } = await rig()
  const later = { runId: 'RUN2', issuedAtMs: BASE_MS + 1_000 }
  await outbox.tell(running())
  await outbox.tell(toldOf(later))
  await settled(clock, () => sender.sent.length === 2)

  await outbox.tell(succeeded())
  await outbox.tell(succeeded(later))
  await settled(clock, () => sender.sent.length === 3)
  await clock.advance(60_000)

  expect(sender.sent.map(({ runId, state }) => `${runId} ${state}`)).toEqual([
    'RUN1 running',
    'RUN2 queued',
    'RUN2 succeeded'
  ])
  expect(outbox.open).toBe(0)
})

test('a run that begins anew may go on after its end', async () => {
  const { outbox, sender, clock } = await rig()
  await outbox.tell(succeeded())
  await settled(clock, () => sender.sent.length === 1)

  await outbox.tell(toldOf({ issuedAtMs: BASE_MS + 4_000, version: 0 }))

  await settled(clock, () => sender.sent.length === 2)
  expect(sender.states()).toEqual(['succeeded', 'queued'])
})

test('a limit stops everything for its host, for as long as the host says', async () => {
  const { outbox, sender, clock } = await rig()
  sender.failures.push(limited(60))
  await outbox.tell(toldOf())
  await settled(clock, () => sender.failures.length === 0, 2_000)
  await outbox.tell(toldOf({ context: 'runner-mesh/lint' }))

  await clock.advance(50_000)
  expect(sender.sent).toEqual([])
  await settled(clock, () => sender.sent.length === 2, 20_000)
})

test('what is refused is tried a few times, then given up with the reason; the next state is tried', async () => {
  const { outbox, sender, clock } = await rig()
  sender.refusedContext = 'runner-mesh/build'
  await outbox.tell(toldOf())
  await outbox.tell(toldOf({ context: 'runner-mesh/lint' }))

  await settled(clock, () => outbox.givenUp(9).length === 1)
  const reason = expect.stringContaining('(404)') as unknown
  expect(outbox.givenUp(9)).toMatchObject([{ context: 'runner-mesh/build', reason }])
  expect(sender.sent.map(({ context }) => context)).toEqual(['runner-mesh/lint'])
  sender.refusedContext = ''
  await outbox.tell(running())
  await settled(clock, () => sender.sent.length === 2)
  expect(outbox.givenUp(9)).toEqual([])
})

test('what was not sent is sent by the next process, and what was is not sent again', async () => {
  const dir = `${await temporaryFolder()}/store`
  const store = await storeIn(dir)
  const { outbox, sender, clock } = await rig({ table: store.outbox })
  await outbox.tell(succeeded({ context: 'runner-mesh/lint' }))
  await settled(clock, () => outbox.open === 0)
  sender.gate = new Promise(() => undefined)
  await outbox.tell(succeeded())
  await clock.advance(10)
  await stopped(outbox, clock)
  await store.close()

  const again = await rig({ table: (await storeIn(dir)).outbox })
  await again.outbox.tell(succeeded({ context: 'runner-mesh/lint' }))
  await again.outbox.tell(succeeded())
  await again.outbox.tell(running())
  await settled(again.clock, () => again.sender.sent.length > 0)
  await again.clock.advance(60_000)

  expect(sender.states('runner-mesh/lint')).toEqual(['succeeded'])
  expect(again.sender.sent.map(({ context }) => context)).toEqual(['runner-mesh/build'])
})

test('no more than two requests go to one host at once, and one where nobody answers', async () => {
  const { outbox, sender, clock } = await rig()
  const { promise, resolve } = Promise.withResolvers<void>()
  sender.gate = promise
  for (let index = 0; index < 20; index += 1) {
    await outbox.tell(toldOf({ context: `runner-mesh/${index}` }))
  }

  await settled(clock, () => sender.flying === 2)
  sender.gate = undefined
  resolve()
  await settled(clock, () => sender.sent.length === 20)

  expect(sender.flyingMax).toBe(2)
})

test('what nobody is to be told any more waits without being tried', async () => {
  const { outbox, sender, clock } = await rig()

  await outbox.tell(toldOf({ repository: 'gone' }))
  await clock.advance(60_000)

  expect([sender.sent, outbox.open]).toEqual([[], 1])
})

test('an end of long ago that no forge has heard of is not told, and one that it waits for is', async () => {
  const { outbox, sender, clock } = await rig()
  const old = { issuedAtMs: BASE_MS - 8 * 86_400_000 }
  await outbox.tell(succeeded({ ...old, context: 'runner-mesh/lint' }))
  await outbox.tell(running(old))
  await outbox.tell(succeeded(old))

  await settled(clock, () => outbox.open === 0)

  expect(sender.states('runner-mesh/lint')).toEqual([])
  expect(sender.states().at(-1)).toBe('succeeded')
})

test('of too many the settled ones go first, and are not told again when the board brings them', async () => {
  const { outbox, sender, clock, table } = await rig({ keptMax: 3 })
  const run = (number: number) => ({ runId: `RUN${number}`, issuedAtMs: BASE_MS + number * 1_000 })
  const context = (number: number) => ({ ...run(number), context: `runner-mesh/${number}` })
  await outbox.tell(toldOf(context(1)))
  for (const number of [2, 3, 4, 5]) {
    await outbox.tell(succeeded(context(number)))
    await settled(clock, () => sender.sent.length === number)
  }

  await outbox.tell(succeeded(context(2)))
  await outbox.tell(running(context(1)))
  await settled(clock, () => sender.states('runner-mesh/1').length === 2)

  expect(sender.states('runner-mesh/2')).toEqual(['succeeded'])
  const numbers: number[] = []
  for await (const { number } of table.load()) numbers.push(number)
  expect(numbers).toHaveLength(4)
})

/** One job's life, told to an outbox that fails and starts anew as a test says. */
class TroubledLife {
  readonly sender = new ScriptedSender()
  readonly clock = new FakeClock()
  readonly #dir: string
  readonly #all: readonly Told[]
  #told = 0
  #store: Awaited<ReturnType<typeof storeIn>> | undefined
  #outbox: Outbox | undefined

  constructor(dir: string, states: readonly Told['state'][]) {
    this.#dir = dir
    this.#all = states.map((state, version) => {
      const isFinal = version === states.length - 1
      return toldOf({ state, version, description: `${version}`, isFinal })
    })
  }

  async start(): Promise<void> {
    this.#store = await storeIn(this.#dir)
    const { sender, clock } = this
    this.#outbox = (await rig({ sender, clock, table: this.#store.outbox })).outbox
  }

  async stop(): Promise<void> {
    if (this.#outbox !== undefined) await stopped(this.#outbox, this.clock)
    await this.#store?.close()
  }

  async step(name: 'tell' | 'fail' | 'limit' | 'wait' | 'restart'): Promise<void> {
    if (name === 'tell') await this.#tell()
    if (name === 'fail') this.sender.failures.push(unreachable())
    if (name === 'limit') this.sender.failures.push(limited(5))
    if (name === 'wait') await this.clock.advance(3_000)
    if (name !== 'restart') return
    await this.stop()
    await this.start()
  }

  async end(): Promise<void> {
    while (this.#told < this.#all.length) await this.#tell()
    await settled(this.clock, () => this.#outbox?.open === 0)
  }

  get last(): number {
    return this.#all.length - 1
  }

  async #tell(): Promise<void> {
    const next = this.#all[this.#told]
    if (next !== undefined) await this.#outbox?.tell(next)
    this.#told += 1
  }
}

test('whatever fails and whenever the gateway starts anew, each context ends as its job did', async () => {
  const goingOn = fc.array(fc.constantFrom('queued', 'running'), { maxLength: 3 })
  const end = fc.constantFrom('succeeded', 'failed')
  const steps = fc.array(fc.constantFrom('tell', 'fail', 'limit', 'wait', 'restart'), {
    maxLength: 10
  })
  await fc.assert(
    fc.asyncProperty(goingOn, end, steps, async (before, last, troubles) => {
      const life = new TroubledLife(`${await temporaryFolder()}/store`, [...before, last])
      await life.start()
      for (const trouble of troubles) await life.step(trouble)
      await life.end()

      const versions = life.sender.sent.map(({ version }) => version)
      expect(versions).toEqual([...versions].sort((a, b) => a - b))
      expect(versions.at(-1)).toBe(life.last)
      await life.stop()
    }),
    { numRuns: 20 }
  )
}, 60_000)

test('how long the oldest has waited is known, from when it came until it is told', async () => {
  const { outbox, sender, clock } = await rig()
  const gate = Promise.withResolvers<void>()
  expect(outbox.oldestMs).toBeUndefined()
  sender.gate = gate.promise
  await outbox.tell(toldOf())
  await clock.advance(7_000)
  await outbox.tell(toldOf({ context: 'runner-mesh/later' }))
  await clock.advance(2_000)
  expect(outbox.oldestMs).toBe(9_000)

  gate.resolve()
  await settled(clock, () => outbox.unsent === 0)

  expect(outbox.oldestMs).toBeUndefined()
})
