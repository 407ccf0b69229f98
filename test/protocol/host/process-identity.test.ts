import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import {
  identityOf,
  isAlive,
  ownIdentity,
  parseIdentity
} from '../../../protocol/host/process-identity.ts'
import { eventually } from '../../support/eventually.ts'

test('a process is the same as itself, and no other one with its number', () => {
  const own = ownIdentity()

  expect(isAlive(own)).toBe(true)
  expect(isAlive({ ...own, startTicks: own.startTicks + 1 })).toBe(false)
  expect(isAlive({ ...own, bootId: 'of another boot' })).toBe(false)
})

test('a process whose name looks like the rest of its row is read all the same', async () => {
  const child = spawn('/bin/sh', ['-c', "printf ') S 1 (x' >/proc/self/comm; echo; read x"])
  try {
    await once(child.stdout, 'data')
    const seen = identityOf(child.pid ?? 0)

    expect(seen?.startTicks).toBeGreaterThan(0)
    expect(seen && isAlive(seen)).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a dead process that nobody has waited for is gone', async () => {
  // The shell becomes a sleep that never waits for its child.
  const script = 'sh -c "exit 0" & echo $!; exec sleep 60'
  const parent = spawn('/bin/sh', ['-c', script])
  try {
    const [text] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(text.toString())

    await eventually('it is gone', () => identityOf(pid) === undefined)
  } finally {
    parent.kill('SIGKILL')
  }
})

test('what was written down is read again, and nothing else is', () => {
  const own = ownIdentity()

  expect(parseIdentity(JSON.parse(JSON.stringify(own)))).toEqual(own)
  for (const other of [null, {}, 7, { ...own, pid: 0 }, { ...own, pid: '1' }, { pid: 1 }]) {
    expect(parseIdentity(other)).toBeUndefined()
  }
})
