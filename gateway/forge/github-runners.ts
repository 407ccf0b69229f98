import { z } from 'zod'
import {
  PROVISION_JOB_PAGES_MAX,
  PROVISION_RUN_PAGES_MAX,
  PROVISION_RUNS_MAX
} from '../../protocol/core/provision-limits.ts'
import type { ForgePlace } from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { refusedStatusOf } from './forge-refusal.ts'
import { type ForgeJob, ownerPath, type RunnerApi, rightFor } from './runner-api.ts'

const repositorySchema = z.looseObject({ id: z.number().int() })

const runSchema = z.looseObject({
  id: z.number().int(),
  repository: repositorySchema,
  head_repository: repositorySchema.nullish()
})

const jobSchema = z.looseObject({
  id: z.number().int(),
  run_id: z.number().int(),
  name: z.string(),
  status: z.string(),
  labels: z.array(z.string()),
  runner_name: z.string().nullish()
})

type Run = z.infer<typeof runSchema>
type Job = z.infer<typeof jobSchema>

const runsSchema = z.looseObject({
  total_count: z.number().int(),
  workflow_runs: z.array(runSchema)
})
const jobsSchema = z.looseObject({ jobs: z.array(jobSchema) })

const runnerSchema = z.looseObject({
  id: z.number().int(),
  name: z.string(),
  status: z.string(),
  busy: z.boolean()
})
const runnersSchema = z.looseObject({
  total_count: z.number().int(),
  runners: z.array(runnerSchema)
})

const configSchema = z.looseObject({ encoded_jit_config: z.string().min(1) })

/** Where runners do their work, below their own folder; GitHub's own word for it. */
const WORK_FOLDER = '_work'

/** Rows of a page of runs, and of their jobs: the most that GitHub gives. */
const ROWS = 100

/** Pages of runners that are looked at: a group has 10 000 at most. */
const RUNNER_PAGES_MAX = 100

/** Runners of GitHub that are made just in time. Source: docs.github.com/rest/actions. */
export function githubRunners(http: ForgeHttp, { path }: ForgePlace): RunnerApi {
  const root = `/repos/${path}/actions`
  return {
    takes: 'any',
    waiting: (signal) => waiting(http, path, signal),
    job: async (id, signal) => {
      const action = `look at job ${id} of ${path}`
      const found = await unless404(() =>
        http.read(jobSchema, { path: `${root}/jobs/${id}`, action, signal })
      )
      if (found === undefined) return undefined
      const isQueued = found.status === 'queued'
      const call = { path: `${root}/runs/${found.run_id}`, action, signal }
      // Whose code it is matters to what is about to run alone.
      return jobOf(found, !isQueued || isFork(await http.read(runSchema, call)))
    },
    runners: async (scope, signal) => {
      const list = `${ownerPath(path, scope)}/actions/runners`
      const action = `list runners of ${path}, which takes ${rightFor('github', scope)}`
      const found: z.infer<typeof runnerSchema>[] = []
      for (let page = 1; page <= RUNNER_PAGES_MAX; page += 1) {
        const query = { per_page: '100', page: String(page) }
        const { runners, total_count: total } = await http.read(runnersSchema, {
          path: list,
          query,
          action,
          signal
        })
        found.push(...runners)
        if (runners.length === 0 || found.length >= total) break
      }
      return found.map(({ id, name, status, busy }) => {
        return { id: String(id), name, isOnline: status === 'online', isBusy: busy }
      })
    },
    register: async ({ name, labels, scope, group }, signal) => {
      const call = {
        method: 'POST',
        path: `${ownerPath(path, scope)}/actions/runners/generate-jitconfig`,
        body: { name, runner_group_id: group, labels, work_folder: WORK_FOLDER },
        action: `make a runner of ${path} in group ${group}, which takes ${rightFor('github', scope)}`,
        signal
      } as const
      const { body } = await http.call(call)
      const { encoded_jit_config: config } = http.checked(configSchema, body, call)
      return { RUNNER_JITCONFIG: config }
    },
    remove: async (scope, id, signal) => {
      const place = `${ownerPath(path, scope)}/actions/runners/${id}`
      const action = `remove a runner of ${path}`
      try {
        await http.call({ method: 'DELETE', path: place, action, signal })
        return 'removed'
      } catch (error) {
        const status = refusedStatusOf(error)
        if (status === 404) return 'gone'
        // It is running a job.
        if (status === 422) return 'busy'
        throw error
      }
    }
  }
}

/** There is no list of jobs: those of runs that wait, and of those that have begun in part. */
async function waiting(
  http: ForgeHttp,
  path: string,
  signal: AbortSignal
): Promise<readonly ForgeJob[]> {
  const runs = new Map<number, Run>()
  for (const status of ['queued', 'in_progress'] as const) {
    for (const run of await oldestRuns(http, path, status, signal)) runs.set(run.id, run)
  }
  const jobs: ForgeJob[] = []
  // The oldest first: what is behind the limit waits for these anyway.
  const ordered = [...runs.values()].toSorted((a, b) => a.id - b.id)
  for (const run of ordered.slice(0, PROVISION_RUNS_MAX)) {
    const found = await jobsOf(http, path, run, signal)
    const queued = found.filter(({ status }) => status === 'queued')
    jobs.push(...queued.map((job) => jobOf(job, isFork(run))))
  }
  return jobs
}

async function jobsOf(
  http: ForgeHttp,
  path: string,
  { id }: Run,
  signal: AbortSignal
): Promise<readonly Job[]> {
  const action = `list jobs of ${path}`
  const found: Job[] = []
  for (let page = 1; page <= PROVISION_JOB_PAGES_MAX; page += 1) {
    const query = { filter: 'latest', per_page: String(ROWS), page: String(page) }
    const call = { path: `/repos/${path}/actions/runs/${id}/jobs`, query, action, signal }
    const { jobs } = await http.read(jobsSchema, call)
    found.push(...jobs)
    if (jobs.length < ROWS) break
  }
  return found
}

/** Its pages go from the newest to the oldest: from the last one on, until there are enough. */
async function oldestRuns(
  http: ForgeHttp,
  path: string,
  status: 'queued' | 'in_progress',
  signal: AbortSignal
): Promise<readonly Run[]> {
  const action = `list jobs of ${path}`
  const read = async (page: number) => {
    const query = { status, per_page: String(ROWS), page: String(page) }
    const call = { path: `/repos/${path}/actions/runs`, query, action, signal }
    return await http.read(runsSchema, call)
  }
  const { workflow_runs: newest, total_count: total } = await read(1)
  const runs: Run[] = []
  const last = Math.min(PROVISION_RUN_PAGES_MAX, Math.ceil(total / ROWS))
  for (let page = last; page > 1 && runs.length < PROVISION_RUNS_MAX; page -= 1) {
    runs.push(...(await read(page)).workflow_runs)
  }
  return runs.length < PROVISION_RUNS_MAX ? [...runs, ...newest] : runs
}

function jobOf({ id, name, status, labels, runner_name: runner }: Job, isForks: boolean): ForgeJob {
  return {
    id: String(id),
    name,
    labels,
    // `waiting` and `pending` are behind a gate: an approval, a deployment, another run.
    isWaiting: status === 'queued',
    isFork: isForks,
    runner: runner ?? ''
  }
}

/** Also where the repository that it came from is gone. */
function isFork({ repository, head_repository: head }: Run): boolean {
  return head?.id !== repository.id
}

/** Undefined where the forge knows nothing of that number. */
export async function unless404<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (refusedStatusOf(error) === 404) return undefined
    throw error
  }
}
