import { type ErrorKind, kind } from './error-kind.ts'

/** What keeps a job apart from its host is not enough; part of MESH_ERRORS. */
export const ISOLATION_ERRORS = {
  ISOLATION_LACKING: kind(
    1,
    403,
    false,
    (f) =>
      `an untrusted job needs ${f['required']} here (isolation.require in agent.yaml), and the ` +
      `engine gives ${f['offered']}: set it up for that, and start the agent again`
  )
} as const satisfies Record<string, ErrorKind>
