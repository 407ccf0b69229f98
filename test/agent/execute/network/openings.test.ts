import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Opening, openingsFor } from '../../../../agent/execute/network/openings.ts'
import { formatAddress, parseAddress, rangeOf } from '../../../../protocol/core/address-range.ts'
import { formatAllowEntry } from '../../../../protocol/core/allow-entry.ts'
import { allowEntries } from '../../../support/arbitrary-network.ts'

const BRIDGE = 'rmja00000000'

function holds(
  { first, last, ports, protocol: of }: Parsed,
  address: number,
  protocol: string,
  port: number
): boolean {
  const isIn = first <= address && address <= last && ports.first <= port && port <= ports.last
  return isIn && of === protocol
}

interface Parsed extends Pick<Opening, 'protocol' | 'ports'> {
  readonly first: number
  readonly last: number
}

function parse({ address, prefix, protocol, ports }: Opening): Parsed {
  return { ...rangeOf(`${address}/${prefix}`), protocol, ports }
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

test('the openings of a list are what it lists and nothing else, each thing once', () => {
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
      const openings = openingsFor({ allow }, BRIDGE, []).map(parse)
      const hits = openings.filter((each) => holds(each, address, protocol, port))
      const listed = entries.some(({ range, firstPort, lastPort, protocol: of }) =>
        holds(
          { ...range, protocol: of, ports: { first: firstPort, last: lastPort } },
          address,
          protocol,
          port
        )
      )

      expect(hits, formatAddress(address)).toHaveLength(listed ? 1 : 0)
    }),
    { numRuns: 1_000 }
  )
})

test('each is of its bridge', () => {
  expect(openingsFor({ allow: ['10.9.9.0/24:1-65535', '1.2.3.4:53/udp'] }, BRIDGE, [])).toEqual([
    {
      ...{ bridge: BRIDGE, address: '10.9.9.0', prefix: 24, protocol: 'tcp' },
      ports: { first: 1, last: 65_535 }
    },
    {
      ...{ bridge: BRIDGE, address: '1.2.3.4', prefix: 32, protocol: 'udp' },
      ports: { first: 53, last: 53 }
    }
  ])
})

test("the owner's name servers are for jobs with internet, and for their names alone", () => {
  const bridge = 'rmji00000000'
  const server = { bridge, address: '10.0.0.53', prefix: 32, ports: { first: 53, last: 53 } }
  expect(openingsFor('internet', bridge, ['10.0.0.53'])).toEqual([
    { ...server, protocol: 'udp' },
    { ...server, protocol: 'tcp' }
  ])
  expect(openingsFor({ allow: ['1.2.3.4:80'] }, BRIDGE, ['10.0.0.53'])).toHaveLength(1)
  expect(openingsFor('open', 'rmju00000000', ['10.0.0.53'])).toEqual([])
})
