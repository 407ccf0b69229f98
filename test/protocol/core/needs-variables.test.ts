import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NEEDS_BYTES_MAX } from '../../../protocol/core/graph-limits.ts'
import { type Given, needsProblem, needsVariables } from '../../../protocol/core/needs-variables.ts'

const given = (index: number, name: string, outputs: Given['outputs'], matrix?: boolean): Given => {
  return { spec: { index, name, ...(matrix ? { matrix: { os: 'x' } } : {}) }, outputs }
}

test('a job gets the outputs of its needs in variables of their names', () => {
  expect(needsVariables([given(0, 'unit tests', { version: '1.2', Sum: 'a\nb' })])).toEqual({
    RUNNER_MESH_NEEDS_UNIT_TESTS_VERSION: '1.2',
    RUNNER_MESH_NEEDS_UNIT_TESTS_SUM: 'a\nb'
  })
})

test('those of a matrix are told apart, and the last one that has it goes by the plain name', () => {
  const jobs = [
    given(0, 'build (linux/amd64, 22)', { v: 'a', first: 'x' }, true),
    given(1, 'build (linux/arm64, 22)', { v: 'b' }, true)
  ]
  expect(needsVariables(jobs)).toEqual({
    RUNNER_MESH_NEEDS_BUILD_LINUX_AMD64_22_V: 'a',
    RUNNER_MESH_NEEDS_BUILD_LINUX_AMD64_22_FIRST: 'x',
    RUNNER_MESH_NEEDS_BUILD_LINUX_ARM64_22_V: 'b',
    RUNNER_MESH_NEEDS_BUILD_V: 'b',
    RUNNER_MESH_NEEDS_BUILD_FIRST: 'x'
  })
})

test('a name of no letter that a variable may have is that of its place', () => {
  expect(Object.keys(needsVariables([given(3, '構建', { v: '' })]))).toEqual([
    'RUNNER_MESH_NEEDS_JOB3_V'
  ])
})

test('whatever names there are, no variable is one that steers anything else', () => {
  const outputs = fc.dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,8}$/), fc.string())
  fc.assert(
    fc.property(fc.string(), outputs, fc.boolean(), (name, values, matrix) => {
      for (const variable of Object.keys(needsVariables([given(0, name, values, matrix)]))) {
        expect(variable).toMatch(/^RUNNER_MESH_NEEDS_[A-Z0-9_]+$/)
      }
    })
  )
})

test('more than a process may get of them is told, and no part of it is handed on', () => {
  const value = 'ü'.repeat((NEEDS_BYTES_MAX - 'A=\0'.length) / 2)
  expect(needsProblem({ A: value })).toBeUndefined()
  expect(needsProblem({ AA: `${value}x` })).toContain(`at most ${NEEDS_BYTES_MAX} can be handed on`)
})
