import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'

const TEST_MS = 240_000

let e2e: E2eMesh
beforeAll(async () => {
  e2e = await E2eMesh.start({ agents: 2 })
}, TEST_MS)
afterAll(() => e2e?.stop())

const DEFAULTS = `defaults: { image: '${BASE_IMAGE}', timeout: 2m }\n`
const SMALL = 'resources: { cpu: 0.25, memory: 64MiB }'

const DIAMOND = `${DEFAULTS}jobs:
  a:
    ${SMALL}
    steps: [{ run: 'echo version=1.2 >>"$RUNNER_MESH_OUTPUT"' }]
  b:
    needs: [a]
    ${SMALL}
    steps: [{ run: 'test "$RUNNER_MESH_NEEDS_A_VERSION" = 1.2; echo side=left >>"$RUNNER_MESH_OUTPUT"' }]
  c:
    needs: [a]
    retry: 1
    ${SMALL}
    steps:
      - run: |
          echo "attempt $RUNNER_MESH_ATTEMPT"
          test "$RUNNER_MESH_ATTEMPT" -ge 2
          printf 'text<<END\\none\\ntwo\\nEND\\n' >>"$RUNNER_MESH_OUTPUT"
  d:
    needs: [b, c]
    ${SMALL}
    steps: [{ run: 'echo "$RUNNER_MESH_NEEDS_B_SIDE and $RUNNER_MESH_NEEDS_C_TEXT"' }]
`

const BROKEN = `${DEFAULTS}jobs:
  a:
    ${SMALL}
    steps:
      - { name: test, run: 'exit 3' }
      - { name: never, run: 'echo never' }
      - { name: tidy, run: 'echo tidied', always: true }
  b: { needs: [a], ${SMALL}, steps: [{ run: 'true' }] }
  c: { needs: [b], ${SMALL}, steps: [{ run: 'true' }] }
`

test(
  'a diamond runs in its order, hands values on, and tries again what fails once',
  async () => {
    const run = await e2e.push(DIAMOND)
    const jobs = await e2e.ended(run.id, 4, 120_000)

    expect(jobs.map(({ name, state }) => `${name} ${state}`)).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => `${name} succeeded`)
    )
    const [a, , c, d] = jobs
    expect(a).toMatchObject({ outputs: { version: '1.2' }, attempt: 1 })
    expect(c).toMatchObject({ outputs: { text: 'one\ntwo' }, attempt: 2, epoch: 2 })
    expect(await e2e.log(d?.id ?? '')).toContain('left and one\ntwo')
    expect(await e2e.log(c?.id ?? '')).toContain('attempt 2')
    expect((await e2e.run(run.id)).state).toBe('succeeded')
  },
  TEST_MS
)

test(
  'after a failure steps that always run do, and what needs the job is skipped',
  async () => {
    const run = await e2e.push(BROKEN)
    const jobs = await e2e.ended(run.id, 3, 120_000)

    expect(jobs.map(({ state }) => state)).toEqual(['failed', 'skipped', 'skipped'])
    expect(jobs[0]).toMatchObject({ reason: 'exit_code', exitCode: 3 })
    const log = await e2e.log(jobs[0]?.id ?? '')
    expect(log).toContain('tidied')
    expect(log).not.toContain('never')
    expect((await e2e.run(run.id)).state).toBe('failed')
    await e2e.clean()
  },
  TEST_MS
)
