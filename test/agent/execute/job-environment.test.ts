import { expect, test } from 'vitest'
import { jobEnvironment, withDefaults } from '../../../agent/execute/job-environment.ts'
import type { RunOrigin } from '../../../protocol/core/run.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { announcementBy } from '../../protocol/wire/samples.ts'

/** What the mesh says to a job of this origin, of the variables that begin so. */
function said(origin: Partial<RunOrigin>, base?: string): Readonly<Record<string, string>> {
  const { manifest: sample } = announcementBy(generateKey())
  const [spec] = sample.jobs
  if (spec === undefined) throw new Error('a manifest without jobs')
  const manifest = { ...sample, origin: { ...sample.origin, ...origin }, base }
  const ids = { jobId: 'RUN.0', runId: 'RUN', attempt: 1, epoch: 1 }
  const entries = jobEnvironment({ ...ids, manifest, spec }, 'onyx', 'linux/amd64')
  const wanted = /^RUNNER_MESH_(EVENT|REF|BRANCH|TAG|PULL_REQUEST|BASE)=/
  return Object.fromEntries(
    entries.filter((entry) => wanted.test(entry)).map((entry) => entry.slice(12).split('='))
  )
}

test('a job of a branch or of a tag is told which one', () => {
  const none = { PULL_REQUEST: '', BASE: '' }
  expect(said({ event: 'push', ref: 'refs/heads/release/1' })).toEqual({
    ...{ EVENT: 'push', REF: 'refs/heads/release/1', BRANCH: 'release/1', TAG: '' },
    ...none
  })
  expect(said({ event: 'tag', ref: 'refs/tags/v1' })).toEqual({
    ...{ EVENT: 'tag', REF: 'refs/tags/v1', BRANCH: '', TAG: 'v1' },
    ...none
  })
})

test('a job of a pull request into main is not on main', () => {
  const origin = { event: 'pull_request', ref: 'refs/pull/7/head', number: '7' } as const
  expect(said(origin, 'main')).toEqual({
    EVENT: 'pull_request',
    REF: 'refs/pull/7/head',
    BRANCH: '',
    TAG: '',
    PULL_REQUEST: '7',
    BASE: 'main'
  })
})

test('what a profile and a network set is there unless the job says otherwise', () => {
  const defaults = ['HOME=/home/job', 'HTTP_PROXY=http://10.213.0.1:4480', 'http_proxy=http://x:1']

  expect(withDefaults([], defaults)).toEqual(defaults)
  expect(withDefaults(['CI=true', 'http_proxy=http://mine:1'], defaults)).toEqual([
    'CI=true',
    'http_proxy=http://mine:1',
    'HOME=/home/job',
    'HTTP_PROXY=http://10.213.0.1:4480'
  ])
})

test('a longer name is another name, and a variable may be empty', () => {
  expect(withDefaults(['HOMES=x', 'A='], ['HOME=/', 'A=b'])).toEqual(['HOMES=x', 'A=', 'HOME=/'])
})
