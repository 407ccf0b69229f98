import { expect, test } from 'vitest'
import { parseEvent } from '../../../agent/execute/engine-events.ts'

const event = (Action: string, Attributes: Readonly<Record<string, string>> = {}) => ({
  Action,
  Actor: { Attributes },
  // Engines write it to the nanosecond; no number of ours holds that many digits.
  timeNano: Number('1795630831896509658')
})

test('an event is read with what an attempt needs of it', () => {
  const blank = { execId: '', exitCode: undefined, signal: undefined, time: '1795630831.896510' }

  expect(parseEvent(event('oom'))).toEqual({ ...blank, action: 'oom' })
  expect(parseEvent(event('kill', { signal: '15' }))).toEqual({
    ...blank,
    action: 'kill',
    signal: 15
  })
  expect(parseEvent(event('exec_die', { execID: 'e', exitCode: '3' }))).toEqual({
    ...blank,
    action: 'exec_die',
    execId: 'e',
    exitCode: 3
  })
})

test('a process that was made is named, whatever its command is', () => {
  const made = event('exec_create: sh -c "a: b\nc"', { execID: 'e' })

  expect(parseEvent(made)).toMatchObject({ action: 'exec_create', execId: 'e' })
})

test('a mark is told by its command, where a label hides which process an event is of', () => {
  const mark = 'ab'.repeat(16)
  const read = parseEvent(event(`exec_create: / ${mark}`, { execID: '' }))

  expect(read).toMatchObject({ action: 'exec_create', execId: '', mark })
  for (const command of [`sh -c / ${mark}`, `/ ${mark} x`, `/ ${mark}0`, '/']) {
    expect(parseEvent(event(`exec_create: ${command}`)), command).not.toHaveProperty('mark')
  }
})

test('a signal that is no number is one that is not known', () => {
  expect(parseEvent(event('kill', { signal: 'SIGTERM' }))?.signal).toBeUndefined()
})

test('what a label of the container hides is not known, and never 0', () => {
  const hidden = event('die', { execID: '', exitCode: '', signal: '', 'runner-mesh.service': '' })
  const read = parseEvent(hidden)

  expect(read?.execId).toBe('')
  expect(read?.exitCode).toBeUndefined()
  expect(read?.signal).toBeUndefined()
  expect(read?.service).toBeUndefined()
})

test('what is of no use to an attempt is left out', () => {
  for (const action of ['start', 'exec_start: sh -c x', 'attach', 'health_status: healthy']) {
    expect(parseEvent(event(action)), action).toBeUndefined()
  }
})
