import { createHash } from 'node:crypto'
import { projectOf } from './fake-forge-hooks.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import {
  type FakeAnswer,
  type FakeHandler,
  type FakePull,
  type FakeRequest,
  type FakeScope,
  type FakeStatus,
  type FakeToken,
  type FakeWorld,
  pageOf
} from './fake-forge-world.ts'
import { events, hooks, resend } from './fake-gitlab-hooks.ts'

/*
 * GitLab's REST API, version 4, as docs.gitlab.com/api describes it, with the state machine of its
 * commit statuses: the parts that a client of statuses, merge requests, branches, tags and hooks
 * uses.
 */

const PAGE_MAX = 100

interface Standing {
  readonly world: FakeWorld
  readonly request: FakeRequest
  readonly repository: FakeRepository
  readonly base: string
}

type Route = (standing: Standing, parts: readonly string[]) => FakeAnswer | Promise<FakeAnswer>

const ROUTES: readonly (readonly [string, RegExp, FakeScope, Route])[] = [
  ['GET', /^$/, 'read', ({ repository, base }) => ok(projectOf(repository, base))],
  ['GET', /^\/repository\/branches$/, 'read', (standing) => heads(standing, 'refs/heads/')],
  ['GET', /^\/repository\/tags$/, 'read', (standing) => heads(standing, 'refs/tags/')],
  ['GET', /^\/merge_requests$/, 'read', (standing) => mergeRequests(standing)],
  [
    'GET',
    /^\/merge_requests\/(\d+)$/,
    'read',
    ({ repository }, [number]) => {
      const found = repository.pulls.find((each) => String(each.number) === number)
      return found === undefined ? notFound('Not Found') : ok(mergeRequest(repository, found))
    }
  ],
  ['GET', /^\/members\/all\/(\d+)$/, 'read', (standing, [id]) => member(standing, Number(id))],
  ['POST', /^\/statuses\/([^/]+)$/, 'write', (standing, [sha = '']) => postStatus(standing, sha)],
  [
    'GET',
    /^\/repository\/commits\/([^/]+)\/statuses$/,
    'read',
    (standing, [sha]) => {
      const found = standing.repository.statuses.filter((each) => each.sha === sha)
      return ok(found.map(statusDocument))
    }
  ],
  ['GET', /^\/hooks$/, 'hooks', (standing) => hooks(standing)],
  ['GET', /^\/hooks\/(\d+)\/events$/, 'hooks', (standing, [hook]) => events(standing, hook)],
  [
    'POST',
    /^\/hooks\/(\d+)\/events\/(\d+)\/resend$/,
    'hooks',
    (standing, [hook, id]) => resend(standing, hook, id)
  ]
]

export const gitlabHandler: FakeHandler = async (world, request) => {
  const [, id = '', rest = ''] = /^\/projects\/([^/]+)(.*)$/.exec(request.path) ?? []
  const path = decodeURIComponent(id)
  const byNumber = [...world.repositories.values()].find((each) => String(each.id) === path)
  const repository = world.find(path) ?? byNumber
  const { headers } = request
  const bearer = /^Bearer (.+)$/.exec(String(headers['authorization'] ?? ''))?.[1]
  const word = bearer ?? (headers['private-token'] as string | undefined)
  const token = world.tokens.get(word ?? '')
  if (word !== undefined && token === undefined) {
    return { status: 401, body: { message: '401 Unauthorized' } }
  }
  const isHidden = repository?.isPrivate === true && token === undefined
  if (repository === undefined || isHidden) return notFound('Project Not Found')
  const base = `http://${String(headers['host'])}`
  return await routed({ world, request, repository, base }, token, rest)
}

async function routed(
  standing: Standing,
  token: FakeToken | undefined,
  rest: string
): Promise<FakeAnswer> {
  const { request } = standing
  for (const [method, pattern, scope, route] of ROUTES) {
    const match = method === request.method ? pattern.exec(rest) : null
    if (match === null) continue
    const refusal = refusalOf(token, scope)
    if (refusal !== undefined) return refusal
    const answer = await route(standing, match.slice(1))
    return request.method === 'GET' ? conditional(request, answer) : answer
  }
  return { status: 404, body: { error: '404 Not Found' } }
}

function refusalOf(token: FakeToken | undefined, scope: FakeScope): FakeAnswer | undefined {
  if (token === undefined) {
    return scope === 'read' ? undefined : { status: 401, body: { message: '401 Unauthorized' } }
  }
  if (token.scopes.has(scope)) return undefined
  // A role below Maintainer, whatever its token may do.
  if (scope === 'hooks') return { status: 403, body: { message: '403 Forbidden' } }
  const description = 'The request requires higher privileges than provided by the access token.'
  const body = { error: 'insufficient_scope', error_description: description, scope: 'api' }
  return { status: 403, body }
}

function ok(body: unknown, headers: Record<string, string> = {}): FakeAnswer {
  return { status: 200, body, headers }
}

