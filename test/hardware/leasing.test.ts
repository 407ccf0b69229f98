import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import { eventually } from '../../deploy/demo/process.ts'
import type { SeenJob } from '../../deploy/demo/watch.ts'
import { E2eMesh } from '../support/e2e-mesh.ts'
import { GpuBench } from '../support/gpu-bench.ts'
import { SecondEngine } from '../support/second-engine.ts'

/*
 * Real daemons on a real engine that gives out GPUs: NVIDIA's driver and tools are the test's, so
 * are the nodes, and all else is as on a host with GPUs.
 */

const JOBS = 50
const TEST_MS = 240_000

let folder: string
let bench: GpuBench
let engine: SecondEngine
let e2e: E2eMesh | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rm-gpus-'))
  bench = await GpuBench.make(folder, [2, 2])
  engine = await SecondEngine.start({}, bench.programs)
  vi.stubEnv('DOCKER_HOST', `unix://${engine.socket}`)
  const capacity = { cpu: 2, memory: '2GiB', jobs: 8 }
  const { starts } = bench
  e2e = await E2eMesh.start({ agents: 2, capacity, starts })
}, TEST_MS)

afterAll(async () => {
  await e2e?.stop()
  vi.unstubAllEnvs()
  await engine?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Says which GPU it has, and from when until when; writes to its node. */
const SCRIPT = [
  'read -r begin rest </proc/uptime',
  'set -- /dev/nvidia-*',
  'echo work >"$1"',
  'sleep 2',
  'read -r end rest </proc/uptime',
  'echo "of $NVIDIA_VISIBLE_DEVICES nodes $* from $begin to $end"'
].join('\n')

const SAID = /of (\S+) nodes (\S+) from ([\d.]+) to ([\d.]+)/

interface Told {
  readonly job: string
  readonly gpu: string
  readonly node: string
  readonly from: number
  readonly to: number
}

function pipeline(): string {
  const jobs = Array.from({ length: JOBS }, (_, index) =>
    [
      `  job-${index + 1}:`,
      '    resources: { cpu: 0.25, memory: 64MiB, gpu: { vendor: nvidia, memory: 16GiB } }',
      `    steps: [{ run: ${JSON.stringify(SCRIPT)} }]`
    ].join('\n')
  )
  return `defaults: { image: '${BASE_IMAGE}', timeout: 2m }\njobs:\n${jobs.join('\n')}\n`
}

async function told(mesh: E2eMesh, job: SeenJob): Promise<Told> {
  const [, gpu = '', node = '', from, to] = SAID.exec(await mesh.log(job.id)) ?? []
  return { job: job.id, gpu, node, from: Number(from), to: Number(to) }
}

interface Agents {
  readonly agents: readonly {
    readonly gpus: readonly { readonly id: string; readonly health: string }[]
  }[]
}

interface LiveJobs {
  readonly jobs: readonly {
    readonly gpusNow: readonly { readonly gpu: string; readonly busyPercent: number | null }[]
  }[]
}

interface JobUse {
  readonly gpuUse: { readonly samples: number; readonly busyPeakPercent: number | null } | null
}

test(
  'fifty jobs on four GPUs of two agents: each alone on one, all of them, their use reported',
  async () => {
    const mesh = e2e
    if (mesh === undefined) throw new Error('there is a mesh')
    await eventually('both agents offer their GPUs', async () => {
      const { agents } = await mesh.mesh.api<Agents>('/api/v1/agents')
      const well = agents.flatMap(({ gpus }) => gpus.filter(({ health }) => health === 'ok'))
      return well.length === bench.gpus.length || undefined
    })
    const run = await mesh.push(pipeline())
    // By what agents say of themselves: the gateway asks none of them.
    const seen = await eventually('a running job is shown with its use of a GPU', async () => {
      const { jobs } = await mesh.mesh.api<LiveJobs>(`/api/v1/jobs?run=${run.id}&limit=200`)
      return jobs.flatMap(({ gpusNow }) => gpusNow)[0]
    })
    const used = bench.gpus.find(({ uuid }) => seen.gpu === `nvidia:${uuid}`)
    expect(seen.busyPercent).toBe(used?.busyPercent)
    const jobs = await mesh.ended(run.id, JOBS, TEST_MS)
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['succeeded']))

    const said = await Promise.all(jobs.map((job) => told(mesh, job)))
    const uuids = bench.gpus.map(({ uuid }) => uuid)
    expect(new Set(said.map(({ gpu }) => gpu))).toEqual(new Set(uuids))
    // One node each, and that of the GPU which it leases.
    for (const { gpu, node } of said) expect(node).toBe(`/dev/nvidia-${gpu}`)
    for (const id of uuids) expect(overlaps(said.filter(({ gpu }) => gpu === id))).toEqual([])
    // By the engine's own word as well, from the making of each container to its end.
    expect(await bench.conflicts()).toBe('')
    expect(await bench.handed()).toBe(JOBS)

    const busy = new Map(bench.gpus.map(({ uuid, busyPercent }) => [uuid, busyPercent]))
    for (const { job, gpu } of said) {
      const { gpuUse } = await mesh.mesh.api<JobUse>(`/api/v1/jobs/${job}`)
      expect(gpuUse?.busyPeakPercent).toBe(busy.get(gpu))
    }
  },
  TEST_MS
)

/** Pairs that had it at the same moment. */
function overlaps(said: readonly Told[]): readonly (readonly [string, string])[] {
  const inOrder = said.toSorted((a, b) => a.from - b.from)
  return inOrder.flatMap((one, index) => {
    const next = inOrder[index + 1]
    return next !== undefined && next.from < one.to ? [[one.job, next.job] as const] : []
  })
}
