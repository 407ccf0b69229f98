import { expect, test } from 'vitest'
import { attemptLine, follow, type OpenStream } from '../../../agent/cli/follow.ts'
import { type LogEvent, logEventText } from '../../../protocol/api/log-event.ts'
import { MeshError } from '../../../protocol/core/errors.ts'
import { LOG_RESUME_MS_MAX } from '../../../protocol/core/follow-limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const at = '2026-01-01T00:00:00.000Z'
const before = { epoch: 1, holder: 'agent-1', end: 'expired', line: 7 } as const
const attempt = { epoch: 2, attempt: 2, attemptsMax: 3, holder: 'basalt', before }

function line(epoch: number, number: number): LogEvent {
  return { kind: 'line', epoch, data: { number, at, step: 1, stream: 'out', text: `${number}` } }
}

/** Streams that give some events and then break, one after the other; with what was asked. */
function broken(...streams: readonly (readonly LogEvent[] | Error)[]) {
  const asked: (string | undefined)[] = []
  const open: OpenStream = async function* (headers) {
    asked.push(headers['last-event-id'])
    const stream = streams[asked.length - 1] ?? new Error('gone')
    if (stream instanceof Error) throw stream
    await Promise.resolve()
    for (const event of stream) yield logEventText(event)
  }
  return { open, asked }
}

async function all(clock: FakeClock, open: OpenStream, stop = new AbortController()) {
  const seen: LogEvent[] = []
  const done = (async () => {
    try {
      for await (const event of follow({ open, clock, signal: stop.signal }, undefined)) {
        seen.push(event)
      }
      return 'over'
    } catch (error) {
      return error
    }
  })()
  return { seen, done }
}

test('a stream that breaks off is opened again behind the last line, in whatever attempt', async () => {
  const clock = new FakeClock()
  const { open, asked } = broken(
    [line(1, 1), line(1, 2)],
    new MeshError('CONTROL_SOCKET_ABSENT', { socket: 's', fix: 'f' }),
    [{ kind: 'attempt', data: attempt }],
    [line(2, 1)]
  )
  const stop = new AbortController()
  const { seen, done } = await all(clock, open, stop)
  await clock.advance(2_000)
  stop.abort()
  await clock.advance(0)

  expect(await done).toBe('over')
  expect(seen.map(({ kind }) => kind)).toEqual(['line', 'line', 'attempt', 'line'])
  expect(asked.slice(0, 5)).toEqual([undefined, '1.2', '1.2', '2.0', '2.1'])
  expect(clock.armed()).toBe(0)
})

test('what is refused before anything came is an answer, not a break', async () => {
  const clock = new FakeClock()
  const { open, asked } = broken(new MeshError('OVERLOADED', { what: 'x', max: 1 }))
  const { done } = await all(clock, open)
  await clock.advance(LOG_RESUME_MS_MAX)

  expect(await done).toMatchObject({ code: 'OVERLOADED' })
  expect(asked).toHaveLength(1)
})

test('a stream that stays away is given up, with what it was lost by', async () => {
  const clock = new FakeClock()
  const gone = new MeshError('CONTROL_SOCKET_ABSENT', { socket: 's', fix: 'f' })
  const { open } = broken([line(1, 1)], ...Array.from({ length: 100 }, () => gone))
  const { done } = await all(clock, open)
  await clock.advance(2 * LOG_RESUME_MS_MAX)

  expect(await done).toBe(gone)
  expect(clock.armed()).toBe(0)
})

test('an event that is broken is no end: whoever sent it is asked again, and given up', async () => {
  const clock = new FakeClock()
  const open: OpenStream = async function* () {
    await Promise.resolve()
    yield 'event: end\ndata: {"whole":true}\n\n'
  }
  const { seen, done } = await all(clock, open)
  await clock.advance(LOG_RESUME_MS_MAX + 1_000)

  expect(await done).not.toBe('over')
  expect(seen).toEqual([])
})

test.each([
  [attempt, 'attempt 2 of 3 on basalt: agent-1 was lost at line 7'],
  [
    { ...attempt, before: { ...before, end: 'released', line: null } } as const,
    'attempt 2 of 3 on basalt: agent-1 gave it back'
  ],
  [{ ...attempt, attempt: 1, holder: null, before: null }, 'attempt 1 of 3']
])('an attempt is said in one line: %#', (data, text) => {
  expect(attemptLine(data)).toBe(text)
})
