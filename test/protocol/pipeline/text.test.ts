import fc from 'fast-check'
import { expect, test } from 'vitest'
import { envNameProblem } from '../../../protocol/pipeline/environment.ts'
import {
  envValueProblem,
  imageProblem,
  jobNameProblem,
  labelKeyProblem,
  labelValueProblem,
  nameOfScript,
  platformProblem,
  scriptProblem,
  stepNameProblem
} from '../../../protocol/pipeline/text.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'

const SHELL = ['$', '{x}'].join('')

test.each(['CI', 'PATH', '_x', 'LD_LIBRARY_PATH', 'RUNNER', 'NVIDIA_TF32_OVERRIDE', 'HOME1'])(
  'a job may set %s',
  (name) => {
    expect(envNameProblem(name)).toBeUndefined()
  }
)

test.each([
  ['RUNNER_MESH', 'the mesh sets it itself'],
  ['RUNNER_MESH_EPOCH', 'the mesh sets these itself'],
  ['NVIDIA_VISIBLE_DEVICES', 'hand out GPUs behind the mesh'],
  ['NVIDIA_DRIVER_CAPABILITIES', 'hand out GPUs behind the mesh'],
  ['NVIDIA_REQUIRE_CUDA', 'hand out GPUs behind the mesh'],
  ['AMD_VISIBLE_DEVICES', 'hand out GPUs behind the mesh'],
  ['LD_PRELOAD', "loaded into the engine's hooks"]
])('a job may not set %s: %s', (name, reason) => {
  expect(envNameProblem(name)).toContain(reason)
})

test.each(['', '1A', 'A B', 'A=B', 'A-B', 'ä', 'A\n', '\0'])('"%s" names no variable', (name) => {
  expect(envNameProblem(name)).toContain('is no name')
})

test.each([
  ['job name', jobNameProblem, ['build', 'a', '_x', 'build-1.2'], ['', '1', '-a', 'a b', 'a/b']],
  ['step name', stepNameProblem, ['test', 'Run it, now! ä'], ['', '  ', 'a\nb', 'a\u202eb']],
  ['label', labelKeyProblem, ['site', 'example.com/x', '1'], ['', '-a', 'a b', 'a=b']],
  ['label value', labelValueProblem, ['lab-2', 'a b', 'ä'], ['', 'a\tb']],
  [
    'platform',
    platformProblem,
    ['linux/amd64', 'linux/arm/v7'],
    ['', 'amd64', 'linux', 'Linux/amd64']
  ],
  [
    'image',
    imageProblem,
    ['debian:13', 'registry.example:5000/a/b:1.2', `a@sha256:${'0'.repeat(64)}`],
    ['', '-v', 'a b', 'a\n', '../a', 'a/B', 'node:a/b', 'a'.repeat(300)]
  ],
  ['script', scriptProblem, ['true', 'a\nb', SHELL], ['', ' \n ', 'a\0b', '\ud800']],
  ['value', envValueProblem, ['', 'a\nb', SHELL, '$((1))'], ['a\0', '\udfff']]
] as const)('%s: what is good and what is not', (_what, problem, good, bad) => {
  for (const text of good) expect(problem(text), text).toBeUndefined()
  for (const text of bad) expect(problem(text), text).toMatch(/: \w+/)
})

test('texts at their limit are good, one more is not', () => {
  expect(stepNameProblem('x'.repeat(100))).toBeUndefined()
  expect(stepNameProblem('x'.repeat(101))).toContain('at most 100')
  expect(scriptProblem('x'.repeat(65_536))).toBeUndefined()
  expect(scriptProblem(`${'x'.repeat(65_535)}ä`)).toContain('at most 65536')
  expect(envValueProblem('x'.repeat(32_768))).toBeUndefined()
  expect(envValueProblem('x'.repeat(32_769))).toContain('at most 32768')
})

test.each([
  ['npm test', 'npm test'],
  ['\n\n  npm ci\n npm test\n', 'npm ci'],
  ['printf "\u001b[31mred"', 'printf " [31mred"'],
  ['x'.repeat(200), `${'x'.repeat(99)}…`]
])('a step without a name is called by its script: %j', (script, name) => {
  expect(nameOfScript(script)).toBe(name)
})

test('the name of any good script is a good name for a step', () => {
  const scripts = arbitraryText(100)
  fc.assert(
    fc.property(scripts, (script) => {
      fc.pre(scriptProblem(script) === undefined)
      expect(stepNameProblem(nameOfScript(script)) ?? '').not.toMatch(/empty|invisible|half/)
    }),
    { numRuns: 2_000 }
  )
})
