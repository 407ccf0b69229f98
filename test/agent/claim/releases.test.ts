import { expect, test } from 'vitest'
import { releasesOf, type WonClaim } from '../../../agent/claim/holder-parts.ts'
import type { SecretOrder } from '../../../agent/secrets/secret-client.ts'
import { generateKey } from '../../../protocol/wire/keys.ts'
import { claimed, jobLife, sealedRun } from '../../support/run-life.ts'

const PIPELINE =
  'jobs: { build: { image: "debian:13", secrets: [TOKEN], steps: [{ run: make }] } }\n'
const sealed = sealedRun(generateKey(), { commit: 'a'.repeat(40), pipeline: PIPELINE })
const times = { startedMs: 0, stepStartedMs: 0, jobEndMs: 1 }
const progress = { step: 0, ...times, results: [], resources: { cpuMilli: 1, memoryBytes: 1 } }

const slot = { runner: { labels: ['linux'] } }

test.each([
  ['a slot that goes on', slot, { progress }, true],
  ['a slot that begins', slot, {}, false],
  ['any other job that goes on', {}, { progress }, false]
])('what %s is given is asked for as that', async (_, more, came, isAgain) => {
  const [job] = sealed.announcement.manifest.jobs
  if (job === undefined) throw new Error('no job')
  const orders: SecretOrder[] = []
  const secrets = {
    release: async (order: SecretOrder) => {
      orders.push(order)
      return []
    }
  }
  const claimId = '1'.repeat(32)
  const state = jobLife(sealed, 0, ['peer-onyx', claimed(claimId)])
  const jobId = `${sealed.announcement.runId}.0`
  const spec = { ...job, ...more }
  const won: WonClaim = { jobId, spec, sealed, state, claimId, startedAtMs: 0, ...came }
  const { releaseSecrets, releaseSource } = releasesOf({ secrets }, won)
  const { signal } = new AbortController()

  await releaseSecrets(signal)
  await releaseSource?.(signal).catch(() => undefined)

  expect(orders.map(({ names, goesOn }) => [names, goesOn])).toEqual([
    [['TOKEN'], isAgain],
    [[':source'], false]
  ])
})
