import { repositoryOf } from './fake-forge-hooks.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import {
  type FakeAnswer,
  type FakeHandler,
  type FakePull,
  type FakeRequest,
  type FakeScope,
  type FakeToken,
  type FakeWorld,
  pageOf
} from './fake-forge-world.ts'
import { runnerAnswer } from './fake-runner-routes.ts'

/*
 * The API of Gitea and Forgejo, version 1, as their own documents (`/api/swagger`) describe it: the
 * parts that a client of statuses, pull requests, branches and tags uses.
 */

const STATES: ReadonlySet<string> = new Set(['pending', 'success', 'error', 'failure', 'warning'])
/** MAX_RESPONSE_ITEMS of a server whose settings nobody has changed. */
const PAGE_MAX = 50

interface Standing {
  readonly world: FakeWorld
  readonly request: FakeRequest
  readonly repository: FakeRepository
  readonly token: FakeToken | undefined
  readonly base: string
}

type Route = (standing: Standing, parts: readonly string[]) => FakeAnswer | Promise<FakeAnswer>

const ROUTES: readonly (readonly [string, RegExp, FakeScope, Route])[] = [
  ['GET', /^$/, 'read', ({ repository, base }) => ok(repositoryOf(repository, base))],
  ['GET', /^\/branches$/, 'read', (standing) => branches(standing)],
  ['GET', /^\/tags$/, 'read', (standing) => tags(standing)],
  ['GET', /^\/pulls$/, 'read', (standing) => pulls(standing)],
  ['GET', /^\/pulls\/(\d+)$/, 'read', (standing, [number]) => pull(standing, Number(number))],
  ['GET', /^\/issues$/, 'read', (standing) => issues(standing)],
  ['POST', /^\/statuses\/([^/]+)$/, 'write', (standing, [sha = '']) => postStatus(standing, sha)],
  ['GET', /^\/commits\/([^/]+)\/statuses$/, 'read', (standing, [sha]) => statuses(standing, sha)],
  [
    'GET',
    /^\/collaborators\/([^/]+)$/,
    'read',
    ({ repository }, [name = '']) => {
      return repository.collaborators.has(name) ? { status: 204 } : notFound()
    }
  ],
  [
    'GET',
    /^\/collaborators\/([^/]+)\/permission$/,
    'read',
    (standing, [name]) => {
      return permission(standing, name ?? '')
    }
  ]
]

export const giteaHandler: FakeHandler = async (world, request) => {
  const [repository, rest] = world.located(request.path)
  const word = /^(?:token|Bearer) (.+)$/i.exec(String(request.headers['authorization'] ?? ''))?.[1]
  const token = world.tokens.get(word ?? '')
  if (word !== undefined && token === undefined) {
    return { status: 401, body: { message: 'user does not exist [uid: 0, name: ]' } }
  }
  const isHidden = repository?.isPrivate === true && token === undefined
  if (repository === undefined || isHidden) return notFound()
  const base = `http://${String(request.headers['host'])}`
  const standing = { world, request, repository, token, base }
  if (!rest.startsWith('/actions/')) return await routed(standing, rest)
  return refusalOf(repository, token, 'admin') ?? runnerAnswer(standing, rest) ?? notFound()
}

async function routed(standing: Standing, rest: string): Promise<FakeAnswer> {
  const { request, repository, token } = standing
  for (const [method, pattern, scope, route] of ROUTES) {
    const match = method === request.method ? pattern.exec(rest) : null
    if (match === null) continue
    return refusalOf(repository, token, scope) ?? (await route(standing, match.slice(1)))
  }
  return notFound()
}

function refusalOf(
  { isPrivate }: FakeRepository,
  token: FakeToken | undefined,
  scope: FakeScope
): FakeAnswer | undefined {
  if (token === undefined) {
    return scope === 'read' && !isPrivate
      ? undefined
      : { status: 401, body: { message: 'token is required' } }
  }
  if (token.scopes.has(scope)) return undefined
  const needed = `[${scope}:repository]`
  const message = `token does not have at least one of required scope(s): ${needed}`
  return { status: 403, body: { message, url: '' } }
}

function ok(body: unknown, headers: Record<string, string> = {}): FakeAnswer {
  return { status: 200, body, headers }
}

function notFound(): FakeAnswer {
  return { status: 404, body: { message: 'not found', errors: [], url: '' } }
}

