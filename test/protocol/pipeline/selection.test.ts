import { expect, test } from 'vitest'
import { type Pipeline, parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, select } from '../../../protocol/pipeline/selection.ts'

const STEPS = 'jobs: { build: { image: x, steps: [{ run: make }] } }'

function pipelineOf(on: string): Pipeline {
  const bytes = new TextEncoder().encode(`${on}\n${STEPS}`)
  const parsed = parsePipeline(bytes, { file: '.runner-mesh.yml' })
  if (parsed.kind === 'error') throw new Error(parsed.error.message)
  return parsed.pipeline
}

function eventOf(facts: Partial<PipelineEvent>): PipelineEvent {
  return {
    kind: 'push',
    branch: 'main',
    tag: '',
    ref: 'refs/heads/main',
    commit: '1'.repeat(40),
    number: '',
    labels: [],
    author: 'ada',
    inputs: {},
    changedPaths: undefined,
    ...facts
  }
}

test('a push is selected by the patterns, and every branch where there are none', () => {
  const pushed = (on: string, branch: string) => select(pipelineOf(on), eventOf({ branch })).kind
  const some = "on: { push: { branches: [main, 'release/*'] } }"
  expect(['main', 'release/1', 'release/1/2', 'dev'].map((name) => pushed(some, name))).toEqual([
    'run',
    'run',
    'ignored',
    'ignored'
  ])
  expect(pushed('', 'any/branch')).toBe('run')
  expect(pushed('on: { push: {} }', 'any/branch')).toBe('run')
})

test('what is not selected says by which key', () => {
  const ignored = select(
    pipelineOf('on: { push: { branches: [main] } }'),
    eventOf({ branch: 'dev' })
  )
  expect(ignored).toEqual({
    kind: 'ignored',
    reason: 'on.push of .runner-mesh.yml does not select dev'
  })
})
