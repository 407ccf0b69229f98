import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from '../../../protocol/store/crc32c.ts'
import { readJournal } from '../../../protocol/store/leveldb-journal.ts'
import { filledFolder } from '../../support/store-damage.ts'

async function journalOf(): Promise<Uint8Array> {
  const dir = await filledFolder(false)
  const name = (await readdir(dir)).find((each) => each.endsWith('.log')) ?? ''
  return await readFile(join(dir, name))
}

test('crc32c is the one of RFC 3720, in pieces too', () => {
  const text = Buffer.from('123456789')
  expect(crc32c(text)).toBe(0xe3069283)
  expect(crc32c(text.subarray(4), crc32c(text.subarray(0, 4)))).toBe(0xe3069283)
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(0))).toBe(0)
})

test('a journal that LevelDB wrote is sound, wherever its writer died', async () => {
  const journal = await journalOf()
  const whole = readJournal(journal)
  expect(whole.problem).toBeUndefined()
  expect(whole.records.length).toBeGreaterThan(2)

  fc.assert(
    fc.property(fc.nat(journal.length), (length) => {
      const torn = readJournal(journal.subarray(0, length))
      expect(torn.problem).toBeUndefined()
      expect(torn.records).toEqual(whole.records.slice(0, torn.records.length))
    }),
    { numRuns: 40 }
  )
}, 20_000)

test('a journal with any bit flipped is not', async () => {
  const journal = await journalOf()

  fc.assert(
    fc.property(fc.nat(journal.length - 1), fc.nat(7), (place, bit) => {
      const damaged = Buffer.from(journal)
      damaged[place] = (damaged[place] ?? 0) ^ (1 << bit)
      expect(readJournal(damaged).problem).toBeDefined()
    })
  )
})

test('a length that points behind the end of the file is no torn write', async () => {
  const journal = await journalOf()
  const starts = [0, 7 + (journal[4] ?? 0) + 256 * (journal[5] ?? 0)]

  for (const start of starts) {
    const damaged = Buffer.from(journal)
    damaged[start + 5] = 0xff
    expect(readJournal(damaged).problem).toBeDefined()
  }
})

test('space that was set aside and never written is no damage, a write behind it is', async () => {
  const journal = await journalOf()
  const empty = Buffer.concat([journal, new Uint8Array(500)])
  expect(readJournal(empty).problem).toBeUndefined()

  empty[empty.length - 1] = 1
  expect(readJournal(empty).problem).toBe('a record is behind empty space behind byte 0')
})
