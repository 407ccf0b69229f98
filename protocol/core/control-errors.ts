import { type ErrorKind, kind } from './error-kind.ts'

/** What can go wrong between a command and the daemon on its host; part of MESH_ERRORS. */
export const CONTROL_ERRORS = {
  CONTROL_SOCKET_ABSENT: kind(
    3,
    503,
    true,
    (f) => `agent is not running here (no socket at ${f['socket']}). Start it: ${f['fix']}`
  ),
  CONTROL_FORBIDDEN: kind(
    1,
    403,
    false,
    (f) =>
      `user ${f['user']} may not use ${f['socket']}: run this as the user that runs \`agent start\``
  ),
  CONTROL_SILENT: kind(
    5,
    504,
    true,
    (f) =>
      `the agent at ${f['socket']} has not answered for ${f['waitedMs']} ms: try again, and ` +
      'if it goes on, read its log and start it anew'
  )
} as const satisfies Record<string, ErrorKind>
