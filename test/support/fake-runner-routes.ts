import { repositoryOf } from './fake-forge-hooks.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakeRunner, FakeWorkflowJob } from './fake-forge-runners.ts'
import { type FakeAnswer, type FakeRequest, type FakeWorld, pageOf } from './fake-forge-world.ts'

/*
 * What the documents of GitHub, Gitea and Forgejo say of their own jobs and runners; all of it is
 * for tokens that may administer the repository.
 */

export interface RunnerStanding {
  readonly world: FakeWorld
  readonly request: FakeRequest
  readonly repository: FakeRepository
  readonly base: string
}

type Route = (standing: RunnerStanding, parts: readonly string[]) => FakeAnswer

const GITHUB: readonly (readonly [string, RegExp, Route])[] = [
  ['GET', /^\/actions\/runs$/, (standing) => githubRuns(standing)],
  ['GET', /^\/actions\/runs\/(\d+)$/, (standing, [id]) => run(standing, id)],
  ['GET', /^\/actions\/runs\/(\d+)\/jobs$/, (standing, [id]) => jobsOfRun(standing, id)],
  ['GET', /^\/actions\/jobs\/(\d+)$/, (standing, [id]) => job(standing, id)],
  ['GET', /^\/actions\/runners$/, (standing) => runners(standing)],
  ['POST', /^\/actions\/runners\/generate-jitconfig$/, (standing) => jitConfig(standing)],
  ['DELETE', /^\/actions\/runners\/(\d+)$/, (standing, [id]) => removeGithub(standing, id)]
]

const GITEA: readonly (readonly [string, RegExp, Route])[] = [
  ['GET', /^\/actions\/jobs$/, (standing) => giteaJobs(standing)],
  ['GET', /^\/actions\/jobs\/(\d+)$/, (standing, [id]) => job(standing, id)],
  ['GET', /^\/actions\/runs\/(\d+)$/, (standing, [id]) => run(standing, id)],
  ['GET', /^\/actions\/runners$/, (standing) => runners(standing)],
  ['GET', /^\/actions\/runners\/(\d+)$/, (standing, [id]) => oneRunner(standing, id)],
  [
    'POST',
    /^\/actions\/runners\/registration-token$/,
    ({ repository }) => ok({ token: repository.actions.registrationToken })
  ],
  ['DELETE', /^\/actions\/runners\/(\d+)$/, (standing, [id]) => removeGitea(standing, id)]
]

const FORGEJO: readonly (readonly [string, RegExp, Route])[] = [
  ['GET', /^\/actions\/runners\/jobs$/, (standing) => forgejoJobs(standing)],
  ['GET', /^\/actions\/runs\/(\d+)$/, (standing, [id]) => run(standing, id)],
  ['GET', /^\/actions\/runners$/, (standing) => forgejoRunners(standing)],
  ['GET', /^\/actions\/runners\/(\d+)$/, (standing, [id]) => oneRunner(standing, id)],
  ['POST', /^\/actions\/runners$/, (standing) => registerForgejo(standing)],
  ['DELETE', /^\/actions\/runners\/(\d+)$/, (standing, [id]) => removeGitea(standing, id)]
]

const ROUTES = { github: GITHUB, gitea: GITEA, forgejo: FORGEJO, gitlab: [] } as const

/** Undefined for what is none of these. `rest`: below the repository. */
export function runnerAnswer(standing: RunnerStanding, rest: string): FakeAnswer | undefined {
  for (const [method, pattern, route] of ROUTES[standing.world.kind]) {
    const match = method === standing.request.method ? pattern.exec(rest) : null
    if (match !== null) return route(standing, match.slice(1))
  }
  return undefined
}

function ok(body: unknown): FakeAnswer {
  return { status: 200, body }
}

function notFound(): FakeAnswer {
  return { status: 404, body: { message: 'Not Found' } }
}

function jobDocument({ world, base, repository }: RunnerStanding, found: FakeWorkflowJob) {
  const { id, runId, name, labels, status, conclusion, runner } = found
  const known = repository.actions.registered.find((each) => each.name === runner)
  return {
    id,
    run_id: runId,
    run_attempt: 1,
    name,
    labels,
    status,
    conclusion,
    head_branch: 'main',
    url: `${base}/jobs/${id}`,
    runner_id: known?.id ?? (world.kind === 'github' ? null : 0),
    runner_name: runner === '' && world.kind === 'github' ? null : runner,
    steps: []
  }
}

/** Of one search. */
const GITHUB_RUNS_SHOWN = 1_000

function githubRuns(standing: RunnerStanding): FakeAnswer {
  const { repository, request } = standing
  const wanted = request.query.get('status')
  const statusOf = (status: string): string => (status === 'in_progress' ? 'in_progress' : 'queued')
  const open = repository.actions.jobs.filter(({ status }) => status !== 'completed')
  const found = open.filter(({ status }) => statusOf(status) === wanted)
  // The newest first, and of more than 1 000 these alone, whatever their number is.
  const shown = found.toReversed().slice(0, GITHUB_RUNS_SHOWN)
  const runs = paged(standing, shown).map((each) => runDocument(standing, each))
  return ok({ total_count: found.length, workflow_runs: runs })
}

function runDocument({ repository, base, world }: RunnerStanding, found: FakeWorkflowJob) {
  const { runId, event, status, head } = found
  const document = { id: runId, event, status, repository: repositoryOf(repository, base) }
  if (world.kind === 'forgejo') {
    return { ...document, is_fork_pull_request: head !== repository }
  }
  return { ...document, head_repository: head === undefined ? null : repositoryOf(head, base) }
}

