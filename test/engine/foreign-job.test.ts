import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimable } from '../../agent/claim/candidates.ts'
import { conditionOf } from '../../protocol/core/conditions.ts'
import { sampleView } from '../support/arbitrary-board.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { BoardRuns } from '../support/board-runs.ts'
import { ARM64_BUSYBOX } from '../support/foreign-busybox.ts'
import { testImage } from '../support/test-image.ts'

const TEST_MS = 120_000
/** The seven of a native job run by root; see docs/security.md. */
const CAPABILITIES = 'CapEff:\t00000000000000fb'
const IMAGE = 'runner-mesh-test/arm64:1'
const PLATFORM = 'linux/arm64'
const PLATFORMS = [
  { name: 'linux/amd64', native: true },
  { name: 'linux/arm64/v8', native: false }
]

let rig: AttemptRig
let removeImage: () => Promise<void> = async () => undefined

beforeAll(async () => {
  rig = await AttemptRig.open({ platforms: PLATFORMS })
  const platform = 'linux/arm64/v8'
  removeImage = await testImage(rig.engine, { name: IMAGE, platform, busybox: ARM64_BUSYBOX })
}, TEST_MS)

afterAll(async () => {
  await removeImage()
  await rig.close()
})

const spec = { image: IMAGE, platform: PLATFORM }

describe('a job for another platform', { timeout: TEST_MS }, () => {
  test('runs under an emulator, and is told what it runs as', async () => {
    const run = 'uname -m; echo $RUNNER_MESH_PLATFORM; cat README.md; id -u'
    const { result, lines } = await rig.run({ spec, steps: [{ run }] })

    expect(result).toMatchObject({ kind: 'outcome', outcome: { state: 'succeeded' } })
    const text = lines.filter(({ stream }) => stream === 'out').map((line) => line.text)
    expect(text).toEqual(['aarch64', 'linux/arm64/v8', 'hello', '0'])
    expect(await rig.left()).toEqual([])
  })

  test('that forbids emulation is claimed by no such host, and told why', () => {
    const runs = new BoardRuns()
      .run('A', [{ ...spec, name: 'allowed' }])
      .run('F', [{ ...spec, name: 'forbidden', emulation: 'forbid' }])
    const view = sampleView({ platforms: PLATFORMS })
    const { advertisement: offer } = view
    const agents = [view]
    const look = { board: runs.board, open: runs.board.openJobs(), agents, nowMs: 0 }
    const own = { peerId: offer.peerId, offer, free: offer.free }
    const { jobs } = claimable(
      look,
      own,
      () => false,
      () => 0
    )
    expect(jobs.map(({ jobId }) => jobId)).toEqual(['A.0'])
    expect(conditionOf(runs.job('F.0'), agents, []).line).toBe(
      'no host offers linux/arm64 natively and the job forbids emulation; it will not resolve by itself'
    )
  })

  test('has no more rights there than a native one, the emulator included', async () => {
    const run =
      "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; " +
      'mount -t tmpfs x /tmp || chroot / true || unshare -U true || true'
    const { lines } = await rig.run({ spec, steps: [{ run }] })

    const text = lines.map((line) => line.text)
    expect(text.find((line) => line.startsWith('CapEff:'))).toBe(CAPABILITIES)
    expect(text).toContain('NoNewPrivs:\t1')
    expect(text).toContain('Seccomp:\t2')
    expect(text.find((line) => line.startsWith('mount:'))).toMatch(/not permitted|denied/)
    expect(text.find((line) => line.startsWith('chroot:'))).toMatch(/not permitted/)
    expect(text.find((line) => line.startsWith('unshare:'))).toMatch(/not permitted/)
  })

  test('has its exit code, and the steps behind it do not run', async () => {
    const steps = [{ run: 'exit 7' }, { run: 'true' }]
    const { result } = await rig.run({ spec, steps })

    expect(result).toMatchObject({
      outcome: { state: 'failed', exitCode: 7, steps: [{ exitCode: 7 }, { state: 'not_run' }] }
    })
  })

  test('has five times as long as it says, and the message says how long that was', async () => {
    const { result } = await rig.run({ spec: { ...spec, timeoutMs: 400 }, steps: [{ run: 'cat' }] })
    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })

    const steps = [{ run: 'sleep 60', timeoutMs: 300 }]
    const { result: late } = await rig.run({ spec, steps })
    expect(late).toMatchObject({ outcome: { state: 'failed', reason: 'timed_out' } })
    expect(late).toHaveProperty('outcome.message', expect.stringContaining('1500 ms'))
  })

  test('whose steps are cut off leaves nothing: the guard is native', async () => {
    const steps = [{ run: 'trap "" TERM; while true; do sleep 1; done' }]
    const attempt = await rig.start({ spec, steps, deadlineInMs: 4_000 })

    expect(await attempt.result).toMatchObject({ kind: 'interrupted', reason: 'lease_lost' })
    expect(await rig.left()).toEqual([])
  })

  test('does not run on an image of the same name for the platform of the host', async () => {
    const { result } = await rig.run({ spec: { image: IMAGE, platform: 'linux/amd64' } })

    expect(result).toMatchObject({ reason: 'image_unavailable', userCodeRan: false })
  })
})
