import { describe, expect, test } from 'vitest'
import { reduce, registerKind } from '../../../protocol/core/register-reducer.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'
import { cancel, create, jobAfter } from '../../support/job-ops.ts'
import { plainSigner } from '../../support/plain-signer.ts'

const createRun = plainSigner('gateway', DIGEST).runOp('RUN', 'op', {
  kind: 'create',
  annHash: 'ann'
})

describe('the name of a register', () => {
  test.each([
    ['RUN', 'run'],
    ['RUN.0', 'job'],
    ['RUN.255', 'job'],
    ['RUN.256', undefined],
    ['RUN.01', undefined],
    ['RUN.', undefined],
    ['RUN.-1', undefined],
    ['RUN.1.2', undefined],
    ['RUN.1e1', undefined],
    ['RUN.x', undefined],
    ['.1', undefined],
    ['', undefined]
  ])('%s is that of a %s', (register, kind) => {
    expect(registerKind(register)).toBe(kind)
  })
})

describe('an op on any register', () => {
  test('goes to the rules that the name calls for', () => {
    const run = reduce(undefined, 'RUN', createRun, DIGEST)
    const job = reduce(undefined, 'RUN.0', create(), DIGEST)

    expect(run).toMatchObject({ kind: 'next', value: { kind: 'run' } })
    expect(job).toMatchObject({ kind: 'next', value: { kind: 'job' } })
  })

  test('of the wrong kind is refused', () => {
    const invalid = { kind: 'reject', reason: 'invalid' }

    expect(reduce(undefined, 'RUN', create(), DIGEST)).toEqual(invalid)
    expect(reduce(undefined, 'RUN', cancel(), DIGEST)).toEqual(invalid)
    expect(reduce(undefined, 'RUN.0', createRun, DIGEST)).toEqual(invalid)
    expect(reduce(undefined, 'RUN.00', create(), DIGEST)).toEqual(invalid)
    expect(reduce(jobAfter(create()), 'RUN', createRun, DIGEST)).toEqual(invalid)
  })

  test('that is none leaves the value as it is', () => {
    expect(reduce(jobAfter(create()), 'RUN.0', undefined, DIGEST)).toEqual({ kind: 'same' })
    expect(reduce(undefined, 'RUN.0', undefined, DIGEST)).toEqual({
      kind: 'reject',
      reason: 'absent'
    })
  })
})
