import { type ErrorKind, kind } from './error-kind.ts'

/** What a change of the roster can get in the way of; part of MESH_ERRORS. */
export const ROSTER_ERRORS = {
  RUN_SUPERSEDED: kind(
    1,
    409,
    true,
    (f) =>
      `run ${f['id']} can begin no more under witness epoch ${f['witnessEpoch']}, since the roster ` +
      'has changed: the gateway announces it anew under the current one'
  )
} as const satisfies Record<string, ErrorKind>
