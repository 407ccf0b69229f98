import { describe, expect, test } from 'vitest'
import { pretence, type SeenKernel, seenKernel } from '../../../agent/probe/runtime-identity.ts'
import { candidatesOf } from '../../../agent/probe/runtimes.ts'

const HOST = '6.12.1'
const OWN = '0 0 4294967295'
const GVISOR = { release: '4.4.0', users: OWN, log: '[    0.000000] Starting gVisor...' }
const MACHINE = { release: '6.1.62', users: OWN, log: '' }
const SYSBOX = { release: HOST, users: '0 165536 65536', log: '' }
const PLAIN = { release: HOST, users: OWN, log: '' }
const SILENT = { release: '', users: '', log: '' }

describe('a runtime that says it is', () => {
  test.each<['gvisor' | 'vm' | 'sysbox', SeenKernel]>([
    ['gvisor', GVISOR],
    ['vm', MACHINE],
    ['sysbox', SYSBOX]
  ])('%s, and is, pretends nothing', (kind, seen) => {
    expect(pretence(kind, seen, HOST)).toBeUndefined()
  })

  test.each<['gvisor' | 'vm' | 'sysbox', SeenKernel, RegExp]>([
    ['gvisor', PLAIN, /does not say that it is gVisor/],
    // A version alone can be anybody's.
    ['gvisor', { ...GVISOR, log: '' }, /does not say that it is gVisor/],
    ['gvisor', MACHINE, /does not say that it is gVisor/],
    ['vm', PLAIN, /host's own kernel, 6\.12\.1/],
    ['vm', SYSBOX, /host's own kernel/],
    ['vm', GVISOR, /says that it is gVisor/],
    ['vm', SILENT, /host's own kernel/],
    ['sysbox', PLAIN, /the host's root/],
    ['sysbox', GVISOR, /the host's root/],
    ['sysbox', SILENT, /the host's root/]
  ])('%s, and shows another kernel, pretends', (kind, seen, words) => {
    expect(pretence(kind, seen, HOST)).toMatch(words)
  })
})

test('what a program says of its kernel is read whatever is missing', () => {
  expect(seenKernel(`4.4.0\n${OWN}\n${GVISOR.log}\n`)).toMatchObject({
    release: '4.4.0',
    users: OWN,
    log: expect.stringContaining('Starting gVisor')
  })
  expect(seenKernel('')).toEqual(SILENT)
})

test('of what an engine names, what is of a class is tried, and nothing plain', () => {
  const kata = { name: 'kata-fc', program: '' }
  const plain = { name: 'runc', program: 'runc' }

  expect(candidatesOf([plain])).toEqual([])
  expect(candidatesOf([plain, kata])).toEqual([{ ...kata, class: 'vm' }])
})
