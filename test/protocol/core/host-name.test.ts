import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalHostName } from '../../../protocol/core/host-name.ts'
import { hostNames } from '../../support/arbitrary-network.ts'

/** One name in whatever case, with a final dot or without. */
const spellings = fc
  .tuple(hostNames, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), fc.boolean())
  .map(([name, upper, dot]) => {
    const letters = [...name].map((each, at) => (upper[at] === true ? each.toUpperCase() : each))
    return { name, spelled: `${letters.join('')}${dot ? '.' : ''}` }
  })

test('all spellings of one name have one canonical form', () => {
  fc.assert(
    fc.property(spellings, ({ name, spelled }) => {
      expect(canonicalHostName(spelled)).toBe(name)
    })
  )
})

test('a canonical name is never anything that somebody reads as an address', () => {
  const odd = fc.oneof(
    fc.array(fc.oneof(fc.nat(999), fc.nat(0xff_ff_ff_ff)), { minLength: 1, maxLength: 5 }),
    fc.array(
      fc.nat(255).map((part) => `0x${part.toString(16)}`),
      { minLength: 1, maxLength: 4 }
    ),
    fc.array(
      fc.nat(255).map((part) => `0${part.toString(8)}`),
      { minLength: 1, maxLength: 4 }
    )
  )
  fc.assert(
    fc.property(odd, fc.constantFrom('', '.'), (parts, dot) => {
      expect(canonicalHostName(`${parts.join('.')}${dot}`)).toBeUndefined()
    })
  )
})

test('whatever the text, a canonical name is what a browser would ask for', () => {
  const texts = fc.oneof(fc.string(), fc.domain(), fc.string({ unit: 'binary' }), hostNames)
  fc.assert(
    fc.property(texts, (text) => {
      const name = canonicalHostName(text)
      if (name === undefined) return
      expect(new URL(`http://${name}/`).hostname).toBe(name)
    })
  )
})
