import { z } from 'zod'
import type { PullRequestFacts } from '../ports.ts'
import type { CommitStatus, ForgeApi, ForgePlace, StatusState } from './forge-api.ts'
import type { ForgeHttp } from './forge-http.ts'
import { refusedStatusOf } from './forge-refusal.ts'

/** `skipped` is newer than most servers, and counts as passed in their sums: `success` is old. */
const STATES: Readonly<Record<StatusState, string>> = {
  queued: 'pending',
  running: 'pending',
  succeeded: 'success',
  failed: 'failure',
  errored: 'error',
  cancelled: 'error',
  skipped: 'success'
}

/** In a public repository everybody has `read`. */
const OWN: ReadonlySet<string> = new Set(['owner', 'admin', 'write'])

const repositorySchema = z.looseObject({ id: z.number().int().positive() })

const pullSchema = z.looseObject({
  number: z.number().int(),
  state: z.string(),
  title: z.string(),
  user: z.looseObject({ login: z.string() }).nullable(),
  labels: z.array(z.looseObject({ name: z.string() })).nullable(),
  head: z.looseObject({
    ref: z.string(),
    sha: z.string(),
    repo: repositorySchema.nullish()
  }),
  base: z.looseObject({ ref: z.string(), repo: repositorySchema })
})

const openPullSchema = z.looseObject({
  number: z.number().int(),
  head: z.looseObject({ sha: z.string() })
})

const branchSchema = z.looseObject({
  name: z.string(),
  commit: z.looseObject({ id: z.string() })
})

const tagSchema = z.looseObject({
  name: z.string(),
  commit: z.looseObject({ sha: z.string() })
})

const permissionSchema = z.looseObject({ permission: z.string() })

const issueSchema = z.looseObject({
  user: z.looseObject({ login: z.string() }).nullable(),
  pull_request: z.looseObject({ merged: z.boolean() }).nullish()
})

/** Gitea and Forgejo. Source: their API documents (`/api/swagger`), which agree in all of this. */
export function giteaApi(http: ForgeHttp, { path }: ForgePlace): ForgeApi {
  const root = `/repos/${path}`
  return {
    host: http.host,
    repositoryId: async (signal) => {
      const call = { path: root, action: `look at repository ${path}`, signal }
      return String((await http.read(repositorySchema, call)).id)
    },
    pullRequest: async (number, signal) => {
      const action = `look at pull request ${number} of ${path}`
      const call = { path: `${root}/pulls/${number}`, action, signal }
      const pull = await http.read(pullSchema, call)
      return factsOf(pull, await isKnown(http, path, pull.user?.login ?? '', signal))
    },
    postStatus: async (status, signal) => {
      const action = `take a status of ${path}`
      const place = `${root}/statuses/${status.commit}`
      await http.call({ method: 'POST', path: place, body: bodyOf(status), action, signal })
      return 'posted'
    },
    heads: async (signal) => {
      const heads = new Map<string, string>()
      const branches = { path: `${root}/branches`, action: `list branches of ${path}`, signal }
      for await (const { name, commit } of http.pages(branchSchema, 'limit', branches)) {
        heads.set(`refs/heads/${name}`, commit.id)
      }
      const tags = { path: `${root}/tags`, action: `list tags of ${path}`, signal }
      for await (const { name, commit } of http.pages(tagSchema, 'limit', tags)) {
        heads.set(`refs/tags/${name}`, commit.sha)
      }
      return heads
    },
    openPullRequests: async (signal) => {
      const query = { state: 'open' }
      const action = `list pull requests of ${path}`
      const call = { path: `${root}/pulls`, query, action, signal }
      const open = new Map<string, string>()
      for await (const { number, head } of http.pages(openPullSchema, 'limit', call)) {
        open.set(String(number), head.sha)
      }
      return open
    }
  }
}

function factsOf(pull: z.infer<typeof pullSchema>, isKnownAuthor: boolean): PullRequestFacts {
  const { number, state, title, user, labels, head, base } = pull
  const isOwnBranch = head.repo?.id === base.repo.id && !isPullRef(head.ref)
  return {
    number,
    isOpen: state === 'open',
    headCommit: head.sha,
    headBranch: head.repo == null || isPullRef(head.ref) ? '' : head.ref,
    isFork: !isOwnBranch,
    baseBranch: base.ref,
    author: user?.login ?? '',
    isKnownAuthor,
    labels: (labels ?? []).map(({ name }) => name),
    title
  }
}

/**
 * Of a pull request that was pushed to `refs/for/main`, which whoever may read the repository can,
 * the API names the repository itself as the head's and `refs/pull/7/head` as its branch. Without
 * this line a stranger's code would be trusted. Source: docs.gitea.com, "AGit".
 */
function isPullRef(ref: string): boolean {
  return ref.startsWith('refs/')
}

function bodyOf({ state, context, description, targetUrl }: CommitStatus) {
  const page = targetUrl === undefined ? {} : { target_url: targetUrl }
  return { state: STATES[state], context, description, ...page }
}

/** By what the author may do here, else by a pull request that was merged before. */
async function isKnown(
  http: ForgeHttp,
  path: string,
  author: string,
  signal: AbortSignal
): Promise<boolean> {
  if (author === '') return false
  const member = `/repos/${path}/collaborators/${encodeURIComponent(author)}`
  const action = `say what ${author} may do in ${path}`
  const permission = await unless([403, 404], async () => {
    const call = { path: `${member}/permission`, action, signal }
    return (await http.read(permissionSchema, call)).permission
  })
  if (permission !== undefined && OWN.has(permission)) return true
  // That question is for the repository's admins; this one is for whoever may read.
  const isCollaborator = await unless([403, 404, 422], async () => {
    await http.call({ path: member, action, signal })
    return true
  })
  if (isCollaborator === true) return true
  const query = { type: 'pulls', state: 'closed', created_by: author }
  const issues = { path: `/repos/${path}/issues`, query, action, signal }
  const merged = await unless([403, 404], async () => {
    for await (const { user, pull_request: pull } of http.pages(issueSchema, 'limit', issues)) {
      // A server that does not know `created_by` lists those of everybody.
      const isTheirs = user?.login.toLowerCase() === author.toLowerCase()
      if (isTheirs && pull?.merged === true) return true
    }
    return false
  })
  return merged === true
}

/** Undefined where the forge refuses in one of these ways: it does not know, or does not say. */
async function unless<T>(
  statuses: readonly number[],
  ask: () => Promise<T>
): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (statuses.includes(refusedStatusOf(error) ?? 0)) return undefined
    throw error
  }
}
