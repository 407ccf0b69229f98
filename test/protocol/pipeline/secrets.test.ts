import { expect, test } from 'vitest'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { jobsOf } from '../../support/pipeline.ts'

function parse(...lines: readonly string[]) {
  const job = ['image: debian:13', ...lines, 'steps: [{ run: make }]']
  const text = ['jobs:', '  build:', ...job.map((line) => `    ${line}`)].join('\n')
  return parsePipeline(Buffer.from(text), { file: 'f' })
}

function secretsOf(...lines: readonly string[]) {
  const parsed = parse(...lines)
  if (parsed.kind === 'error') throw new Error(parsed.error.message)
  return jobsOf(parsed.pipeline)[0]?.secrets
}

function problemOf(...lines: readonly string[]): string {
  const parsed = parse(...lines)
  return parsed.kind === 'ok' ? 'none' : parsed.error.message
}

test('a list names variables, a map may name files', () => {
  expect(secretsOf('secrets: [NPM_TOKEN, KEY]')).toEqual([
    { name: 'NPM_TOKEN', file: undefined },
    { name: 'KEY', file: undefined }
  ])
  expect(secretsOf('secrets: { A: {}, B: { file: /run/secrets/b.pem } }')).toEqual([
    { name: 'A', file: undefined },
    { name: 'B', file: '/run/secrets/b.pem' }
  ])
  for (const host of ['registry.example:5000', 'Registry.EXAMPLE:5000']) {
    expect(secretsOf(`secrets: { PULL: { registry: "${host}" } }`)).toEqual([
      { name: 'PULL', file: undefined, registry: 'registry.example:5000' }
    ])
  }
  expect(secretsOf('secrets: { PULL: { registry: "a.example" } }')).toEqual([
    { name: 'PULL', file: undefined, registry: 'a.example' }
  ])
  expect(secretsOf('secrets: []')).toBeUndefined()
  expect(secretsOf()).toBeUndefined()
})

test.each([
  ['secrets: NPM_TOKEN', 'expected a list'],
  ['secrets: [a-b]', 'is no name for a variable'],
  ['secrets: [RUNNER_MESH_X]', 'the mesh sets these itself'],
  ['secrets: [A, A]', 'has A twice'],
  ['secrets: { A: { file: /etc/passwd } }', 'is no place for a secret'],
  ['secrets: { A: { file: /run/secrets/../../etc/x } }', 'is no place for a secret'],
  ['secrets: { A: { file: /run/secrets/.x } }', 'is no place for a secret'],
  ['secrets: { A: { registry: team/tool } }', 'is no registry'],
  ['secrets: { A: { registry: a.example, file: /run/secrets/a } }', 'as a file and as a login'],
  ['secrets: { A: { registry: a.example }, B: { registry: A.example } }', 'has a.example twice'],
  ['secrets: { A: { fiel: /run/secrets/x } }', 'did you mean `file`'],
  ['secrets: { A: { file: /run/secrets/x }, B: { file: /run/secrets/x } }', '/run/secrets/x twice']
])('%s is refused', (line, words) => {
  expect(problemOf(line)).toContain(words)
})

test('a secret that env sets too is refused at its own line', () => {
  const problem = problemOf('env: { A: x }', 'secrets: [A]')
  expect(problem).toContain('which `env` sets too')
  expect(problem).toMatch(/^f:5:/)
})
