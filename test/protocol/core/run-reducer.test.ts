import { describe, expect, test } from 'vitest'
import { reduceRun } from '../../../protocol/core/run-reducer.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'
import { plainSigner } from '../../support/plain-signer.ts'

const create = (gateway: string, annHash: string) =>
  plainSigner(gateway, DIGEST).runOp('RUN', `op-${gateway}`, { kind: 'create', annHash })

describe('the register of a run', () => {
  test('is created with its announcement', () => {
    const op = create('gateway1', 'ann1')

    expect(reduceRun(undefined, 'RUN', op)).toEqual({
      kind: 'next',
      value: {
        kind: 'run',
        register: 'RUN',
        version: 1,
        prevHash: '',
        phase: 'run',
        annHash: 'ann1',
        op
      }
    })
  })

  test('keeps the first announcement when a second gateway comes with its own', () => {
    const first = reduceRun(undefined, 'RUN', create('gateway1', 'ann1'))
    if (first.kind !== 'next') throw new Error('not created')

    expect(reduceRun(first.value, 'RUN', create('gateway2', 'ann2'))).toEqual({ kind: 'same' })
    expect(reduceRun(first.value, 'RUN', create('gateway1', 'ann1'))).toEqual({ kind: 'same' })
  })

  test('is refused under the name of another register', () => {
    const first = reduceRun(undefined, 'RUN', create('gateway1', 'ann1'))
    if (first.kind !== 'next') throw new Error('not created')

    const made = reduceRun(first.value, 'OTHER', create('gateway1', 'ann1'))
    expect(made).toEqual({ kind: 'reject', reason: 'invalid' })
  })
})
