import { beforeEach, describe, expect, test } from 'vitest'
import type { LogEvent, LogPlace } from '../../../protocol/api/log-event.ts'
import { LogFollow } from '../../../protocol/api/log-follow.ts'
import {
  LOG_BEAT_MS,
  LOG_HOLDER_REST_MS,
  LOG_LIVELY_MS,
  LOG_LOOK_MS_MAX,
  LOG_LOOK_MS_MIN,
  LOG_TAIL_MS_MAX
} from '../../../protocol/core/follow-limits.ts'
import type { JobOpBody } from '../../../protocol/core/job.ts'
import { runWith } from '../../support/claim-bench.ts'
import { controlParts, ROSTER, RUN } from '../../support/control-parts.ts'
import type { FakeClock } from '../../support/fake-clock.ts'
import { numberedLines, ScriptedLogs } from '../../support/follow-source.ts'
import { claimed, completed, jobLife } from '../../support/run-life.ts'

type Deed = readonly [actor: string, body: JobOpBody]

const LATEST: LogPlace = { epoch: 0, line: 0 }
const ONYX: Deed = ['peer-onyx', claimed('c1')]
const BASALT: Deed = ['peer-basalt', claimed('c2')]

let clock: FakeClock
let logs: ScriptedLogs
let stop: AbortController
let said: string[]
let life: Deed[]

beforeEach(() => {
  const parts = controlParts()
  clock = parts.clock
  logs = new ScriptedLogs({ board: parts.board, clock, roster: () => ROSTER })
  stop = new AbortController()
  said = []
  life = []
})

/** What members do with the job from here on, and the board learns. */
function happens(...deeds: readonly Deed[]): void {
  life.push(...deeds)
  logs.board.foldJob(jobLife(runWith(RUN, 2), 0, ...life), clock.wallMs())
  logs.tell()
}

function words(event: LogEvent): string {
  switch (event.kind) {
    case 'line':
      return `${event.epoch}.${event.data.number}`
    case 'queued':
      return 'queued'
    case 'attempt': {
      const { attempt, attemptsMax, holder, before } = event.data
      const after = before === null ? '' : ` after ${before.holder} ${before.end} ${before.line}`
      return `attempt ${attempt}/${attemptsMax} ${holder}${after}`
    }
    case 'end':
      return `end ${event.data.job.state} ${event.data.whole ? 'whole' : 'cut'}`
    default:
      return event satisfies never
  }
}

/** Follows the job; resolves once that is over. */
async function follow(start: LogPlace = LATEST): Promise<void> {
  const job = logs.board.job(`${RUN}.0`)
  if (job === undefined) throw new Error('the board has the job')
  for await (const events of new LogFollow(logs, job, start, stop.signal).events()) {
    said.push(...(events.length === 0 ? ['beat'] : events.map(words)))
  }
}

const completedBy = (actor: string, epoch: number, claimId: string, logLines: number): Deed => [
  actor,
  completed({ epoch, logLines }, claimId)
]

test('a queued job is waited for, then its lines come as they are kept, once, to the end', async () => {
  const done = follow()
  await clock.advance(0)
  expect(said).toEqual(['queued'])
  happens(ONYX)
  await clock.advance(0)
  logs.write(1, 2)
  await clock.advance(0)
  logs.write(1, 1)
  await clock.advance(0)
  expect(said).toEqual(['queued', 'attempt 1/3 onyx', '1.1', '1.2', '1.3'])

  happens(completedBy('peer-onyx', 1, 'c1', 4))
  logs.write(1, 1, 'end')
  await clock.advance(0)
  await done

  expect(said.slice(5)).toEqual(['1.4', 'end succeeded whole'])
  expect([clock.armed(), logs.watchers]).toEqual([0, 0])
})

test('a reader goes on behind the line it saw last, without another word of the attempt', async () => {
  happens(ONYX)
  logs.write(1, 5)
  const done = follow({ epoch: 1, line: 3 })
  await clock.advance(0)
  stop.abort()
  await done

  expect(said).toEqual(['1.4', '1.5'])
})

test('a reader of an attempt that is over gets the rest of it, then the next from line 1', async () => {
  happens(ONYX)
  logs.write(1, 3)
  happens(BASALT)
  logs.write(2, 2)
  const done = follow({ epoch: 1, line: 2 })
  await clock.advance(0)
  stop.abort()
  await done

  expect(said).toEqual(['1.3', 'attempt 2/3 basalt after onyx expired 3', '2.1', '2.2'])
})

test('a job that is taken over goes on under its new epoch; a late line of the old one is dropped', async () => {
  happens(ONYX)
  logs.write(1, 7)
  const done = follow()
  await clock.advance(0)
  happens(BASALT)
  await clock.advance(0)
  logs.write(1, 1)
  logs.write(2, 1)
  await clock.advance(0)
  happens(completedBy('peer-basalt', 2, 'c2', 1))
  await clock.advance(0)
  await done

  expect(said.filter((word) => word.startsWith('1.'))).toHaveLength(7)
  expect(said.slice(8)).toEqual([
    'attempt 2/3 basalt after onyx expired 7',
    '2.1',
    'end succeeded whole'
  ])
})

