import { type ErrorKind, kind } from './error-kind.ts'

/** What pull requests and their approvals can fail of; part of MESH_ERRORS. */
export const APPROVAL_ERRORS = {
  PULL_REQUEST_BEHIND: kind(
    5,
    503,
    true,
    (f) =>
      `pull request ${f['number']} of ${f['repository']} is at ${f['head']} as its forge says now, ` +
      `and at ${f['commit']} as it said before: it is asked again`
  ),
  APPROVAL_GIVEN: kind(
    1,
    409,
    false,
    (f) => `run ${f['id']} is approved already, by ${f['by']}: see the run`
  ),
  APPROVAL_NOT_WAITED: kind(
    1,
    409,
    false,
    (f) => `run ${f['id']} waits for no approval, it is ${f['state']}: ${f['reason']}`
  ),
  APPROVAL_EARLY: kind(
    5,
    503,
    true,
    (f) => `run ${f['id']} is being looked at, and may need no approval: ask again`
  )
} as const satisfies Record<string, ErrorKind>
