import { expect, test } from 'vitest'
import { chosenJob, type JobWish } from '../../../agent/exec/chosen-job.ts'
import { codeOf } from '../../../protocol/core/errors.ts'

const FILE = [
  'on: { pull_request: {}, push: { branches: [main] }, manual: { inputs: { to: {} } } }',
  'jobs:',
  '  build:',
  '    matrix: { node: ["22", "24"], libc: [gnu, musl] }',
  '    image: "debian:13"',
  '    steps: [{ run: make }]',
  '  lint: { image: "debian:13", steps: [{ run: make lint }] }',
  ''
].join('\n')

const EVENT = {
  ...{ branch: 'main', tag: '', ref: 'refs/heads/main', commit: '0'.repeat(40), number: '' },
  ...{ labels: [], author: '', inputs: {}, changedPaths: undefined }
}

function choose(job: string, wish: Partial<JobWish> = {}, text = FILE) {
  const bytes = new TextEncoder().encode(text)
  return chosenJob(bytes, 'p.yml', { job, matrix: {}, kind: undefined, event: EVENT, ...wish })
}

function nameOf(job: string, wish: Partial<JobWish> = {}): string {
  const chosen = choose(job, wish)
  return chosen.kind === 'job' ? `${chosen.event.kind} ${chosen.spec.name}` : 'errors'
}

function refusal(job: string, wish: Partial<JobWish> = {}): readonly [unknown, string] {
  try {
    return [undefined, nameOf(job, wish)]
  } catch (error) {
    return [codeOf(error), String(error)]
  }
}

test('a job is named as in its file, an entry by its values or by its whole name', () => {
  expect(nameOf('lint')).toBe('push lint')
  expect(nameOf('build', { matrix: { node: '24', libc: 'musl' } })).toBe('push build (24, musl)')
  expect(nameOf('build (22, gnu)')).toBe('push build (22, gnu)')
})

test('several entries are told, none is taken by chance', () => {
  const [code, text] = refusal('build', { matrix: { node: '24' } })

  expect(code).toBe('EXEC_JOB_AMBIGUOUS')
  expect(text).toContain('build (24, gnu), build (24, musl)')
})

test('what no job is called, and no entry has, is refused with what there is', () => {
  expect(refusal('deploy')[0]).toBe('EXEC_JOB_UNKNOWN')
  expect(refusal('deploy')[1]).toContain('lint')
  expect(refusal('build', { matrix: { node: '20' } })[1]).toContain('node=20')
  expect(refusal('lint', { matrix: { constructor: 'x' } })[0]).toBe('EXEC_JOB_UNKNOWN')
})

test('an event that starts nothing is refused with a way out, and another one can be said', () => {
  const event = { ...EVENT, branch: 'next', ref: 'refs/heads/next' }

  expect(refusal('lint', { event })[0]).toBe('EXEC_NO_RUN')
  expect(nameOf('lint', { event, kind: 'pull_request' })).toBe('pull_request lint')
})

test('the errors of a bad file are given, all of them', () => {
  const chosen = choose('lint', {}, 'jobs: { a: { imag: x }, b: 1 }')

  expect(chosen.kind === 'errors' && chosen.errors.length).toBeGreaterThan(1)
})
