import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPeerId, isRunId } from '../../../protocol/wire/ids.ts'
import { KnownTexts } from '../../../protocol/wire/known-texts.ts'
import { peerIds, runIds } from './draws.ts'

const read = (known: KnownTexts, bytes: Uint8Array): string | undefined => {
  // Among others, as in a message.
  const whole = Buffer.concat([Buffer.from('AA'), bytes, Buffer.from('BB')])
  return known.read(whole, 2, 2 + bytes.length)
}

describe.each([1, 4, 1_024])('in %i slots', (slots) => {
  test('many more ids than are kept come out right, both ways', () => {
    const known = new KnownTexts(slots, isRunId)
    fc.assert(
      fc.property(fc.array(runIds, { maxLength: 40 }), (ids) => {
        for (const id of [...ids, ...ids]) {
          expect(read(known, Buffer.from(id))).toBe(id)
          expect(Buffer.from(known.bytesOf(id) ?? []).toString()).toBe(id)
        }
      })
    )
  })

  test('a text that differs from one that is kept in any one byte is judged by itself', () => {
    const known = new KnownTexts(slots, isPeerId)
    fc.assert(
      fc.property(peerIds, fc.nat(), fc.nat(255), (id, at, byte) => {
        expect(read(known, Buffer.from(id))).toBe(id)
        const bytes = Buffer.from(id)
        bytes[at % bytes.length] = byte
        const text = bytes.toString('latin1')
        expect(read(known, bytes)).toBe(isPeerId(text) ? text : undefined)
        expect(known.bytesOf(text) !== undefined).toBe(isPeerId(text))
      })
    )
  })
})

test.each(['', 'x', 'ab'.repeat(500), '\u0141'.repeat(26)])('%j is no id', (text) => {
  const known = new KnownTexts(4, isRunId)
  expect(read(known, Buffer.from(text))).toBeUndefined()
  expect(known.bytesOf(text)).toBeUndefined()
})
