import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { isAlive, type ProcessIdentity } from '../../protocol/host/process-identity.ts'
import { eventually } from '../support/eventually.ts'
import { clearAfterAgentsIn } from '../support/killed-agents.ts'
import { guardianOf, LifelineRig } from '../support/lifeline-rig.ts'
import { freePort } from '../support/port-block.ts'
import { ProgramProcess } from '../support/program-process.ts'

/* A real agent with the guardian that it starts, and what becomes of each without the other. */

const TEST_MS = 180_000
const KILL_BUDGET_MS = LEASE_PROFILES.default.killBudgetMs
/** A loaded machine takes its time to end a process. */
const END_MS_MAX = 20_000

let rig: LifelineRig
let running: ProgramProcess[]
let guardians: ProcessIdentity[]
let labels: Readonly<Record<string, string>>

beforeEach(async () => {
  rig = await LifelineRig.open()
  running = []
  guardians = []
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const made = await agent('init', '--name', 'onyx', '--address', address).exited
  const [, peerId = '', storeId = ''] = /this agent is (\w+)\/(\w+);/.exec(made.stderr) ?? []
  labels = { 'runner-mesh.peer': peerId, 'runner-mesh.store': storeId }
  await settings(`name: onyx\nlisten: [${address}]\n`)
})

afterEach(async () => {
  await Promise.all(running.map((program) => program.kill('SIGKILL')))
  for (const one of guardians) if (isAlive(one)) process.kill(one.pid, 'SIGKILL')
  await clearAfterAgentsIn(rig.root)
  await rig.close()
})

let written = ''

async function settings(text: string): Promise<void> {
  written = text
  await writeFile(join(rig.state, 'agent.yaml'), text)
}

function agent(...args: readonly string[]): ProgramProcess {
  const program = new ProgramProcess('agent', [...args, '--state', rig.state])
  running.push(program)
  return program
}

async function guardian(besides?: number): Promise<ProcessIdentity> {
  const found = await guardianOf(rig.state, besides)
  guardians.push(found)
  return found
}

/** An agent that runs, with its guardian. */
async function started(): Promise<readonly [ProgramProcess, ProcessIdentity]> {
  const daemon = agent('start')
  await daemon.said('guardian found')
  return [daemon, await guardian()]
}

function ended(one: ProcessIdentity): Promise<boolean> {
  return eventually('the guardian has ended', () => !isAlive(one), END_MS_MAX)
}

describe('the lifeline of an agent', { timeout: TEST_MS }, () => {
  test('outlives a killed agent, ends its last container, and ends itself', async () => {
    const [daemon, own] = await started()
    const box = await rig.box({ deadlineInMs: 4_000, owner: labels })
    await daemon.kill('SIGKILL')

    expect(isAlive(own)).toBe(true)
    const lateMs = (await rig.dead(box.id)) - (box.deadlineMs ?? 0)
    await rig.gone(box.id)
    await ended(own)

    expect(lateMs).toBeGreaterThan(0)
    expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
  })

  test('ends the container of a stopped agent, and stays for as long as it is there', async () => {
    const [daemon, own] = await started()
    daemon.signal('SIGSTOP')
    const box = await rig.box({ deadlineInMs: 3_000, owner: labels })
    const lateMs = (await rig.dead(box.id)) - (box.deadlineMs ?? 0)
    await rig.gone(box.id)

    expect(lateMs).toBeGreaterThan(0)
    expect(lateMs).toBeLessThan(KILL_BUDGET_MS)
    expect(isAlive(own)).toBe(true)
    await daemon.kill('SIGKILL')
    await ended(own)
  })

  test('is made whole when the guardian is killed, and goes with an agent that goes', async () => {
    const [daemon, first] = await started()
    process.kill(first.pid, 'SIGKILL')
    const second = await guardian(first.pid)

    expect(isAlive(second)).toBe(true)
    const end = await daemon.kill('SIGTERM')
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toContain('"msg":"guardian gone"')
    await ended(second)
  })

  test('keeps its guardian over a start of the agent anew', async () => {
    const [daemon, own] = await started()
    const box = await rig.box({ deadlineInMs: 29_000, owner: labels })
    await daemon.kill('SIGKILL')
    const [again] = await started()

    expect(isAlive(own)).toBe(true)
    expect((await guardian()).pid).toBe(own.pid)
    // What the dead one has left is removed at the start, with its lease.
    await rig.gone(box.id)
    expect(rig.nowMs()).toBeLessThan(box.deadlineMs ?? 0)
    await again.kill('SIGTERM')
    await ended(own)
  })

  test('is waited for where another unit starts the guardian, and nothing is claimed', async () => {
    await settings(`${written}lifeline: external\n`)
    const daemon = agent('start')
    await daemon.said('agent started')
    const before = await agent('status').exited
    expect(before.stdout).toMatch(/no guardian holds the lifeline: nothing answers at its socket/)
    expect(before.stdout).toContain('agent lifeline --stay')
    expect(before.stdout).toMatch(/onyx \* +starting/)

    const own = await rig.guardian('--stay')
    await eventually(
      'the line goes, and the agent is ready',
      async () => {
        const { stdout } = await agent('status').exited
        return !stdout.includes('lifeline') && /onyx \* +idle/.test(stdout)
      },
      60_000
    )

    expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
    expect((await own.kill('SIGTERM')).stdout).toContain('"ordered":true')
  })
})
