import { expect, test } from 'vitest'
import { besideOpening, openingKey } from '../../../../agent/execute/network/openings.ts'
import { parseTable } from '../../../../agent/execute/network/table-view.ts'

const OF = { family: 'inet', table: 'runner_mesh' }

/** As nft 1.0.6 writes a table, in short. */
interface Listed {
  packets?: number
  handle?: number
  elem?: unknown
  verdict?: string
  set?: string
  same?: unknown
}

function listing(parts: Listed) {
  const { packets = 0, handle = 3, elem, verdict = 'drop', set: name = 'allow4', same } = parts
  const match = { match: { op: '==', left: { ct: { key: 'state' } }, right: 'invalid' } }
  const counter = { counter: { packets, bytes: packets * 60 } }
  return JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: { family: 'inet', name: 'runner_mesh', handle } },
      { set: { ...OF, name, handle, flags: ['interval'], elem } },
      { set: { ...OF, name: 'same', handle, elem: same } },
      { chain: { ...OF, name: 'input', handle, hook: 'input', prio: -10, policy: 'accept' } },
      { rule: { ...OF, chain: 'input', handle, expr: [match, counter, { [verdict]: null }] } }
    ]
  })
}

const ELEMENTS = [
  { concat: ['rmja0a1b2c3d', '1.2.3.4', 'tcp', 80] },
  { concat: ['rmja0a1b2c3d', { prefix: { addr: '10.0.0.0', len: 8 } }, 'udp', { range: [1, 9] }] }
]

test('counters, handles and what jobs may reach make no other rules', () => {
  const { fingerprint, rules } = parseTable(listing({}))
  expect(rules).toBe(1)
  expect(parseTable(listing({ packets: 7, handle: 12 })).fingerprint).toBe(fingerprint)
  expect(parseTable(listing({ elem: ELEMENTS })).fingerprint).toBe(fingerprint)
  expect(parseTable(listing({ verdict: 'accept' })).fingerprint).not.toBe(fingerprint)
})

test('elements are read as they are written', () => {
  expect(parseTable(listing({ elem: ELEMENTS })).openings.map(openingKey)).toEqual([
    'rmja0a1b2c3d 1.2.3.4/32 tcp 80-80',
    'rmja0a1b2c3d 10.0.0.0/8 udp 1-9'
  ])
  const elem = [{ concat: ['rmja0a1b2c3d', '10.213.0.1', 'tcp', 4480] }]
  expect(parseTable(listing({ elem, set: 'hostok' })).openings.map(openingKey)).toEqual([
    'rmja0a1b2c3d 10.213.0.1/32 tcp 4480-4480 of the host'
  ])
  expect(parseTable(listing({ elem, set: 'special4' })).openings).toEqual([])
})

test('what an owner denies a bridge is read apart from what it may reach', () => {
  const elem = [
    { concat: ['rmji0a1b2c3d', '5.6.7.8'] },
    { concat: ['rmji0a1b2c3d', { prefix: { addr: '5.6.8.0', len: 24 } }] }
  ]
  expect(parseTable(listing({ elem, set: 'barred4' })).openings.map(openingKey)).toEqual([
    'rmji0a1b2c3d not 5.6.7.8/32',
    'rmji0a1b2c3d not 5.6.8.0/24'
  ])
  const { fingerprint } = parseTable(listing({ set: 'barred4' }))
  expect(parseTable(listing({ elem, set: 'barred4' })).fingerprint).toBe(fingerprint)
})

test('a set of plain addresses opens nothing, whatever its name', () => {
  const elem = [
    '5.6.7.8',
    { prefix: { addr: '5.6.8.0', len: 24 } },
    { range: ['1.1.1.1', '1.1.1.3'] }
  ]
  for (const set of ['denied4', 'barred4', 'allow4']) {
    expect(parseTable(listing({ elem, set })).openings, set).toEqual([])
  }
})

test('a protocol is known by its number, too, where a host has no names of them', () => {
  const elem = [{ concat: ['rmja0a1b2c3d', '1.2.3.4', 17, 53] }]
  expect(parseTable(listing({ elem })).openings.map(openingKey)).toEqual([
    'rmja0a1b2c3d 1.2.3.4/32 udp 53-53'
  ])
})

test('an element of no bridge of a job is not passed on to a command', () => {
  const elem = [{ concat: ['eth0" }; flush ruleset; #', '1.2.3.4', 'tcp', 80] }]
  expect(parseTable(listing({ elem })).openings).toEqual([])
})

test('text that is no listing throws', () => {
  expect(() => parseTable('no')).toThrow()
})

test('bridges with services are read as they are written, and make no other rules', () => {
  const same = [{ concat: ['rmji0a1b2c3d', 'rmji0a1b2c3d'] }, { concat: ['rmji0a1b2c3d', 'eth0'] }]
  const view = parseTable(listing({ same }))
  expect(view.openings).toEqual([besideOpening('rmji0a1b2c3d')])
  expect(view.fingerprint).toBe(parseTable(listing({})).fingerprint)
})
