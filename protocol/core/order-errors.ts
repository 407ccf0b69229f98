import { type ErrorKind, kind } from './error-kind.ts'

const ORDER_REFUSALS: Readonly<Record<string, string>> = {
  role: 'this gateway is no operator of the mesh: admit it with `--role gateway --role operator`',
  owner: 'its owner has `orders: refuse` in agent.yaml: order it on the host',
  stopping: 'it is about to end'
}

/** What ends a run that has no jobs yet, or none that are known here, by its state. */
const NO_JOBS_YET: Readonly<Record<string, string>> = {
  waiting: 'it waits for an approval, and POST /api/v1/runs/{id}/reject ends it',
  received: 'it has none yet, ask again',
  queued: 'this gateway has not heard of its jobs yet, ask again',
  running: 'this gateway has not heard of its jobs yet, ask again'
}

/** What orders over the API can fail of; part of MESH_ERRORS. */
export const ORDER_ERRORS = {
  AGENT_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no agent ${f['name']} is in the roster: GET /api/v1/agents lists them`
  ),
  REPOSITORY_UNDECLARED: kind(
    4,
    404,
    false,
    (f) => `repository ${f['repository']} is not declared in gateway.yaml of this gateway`
  ),
  REF_UNKNOWN: kind(
    4,
    404,
    false,
    (f) =>
      `${f['repository']} has no branch or tag at ${f['ref']}: push it, or name one that it has`
  ),
  COMMIT_ELSEWHERE: kind(
    1,
    409,
    false,
    (f) =>
      `${f['ref']} of ${f['repository']} is at ${f['at']} and not at ${f['commit']}: name the ref ` +
      'alone, or push a branch to that commit'
  ),
  RUN_ELSEWHERE: kind(
    1,
    409,
    false,
    (f) => `the delivery of run ${f['id']} is at another gateway: order it there`
  ),
  RUN_NOT_ENDED: kind(
    1,
    409,
    false,
    (f) => `run ${f['id']} is ${f['state']}: cancel it or wait for its end, then order it anew`
  ),
  DELIVERY_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no delivery ${f['id']} is kept: GET /api/v1/deliveries lists them`
  ),
  RUN_NOT_OPEN: kind(1, 409, false, (f) => {
    const why = NO_JOBS_YET[`${f['state']}`] ?? 'none of its jobs can be cancelled'
    return `run ${f['id']} is ${f['state']}: ${why.replace('{id}', `${f['id']}`)}`
  }),
  ORDER_REFUSED: kind(
    1,
    403,
    false,
    (f) =>
      `${f['agent']} does not take the order to ${f['order']}: ${ORDER_REFUSALS[`${f['reason']}`]}`
  )
} as const satisfies Record<string, ErrorKind>
