import { type ErrorKind, kind } from './error-kind.ts'

/** What orders over the API can fail of; part of MESH_ERRORS. */
export const ORDER_ERRORS = {
  AGENT_UNKNOWN: kind(
    4,
    404,
    false,
    (f) => `no agent ${f['name']} is in the roster: GET /api/v1/agents lists them`
  ),
  RUN_NOT_OPEN: kind(
    1,
    409,
    false,
    (f) => `run ${f['id']} is ${f['state']}: none of its jobs can be cancelled`
  )
} as const satisfies Record<string, ErrorKind>
