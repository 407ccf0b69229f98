import { z } from 'zod'
import type { ForgePlace } from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { unless404 } from './github-runners.ts'
import {
  type ForgeJob,
  ownerPath,
  type RunnerApi,
  type RunnerScope,
  rightFor
} from './runner-api.ts'
import { allPages } from './runner-pages.ts'

const jobSchema = z.looseObject({
  id: z.number().int(),
  run_id: z.number().int(),
  name: z.string(),
  status: z.string(),
  labels: z.array(z.string()).nullish(),
  runner_name: z.string().nullish()
})
const totalSchema = z.number().int().nullish()
const jobsSchema = z.looseObject({ jobs: z.array(jobSchema).nullish(), total_count: totalSchema })
const runSchema = z.looseObject({ id: z.number().int(), event: z.string() })

const runnerSchema = z.looseObject({
  id: z.number().int(),
  name: z.string(),
  status: z.string(),
  busy: z.boolean()
})
const runnersSchema = z.looseObject({
  runners: z.array(runnerSchema).nullish(),
  total_count: totalSchema
})

const tokenSchema = z.looseObject({ token: z.string().min(1) })
const registeredSchema = z.looseObject({
  runner: z.looseObject({
    id: z.union([z.string(), z.number()]),
    uuid: z.string().min(1),
    token: z.string().min(1)
  })
})

/** What a runner tells of itself when it is registered. */
const VERSION = 'runner-mesh'

/**
 * Ephemeral runners of Gitea, from 1.25 on. Source: its API document (`/api/swagger`), and
 * `runner.v1.RunnerService` of its protocol for runners (`rpc`, whose base is `/api/actions`).
 */
export function giteaRunners(http: ForgeHttp, rpc: ForgeHttp, { path }: ForgePlace): RunnerApi {
  const root = `/repos/${path}/actions`
  return {
    takes: 'any',
    waiting: async (signal) => {
      const action = `list jobs of ${path}`
      const jobs = await allPages(async (pages) => {
        const query = { status: 'queued', ...pages }
        const call = { path: `${root}/jobs`, query, action, signal }
        const { jobs: rows, total_count: total } = await http.read(jobsSchema, call)
        return { rows: rows ?? [], total: total ?? undefined }
      })
      const queued = jobs.filter(({ status }) => status === 'queued')
      return await Promise.all(queued.map((job) => withRun(http, root, job, signal)))
    },
    job: async (id, signal) => {
      const action = `look at job ${id} of ${path}`
      const call = { path: `${root}/jobs/${id}`, action, signal }
      const found = await unless404(() => http.read(jobSchema, call))
      return found && (await withRun(http, root, found, signal))
    },
    runners: async (scope, signal) => {
      const runners = await allPages(async (query) => {
        const { runners: rows, total_count: total } = await http.read(runnersSchema, {
          path: `${ownerPath(path, scope)}/actions/runners`,
          query,
          action: `list runners of ${path}, which takes ${rightFor('gitea', scope)}`,
          signal
        })
        return { rows: rows ?? [], total: total ?? undefined }
      })
      return runners.map(({ id, name, status, busy }) => {
        return { id: String(id), name, isOnline: status !== 'offline', isBusy: busy }
      })
    },
    register: async ({ name, labels, scope, url }, signal) => {
      const token = await registrationToken(http, path, scope, signal)
      const { id, uuid, token: own } = await registered(rpc, { name, token, labels }, signal)
      // As the runner keeps it itself; `host`, since there is no engine in its box.
      const kept = { id: Number(id), uuid, name, token: own, address: url, ephemeral: true }
      const inside = labels.map((label) => `${label}:host`)
      return { RUNNER_FILE: JSON.stringify({ ...kept, labels: inside }), RUNNER_TOKEN: own }
    },
    remove: (scope, id, signal) => removeIdle(http, path, scope, id, signal)
  }
}

/**
 * Here, and not in the sandbox: this token makes as many runners as one likes, and whoever runs
 * there could keep it.
 */
async function registrationToken(
  http: ForgeHttp,
  path: string,
  scope: RunnerScope,
  signal: AbortSignal
): Promise<string> {
  const call = {
    method: 'POST',
    path: `${ownerPath(path, scope)}/actions/runners/registration-token`,
    action: `give a token to register runners of ${path}, which takes ${rightFor('gitea', scope)}`,
    signal
  } as const
  const { body } = await http.call(call)
  return http.checked(tokenSchema, body, call).token
}

async function registered(
  rpc: ForgeHttp,
  wish: { readonly name: string; readonly token: string; readonly labels: readonly string[] },
  signal: AbortSignal
) {
  const call = {
    method: 'POST',
    path: '/runner.v1.RunnerService/Register',
    body: { ...wish, version: VERSION, ephemeral: true },
    action: 'register a runner',
    signal
  } as const
  const { body } = await rpc.call(call)
  return rpc.checked(registeredSchema, body, call).runner
}

/** Gitea and Forgejo part from a busy one as well: so it is asked first. */
export async function removeIdle(
  http: ForgeHttp,
  path: string,
  scope: RunnerScope,
  id: string,
  signal: AbortSignal
): Promise<'removed' | 'gone' | 'busy'> {
  const place = `${ownerPath(path, scope)}/actions/runners/${id}`
  const action = `remove a runner of ${path}`
  const one = z.looseObject({ status: z.string(), busy: z.boolean().nullish() })
  const now = await unless404(() => http.read(one, { path: place, action, signal }))
  if (now === undefined) return 'gone'
  if (now.busy === true || now.status === 'active') return 'busy'
  const removed = await unless404(async () => {
    await http.call({ method: 'DELETE', path: place, action, signal })
    return true
  })
  return removed === undefined ? 'gone' : 'removed'
}

async function withRun(
  http: ForgeHttp,
  root: string,
  { id, run_id: run, name, status, labels, runner_name: runner }: z.infer<typeof jobSchema>,
  signal: AbortSignal
): Promise<ForgeJob> {
  const isWaiting = status === 'queued'
  const call = { path: `${root}/runs/${run}`, action: 'look at a run', signal }
  // It does not say where the code of a pull request comes from: each may be a fork's.
  const isFork = !isWaiting || (await http.read(runSchema, call)).event.startsWith('pull_request')
  return {
    id: String(id),
    name,
    labels: labels ?? [],
    isWaiting,
    isFork,
    runner: runner ?? ''
  }
}
