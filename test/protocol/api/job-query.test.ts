import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  jobFilterOf,
  jobFilterShape,
  logStartShape,
  rowsSchema
} from '../../../protocol/api/job-query.ts'
import { ROSTER } from '../../support/control-parts.ts'

const filterSchema = z.strictObject(jobFilterShape)

test.each([
  ['queued', ['queued']],
  ['queued,running', ['queued', 'running']],
  [
    ['failed', 'errored,skipped'],
    ['failed', 'errored', 'skipped']
  ]
])('?state may be given as %j', (state, states) => {
  expect(filterSchema.parse({ state }).state).toEqual(states)
})

test.each([
  { state: 'waiting' },
  { state: '' },
  { state: 'queued,' },
  { repository: '' },
  { holder: 'x'.repeat(1_025) },
  { since: 'yesterday' },
  { stat: 'queued' }
])('%j is refused', (query) => {
  expect(filterSchema.safeParse(query).success).toBe(false)
})

test('a filter asks for the peer behind a name, and for the moment behind a date', () => {
  const query = filterSchema.parse({ holder: 'onyx', since: '2026-01-01T01:00:00+01:00' })

  expect(jobFilterOf(query, ROSTER)).toEqual({
    states: undefined,
    repository: undefined,
    ref: undefined,
    runId: undefined,
    holder: 'peer-onyx',
    sinceMs: 1_767_225_600_000
  })
})

test('nothing asked for is nothing narrowed', () => {
  const filter = jobFilterOf(filterSchema.parse({}), undefined)

  expect(Object.values(filter).filter((value) => value !== undefined)).toEqual([])
})

test.each([
  [undefined, 50],
  ['200', 200]
])('%j rows are %i', (text, rows) => {
  expect(rowsSchema.parse(text)).toBe(rows)
})

test.each(['0', '201', 'x', '1.5'])('"%s" rows are refused', (text) => {
  expect(rowsSchema.safeParse(text).success).toBe(false)
})

test('a log is read from its first line and of its latest attempt', () => {
  const schema = z.strictObject(logStartShape)

  expect(schema.parse({})).toEqual({ from: 1 })
  expect(schema.parse({ from: '7', epoch: '2' })).toEqual({ from: 7, epoch: 2 })
  expect(schema.safeParse({ from: '0' }).success).toBe(false)
  expect(schema.safeParse({ epoch: '0' }).success).toBe(false)
})
