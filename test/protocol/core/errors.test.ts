import { expect, test } from 'vitest'
import {
  causeOf,
  codeOf,
  type ErrorCode,
  MESH_ERRORS,
  MeshError
} from '../../../protocol/core/errors.ts'

const CODES = Object.keys(MESH_ERRORS) as ErrorCode[]

test.each(CODES)('%s has a message, an exit code and a status of its kind', (code) => {
  const { message, exit, status, retry } = MESH_ERRORS[code]

  expect(code).toMatch(/^[A-Z]+(_[A-Z0-9]+)*$/)
  expect(message({}).length).toBeGreaterThan(5)
  expect([0, 1, 2, 3, 4, 5, 70, 78, 130]).toContain(exit)
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(600)
  expect(typeof retry).toBe('boolean')
})

test('an error carries its code, its facts and the text made of them', () => {
  const error = new MeshError('STATE_LOCKED', { state: '/s', pid: 7 })

  expect(error.message).toContain('/s is in use by process 7')
  expect(error.facts).toEqual({ state: '/s', pid: 7 })
  expect(error.kind.exit).toBe(78)
  expect(codeOf(error)).toBe('STATE_LOCKED')
})

test('anything may be thrown, and has a text but no code', () => {
  expect(causeOf('text')).toBe('text')
  expect(causeOf(new Error('odd'))).toBe('odd')
  expect(codeOf(new Error('odd'))).toBeUndefined()
})
