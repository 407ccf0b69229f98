import { createHash, createPublicKey, verify } from 'node:crypto'
import { redeliver, repositoryOf } from './fake-forge-hooks.ts'
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
 * GitHub's REST API, version 2022-11-28, as docs.github.com/rest describes it: the parts that a
 * client of statuses, pull requests, branches, tags, hooks and Apps uses.
 */

const STATES: ReadonlySet<string> = new Set(['error', 'failure', 'pending', 'success'])
const STATUSES_MAX = 1_000
const PAGE_MAX = 100

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
  ['GET', /^\/branches$/, 'read', (standing) => heads(standing, 'refs/heads/')],
  ['GET', /^\/tags$/, 'read', (standing) => heads(standing, 'refs/tags/')],
  ['GET', /^\/pulls$/, 'read', (standing) => pulls(standing)],
  ['GET', /^\/pulls\/(\d+)$/, 'read', (standing, [number]) => pull(standing, Number(number))],
  ['POST', /^\/statuses\/([^/]+)$/, 'write', (standing, [sha = '']) => postStatus(standing, sha)],
  ['GET', /^\/commits\/([^/]+)\/statuses$/, 'read', (standing, [sha]) => statuses(standing, sha)],
  ['GET', /^\/hooks$/, 'hooks', (standing) => hooks(standing)],
  ['GET', /^\/hooks\/(\d+)\/deliveries$/, 'hooks', (standing, [id]) => deliveries(standing, id)],
  [
    'POST',
    /^\/hooks\/(\d+)\/deliveries\/(\d+)\/attempts$/,
    'hooks',
    (standing, [hook, id]) => attempt(standing, hook, id)
  ]
]

export const githubHandler: FakeHandler = async (world, request) => {
  if (request.headers['user-agent'] === undefined) {
    return { status: 403, body: { message: 'Request forbidden by administrative rules.' } }
  }
  const app = /^\/app\/installations\/(\d+)\/access_tokens$/.exec(request.path)
  if (app !== null) return installationToken(world, request, Number(app[1]))
  const [repository, rest] = world.located(request.path)
  if (rest === '/installation') return installation(world, request, repository)
  const token = world.tokens.get(wordOf(request) ?? '')
  if (wordOf(request) !== undefined && token === undefined) {
    return { status: 401, body: { message: 'Bad credentials', status: '401' } }
  }
  if (repository === undefined || !mayRead(repository, token)) return notFound()
  const base = `http://${String(request.headers['host'])}`
  return await routed({ world, request, repository, token, base }, rest)
}

async function routed(standing: Standing, rest: string): Promise<FakeAnswer> {
  const { request, token } = standing
  if (rest.startsWith('/actions/')) return ofRunners(standing, rest)
  for (const [method, pattern, scope, route] of ROUTES) {
    const match = method === request.method ? pattern.exec(rest) : null
    if (match === null) continue
    if (scope !== 'read' && token?.scopes.has(scope) !== true) {
      // Who may not see hooks is told that there are none.
      if (scope === 'hooks') return notFound()
      return { status: 403, body: { message: 'Resource not accessible by personal access token' } }
    }
    const answer = await route(standing, match.slice(1))
    return request.method === 'GET' ? conditional(request, answer) : answer
  }
  return notFound()
}

function ofRunners(standing: Standing, rest: string): FakeAnswer {
  const { request, token } = standing
  if (token?.scopes.has('admin') !== true) {
    return { status: 403, body: { message: 'Resource not accessible by personal access token' } }
  }
  const answer = runnerAnswer(standing, rest) ?? notFound()
  return request.method === 'GET' ? conditional(request, answer) : answer
}

function ok(body: unknown, headers: Record<string, string> = {}): FakeAnswer {
  return { status: 200, body, headers }
}

function notFound(): FakeAnswer {
  return { status: 404, body: { message: 'Not Found', status: '404' } }
}

function wordOf({ headers }: FakeRequest): string | undefined {
  return /^(?:Bearer|token) (.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1]
}