function run(standing: RunnerStanding, id: string | undefined): FakeAnswer {
  const { jobs } = standing.repository.actions
  const found = jobs.find(({ runId }) => String(runId) === id)
  return found === undefined ? notFound() : ok(runDocument(standing, found))
}

function jobsOfRun(standing: RunnerStanding, id: string | undefined): FakeAnswer {
  const found = standing.repository.actions.jobs.filter(({ runId }) => String(runId) === id)
  const shown = paged(standing, found).map((each) => jobDocument(standing, each))
  return ok({ total_count: found.length, jobs: shown })
}

function job(standing: RunnerStanding, id: string | undefined): FakeAnswer {
  const found = standing.repository.actions.jobs.find((each) => String(each.id) === id)
  return found === undefined ? notFound() : ok(jobDocument(standing, found))
}

function runners(standing: RunnerStanding): FakeAnswer {
  const all = standing.repository.actions.runners
  const shown = paged(standing, all).map(runnerDocument)
  return ok({ total_count: all.length, runners: shown })
}

/** GitHub's pages have up to 100 rows, the others' 50; 30 where nobody asks. */
function paged<Row>({ world, request, base }: RunnerStanding, rows: readonly Row[]) {
  const isGithub = world.kind === 'github'
  const size = isGithub ? 'per_page' : 'limit'
  return pageOf(rows, request.query, { size, max: isGithub ? 100 : 50, url: base }).rows
}

function runnerDocument({ id, name, isOnline, job: has, labels }: FakeRunner) {
  const status = isOnline ? 'online' : 'offline'
  const shown = labels.map((label) => ({ id: 1, name: label, type: 'custom' }))
  return { id, name, os: 'linux', status, busy: has !== undefined, ephemeral: true, labels: shown }
}

function oneRunner({ repository, world }: RunnerStanding, id: string | undefined): FakeAnswer {
  const found = repository.actions.runners.find((each) => String(each.id) === id)
  if (found === undefined) return notFound()
  return ok(world.kind === 'forgejo' ? forgejoDocument(found) : runnerDocument(found))
}

function jitConfig({ repository, request, base }: RunnerStanding): FakeAnswer {
  const { name, runner_group_id: group, labels } = request.body
  if (typeof name !== 'string' || !Array.isArray(labels) || labels.length === 0) {
    return { status: 422, body: { message: 'Invalid request: name and labels are required.' } }
  }
  if (group === undefined) {
    return { status: 422, body: { message: '"runner_group_id" wasn\'t supplied.' } }
  }
  if (group !== 1) return { status: 404, body: { message: 'Not Found' } }
  if (repository.actions.runners.some((each) => each.name === name)) {
    return { status: 409, body: { message: `Already exists - A runner with the name ${name}` } }
  }
  const runner = repository.actions.register(name, labels as string[])
  const { uuid, token } = runner
  const address = repository.actions.url ?? base
  // What is in it is GitHub's own matter; here it is what the stand-in runner shows.
  const config = Buffer.from(JSON.stringify({ uuid, token, address })).toString('base64')
  const shown = runnerDocument(runner)
  return { status: 201, body: { runner: shown, encoded_jit_config: config } }
}

function removeGithub({ repository }: RunnerStanding, id: string | undefined): FakeAnswer {
  const found = repository.actions.runners.find((each) => String(each.id) === id)
  if (found === undefined) return notFound()
  if (found.job !== undefined) {
    const message = `Runner "${found.name}" is still running a job`
    return { status: 422, body: { message } }
  }
  repository.actions.forget(found)
  return { status: 204 }
}

function giteaJobs(standing: RunnerStanding): FakeAnswer {
  const wanted = standing.request.query.get('status')
  const found = standing.repository.actions.jobs.filter(({ status }) => status === wanted)
  const jobs = paged(standing, found).map((each) => jobDocument(standing, each))
  return ok({ total_count: found.length, jobs })
}

/** Whatever it does just now. */
function removeGitea({ repository }: RunnerStanding, id: string | undefined): FakeAnswer {
  const found = repository.actions.runners.find((each) => String(each.id) === id)
  if (found === undefined) return notFound()
  repository.actions.forget(found)
  return { status: 204 }
}

function forgejoJobs({ repository }: RunnerStanding): FakeAnswer {
  const found = repository.actions.jobs.filter(({ status }) => status === 'queued')
  if (found.length === 0) return ok(null)
  return ok(
    found.map(({ id, runId, handle, name, labels }) => {
      const where = { repo_id: repository.id, owner_id: repository.owner.id }
      const what = { needs: null, runs_on: labels, task_id: 0, status: 'waiting' }
      return { id, run_id: runId, attempt: 1, handle, name, ...where, ...what }
    })
  )
}

function forgejoRunners(standing: RunnerStanding): FakeAnswer {
  return ok(paged(standing, standing.repository.actions.runners).map(forgejoDocument))
}

function forgejoDocument({ id, uuid, name, isOnline, job: has, labels }: FakeRunner) {
  const status = has !== undefined ? 'active' : isOnline ? 'idle' : 'offline'
  return { id, uuid, name, status, labels, ephemeral: true, version: '' }
}

function registerForgejo({ repository, request }: RunnerStanding): FakeAnswer {
  const { name } = request.body
  if (typeof name !== 'string') return { status: 422, body: { message: '[Name]: Required' } }
  const { id, uuid, token } = repository.actions.register(name, [])
  return { status: 201, body: { id, uuid, token } }
}
