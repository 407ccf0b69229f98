import { expect, test } from 'vitest'
import { MeshError } from '../../../../protocol/core/errors.ts'
import { ANNOUNCEMENT_FETCHES_MAX } from '../../../../protocol/core/limits.ts'
import type { RegisterReply, RegisterRequest } from '../../../../protocol/core/messages.ts'
import type { RequestOptions } from '../../../../protocol/core/ports.ts'
import { AnnouncementFetch } from '../../../../protocol/mesh/announcements/announcement-fetch.ts'
import { AnnouncementShelf } from '../../../../protocol/mesh/announcements/announcement-shelf.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { sealRun } from '../../../support/memory-mesh.ts'

const KEY = generateKey()
const OPTIONS = { timeoutMs: 100 }

function sealed(commit: string) {
  return sealRun(KEY, { jobs: [{}], commit, gwSeq: 1, wallMs: 1_800_000_000_000 })
}

type Answer = (peer: string, request: RegisterRequest) => Promise<Uint8Array | undefined>

type Stored = (annHash: string) => Promise<Uint8Array | undefined>

function open(answer: Answer, announcement: Stored = async () => undefined) {
  const asked: string[] = []
  const limits: number[] = []
  const signals: (AbortSignal | undefined)[] = []
  const request = async (
    peer: string,
    message: RegisterRequest,
    { timeoutMs, signal }: RequestOptions
  ): Promise<RegisterReply> => {
    asked.push(peer)
    limits.push(timeoutMs)
    signals.push(signal)
    return { kind: 'announcement', bytes: await answer(peer, message) }
  }
  const shelf = new AnnouncementShelf({ announcement }, { bytesMax: 4_096 })
  const fetch = new AnnouncementFetch({ transport: { peerId: 'me', request }, shelf })
  return { asked, limits, signals, shelf, fetch }
}

test('what is in our own store is not asked of anybody', async () => {
  const one = sealed('aa')
  const { asked, fetch } = open(
    async () => undefined,
    async () => one.bytes
  )

  expect(await fetch.get(one.annHash, ['a'], OPTIONS)).toEqual(one)
  expect(asked).toEqual([])
})

test('peers are asked in turn until one has the bytes of that hash; never ourselves', async () => {
  const [one, other] = [sealed('aa'), sealed('bb')]
  const { asked, fetch } = open(async (peer) => {
    if (peer === 'away') throw new MeshError('PEER_UNREACHABLE', { peer, cause: 'away' })
    return { wrong: other.bytes, forged: one.bytes.slice(1), right: one.bytes }[peer]
  })
  const peers = ['me', 'away', 'empty', 'wrong', 'forged', 'right', 'late', 'right']

  expect(await fetch.get(one.annHash, peers, OPTIONS)).toEqual(one)
  expect(asked).toEqual(['away', 'empty', 'wrong', 'forged', 'right'])
  expect(await fetch.get(one.annHash, peers, OPTIONS)).toEqual(one)
  expect(asked).toHaveLength(5)
})

test('many who want the same bytes cost one request, and not too many fetches run', async () => {
  const one = sealed('aa')
  const gate = Promise.withResolvers<Uint8Array>()
  const { asked, fetch } = open(() => gate.promise)
  const same = Array.from({ length: 5 }, () => fetch.get(one.annHash, ['a'], OPTIONS))
  const others = Array.from({ length: ANNOUNCEMENT_FETCHES_MAX }, (_, index) => {
    return fetch.get(`${index}`, ['a'], OPTIONS)
  })
  gate.resolve(one.bytes)

  expect(await Promise.all(same)).toEqual(same.map(() => one))
  await Promise.all(others)
  expect(asked).toHaveLength(ANNOUNCEMENT_FETCHES_MAX)
})

test('who began a fetch or a read is told what it was, and nobody who finds or awaits it', async () => {
  const [far, near] = [sealed('aa'), sealed('bb')]
  const told: string[] = []
  const asker =
    ({ fetch }: ReturnType<typeof open>, annHash: string) =>
    (name: string) => {
      const onFetched = (from: string) => told.push(`${name} ${from}`)
      return fetch.get(annHash, ['a'], { ...OPTIONS, onFetched })
    }
  const reads: string[] = []
  const asking = open(async () => far.bytes)
  const reading = open(
    async () => undefined,
    async (annHash) => {
      reads.push(annHash)
      return near.bytes
    }
  )

  await Promise.all(['first', 'second', 'third'].map(asker(asking, far.annHash)))
  await asker(asking, far.annHash)('late')
  expect(told.splice(0)).toEqual(['first peer'])

  await Promise.all(['first', 'second', 'third'].map(asker(reading, near.annHash)))
  await asker(reading, near.annHash)('late')
  expect(told).toEqual(['first disk'])
  expect(reads).toEqual([near.annHash])
})

test('what nobody has is told to nobody', async () => {
  const { fetch } = open(async () => undefined)
  const onFetched = () => expect.fail('nothing was fetched')
  expect(await fetch.get('aa'.repeat(32), ['a'], { ...OPTIONS, onFetched })).toBeUndefined()
})

test('one who gives up takes the bytes from nobody else, and ends a fetch that no one wants', async () => {
  const one = sealed('aa')
  const gate = Promise.withResolvers<Uint8Array>()
  const { fetch, signals } = open(() => gate.promise)
  const [first, second, last] = [0, 1, 2].map(() => new AbortController())
  const get = (annHash: string, end: AbortController | undefined) => {
    return fetch.get(annHash, ['a'], { ...OPTIONS, signal: end?.signal })
  }
  const given = expect(get(one.annHash, first)).rejects.toThrow('given up')
  const kept = get(one.annHash, second)
  const alone = expect(get('alone', last)).rejects.toThrow('given up')
  await new Promise((resolve) => setImmediate(resolve))

  first?.abort(new Error('given up'))
  last?.abort(new Error('given up'))
  await Promise.all([given, alone])
  gate.resolve(one.bytes)

  expect(await kept).toEqual(one)
  expect(signals.map((signal) => signal?.aborted)).toEqual([false, true])
})

test('one who waits less long does not wait for the answers to another', async () => {
  const one = sealed('aa')
  const { fetch, limits } = open(async () => one.bytes)

  await Promise.all([50, 200, 50].map((timeoutMs) => fetch.get(one.annHash, ['a'], { timeoutMs })))

  expect(limits).toEqual([50, 200])
})

test('the shelf keeps the latest up to a number of bytes', async () => {
  const { shelf } = open(async () => undefined)
  const all = Array.from({ length: 20 }, (_, index) => sealed(`b${1_000 + index}`))
  for (const one of all) shelf.put(one)

  const held = await Promise.all(all.map(({ annHash }) => shelf.find(annHash)))
  const bytes = held.reduce((sum, one) => sum + (one?.bytes.byteLength ?? 0), 0)

  expect(held.at(-1)).toEqual(all.at(-1))
  expect(held[0]).toBeUndefined()
  expect(bytes).toBeLessThanOrEqual(4_096)
})