function mayRead(repository: FakeRepository, token: FakeToken | undefined): boolean {
  if (!repository.isPrivate) return true
  const isFor = token?.paths === undefined || token.paths.includes(repository.path)
  return token?.scopes.has('read') === true && isFor
}

/** A weak tag over the answer; asked with it, 304 without a body. */
function conditional({ headers }: FakeRequest, answer: FakeAnswer): FakeAnswer {
  const hash = createHash('sha256').update(JSON.stringify(answer.body)).digest('hex')
  const etag = `W/"${hash}"`
  const tagged = { ...answer.headers, etag }
  if (headers['if-none-match'] === etag) return { status: 304, headers: tagged }
  return { ...answer, headers: tagged }
}

async function heads(
  { repository, request, base }: Standing,
  prefix: 'refs/heads/' | 'refs/tags/'
) {
  const refs = await repository.refs(prefix)
  const all = [...refs].map(([name, sha]) => ({ name, commit: { sha, url: '' } }))
  const url = `${base}${request.path}`
  const { rows, headers } = pageOf(all, request.query, { size: 'per_page', max: PAGE_MAX, url })
  return ok(rows, headers)
}

function pulls({ repository, request, base }: Standing): FakeAnswer {
  const state = request.query.get('state') ?? 'open'
  const all = repository.pulls
    .filter((each) => state === 'all' || stateOf(each) === state)
    .map((each) => pullDocument(repository, each, base))
  const url = `${base}${request.path}`
  const { rows, headers } = pageOf(all, request.query, { size: 'per_page', max: PAGE_MAX, url })
  return ok(rows, headers)
}

function pull({ repository, base }: Standing, number: number): FakeAnswer {
  const found = repository.pulls.find((each) => each.number === number)
  return found === undefined ? notFound() : ok(pullDocument(repository, found, base))
}

function stateOf({ state }: FakePull): string {
  return state === 'open' ? 'open' : 'closed'
}

function pullDocument(repository: FakeRepository, found: FakePull, base: string) {
  const { number, title, author, source, headCommit, headBranch, baseBranch, labels } = found
  return {
    number,
    title,
    state: stateOf(found),
    merged: found.state === 'merged',
    user: { id: author.id, login: author.login },
    author_association: associationOf(repository, found),
    labels: labels.map((name) => ({ name })),
    head: {
      ref: headBranch,
      sha: headCommit,
      repo: source === undefined ? null : repositoryOf(source, base)
    },
    base: { ref: baseBranch, repo: repositoryOf(repository, base) }
  }
}

function associationOf({ owner, collaborators, pulls: all }: FakeRepository, { author }: FakePull) {
  if (author.login === owner.login) return 'OWNER'
  if (collaborators.has(author.login)) return 'COLLABORATOR'
  const before = all.filter((each) => each.author.login === author.login)
  if (before.some(({ state }) => state === 'merged')) return 'CONTRIBUTOR'
  return before.length > 1 ? 'NONE' : 'FIRST_TIME_CONTRIBUTOR'
}

async function postStatus({ world, request, repository }: Standing, sha: string) {
  const { state, context = 'default', description = '', target_url: page = '' } = request.body
  if (!STATES.has(String(state))) return invalid('state is not included in the list')
  if (String(description).length > 140) return invalid('description is too long (maximum is 140)')
  const isCommit = /^[0-9a-f]{40}$/.test(sha) && (await repository.commitOf(sha)) !== undefined
  if (!isCommit) return invalid(`No commit found for SHA: ${sha}`)
  const before = repository.statuses.filter((each) => each.sha === sha && each.context === context)
  if (before.length >= STATUSES_MAX) {
    return invalid('This SHA and context has reached the maximum number of statuses.')
  }
  const status = {
    id: world.id(),
    sha,
    context: String(context),
    state: String(state),
    description: String(description),
    targetUrl: String(page),
    ref: '',
    history: [String(state)]
  }
  repository.statuses.push(status)
  return { status: 201, body: { id: status.id, state, context, description, target_url: page } }
}

