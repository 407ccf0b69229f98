import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MeshError } from '../../../../protocol/core/errors.ts'
import { ROSTERS_KEPT_MAX } from '../../../../protocol/core/limits.ts'
import type { Member, SealedRoster } from '../../../../protocol/core/roster.ts'
import { writeDurable } from '../../../../protocol/host/durable-file.ts'
import { RosterBook } from '../../../../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../../../../protocol/wire/keys.ts'
import { sealRoster } from '../../../../protocol/wire/roster-codec.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { memberEntry, nextRoster, rosterOf } from '../../../support/mesh-nodes.ts'

const authority = generateKey()
const first = memberEntry(generateKey().peerId, { notAfterMs: 4_000_000_000_000 })
const invalid = expect.objectContaining({ code: 'ROSTER_INVALID' })
let dir: string
let book: RosterBook

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'runner-mesh-book-'))
  book = await reopen()
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

function reopen(write?: typeof writeDurable): Promise<RosterBook> {
  return RosterBook.open(dir, authority.peerId, new FakeClock(), write)
}

/** Version 1, then one roster more for each count; every one has one more witness. */
function chain(length: number): SealedRoster[] {
  const members = [first]
  const all = [sealRoster(authority, rosterOf(authority, [...members]))]
  for (let current = all[0]; current !== undefined && all.length < length; current = all.at(-1)) {
    members.push(memberEntry(generateKey().peerId))
    all.push(nextRoster(authority, current, [...members]))
  }
  return all
}

/** Version 1, then rosters that only replace the zone of one witness: small, many, all epochs. */
function epochs(length: number): SealedRoster[] {
  const all = [sealRoster(authority, rosterOf(authority, [first]))]
  for (let current = all[0]; current !== undefined && all.length < length; current = all.at(-1)) {
    const storeId = all.length.toString(16).padStart(32, '0')
    const zone = first.witness?.zone ?? ''
    all.push(nextRoster(authority, current, [{ ...first, witness: { storeId, zone } }]))
  }
  return all
}

/** Writes as usual, but that of `version` waits until `gate` is called. */
function slowWrite(version: number) {
  const { promise, resolve: gate } = Promise.withResolvers<void>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const write: typeof writeDurable = async (path, bytes) => {
    if (path.endsWith(`/${version}.roster`)) {
      begin()
      await promise
    }
    await writeDurable(path, bytes)
  }
  return { gate, begun, write }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function at(list: readonly SealedRoster[], index: number): SealedRoster {
  const sealed = list[index]
  if (sealed === undefined) throw new Error(`no roster ${index}`)
  return sealed
}

describe('a book of rosters', () => {
  test('takes newer ones, tells of each, and finds them again after a restart', async () => {
    const rosters = chain(3)
    const told: number[] = []
    const end = book.onChange(({ roster }) => told.push(roster.version))
    for (const { bytes } of rosters.slice(0, 2)) expect(await book.offer(bytes)).toBe('newer')
    end()
    expect(await book.offer(at(rosters, 2).bytes)).toBe('newer')

    const again = await reopen()

    expect(told).toEqual([1, 2])
    expect(again.current()?.hash).toBe(at(rosters, 2).hash)
    expect(Buffer.compare(again.current()?.bytes ?? Buffer.alloc(0), at(rosters, 2).bytes)).toBe(0)
    expect(again.at(1)?.version).toBe(1)
    expect(again.at(2)?.version).toBe(2)
    expect(again.at(9)).toBeUndefined()
  })

  test('knows a replayed older one as such, and does not go back to it', async () => {
    const rosters = chain(2)
    for (const { bytes } of rosters) await book.offer(bytes)

    expect(await book.offer(at(rosters, 0).bytes)).toBe('known')
    expect(await book.offer(at(rosters, 1).bytes)).toBe('known')
    expect(book.current()?.roster.version).toBe(2)
  })

  test('takes a newer one over several versions that it never saw', async () => {
    const rosters = chain(4)
    await book.offer(at(rosters, 0).bytes)

    expect(await book.offer(at(rosters, 3).bytes)).toBe('newer')
  })

  test('offered many at once ends with the highest', async () => {
    const rosters = chain(6)
    await book.offer(at(rosters, 0).bytes)

    await Promise.all(rosters.toReversed().map(({ bytes }) => book.offer(bytes)))

    expect(book.current()?.roster.version).toBe(6)
    expect((await reopen()).current()?.roster.version).toBe(6)
  })
})

describe('a roster that is on its way to the disk', () => {
  test('does not count, and not at all where the disk refuses it', async () => {
    const rosters = chain(2)
    await book.offer(at(rosters, 0).bytes)
    const told: number[] = []
    book.onChange(({ roster }) => told.push(roster.version))
    await rm(dir, { recursive: true })

    await expect(book.offer(at(rosters, 1).bytes)).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE'
    })

    expect(book.current()?.roster.version).toBe(1)
    expect(book.at(2)).toBeUndefined()
    expect(told).toEqual([])
    await mkdir(dir)
    expect(await book.offer(at(rosters, 1).bytes)).toBe('newer')
    expect(told).toEqual([2])
  })

  test('keeps the next one waiting: nobody hears of them in another order', async () => {
    const rosters = chain(3)
    const { gate, begun, write } = slowWrite(2)
    const slow = await reopen(write)
    await slow.offer(at(rosters, 0).bytes)
    const told: number[] = []
    slow.onChange(({ roster }) => told.push(roster.version))

    const offers = [1, 2].map((index) => slow.offer(at(rosters, index).bytes))
    await begun
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect([slow.current()?.roster.version, told]).toEqual([1, []])
    gate()

    expect(await Promise.all(offers)).toEqual(['newer', 'newer'])
    expect(told).toEqual([2, 3])
    expect(slow.current()?.roster.version).toBe(3)
    expect((await reopen()).current()?.roster.version).toBe(3)
  })

  test('keeps out another one of its version', async () => {
    const [one, two] = [at(chain(1), 0), memberEntry(generateKey().peerId)]
    const twins = ['a', 'b'].map((name) => nextRoster(authority, one, [first, { ...two, name }]))
    const { gate, begun, write } = slowWrite(2)
    const slow = await reopen(write)
    await slow.offer(one.bytes)

    const offers = twins.map(({ bytes }) => slow.offer(bytes))
    const refused = expect(offers[1]).rejects.toEqual(invalid)
    await begun
    gate()

    expect(await offers[0]).toBe('newer')
    await refused
    expect(slow.current()?.hash).toBe(at(twins, 0).hash)
  })
})

