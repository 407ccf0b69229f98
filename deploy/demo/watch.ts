import type { LocalMesh } from './local-mesh.ts'
import { eventually } from './process.ts'

export interface SeenJob {
  readonly id: string
  readonly shortId: string
  readonly run: string
  readonly name: string
  readonly state: string
  readonly why: string
  readonly holder: string | null
  readonly epoch: number
  readonly exitCode: number | null
  readonly steps: readonly { readonly name: string; readonly state: string }[]
}

interface LogLine {
  readonly number: number
  readonly stream: string
  readonly text: string
}

const ENDED = new Set(['succeeded', 'failed', 'errored', 'cancelled', 'skipped'])

/** The job of this name in the run, once the gateway knows it. */
export function jobNamed(mesh: LocalMesh, run: string, name: string): Promise<SeenJob> {
  return eventually(`job ${name} of run ${run} is known`, async () => {
    const { jobs } = await mesh.api<{ jobs: SeenJob[] }>(`/api/v1/jobs?run=${run}`)
    return jobs.find((job) => job.name === name)
  })
}

/** What was read of one job's log: of its newest attempt alone. */
interface SeenLog {
  epoch: number
  lines: LogLine[]
}

/** Shows log lines as they arrive; resolves with the ended job. */
export async function followJob(
  mesh: LocalMesh,
  id: string,
  onLine: (line: string) => void,
  timeoutMs = 60_000
): Promise<{ readonly job: SeenJob; readonly lines: readonly LogLine[]; readonly live: boolean }> {
  const log: SeenLog = { epoch: 0, lines: [] }
  let live = false
  const job = await eventually(
    `job ${id} ends`,
    async () => {
      const seen = await mesh.api<SeenJob>(`/api/v1/jobs/${id}`)
      const fresh = await readOn(mesh, id, log)
      for (const line of fresh) onLine(line.text)
      if (fresh.length > 0 && !ENDED.has(seen.state)) live = true
      return ENDED.has(seen.state) ? seen : undefined
    },
    timeoutMs,
    150
  )
  // The last lines may still be on their way to the gateway when the outcome is known. An empty
  // page says nothing: only the log itself says where it ends.
  const whole = await linesInAll(mesh, id)
  await eventually(`the gateway has all ${whole} lines of the log`, async () => {
    for (const line of await readOn(mesh, id, log)) onLine(line.text)
    return log.lines.length >= whole ? true : undefined
  })
  return { job, lines: log.lines, live }
}

/** How many lines the log has, once whoever keeps it says that nothing follows. */
function linesInAll(mesh: LocalMesh, id: string): Promise<number> {
  return eventually(`the log of ${id} has ended`, async () => {
    // Any agent knows whom to ask; one of them may have been killed or stopped for the show.
    const answers = mesh.agents.map((_, index) => endOf(mesh, index, id))
    return await Promise.any(answers)
  })
}

async function endOf(mesh: LocalMesh, index: number, id: string): Promise<number> {
  const log = await mesh.agentJson<{ end: boolean; lines: readonly LogLine[] }>(index, 'logs', id)
  if (!log.end) throw new Error('it goes on')
  return log.lines.length
}

/** The lines that are new since the last call; those of a new attempt from its first one on. */
async function readOn(mesh: LocalMesh, id: string, log: SeenLog): Promise<readonly LogLine[]> {
  const from = log.lines.length + 1
  const reply = await fetch(`${mesh.httpUrl}/api/v1/jobs/${id}/log?format=json&from=${from}`, {
    headers: { authorization: `Bearer ${mesh.token}` },
    signal: AbortSignal.timeout(10_000)
  })
  if (!reply.ok) return []
  const text = await reply.text()
  const epoch = Number(reply.headers.get('runner-mesh-epoch'))
  if (from > 1 && epoch !== log.epoch) {
    log.lines = []
    return await readOn(mesh, id, log)
  }
  const fresh = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine)
  log.epoch = epoch
  log.lines.push(...fresh)
  return fresh
}
