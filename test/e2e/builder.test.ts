import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'

const TEST_MS = 180_000
const JOBS = ['one', 'two', 'three']

let e2e: E2eMesh
beforeAll(async () => {
  e2e = await E2eMesh.start({ agents: 2, settings: { 'agent-2': ['builder: offer'] } })
}, TEST_MS)
afterAll(() => e2e?.stop())

const PIPELINE = [
  `defaults: { image: '${BASE_IMAGE}', timeout: 2m }`,
  'jobs:',
  ...JOBS.flatMap((name) => [
    `  ${name}:`,
    '    builder: true',
    '    resources: { cpu: 0.25, memory: 64MiB }',
    '    steps:',
    `      - run: unshare -U -r -m sh -c 'echo "root is $(id -u) on '$RUNNER_MESH_AGENT'"'`
  ])
].join('\n')

test(
  'jobs that build images go where that is offered, and make their namespace there',
  async () => {
    const begun = await e2e.push(PIPELINE)
    const ended = await e2e.ended(begun.id, JOBS.length, 120_000)

    expect(ended.map(({ state }) => state)).toEqual(JOBS.map(() => 'succeeded'))
    for (const { id } of ended) expect(await e2e.log(id)).toContain('root is 0 on agent-2')
    await e2e.clean()
  },
  TEST_MS
)
