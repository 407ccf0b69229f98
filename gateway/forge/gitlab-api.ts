import { z } from 'zod'
import { MeshError } from '../../protocol/core/errors.ts'
import type { PullRequestFacts } from '../ports.ts'
import type { CommitStatus, ForgeApi, ForgePlace, StatusState } from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { refusedStatusOf } from './forge-refusal.ts'
import { gitlabLost, gitlabResend } from './gitlab-deliveries.ts'

/** `skipped` is newer than many servers. */
const STATES: Readonly<Record<StatusState, string>> = {
  queued: 'pending',
  running: 'running',
  succeeded: 'success',
  failed: 'failed',
  errored: 'failed',
  cancelled: 'canceled',
  skipped: 'success'
}

/** What GitLab says of a state that it has already, or of one before that. */
const NO_TRANSITION = /cannot transition status via/i

const projectSchema = z.looseObject({ id: z.number().int().positive() })

const mergeRequestSchema = z.looseObject({
  iid: z.number().int(),
  state: z.string(),
  title: z.string(),
  /** Null while GitLab has not looked at the branch yet. */
  sha: z.string().nullable(),
  source_project_id: z.number().int().nullable(),
  target_project_id: z.number().int(),
  source_branch: z.string(),
  target_branch: z.string(),
  author: z.looseObject({ id: z.number().int(), username: z.string() }).nullable(),
  labels: z.array(z.string())
})

/** Guests may read a public project and open issues: it says nothing of them. */
const REPORTER = 20

const memberSchema = z.looseObject({ access_level: z.number().int() })

const headSchema = z.looseObject({
  name: z.string(),
  commit: z.looseObject({ id: z.string() }).nullable()
})

/** GitLab. Source: docs.gitlab.com/api, version 4. */
export function gitlabApi(http: ForgeHttp, { path }: ForgePlace, hookUrl?: string): ForgeApi {
  const root = `/projects/${encodeURIComponent(path)}`
  return {
    host: http.host,
    repositoryId: async (signal) => {
      const call = { path: root, action: `look at project ${path}`, signal }
      return String((await http.read(projectSchema, call)).id)
    },
    pullRequest: async (number, signal) => {
      const action = `look at merge request ${number} of ${path}`
      const call = { path: `${root}/merge_requests/${number}`, action, signal }
      const request = await http.read(mergeRequestSchema, call)
      const isMember = await isMemberOf(http, path, request.author?.id, signal)
      if (request.sha === null) throw new MeshError('FORGE_UNREACHABLE', headless(http, action))
      return factsOf({ ...request, sha: request.sha }, isMember)
    },
    postStatus: (status, signal) => postStatus(http, path, status, signal),
    heads: async (signal) => {
      const heads = new Map<string, string>()
      for (const [list, prefix] of [
        ['branches', 'refs/heads/'],
        ['tags', 'refs/tags/']
      ] as const) {
        const action = `list ${list} of ${path}`
        const call = { path: `${root}/repository/${list}`, action, signal }
        for await (const { name, commit } of http.pages(headSchema, 'per_page', call)) {
          if (commit !== null) heads.set(`${prefix}${name}`, commit.id)
        }
      }
      return heads
    },
    openPullRequests: async (signal) => {
      const query = { state: 'opened' }
      const action = `list merge requests of ${path}`
      const call = { path: `${root}/merge_requests`, query, action, signal }
      const open = new Map<string, string>()
      const schema = mergeRequestSchema.pick({ iid: true, sha: true })
      for await (const { iid, sha } of http.pages(schema, 'per_page', call)) {
        if (sha !== null) open.set(String(iid), sha)
      }
      return open
    },
    failedDeliveries: (sinceMs, signal) => gitlabLost(http, path, hookUrl, sinceMs, signal),
    redeliver: (delivery, signal) => gitlabResend(http, path, delivery, signal)
  }
}

function headless({ host }: ForgeHttp, action: string) {
  return { host, action, cause: 'it does not know the head commit yet' }
}

function factsOf(
  request: z.infer<typeof mergeRequestSchema> & { readonly sha: string },
  isKnownAuthor: boolean
): PullRequestFacts {
  const { iid, state, title, sha, author, labels } = request
  return {
    number: iid,
    isOpen: state === 'opened',
    headCommit: sha,
    headBranch: request.source_project_id === null ? '' : request.source_branch,
    isFork: request.source_project_id !== request.target_project_id,
    baseBranch: request.target_branch,
    author: author?.username ?? '',
    isKnownAuthor,
    labels,
    title
  }
}

async function isMemberOf(
  http: ForgeHttp,
  path: string,
  author: number | undefined,
  signal: AbortSignal
): Promise<boolean> {
  if (author === undefined) return false
  const place = `/projects/${encodeURIComponent(path)}/members/all/${author}`
  try {
    const action = `say whether ${author} is a member of ${path}`
    const member = await http.read(memberSchema, { path: place, action, signal })
    return member.access_level >= REPORTER
  } catch (error) {
    if (refusedStatusOf(error) === 404) return false
    throw error
  }
}

async function postStatus(
  http: ForgeHttp,
  path: string,
  { commit, ref, context, state, description, targetUrl }: CommitStatus,
  signal: AbortSignal
): Promise<'posted' | 'same'> {
  const page = targetUrl === undefined ? {} : { target_url: targetUrl }
  // Its pipelines are of a branch's or tag's short name.
  const short = ref.replace(/^refs\/(heads|tags)\//, '')
  const body = { state: STATES[state], ref: short, name: context, description, ...page }
  const place = `/projects/${encodeURIComponent(path)}/statuses/${commit}`
  const action = `take a status of ${path}`
  try {
    await http.call({ method: 'POST', path: place, body, action, signal })
    return 'posted'
  } catch (error) {
    if (refusedStatusOf(error) !== 400 || !(error instanceof MeshError)) throw error
    if (NO_TRANSITION.test(String(error.facts['cause']))) return 'same'
    throw error
  }
}
