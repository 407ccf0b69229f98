import fc from 'fast-check'
import { expect, test } from 'vitest'
import { elementsFor } from '../../../../agent/execute/network/elements.ts'
import { formatAddress, parseAddress, rangeOf } from '../../../../protocol/core/address-range.ts'
import { formatAllowEntry } from '../../../../protocol/core/allow-entry.ts'
import { allowEntries } from '../../../support/arbitrary-network.ts'

const BRIDGE = 'rmja00000000'

interface Element {
  readonly first: number
  readonly last: number
  readonly protocol: string
  readonly ports: readonly [number, number]
}

function parse(text: string): Element {
  const [, block = '', protocol = '', ports = ''] = text.split(' . ')
  const [from = '', to = from] = ports.split('-')
  return { ...rangeOf(block), protocol, ports: [Number(from), Number(to)] }
}

function holds(element: Element, address: number, protocol: string, port: number): boolean {
  const { first, last, ports } = element
  const isIn = first <= address && address <= last && ports[0] <= port && port <= ports[1]
  return isIn && element.protocol === protocol
}

/** Few addresses and ports, so that blocks and ranges meet. */
const near = allowEntries.map((entry) => ({
  ...entry,
  firstPort: (entry.firstPort % 6) + 1,
  lastPort: (entry.firstPort % 6) + 1 + (entry.lastPort % 4)
}))
const nested = fc
  .tuple(
    fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32', '9.0.0.0/8'),
    near
  )
  .map(([block, entry]) => {
    const [address = '', prefix = ''] = block.split('/')
    return { ...entry, address, prefix: Number(prefix), range: rangeOf(block) }
  })
const lists = fc.array(fc.oneof(near, nested), { minLength: 1, maxLength: 8 })

test('the elements of a list open what it lists and nothing else, each thing once', () => {
  const point = fc.record({
    address: fc.oneof(
      fc.nat(0xff_ff_ff_ff),
      fc
        .constantFrom('10.1.2.3', '10.1.2.4', '10.1.9.9', '10.9.9.9', '9.1.1.1')
        .map((text) => parseAddress(text) ?? 0)
    ),
    port: fc.integer({ min: 1, max: 12 }),
    protocol: fc.constantFrom('tcp', 'udp')
  })
  fc.assert(
    fc.property(lists, point, (entries, { address, port, protocol }) => {
      const allow = entries.map(formatAllowEntry)
      const elements = elementsFor({ allow }, BRIDGE, []).map(parse)
      const hits = elements.filter((each) => holds(each, address, protocol, port))
      const listed = entries.some(({ range, firstPort, lastPort, protocol: of }) =>
        holds({ ...range, protocol: of, ports: [firstPort, lastPort] }, address, protocol, port)
      )

      expect(hits, formatAddress(address)).toHaveLength(listed ? 1 : 0)
    }),
    { numRuns: 1_000 }
  )
})

test('each is of its bridge, as nft reads it', () => {
  expect(elementsFor({ allow: ['10.9.9.0/24:1-65535', '1.2.3.4:53/udp'] }, BRIDGE, [])).toEqual([
    `allow4 "${BRIDGE}" . 10.9.9.0/24 . tcp . 1-65535`,
    `allow4 "${BRIDGE}" . 1.2.3.4/32 . udp . 53`
  ])
})

test("the owner's name servers are for jobs with internet, and for their names alone", () => {
  expect(elementsFor('internet', 'rmji00000000', ['10.0.0.53'])).toEqual([
    'allow4 "rmji00000000" . 10.0.0.53/32 . udp . 53',
    'allow4 "rmji00000000" . 10.0.0.53/32 . tcp . 53'
  ])
  expect(elementsFor({ allow: ['1.2.3.4:80'] }, BRIDGE, ['10.0.0.53'])).toHaveLength(1)
  expect(elementsFor('open', 'rmju00000000', ['10.0.0.53'])).toEqual([])
})
