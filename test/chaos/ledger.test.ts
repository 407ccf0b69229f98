import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Order } from './cancel-judge.ts'
import { History } from './history.ts'
import { Ledger, type SeenJob, wrongEnd } from './ledger.ts'

const DONE: SeenJob = {
  ...{ id: 'R.0', state: 'succeeded', reason: 'completed', epoch: 1, exitCode: 0 },
  cancel: null
}
const RUNNING = { ...DONE, state: 'running', reason: null, exitCode: null }
const ORDER = { reason: 'first', graceMs: 2_000 }
const SENT: Order = { ...ORDER, door: 'onyx', sentMs: 1 }

let dir: string
let history: History
let ledger: Ledger
let told: string[]
beforeEach(async () => {
  told = []
  dir = await mkdtemp(join(tmpdir(), 'rm-ledger-'))
  history = new History(join(dir, 'history.jsonl'), (text) => told.push(text))
  ledger = new Ledger(history)
  ledger.accept('R', [{ kind: 'ok', seconds: 1 }])
})
afterEach(async () => {
  await history.close()
  await rm(dir, { recursive: true, force: true })
})

const violations = (): readonly string[] => history.violations.map(({ what }) => what)

test('an accepted job is open until somebody shows its end', () => {
  ledger.see('onyx', { ...DONE, state: 'running', reason: null })
  expect(ledger.open).toHaveLength(1)
  ledger.see('onyx', DONE)
  expect(ledger.open).toHaveLength(0)
})

test('two ends that differ are a violation, whoever shows them, and the same end twice is none', () => {
  ledger.see('onyx', DONE)
  ledger.see('basalt', DONE)
  expect(violations()).toEqual([])
  ledger.see('basalt', { ...DONE, epoch: 2 })
  expect(violations()).toEqual(['two ends'])
  expect(told).toEqual([expect.stringContaining('two ends {"job":"R.0"')])
})

test('two ends are found of a job, too, whose delivery nobody answered', () => {
  ledger.see('onyx', { ...DONE, id: 'S.0' })
  ledger.see('onyx', { ...DONE, id: 'S.0', state: 'failed', reason: 'exit_code', exitCode: 7 })
  expect(violations()).toEqual(['two ends'])
})

test('a job that has an order is the same attempt from then on, whoever shows it', () => {
  ledger.see('onyx', { ...RUNNING, epoch: 2, cancel: ORDER })
  ledger.see('basalt', RUNNING)
  ledger.see('basalt', { ...RUNNING, epoch: 2 })
  expect(violations()).toEqual([])
  ledger.see('basalt', { ...RUNNING, epoch: 3 })
  expect(violations()).toEqual(['claimed after its order'])
})

test('an order that is shown after a later claim was shown is found as well', () => {
  ledger.see('onyx', { ...RUNNING, epoch: 3 })
  ledger.see('basalt', { ...RUNNING, epoch: 2, cancel: ORDER })
  expect(violations()).toEqual(['claimed after its order'])
})

test.each([{ reason: 'second' }, { graceMs: null }])(
  'the first order counts: another one is a violation, %o',
  (other) => {
    ledger.see('onyx', { ...RUNNING, cancel: ORDER })
    ledger.see('basalt', { ...RUNNING, cancel: ORDER })
    expect(violations()).toEqual([])
    ledger.see('basalt', { ...RUNNING, cancel: { ...ORDER, ...other } })
    expect(violations()).toEqual(['two orders'])
  }
)

test('a job has run once somebody shows a step of it at work', () => {
  ledger.see('onyx', { ...RUNNING, state: 'leased' })
  expect(ledger.jobs).toMatchObject([{ hasRun: false }])
  ledger.see('onyx', RUNNING)
  expect(ledger.jobs).toMatchObject([{ hasRun: true }])
})

describe('a job must not end', () => {
  test('failed where its script succeeds: a lost host is never its fault', () => {
    const failed = { ...DONE, state: 'failed', reason: 'exit_code', exitCode: 137 }

    expect(wrongEnd({ kind: 'ok', seconds: 1, orders: [] }, failed)).toContain('must be succeeded')
    expect(wrongEnd({ kind: 'fails', seconds: 1, orders: [] }, failed)).toBeUndefined()
  })

  test('succeeded where its script fails, nor cancelled by nobody', () => {
    expect(wrongEnd({ kind: 'fails', seconds: 1, orders: [] }, DONE)).toContain('must be failed')
    const cancelled = { ...DONE, state: 'cancelled' }
    expect(wrongEnd({ kind: 'ok', seconds: 1, orders: [] }, cancelled)).toBeDefined()
    expect(wrongEnd({ kind: 'ok', seconds: 1, orders: [SENT] }, cancelled)).toBeUndefined()
  })

  test('errored for anything but what we have lost', () => {
    const errored = { ...DONE, state: 'errored', reason: 'agent_lost' }

    expect(wrongEnd({ kind: 'once', seconds: 1, orders: [] }, errored)).toBeUndefined()
    expect(
      wrongEnd({ kind: 'ok', seconds: 1, orders: [] }, { ...errored, reason: 'policy_refused' })
    ).toBe('errored for policy_refused')
  })
})