function invalid(message: string): FakeAnswer {
  const errors = [{ resource: 'Status', code: 'custom', message }]
  return { status: 422, body: { message: `Validation Failed: ${message}`, errors } }
}

function statuses({ repository }: Standing, sha: string | undefined): FakeAnswer {
  const found = repository.statuses.filter((each) => each.sha === sha).reverse()
  return ok(
    found.map(({ id, state, context, description, targetUrl }) => {
      return { id, state, context, description, target_url: targetUrl }
    })
  )
}

function hooks({ repository }: Standing): FakeAnswer {
  return ok(
    repository.hooks.map(({ id, url }) => {
      const config = { url, content_type: 'json', insecure_ssl: '0', secret: '********' }
      return { id, type: 'Repository', name: 'web', active: true, events: ['*'], config }
    })
  )
}

function deliveries({ repository, request }: Standing, id: string | undefined): FakeAnswer {
  const hook = repository.hooks.find((each) => String(each.id) === id)
  if (hook === undefined) return notFound()
  const shown = hook.deliveries.slice(0, Number(request.query.get('per_page') ?? 30))
  return ok(
    shown.map((each) => ({
      id: each.id,
      guid: each.guid,
      delivered_at: new Date(each.deliveredAtMs).toISOString(),
      redelivery: each.isRedelivery,
      duration: 0.03,
      status: each.status === 0 ? 'failed to connect' : each.status < 300 ? 'OK' : 'Invalid',
      status_code: each.status === 0 ? 502 : each.status,
      event: each.event,
      action: null,
      installation_id: null,
      repository_id: repository.id
    }))
  )
}

async function attempt({ world, repository }: Standing, hookId?: string, id?: string) {
  const hook = repository.hooks.find((each) => String(each.id) === hookId)
  const delivery = hook?.deliveries.find((each) => String(each.id) === id)
  if (hook === undefined || delivery === undefined) return notFound()
  await redeliver(world, hook, delivery)
  return { status: 202, body: {} }
}

/** The App whose word authorizes the request. */
function appOf(world: FakeWorld, request: FakeRequest): string | undefined {
  const [head = '', claims = '', signature = ''] = (wordOf(request) ?? '').split('.')
  try {
    const { iss, iat, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
      iss: string
      iat: number
      exp: number
    }
    const key = createPublicKey(world.apps.get(iss) ?? '')
    const text = Buffer.from(`${head}.${claims}`)
    const nowS = world.nowMs() / 1000
    const isGood = verify('RSA-SHA256', text, key, Buffer.from(signature, 'base64url'))
    return isGood && iat <= nowS && exp > nowS && exp - nowS <= 600 ? iss : undefined
  } catch {
    return undefined
  }
}

function installation(world: FakeWorld, request: FakeRequest, repository?: FakeRepository) {
  if (appOf(world, request) === undefined) {
    return { status: 401, body: { message: 'A JSON web token could not be decoded' } }
  }
  return repository === undefined ? notFound() : ok({ id: 7, app_id: 1, target_type: 'User' })
}

function installationToken(world: FakeWorld, request: FakeRequest, id: number): FakeAnswer {
  const app = appOf(world, request)
  if (app === undefined || id !== 7) return { status: 401, body: { message: 'Bad credentials' } }
  const names = (request.body['repositories'] ?? []) as readonly string[]
  const paths = [...world.repositories.values()]
    .map(({ path }) => path)
    .filter((path) => names.includes(path.split('/').at(-1) ?? ''))
  // Less than the App may do, where less is asked for.
  const permissions = request.body['permissions'] as Readonly<Record<string, string>> | undefined
  const isReader = permissions !== undefined && permissions['contents'] === 'read'
  const scopes: readonly FakeScope[] = isReader ? ['read'] : ['read', 'write', 'hooks']
  const token = world.token(`app-${app}[bot]`, scopes, paths)
  const endsAtMs = world.nowMs() + 3_600_000
  const timer = { token, expires_at: new Date(endsAtMs).toISOString() }
  return { status: 201, body: { ...timer, permissions: permissions ?? { statuses: 'write' } } }
}
