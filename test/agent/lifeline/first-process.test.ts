import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { hostProcesses } from '../../../agent/lifeline/first-process.ts'
import { identityOf, isAlive } from '../../../protocol/host/process-identity.ts'

const CONTAINER = 'd2f365d3d4a1d792c9648d77b51a96ad892694fdac8aef71429d1d15b5628f65'

test('a process that is not in the control group of the container is not its own', () => {
  expect(hostProcesses.recognise(CONTAINER, process.pid)).toBeUndefined()
  expect(hostProcesses.recognise('', process.pid)).toBeUndefined()
  expect(hostProcesses.recognise(CONTAINER, 1)).toBeUndefined()
  expect(hostProcesses.recognise(CONTAINER, 0)).toBeUndefined()
})

test('a process that has the number of a first process is not killed for it', () => {
  const child = spawn('/bin/sh', ['-c', 'read x'])
  try {
    const identity = identityOf(child.pid ?? 0)
    if (identity === undefined) throw new Error('it runs')

    expect(hostProcesses.kill({ container: CONTAINER, identity })).toBe('not_provably_its_own')
    const before = { ...identity, startTicks: identity.startTicks - 1 }
    expect(hostProcesses.kill({ container: CONTAINER, identity: before })).toBe('gone')
    expect(isAlive(identity)).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
})
