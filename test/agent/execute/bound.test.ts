import { expect, test } from 'vitest'
import type { AttemptInput } from '../../../agent/execute/attempt.ts'
import { boundTo } from '../../../agent/execute/bound.ts'
import { MeshError } from '../../../protocol/core/errors.ts'

const LOST = new MeshError('NETWORK_UNENFORCED', { cause: 'the table is gone' })

function bound(kill?: AbortSignal) {
  const abort = new AbortController()
  const input = { signal: abort.signal, kill } as unknown as AttemptInput
  return { abort, attempt: boundTo(input) }
}

test('an attempt whose network is lost ends by that reason', () => {
  const { attempt } = bound()
  expect(attempt.signal.aborted).toBe(false)
  attempt.onLost(LOST)
  expect(attempt.signal.reason).toBe(LOST)
})

test('one that was cancelled before has no grace left once its network is lost', () => {
  const { abort, attempt } = bound(new AbortController().signal)
  abort.abort('cancelled')
  expect(attempt.kill?.aborted).toBe(false)

  attempt.onLost(LOST)

  expect(attempt.signal.reason).toBe('cancelled')
  expect(attempt.kill?.aborted).toBe(true)
})

test('its holder ends a grace as before', () => {
  const kill = new AbortController()
  const { attempt } = bound(kill.signal)
  kill.abort()
  expect(attempt.kill?.aborted).toBe(true)
  expect(attempt.signal.aborted).toBe(false)
})