describe('a roster that is made of the current one', () => {
  const named = (name: string) => memberEntry(generateKey().peerId, { name, roles: ['agent'] })
  const admitted = (member: Member) => (current: SealedRoster | undefined) => {
    if (current === undefined) throw new MeshError('ROSTER_ABSENT', { state: dir, id: '' })
    return nextRoster(authority, current, [...current.roster.members, member])
  }

  test('is made of the one that another maker has just made', async () => {
    await book.offer(at(chain(1), 0).bytes)
    const told: number[] = []
    book.onChange(({ roster }) => told.push(roster.version))

    const made = await Promise.all(
      ['a', 'b', 'c'].map((name) => book.succeed(admitted(named(name))))
    )

    expect(made.map(({ roster }) => roster.version)).toEqual([2, 3, 4])
    expect(told).toEqual([2, 3, 4])
    const names = (await reopen()).current()?.roster.members.map(({ name }) => name)
    expect(names).toEqual([first.name, 'a', 'b', 'c'])
  })

  test('waits for one that is on its way to the disk', async () => {
    const rosters = chain(2)
    const { gate, begun, write } = slowWrite(2)
    const slow = await reopen(write)
    await slow.offer(at(rosters, 0).bytes)
    const offer = slow.offer(at(rosters, 1).bytes)
    const made = slow.succeed(admitted(named('a')))
    await begun
    gate()

    expect(await offer).toBe('newer')
    expect((await made).roster.version).toBe(3)
  })

  test('leaves the book as it was where it cannot be made, signed or written', async () => {
    await expect(book.succeed(admitted(named('a')))).rejects.toMatchObject({
      code: 'ROSTER_ABSENT'
    })
    const one = at(chain(1), 0)
    await book.offer(one.bytes)
    const usurper = generateKey()
    const forged = () => nextRoster(usurper, one, [first])
    await expect(book.succeed(forged)).rejects.toEqual(invalid)
    await expect(book.succeed(() => one)).rejects.toEqual(invalid)
    await rm(dir, { recursive: true })
    await expect(book.succeed(admitted(named('a')))).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE'
    })
    expect(book.current()?.hash).toBe(one.hash)
    await mkdir(dir)

    expect((await book.succeed(admitted(named('a')))).roster.version).toBe(2)
  })
})