function listed(all: readonly unknown[], { request, base }: Standing): FakeAnswer {
  const url = `${base}${request.path}`
  const { rows } = pageOf(all, request.query, { size: 'limit', max: PAGE_MAX, url })
  // Not every list of it has links; all have the number.
  return ok(rows, { 'x-total-count': String(all.length) })
}

async function branches(standing: Standing) {
  const refs = await standing.repository.refs('refs/heads/')
  const all = [...refs].map(([name, id]) => ({ name, commit: { id, message: '' } }))
  return listed(all, standing)
}

async function tags(standing: Standing) {
  const refs = await standing.repository.refs('refs/tags/')
  const all = [...refs].map(([name, sha]) => ({ name, id: sha, commit: { sha, url: '' } }))
  return listed(all, standing)
}

function stateOf({ state }: FakePull): string {
  return state === 'open' ? 'open' : 'closed'
}

function pulls(standing: Standing): FakeAnswer {
  const { repository, request, base } = standing
  const state = request.query.get('state') ?? 'open'
  const all = repository.pulls
    .filter((each) => state === 'all' || stateOf(each) === state)
    .map((each) => pullDocument(repository, each, base))
  return listed(all, standing)
}

function pull({ repository, base }: Standing, number: number): FakeAnswer {
  const found = repository.pulls.find((each) => each.number === number)
  return found === undefined ? notFound() : ok(pullDocument(repository, found, base))
}

function pullDocument(repository: FakeRepository, found: FakePull, base: string) {
  const { number, title, author, headCommit, baseBranch, labels, isPushedFor = false } = found
  // What came by `refs/for/` has no branch, and is said to be of the repository itself.
  const source = isPushedFor ? repository : found.source
  const headBranch = isPushedFor ? `refs/pull/${number}/head` : found.headBranch
  return {
    number,
    title,
    state: stateOf(found),
    merged: found.state === 'merged',
    user: { id: author.id, login: author.login },
    labels: labels.map((name) => ({ name })),
    head: {
      label: isPushedFor ? '' : headBranch,
      ref: headBranch,
      sha: headCommit,
      repo_id: source?.id ?? -1,
      repo: source === undefined ? null : repositoryOf(source, base)
    },
    base: {
      label: baseBranch,
      ref: baseBranch,
      repo_id: repository.id,
      repo: repositoryOf(repository, base)
    }
  }
}

function issues(standing: Standing): FakeAnswer {
  const { repository, request } = standing
  const creator = request.query.get('created_by')
  const state = request.query.get('state') ?? 'open'
  const all = repository.pulls
    .filter((each) => stateOf(each) === state)
    .filter(({ author }) => creator === null || author.login === creator)
    .map((each) => ({
      number: each.number,
      state: stateOf(each),
      user: { id: each.author.id, login: each.author.login },
      pull_request: { merged: each.state === 'merged', merged_at: null }
    }))
  return listed(all, standing)
}

function permission({ repository, token }: Standing, login: string): FakeAnswer {
  const isTheirs = token?.user.login === login
  if (token?.scopes.has('admin') !== true && !isTheirs) {
    const message =
      'Only admins can query all permissions, repo admins can query all repo permissions'
    return { status: 403, body: { message, url: '' } }
  }
  const given =
    login === repository.owner.login
      ? 'owner'
      : (repository.collaborators.get(login) ?? (repository.isPrivate ? 'none' : 'read'))
  return ok({ permission: given, role_name: given, user: { login } })
}

async function postStatus({ world, request, repository }: Standing, sha: string) {
  const { state, context = '', description = '', target_url: page = '' } = request.body
  const isCommit = /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(sha)
  if (!isCommit || (await repository.commitOf(sha)) === undefined) return notFound()
  if (!STATES.has(String(state))) {
    return { status: 422, body: { message: `[State]: invalid state ${String(state)}`, url: '' } }
  }
  const status = {
    id: world.id(),
    sha,
    context: String(context) || 'default',
    state: String(state),
    description: String(description),
    targetUrl: String(page),
    ref: '',
    history: [String(state)]
  }
  repository.statuses.push(status)
  // The request says `state`, the answer `status`.
  return {
    status: 201,
    body: { id: status.id, status: state, context: status.context, description, target_url: page }
  }
}

function statuses({ repository }: Standing, sha: string | undefined): FakeAnswer {
  const found = repository.statuses.filter((each) => each.sha === sha).reverse()
  return ok(
    found.map(({ id, state, context, description, targetUrl }) => {
      return { id, status: state, context, description, target_url: targetUrl }
    })
  )
}
