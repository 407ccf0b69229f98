import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 60_000
const CHILD = resolve(import.meta.dirname, '..', 'support', 'attempt-child.ts')

const nobody = async (): Promise<ReadonlySet<string>> => new Set()

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
})

afterAll(async () => {
  await rig.close()
})

interface Orphan {
  readonly name: string
  readonly deadlineMs: number
  readonly root: string
}

/** A container whose process was killed with SIGKILL while the job ran. */
async function orphan(peerId: string, leaseMs: number): Promise<Orphan> {
  const child = spawn('node', ['--import', 'tsx', CHILD, peerId, String(leaseMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const [, name = '', deadlineMs = '', root = ''] = line.split(' ')
      return { name, deadlineMs: Number(deadlineMs), root }
    }
    throw new Error('the child ended before its job ran')
  } finally {
    child.kill('SIGKILL')
  }
}

/** A container of nobody's attempt, made and never started. */
async function stray(name: string, labels: Readonly<Record<string, string>>): Promise<string> {
  const image = await rig.engine.image(BASE_IMAGE)
  return await rig.engine.create(name, image?.platform ?? '', {
    Image: BASE_IMAGE,
    User: '',
    WorkingDir: '/',
    Entrypoint: ['/bin/sleep', '60'],
    Cmd: [],
    Env: [],
    Labels: labels,
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGTERM',
    StopTimeout: 1,
    Tty: false,
    OpenStdin: false,
    HostConfig: { NetworkMode: 'none', Mounts: [] }
  })
}

describe('a killed agent', { timeout: TEST_MS }, () => {
  test('leaves a container that is dead by its deadline, by the guard alone', async () => {
    const peerId = `test-${randomBytes(8).toString('hex')}`
    const killed = await orphan(peerId, 8_000)
    const beside = await AttemptRig.open({ peerId })
    try {
      const alive = await rig.engine.inspect(killed.name)
      await eventually('the guard ends it', async () => {
        return (await rig.engine.inspect(killed.name))?.running === false
      })
      const lateMs = rig.nowMs() - killed.deadlineMs

      expect(alive?.running).toBe(true)
      expect(lateMs).toBeGreaterThan(-50)
      expect(lateMs).toBeLessThan(1_500)
      expect((await rig.engine.inspect(killed.name))?.exitCode).toBe(76)
      expect(await beside.executor.reap(nobody)).toEqual([killed.name])
      expect(await beside.left()).toEqual([])
    } finally {
      await beside.close()
      await rm(killed.root, { recursive: true, force: true })
    }
  })
})

describe('the reaper', { timeout: TEST_MS }, () => {
  test('leaves what runs and what is kept, and others’ things', async () => {
    const mine = { 'runner-mesh.peer': rig.peerId }
    const kept = await stray(`${rig.peerId}-kept`, { ...mine, 'runner-mesh.claim': 'k' })
    const lost = await stray(`${rig.peerId}-lost`, { ...mine, 'runner-mesh.claim': 'l' })
    const others = await stray(`${rig.peerId}-other`, { 'runner-mesh.peer': 'somebody' })
    const attempt = await rig.start({ steps: [{ run: 'echo ready; sleep 60' }] })
    await attempt.phase('first_line')

    const gone = await rig.executor.reap(async () => new Set(['k']))

    expect(gone).toEqual([`${rig.peerId}-lost`])
    expect(await rig.engine.inspect(lost)).toBeUndefined()
    expect(await rig.engine.inspect(kept)).toBeDefined()
    expect(await rig.engine.inspect(others)).toBeDefined()
    expect(await readdir(join(rig.root, 'leases'))).toHaveLength(1)
    const name = rig.executor.containerName(attempt.input.jobId)
    expect((await rig.engine.inspect(name))?.running).toBe(true)
    attempt.abort('cancelled')
    await attempt.result
    await rig.executor.reap(nobody)
    await rig.engine.remove(others)
    expect(await rig.left()).toEqual([])
  })

  test('removes sources and lease folders that a killed process has left', async () => {
    await mkdir(join(rig.root, 'workspaces', 'stale', 'deep'), { recursive: true })
    const dead = await DeadlineFile.create(join(rig.root, 'leases'), 'J.0', 'stale', {
      bootMs: () => rig.nowMs()
    })
    await dead.write(rig.nowMs())

    await rig.executor.reap(nobody)

    expect(await readdir(join(rig.root, 'workspaces'))).not.toContain('stale')
    expect(await readdir(join(rig.root, 'leases'))).toEqual([])
  })
})

describe('a container’s name', { timeout: TEST_MS }, () => {
  test('that an earlier attempt of ours still has is taken from it', async () => {
    const jobId = 'NAMED.0'
    const name = rig.executor.containerName(jobId)
    const old = await stray(name, { 'runner-mesh.peer': rig.peerId, 'runner-mesh.claim': 'old' })

    const { result } = await rig.run({ jobId })

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(await rig.engine.inspect(old)).toBeUndefined()
    expect(await rig.left()).toEqual([])
  })

  test('that somebody else’s container has is left to it, and the job to another host', async () => {
    const jobId = 'NAMED.1'
    const theirs = await stray(rig.executor.containerName(jobId), {})
    try {
      const { result } = await rig.run({ jobId })

      expect(result).toMatchObject({
        kind: 'interrupted',
        reason: 'sandbox_failed',
        fault: 'job',
        message: expect.stringContaining("somebody else's")
      })
      expect(await rig.engine.inspect(theirs)).toBeDefined()
    } finally {
      await rig.engine.remove(theirs)
    }
  })

  test('is lower case, the same for every epoch, and another for another agent', () => {
    const name = rig.executor.containerName('7K3QF2ABC.12')

    expect(name).toMatch(/^runner-mesh-7k3qf2abc\.12-[0-9a-f]{8}$/)
  })
})

describe('two attempts side by side', { timeout: TEST_MS }, () => {
  test('of two agents on one engine, for one job, do not see each other', async () => {
    const other = await AttemptRig.open()
    try {
      const run = 'echo $RUNNER_MESH_AGENT >/work/mine; sleep 0.5; ls /work; hostname'
      const [one, two] = await Promise.all([
        rig.run({ jobId: 'SHARED.0', steps: [{ run }] }),
        other.run({ jobId: 'SHARED.0', steps: [{ run }] })
      ])

      expect(one.result).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(two.result).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(one.lines.at(-1)?.text).not.toBe(two.lines.at(-1)?.text)
      expect(await rig.left()).toEqual([])
      expect(await other.left()).toEqual([])
    } finally {
      await other.close()
    }
  })

  test('of one agent share nothing but the host', async () => {
    const script = (text: string): string => `echo ${text} >only; sleep 0.5; cat only`
    const [one, two] = await Promise.all(
      ['one', 'two'].map((text) => rig.run({ steps: [{ run: script(text) }] }))
    )

    expect(one?.lines.map((line) => line.text)).toEqual(['one'])
    expect(two?.lines.map((line) => line.text)).toEqual(['two'])
  })
})
