import { describe, expect, test } from 'vitest'
import { accept, acceptorOf } from '../../../protocol/core/acceptor.ts'
import { reduce } from '../../../protocol/core/register-reducer.ts'
import type { RunOpBody, RunState } from '../../../protocol/core/run.ts'
import { isSealed } from '../../../protocol/core/run-reducer.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import { acceptOf, ballot, context, scopeOf } from '../../support/acceptor-calls.ts'
import { DIGEST, JOB } from '../../support/arbitrary-register.ts'
import { plainSigner } from '../../support/plain-signer.ts'

const RUN = 'RUN'
const opOf = (body: RunOpBody, opId = body.kind) =>
  plainSigner('gateway', DIGEST).runOp(RUN, opId, body)
const seal = (witnessEpoch: number) => opOf({ kind: 'seal', witnessEpoch })
const create = opOf({ kind: 'create', annHash: 'ann' })

function made(prev: RunState | undefined, op: ReturnType<typeof opOf>): RunState {
  const reduction = reduce(prev, RUN, op, DIGEST)
  if (reduction.kind !== 'next' || reduction.value.kind !== 'run') throw new Error(reduction.kind)
  return reduction.value
}

const sealed = made(undefined, seal(2))

describe('a seal', () => {
  test('of an empty register leaves a sign to the later epoch', () => {
    expect(sealed).toMatchObject({ phase: 'superseded', supersededBy: 2, annHash: '', version: 1 })
    expect(isSealed(sealed)).toBe(true)
    expect(valueProblem(RUN, sealed)).toBeUndefined()
  })

  test('of a register that has a run changes nothing: that is the run', () => {
    const run = made(undefined, create)

    expect(reduce(run, RUN, seal(2), DIGEST)).toEqual({ kind: 'same' })
    expect(isSealed(run)).toBe(false)
  })

  test('keeps every later run out', () => {
    expect(reduce(sealed, RUN, create, DIGEST)).toEqual({ kind: 'same' })
    expect(reduce(sealed, RUN, seal(3), DIGEST)).toEqual({ kind: 'same' })
  })

  test('to no epoch, or of a job, is refused', () => {
    const refused = { kind: 'reject', reason: 'invalid' }

    for (const epoch of [0, -1, 1.5]) {
      expect(reduce(undefined, RUN, seal(epoch), DIGEST)).toEqual(refused)
    }
    expect(reduce(undefined, JOB, seal(2), DIGEST)).toEqual(refused)
  })
})

describe('at a witness a seal', () => {
  const reply = (witnessEpoch: number, value: RunState) => {
    const scope = { ...scopeOf(RUN), witnessEpoch }
    const request = { ...acceptOf(ballot(1), value), scope }
    return accept(acceptorOf(undefined, 0), request, context({ createValid: false })).reply
  }

  test('needs no announcement, since no run comes of it', () => {
    expect(reply(1, sealed)).toMatchObject({ kind: 'accepted' })
    expect(reply(1, made(undefined, create))).toMatchObject({ code: 'announcement_missing' })
  })

  test('leads to a later epoch only', () => {
    expect(reply(2, sealed)).toMatchObject({ code: 'invalid' })
    expect(reply(3, sealed)).toMatchObject({ code: 'invalid' })
  })
})

test.each<[string, RunState]>([
  ['to another epoch than its op says', { ...sealed, supersededBy: 3 }],
  ['that holds a run', { ...sealed, annHash: 'ann' }],
  ['that calls itself a run', { ...sealed, phase: 'run' }],
  ['a run that says it is superseded', { ...made(undefined, create), supersededBy: 2 }]
])('a sealed value %s is none that a reducer makes', (_name, value) => {
  expect(valueProblem(RUN, value)).toBeDefined()
})
