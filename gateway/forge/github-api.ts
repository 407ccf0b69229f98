import { z } from 'zod'
import type { PullRequestFacts } from '../ports.ts'
import type {
  CommitStatus,
  FailedDelivery,
  ForgeApi,
  ForgePlace,
  StatusState
} from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { type DeliveryTry, isOurHook, lostOf } from './lost-deliveries.ts'

/** What GitHub asks of its clients; docs.github.com/rest, version 2022-11-28. */
export const GITHUB_HEADERS = {
  accept: 'application/vnd.github+json',
  'x-github-api-version': '2022-11-28'
}

/** Whom GitHub knows as the repository's own, or has merged before. */
const KNOWN_AUTHORS: ReadonlySet<string> = new Set([
  'OWNER',
  'MEMBER',
  'COLLABORATOR',
  'CONTRIBUTOR'
])

const STATES: Readonly<Record<StatusState, string>> = {
  queued: 'pending',
  running: 'pending',
  succeeded: 'success',
  failed: 'failure',
  errored: 'error',
  cancelled: 'error',
  skipped: 'success'
}

const repositorySchema = z.looseObject({ id: z.number().int().positive() })

const pullSchema = z.looseObject({
  number: z.number().int(),
  state: z.string(),
  title: z.string(),
  user: z.looseObject({ login: z.string() }).nullable(),
  author_association: z.string(),
  labels: z.array(z.looseObject({ name: z.string() })),
  head: z.looseObject({
    ref: z.string(),
    sha: z.string(),
    repo: repositorySchema.nullable()
  }),
  base: z.looseObject({ ref: z.string(), repo: repositorySchema })
})

const openPullSchema = z.looseObject({
  number: z.number().int(),
  head: z.looseObject({ sha: z.string() })
})

const headSchema = z.looseObject({
  name: z.string(),
  commit: z.looseObject({ sha: z.string() })
})

const hookSchema = z.looseObject({
  id: z.number().int(),
  active: z.boolean(),
  config: z.looseObject({ url: z.string().optional() })
})

const deliverySchema = z.looseObject({
  id: z.number().int(),
  guid: z.string(),
  delivered_at: z.string(),
  status_code: z.number().int(),
  event: z.string()
})

/**
 * The events that our hook starts runs for. Of `workflow_job` it does not matter who has missed it:
 * what waits is looked at every minute, and days later nothing is left to be done about it.
 */
const EVENTS: ReadonlySet<string> = new Set(['push', 'pull_request'])

/** GitHub, and GitHub Enterprise Server. Source: docs.github.com/rest. */
export function githubApi(http: ForgeHttp, { path }: ForgePlace, hookUrl?: string): ForgeApi {
  const root = `/repos/${path}`
  return {
    host: http.host,
    repositoryId: async (signal) => {
      const call = { path: root, action: `look at repository ${path}`, signal }
      return String((await http.read(repositorySchema, call)).id)
    },
    pullRequest: async (number, signal) => {
      const action = `look at pull request ${number} of ${path}`
      return factsOf(
        await http.read(pullSchema, { path: `${root}/pulls/${number}`, action, signal })
      )
    },
    postStatus: async (status, signal) => {
      const action = `take a status of ${path}`
      const place = `${root}/statuses/${status.commit}`
      await http.call({ method: 'POST', path: place, body: bodyOf(status), action, signal })
      return 'posted'
    },
    heads: async (signal) => {
      const heads = new Map<string, string>()
      for (const [list, prefix] of [
        ['branches', 'refs/heads/'],
        ['tags', 'refs/tags/']
      ] as const) {
        const call = { path: `${root}/${list}`, action: `list ${list} of ${path}`, signal }
        for await (const { name, commit } of http.pages(headSchema, 'per_page', call)) {
          heads.set(`${prefix}${name}`, commit.sha)
        }
      }
      return heads
    },
    openPullRequests: async (signal) => {
      const query = { state: 'open' }
      const action = `list pull requests of ${path}`
      const call = { path: `${root}/pulls`, query, action, signal }
      const open = new Map<string, string>()
      for await (const { number, head } of http.pages(openPullSchema, 'per_page', call)) {
        open.set(String(number), head.sha)
      }
      return open
    },
    failedDeliveries: (sinceMs, signal) => failedDeliveries(http, path, hookUrl, sinceMs, signal),
    redeliver: async ({ hook, delivery }, signal) => {
      const place = `${root}/hooks/${hook}/deliveries/${delivery}/attempts`
      const action = `send a delivery of ${path} again`
      await http.call({ method: 'POST', path: place, action, signal })
    }
  }
}

function factsOf(pull: z.infer<typeof pullSchema>): PullRequestFacts {
  const { number, state, title, user, labels, head, base } = pull
  return {
    number,
    isOpen: state === 'open',
    headCommit: head.sha,
    headBranch: head.repo === null ? '' : head.ref,
    isFork: head.repo?.id !== base.repo.id,
    baseBranch: base.ref,
    author: user?.login ?? '',
    isKnownAuthor: KNOWN_AUTHORS.has(pull.author_association),
    labels: labels.map(({ name }) => name),
    title
  }
}

function bodyOf({ state, context, description, targetUrl }: CommitStatus) {
  const page = targetUrl === undefined ? {} : { target_url: targetUrl }
  return { state: STATES[state], context, description, ...page }
}

/** Those of our hook that were never taken, each by its first delivery that GitHub still has. */
async function failedDeliveries(
  http: ForgeHttp,
  path: string,
  hookUrl: string | undefined,
  sinceMs: number,
  signal: AbortSignal
): Promise<readonly FailedDelivery[]> {
  const root = `/repos/${path}/hooks`
  const failed: FailedDelivery[] = []
  const hooks = { path: root, action: `list hooks of ${path}`, signal }
  for await (const hook of http.pages(hookSchema, 'per_page', hooks)) {
    if (!hook.active || !isOurHook('github', hook.config.url, hookUrl)) continue
    const action = `list deliveries of ${path}`
    const place = `${root}/${hook.id}/deliveries`
    const call = { path: place, query: { per_page: '100' }, action, signal }
    // The newest hundred: what is behind them, the comparison of heads finds.
    const tries = (await http.read(z.array(deliverySchema), call)).map(tryOf)
    for (const lost of lostOf(tries, sinceMs)) {
      failed.push({ hook: String(hook.id), delivery: String(lost.id) })
    }
  }
  return failed
}

/** A redelivery has the GUID of the first one. */
function tryOf(delivery: z.infer<typeof deliverySchema>): DeliveryTry {
  const { id, guid, event, delivered_at: at, status_code: code } = delivery
  const isTaken = code >= 200 && code < 300
  return { id, key: guid, isTaken, isOfRun: EVENTS.has(event), atMs: Date.parse(at) }
}