describe('a book of rosters refuses', () => {
  test('what another key signed', async () => {
    const usurper = generateKey()
    const sealed = sealRoster(usurper, rosterOf(usurper, [first]))

    await expect(book.offer(sealed.bytes)).rejects.toEqual(invalid)
    expect(await readdir(dir)).toEqual([])
  })

  test('every roster with one byte changed or cut off', async () => {
    const { bytes } = at(chain(1), 0)
    for (let byte = 0; byte < bytes.length; byte += 7) {
      const forged = bytes.map((value, index) => (index === byte ? value ^ 0x10 : value))
      await expect(book.offer(forged), `byte ${byte}`).rejects.toEqual(invalid)
      await expect(book.offer(bytes.subarray(0, byte)), `cut ${byte}`).rejects.toEqual(invalid)
    }
    expect(book.current()).toBeUndefined()
  })

  test('one that does not follow the current one', async () => {
    const other = chain(2)
    const another = rosterOf(authority, [{ ...first, name: 'another' }])
    await book.offer(sealRoster(authority, another).bytes)

    // Its prevHash is that of another version 1.
    await expect(book.offer(at(other, 1).bytes)).rejects.toEqual(invalid)
  })

  test('a second roster of a version, though the authority signed it', async () => {
    const twin = sealRoster(authority, rosterOf(authority, [first], { lease: 'default' }))
    await book.offer(at(chain(1), 0).bytes)

    await expect(book.offer(twin.bytes)).rejects.toEqual(invalid)
  })

  test('a first roster whose entries are all over', async () => {
    const past = sealRoster(authority, rosterOf(authority, [{ ...first, notAfterMs: 1 }]))

    await expect(book.offer(past.bytes)).rejects.toEqual(invalid)
  })

  test('to open with a damaged file: it would go back to an older roster', async () => {
    const rosters = chain(2)
    for (const { bytes } of rosters) await book.offer(bytes)
    await writeFile(join(dir, '2.roster'), at(rosters, 1).bytes.subarray(1))

    await expect(reopen()).rejects.toEqual(invalid)
    await expect(reopen()).rejects.toThrow('2.roster')
  })
})

describe('a book of rosters keeps', () => {
  test('one roster a witness epoch, the newest, and no file more', async () => {
    const [one, two] = [at(chain(1), 0), memberEntry(generateKey().peerId, { roles: ['agent'] })]
    const sameEpoch = nextRoster(authority, one, [first, two])
    for (const { bytes } of [one, sameEpoch]) await book.offer(bytes)

    expect(sameEpoch.roster.witnessEpoch).toBe(1)
    expect(book.at(1)?.version).toBe(2)
    expect(await readdir(dir)).toEqual(['2.roster'])
  })

  test('an older one that it is given for its epoch, without going back', async () => {
    const rosters = chain(3)
    await book.offer(at(rosters, 2).bytes)
    expect(book.at(1)).toBeUndefined()

    await book.remember(at(rosters, 0).bytes)

    expect(book.at(1)?.version).toBe(1)
    expect(book.current()?.roster.version).toBe(3)
    expect((await reopen()).at(1)?.version).toBe(1)
    await expect(book.remember(at(rosters, 2).bytes)).rejects.toEqual(invalid)
  })

  test('no older one that is broken in itself, though the authority signed it', async () => {
    await book.offer(at(chain(3), 2).bytes)
    const broken = [{ w: 5 as const }, { witnessEpoch: 2 }, { prevHash: 'ab'.repeat(32) }]

    for (const fields of broken) {
      const { bytes } = sealRoster(authority, rosterOf(authority, [first], fields))
      await expect(book.remember(bytes), Object.keys(fields)[0]).rejects.toEqual(invalid)
    }
    expect(book.at(1)).toBeUndefined()
    expect(await readdir(dir)).toEqual(['3.roster'])
  })

  test('a limited number of epochs, the newest ones', async () => {
    for (const { bytes } of epochs(ROSTERS_KEPT_MAX + 3)) await book.offer(bytes)

    expect(await readdir(dir)).toHaveLength(ROSTERS_KEPT_MAX)
    expect(book.at(3)).toBeUndefined()
    expect(book.at(4)?.version).toBe(4)
    expect((await reopen()).at(4)?.version).toBe(4)
  }, 60_000)
})
