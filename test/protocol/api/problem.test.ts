import { expect, test } from 'vitest'
import { type ProblemReader, problemOf, problemSchema } from '../../../protocol/api/problem.ts'
import { type ErrorCode, MESH_ERRORS, MeshError } from '../../../protocol/core/errors.ts'

const CODES = Object.keys(MESH_ERRORS) as ErrorCode[]
const FACTS = { file: '/etc/secret', problem: 'x', absent: undefined }
const told = (code: ErrorCode, reader: ProblemReader): boolean =>
  JSON.stringify(problemOf(new MeshError(code, FACTS), reader)).includes('/etc/secret')

test('every error makes a problem that keeps its schema, for either reader', () => {
  for (const code of CODES) {
    for (const reader of ['owner', 'stranger'] as const) {
      const problem = problemOf(new MeshError(code, FACTS), reader)

      expect(problemSchema.parse(problem), code).toEqual(problem)
      expect(problem).toMatchObject({ code, type: `urn:runner-mesh:error:${code}` })
    }
  }
})

test('a problem says what happened with its facts, those that are known', () => {
  const error = new MeshError('REQUEST_INVALID', { problem: 'no', field: undefined })

  expect(problemOf(error, 'stranger')).toEqual({
    type: 'urn:runner-mesh:error:REQUEST_INVALID',
    title: 'Bad Request',
    status: 400,
    detail: 'no',
    code: 'REQUEST_INVALID',
    facts: { problem: 'no' }
  })
})

test('of our own failures a stranger reads six, which name nothing of this host', () => {
  const ours = CODES.filter((code) => MESH_ERRORS[code].status >= 500)

  expect(new Set(ours.filter((code) => told(code, 'stranger')))).toEqual(
    new Set([
      'OVERLOADED',
      'STOPPING',
      'QUORUM_UNREACHABLE',
      'EPOCH_UNREACHABLE',
      'REQUEST_TIMED_OUT',
      'HOOK_SLOW'
    ])
  )
})

test('the owner reads all of them', () => {
  expect(CODES.filter((code) => !told(code, 'owner'))).toEqual([])
  const error = new MeshError('LOG_UNAVAILABLE', { job: 'j', cause: 'EIO /var/lib/x' })
  expect(problemOf(error, 'owner').detail).toContain('EIO /var/lib/x')
  expect(problemOf(error, 'stranger').detail).toBe('the gateway could not do it; its log says why')
})
