import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { DeadlineFile } from '../../agent/execute/deadline-file.ts'
import { Engine } from '../../agent/execute/engine.ts'
import { hearBeats } from '../../agent/lifeline/beat-reader.ts'
import { lifelinePaths, writeCharge } from '../../agent/lifeline/charge.ts'
import { BASE_IMAGE, ensureBaseImage } from '../../deploy/base-image.ts'
import { systemClock } from '../../protocol/host/clock.ts'
import { ownIdentity, type ProcessIdentity } from '../../protocol/host/process-identity.ts'
import { eventually } from './eventually.ts'
import { ProgramProcess } from './program-process.ts'

/** A container that a test has made, with its lease. */
export interface TestBox {
  readonly id: string
  /** Boot-clock milliseconds; undefined without a lease folder. */
  readonly deadlineMs: number | undefined
  readonly lease: DeadlineFile | undefined
}

export interface TestBoxWish {
  /** Of the only deadline that is written; absent, there is no lease folder. */
  readonly deadlineInMs?: number
  /** Peer and store, when they are not the rig's own. */
  readonly owner?: Readonly<Record<string, string>>
  /** In place of all labels. */
  readonly labels?: Readonly<Record<string, string>>
}

/** A state folder with a charge, containers whose process 1 is no guard, and a guardian. */
export class LifelineRig {
  readonly engine = Engine.local(undefined)
  readonly peerId = `test-${randomBytes(8).toString('hex')}`
  readonly root: string
  readonly state: string
  readonly #docker = new Docker({ socketPath: this.engine.socket })
  readonly #clock = systemClock()
  readonly #made: string[] = []
  readonly #guardians: ProgramProcess[] = []
  #boxes = 0

  private constructor(root: string) {
    this.root = root
    this.state = join(root, 'agent')
  }

  static async open(): Promise<LifelineRig> {
    const rig = new LifelineRig(await mkdtemp(join(tmpdir(), 'rm-life-')))
    await ensureBaseImage(rig.engine)
    await mkdir(lifelinePaths(rig.state).dir, { recursive: true })
    return rig
  }

  /** What an agent would hand over; this process is that agent when no other is named. */
  async charge(wish: { engine?: string; agent?: ProcessIdentity; leases?: string } = {}) {
    await writeCharge(lifelinePaths(this.state).charge, {
      peerId: this.peerId,
      storeId: 'test-store',
      leases: wish.leases ?? join(this.state, 'leases'),
      engine: wish.engine ?? this.engine.socket,
      agent: wish.agent ?? ownIdentity()
    })
  }

  /** A guardian as a process of its own, once it has seen the engine. */
  async guardian(...args: readonly string[]): Promise<ProgramProcess> {
    const process = this.spawn(...args)
    await process.said('guarding')
    await guardianOf(this.state)
    return process
  }

  spawn(...args: readonly string[]): ProgramProcess {
    const process = new ProgramProcess('agent', ['lifeline', '--state', this.state, ...args])
    this.#guardians.push(process)
    return process
  }

  nowMs(): number {
    return this.#clock.bootMs()
  }

  /** A container that runs, and would for ten minutes. */
  async box(wish: TestBoxWish): Promise<TestBox> {
    const jobId = `7K3QF2.${this.#boxes++}`
    const claimId = randomBytes(16).toString('hex')
    const { deadlineInMs } = wish
    const lease =
      deadlineInMs === undefined
        ? undefined
        : await DeadlineFile.create(join(this.state, 'leases'), jobId, claimId, this.#clock)
    const deadlineMs = deadlineInMs === undefined ? undefined : this.nowMs() + deadlineInMs
    if (deadlineMs !== undefined) await lease?.write(deadlineMs)
    const own = {
      'runner-mesh.job': jobId,
      'runner-mesh.peer': this.peerId,
      'runner-mesh.store': 'test-store',
      'runner-mesh.claim': claimId,
      ...wish.owner
    }
    const container = await this.#docker.createContainer({
      Image: BASE_IMAGE,
      Entrypoint: ['/bin/sleep', '600'],
      Labels: wish.labels ?? own,
      HostConfig: { NetworkMode: 'none' }
    })
    this.#made.push(container.id)
    await container.start()
    return { id: container.id, deadlineMs, lease }
  }

  async isRunning(id: string): Promise<boolean> {
    return (await this.engine.inspect(id))?.running === true
  }

  async isThere(id: string): Promise<boolean> {
    return (await this.engine.inspect(id)) !== undefined
  }

  /** Boot-clock milliseconds at which it was first seen dead. */
  async dead(id: string): Promise<number> {
    await eventually('the container is dead', async () => !(await this.isRunning(id)), 30_000)
    return this.nowMs()
  }

  async gone(id: string): Promise<void> {
    await eventually('the container is gone', async () => !(await this.isThere(id)), 30_000)
  }

  async close(): Promise<void> {
    await Promise.all(this.#guardians.map((one) => one.kill('SIGKILL')))
    for (const id of this.#made) await this.engine.remove(id)
    await rm(this.root, { recursive: true, force: true })
  }
}

/** The guardian of a state folder once it has looked at the engine. */
export async function guardianOf(state: string, besides?: number): Promise<ProcessIdentity> {
  return await eventually(
    `a guardian of ${state}`,
    async () => {
      const heard = new AbortController()
      let found: ProcessIdentity | undefined
      await hearBeats(
        lifelinePaths(state).socket,
        ({ guardian, lookAgoMs }) => {
          if (lookAgoMs === null) return
          if (guardian.pid !== besides) found = guardian
          heard.abort()
        },
        heard.signal
      )
      return found
    },
    60_000
  )
}
