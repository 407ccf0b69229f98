import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../agent/execute/engine.ts'
import { leftovers } from '../../deploy/demo/engine.ts'
import { LocalMesh, type LocalMeshOptions } from '../../deploy/demo/local-mesh.ts'
import { BASE_IMAGE } from '../../deploy/demo/pipeline.ts'
import { eventually } from '../../deploy/demo/process.ts'
import { Repository } from '../../deploy/demo/repository.ts'
import type { SeenJob } from '../../deploy/demo/watch.ts'
import { killGuardians } from './guardians.ts'
import { clearAfter } from './killed-agents.ts'
import { PortBlock } from './port-block.ts'
import { SmallDisk } from './small-disk.ts'

const ENDED = new Set(['succeeded', 'failed', 'errored', 'cancelled', 'skipped'])

export interface SeenRun {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly commit: string
  readonly error: {
    readonly code: string
    readonly message: string
    readonly line: number | null
    readonly column: number | null
  } | null
  readonly jobs: readonly { readonly id: string; readonly name: string }[]
}

export interface E2eOptions extends Omit<LocalMeshOptions, 'root' | 'firstPort'> {
  /** Names of parts whose state lies on a disk of its own that can be filled. */
  readonly smallDisks?: readonly string[]
}

type Disks = Map<string, SmallDisk>

/** Real daemons from dist, a real repository with the real hook, in a folder of its own. */
export class E2eMesh {
  readonly mesh: LocalMesh
  readonly repository: Repository
  readonly #root: string
  readonly #disks: Disks
  readonly #ports: PortBlock

  private constructor(
    held: { readonly root: string; readonly disks: Disks; readonly ports: PortBlock },
    mesh: LocalMesh,
    repository: Repository
  ) {
    this.#root = held.root
    this.#disks = held.disks
    this.#ports = held.ports
    this.mesh = mesh
    this.repository = repository
  }

  static async start({ smallDisks = [], ...options }: E2eOptions = {}): Promise<E2eMesh> {
    const root = await mkdtemp(join(tmpdir(), 'rm-e2e-'))
    const disks: Disks = new Map()
    const ports = await PortBlock.claim()
    try {
      for (const name of smallDisks) disks.set(name, await SmallDisk.mount(join(root, name)))
      const mesh = await LocalMesh.start({ ...options, root, firstPort: ports.first })
      const repository = await Repository.make({
        root,
        name: 'team',
        gitPort: mesh.gitPort,
        hookUrl: `${mesh.httpUrl}/hooks/git`
      })
      await mesh.addRepository(repository)
      return new E2eMesh({ root, disks, ports }, mesh, repository)
    } catch (error) {
      // Nobody has this mesh, so nobody else could unmount its disks.
      await unmountAll(disks)
      await ports.release()
      throw error
    }
  }

  get peerIds(): readonly string[] {
    return this.mesh.agents.map((agent) => agent.id.split('/')[0] ?? '')
  }

  disk(name: string): SmallDisk {
    const disk = this.#disks.get(name)
    if (disk === undefined) throw new Error(`${name} has no disk of its own`)
    return disk
  }

  /** Pushes a pipeline file; resolves with the run once the gateway knows it. */
  async push(pipeline: string, message = 'change'): Promise<SeenRun> {
    const { commit } = await this.repository.push({ '.runner-mesh.yml': pipeline }, message)
    return await this.runOf(commit)
  }

  runOf(commit: string): Promise<SeenRun> {
    return eventually(`a run of ${commit} is known`, async () => {
      const { runs } = await this.mesh.api<{ runs: SeenRun[] }>('/api/v1/runs')
      return runs.find((run) => run.commit === commit)
    })
  }

  run(id: string): Promise<SeenRun> {
    return this.mesh.api<SeenRun>(`/api/v1/runs/${id}`)
  }

  async jobs(run: string): Promise<readonly SeenJob[]> {
    return (await this.mesh.api<{ jobs: SeenJob[] }>(`/api/v1/jobs?run=${run}&limit=200`)).jobs
  }

  /** All jobs of the run, once every one has ended. */
  ended(run: string, count: number, timeoutMs = 60_000): Promise<readonly SeenJob[]> {
    return eventually(
      `${count} jobs of ${run} end`,
      async () => {
        const jobs = await this.jobs(run)
        const done = jobs.length === count && jobs.every((job) => ENDED.has(job.state))
        return done ? jobs : undefined
      },
      timeoutMs,
      200
    )
  }

  async log(job: string): Promise<string> {
    const reply = await fetch(`${this.mesh.httpUrl}/api/v1/jobs/${job}/log`, {
      headers: { authorization: `Bearer ${this.mesh.token}` }
    })
    return await reply.text()
  }

  /** Nothing of these agents is left in the engine; resolves when that is so. */
  clean(): Promise<boolean> {
    return eventually('the engine holds nothing of this mesh', async () => {
      const { containers, volumes } = await leftovers(this.peerIds)
      if (containers.length === 0 && volumes.length === 0) return true
      throw new Error([...containers, ...volumes].join(' '))
    })
  }

  /** From all agents, at one moment: what lives on is ended by its guard or by nobody. */
  killGuardians(): void {
    killGuardians(this.#root)
  }

  logOf(name: string): Promise<string> {
    return readFile(this.mesh.daemon(name).logFile, 'utf8')
  }

  async stop(): Promise<void> {
    await this.mesh.stop()
    await this.repository.stop()
    await unmountAll(this.#disks)
    await rm(this.#root, { recursive: true, force: true })
    const peerIds = this.peerIds.filter((each) => each !== '')
    await clearAfter(Engine.local(process.env['DOCKER_HOST']), peerIds)
    await this.#ports.release()
  }
}

async function unmountAll(disks: Disks): Promise<void> {
  const results = await Promise.allSettled([...disks.values()].map((disk) => disk.unmount()))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** A pipeline of `count` small jobs that run `script`; with `host`, on that agent only. */
export function pipelineOf(count: number, script: string, host?: string): string {
  const jobs = Array.from({ length: count }, (_, index) =>
    [
      `  job-${index + 1}:`,
      '    resources: { cpu: 0.25, memory: 64MiB }',
      ...(host === undefined ? [] : [`    labels: { host: ${host} }`]),
      `    steps: [{ run: ${JSON.stringify(script)} }]`
    ].join('\n')
  )
  return `defaults: { image: '${BASE_IMAGE}', timeout: 2m }\njobs:\n${jobs.join('\n')}\n`
}