function notFound(what: string): FakeAnswer {
  return { status: 404, body: { message: `404 ${what}` } }
}

function conditional({ headers }: FakeRequest, answer: FakeAnswer): FakeAnswer {
  const hash = createHash('md5').update(JSON.stringify(answer.body)).digest('hex')
  const etag = `W/"${hash}"`
  const tagged = { ...answer.headers, etag }
  if (headers['if-none-match'] === etag) return { status: 304, headers: tagged }
  return { ...answer, headers: tagged }
}

function listed(all: readonly unknown[], { request, base }: Standing): FakeAnswer {
  const url = `${base}${request.path}`
  const { rows, headers } = pageOf(all, request.query, { size: 'per_page', max: PAGE_MAX, url })
  return ok(rows, headers)
}

async function heads(standing: Standing, prefix: 'refs/heads/' | 'refs/tags/') {
  const refs = await standing.repository.refs(prefix)
  const all = [...refs].map(([name, id]) => ({ name, target: id, commit: { id, short_id: '' } }))
  return listed(all, standing)
}

function stateOf({ state }: FakePull): string {
  return state === 'open' ? 'opened' : state
}

function mergeRequests(standing: Standing): FakeAnswer {
  const { repository, request } = standing
  const state = request.query.get('state') ?? 'all'
  const all = repository.pulls
    .filter((each) => state === 'all' || stateOf(each) === state)
    .map((each) => mergeRequest(repository, each))
  return listed(all, standing)
}

function mergeRequest(repository: FakeRepository, found: FakePull) {
  const { number, title, author, source, headCommit, headBranch, baseBranch, labels } = found
  return {
    iid: number,
    title,
    state: stateOf(found),
    sha: headCommit,
    source_branch: headBranch,
    target_branch: baseBranch,
    source_project_id: source?.id ?? null,
    target_project_id: repository.id,
    author: { id: author.id, username: author.login, name: author.login },
    labels
  }
}

function member({ world, repository }: Standing, id: number): FakeAnswer {
  const user = [...world.users.values()].find((each) => each.id === id)
  const isOwner = user?.login === repository.owner.login
  if (user === undefined || !(isOwner || repository.collaborators.has(user.login))) {
    return notFound('Not found')
  }
  const level = LEVELS[repository.collaborators.get(user.login) ?? 'read']
  return ok({ id, username: user.login, state: 'active', access_level: isOwner ? 50 : level })
}

const LEVELS = { guest: 10, read: 20, write: 30, admin: 40 } as const

/** From where each event of the state machine leads on. */
const FROM: Readonly<Record<string, readonly string[]>> = {
  enqueue: ['created'],
  run: ['created', 'pending'],
  success: ['created', 'pending', 'running'],
  drop: ['created', 'pending', 'running'],
  cancel: ['created', 'pending', 'running'],
  skip: ['created', 'pending']
}

const EVENTS: Readonly<Record<string, string>> = {
  pending: 'enqueue',
  running: 'run',
  success: 'success',
  failed: 'drop',
  canceled: 'cancel',
  skipped: 'skip'
}

async function postStatus({ world, request, repository }: Standing, sha: string) {
  const { state, name, context, ref, description, target_url: page } = request.body
  const isCommit = /^[0-9a-f]{40}$/.test(sha) && (await repository.commitOf(sha)) !== undefined
  if (!isCommit) return notFound('Commit Not Found')
  const event = EVENTS[String(state)]
  if (event === undefined)
    return { status: 400, body: { error: 'state does not have a valid value' } }
  const key = String(name ?? context ?? 'default')
  // Only one that goes on is changed; behind an end a new one begins.
  const known = repository.statuses.find((each) => {
    const goesOn = each.state === 'pending' || each.state === 'running'
    return each.sha === sha && each.context === key && goesOn
  })
  const from = known?.state ?? 'created'
  if (FROM[event]?.includes(from) !== true) {
    const reason = `Status cannot transition via "${event}"`
    const message = `Cannot transition status via :${event} from :${from} (Reason(s): ${reason})`
    return { status: 400, body: { message } }
  }
  const status =
    known ?? newStatus(world, repository, { sha, context: key, ref: String(ref ?? '') })
  status.state = String(state)
  status.description = String(description ?? status.description)
  status.targetUrl = String(page ?? status.targetUrl)
  status.history.push(String(state))
  return { status: 201, body: statusDocument(status) }
}

function newStatus(
  world: FakeWorld,
  { statuses }: FakeRepository,
  place: Pick<FakeStatus, 'sha' | 'context' | 'ref'>
): FakeStatus {
  const fresh = { state: 'created', description: '', targetUrl: '', history: [] }
  const status = { id: world.id(), ...place, ...fresh }
  statuses.push(status)
  return status
}

function statusDocument({ id, sha, ref, state, context, description, targetUrl }: FakeStatus) {
  return { id, sha, ref, status: state, name: context, description, target_url: targetUrl }
}
