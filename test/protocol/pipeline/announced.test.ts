import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobSpec } from '../../../protocol/core/run.ts'
import { select } from '../../../protocol/pipeline/selection.ts'
import { openAnnouncement, sealAnnouncement } from '../../../protocol/wire/announcement.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { eventWith, field, goodPipeline, jobsOf, parseText } from '../../support/pipeline.ts'
import { sealedRun } from '../../support/run-life.ts'
import { GOOD } from './corpus.ts'

/* What a good file makes must fit an announcement: else a run ends where nobody sees why. */

const key = generateKey()
const { announcement } = sealedRun(key, { commit: '1'.repeat(40), pipeline: GOOD[0] ?? '' })

function announced(jobs: readonly JobSpec[]): readonly JobSpec[] {
  const manifest = { ...announcement.manifest, jobs }
  const { bytes } = sealAnnouncement(key, { ...announcement, manifest })
  return openAnnouncement(bytes).announcement.manifest.jobs
}

const RICH = `on: { push: {}, manual: { inputs: { target: {} } } }
jobs:
  build:
    image: 'app'
    matrix: { platform: [linux/amd64, linux/arm64], v: [22, 'a b ä', '\${HOME}'] }
    env: { E: '${field('event.author')}|${field('inputs.target')}|${field('matrix.v')}' }
    labels: { by: '${field('event.author')}' }
    prefer: { labels: { of: 'v-${field('matrix.v')}' } }
    fallback_after: 5m
    priority: -3
    retry: 2
    concurrency: { group: 'g-${field('event.branch')}', cancel_superseded: true }
    resources: { pids: 64 }
    services: { db: { image: 'postgres:17', env: { T: '${field('event.tag')}' } } }
    steps: [{ name: 'of ${field('event.author')}', run: make, always: true }]
  publish: { image: app, needs: [build], steps: [{ run: make }] }
`

test.each([...GOOD, RICH])('what a file makes is read from its announcement: %#', (file) => {
  const pipeline = goodPipeline(file)
  const kind = pipeline.document.on?.push === undefined ? 'manual' : 'push'
  for (const event of ['push', 'pull_request', 'tag', 'manual', 'schedule', kind] as const) {
    const inputs = event === 'manual' && file.includes('required: true') ? { target: 'a' } : {}
    const selection = select(pipeline, eventWith({ kind: event, inputs }))
    if (selection.kind === 'error') throw new Error(selection.error.message)
    if (selection.kind === 'run') expect(announced(selection.jobs)).toEqual(selection.jobs)
  }
  expect(parseText(file).kind).toBe('ok')
})

test('whatever an event says, its jobs can be announced or the file is told to be wrong', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.stringMatching(/^[a-z/ ]{1,300}$/),
    fc.constantFrom('', ' ', '\u2028', '\ud800', 'a\u202e', '\u0085', '\ufeff', '\u200b', '-', '\0')
  )
  const facts = fc.record({ branch: texts, author: texts, tag: texts, number: texts })
  const pipeline = goodPipeline(RICH)
  let good = 0
  fc.assert(
    fc.property(facts, (each) => {
      const selection = select(pipeline, eventWith(each))
      if (selection.kind !== 'run') return
      good += 1
      expect(announced(selection.jobs)).toEqual(selection.jobs)
    }),
    { numRuns: 300 }
  )
  expect(good).toBeGreaterThan(50)
})

test('the largest run that a file can make fits into one announcement', () => {
  const values = Array.from({ length: 256 }, (_, index) => `${index}`.padStart(4, '0')).join(', ')
  const file = (bytes: number) =>
    `jobs: { b: { image: x, matrix: { a: [${values}] }, steps: [{ run: ${'ä'.repeat(bytes / 2)} }] } }`
  expect(announced(jobsOf(goodPipeline(file(2_600))))).toHaveLength(256)
  expect(parseText(file(3_200)).kind).toBe('error')
})
