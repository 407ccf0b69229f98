import { z } from 'zod'
import type { ForgePlace } from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { removeIdle } from './gitea-runners.ts'
import { unless404 } from './github-runners.ts'
import { type ForgeJob, ownerPath, type RunnerApi, rightFor } from './runner-api.ts'
import { allPages } from './runner-pages.ts'

const jobSchema = z.looseObject({
  id: z.number().int(),
  handle: z.string().min(1),
  /** Not of all versions. */
  run_id: z.number().int().nullish(),
  name: z.string(),
  runs_on: z.array(z.string()).nullish(),
  status: z.string()
})
const runSchema = z.looseObject({ is_fork_pull_request: z.boolean().nullish() })

const runnerSchema = z.looseObject({
  id: z.number().int(),
  name: z.string(),
  status: z.string()
})

const registeredSchema = z.looseObject({ uuid: z.string().min(1), token: z.string().min(1) })

/** Ephemeral runners of Forgejo, from 15 on. Source: its API document (`/api/swagger`). */
export function forgejoRunners(http: ForgeHttp, { path }: ForgePlace): RunnerApi {
  return {
    takes: 'own',
    waiting: async (signal) => {
      const call = {
        path: `/repos/${path}/actions/runners/jobs`,
        action: `list jobs of ${path} that wait`,
        signal
      }
      // `null` where there is none.
      const jobs = (await http.read(z.array(jobSchema).nullable(), call)) ?? []
      const waiting = jobs.filter(({ status }) => status === 'waiting')
      return await Promise.all(waiting.map((job) => withRun(http, path, job, signal)))
    },
    runners: async (scope, signal) => {
      const runners = await allPages(async (query) => {
        const rows = await http.read(z.array(runnerSchema).nullable(), {
          path: `${ownerPath(path, scope)}/actions/runners`,
          query,
          action: `list runners of ${path}, which takes ${rightFor('forgejo', scope)}`,
          signal
        })
        return { rows: rows ?? [], total: undefined }
      })
      return runners.map(({ id, name, status }) => {
        const isBusy = status === 'active'
        return { id: String(id), name, isOnline: status !== 'offline', isBusy }
      })
    },
    register: async ({ name, scope, handle = '' }, signal) => {
      const call = {
        method: 'POST',
        path: `${ownerPath(path, scope)}/actions/runners`,
        body: { name, ephemeral: true },
        action: `make a runner of ${path}, which takes ${rightFor('forgejo', scope)}`,
        signal
      } as const
      const { body } = await http.call(call)
      const { uuid, token } = http.checked(registeredSchema, body, call)
      return { RUNNER_UUID: uuid, RUNNER_TOKEN: token, RUNNER_HANDLE: handle }
    },
    remove: (scope, id, signal) => removeIdle(http, path, scope, id, signal)
  }
}

/** A version that does not name the run of a job does not say whose code it is, either. */
async function withRun(
  http: ForgeHttp,
  path: string,
  { id, handle, run_id: run, name, runs_on: labels }: z.infer<typeof jobSchema>,
  signal: AbortSignal
): Promise<ForgeJob> {
  const call = { path: `/repos/${path}/actions/runs/${run}`, action: 'look at a run', signal }
  const found = run ? await unless404(() => http.read(runSchema, call)) : undefined
  return {
    id: String(id),
    name,
    labels: labels ?? [],
    isWaiting: true,
    isFork: found?.is_fork_pull_request !== false,
    runner: '',
    handle
  }
}