test('pages are asked for one after the other, and only when the last one was taken', async () => {
  happens(ONYX)
  logs.write(1, 10)
  logs.pageMax = 4
  const job = logs.board.job(`${RUN}.0`)
  if (job === undefined) throw new Error('the board has the job')
  const events = new LogFollow(logs, job, LATEST, stop.signal).events()

  await events.next()
  await events.next()
  await clock.advance(LOG_LOOK_MS_MAX)

  expect(logs.asked.map(({ fromLine }) => fromLine)).toEqual([1])
  stop.abort()
  await events.return()
  expect(logs.watchers).toBe(0)
})

test('a silent job shows that it is still there', async () => {
  happens(ONYX)
  const done = follow()
  await clock.advance(2 * LOG_BEAT_MS + 2 * LOG_LOOK_MS_MAX)
  stop.abort()
  await done

  expect(said).toEqual(['attempt 1/3 onyx', 'beat', 'beat'])
})

describe('a log that another member keeps', () => {
  beforeEach(() => {
    logs.kept = false
    happens(ONYX)
  })

  test('is looked at often while lines come, and rarely when it is quiet', async () => {
    const done = follow()
    await clock.advance(LOG_LIVELY_MS)
    const lively = logs.asked.length
    await clock.advance(10_000)
    const quiet = logs.asked.length - lively
    logs.write(1, 1)
    await clock.advance(LOG_LOOK_MS_MAX)
    const before = logs.asked.length
    await clock.advance(1_000)
    stop.abort()
    await done

    expect(lively).toBeLessThanOrEqual(LOG_LIVELY_MS / LOG_LOOK_MS_MIN + 1)
    expect(lively).toBeGreaterThan(15)
    expect(quiet).toBeLessThanOrEqual(13)
    expect(said).toContain('1.1')
    expect(logs.asked.length - before).toBeGreaterThan(5)
  })

  test('is asked of the holder, and for a while of others once that one hangs', async () => {
    const answers: (() => void)[] = []
    logs.fault = ({ holder }) => {
      if (holder === undefined) return undefined
      return new Promise((resolve) => answers.push(() => resolve({ kind: 'absent' })))
    }
    logs.write(1, 2)
    const done = follow()
    await clock.advance(2_000)
    expect(logs.asked.map(({ holder, gateway }) => [holder, gateway])).toEqual([
      ['peer-onyx', 'gateway']
    ])
    answers[0]?.()
    await clock.advance(LOG_LOOK_MS_MIN)
    expect(said).toEqual(['attempt 1/3 onyx', '1.1', '1.2'])
    await clock.advance(LOG_HOLDER_REST_MS + LOG_LOOK_MS_MAX)
    stop.abort()
    answers[1]?.()
    await done

    expect(logs.asked.filter(({ holder }) => holder !== undefined)).toHaveLength(2)
  })

  test('comes once its holder answers again: a failure is no end', async () => {
    let isAway = true
    logs.fault = () => (isAway ? Promise.reject(new Error('away')) : undefined)
    const done = follow()
    await clock.advance(5_000)
    isAway = false
    logs.write(1, 1)
    await clock.advance(LOG_LOOK_MS_MAX)
    stop.abort()
    await done

    expect(said).toEqual(['attempt 1/3 onyx', '1.1'])
  })

  test.each([
    ['of another attempt', { epoch: 2 }],
    ['that leaves lines out', { lines: numberedLines(2, 3), next: 4 }],
    ['that names a wrong next line', { next: 1 }]
  ])('a page %s is not shown', async (_name, change) => {
    const lines = numberedLines(1, 2)
    const page = { kind: 'page', epoch: 1, lines, next: 3, end: false, ...change } as const
    logs.fault = () => Promise.resolve(page)
    const done = follow()
    await clock.advance(1_000)
    stop.abort()
    await done

    expect(said).toEqual(['attempt 1/3 onyx'])
  })
})

describe('the end', () => {
  test('waits for the last lines of a completed job, but not for ever', async () => {
    happens(ONYX, completedBy('peer-onyx', 1, 'c1', 3))
    logs.write(1, 2)
    const done = follow()
    await clock.advance(LOG_TAIL_MS_MAX / 2)
    expect(said).toEqual(['attempt 1/3 onyx', '1.1', '1.2'])
    await clock.advance(LOG_TAIL_MS_MAX)
    await done

    expect(said.at(-1)).toBe('end succeeded cut')
  })

  test('of a job whose agents were all lost comes at once: nobody ends that log', async () => {
    const giveUp: JobOpBody = { kind: 'error', reason: 'quarantined', message: 'lost' }
    happens(ONYX, BASALT, ['peer-onyx', giveUp])
    logs.write(2, 1)
    const done = follow()
    await clock.advance(LOG_LOOK_MS_MAX)
    await done

    expect(said).toEqual(['attempt 2/3 basalt after onyx expired null', '2.1', 'end errored cut'])
  })

  test('of a job that was cancelled while it was queued needs no log', async () => {
    happens(['peer-onyx', { kind: 'cancel', reason: 'x' }])
    await follow()

    expect(said).toEqual(['end cancelled whole'])
  })
})
