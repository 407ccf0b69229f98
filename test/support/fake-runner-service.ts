import type { FakeRepository } from './fake-forge-repository.ts'
import type { FakeRunner, FakeWorkflowJob } from './fake-forge-runners.ts'
import type { FakeAnswer, FakeRequest, FakeWorld } from './fake-forge-world.ts'

/*
 * `runner.v1.RunnerService` of Gitea and Forgejo as Connect's JSON: what their runners speak. Of
 * GitHub no such document exists; there the stand-in runner speaks this one, too.
 */

export const RUNNER_SERVICE =
  /^\/api\/actions\/(runner\.v1\.RunnerService|ping\.v1\.PingService)\/(\w+)$/

const OK = 'RESULT_SUCCESS'

/** How its runner was last heard of: lines that are acknowledged. */
const acknowledged = new WeakMap<FakeWorkflowJob, number>()

export function runnerService(world: FakeWorld, method: string, request: FakeRequest): FakeAnswer {
  if (method === 'Ping') return { status: 200, body: { data: 'pong' } }
  if (method === 'Register') return register(world, request)
  for (const repository of new Set(world.repositories.values())) {
    const { headers } = request
    const [uuid, token] = [headers['x-runner-uuid'], headers['x-runner-token']].map(String)
    const runner = repository.actions.byToken(uuid ?? '', token ?? '')
    if (runner !== undefined) return serve(repository, runner, method, request)
  }
  return { status: 401, body: { code: 'unauthenticated', message: 'unregistered runner' } }
}

function register(world: FakeWorld, { body }: FakeRequest): FakeAnswer {
  const repository = [...world.repositories.values()].find(({ actions }) => {
    return actions.registrationToken === body['token']
  })
  if (repository === undefined) {
    return { status: 404, body: { code: 'not_found', message: 'runner registration token' } }
  }
  const labels = (body['labels'] ?? []) as string[]
  const { id, uuid, token, name } = repository.actions.register(String(body['name']), labels)
  const runner = { id: String(id), uuid, token, name, labels, ephemeral: body['ephemeral'] }
  return { status: 200, body: { runner } }
}

function serve(
  { actions }: FakeRepository,
  runner: FakeRunner,
  method: string,
  { body }: FakeRequest
): FakeAnswer {
  runner.isOnline = true
  switch (method) {
    case 'Declare': {
      runner.labels = ((body['labels'] ?? []) as string[]).map((label) => label.split(':')[0] ?? '')
      return { status: 200, body: { runner: { name: runner.name, labels: runner.labels } } }
    }
    case 'FetchTask': {
      const handle = body['handle']
      const job = actions.give(runner, typeof handle === 'string' ? handle : undefined)
      const task = job && { id: String(job.id), workflowPayload: workflowOf(job) }
      return { status: 200, body: { tasksVersion: '1', ...(task ? { task } : {}) } }
    }
    case 'UpdateLog':
      return updateLog(runner, body)
    case 'UpdateTask':
      return updateTask(actions, runner, body)
    default:
      return { status: 404, body: { code: 'unimplemented', message: method } }
  }
}

/** The workflow as a runner gets it: base 64 of its text, as bytes are in JSON. */
function workflowOf({ name, says }: FakeWorkflowJob): string {
  const text = `jobs:\n  ${name}:\n    steps:\n      - run: echo ${says}\n`
  return Buffer.from(text).toString('base64')
}

/** Lines from an offset on: those that are known already are not taken again. */
function updateLog(runner: FakeRunner, body: FakeRequest['body']): FakeAnswer {
  const { job } = runner
  if (job === undefined) return { status: 404, body: { code: 'not_found', message: 'task' } }
  const rows = (body['rows'] ?? []) as { readonly content: string }[]
  const known = acknowledged.get(job) ?? 0
  const index = Number(body['index'] ?? 0)
  for (const [at, { content }] of rows.entries()) if (index + at >= known) job.log.push(content)
  const ackIndex = Math.max(known, index + rows.length)
  acknowledged.set(job, ackIndex)
  return { status: 200, body: { ackIndex: String(ackIndex) } }
}

function updateTask(
  actions: FakeRepository['actions'],
  runner: FakeRunner,
  body: FakeRequest['body']
): FakeAnswer {
  const state = (body['state'] ?? {}) as { readonly id?: string; readonly result?: string }
  const { job } = runner
  if (job === undefined) return { status: 404, body: { code: 'not_found', message: 'task' } }
  const isOver = state.result !== undefined && state.result !== 'RESULT_UNSPECIFIED'
  const said = { state: { id: String(job.id), result: state.result ?? 'RESULT_UNSPECIFIED' } }
  if (isOver) actions.complete(runner, state.result === OK ? 'success' : 'failure')
  return { status: 200, body: said }
}
