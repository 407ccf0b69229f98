import fc from 'fast-check'
import { expect, test } from 'vitest'
import { opensName } from '../../../protocol/core/name-entry.ts'
import { hostNames, nameEntries } from '../../support/arbitrary-network.ts'

test('a wildcard opens all that is below its name, and neither the name nor its neighbours', () => {
  fc.assert(
    fc.property(nameEntries, hostNames, (entry, name) => {
      const port = entry.firstPort
      const isBelow =
        name !== entry.name &&
        name.split('.').slice(-entry.name.split('.').length).join('.') === entry.name
      expect(opensName(entry, name, port)).toBe(entry.below ? isBelow : name === entry.name)
      expect(opensName({ ...entry, below: true }, `x${entry.name}`, port)).toBe(false)
      expect(opensName({ ...entry, below: true }, `x.${entry.name}`, port)).toBe(true)
    })
  )
})

test('an entry opens its own ports alone', () => {
  fc.assert(
    fc.property(nameEntries, fc.integer({ min: 1, max: 65_535 }), (entry, port) => {
      const isIn = entry.firstPort <= port && port <= entry.lastPort
      const name = entry.below ? `a.${entry.name}` : entry.name
      expect(opensName(entry, name, port)).toBe(isIn)
    })
  )
})
