import { expect, onTestFinished, test } from 'vitest'
import type { HeadsRow } from '../../../gateway/reconcile/heads-row.ts'
import { Reconciler } from '../../../gateway/reconcile/reconciler.ts'
import { Repositories } from '../../../gateway/repositories.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import type { NumberedRow, RowTable } from '../../../protocol/store/row-table.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { repositoryAt } from '../../support/gateway-rig.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

/** Rows without a disk: its own tests are with the store. */
class MemoryTable implements RowTable {
  readonly rows = new Map<number, unknown>()

  async *load<Row>(): AsyncIterable<NumberedRow<Row>> {
    for (const [number, row] of this.rows) yield await Promise.resolve({ number, row: row as Row })
  }

  read<Row>(number: number): Promise<Row | undefined> {
    return Promise.resolve(this.rows.get(number) as Row | undefined)
  }

  write(rows: readonly NumberedRow<unknown>[], removed: readonly number[] = []): Promise<void> {
    for (const { number, row } of rows) this.rows.set(number, row)
    for (const number of removed) this.rows.delete(number)
    return Promise.resolve()
  }
}

function rig(names: readonly string[], table = new MemoryTable()) {
  const clock = new FakeClock()
  const repositories = new Repositories(names.map((name) => repositoryAt(name)))
  const looks: { readonly name: string; readonly atMs: number; readonly known: unknown }[] = []
  const state = { flying: 0, flyingMax: 0, isUnsettled: false, failure: undefined as unknown }
  const look = {
    forgive: () => undefined,
    look: async ({ name, url }: { name: string; url: string }, known: HeadsRow | undefined) => {
      state.flying += 1
      state.flyingMax = Math.max(state.flyingMax, state.flying)
      looks.push({ name, atMs: clock.bootMs(), known })
      await Promise.resolve()
      state.flying -= 1
      if (state.failure !== undefined) throw state.failure
      const { isUnsettled } = state
      state.isUnsettled = false
      return { row: { repository: name, url, refs: {}, sinceMs: 1 }, isUnsettled }
    }
  }
  const random = new SeededRandom(7)
  const parts = { repositories, look, table, clock, random, log: silentLog() }
  const reconciler = new Reconciler(parts)
  onTestFinished(() => reconciler.stop())
  return { clock, looks, reconciler, repositories, state, table }
}

const MINUTE = 60_000

test('each repository is looked at soon after the start, and then every five minutes or so', async () => {
  const { clock, looks, reconciler } = rig(['a', 'b', 'c'])
  await reconciler.start()

  await clock.advance(3_100)
  expect([...new Set(looks.map(({ name }) => name))]).toHaveLength(3)
  await clock.advance(30 * MINUTE)

  const times = looks.filter(({ name }) => name === 'a').map(({ atMs }) => atMs)
  const apart = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
  expect(times.length).toBeGreaterThanOrEqual(6)
  for (const ms of apart) {
    expect(ms).toBeGreaterThanOrEqual(4 * MINUTE)
    expect(ms).toBeLessThanOrEqual(6 * MINUTE)
  }
})

test('a thousand repositories are spread, a few at a time, at one a second', async () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `r${index}`)
  const { clock, looks, reconciler, state } = rig(names)
  await reconciler.start()

  await clock.advance(5 * MINUTE + 1_000)
  expect(new Set(looks.map(({ name }) => name)).size).toBe(1_000)
  const first = looks.length
  await clock.advance(20 * MINUTE)

  expect(state.flyingMax).toBeLessThanOrEqual(4)
  expect(looks.length - first).toBeLessThan(1_500)
})

test('what is unsettled is looked at again within seconds', async () => {
  const { clock, looks, reconciler, state } = rig(['a'])
  state.isUnsettled = true
  await reconciler.start()

  await clock.advance(1_000)
  await clock.advance(15_000)

  expect(looks).toHaveLength(2)
})

test('a look that fails is tried with longer waits, a limited forge when it says so', async () => {
  const { clock, looks, reconciler, state } = rig(['a'])
  state.failure = new MeshError('FORGE_UNREACHABLE', { host: 'h', action: 'a', cause: 'away' })
  await reconciler.start()
  await clock.advance(24 * 60 * MINUTE)

  const tried = looks.length
  expect(tried).toBeGreaterThan(20)
  expect(tried).toBeLessThan(120)
  state.failure = new MeshError('FORGE_LIMITED', { host: 'h', action: 'a', afterS: 3_900 })
  await clock.advance(61 * MINUTE)
  const limited = looks.length
  await clock.advance(60 * MINUTE)
  expect(looks.length - limited).toBeLessThanOrEqual(1)
  state.failure = undefined
  await clock.advance(70 * MINUTE)
  const healed = looks.length
  await clock.advance(10 * MINUTE)
  expect(looks.length).toBeGreaterThan(healed)
})

test('what was seen is there after a start, and goes with an entry that is not declared any more', async () => {
  const table = new MemoryTable()
  const before = rig(['a', 'b'], table)
  await before.reconciler.start()
  await before.clock.advance(3_000)
  await before.reconciler.stop()

  const after = rig(['b', 'c'], table)
  await after.reconciler.start()
  await after.clock.advance(3_000)

  const known = Object.fromEntries(after.looks.map((look) => [look.name, look.known]))
  expect(known['b']).toMatchObject({ repository: 'b' })
  expect(known['c']).toBeUndefined()
  const kept = [...table.rows.values()].map((row) => (row as HeadsRow).repository)
  expect(new Set(kept)).toEqual(new Set(['b', 'c']))
})

test('a repository that is declared later is looked at, one that is taken out is not', async () => {
  const { clock, looks, reconciler, repositories } = rig(['a'])
  await reconciler.start()
  await clock.advance(2_000)

  repositories.replace([repositoryAt('b')])
  reconciler.reload()
  await clock.advance(30 * MINUTE)

  expect(looks.filter(({ name }) => name === 'a')).toHaveLength(1)
  expect(looks.filter(({ name }) => name === 'b').length).toBeGreaterThan(4)
})

test('a reconciler that is behind says for how long, and how many looks failed', async () => {
  const { clock, reconciler, state } = rig(['a', 'b'])
  await reconciler.start()
  expect(reconciler.lag).toEqual({ overdueMs: 0, failing: 0 })
  state.failure = new MeshError('FORGE_UNREACHABLE', { host: 'h', action: 'a', cause: 'away' })
  await clock.advance(3_000)
  expect(reconciler.lag.failing).toBe(2)

  // A stopped one begins no look, however long it is due.
  await reconciler.stop()
  await clock.advance(24 * 60 * MINUTE)

  expect(reconciler.lag.overdueMs).toBeGreaterThan(20 * 60 * MINUTE)
})
