import { join } from 'node:path'
import Docker from 'dockerode'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { HangingEngine } from '../support/hanging-engine.ts'
import { LifelineRig } from '../support/lifeline-rig.ts'

/* The guardian alone: process 1 of these containers guards nothing, or cannot. */

const TEST_MS = 120_000
const KILL_BUDGET_MS = LEASE_PROFILES.default.killBudgetMs

let rig: LifelineRig

beforeEach(async () => {
  rig = await LifelineRig.open()
})

afterEach(async () => {
  await rig.close()
})

describe('the guardian alone', { timeout: TEST_MS }, () => {
  test('removes a container without a guard by its deadline, and no living one', async () => {
    await rig.charge()
    await rig.guardian()
    const fresh = await rig.box({ deadlineInMs: 25_000 })
    const over = await rig.box({ deadlineInMs: 3_000 })
    const lateMs = (await rig.dead(over.id)) - (over.deadlineMs ?? 0)
    await rig.gone(over.id)

    expect(lateMs).toBeGreaterThan(0)
    expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
    expect(await rig.isRunning(fresh.id)).toBe(true)
  })

  test('removes a container whose guard is stopped, after its deadline', async () => {
    const attempts = await AttemptRig.open({ peerId: rig.peerId })
    try {
      await rig.charge({ leases: join(attempts.root, 'leases') })
      await rig.guardian()
      const script = 'echo ready; sleep 60'
      const attempt = await attempts.start({ steps: [{ run: script }], deadlineInMs: 8_000 })
      await eventually('the job runs', () => attempt.lines.some(({ text }) => text === 'ready'))
      const name = attempts.executor.containerName(attempt.input.jobId)
      await new Docker({ socketPath: rig.engine.socket })
        .getContainer(name)
        .kill({ signal: 'SIGSTOP' })
      const lateMs = (await rig.dead(name)) - attempt.input.deadlineMs()

      expect(lateMs).toBeGreaterThan(0)
      expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
      expect(await attempt.result).toMatchObject({ kind: 'interrupted', userCodeRan: true })
    } finally {
      await attempts.close()
    }
  })

  test('never touches what is not of its own peer and store', async () => {
    await rig.charge()
    const labels = { 'runner-mesh.peer': rig.peerId, 'runner-mesh.store': 'test-store' }
    const others = await Promise.all([
      rig.box({ labels: {} }),
      rig.box({ labels: { ...labels, 'runner-mesh.peer': 'another' } }),
      rig.box({ labels: { ...labels, 'runner-mesh.store': 'another' } }),
      rig.box({ labels: { 'runner-mesh.peer': rig.peerId } })
    ])
    const guardian = await rig.guardian()
    // Made after them and without a deadline as they are: it is gone only after a look at all.
    const own = await rig.box({})
    await rig.gone(own.id)

    for (const { id } of others) expect(await rig.isRunning(id)).toBe(true)
    expect(guardian.stdout.match(/"lease over"/g)).toHaveLength(1)
  })

  test('removes a container whose deadline is gone, after the grace', async () => {
    await rig.charge()
    await rig.guardian()
    const box = await rig.box({ deadlineInMs: 25_000 })
    await box.lease?.remove()

    await rig.gone(box.id)

    expect(rig.nowMs()).toBeLessThan(box.deadlineMs ?? 0)
  })

  test('asks an engine that hung until it answers, and removes then', async () => {
    const socket = join(rig.root, 'engine.sock')
    const engine = await HangingEngine.open(socket, rig.engine.socket)
    try {
      await rig.charge({ engine: socket })
      const guardian = await rig.guardian()
      const box = await rig.box({ deadlineInMs: 6_000 })
      const listed = (): boolean => rig.nowMs() > (box.deadlineMs ?? 0) - 3_000
      await eventually('the guardian has had time to list it', listed)
      engine.hang()
      await guardian.said('killed by process id')
      // Without the rights of root it can only wait for the engine.
      const end = process.getuid?.() === 0 ? 'killed' : 'not_permitted'
      expect(guardian.stdout).toContain(`"end":"${end}"`)
      // The engine notices a moment after the kill that its process has ended.
      await eventually('the engine tells so', async () => {
        return (await rig.isRunning(box.id)) === (end !== 'killed')
      })
      expect(await rig.isThere(box.id)).toBe(true)
      engine.comeBack()

      await rig.gone(box.id)
    } finally {
      await engine.close()
    }
  })

  test('refuses a second one of its state, and says who the first one is', async () => {
    await rig.charge()
    const first = await rig.guardian()
    const second = await rig.spawn().exited

    expect([second.code, second.stdout]).toEqual([78, ''])
    expect(second.stderr).toMatch(new RegExp(`^LIFELINE_RUNNING: process ${first.pid} guards `))
    expect((await first.kill('SIGTERM')).code).toBe(0)
  })
})
