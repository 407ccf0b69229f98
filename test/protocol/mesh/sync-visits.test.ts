import { expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import { SYNC_ITEMS_MAX, SYNC_PAGES_MAX } from '../../../protocol/core/limits.ts'
import type { RegisterReply, RegisterRequest, SyncItem } from '../../../protocol/core/messages.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { AntiEntropy } from '../../../protocol/mesh/anti-entropy.ts'
import type { PastRun } from '../../../protocol/mesh/first-look.ts'
import type { Lead } from '../../../protocol/mesh/lead-queue.ts'
import { sealRoster } from '../../../protocol/wire/roster-codec.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FixedRosters, keyOfSeed } from '../../support/memory-mesh.ts'
import { memberEntry, rosterOf } from '../../support/mesh-nodes.ts'
import { SeededRandom } from '../../support/seeded-random.ts'

const PERIOD_MS = LEASE_PROFILES.short.antiEntropyMs
type Sync = Extract<RegisterRequest, { kind: 'sync' }>
type Page = Partial<Extract<RegisterReply, { kind: 'synced' }>>

function itemsFrom(first: number, count: number): readonly SyncItem[] {
  return Array.from({ length: count }, (_, index) => {
    const register = `R${first + index}`
    const facts = { witnessEpoch: 1, seq: first + index, version: 1, phase: 'queued' } as const
    return { register, ...facts, annHash: 'hash' }
  })
}

/** Anti-entropy of a member that is no witness, with one witness that answers as it is told. */
async function open(answer: (request: Sync) => Page, feed: { room: number }) {
  const clock = new FakeClock()
  const [authority, witness] = await Promise.all([keyOfSeed(0), keyOfSeed(1)])
  const entry = memberEntry(witness.peerId, { roles: ['witness'] })
  const rosters = new FixedRosters(sealRoster(authority, rosterOf(authority, [entry])))
  const asked: Sync[] = []
  const leads: string[] = []
  const past: string[] = []
  const antiEntropy = new AntiEntropy({
    transport: {
      peerId: 'me',
      request: async (_peer, message) => {
        if (message.kind !== 'sync') throw new Error(`asked for ${message.kind}`)
        asked.push(message)
        const { storeId, sinceSeq } = message
        const page = { storeId, items: [], next: sinceSeq, more: false }
        return { kind: 'synced', ...page, ...answer(message) }
      }
    },
    rosters,
    feed: {
      get room() {
        return feed.room
      },
      want: ({ register }: Lead) => leads.push(register) > 0,
      past: ({ runId }: PastRun) => past.push(runId) > 0
    },
    clock,
    random: new SeededRandom(1),
    log: silentLog(),
    seen: { of: (peerId, storeId) => (peerId === witness.peerId && storeId !== '' ? 77 : 0) },
    linked: () => new Set([witness.peerId]),
    onLink: () => () => undefined
  })
  return { clock, asked, leads, past, antiEntropy }
}

test('open registers come first, then all of them, then only what is new', async () => {
  const answer = ({ openOnly, sinceSeq }: Sync): Page => {
    if (openOnly) return { items: itemsFrom(5, 1), next: 5 }
    return sinceSeq >= 9
      ? {}
      : { items: itemsFrom(sinceSeq + 1, 3), next: sinceSeq + 3, more: true }
  }
  const { clock, asked, leads, antiEntropy } = await open(answer, { room: 10_000 })
  antiEntropy.start()
  await clock.advance(0)

  expect(asked.map(({ openOnly, sinceSeq }) => [openOnly, sinceSeq])).toEqual([
    [true, 0],
    [false, 0],
    [false, 3],
    [false, 6],
    [false, 9]
  ])
  expect(asked.map(({ seenSeq }) => seenSeq)).toEqual(asked.map(() => 77))
  expect(leads).toEqual(['R5', 'R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9'])
  asked.length = 0
  await clock.advance(1.2 * PERIOD_MS)
  expect(asked.map(({ openOnly, sinceSeq }) => [openOnly, sinceSeq])).toEqual([[false, 9]])
  await antiEntropy.stop()
})

test('without room for its leads a page is not passed over', async () => {
  const feed = { room: SYNC_ITEMS_MAX }
  let isFilling = true
  const answer = ({ openOnly, sinceSeq }: Sync): Page => {
    // Others fill the queue while the answer is on its way.
    if (isFilling && !openOnly) feed.room = 1
    return openOnly || sinceSeq >= 2 ? {} : { items: itemsFrom(1, 2), next: 2 }
  }
  const { clock, asked, leads, antiEntropy } = await open(answer, feed)
  antiEntropy.start()
  await clock.advance(0)
  expect(leads).toEqual([])

  const before = asked.length
  await clock.advance(1.2 * PERIOD_MS)
  expect(asked).toHaveLength(before)

  isFilling = false
  feed.room = SYNC_ITEMS_MAX
  await clock.advance(1.2 * PERIOD_MS)
  expect(leads).toEqual(['R1', 'R2'])
  await antiEntropy.stop()
})

test('a witness that shows too much, goes back or goes round in circles is asked no more now', async () => {
  const pages: readonly Page[] = [
    { items: itemsFrom(1, SYNC_ITEMS_MAX + 1), next: 999 },
    { items: itemsFrom(1, 1), next: -1 },
    { items: itemsFrom(1, 1), next: 0, more: true },
    { items: itemsFrom(1, 1), next: 1, storeId: 'ff'.repeat(16) }
  ]
  for (const page of pages) {
    const { clock, asked, leads, antiEntropy } = await open(() => page, { room: 10_000 })
    antiEntropy.start()
    await clock.advance(0)

    expect(asked).toHaveLength(1)
    expect(leads).toEqual([])
    await antiEntropy.stop()
  }
})

test('one visit takes a bounded number of pages', async () => {
  const answer = ({ sinceSeq }: Sync): Page => ({ next: sinceSeq + 1, more: true })
  const { clock, asked, antiEntropy } = await open(answer, { room: 10_000 })
  antiEntropy.start()
  await clock.advance(0)

  expect(asked).toHaveLength(SYNC_PAGES_MAX)
  await antiEntropy.stop()
  expect(clock.armed()).toBe(0)
})

test('runs wait for the end of the first look: only there it is known which have ended', async () => {
  const phases = ['run', 'run', 'succeeded', 'queued'] as const
  const registers = ['NEW', 'OLD', 'OLD.0', 'OLD.1']
  const items = registers.map((register, index): SyncItem => {
    const facts = { witnessEpoch: 1, seq: index + 1, version: 1, annHash: 'hash' }
    return { register, phase: phases[index] ?? 'run', ...facts }
  })
  const answer = ({ openOnly, sinceSeq }: Sync): Page => {
    if (openOnly) return { items: items.filter(({ phase }) => phase !== 'succeeded'), next: 4 }
    const next = Math.min(sinceSeq + 1, 4)
    return { items: items.slice(sinceSeq, next), next, more: next < 4 }
  }
  const { clock, leads, past, antiEntropy } = await open(answer, { room: 10_000 })
  antiEntropy.start()
  await clock.advance(0)

  expect(leads).toEqual(['OLD.1', 'OLD.1', 'NEW'])
  expect(past).toEqual(['OLD'])
  await antiEntropy.stop()
})
