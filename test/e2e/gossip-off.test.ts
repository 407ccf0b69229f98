import { afterAll, beforeAll, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

/** Lease-protocol 8: anti-entropy finds a run within its period and the claim. */
const START_MS_MAX = 13_000

let e2e: E2eMesh
let judge: Judge
beforeAll(async () => {
  e2e = await E2eMesh.start({ gossip: false })
  judge = await Judge.start(e2e.peerIds)
}, 240_000)
afterAll(async () => {
  judge?.stop()
  await e2e?.stop()
})

test('without a single gossip message a job still starts within 13 s, once', async () => {
  const pushedAtMs = performance.now()
  const run = await e2e.push(pipelineOf(1, 'echo found'))
  const job = `${run.id}.0`
  await eventually(`${job} starts`, () => judge.startsOf(job)[0], START_MS_MAX)

  expect(performance.now() - pushedAtMs).toBeLessThan(START_MS_MAX)
  await e2e.ended(run.id, 1)
  expect(judge.startsOf(job)).toHaveLength(1)
  await e2e.clean()
}, 60_000)
