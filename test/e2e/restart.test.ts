import { afterEach, expect, test } from 'vitest'
import { Judge } from '../../deploy/demo/judge.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { E2eMesh, pipelineOf } from '../support/e2e-mesh.ts'

const LINES = 150

let e2e: E2eMesh | undefined
let judge: Judge | undefined
afterEach(async () => {
  judge?.stop()
  await e2e?.stop()
})

test('an agent killed in the middle of a job and started again goes on with it', async () => {
  e2e = await E2eMesh.start()
  const mesh = e2e.mesh
  judge = await Judge.start(e2e.peerIds)
  const count = `i=0; while [ $i -lt ${LINES} ]; do echo "line $i"; i=$((i + 1)); sleep 0.1; done`
  const run = await e2e.push(pipelineOf(1, count))
  const job = `${run.id}.0`
  await eventually('the job has said something', async () => {
    return (await e2e?.log(job))?.includes('line 20') || undefined
  })
  const [start] = judge.startsOf(job)
  const index = e2e.peerIds.indexOf(start?.peer ?? '')
  const { name } = mesh.agents[index] ?? { name: '' }

  await mesh.daemon(name).kill('SIGKILL')
  mesh.startAgent(index)
  const [ended] = await e2e.ended(run.id, 1)

  expect(ended).toMatchObject({ state: 'succeeded', epoch: 1 })
  expect(judge.startsOf(job).map(({ container }) => container)).toEqual([start?.container])
  const said = (await e2e.log(job)).split('\n').filter((line) => line.includes('line '))
  expect(said.map((line) => line.replace(/^.*line /, 'line '))).toEqual(
    Array.from({ length: LINES }, (_, at) => `line ${at}`)
  )
  expect(await e2e.logOf(name)).toContain('attempt adopted')
  await e2e.clean()
}, 180_000)
