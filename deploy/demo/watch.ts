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

/** Shows log lines as they arrive; resolves with the ended job. */
export async function followJob(
  mesh: LocalMesh,
  id: string,
  onLine: (line: string) => void,
  timeoutMs = 60_000
): Promise<{ readonly job: SeenJob; readonly lines: readonly LogLine[]; readonly live: boolean }> {
  const lines: LogLine[] = []
  let live = false
  const job = await eventually(
    `job ${id} ends`,
    async () => {
      const seen = await mesh.api<SeenJob>(`/api/v1/jobs/${id}`)
      const fresh = await readLines(mesh, id, lines.length + 1)
      for (const line of fresh) onLine(line.text)
      lines.push(...fresh)
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
    const fresh = await readLines(mesh, id, lines.length + 1)
    for (const line of fresh) onLine(line.text)
    lines.push(...fresh)
    return lines.length >= whole ? true : undefined
  })
  return { job, lines, live }
}

/** How many lines the log has, once whoever keeps it says that nothing follows. */
function linesInAll(mesh: LocalMesh, id: string): Promise<number> {
  return eventually(`the log of ${id} has ended`, async () => {
    const log = await mesh.agentJson<{ end: boolean; lines: readonly LogLine[] }>(0, 'logs', id)
    return log.end ? log.lines.length : undefined
  })
}

async function readLines(mesh: LocalMesh, id: string, from: number): Promise<LogLine[]> {
  const reply = await fetch(`${mesh.httpUrl}/api/v1/jobs/${id}/log?format=json&from=${from}`, {
    headers: { authorization: `Bearer ${mesh.token}` },
    signal: AbortSignal.timeout(10_000)
  })
  if (!reply.ok) return []
  const text = await reply.text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine)
}
